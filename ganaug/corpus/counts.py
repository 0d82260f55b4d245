"""How many images each class of a corpus gets."""

import reprlib
from collections.abc import Sequence
from pathlib import Path

from ganaug.errors import DataError
from ganaug.files import parse_json, read_file


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


def read_counts(file: str | Path, classes: Sequence[str]) -> list[int]:
    """Images per class from a JSON object of names and numbers, in label order.

    Raises:
        DataError: The file holds none, or its names are not those of `classes`.
    """
    try:
        counts = parse_json(read_file(Path(file)))
    except (OSError, ValueError) as error:
        fact = getattr(error, "strerror", None) or error
        raise DataError(f'{file}: must be JSON such as {{"cat": 300}}, got {fact}; mend the file') from error
    if not isinstance(counts, dict) or not all(type(n) is int and n >= 0 for n in counts.values()):
        raise DataError(
            f'{file}: must be JSON of class names and numbers such as {{"cat": 300}}, got {reprlib.repr(counts)}; '
            "mend the file"
        )
    unknown, missing = sorted(set(counts) - set(classes)), sorted(set(classes) - set(counts))
    if unknown or missing:
        what = f"the unknown {unknown[0]!r:.80}" if unknown else f"none for {missing[0]!r}"
        raise DataError(f"{file}: must give a number for each of {', '.join(classes[:8])}, got {what}; mend the file")
    return [counts[name] for name in classes]
