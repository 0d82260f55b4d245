"""How long calls take, one after the other in turn, and how far their numbers lie apart."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

Call = Callable[[], Any]


@dataclass(frozen=True)
class Times:
    """Seconds of every repeat."""

    all: list[float]

    @property
    def median(self) -> float:
        """Of the repeats."""
        return statistics.median(self.all)


def in_turn(ours: Call, theirs: Call, repeats: int) -> tuple[Times, Times]:
    """Both, repeated in turn, so that what slows the machine down slows both."""
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(repeats)]
    mine, peer = (Times(list(side)) for side in zip(*pairs, strict=True))
    return mine, peer


def seconds(call: Call) -> float:
    """How long it takes, with all that it asks of a GPU."""
    settle()
    start = time.perf_counter()
    call()
    settle()
    return time.perf_counter() - start


def settle() -> None:
    """Wait until the GPU, where one was used, has done what it was asked for."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()


def far_apart(a: Any, b: Any) -> float:
    """The largest difference of numbers, relative to b or absolute where b is below 1.

    >>> far_apart([1.0, 11.0], [1.0, 10.0])
    0.1
    """
    a, b = np.atleast_1d(a), np.atleast_1d(b)
    return float((np.abs(a - b) / np.maximum(1, np.abs(b))).max())
