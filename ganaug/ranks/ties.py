"""What joins processes that work together, and what is made of it where it breaks."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ganaug.errors import LostProcessError
from ganaug.ranks.place import neighbours, started

POLL = (1e-4, 0.05)  # s between looks at whether an answer is there: at first, and at most


@dataclass
class Ties:
    """What joins the processes beside torch's default group, which is for words.

    Attributes:
        store: torchrun's, where a process that ends leaves a word.
        sums: The group for tensors on GPUs, once there are some.
    """

    store: Any
    sums: Any = None


_ties: Ties | None = None  # within `together`


def tied() -> Ties | None:
    """What joins this process to others; None alone."""
    return _ties


def tie(ties: Ties | None) -> None:
    """Join this process to others, or part them."""
    global _ties
    _ties = ties


def rank() -> int:
    """Number of this process among those that work `together`; 0 alone."""
    return started()[0] if _ties else 0


def size() -> int:
    """How many work `together`; 1 alone."""
    return started()[1] if _ties else 1


def is_first() -> bool:
    """Whether this process writes for all: rank 0."""
    return rank() == 0


def jobs(n: int) -> int:
    """How many joblib jobs this process may run where all of the machine may run `n`; -1: one per core."""
    here = neighbours()[1] if _ties else 1
    if here == 1:
        return n
    from joblib import effective_n_jobs

    return max(1, effective_n_jobs(n) // here)


def answer(ask: Callable[[], Any]) -> None:
    """Wait for an answer to a question put to all, awake to signals, which nobody hears within a call of gloo's."""
    with naming_loss():
        work = ask()
        pause, most = POLL
        while not work.is_completed():
            time.sleep(pause)
            pause = min(1.1 * pause, most)
        work.wait()


@contextmanager
def naming_loss() -> Iterator[None]:
    """Turn what gloo, NCCL and the rendezvous say of a process that is gone into one sentence."""
    import torch.distributed as dist

    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        raise LostProcessError from error
