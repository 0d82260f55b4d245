"""Many images of one generator, class by class, in chunks of constant memory."""

import math
import reprlib
from collections.abc import Iterator, Sequence
from itertools import islice
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np

from ganaug.errors import DataError

if TYPE_CHECKING:
    from ganaug.synthesis.synthesizer import Synthesizer

MOST = 10**7  # images of a class
CHUNK_IMAGES, CHUNK_BYTES = (32, 256), 2**24  # rendered at a time: as many as fill the bytes, within these bounds


def render(
    synth: "Synthesizer",
    counts: Sequence[int],
    seed: int = 0,
    scale: float = 1.0,
    epoch: int = 0,
    stretch: range | None = None,
) -> Iterator[tuple[list[tuple[int, int]], np.ndarray]]:
    """Yield chunks: the (label, index) of each image, and uint8 [n, C, H, W]; class k begins at epoch * counts[k].

    `stretch` says which of them, by their places class by class; None: all.
    """
    size = int(np.clip(CHUNK_BYTES // math.prod(synth.shape), *CHUNK_IMAGES))
    stream = ((label, index) for label, n in enumerate(counts) for index in range(epoch * n, (epoch + 1) * n))
    stream = islice(stream, stretch.start, stretch.stop) if stretch is not None else stream
    while chunk := list(islice(stream, size)):
        labels, indices = ([*column] for column in zip(*chunk, strict=True))
        images, _ = synth.sample(labels, seed=seed, indices=indices, scale=scale)
        yield chunk, images.cpu().numpy()


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
