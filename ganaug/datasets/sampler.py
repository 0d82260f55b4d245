"""Batches that hold the same share of synthetic images, every one."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from torch.utils.data import Sampler

from ganaug.errors import DataError

if TYPE_CHECKING:
    from ganaug.datasets.augmented import AugmentedDataset


class ShareBatchSampler(Sampler[list[int]]):
    """round(`share` * `batch_size`) synthetic items in each batch, the rest real; pass it as `batch_sampler`.

    An epoch visits every real item once; synthetic ones come in turn, all of them before any comes again, and go on
    where the last epoch stopped. The order is a function of (seed, epoch); epochs count up by themselves.

    Args:
        dataset: In mode `append` or `balance`.
        batch_size: Items of a batch; the last one of an epoch may be smaller, in proportion.
        share: In (0, 1).
        seed: Of the orders.

    Attributes:
        epoch: Of the next iteration; set it to resume, or through `set_epoch`.

    Raises:
        DataError: A batch would hold no real or no synthetic item, or the dataset has no synthetic items of its own.

    Example:
        >>> even = AugmentedDataset(train_set, synth, mode="append", fraction=0.5)                  # doctest: +SKIP
        >>> loader = DataLoader(even, batch_sampler=ShareBatchSampler(even, 64, share=0.25))        # doctest: +SKIP
    """

    def __init__(self, dataset: "AugmentedDataset", batch_size: int, share: float = 0.25, seed: int = 0):
        if not 0 <= share <= 1 or seed < 0:
            raise DataError(
                f"share must lie in [0, 1] and seed be 0 or more, got {share} and {seed}; a share of 0.25 is usual"
            )
        self.real, self.synthetic = dataset.real_items, len(dataset) - dataset.real_items
        self.batch_size, self.share, self.seed, self.epoch = batch_size, share, seed, 0
        self.each = round(share * batch_size)  # synthetic items of a batch
        if not self.synthetic:
            raise DataError(
                f'the dataset must have synthetic items of its own, got {dataset!r}; take mode="append" or "balance"'
            )
        if not 0 < self.each < batch_size:
            raise DataError(
                f"a batch must hold real and synthetic items, got {self.each} synthetic of {batch_size}; "
                "choose another share or a larger batch"
            )

    def __len__(self) -> int:
        return -(-self.real // (self.batch_size - self.each))

    def __iter__(self) -> Iterator[list[int]]:
        rng = np.random.default_rng([self.seed, self.epoch])
        real, step = rng.permutation(self.real), self.batch_size - self.each
        drawn = self._synthetic(self.epoch * self._an_epoch(), self._an_epoch())
        self.epoch += 1
        for start in range(0, self.real, step):
            mine = real[start : start + step]
            n = self._beside(len(mine))
            batch, drawn = np.concatenate([mine, drawn[:n]]), drawn[n:]
            yield rng.permutation(batch).tolist()

    def set_epoch(self, epoch: int) -> None:
        """Begin the next iteration at that epoch, 0 or more."""
        self.epoch = max(0, epoch)

    def _beside(self, real: int) -> int:
        """Synthetic items beside so many real ones."""
        return round(self.each * real / (self.batch_size - self.each))

    def _an_epoch(self) -> int:
        """Synthetic items of an epoch."""
        step = self.batch_size - self.each
        return self.real // step * self.each + self._beside(self.real % step)

    def _synthetic(self, first: int, n: int) -> np.ndarray:
        """Items `first` to `first + n` of the endless sequence in which every round is a shuffle of all, [n]."""
        rounds = range(first // self.synthetic, (first + n) // self.synthetic + 1)
        shuffled = [np.random.default_rng([self.seed, r, 1]).permutation(self.synthetic) for r in rounds]
        skipped = first - rounds.start * self.synthetic
        return self.real + np.concatenate(shuffled)[skipped : skipped + n]
