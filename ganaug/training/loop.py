"""The loop: fetch, discriminator step, generator step, average, yield."""

import math
from collections.abc import Iterator, Sized
from dataclasses import dataclass

from torch import Generator

from ganaug.data import Batches, mix
from ganaug.training.state import GanState, Objective
from ganaug.training.steps import discriminator_step, ema_beta, generator_step, update_ema
from ganaug.training.watch import Taken, norms, player_sizes, watch


@dataclass(frozen=True)
class Progress:
    """A report from the loop: the step just finished, and the last value of each loss."""

    step: int
    losses: dict[str, float]


def train(
    state: GanState, batches: Batches, objective: Objective, *, steps: int, tick: int = 50, stop: Sized = ()
) -> Iterator[Progress]:
    """Train until `state.step` is `steps`, yielding every `tick` steps, at the end, and once `stop` holds something.

    Raises:
        DivergedError: Training went wrong since the last yield; `ganaug.training.watch` says how. The state is as bad
            as it was found.
    """
    state.sizes = state.sizes or player_sizes(state, norms(state))
    taken: list[Taken] = []
    losses: dict[str, float] = {}  # the penalties are not taken in every step
    while state.step < steps:
        draw = state.draw(steps)
        rng = Generator(batches.device).manual_seed(mix(objective.seed, draw))
        set_lr(state, objective.lr * cosine(state.step / steps, objective.final_lr) / 2 ** len(state.faults))
        d_losses = discriminator_step(state, *batches[2 * draw], objective, rng)
        g_losses = generator_step(state, *batches[2 * draw + 1], objective, rng)
        update_ema(state.G_ema, state.G, ema_beta(state.step, batches.size, objective.ema_images))
        taken.append(Taken(draw, d_losses | g_losses))
        state.step += 1
        if state.step % tick == 0 or state.step == steps or stop:
            losses |= watch(state, batches, taken)
            taken.clear()
            yield Progress(state.step, dict(losses))


def cosine(progress: float, final: float) -> float:
    """From 1 to `final` along half a cosine (Loshchilov and Hutter 2017, arXiv:1608.03983, eq. 5)."""
    return final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2


def set_lr(state: GanState, lr: float) -> None:
    """The same rate for both players."""
    for group in (*state.opt_G.param_groups, *state.opt_D.param_groups):
        group["lr"] = lr
