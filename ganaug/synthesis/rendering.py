"""Many images of one generator, class by class, in chunks of constant memory."""

import reprlib
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from numbers import Integral
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch

from ganaug.errors import DataError

if TYPE_CHECKING:
    from ganaug.synthesis.synthesizer import Synthesizer

MOST = 10**7  # images of a class
CHUNK = 4  # batches in a chunk: latents are cheaper drawn together, and an interrupted thread still stops soon
A = TypeVar("A")
B = TypeVar("B")


def render(
    synth: "Synthesizer",
    counts: Sequence[int],
    seed: int = 0,
    scale: float = 1.0,
    epoch: int = 0,
    stretch: range | None = None,
) -> Iterator[tuple[list[tuple[int, int]], np.ndarray]]:
    """Yield chunks: the (label, index) of each image, and uint8 [n, C, H, W]; class k begins at epoch * counts[k].

    `stretch` says which of them, by their places class by class; None: all. The next chunks are rendered while one is
    used: on a CPU by as many threads as torch would take for one batch, each with batches of its own, which wait for
    each other less than the parts of a batch do; elsewhere by one thread.
    """
    stream = ((label, index) for label, n in enumerate(counts) for index in range(epoch * n, (epoch + 1) * n))
    stream = islice(stream, stretch.start, stretch.stop) if stretch is not None else stream
    chunks = iter(lambda: list(islice(stream, CHUNK * synth.batch)), [])

    def rendered(chunk: list[tuple[int, int]]) -> tuple[list[tuple[int, int]], np.ndarray]:
        labels, indices = ([*column] for column in zip(*chunk, strict=True))
        return chunk, synth.sample(labels, seed=seed, indices=indices, scale=scale)[0].numpy()

    return ahead(rendered, chunks, torch.get_num_threads() if torch.device(synth.device).type == "cpu" else 1)


def ahead(function: Callable[[A], B], items: Iterator[A], threads: int) -> Generator[B, None, None]:
    """Yield function(item) for each item, in order, while threads work on those that follow.

    Args:
        function: Called in a thread in which torch itself takes no others.
        items: Taken as they are needed.
        threads: How many; as many results and one more wait at most.
    """
    before = torch.get_num_threads()
    workers = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
    try:
        pending = deque(workers.submit(function, item) for item in islice(items, threads + 1))
        while pending:
            result = pending.popleft().result()
            pending.extend(workers.submit(function, item) for item in islice(items, 1))
            yield result
    finally:
        workers.shutdown(cancel_futures=True)
        torch.set_num_threads(before)  # the number that was set last is that of all threads to come, whoever set it


def require_counts(synth: "Synthesizer", counts: Sequence[int]) -> list[int]:
    """`counts` as a list, once it has a number of 0 to 10,000,000 for each class.

    Raises:
        DataError: It has not; the number is named.
    """
    if len(counts) != len(synth.classes):
        raise DataError(
            f"counts must have one number per class ({len(synth.classes)}), got {len(counts)}; add the rest"
        )
    for name, n in zip(synth.classes, counts, strict=True):
        if not isinstance(n, Integral) or not 0 <= n <= MOST:
            raise DataError(
                f"images of class {name!r} must number 0 to {MOST:,}, got {reprlib.repr(n)}; ask for another number"
            )
    return [int(n) for n in counts]
