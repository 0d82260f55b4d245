"""Whether the numbers of a training are sound, and how that is reported."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ganaug.descent.state import TrainingState
from ganaug.errors import DivergedError
from ganaug.ranks import average

HUGE = 1e6  # of a loss; below 100 at sound learning rates, 1e12 at a hundred times those
CURE = "lower train.lr or raise train.r1_gamma"


@dataclass(frozen=True)
class Progress:
    """A report from the loop: the step just finished, and the last value of each loss."""

    step: int
    losses: dict[str, float]


class Taken(NamedTuple):
    """A step that was taken: the number of its draws, and what it gave."""

    draw: int
    losses: dict[str, Tensor]


def numbers(taken: list[Taken]) -> list[tuple[int, dict[str, float]]]:
    """The losses as numbers, after one wait for a GPU: of several processes their mean, so that all find the same."""
    values = torch.stack([loss for row in taken for loss in row.losses.values()])
    average([values])
    values = iter(values.tolist())
    return [(row.draw, {name: next(values) for name in row.losses}) for row in taken]


def norms(modules: Mapping[str, nn.Module], optimizers: Mapping[str, tuple[Optimizer, nn.Module]]) -> dict[str, float]:
    """Norm of every tensor of the modules and of each optimiser's moments; finite where every number in it is.

    An optimiser stands beside the module whose parameters it moves.
    """
    named = {f"{of}.{name}": t for of, module in modules.items() for name, t in module.state_dict().items()}
    for of, (optimizer, module) in optimizers.items():
        for name, parameter in module.named_parameters():
            row = sorted(optimizer.state.get(parameter, {}).items())
            named |= {f"{of}.{name}.{key}": t for key, t in row if key != "step"}
    named = {name: t for name, t in named.items() if t.is_floating_point()}
    wide = torch.float32 if next(iter(named.values())).device.type == "mps" else torch.float64
    # On a GPU few kernels, and one wait for them.
    measured = torch.stack(torch._foreach_norm([*named.values()], dtype=wide))  # type: ignore[attr-defined]
    return dict(zip(named, measured.tolist(), strict=True))


def not_finite(state: TrainingState) -> list[str]:
    """The tensors of a training that hold infinities or what is no number, such as "G.label.weight"."""
    return [name for name, norm in norms(state.modules(), state.moved()).items() if not math.isfinite(norm)]


def odd_loss(losses: dict[str, float], images: Iterable[Tensor]) -> str:
    """What is wrong with the losses of a step, or with the images it saw; "" for nothing."""
    odd = [(name, value) for name, value in losses.items() if not abs(value) <= HUGE]
    if odd and not all(bool(batch.isfinite().all()) for batch in images):
        return "its images must be finite, got others; leave the damaged ones out"
    if odd:
        return f"{odd[0][0]} must stay finite and below {HUGE:.0e}, got {odd[0][1]:.3g}; {CURE}"
    return ""


def odd_tensor(measured: dict[str, float]) -> str:
    """Which of `norms` is not finite; "" for none."""
    odd = [name for name, norm in measured.items() if not math.isfinite(norm)]
    return f"{odd[0]} must stay finite, got other numbers; {CURE}" if odd else ""


def stop_at(step: int, draw: int, losses: dict[str, float], fault: str) -> None:
    """End the training where there is a fault.

    Raises:
        DivergedError: There is one.
    """
    if fault:
        raise DivergedError(f"step {step}: {fault}", step=step, draw=draw, losses=losses)
