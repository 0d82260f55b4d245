"""What the networks of a translation cost, counted before anything is allocated."""

import torch

from ganaug.nets import Shape
from ganaug.nets.cost import CPU_OVERHEAD, CPU_RATE, flops, parameters
from ganaug.translation.building import Sizes, build
from ganaug.translation.objective import Terms
from ganaug.translation.state import CycleState

BACKWARD = 2  # times the arithmetic of a forward pass
D_PASSES = 7  # forward passes' worth of D in a step: real and fake forward and backward, and once for G


def step_seconds(a: Shape, b: Shape, objective: Terms, sizes: Sizes, batch_size: int, precision: str = "fp32") -> float:
    """What one step may take on two CPU cores.

    >>> 0.01 < step_seconds((1, 32, 32), (3, 32, 32), Terms(cycle=0, identity=0), Sizes(width=16), batch_size=32) < 1
    True
    """
    state = _state(a, b, objective, sizes)
    passes = 1 + (objective.cycle > 0) + (objective.identity > 0) + 2 * (objective.nce > 0)
    total = 0
    for G, D, source, target in ((state.G_AB, state.D_B, a, b), (state.G_BA, state.D_A, b, a)):
        if G is not None and D is not None:
            images = torch.zeros(2, *source, device="meta")
            seen = torch.zeros(2, target[0] + source[0] * objective.paired, *target[1:], device="meta")
            z = torch.zeros(2, sizes.noise_dim, device="meta")
            total += (1 + BACKWARD) * passes * flops(G, images, z) + D_PASSES * flops(D, seen)
    return CPU_OVERHEAD + batch_size * total / 2 / CPU_RATE[precision]


def describe(a: Shape, b: Shape, objective: Terms, sizes: Sizes) -> str:
    """The networks' sizes in one line."""
    state = _state(a, b, objective, sizes)
    ways = "one translator" if state.G_BA is None else "two translators"
    return (
        f"{sizes.name} networks: {ways} of {parameters(state.G_AB):,} parameters, "
        f"a discriminator {parameters(state.D_B):,}"
    )


def _state(a: Shape, b: Shape, objective: Terms, sizes: Sizes) -> CycleState:
    """The players that cost, without memory."""
    plain = Terms(**{**vars(objective), "task": 0.0, "semantic": 0.0})
    with torch.device("meta"):
        return build(a, b, sizes, plain, torch.device("meta"))
