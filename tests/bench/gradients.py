"""Whether a fast way to take a step has the gradients of the slow one: each rung against float64, eager."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from ladder import BF16, release
from networks import Networks
from rows import ERROR, Measured, Row
from stepping import batches
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ganaug.run import build
from ganaug.training import GanState, train

FP32 = "train.precision=fp32"
WAYS = {
    f"{execution} {name}": (f"train.execution={execution}", precision)
    for name, precision in (("fp32", FP32), ("bf16", BF16))
    for execution in ("eager", "compiled", "captured")
}
STEPS = 17  # the last of which takes R1 where it is lazy, and is replayed where steps are recorded
FLOOR = 1e-3  # of the whole gradient's norm: how small a parameter's share may be before its error is held against more
Moments = dict[str, dict[str, Tensor]]  # player -> parameter -> float64


def rows(name: str, pair: Networks, batch: int, device: str) -> tuple[Row, ...]:
    """A row for each way and player."""
    return tuple(
        Row(
            *(f"gradients of {player}, {way}", f"float64, eager: {name}, batch {batch}", None, ERROR),
            errors(pair, batch, device, settings, player),
            f"Gradients of {name}: largest relative error of a parameter",
        )
        for way, settings in WAYS.items()
        for player in ("D", "G")
    )


def errors(
    pair: Networks, batch: int, device: str, settings: tuple[str, ...], player: str
) -> Callable[[int], Measured]:
    """The `measure` of a row: the largest error of a parameter's gradient, and how many gradients are missing."""

    def measure(repeats: int) -> Measured:
        exact, found = (moments(pair, batch, device, s)[player] for s in (None, settings))
        whole = torch.stack([g.norm() for g in exact.values()]).norm()
        gone = [name for name, g in exact.items() if g.any() and not (name in found and found[name].any())]
        apart = {name: (found.get(name, 0 * g) - g).norm() for name, g in exact.items()}
        worst = max(apart, key=lambda name: float(apart[name] / exact[name].norm().clamp(min=FLOOR * whole)))
        error = float(apart[worst] / exact[worst].norm().clamp(min=FLOOR * whole))
        of_all = float(torch.stack([*apart.values()]).norm() / whole)
        return Measured([error], {"of": worst, "whole gradient": of_all, "missing": len(gone)}, sound=not gone)

    return measure


@cache
def moments(pair: Networks, batch: int, device: str, settings: tuple[str, ...] | None) -> Moments:
    """What Adam remembers of the gradients of both players after steps at a rate of 0, on the CPU.

    Where its first decay is 0 that is the last gradient. Weights never move, so that all ways see the same losses; what
    is called fp32 here is so, and not TF32.

    Args:
        pair: Of networks.
        batch: Images of a step.
        device: Where.
        settings: Of the way; None: in float64.
    """
    release()
    todo = pair.planned(batch, device, *(settings or (FP32, "train.execution=eager")))
    state, objective = build(todo)
    seen, still = batches(todo), replace(objective, lr=0.0)
    if settings is None:
        for module in state.modules().values():
            module.double()
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False), nullcontext() if settings else InDouble():
        next(train(state, seen, still, steps=STEPS, tick=STEPS))
    return remembered(state)


def remembered(state: GanState) -> Moments:
    """The first moments of both optimisers."""
    return {
        player: {
            name: optimizer.state[parameter]["exp_avg"].double().cpu()
            for name, parameter in module.named_parameters()
            if parameter in optimizer.state
        }
        for player, (optimizer, module) in (("D", (state.opt_D, state.D)), ("G", (state.opt_G, state.G)))
    }


class InDouble(TorchFunctionMode):
    """Within, what asks for float32 gets float64: casts as they are, draws with the numbers of float32."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = (Tensor.double if func is Tensor.float else func)(*args, **(kwargs or {}))
        return found.double() if func is torch.randn else found
