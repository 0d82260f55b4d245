"""Labels for images that have none, from those that have one, and how sure they are."""

from typing import NamedTuple

import torch
from torch import Tensor

from ganaug.measures.classifier import default_steps, fit_classifier, probabilities

ROUNDS = 3  # the first learns from given labels alone
MEMBERS = 3  # classifiers whose probabilities are averaged in each round
SURE = 0.9  # probability from which a guess is learned from
AUGMENT = "shift"


class Guesses(NamedTuple):
    """What the unlabelled images show.

    Attributes:
        labels: The likeliest class of each, int64 [M].
        sure: Whether it is likely enough to be learned from, bool [M].
        validated: The share of sure guesses, and of right ones among those, on the validation images.
    """

    labels: Tensor
    sure: Tensor
    validated: tuple[float, float]


def guess_labels(
    images: Tensor,
    labels: Tensor,
    unlabeled: Tensor,
    held_out: tuple[Tensor, Tensor],
    *,
    num_classes: int,
    steps: int | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> Guesses:
    """Self-training: classifiers of the labelled images guess, and others learn from the sure guesses, too.

    Pseudo-labels (Lee 2013) of an ensemble, accepted above a probability as in Sohn et al. 2020 (FixMatch),
    arXiv:2001.07685, eq. 4, under weak augmentation.

    Args:
        images: uint8 [N, C, H, W].
        labels: int64 [N] in [0, num_classes).
        unlabeled: uint8 [M, C, H, W].
        held_out: Validation images and labels, which are only counted on.
        num_classes: K.
        steps: Optimiser updates of each classifier; None: as in the gain study.
        seed: Decides all.
        device: Where to train.

    Example:
        >>> images = torch.zeros(40, 1, 8, 8, dtype=torch.uint8)
        >>> labels = torch.arange(40) % 2
        >>> images[labels == 1] = 255
        >>> known, rest = slice(0, 20), slice(20, 40)
        >>> guesses = guess_labels(
        ...     *(images[known], labels[known], images[rest], (images[rest], labels[rest])), num_classes=2, steps=20
        ... )
        >>> bool((guesses.labels == labels[rest])[guesses.sure].all())
        True
    """
    seen, named = images, labels
    unseen = torch.cat([unlabeled, held_out[0]])
    likely = torch.zeros(len(unseen), num_classes)
    for turn in range(ROUNDS):
        members = (
            fit_classifier(
                *(seen, named),
                num_classes=num_classes,
                steps=steps or default_steps(len(seen)),
                seed=MEMBERS * (ROUNDS * seed + turn) + member,
                augment=AUGMENT,
                device=device,
            )
            for member in range(MEMBERS)
        )
        likely = torch.stack([probabilities(model, unseen) for model in members]).mean(0)
        confidence, guessed = likely[: len(unlabeled)].max(1)
        sure = confidence >= SURE
        seen, named = torch.cat([images, unlabeled[sure]]), torch.cat([labels, guessed[sure]])
    return Guesses(guessed, sure, _validated(likely[len(unlabeled) :], held_out[1]))


def _validated(likely: Tensor, labels: Tensor) -> tuple[float, float]:
    confidence, guessed = likely.max(1)
    sure = confidence >= SURE
    right = (guessed == labels)[sure].double()
    return float(sure.double().mean()), float(right.mean()) if len(right) else 0.0
