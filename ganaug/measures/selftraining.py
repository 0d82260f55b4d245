"""Labels for images that have none, from those that have one, and how sure they are."""

from typing import NamedTuple

import numpy as np
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
        share: How many guesses are sure on the validation images, of 1.
        right: How many of those are right, of 1; what they claim at least where none is sure.
    """

    labels: Tensor
    sure: Tensor
    share: float
    right: float


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
    unseen, n = torch.cat([unlabeled, held_out[0]]), len(unlabeled)

    def vote(turn: int, seen: Tensor, named: Tensor) -> Tensor:
        """What classifiers of `seen` say of all others, [M + V, K]."""
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
        return torch.stack([probabilities(model, unseen) for model in members]).mean(0)

    likely = vote(0, images, labels)
    for turn in range(1, ROUNDS):
        guessed, sure = confident(likely[:n])
        likely = vote(turn, torch.cat([images, unlabeled[sure]]), torch.cat([labels, guessed[sure]]))
    guessed, sure = confident(likely[n:])
    right = (guessed == held_out[1])[sure].double()
    return Guesses(*confident(likely[:n]), float(sure.double().mean()), float(right.mean()) if len(right) else SURE)


def confident(likely: Tensor) -> tuple[Tensor, Tensor]:
    """The likeliest class of each row of probabilities [N, K], int64 [N], and whether it is likely enough, bool [N].

    >>> [x.tolist() for x in confident(torch.tensor([[0.95, 0.05], [0.4, 0.6]]))]
    [[0, 1], [True, False]]
    """
    highest, guessed = likely.max(1)
    return guessed, highest >= SURE


def given_guesses(predicted: np.ndarray, confidence: np.ndarray, labels: Tensor) -> Tensor:
    """Labels of unlabelled images followed by labelled ones, where every class must have an image to learn from.

    Sure guesses count, and -1 stands for what is not learned from: other guesses, and the labelled images of all
    classes but those that no sure guess is of.

    Args:
        predicted: The likeliest class of each unlabelled image, int64 [M].
        confidence: Its probability, [M].
        labels: Of the labelled images, int64 [N].

    Returns:
        int64 [M + N].

    Example:
        >>> given_guesses(np.array([0, 0]), np.array([0.95, 0.5]), torch.tensor([0, 1])).tolist()
        [0, -1, -1, 1]
    """
    guessed = torch.from_numpy(np.where(confidence >= SURE, predicted, -1))
    return torch.cat([guessed, labels.where(~torch.isin(labels, guessed), -1)])
