"""Data and machine in, a complete recipe out; each choice with its reason."""

from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from ganaug.data import LabeledImages
from ganaug.diffaug import check_policy
from ganaug.errors import DeviceError, RecipeError
from ganaug.nets import NETS, Shape, parameters
from ganaug.recipe import Recipe, validate

SMALL_MINUTES, MINUTES = 2.0, 8.0  # what a run may take by default on two cores, up to 16 px and above
CPU_RATE = 1.7e11  # FLOP/s that the convolutions of these networks reach on two cores
CPU_OVERHEAD = 0.015  # s a step, whatever its size
STEP_PASSES = {"generator": 4, "discriminator": 9}  # forward passes' worth of arithmetic a step, penalties included


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


def complete(recipe: Recipe, data: LabeledImages, device: torch.device) -> tuple[Recipe, list[Choice]]:
    """Fill every key that the recipe leaves open.

    Raises:
        RecipeError: `train.augment` names an unknown policy, or `data` has not the form that the recipe asks for.
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
    policy = check_policy(choose("train.augment", *_policy(data)))
    batch_size = choose("train.batch_size", 64, "small batches learn most from each image")
    steps = recipe.train.steps or choose("train.steps", *_steps(recipe, data, width, batch_size, device))
    tables["train"] |= {
        "augment": policy,
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


def _steps(recipe: Recipe, data: LabeledImages, width: int, batch_size: int, device: torch.device) -> tuple[int, str]:
    if device.type != "cpu":
        return 20_000, "about ten minutes on a GPU at 32 px"
    batch_size = min(batch_size, len(data))
    seconds = step_seconds(recipe.nets.name, data.shape, data.num_classes, width, recipe.nets.z_dim, batch_size)
    minutes = SMALL_MINUTES if data.shape[1] * data.shape[2] <= 16 * 16 else MINUTES
    steps = min(max(int(minutes * 60 / seconds) // 100 * 100, 500), 10_000)
    return steps, f"about {steps * seconds / 60:.0f} minutes on two cores, from the networks' arithmetic"


def step_seconds(name: str, shape: Shape, num_classes: int, width: int, z_dim: int, batch_size: int) -> float:
    """What one step may take on two CPU cores, from counted arithmetic."""
    with torch.device("meta"):
        G, D = NETS[name].generator(shape, num_classes, width, z_dim), NETS[name].trunk(shape, width)
        z, labels, images = torch.zeros(2, z_dim), torch.zeros(2, dtype=torch.int64), torch.zeros(2, *shape)
    flops = sum(
        STEP_PASSES[player] * _flops(net, *inputs)
        for player, net, inputs in (("generator", G, (z, labels)), ("discriminator", D, (images,)))
    )
    return CPU_OVERHEAD + batch_size * flops / 2 / CPU_RATE


def _flops(net: torch.nn.Module, *inputs: torch.Tensor) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(*inputs)
    return counter.get_total_flops()


def describe(recipe: Recipe, data: LabeledImages) -> str:
    """The networks' sizes in one line."""
    name, width, z_dim = recipe.nets.name, recipe.nets.width or 0, recipe.nets.z_dim
    with torch.device("meta"):
        G, D = NETS[name].generator(data.shape, data.num_classes, width, z_dim), NETS[name].trunk(data.shape, width)
    return f"{name} networks: generator {parameters(G):,} parameters, discriminator {parameters(D):,}"
