"""Random numbers that differ between loader workers, epochs and transforms, though nobody seeded them."""

import random
import zlib
from collections import Counter

import numpy as np
import torch
from torch.utils.data import get_worker_info

_given: Counter[tuple[int, str]] = Counter()  # streams handed out in this worker, per (its seed, name)


def is_stale(seeded_under: int) -> bool:
    """Whether a state that was set when torch's seed was `seeded_under` came into this loader worker from outside."""
    return get_worker_info() is not None and torch.initial_seed() != seeded_under


def worker_stream(name: str) -> tuple[np.random.Generator, random.Random]:
    """A stream of this worker and epoch: a function of torch's seed, the name, and how many of that name came before.

    Example:
        >>> numpys, pythons = worker_stream("flip")
        >>> pythons.random() == worker_stream("flip")[1].random()
        False
    """
    base = torch.initial_seed() % 2**64
    count = _given[base, name]
    _given[base, name] += 1
    return stream(base, name, count)


def stream(seed: int, name: str, count: int = 0) -> tuple[np.random.Generator, random.Random]:
    """Two generators, as albumentations wants them, seeded by (seed, name, count).

    Example:
        >>> stream(7, "flip")[1].random() == stream(7, "crop")[1].random()
        False
    """
    seeds = np.random.SeedSequence([abs(seed), zlib.crc32(name.encode()), count])
    return np.random.default_rng(seeds), random.Random(int(seeds.generate_state(2, np.uint64)[0]))
