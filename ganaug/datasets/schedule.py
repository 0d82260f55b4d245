"""Which item shows a synthetic image, and which one, at which visit."""

import os
from typing import Any

import numpy as np
import torch

from ganaug.synthesis.plan import draw

Choice = tuple[int, int]  # (label, number among the images served of that class) of a synthetic image


class Schedule:
    """Items 0 to n - 1 are real, and may be replaced; those that follow are synthetic.

    Visits are counted in shared memory: loader workers agree, and a pickle carries the counts. Processes of a
    distributed training count each for themselves, and draw each for itself: what an item shows is a function of
    (seed, item, visit), beyond the first of these processes also of its rank, and after a refresh also of the epoch.

    Args:
        real: Labels of the real items, int64 [n].
        extra: Labels of the items that follow, ascending, int64 [m].
        share: Probability that a visit to a real item of each class shows a synthetic image instead, [K].
        served: Images of each class to choose from, [K].
        seed: Of the replacements.
    """

    def __init__(self, real: np.ndarray, extra: np.ndarray, share: np.ndarray, served: list[int], seed: int):
        self.real, self.extra, self.share, self.served, self.seed = real, extra, share, served, seed
        self.replacing = bool(share.any())
        self._first = [int(np.argmax(real == k)) for k in range(len(share))]  # 0 where a class has no real item
        self._visits = torch.zeros(len(real), dtype=torch.int64).share_memory_()

    def __len__(self) -> int:
        return len(self.real) + len(self.extra)

    def visit(self, i: int, epoch: int = 0) -> Choice | None:
        """What item i shows this time; None: its own image."""
        if not self.replacing or i >= len(self.real):
            return self._choice(i, 0, epoch)
        visits = self._visits.numpy()
        visits[i] += 1
        return self._choice(i, int(visits[i]) - 1, epoch)

    def latest(self, i: int, epoch: int = 0) -> Choice | None:
        """What item i showed at its latest visit, or will show at its first."""
        return self._choice(i, max(int(self._visits[i]) - 1, 0) if i < len(self.real) else 0, epoch)

    def template(self, i: int) -> int:
        """The real item whose form and transform a synthetic item takes: itself, or the first of its class."""
        return i if i < len(self.real) else self._first[self.extra[i - len(self.real)]]

    def _choice(self, i: int, visit: int, epoch: int) -> Choice | None:
        if i >= len(self.real):
            row = i - len(self.real)
            label = int(self.extra[row])
            return label, row - int(np.searchsorted(self.extra, label))
        if not self.replacing:
            return None
        label = int(self.real[i])
        rank = int(os.environ.get("RANK") or 0)  # as torchrun says, to loader workers, too
        chance, number = draw(self.seed, i, visit, *((rank, epoch) if rank or epoch else ()))
        return (label, number % self.served[label]) if chance < self.share[label] else None

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._visits.share_memory_()  # an ordinary pickle carries the counts, and its workers must agree again
