"""Labels as users have them: numbers, names, tensors, soft labels, and batches of these."""

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ganaug.errors import DataError


def number(label: Any, classes: Sequence[str], known: int) -> int:
    """The number of a label that is an integer (Python's, numpy's, a tensor's) in [0, known) or one of the names.

    Raises:
        DataError: It is neither.

    Example:
        >>> number("bee", ["ant", "bee"], 2), number(np.int64(1), ["ant", "bee"], 2)
        (1, 1)
    """
    found = label if type(label) is int else _named(label, classes) if isinstance(label, str) else _counted(label)
    if found is None or not 0 <= found < known:
        raise DataError(
            f"labels must be one of the {known} classes {list(classes)[:8]} or its number, got {label!r}; "
            "name your own classes in label order with `classes`"
        )
    return found


def alike(label: Any, other: int, classes: Sequence[str]) -> Any:
    """The number `other` in the type of `label`: int, name, numpy or tensor.

    Example:
        >>> alike("ant", 1, ["ant", "bee"]), alike(np.int32(0), 1, ["ant", "bee"])
        ('bee', np.int32(1))
    """
    if isinstance(label, torch.Tensor):
        return torch.full_like(label, other)
    if isinstance(label, np.ndarray):
        return np.full_like(label, other)
    return type(label)(classes[other] if isinstance(label, str) else other)


def is_soft(label: Any) -> bool:
    """Whether a label is a list, array or tensor of the weights of all classes.

    Example:
        >>> is_soft([0.0, 1.0]), is_soft(1)
        (True, False)
    """
    if isinstance(label, torch.Tensor):
        return label.ndim == 1 and label.is_floating_point()
    if isinstance(label, np.ndarray):
        return label.ndim == 1 and label.dtype.kind == "f"
    return isinstance(label, list | tuple) and len(label) > 0 and all(isinstance(x, float) for x in label)


def weights(label: Any) -> np.ndarray:
    """A soft label as float32 [K], a copy.

    Raises:
        DataError: A weight is negative or no number, or all are 0.
    """
    found = np.array(label.tolist() if isinstance(label, torch.Tensor) else label, np.float32)
    if not (found.min() >= 0 and 0 < found.sum() < np.inf):
        raise DataError(f"soft labels must be weights of 0 or more, not all 0, got {found.tolist()[:8]}; check them")
    return found


def one_hot(label: int, length: int) -> np.ndarray:
    """The soft label of one class, float32 [length].

    Example:
        >>> one_hot(1, 3).tolist()
        [0.0, 1.0, 0.0]
    """
    found = np.zeros(length, np.float32)
    found[label] = 1
    return found


def gathered(items: list[Any], like: Any) -> Any:
    """Labels of a batch, in the container that `like` is: list, tuple, array or tensor.

    Example:
        >>> gathered([0, 1], like=(5, 6)), gathered([np.int8(1)], like=np.zeros(1, np.int8))
        ((0, 1), array([1], dtype=int8))
    """
    if isinstance(like, torch.Tensor):
        return torch.stack(items)
    if isinstance(like, np.ndarray):
        return np.array(items, object if like.dtype == object and isinstance(items[0], str) else None)
    return type(like)(items)


def _named(label: str, classes: Sequence[str]) -> int | None:
    return classes.index(label) if label in classes else None


def _counted(label: Any) -> int | None:
    try:
        return operator.index(label.reshape(()) if isinstance(label, np.ndarray) else label)
    except (TypeError, ValueError):
        return None
