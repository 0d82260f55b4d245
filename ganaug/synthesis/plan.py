"""How many synthetic images each class gets, which visits show one, and which class of the generator it is of."""

import hashlib
import struct
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from ganaug.errors import DataError

if TYPE_CHECKING:
    from ganaug.synthesis.synthesizer import Synthesizer

Mode = Literal["replace", "append", "balance"]
POOL_PER_CLASS = 500  # images that `replace` draws from, where nothing else is said


def draw(seed: int, item: int, visit: int, *more: int) -> tuple[float, int]:
    """A uniform number in [0, 1) and an independent integer, from a hash of the numbers: random access, no state."""
    digest = hashlib.blake2b(
        struct.pack(f"<{3 + len(more)}Q", seed % 2**64, item, visit, *more), digest_size=16
    ).digest()
    first, second = struct.unpack("<2Q", digest)
    return (first >> 11) / 2**53, second


def require_mode(mode: str) -> None:
    """Refuse an unknown mode.

    Raises:
        DataError: Names those there are.
    """
    if mode not in get_args(Mode):
        raise DataError(f"mode must be one of {', '.join(get_args(Mode))}, got {mode!r}; replace keeps the length")


def require_per_class(per_class: int | None) -> None:
    """Refuse a number of images of a class that is none.

    Raises:
        DataError: Names it.
    """
    if per_class is not None and not (isinstance(per_class, Integral) and per_class >= 1):
        raise DataError(
            f"per_class must be a whole number of 1 or more, got {per_class!r}; leave it out for the default"
        )


def fractions(fraction: float | Mapping[str, float], classes: Sequence[str]) -> np.ndarray:
    """The fraction of each class, float64 [K]; classes that a mapping does not name get none.

    Raises:
        DataError: A name is unknown, or a fraction no number in [0, 1].

    Example:
        >>> fractions({"bee": 0.5}, ["ant", "bee"]).tolist()
        [0.0, 0.5]
    """
    named = fraction if isinstance(fraction, Mapping) else dict.fromkeys(classes, fraction)
    unknown = [name for name in named if name not in classes]
    if unknown:
        raise DataError(
            f"fractions must name classes of the dataset ({list(classes)[:8]}), got {unknown[0]!r}; rename it"
        )
    for value in named.values():
        if not isinstance(value, Real) or not 0 <= value <= 1:
            raise DataError(f"fraction must lie in [0, 1], got {value!r}; 0.25 is usual")
    return np.array([named.get(name, 0.0) for name in classes], np.float64)


def correspondence(names: tuple[str, ...] | None, labels: np.ndarray, synth: "Synthesizer") -> list[int]:
    """The generator's label for each label of the dataset: by name, or by number where the dataset has no names.

    Raises:
        DataError: A class is unknown to the generator, or a label out of range.
    """
    classes = list(synth.classes)
    unknown = [name for name in names or () if name not in classes]
    if unknown:
        raise DataError(
            f"the dataset's classes must be known to the generator ({classes[:8]}), got {unknown[0]!r}; rename it"
        )
    known = len(classes) if names is None else len(names)
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= known:
        raise DataError(
            f"labels must lie in [0, {known}), got {low} to {high}; the generator's classes are {classes[:8]}"
        )
    return list(range(known)) if names is None else [classes.index(name) for name in names]


def wanted(mode: Mode, counts: np.ndarray, fraction: np.ndarray, per_class: int | None) -> np.ndarray:
    """Synthetic images per class, int64 [K], given the real ones [K] and the fraction of each class [K].

    Example:
        >>> wanted("balance", np.array([9, 4]), np.array([0.0, 0.0]), None).tolist()
        [0, 5]
    """
    if mode == "balance":
        return np.maximum((per_class or counts.max()) - counts, 0)
    if mode == "replace":
        return np.where((counts > 0) & (fraction > 0), per_class or POOL_PER_CLASS, 0)
    if per_class:
        return np.where(fraction > 0, per_class, 0)
    even = len(set(fraction.tolist())) == 1
    return (
        _share_out(round(fraction[0] * counts.sum()), counts) if even else np.rint(fraction * counts).astype(np.int64)
    )


def _share_out(total: int, counts: np.ndarray) -> np.ndarray:
    """`total` in proportion to `counts`, the remainders to the largest fractions."""
    exact = total * counts / counts.sum()
    shares = np.floor(exact).astype(np.int64)
    shares[np.argsort(shares - exact, kind="stable")[: total - shares.sum()]] += 1
    return shares
