"""Where a dataset or transform takes its synthetic images from: a pool, or the generator itself."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from ganaug.errors import DataError
from ganaug.synthesis.live import Live
from ganaug.synthesis.origin import Origin
from ganaug.synthesis.pool import Pool
from ganaug.synthesis.synthesizer import Synthesizer

Serving = Literal["pool", "worker", "batch"]
Source = Pool | Live


def opened(synth: "Synthesizer | str | Path", device: str = "auto") -> "Synthesizer":
    """The generator itself, or the one in that run or generator folder."""
    return Synthesizer.load(synth, device) if isinstance(synth, str | Path) else synth


def open_source(
    synth: "Synthesizer",
    counts: Sequence[int] | None,
    seed: int,
    serving: str,
    allowed: tuple[Serving, ...] = ("pool", "worker"),
) -> Source:
    """A pool of `counts` images per class [K], or a generator that renders as many; None asks it for no end of them.

    Raises:
        DataError: `serving` is not among those allowed, or `counts` does not fit.
    """
    if serving not in allowed:
        raise DataError(f'serving must be one of {", ".join(allowed)}, got {serving!r}; "pool" is usual')
    if serving == "pool":
        assert counts is not None, "a pool has an end"
        return Pool.build(synth, counts, seed)
    return Live(synth, counts, seed)


def picture_of(source: Source, path: str) -> np.ndarray:
    """The image, uint8 [C, H, W], at a path of a dataset's `samples`, which is its origin as text.

    Raises:
        DataError: Another generator or seed made it.
    """
    origin = Origin.parse(path)
    if (origin.model, origin.seed) != (source.model, source.seed) or not source.counts[origin.label]:
        raise DataError(f"the path must be one of this dataset's samples, got {path!r}; ask the dataset that it is of")
    epoch, index = divmod(origin.index, source.counts[origin.label])
    source = source if epoch == source.epoch else source.at(epoch)
    return source.picture(origin.label, index)
