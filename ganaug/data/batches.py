"""Batches as a function of (seed, step) alone, so that a resumed run has nothing to fast-forward."""

import logging
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ganaug.data.labeled import LabeledImages
from ganaug.data.memory import available_memory
from ganaug.data.unlabeled import UnlabeledImages
from ganaug.images import to_float

log = logging.getLogger("ganaug")
ORDER = 1  # sets the stream of the epochs' orders apart from that of the training steps


class Batches:
    """An endless shuffled stream of batches, addressed by index: images float32 [B, C, H, W] in [-1, 1], labels int64
    [B], and how much each label is to be believed, float32 [B] in [0, 1].

    Epoch e is a permutation seeded by (seed, e); the stream is the epochs end to end and batch b is a slice of it, so a
    batch may span two epochs and no image is left out. The images live on the device where they fill at most half of
    its free memory, else they stay where they are (memory-mapped or in RAM) and each batch is copied.

    Args:
        data: The images; those without labels come under label 0.
        batch_size: B, at most as many as there are.
        seed: Decides the order.
        device: Where the batches are wanted.
        strata: Which stratum each image is of, int64 [N]: each of the S comes as often as any other, so that an epoch
            of N images holds N / S of each, rounded up, of which a small one repeats its own. None: all are one.
        trust: How much each label is to be believed, [N]; None: wholly.
        share: (which, of how many): of each batch only so many rows are fetched, where several processes share it.

    Attributes:
        size: Images of a batch.
        own: The rows of a batch that are fetched.

    Example:
        >>> from ganaug.data import load
        >>> batches = Batches(load("sklearn:digits"), 64, seed=0, device=torch.device("cpu"))
        >>> batches[0][0].shape
        torch.Size([64, 1, 8, 8])
    """

    def __init__(
        self,
        data: LabeledImages | UnlabeledImages,
        batch_size: int,
        seed: int,
        device: torch.device,
        *,
        strata: Tensor | None = None,
        trust: Tensor | None = None,
        share: tuple[int, int] = (0, 1),
    ):
        which, several = share
        self.size = min(batch_size, len(data)) // several * several
        self.own = slice(which * self.size // several, (which + 1) * self.size // several)
        if self.size < batch_size:
            log.warning(
                "%d images are fewer than a batch of %d: the batch shrinks to %d", len(data), batch_size, self.size
            )
        self.seed, self.device, self.names = seed, device, data.names
        resident = device.type != "cpu" and data.images.nbytes <= available_memory(device) // 2
        self.images = data.images.to(device) if resident else data.images
        labels = data.labels if isinstance(data, LabeledImages) else torch.zeros(len(data), dtype=torch.int64)
        self.labels = labels.to(device)
        self.trust = (torch.ones(len(data)) if trust is None else trust).to(device)
        self._members = [] if strata is None else [(strata == s).nonzero().squeeze(1) for s in strata.unique()]
        self._order = lru_cache(maxsize=2)(self._resident)
        self.total = len(self._order(0))

    def __getitem__(self, batch: int) -> tuple[Tensor, Tensor, Tensor]:
        index = self.indices(batch)[self.own]
        images = self.images[index.to(self.images.device)].to(self.device)
        return to_float(images), self.labels[index], self.trust[index]

    def indices(self, batch: int) -> Tensor:
        """Positions of the images in batch number `batch`, int64 [B], where the labels are."""
        first = batch * self.size
        epochs = range(first // self.total, (first + self.size - 1) // self.total + 1)
        stream = torch.cat([self._order(e) for e in epochs])
        start = first - epochs[0] * self.total
        return stream[start : start + self.size]

    def _resident(self, epoch: int) -> Tensor:
        """The order of an epoch, brought to the device once: no batch waits for it."""
        return (self._balanced_epoch(epoch) if self._members else self._epoch(epoch)).to(self.device)

    def _epoch(self, epoch: int) -> Tensor:
        return _shuffled(len(self.labels), self.seed, epoch, ORDER)

    def _balanced_epoch(self, epoch: int) -> Tensor:
        """The next images of each stratum, every one as often as the others of its own, in one order."""
        share = -(-len(self.labels) // len(self._members))
        rows = [self._next(k, epoch * share, share) for k in range(len(self._members))]
        return torch.cat(rows)[_shuffled(share * len(rows), self.seed, epoch, ORDER)]

    def _next(self, which: int, first: int, count: int) -> Tensor:
        """Numbers `first` to `first + count` of the endless shuffled stream of one stratum."""
        rows = self._members[which]
        rounds = range(first // len(rows), (first + count - 1) // len(rows) + 1)
        stream = torch.cat([rows[_shuffled(len(rows), self.seed, r, ORDER, which)] for r in rounds])
        return stream[first - rounds[0] * len(rows) :][:count]


def _shuffled(n: int, *numbers: int) -> Tensor:
    return torch.randperm(n, generator=torch.Generator().manual_seed(mix(*numbers)))


def mix(*numbers: int) -> int:
    """One well-spread 32-bit seed from several integers (torch's CPU generator uses no more bits)."""
    return int(np.random.SeedSequence([len(numbers), *(n % 2**64 for n in numbers)]).generate_state(1)[0])
