"""What a run starts from: the two splits, the complete recipe, and why it is what it is."""

import logging
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from ganaug.auto import Choice, affordable, complete, pick_device
from ganaug.data import (
    LabeledImages,
    UnlabeledImages,
    align,
    duplicates,
    hold_out,
    listed,
    load,
    load_unlabeled,
    new_beside,
    require_disjoint,
    resized,
    scaled,
    straddling,
    without_labels,
)
from ganaug.diffaug import check_policy
from ganaug.errors import DataError, RecipeError
from ganaug.nets import describe, step_seconds
from ganaug.ranks import size, started
from ganaug.recipe import Data, Recipe, require_own, validate
from ganaug.run.ancestor import Ancestor

log = logging.getLogger("ganaug")
VAL_FRACTION = 0.2
FEW = 20  # images of a class below which a generator is sure to learn them by heart
SCARCE = 50  # images of a class below which, in the one study there is, a GAN's images did harm
Val = float | LabeledImages | str | Path  # a share to hold out, or the images to use
Unlabeled = UnlabeledImages | LabeledImages | str | Path  # whose labels are not looked at


@dataclass(frozen=True)
class Plan:
    """All that decides a run; equal plans give equal weights on a CPU."""

    train: LabeledImages
    val: LabeledImages
    recipe: Recipe  # complete: nothing is left to decide
    choices: list[Choice]  # what `auto` decided, with reasons
    device: torch.device
    val_spec: dict[str, Any]  # how validation was cut, so that `measure` never recuts it
    fingerprint: str  # of all images that were given as training data
    init: str = ""  # sha256 of the generator that training starts from; empty where it starts from drawn weights
    unlabeled: UnlabeledImages | None = None  # none of them a training or a validation image

    def facts(self) -> dict[str, Any]:
        """What the generator remembers of its making; no paths, for it is shared."""
        recipe = self.recipe.model_dump(mode="json")
        if self.init:
            recipe["train"]["init"] = f"model:{self.init[:12]}"
        more = {} if self.unlabeled is None else {"unlabeled": _identity(self.unlabeled)}
        return {
            "ganaug": version("ganaug"),
            "torch": torch.__version__,
            "python": platform.python_version(),
            "device": str(self.device),
            "processes": size(),
            "images": len(self.train),
            "classes": list(self.train.classes),
            "shape": list(self.train.shape),
            "fingerprint": self.fingerprint,
            "splits": {"train": self.train.fingerprint, "val": self.val.fingerprint},
            "val": {"fraction": self.val_spec["fraction"]} if "fraction" in self.val_spec else {},
            "recipe": recipe,
            **more,
        }

    @property
    def networks(self) -> str:
        """The networks' sizes in one line."""
        return describe(*self.sizes, precision=self.recipe.train.precision or "fp32")

    @property
    def sizes(self) -> tuple[str, tuple[int, int, int], int, int, int, int]:
        """What the cost of a step depends on, as `ganaug.nets` asks for it."""
        nets, n = self.recipe.nets, len(self.train) + (len(self.unlabeled) if self.unlabeled else 0)
        batch = min(self.recipe.train.batch_size or 0, n)
        return nets.name or "", self.train.shape, self.train.num_classes, nets.width or 0, nets.z_dim, batch

    def sources(self) -> dict[str, Any]:
        """Where images and weights came from, for the run folder alone."""
        found: dict[str, Any] = {"data": self.train.source, "val": self.val_spec}
        if self.unlabeled is not None:
            found["unlabeled"] = _identity(self.unlabeled) | where(self.unlabeled.source)
        if self.init:
            found["init"] = {"model": self.recipe.train.init, "sha256": self.init}
        return found


def plan(
    data: LabeledImages,
    recipe: Recipe,
    *,
    val: Val = VAL_FRACTION,
    device: str = "auto",
    unlabeled: Unlabeled | None = None,
    init: str | None = None,
) -> Plan:
    """Cut the validation split and complete the recipe, without training; what is doubtful in `data` is warned of.

    Args:
        data: The labelled images.
        recipe: What the user decided.
        val: The share to hold out, or the images to validate on.
        device: "auto", "cpu", "cuda" or "mps".
        unlabeled: Images to learn from without labels; those that are in `data` or in `val` are left out.
        init: sha256 of the weights that a run which is resumed from a checkpoint began with, as
            `recorded_init` tells it: the model in `train.init` need not be there any more. None: it must be.

    Raises:
        DataError: `val` is no fraction, has other classes or sizes, or shares images with `data`; or `unlabeled` has
            another form, or nothing that is not known.
        DeviceError: There is no such device.
        ModelError: There is no model in `train.init`, or none of which anything fits.
        RecipeError: `train.augment` names an unknown policy, or `data` has not the form that the recipe asks for.
    """
    machine = pick_device(device)
    require_own(recipe, translates=False)
    if recipe.data.groups and data.groups is None:
        raise RecipeError(
            f"data.groups must have been used to load {data.source}, got images without groups; "
            f"load them with groups={recipe.data.groups!r}"
        )
    for caution in _cautions(data):
        log.warning("%s", caution)
    given = data.shape
    recipe, data, smaller = _affordable(recipe, data, machine)
    if smaller:
        val, unlabeled = (_brought_along(images, given, data.shape[1:]) for images in (val, unlabeled))
    train, held_out, spec = split(data, val, recipe.data)
    for caution in _scarce(data, train):
        log.warning("%s", caution)
    extra = None if unlabeled is None else _beside(train, held_out, unlabeled, recipe.data)
    ancestor = Ancestor.of(recipe, init)
    recipe, taken = ancestor.settled(recipe)

    def cost(name: str, width: int, batch_size: int, precision: str) -> float:
        sizes = (train.shape, train.num_classes, width, recipe.nets.z_dim, batch_size)
        return step_seconds(name, *sizes, precision=precision)

    whole, choices = complete(*(recipe, train, machine, cost), held_out=len(held_out), extra=len(extra) if extra else 0)
    check_policy(whole.train.augment or "none")
    _require_shares(whole.train.batch_size or 0, len(train))
    choices = [*smaller, *taken, *choices, *ancestor.fit(whole, train)]
    for caution in ancestor.cautions(data.fingerprint, held_out.fingerprint):
        log.warning("%s", caution)
    return Plan(train, held_out, whole, choices, machine, spec, data.fingerprint, ancestor.sha256, extra)


def _require_shares(batch_size: int, images: int) -> None:
    """A batch falls into as many equal shares as there are processes."""
    several = started()[1]
    if batch_size % several or images < several:
        raise RecipeError(
            f"train.batch_size must be a multiple of the {several} processes, and no larger than the images allow, got "
            f"{batch_size} for {images} images; every process takes its share of a batch"
        )


def _affordable(
    recipe: Recipe, data: LabeledImages, device: torch.device
) -> tuple[Recipe, LabeledImages, list[Choice]]:
    """Recipe and images, brought to a size that the machine can bear where the user set none, and why."""
    found = affordable(recipe, data.shape, device)
    if found is None:
        return recipe, data, []
    size, why = found
    tables = recipe.model_dump()
    tables["data"]["resolution"] = size
    return validate(tables, data.source), scaled(data, size), [Choice("data.resolution", size, why)]


def _brought_along(images: Any, was: tuple[int, int, int], size: tuple[int, int]) -> Any:
    """Images that are in memory in the form of the training images; sources are read in their new size anyway."""
    if isinstance(images, LabeledImages | UnlabeledImages) and images.shape == was:
        return scaled(images, size) if isinstance(images, LabeledImages) else resized(images, size)
    return images


def split(data: LabeledImages, val: Val, settings: Data) -> tuple[LabeledImages, LabeledImages, dict[str, Any]]:
    """(training images, validation images, how they were told apart).

    Args:
        data: The images to train on, or to cut where `val` is a share.
        val: The share to hold out, or the images to validate on.
        settings: How `val` is read where it is a source: `data.groups` and `data.skip_bad`.

    Raises:
        DataError: `val` is no fraction, has other classes or sizes, fewer than two images, or shares one with `data`.
    """
    if isinstance(val, int | float):
        train, held_out = hold_out(data, val)
        spec: dict[str, Any] = {"fraction": val}
    else:
        train, held_out = data, like(data, val, settings)
        require_disjoint(train, held_out)
        for caution in straddling_groups(train, held_out):
            log.warning("%s", caution)
        spec = where(held_out.source)
    if len(held_out) < 2:
        raise DataError(f"validation must have two images or more, got {len(held_out)}; add images or pass --val DATA")
    return train.sorted(), held_out, spec


def like(real: LabeledImages, images: LabeledImages | str | Path, settings: Data) -> LabeledImages:
    """Images in the size, channels and class order of `real`, read with the same settings.

    A cut that the user made is not made again, so groups only serve to warn of those on both sides: where `images` have
    none that `data.groups` could find, they are read without.

    Raises:
        DataError: They cannot be read, or have other classes or another shape.
    """
    if not isinstance(images, LabeledImages):
        height, width = real.shape[1:]
        keys = {**dict(settings), "resolution": (height, width), "channels": real.shape[0]}
        try:
            images = load(images, **keys)
        except DataError:
            if not settings.groups:
                raise
            images = load(images, **{**keys, "groups": ""})  # a fault of another kind is found again
            log.info("%s: read without data.groups, which finds no objects there", images.source)
    require_same_shape(images, real)
    return align(images, real)


def _beside(train: LabeledImages, val: LabeledImages, images: Unlabeled, settings: Data) -> UnlabeledImages:
    """Images to learn from without labels, in the form of `train`, read with the same settings."""
    if isinstance(images, LabeledImages):
        images = without_labels(images)
    elif not isinstance(images, UnlabeledImages):
        form = {"resolution": settings.resolution, "channels": settings.channels}
        images = load_unlabeled(images, **form, skip_bad=settings.skip_bad)
    if settings.groups:
        log.warning(
            "%s: data.groups is not looked for in images without labels: leave out those of what validation shows",
            images.source,
        )
    return new_beside(train, val, images)


def straddling_groups(known: LabeledImages, other: LabeledImages) -> Iterator[str]:
    """What to say of groups that a cut of the user's own has left on both sides; no refusal, for each folder may number
    its objects anew.
    """
    names = straddling(known, other)
    if names:
        groups = "1 group is" if len(names) == 1 else f"{len(names)} groups are"
        yield (
            f"{groups} among both {known.source} and {other.source}, as {names[0]!r}: unless each numbers its objects "
            "anew, what is measured on one side was seen on the other"
        )


def _cautions(data: LabeledImages) -> Iterator[str]:
    """What is worth a warning in images that can be trained on."""
    equal, conflicting = duplicates(data)
    if equal:
        there = "1 image is" if len(equal) == 1 else f"{len(equal)} images are"
        classes = f"{len(conflicting) or 'none'} of them in several classes{_example(data, conflicting)}"
        yield f"{there} there more than once{_example(data, equal)}, {classes}"
    counts = dict(zip(data.classes, data.counts.tolist(), strict=True))
    single = [name for name, n in counts.items() if n == 1]
    few = [name for name, n in counts.items() if 1 < n < FEW]
    if single:
        yield f"{listed(single)} {_have(single)} one image: none is held out, and a generator can only repeat it"
    if few:
        yield f"{listed(few)} {_have(few)} under {FEW} images: the generator will know them by heart"


def _scarce(data: LabeledImages, train: LabeledImages) -> Iterator[str]:
    """What the evidence says of few training images, for the classes of which nothing stronger was said."""
    counts = zip(data.classes, data.counts.tolist(), train.counts.tolist(), strict=True)
    scarce = [name for name, n, learned in counts if n >= FEW and learned < SCARCE]
    if scarce:
        yield (
            f"{listed(scarce)} {_have(scarce)} under {SCARCE} training images: in a study of 2026 (arXiv:2603.16134) "
            "images of a GAN did harm below about 20 to 50 a class (bias gap +20.7 %); let `ganaug measure` decide"
        )


def _example(data: LabeledImages, groups: list[list[int]]) -> str:
    if not groups:
        return ""
    first, second, *_ = groups[0]
    return f" ({data.names[first]} equals {data.names[second]})"


def _have(classes: list[str]) -> str:
    return "has" if len(classes) == 1 else "have"


def _identity(images: UnlabeledImages) -> dict[str, Any]:
    return {"images": len(images), "fingerprint": images.fingerprint}


def where(source: str) -> dict[str, Any]:
    """A source that can be read again, from any working directory; nothing for images that were only in memory."""
    if Path(source).exists():
        return {"source": str(Path(source).resolve())}
    return {"source": source} if source.startswith(("sklearn:", "torchvision:", "hf:")) else {}


def require_same_shape(other: LabeledImages, data: LabeledImages) -> None:
    """Refuse images of another size or channel count.

    Raises:
        DataError: Names both shapes.
    """
    if other.shape != data.shape:
        raise DataError(
            f"{other.source}: images must be {'x'.join(map(str, data.shape))} (channels x height x width) "
            f"as in {data.source}, got {'x'.join(map(str, other.shape))}; set data.resolution and data.channels"
        )
