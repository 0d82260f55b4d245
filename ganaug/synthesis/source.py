"""Where a dataset or transform takes its synthetic images from: a pool, or the generator itself."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from ganaug.errors import DataError
from ganaug.synthesis.live import Live
from ganaug.synthesis.pool import Pool

if TYPE_CHECKING:
    from ganaug.synthesis.synthesizer import Synthesizer

Serving = Literal["pool", "worker", "batch"]
Source = Pool | Live


def open_source(
    synth: "Synthesizer",
    counts: Sequence[int] | None,
    seed: int,
    serving: str,
    allowed: tuple[Serving, ...] = ("pool", "worker"),
    epoch: int = 0,
) -> Source:
    """A pool of `counts` images per class [K], or a generator that renders as many; None asks it for no end of them.

    Raises:
        DataError: `serving` is not among those allowed, or `counts` does not fit.
    """
    if serving not in allowed:
        raise DataError(f'serving must be one of {", ".join(allowed)}, got {serving!r}; "pool" is usual')
    return Pool.build(synth, counts or [], seed, epoch) if serving == "pool" else Live(synth, counts, seed, epoch)
