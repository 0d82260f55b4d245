"""Pictures of a table or of somebody else's dataset, fetched when they are asked for."""

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from PIL import Image

from ganaug.images import Picture

FEW = 8  # rows that are looked at to know what the others are like


class Rows(Sequence[Picture]):
    """Row i as a picture: named by its file where there is one, else by its number.

    Example:
        >>> Rows("table", 3, lambda row: b"...")[2].name
        'table, row 2'
    """

    def __init__(self, source: str, total: int, fetch: Callable[[int], Path | bytes | Image.Image]):
        self.source, self.total, self.fetch = source, total, fetch
        self.lock = Lock()  # of two threads: somebody else's code, as FakeData's global random state, may bear but one

    def __len__(self) -> int:
        return self.total

    def __getitem__(self, row: Any) -> Any:
        if not 0 <= row < self.total:
            raise IndexError(row)
        with self.lock:
            content = self.fetch(row)
        return Picture.at(content) if isinstance(content, Path) else Picture(f"{self.source}, row {row}", content)


def row_names(total: int) -> tuple[str, ...]:
    """What rows without a file are called, [total]."""
    return tuple(f"row {row}" for row in range(total))


def spread(index: np.ndarray) -> list[int]:
    """A few of the rows `index` [n], from its beginning to its end.

    >>> spread(np.arange(100))
    [0, 14, 28, 42, 56, 70, 84, 99]
    """
    return np.unique(index[np.linspace(0, len(index) - 1, FEW).astype(int)]).tolist()
