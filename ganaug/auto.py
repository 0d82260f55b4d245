"""Data and machine in, a complete recipe out; each choice with its reason."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch

from ganaug.data import LabeledImages, is_unbalanced
from ganaug.errors import DeviceError, RecipeError
from ganaug.ranks import own
from ganaug.recipe import Recipe, validate

SMALL_MINUTES, MINUTES = 2.0, 8.0  # what a run may take by default on two cores, up to 16 px and above
FEWEST_STEPS, MOST_STEPS = 500, 10_000  # of such a run
MANY = 5_000  # images from which the style pair pays on a GPU
AUGMENTED = 200  # over the number of images: the share to augment where it is fixed
MOST_AUGMENTED = 0.8  # share beyond which augmentation leaks into G (Karras et al. 2020, ADA, section 2.2)
PLENTY = 50_000  # images that D does not learn by heart in a run of the usual length
TELLING = 1_000  # validation images whose distance from generated ones can be told
CPU_SIDE = 64  # px; beyond it a CPU needs hours
STYLE_R1 = 0.0002  # times pixels over batch size: R1 of the style pair, by the rule of its authors' code
CPU_WIDTH, GPU_WIDTH = 16, 64  # channels at the finest level
OWN_GPU_WIDTH = {  # of pairs that want another
    "style": (256, "tensor cores are busy from there on"),
    "biggan": (96, "as in the networks that StudioGAN measured; G has four times as many at 32 px"),
}

Cost = Callable[[str, int, int, str], float]  # (networks, width, batch size, precision) -> s a step on two CPU cores


@dataclass(frozen=True)
class Choice:
    """One key that was left open, the value it got, and why."""

    key: str
    value: Any
    why: str

    def __str__(self) -> str:
        return f"{self.key} = {self.value}: {self.why}"


def said(choices: Sequence[Choice]) -> list[str]:
    """A line for each reason, with all that follows from it.

    >>> said([Choice("a", 1, "big"), Choice("b", 2, "big"), Choice("c", 3, "small")])
    ['a = 1, b = 2: big', 'c = 3: small']
    """
    groups = groupby(choices, key=lambda choice: choice.why)
    return [f"{', '.join(f'{one.key} = {one.value}' for one in group)}: {why}" for why, group in groups]


QUICK = {"beta1": 0.0, "beta2": 0.99}
UNPENALISED = {"r1_gamma": 0.0, "r2_gamma": 0.0, "penalty_every": 1}
# What each pair of networks was published with.
OBJECTIVES: dict[str, tuple[dict[str, Any], str]] = {
    "residual": (
        {
            "adversarial": "relativistic",
            "r1_gamma": 1.0,
            "r2_gamma": 1.0,
            "penalty_every": 4,
            "spectral_norm": False,
            **QUICK,
        },
        "nets without normalisation want both penalties (Huang et al. 2024)",
    ),
    "style": (
        {"adversarial": "nonsaturating", "r2_gamma": 0.0, "penalty_every": 16, "spectral_norm": False, **QUICK},
        "as StyleGAN2 (Karras et al. 2020)",
    ),
    "resnet": (
        {"adversarial": "hinge", **UNPENALISED, "spectral_norm": True, "beta1": 0.0, "beta2": 0.9},
        "as published (Miyato and Koyama 2018), but with one D step for each of G",
    ),
    "biggan": (
        {"adversarial": "hinge", **UNPENALISED, "spectral_norm": True, "beta1": 0.0, "beta2": 0.999},
        "as published (Brock et al. 2019), but with one D step for each of G",
    ),
    "dcgan": (
        {"adversarial": "nonsaturating", **UNPENALISED, "spectral_norm": False, "beta1": 0.5, "beta2": 0.999},
        "as published (Radford et al. 2016)",
    ),
}


def pick_device(name: str) -> torch.device:
    """The device called "auto", "cpu", "cuda" or "mps"; of several processes under torchrun each has a GPU of its own.

    Raises:
        DeviceError: The name is unknown, this machine has no such device, or more processes than GPUs.
    """
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return own(torch.device(next(device for device in ("cuda", "mps", "cpu") if present[device])))
    if name not in present:
        raise DeviceError(f"--device must be auto, {', '.join(present)}, got {name!r}; auto takes the fastest there is")
    if not present[name]:
        raise DeviceError(f"--device must be one that this machine has, got {name!r}; use --device auto")
    return own(torch.device(name))


class Filling:
    """A recipe whose open keys are filled, one after another, each with its reason.

    Attributes:
        tables: As far as they are filled.
        choices: What was decided so far.
    """

    def __init__(self, recipe: Recipe):
        self.tables: dict[str, Any] = recipe.model_dump()
        self.choices: list[Choice] = []

    def choose(self, key: str, value: Any, why: str) -> Any:
        """Decide on `table.key`, where it is open; what it then holds."""
        table, name = key.split(".")
        if self.tables[table][name] is None:
            self.tables[table][name] = value
            self.choices.append(Choice(key, value, why))
        return self.tables[table][name]


def complete(
    recipe: Recipe, data: LabeledImages, device: torch.device, cost: Cost, *, held_out: int = 0, extra: int = 0
) -> tuple[Recipe, list[Choice]]:
    """Fill every key that the recipe leaves open.

    Args:
        recipe: What the user decided.
        data: The labelled training images.
        device: Where the run will take place.
        cost: What a step takes on a CPU.
        held_out: Validation images.
        extra: Training images without labels.

    Raises:
        RecipeError: `data` has not the form that the recipe asks for.
    """
    _require_form(recipe, data)
    filling = Filling(recipe)
    tables, choose = filling.tables, filling.choose
    channels, height, side = data.shape
    shown, n, on_cpu = height * side, len(data) + extra, device.type == "cpu"
    choose("data.resolution", (height, side), "the images' own size")
    choose("data.channels", channels, "as most images have")
    nets = choose("nets.name", *_nets(n, height, side, on_cpu))
    width = choose("nets.width", *_width(nets, on_cpu))
    batch_size = choose("train.batch_size", 64, "small batches learn most from each image")
    arithmetic = choose("train.precision", *_precision(nets, shown, device))
    choose("train.execution", *_execution(device))
    steps = tables["train"]["steps"]  # where it is given nothing needs to be counted
    if steps is None:
        seconds = cost(nets, width, min(batch_size, n), arithmetic)
        steps = choose("train.steps", *_steps(seconds, shown, on_cpu))
    if nets == "style":
        choose("train.r1_gamma", STYLE_R1 * shown / batch_size, "grows with the pixels (Karras et al. 2020, ADA)")
    objective, why = OBJECTIVES[nets]
    for key, value in objective.items():
        choose(f"train.{key}", value, why)
    choose("train.class_weight", *_class_weight(recipe.train.class_head, recipe.train.projection))
    choose("train.lr", *_lr(nets, shown))
    choose("train.sampling", *_sampling(data))
    choose("train.ramp", 0.0, "labels that come in late taught no more, at 20 images a class")
    choose("train.augment", *_policy(data))
    adapt = choose("train.adapt", *_adapt(n, recipe))
    choose("train.augment_p", *_augment_p(n, adapt, tables["train"]["augment"]))
    choose("train.choose_by", *_choose_by(held_out))
    choose("train.checkpoint_every", max(1, steps // 10), "a tenth of the run")
    choose("train.ema_images", steps * batch_size / 20, "half-life of a twentieth of the run")
    return validate(tables, data.source), filling.choices


def affordable(recipe: Recipe, shape: tuple[int, int, int], device: torch.device) -> tuple[tuple[int, int], str] | None:
    """The (height, width) that images of `shape` had better be brought to, and why; None where they may stay.

    >>> affordable(Recipe(), (3, 200, 400), torch.device("cpu"))[0]
    (64, 128)
    """
    _, height, width = shape
    scale = CPU_SIDE / min(height, width)
    if recipe.data.resolution or recipe.train.steps or device.type != "cpu" or scale >= 1:
        return None
    size = round(height * scale), round(width * scale)
    return size, f"{height} x {width} would take hours on a CPU; set data.resolution to have another size"


def _require_form(recipe: Recipe, data: LabeledImages) -> None:
    for key, wanted, got in (
        ("resolution", recipe.data.resolution, data.shape[1:]),
        ("channels", recipe.data.channels, data.shape[0]),
    ):
        if wanted not in (None, got):
            raise RecipeError(f"data.{key} must be {got} as in {data.source}, got {wanted}; load the images with it")


def _nets(n: int, height: int, side: int, on_cpu: bool) -> tuple[str, str]:
    if on_cpu:
        return "residual", "the most variety for the arithmetic of a CPU"
    if n < MANY or min(height, side) < 32:
        return "residual", f"under {MANY:,} images, or under 32 px, it keeps the most variety"
    return "style", f"{MANY:,} images or more at 32 px and up on a GPU"


def _width(nets: str, on_cpu: bool) -> tuple[int, str]:
    if not on_cpu:
        return OWN_GPU_WIDTH.get(nets, (GPU_WIDTH, "arithmetic is cheap there"))
    return CPU_WIDTH, "on a CPU more steps teach more than more width"


def precision(pixels: int, device: torch.device) -> tuple[str, str]:
    """bf16 where the arithmetic is there in hardware, and large enough to wait for."""
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return "bf16", "twice as fast on this GPU; weights, losses and averages stay fp32"
    if device.type == "cpu" and pixels > 16 * 16 and _cpu_has_bf16():
        return "bf16", "about twice as fast on this processor; weights, losses and averages stay fp32"
    return "fp32", "nothing is gained by less: small images, or no bf16 in hardware"


def _precision(nets: str, pixels: int, device: torch.device) -> tuple[str, str]:
    if nets == "dcgan" and device.type == "cpu":
        return "fp32", "nothing is gained by less: narrow layers"
    return precision(pixels, device)


def _execution(device: torch.device) -> tuple[str, str]:
    if device.type == "cuda":
        return "captured", "launching the kernels of a step one by one takes longer than they do"
    return "eager", "compilation gains nothing on this device"


def _cpu_has_bf16() -> bool:
    can: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(can.get("avx512_bf16") or can.get("amx_bf16"))


def _class_weight(head: str, projection: bool) -> tuple[float, str]:
    if head == "none":
        return 0.0, "there is no class head"
    if head == "adcgan" and projection:
        return 0.1, "enough to be obeyed; at 1 the images of a class vary less"
    return 1.0, "as much as the adversarial loss"


def _lr(nets: str, pixels: int) -> tuple[float, str]:
    if nets in ("dcgan", "resnet", "biggan"):
        return 2e-4, "as published"
    if nets == "style":
        return 2.5e-3, "as published; its weights are scaled at run time"
    if pixels <= 40 * 40:
        return 1.5e-3, "shallow networks bear large steps"
    return 5e-4, "deeper networks diverged at 1.5e-3"


def _sampling(data: LabeledImages) -> tuple[str, str]:
    if is_unbalanced(data.counts):
        ratio = int(data.counts.max()) / max(int(data.counts.min()), 1)
        return "balanced", f"the largest class has {ratio:.0f} times the images of the smallest"
    return "uniform", "classes are of about one size"


def _policy(data: LabeledImages) -> tuple[str, str]:
    if data.shape[0] == 1:
        return "translation,cutout", "one channel has no colour to change"
    return "color,translation,cutout", "the policy of Zhao et al. 2020 for little data"


def _adapt(n: int, recipe: Recipe) -> tuple[str, str]:
    if recipe.train.augment == "none":
        return "none", "there is no augmentation"
    if recipe.train.augment_p is not None:
        return "none", "its strength is given"
    if n >= PLENTY:
        return "none", f"{n:,} images are not learned by heart in one run"
    return "held-out", "augmentation grows where D tells training images from held-out ones"


def _augment_p(n: int, adapt: str, policy: str) -> tuple[float, str]:
    if policy == "none":
        return 0.0, "there is no augmentation"
    if adapt != "none":
        return 0.0, "where adaptation starts"
    if n >= PLENTY:
        return 0.0, f"{n:,} images are enough without"
    share = min(MOST_AUGMENTED, AUGMENTED / n)
    return round(share, 3), f"{AUGMENTED} over the number of images, up to what leaks into G"


def _choose_by(held_out: int) -> tuple[str, str]:
    """Distances to few images reward what is like no image in particular: an early, blurred generator."""
    if held_out < TELLING:
        return "utility", f"distances to {held_out:,} images mislead; what classifiers learn does not"
    return "distance", f"{held_out:,} validation images are enough to tell distances"


def _steps(seconds: float, pixels: int, on_cpu: bool) -> tuple[int, str]:
    if not on_cpu:
        return 20_000, "about ten minutes on a GPU at 32 px"
    minutes = SMALL_MINUTES if pixels <= 16 * 16 else MINUTES
    steps = min(max(int(minutes * 60 / seconds) // 100 * 100, FEWEST_STEPS), MOST_STEPS)
    return steps, f"about {steps * seconds / 60:.0f} minutes on two cores, from the networks' arithmetic"
