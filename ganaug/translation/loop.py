"""The loop: fetch, translate, discriminator step, task step, generator step, average, yield."""

from collections.abc import Iterator, Sized

import torch
from torch import Generator, Tensor

from ganaug.data import Batches, mix
from ganaug.descent import (
    Progress,
    Taken,
    ema_beta,
    norms,
    numbers,
    odd_loss,
    odd_tensor,
    plateau,
    stop_at,
    update_ema,
    warm_up,
)
from ganaug.nets.translation import mirrored
from ganaug.translation.objective import Terms
from ganaug.translation.state import CycleState
from ganaug.translation.steps import discriminator_step, generator_step, task_step
from ganaug.translation.ways import translate


def train(
    state: CycleState,
    a_batches: Batches,
    b_batches: Batches,
    objective: Terms,
    *,
    steps: int,
    tick: int = 50,
    stop: Sized = (),
) -> Iterator[Progress]:
    """Train until `state.step` is `steps`, yielding every `tick` steps, at the end, and once `stop` holds something.

    Args:
        state: What is trained, in place.
        a_batches: Labelled images of A; of one size with those of B, as many a batch.
        b_batches: Images of B, whose labels are not looked at. Pairs need equal seeds, others different ones.
        objective: What is optimised.
        steps: Of the whole run; one step is one update of each player.
        tick: Steps from one yield to the next.
        stop: A signal that came, for example.

    Raises:
        DivergedError: A loss or a tensor was not finite, or a loss beyond measure, since the last yield. The state is
            as bad as it was found.
    """
    taken: list[Taken] = []
    losses: dict[str, float] = {}  # the penalties are not taken in every step
    while state.step < steps:
        draw = state.draw(steps)
        rng = Generator(a_batches.device).manual_seed(mix(objective.seed, draw))
        rate = warm_up(state.step, steps) * plateau(state.step / steps, objective.decay)
        state.set_lr(objective.lr * rate / 2 ** len(state.faults))
        (a, labels, trust), (b, *_) = a_batches[draw], b_batches[draw]
        a, b = shown(a, b, objective, rng)
        ways = translate(state, a, b, objective, rng)
        step_losses = discriminator_step(state, ways, objective, rng)
        step_losses |= task_step(state, ways[0], labels, trust, objective, rng)
        step_losses |= generator_step(state, ways, labels, trust, objective, rng)
        average(state, ema_beta(state.step, a_batches.size, objective.ema_images))
        state.step += 1
        taken.append(Taken(draw, step_losses))
        if state.step % tick == 0 or state.step == steps or stop:
            losses |= watch(state, a_batches, b_batches, taken)
            taken.clear()
            yield Progress(state.step, dict(losses))


def shown(a: Tensor, b: Tensor, objective: Terms, rng: Generator) -> tuple[Tensor, Tensor]:
    """What is learned from of images [N, C, H, W]: crops at random places, mirrored and shifted on request.

    What is drawn for an image of A is drawn for the other of its pair, too; for images that are no pairs anew.
    """
    again = rng.clone_state() if objective.paired else rng
    return varied(a, objective, rng), varied(b, objective, again)


def varied(images: Tensor, objective: Terms, rng: Generator) -> Tensor:
    """The images, or squares of them; with jitter, half of them mirrored, all shifted by up to an eighth of a side."""
    if objective.crop is not None:
        side = min(objective.crop, *images.shape[2:])
        images = cropped(images, side, side, rng)
    if objective.jitter:
        height, width = images.shape[2:]
        flips = torch.rand(len(images), 1, 1, 1, generator=rng, device=rng.device) < 0.5
        images = torch.where(flips, images.flip(3), images)
        images = cropped(mirrored(images, 1, min(height, width) // 8), height, width, rng)
    return images


def cropped(images: Tensor, height: int, width: int, rng: Generator) -> Tensor:
    """A part of each image, [N, C, height, width], from a random place."""
    drawn = torch.rand(len(images), 2, generator=rng, device=rng.device)
    room = [images.shape[2] - height + 1, images.shape[3] - width + 1]
    places = (drawn * torch.tensor(room, device=rng.device)).long().tolist()
    parts = zip(images, places, strict=True)
    return torch.stack([image[:, top : top + height, left : left + width] for image, (top, left) in parts])


def average(state: CycleState, beta: float) -> None:
    """Let every slow copy follow its player."""
    for name, copy in state.averages.items():
        update_ema(copy, getattr(state, name.removesuffix("_ema")), beta)


def watch(state: CycleState, a_batches: Batches, b_batches: Batches, taken: list[Taken]) -> dict[str, float]:
    """The last value of each loss, once all of `taken` and all that they led to is finite.

    Raises:
        DivergedError: It is not; `draw` is then the number of the batch of A, and of B.
    """
    last: dict[str, float] = {}
    for step, (draw, losses) in enumerate(numbers(taken), start=state.step - len(taken) + 1):
        stop_at(step, draw, losses, odd_loss(losses, (batches[draw][0] for batches in (a_batches, b_batches))))
        last |= losses
    stop_at(state.step, taken[-1].draw, last, odd_tensor(norms(state.modules(), state.moved())))
    return last
