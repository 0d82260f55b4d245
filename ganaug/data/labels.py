"""Labels as people store them, numbered as ganaug needs them."""

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np

from ganaug.errors import DataError

UNFIT = ("Cc", "Cs", "Zl", "Zp")  # Unicode's control characters, halves of pairs, ends of lines and paragraphs


def number(source: str, labels: Any, classes: Sequence[str] | None = None) -> tuple[tuple[str, ...], np.ndarray]:
    """(class names, int64 [N] in [0, K)).

    Args:
        source: What the user called the set.
        labels: One integer or string per image, [N].
        classes: The K names in label order; None makes them from the labels, sorted.

    Raises:
        DataError: Labels that are missing, of another kind, several per image, negative or outside [0, K).

    Example:
        >>> number("set", ["cat", "ant", "cat"])
        (('ant', 'cat'), array([1, 0, 1]))
        >>> number("set", [7, 3])
        (('3', '7'), array([1, 0]))
    """
    values = _plain(source, labels)
    if classes is None:
        found, numbers = np.unique(values, return_inverse=True)
        return tuple(str(value) for value in found), numbers.astype(np.int64)
    names = tuple(classes)
    if values.dtype.kind == "U":
        return names, _positions(source, values.tolist(), names)
    if values.size and not 0 <= int(values.min()) <= int(values.max()) < len(names):
        raise DataError(
            f"{source}: labels must lie in [0, {len(names)}), got {values.min()} to {values.max()}; "
            "number the classes from 0"
        )
    return names, values.astype(np.int64)


def unnumbered(total: int) -> tuple[tuple[str, ...], np.ndarray]:
    """What stands in place of classes and labels where they are not read: (no names, int64 zeros [total])."""
    return (), np.zeros(total, np.int64)


def require_names(source: str, classes: Sequence[str]) -> None:
    """Refuse class names that no file could hold, or that would do something to a terminal.

    Raises:
        DataError: A name has a control character, a line's end or half of a surrogate pair; it is named.
    """
    odd = [name for name in classes if not is_one_line(name)]
    if odd:
        raise DataError(f"{source}: class names must be text on one line, got {odd[0]!r}; rename the class")


def is_one_line(name: str) -> bool:
    r"""Whether a name is text that a file can hold and a terminal merely shows.

    >>> is_one_line("T-shirt/top"), is_one_line("red\n"), is_one_line("\x1b[31m")
    (True, False, False)
    """
    return not any(unicodedata.category(character) in UNFIT for character in name)


def _plain(source: str, labels: Any) -> np.ndarray:
    """Integers or strings [N], none of them missing."""
    if isinstance(labels, list) and (missing := sum(label is None for label in labels)):
        raise DataError(f"{source}: every image must have a label, got {missing:,} without; leave those images out")
    values = np.asarray(labels)
    values = values.astype(np.int64) if values.dtype == bool else values  # two classes, 0 and 1
    if values.ndim != 1 or values.dtype.kind not in "iuU":
        raise DataError(
            f"{source}: labels must be one integer or string per image, got {values.dtype} {list(values.shape)}; "
            "give each image the number or the name of its class"
        )
    if values.dtype.kind == "i" and values.size and (low := int(values.min())) < 0:
        raise DataError(
            f"{source}: labels must be 0 or more, got {low} for {int((values < 0).sum()):,} images; "
            "where that means unlabelled, leave those images out"
        )
    return values


def _positions(source: str, labels: list[str], names: tuple[str, ...]) -> np.ndarray:
    where = {name: label for label, name in enumerate(names)}
    odd = sorted(set(labels) - set(where))
    if odd:
        raise DataError(
            f"{source}: labels must be among its classes {list(names)[:8]}, got {odd[0]!r}; add the class or rename it"
        )
    return np.array([where[label] for label in labels], np.int64)
