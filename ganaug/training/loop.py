"""The loop: fetch, discriminator step, generator step, average, adapt, yield."""

from collections.abc import Iterator, Sized
from dataclasses import replace

from torch import Generator

from ganaug.data import Batches, mix
from ganaug.descent import Progress, Taken, batch_statistics, cosine, ema_beta, update_ema, warm_up
from ganaug.ranks import average
from ganaug.training.adapt import EVERY, adapt
from ganaug.training.evaluation import Evaluation
from ganaug.training.minibatch import draw
from ganaug.training.state import GanState, Objective
from ganaug.training.steps import discriminator_step, generator_step
from ganaug.training.watch import norms, player_sizes, watch


def train(
    state: GanState,
    batches: Batches,
    objective: Objective,
    *,
    steps: int,
    tick: int = 50,
    stop: Sized = (),
    held_out: Batches | None = None,
) -> Iterator[Progress]:
    """Train until `state.step` is `steps`, yielding every `tick` steps, at the end, and once `stop` holds something.

    Of several processes each takes its share of every batch, and all take the same steps.

    Where there are `held_out` images the strength of augmentation may follow what D says of them; no player learns
    from them.

    Raises:
        DivergedError: Training went wrong since the last yield; `ganaug.training.watch` says how. The state is as bad
            as it was found.
    """
    state.sizes = state.sizes or player_sizes(state, norms(state))
    evaluate = Evaluation(objective.execution)
    statistics = batch_statistics(state.G, state.D)
    plain = replace(objective, policy="none")  # costs nothing while no image is augmented
    taken: list[Taken] = []
    losses: dict[str, float] = {}  # the penalties are not taken in every step
    while state.step < steps:
        number, progress = state.draw(steps), state.step / steps
        rng = Generator(batches.device).manual_seed(mix(objective.seed, number))
        rate = warm_up(state.step, steps) * cosine(progress, objective.final_lr)
        state.set_lr(objective.lr * rate / 2 ** len(state.faults))
        believed, current = label_weight(progress, objective.ramp), objective if state.augment_p else plain
        first, second = (
            draw(
                *(batches, 2 * number + i, state.G, current.policy, state.augment_p, believed, rng),
                mirror=objective.mirror,
            )
            for i in range(2)
        )
        d_losses = discriminator_step(state, first, current, evaluate)
        g_losses = generator_step(state, second, current, evaluate)
        average(statistics)
        update_ema(state.G_ema, state.G, ema_beta(state.step, batches.size, objective.ema_images))
        state.step += 1
        if held_out and objective.adapt != "none" and state.step % EVERY == 0:
            d_losses |= adapt(state, batches, held_out, objective, EVERY / steps, believed, rng)
        taken.append(Taken(number, d_losses | g_losses))
        if state.step % tick == 0 or state.step == steps or stop:
            losses |= watch(state, batches, taken)
            taken.clear()
            yield Progress(state.step, dict(losses))


def label_weight(progress: float, ramp: float) -> float:
    """How much D's labels count: 0 for half of `ramp`, from there up to 1 in a line.

    With few images a class a conditional GAN collapses where an unconditional one does not; it may learn what images
    are before it learns their classes (Shahbazi et al. 2022, arXiv:2201.06578, eq. 4).

    >>> [label_weight(progress, 0.5) for progress in (0.25, 0.375, 0.5, 1.0)]
    [0.0, 0.5, 1.0, 1.0]
    """
    return min(max((2 * progress - ramp) / ramp, 0.0), 1.0) if ramp else 1.0
