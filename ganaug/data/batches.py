"""Batches as a function of (seed, step) alone, so that a resumed run has nothing to fast-forward."""

import logging
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ganaug.data.labeled import LabeledImages
from ganaug.data.memory import available_memory
from ganaug.images import to_float

log = logging.getLogger("ganaug")
ORDER = 1  # sets the stream of the epochs' orders apart from that of the training steps


class Batches:
    """An endless shuffled stream of (float32 [B, C, H, W] in [-1, 1], int64 [B]) batches, addressed by index.

    Epoch e is the permutation seeded by (seed, e); the stream is the epochs end to end and batch b is a slice of it,
    so a batch may span two epochs and no image is left out. The images live on the device where they fill at most half
    of its free memory, else they stay where they are (memory-mapped or in RAM) and each batch is copied.

    Example:
        >>> from ganaug.data import load
        >>> batches = Batches(load("sklearn:digits"), 64, seed=0, device=torch.device("cpu"))
        >>> batches[0][0].shape
        torch.Size([64, 1, 8, 8])
    """

    def __init__(self, data: LabeledImages, batch_size: int, seed: int, device: torch.device):
        self.size = min(batch_size, len(data))
        if self.size < batch_size:
            log.warning(
                "%d images are fewer than a batch of %d: the batch shrinks to %d", len(data), batch_size, self.size
            )
        self.seed, self.device, self.total = seed, device, len(data)
        resident = device.type != "cpu" and data.images.nbytes <= available_memory(device) // 2
        self.images = data.images.to(device) if resident else data.images
        self.labels = data.labels.to(device)
        self._order = lru_cache(maxsize=2)(self._epoch)

    def __getitem__(self, batch: int) -> tuple[Tensor, Tensor]:
        index = self.indices(batch)
        images = self.images[index.to(self.images.device)].to(self.device)
        return to_float(images), self.labels[index.to(self.device)]

    def indices(self, batch: int) -> Tensor:
        """Positions of the images in batch number `batch`, int64 [B]."""
        first = batch * self.size
        epochs = range(first // self.total, (first + self.size - 1) // self.total + 1)
        stream = torch.cat([self._order(e) for e in epochs])
        start = first - epochs[0] * self.total
        return stream[start : start + self.size]

    def _epoch(self, epoch: int) -> Tensor:
        return torch.randperm(self.total, generator=torch.Generator().manual_seed(mix(self.seed, epoch, ORDER)))


def mix(*numbers: int) -> int:
    """One well-spread 32-bit seed from several integers (torch's CPU generator uses no more bits)."""
    return int(np.random.SeedSequence([len(numbers), *(n % 2**64 for n in numbers)]).generate_state(1)[0])
