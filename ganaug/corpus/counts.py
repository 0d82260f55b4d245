"""How many images each class of a corpus gets."""

from collections.abc import Sequence

from ganaug.errors import DataError


def spread(n: int, num_classes: int) -> list[int]:
    """`n` images over the classes as evenly as can be, the first `n` mod K one more.

    Raises:
        DataError: There are fewer images than classes.

    Example:
        >>> spread(11, 4)
        [3, 3, 3, 2]
    """
    if n < num_classes:
        raise DataError(f"the images must be as many as the {num_classes} classes or more, got {n}; ask for more")
    return [n // num_classes + (k < n % num_classes) for k in range(num_classes)]


def balance_counts(existing: Sequence[int]) -> list[int]:
    """What each class lacks to be as large as the largest; 1 at least, because no class of a corpus may be empty.

    Example:
        >>> balance_counts([300, 15, 120])
        [1, 285, 180]
    """
    return [max(existing) - n or 1 for n in existing]
