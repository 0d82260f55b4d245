"""Adaptive augmentation: how much of what D sees is augmented follows how far D overfits.

Karras et al. 2020 (ADA), arXiv:2006.06676, section 3: where a heuristic of overfitting, 0 for none and 1 for complete,
lies above its target, the share of augmented images rises a little, else it falls.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ganaug.auto import MOST_AUGMENTED
from ganaug.data import Batches
from ganaug.diffaug import augment, draw_chances
from ganaug.ranks import average
from ganaug.training.minibatch import sample_latents
from ganaug.training.state import GanState, Objective

EVERY = 10  # steps from one adjustment to the next
SWEEP = 0.2  # share of the run that it takes from no augmentation to all


@dataclass(frozen=True)
class Overfitting:
    """A heuristic r of D's logits on (training, held-out, generated) images, [N] each, and the r to hold."""

    r: Callable[[Tensor, Tensor, Tensor], Tensor]
    target: float


def _place(x: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Where x lies from `start` (0) to `end` (1), no further out than -1 and 2: the two may be all but equal."""
    return ((start - x) / (start - end).clamp(min=1e-6)).clamp(-1, 2)


OVERFITTING = {
    # r_t (eq. 1): the share of training images that D is sure of. A relativistic D has no zero of its own; between
    # real and fake lies the mean of their means.
    "train": Overfitting(
        lambda train, held_out, fake: (train - (train.mean() + fake.mean()) / 2).sign().mean(), target=0.6
    ),
    # r_v (eq. 1): where D puts held-out images, from among the training images (0) to among the generated ones (1).
    "held-out": Overfitting(
        lambda train, held_out, fake: _place(held_out.mean(), train.mean(), fake.mean()), target=0.4
    ),
}


@torch.no_grad()
def adapt(
    state: GanState,
    batches: Batches,
    held_out: Batches,
    objective: Objective,
    share: float,
    believed: float,
    rng: Generator,
) -> dict[str, Tensor]:
    """Move `state.augment_p` by one notch, once D has judged a batch of each kind.

    Args:
        state: Whose D is looked at.
        batches: The training images.
        held_out: The validation images; D is never updated by them.
        objective: Says which heuristic.
        share: How much of the run goes by from one adjustment to the next.
        believed: How much D's labels count so far.
        rng: Of the choice of batches, latents and augmentation.

    Returns:
        The heuristic and the new share, for the log; nothing where no label of the batch is believed.
    """
    heuristic, number = OVERFITTING[objective.adapt], int(torch.randint(2**31, (1,), generator=rng, device=rng.device))
    state.D.eval()
    with objective.arithmetic(rng.device):
        (train, labels, trust), (unseen, others, _) = batches[number], held_out[number]
        known = trust > 0  # as all held-out images are: like is held against like
        counts = known.any()  # where there are none others stand in, whose r does not count
        known |= ~counts
        fake = state.G_ema(sample_latents(state.G, batches.size, rng)[batches.own], labels).float()
        r = heuristic.r(
            *(
                state.D(augmented(images, state.augment_p, objective.policy, rng), classes, believed).logits
                for images, classes in ((train[known], labels[known]), (unseen, others), (fake, labels))
            )
        )
    state.D.train()
    weighed = torch.stack([r * counts, counts.to(r)])
    average([weighed])  # processes that see other shares of a batch go the same way
    if not weighed[1]:
        return {}
    r = weighed[0] / weighed[1]
    notch = share / SWEEP if r > heuristic.target else -share / SWEEP
    state.augment_p = min(max(state.augment_p + notch, 0.0), MOST_AUGMENTED)
    return {"watch/overfitting": r, "watch/augment_p": torch.tensor(state.augment_p)}


def augmented(images: Tensor, augment_p: float, policy: str, rng: Generator) -> Tensor:
    """As D is shown images [N, C, H, W]."""
    return augment(images, policy, draw_chances(len(images), policy, augment_p, rng))
