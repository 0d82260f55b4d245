"""Labels of somebody else's dataset as numbers."""

from typing import Any

import numpy as np
from torch.utils.data import TensorDataset

from ganaug.errors import DataError

SPELLINGS = ("targets", "labels", "_labels")  # torchvision's three


def class_number(label: Any) -> int:
    """An integer of any library as int.

    Raises:
        DataError: It is none.
    """
    number = integers([label], 1)
    if number is None:
        raise DataError(f"labels must be integers, got {label!r}; give the dataset class numbers")
    return int(number[0])


def held_labels(dataset: Any) -> np.ndarray | None:
    """The labels that a dataset holds in an attribute, int64 [N]; None where it has none that fit."""
    candidates = [getattr(dataset, name, None) for name in SPELLINGS]
    if isinstance(dataset, TensorDataset) and len(dataset.tensors) == 2:
        candidates.append(dataset.tensors[1])
    found = (integers(values, len(dataset)) for values in candidates)
    return next((labels for labels in found if labels is not None), None)


def integers(values: Any, n: int) -> np.ndarray | None:
    """`values` as int64 [n], or None where they are something else."""
    try:
        array = np.asarray(values)
    except ValueError:  # ragged
        return None
    fits = array.dtype.kind in "iu" and array.size == n and array.shape[:1] == (n,)
    return array.reshape(n).astype(np.int64) if fits else None
