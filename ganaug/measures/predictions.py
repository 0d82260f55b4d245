"""What classifiers take images for, and the bytes in which processes tell each other."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Predictions:
    """What S classifiers take N images for.

    Attributes:
        predicted: The likeliest class, int64 [S, N].
        confidence: Its probability, float32 [S, N].
    """

    predicted: np.ndarray
    confidence: np.ndarray

    def right(self, labels: np.ndarray) -> np.ndarray:
        """Which images are named rightly, by their labels int64 [N]: bool [S, N]."""
        return self.predicted == labels


Graded = dict[str, Predictions]  # name of a set -> what was predicted on it


def pack(rows: Sequence[Graded]) -> bytes:
    """Predictions as the bytes of an .npz.

    Example:
        >>> rows = [{}, {"val": Predictions(np.array([[2, 0]]), np.array([[0.5, 0.75]]))}]
        >>> unpack(pack(rows))[1]["val"].confidence
        array([[0.5 , 0.75]])
    """
    box = io.BytesIO()
    found = ((f"{i} {name}", graded[name]) for i, graded in enumerate(rows) for name in graded)
    tables = {f"{kind} {key}": table for key, one in found for kind, table in vars(one).items()}
    np.savez(box, count=len(rows), **tables)
    return box.getvalue()


def unpack(content: bytes) -> list[Graded]:
    """What `pack` was given."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        tables = dict(file)
    rows: list[dict[str, dict[str, np.ndarray]]] = [{} for _ in range(int(tables.pop("count")))]
    for key, table in tables.items():
        kind, i, name = key.split(" ", 2)
        rows[int(i)].setdefault(name, {})[kind] = table
    return [{name: Predictions(**found) for name, found in row.items()} for row in rows]
