"""Data and machine in, a complete recipe out; each choice with its reason."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from ganaug.data import LabeledImages
from ganaug.errors import DeviceError, RecipeError
from ganaug.recipe import Recipe, validate

SMALL_MINUTES, MINUTES = 2.0, 8.0  # what a run may take by default on two cores, up to 16 px and above


@dataclass(frozen=True)
class Choice:
    """One key that was left open, the value it got, and why."""

    key: str
    value: Any
    why: str

    def __str__(self) -> str:
        return f"{self.key} = {self.value}: {self.why}"


def pick_device(name: str) -> torch.device:
    """The device called "auto", "cpu", "cuda" or "mps".

    Raises:
        DeviceError: The name is unknown, or this machine has no such device.
    """
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(device for device in ("cuda", "mps", "cpu") if present[device]))
    if name not in present:
        raise DeviceError(f"--device must be auto, {', '.join(present)}, got {name!r}; auto takes the fastest there is")
    if not present[name]:
        raise DeviceError(f"--device must be one that this machine has, got {name!r}; use --device auto")
    return torch.device(name)


def complete(
    recipe: Recipe, data: LabeledImages, device: torch.device, step_seconds: Callable[[int, int], float]
) -> tuple[Recipe, list[Choice]]:
    """Fill every key that the recipe leaves open.

    Args:
        recipe: What the user decided.
        data: The training images.
        device: Where the run will take place.
        step_seconds: What a step of the recipe's networks takes on a CPU, given their width and the batch size.

    Raises:
        RecipeError: `data` has not the form that the recipe asks for.
    """
    _require_form(recipe, data)
    choices: list[Choice] = []

    def choose(key: str, value: Any, why: str) -> Any:
        table, name = key.split(".")
        given = getattr(getattr(recipe, table), name)
        if given is None:
            choices.append(Choice(key, value, why))
        return value if given is None else given

    channels, height, side = data.shape
    tables = recipe.model_dump()
    tables["data"] |= {
        "resolution": choose("data.resolution", (height, side), "the images' own size"),
        "channels": choose("data.channels", channels, "as most images have"),
    }
    tables["nets"]["width"] = width = choose("nets.width", *_width(height, side))
    batch_size = choose("train.batch_size", 64, "small batches learn most from each image")
    steps = recipe.train.steps  # where it is given nothing needs to be counted
    if steps is None:
        steps = choose("train.steps", *_steps(step_seconds(width, min(batch_size, len(data))), height * side, device))
    tables["train"] |= {
        "augment": choose("train.augment", *_policy(data)),
        "augment_p": choose("train.augment_p", *_augment_p(data)),
        "batch_size": batch_size,
        "steps": steps,
        "lr": choose("train.lr", *_lr(height, side)),
        "checkpoint_every": choose("train.checkpoint_every", max(1, steps // 10), "a tenth of the run"),
        "ema_images": choose("train.ema_images", steps * batch_size / 20, "half-life of a twentieth of the run"),
    }
    return validate(tables, data.source), choices


def _require_form(recipe: Recipe, data: LabeledImages) -> None:
    for key, wanted, got in (
        ("resolution", recipe.data.resolution, data.shape[1:]),
        ("channels", recipe.data.channels, data.shape[0]),
    ):
        if wanted not in (None, got):
            raise RecipeError(f"data.{key} must be {got} as in {data.source}, got {wanted}; load the images with it")


def _width(height: int, side: int) -> tuple[int, str]:
    if height * side <= 16 * 16:
        return 32, "up to 16 px every level is cheap"
    return (24, "enough for 17 to 40 px") if height * side <= 40 * 40 else (16, "above 40 px width is what costs time")


def _lr(height: int, side: int) -> tuple[float, str]:
    if height * side <= 16 * 16:
        return 1.5e-3, "shallow networks bear large steps"
    return 5e-4, "deeper networks diverge at 1.5e-3"


def _policy(data: LabeledImages) -> tuple[str, str]:
    if data.shape[0] == 1:
        return "translation,cutout", "one channel has no colour to change"
    return "color,translation,cutout", "the policy of Zhao et al. 2020 for little data"


def _augment_p(data: LabeledImages) -> tuple[float, str]:
    """From 0.6 at a few hundred images, halving with every fourfold amount, to none above ten thousand."""
    n = len(data)
    p = 0.0 if n >= 10_000 else round(min(0.6, 0.6 * (250 / n) ** 0.5), 2)
    return p, f"{n:,} images: the fewer there are, the sooner D knows them by heart"


def _steps(seconds: float, pixels: int, device: torch.device) -> tuple[int, str]:
    if device.type != "cpu":
        return 20_000, "about ten minutes on a GPU at 32 px"
    minutes = SMALL_MINUTES if pixels <= 16 * 16 else MINUTES
    steps = min(max(int(minutes * 60 / seconds) // 100 * 100, 500), 10_000)
    return steps, f"about {steps * seconds / 60:.0f} minutes on two cores, from the networks' arithmetic"
