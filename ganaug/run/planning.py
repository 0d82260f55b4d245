"""What a run starts from: the two splits, the complete recipe, and why it is what it is."""

import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from ganaug.auto import Choice, complete, pick_device
from ganaug.data import LabeledImages, align, hold_out, load, require_disjoint
from ganaug.diffaug import check_policy
from ganaug.errors import DataError
from ganaug.nets import describe, step_seconds
from ganaug.recipe import Recipe

VAL_FRACTION = 0.2
Val = float | LabeledImages | str | Path  # a share to hold out, or the images to use


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

    def facts(self) -> dict[str, Any]:
        """What the generator remembers of its making; no paths, for it is shared."""
        return {
            "ganaug": version("ganaug"),
            "torch": torch.__version__,
            "python": platform.python_version(),
            "device": str(self.device),
            "images": len(self.train),
            "classes": list(self.train.classes),
            "shape": list(self.train.shape),
            "fingerprint": self.fingerprint,
            "splits": {"train": self.train.fingerprint, "val": self.val.fingerprint},
            "val": {"fraction": self.val_spec["fraction"]} if "fraction" in self.val_spec else {},
            "recipe": self.recipe.model_dump(mode="json"),
        }

    @property
    def networks(self) -> str:
        """The networks' sizes in one line."""
        nets = self.recipe.nets
        return describe(nets.name, self.train.shape, self.train.num_classes, nets.width or 0, nets.z_dim)

    def sources(self) -> dict[str, Any]:
        """Where the images came from, for the run folder alone."""
        return {"data": self.train.source, "val": self.val_spec}


def plan(data: LabeledImages, recipe: Recipe, *, val: Val = VAL_FRACTION, device: str = "auto") -> Plan:
    """Cut the validation split and complete the recipe, without training.

    Raises:
        DataError: `val` is no fraction, has other classes or sizes, or shares images with `data`.
        DeviceError: There is no such device.
        RecipeError: `train.augment` names an unknown policy, or `data` has not the form that the recipe asks for.
    """
    where = pick_device(device)
    train, held_out, spec = split(data, val)

    def seconds(width: int, batch_size: int) -> float:
        return step_seconds(recipe.nets.name, train.shape, train.num_classes, width, recipe.nets.z_dim, batch_size)

    whole, choices = complete(recipe, train, where, seconds)
    check_policy(whole.train.augment or "none")
    return Plan(train, held_out, whole, choices, where, spec, data.fingerprint)


def split(data: LabeledImages, val: Val) -> tuple[LabeledImages, LabeledImages, dict[str, Any]]:
    """(training images, validation images, how they were told apart)."""
    if isinstance(val, int | float):
        train, held_out = hold_out(data, val)
        spec: dict[str, Any] = {"fraction": val}
    else:
        held_out = (
            val if isinstance(val, LabeledImages) else load(val, resolution=data.shape[1:], channels=data.shape[0])
        )
        require_same_shape(held_out, data)
        require_disjoint(data, held_out)
        train, held_out, spec = data, align(held_out, data), _where(held_out.source)
    if len(held_out) < 2:
        raise DataError(f"validation must have two images or more, got {len(held_out)}; add images or pass --val DATA")
    return train.sorted(), held_out, spec


def _where(source: str) -> dict[str, Any]:
    """A source that can be read again, from any working directory; nothing for images that were only in memory."""
    if Path(source).exists():
        return {"source": str(Path(source).resolve())}
    return {"source": source} if source.startswith("sklearn:") else {}


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
