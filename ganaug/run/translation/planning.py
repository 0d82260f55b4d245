"""What a translation starts from: two domains, each in two splits, and the complete recipe."""

import logging
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from ganaug.auto import Choice, affordable, pick_device
from ganaug.data import (
    Domains,
    LabeledImages,
    UnlabeledImages,
    hold_out,
    load_domains,
    load_pairs,
    resized,
    scaled,
    without_labels,
)
from ganaug.data.splits import held_out_by_hash
from ganaug.errors import RecipeError
from ganaug.recipe import Recipe, require_own, validate
from ganaug.run.planning import VAL_FRACTION, where
from ganaug.run.translation.choices import complete, parts
from ganaug.translation import describe

log = logging.getLogger("ganaug")
Images = LabeledImages | UnlabeledImages
Source = Images | str | Path


@dataclass(frozen=True)
class TranslationPlan:
    """All that decides a translation; equal plans give equal weights on a CPU.

    Attributes:
        a: What G_AB learns from; with labels, where there are any.
        a_val: What checkpoints are chosen by.
        b: Images of the other domain; row i is the pair of row i of `a`, where they are pairs.
        b_val: Held out of B; whether they have labels is not looked at.
        paired: Whether rows are pairs.
        recipe: Complete: nothing is left to decide.
        choices: What was decided, with reasons.
        device: Where it takes place.
        fraction: The share of both domains that is held out.
        fingerprint: Of all images of A.
        places: Where A and B were read from.
    """

    a: Images
    a_val: Images
    b: UnlabeledImages
    b_val: UnlabeledImages
    paired: bool
    recipe: Recipe
    choices: list[Choice]
    device: torch.device
    fraction: float
    fingerprint: str
    places: dict[str, Any]

    @property
    def labelled(self) -> bool:
        """Whether A has labels."""
        return isinstance(self.a, LabeledImages)

    @property
    def classes(self) -> tuple[str, ...]:
        """A's classes; none where it has no labels."""
        return self.a.classes if isinstance(self.a, LabeledImages) else ()

    def splits(self) -> dict[str, Images]:
        """The four parts, as the facts name them."""
        return {"train": self.a, "val": self.a_val, "b_train": self.b, "b_val": self.b_val}

    def facts(self) -> dict[str, Any]:
        """What the translator remembers of its making; no paths, for it is shared."""
        return {
            "ganaug": version("ganaug"),
            "torch": torch.__version__,
            "python": platform.python_version(),
            "device": str(self.device),
            "images": {name: len(part) for name, part in self.splits().items()},
            "classes": list(self.classes),
            "shape": {"a": list(self.a.shape), "b": list(self.b.shape)},
            "paired": self.paired,
            "fingerprint": self.fingerprint,
            "splits": {name: part.fingerprint for name, part in self.splits().items()},
            "val": {"fraction": self.fraction},
            "recipe": self.recipe.model_dump(mode="json"),
        }

    @property
    def networks(self) -> str:
        """The networks' sizes in one line."""
        return describe(self.a.shape, self.b.shape, *parts(self.recipe))


def plan_translation(
    a: Source,
    b: Source | None,
    recipe: Recipe,
    *,
    val: float = VAL_FRACTION,
    device: str = "auto",
) -> TranslationPlan:
    """Read both domains, hold a share of each out and complete the recipe, without training.

    Args:
        a: DATA or a folder of images, or what was loaded from there; with or without labels.
        b: The other domain, whose labels are not looked at. None: `a` is a folder of pairs, side by side.
        recipe: What the user decided.
        val: The share of both that is held out.
        device: "auto", "cpu", "cuda" or "mps".

    Raises:
        DataError: A or B cannot be read, is too small, both are the same images, or pairs do not fit.
        DeviceError: There is no such device.
        RecipeError: The recipe holds what only a GAN reads, or asks for labels or pairs that are not there.
    """
    where_to = pick_device(device)
    require_own(recipe, translates=True)
    _require_read(recipe, one_folder=b is None)
    domains = _read(a, b, recipe)
    recipe, domains, smaller = _affordable(recipe, domains, where_to)
    (a_train, a_val), (b_train, b_val) = _split(domains, val)
    whole, choices = complete(
        *(recipe, a_train.shape, b_train.shape, where_to),
        labelled=isinstance(a_train, LabeledImages),
        paired=domains.paired,
        images=min(len(a_train), len(b_train)),
    )
    places = {"a": where(domains.a.source), "b": where(domains.b.source)}
    return TranslationPlan(
        *(a_train, a_val, b_train, b_val, domains.paired, whole, [*smaller, *choices], where_to),
        *(val, domains.a.fingerprint, places),
    )


def _require_read(recipe: Recipe, *, one_folder: bool) -> None:
    """Refuse what would do nothing.

    Raises:
        RecipeError: The recipe holds such a key; it is named.
    """
    if recipe.data.groups:
        raise RecipeError("data.groups must be left out of a translation, got it; cut the images apart beforehand")
    if recipe.data.channels:
        raise RecipeError(
            f"data.channels must be left out of a translation, got {recipe.data.channels}; A and B each keep what most "
            "of their images have"
        )
    if recipe.translate.sides and not one_folder:
        raise RecipeError(
            f"translate.sides must be left out for two folders, got {recipe.translate.sides!r}; it says which half of "
            "an image is A"
        )


def _read(a: Source, b: Source | None, recipe: Recipe) -> Domains:
    """The two domains as the recipe wants them; pairs, where it is for pairs."""
    settings = {"resolution": recipe.data.resolution, "skip_bad": recipe.data.skip_bad}
    if b is None or recipe.translate.engine == "pix2pix" or recipe.translate.l1:
        return load_pairs(a, b, sides=recipe.translate.sides or "left-right", **settings)
    return load_domains(a, b, **settings)


def _affordable(recipe: Recipe, domains: Domains, device: torch.device) -> tuple[Recipe, Domains, list[Choice]]:
    """Recipe and images, brought to a size that the machine can bear where the user set none, and why."""
    found = affordable(recipe, domains.a.shape, device)
    if found is None:
        return recipe, domains, []
    size, why = found
    tables = recipe.model_dump()
    tables["data"]["resolution"] = size
    smaller = Domains(*(_resized(images, size) for images in (domains.a, domains.b)), paired=domains.paired)
    return validate(tables, domains.a.source), smaller, [Choice("data.resolution", size, why)]


def _resized(images: Images, size: tuple[int, int]) -> Images:
    return scaled(images, size) if isinstance(images, LabeledImages) else resized(images, size)


def _split(domains: Domains, val: float) -> tuple[tuple[Images, Images], tuple[UnlabeledImages, UnlabeledImages]]:
    """(what is learned from, what is held out) of A and of B; of B, whose labels do not count, by the pixels alone."""
    a, b = domains.a, _plain(domains.b)
    if domains.paired:
        held = set(held_out_by_hash(_plain(a), val)[1].hashes)
        rows = [i for i, h in enumerate(a.hashes) if h not in held], [i for i, h in enumerate(a.hashes) if h in held]
        return tuple((side.subset(rows[0]), side.subset(rows[1])) for side in (a, b))  # type: ignore[return-value]
    if isinstance(a, LabeledImages):
        train, held_out = hold_out(a, val)
        return (train.sorted(), held_out), held_out_by_hash(_in_order(b), val)
    return held_out_by_hash(_in_order(a), val), held_out_by_hash(_in_order(b), val)


def _plain(images: Images) -> UnlabeledImages:
    return without_labels(images) if isinstance(images, LabeledImages) else images


def _in_order(images: UnlabeledImages) -> UnlabeledImages:
    """In the order of their hashes, whatever that of the files was."""
    return images.subset(sorted(range(len(images)), key=images.hashes.__getitem__))
