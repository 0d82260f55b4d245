"""The images of the engine's studies: which of a real training split the generators learn from."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from ganaug.data import LabeledImages, first_per_class, hold_out, load

Take = Callable[[LabeledImages], tuple[LabeledImages, LabeledImages | None]]
DIGITS = "sklearn:digits"


@dataclass(frozen=True)
class Images:
    """The real images of a study.

    Attributes:
        train: What generators learn from; they cut their validation from it.
        rest: What they do not; None where that is nothing.
        whole: Both, as the source has them: the features of the distances are learned from these.
        test: Real images that only the marks look at.
    """

    train: LabeledImages
    rest: LabeledImages | None
    whole: LabeledImages
    test: LabeledImages


def read(source: str, take: Take, data: Path) -> Images:
    """The images of a study.

    Args:
        source: "sklearn:digits", or the name of a folder with `train` and `test`.
        take: Which of the training split is learned from.
        data: Where such folders lie.
    """
    train, test = (DIGITS, f"{DIGITS}:test") if source == DIGITS else (data / source / "train", data / source / "test")
    whole = load(train)
    return Images(*take(whole), whole=whole, test=load(test))


def everything(whole: LabeledImages) -> tuple[LabeledImages, None]:
    """All of them."""
    return whole, None


def per_class(n: int) -> Take:
    """The same n random images of each class for every training seed."""
    return lambda whole: first_per_class(whole, n)


def tenth(whole: LabeledImages) -> tuple[LabeledImages, LabeledImages]:
    """A tenth of each class."""
    rest, part = hold_out(whole, 0.1)
    return part, rest


def long_tailed(most: int, imbalance: float) -> Take:
    """From `most` images of the first class down to most / imbalance of the last, falling exponentially."""

    def take(whole: LabeledImages) -> tuple[LabeledImages, LabeledImages]:
        order = torch.randperm(len(whole), generator=torch.Generator().manual_seed(0))
        labels, counts = whole.labels[order], tail_counts(whole.num_classes, most, imbalance)
        chosen = torch.cat([order[labels == k][:n] for k, n in enumerate(counts)])
        left = torch.ones(len(whole), dtype=torch.bool)
        left[chosen] = False
        return whole.subset(chosen), whole.subset(left.nonzero().squeeze(1))

    return take


def tail_counts(classes: int, most: int, imbalance: float) -> list[int]:
    """Images of each class.

    >>> tail_counts(5, 1_000, 100)
    [1000, 316, 100, 32, 10]
    """
    return [round(most * imbalance ** (-k / (classes - 1))) for k in range(classes)]
