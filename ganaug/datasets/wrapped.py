"""What a wrapped dataset is made of: the datasets under Subset and ConcatDataset, their labels and classes."""

import copy
import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch.utils.data import ConcatDataset, Subset, TensorDataset

from ganaug.errors import DataError

log = logging.getLogger("ganaug")


@dataclass(frozen=True)
class View:
    """The leaves that a dataset reads from, and where each of its N items lies.

    Attributes:
        leaves: Datasets that are neither Subset nor ConcatDataset.
        leaf: Number of the leaf of each item, int64 [N].
        index: Index inside that leaf, int64 [N].
    """

    leaves: list[Any]
    leaf: np.ndarray
    index: np.ndarray


class Probe:
    """Stands in for a transform to see what the dataset hands it, and whether it does so as `image=...`."""

    def __init__(self) -> None:
        self.image: Any = None
        self.named = self.called = False

    def __call__(self, *positional: Any, image: Any = None, **beside: Any) -> Any:
        self.called, self.named = True, not positional
        self.image = image if self.named else positional[0]
        return {"image": image, **beside} if self.named else self.image


def look_through(dataset: Any) -> View:
    """Walk Subset and ConcatDataset down to the leaves in use.

    Raises:
        DataError: The dataset has no length, or no items.
    """
    if not hasattr(dataset, "__len__") or not len(dataset):
        raise DataError(
            f"the wrapped dataset must have a length and items, got {type(dataset).__name__} without; "
            "pass a map-style dataset"
        )
    view = _unfold(dataset)
    used, leaf = np.unique(view.leaf, return_inverse=True)
    return View([view.leaves[i] for i in used], leaf, view.index)


def bare(leaf: Any) -> tuple[Any, Probe]:
    """A shallow copy of `leaf` whose transform only looks and whose target_transform is gone."""
    clone, probe = copy.copy(leaf), Probe()
    if hasattr(leaf, "transform"):
        clone.transform = probe
    if hasattr(leaf, "target_transform"):
        clone.target_transform = None
    return clone, probe


def with_attribute(dataset: Any, name: str, value: Any) -> Any:
    """A shallow copy of `dataset` whose leaves have `name` set to `value`, where they know that attribute at all."""
    if not (_is_subset(dataset) or isinstance(dataset, ConcatDataset) or hasattr(dataset, name)):
        return dataset
    clone: Any = copy.copy(dataset)
    if isinstance(dataset, ConcatDataset):
        clone.datasets = [with_attribute(part, name, value) for part in dataset.datasets]
    elif _is_subset(dataset):
        clone.dataset = with_attribute(dataset.dataset, name, value)
    else:
        setattr(clone, name, value)
    return clone


def class_names(dataset: Any) -> tuple[str, ...] | None:
    """The class names in label order, or None where the dataset has none.

    Raises:
        DataError: The parts of a ConcatDataset number their classes differently.
    """
    if isinstance(dataset, ConcatDataset):
        found = {class_names(part) for part in dataset.datasets}
        if len(found) > 1:
            raise DataError(f"the parts of a ConcatDataset must have the same classes, got {found}; renumber one")
        return found.pop()
    names = getattr(dataset, "classes", None)
    if isinstance(names, (list, tuple)) and names and all(isinstance(name, str) for name in names):
        return tuple(names)
    return class_names(dataset.dataset) if hasattr(dataset, "dataset") else None


def labels_of(view: View) -> np.ndarray:
    """The label of each item before any target_transform, int64 [N].

    Raises:
        DataError: A label is not an integer.
    """
    labels = np.empty(len(view.leaf), np.int64)
    for number, leaf in enumerate(view.leaves):
        mine = view.leaf == number
        labels[mine] = _leaf_labels(leaf, view.index[mine])
    return labels


def pair(item: Any) -> tuple[Any, Any]:
    """An item as (image, label).

    Raises:
        DataError: It is something else.
    """
    if not isinstance(item, (tuple, list)) or len(item) != 2:
        fact = f"{len(item)} parts" if isinstance(item, (tuple, list)) else type(item).__name__
        raise DataError(f"items of the wrapped dataset must be (image, label), got {fact}; select these two first")
    return item[0], item[1]


def _is_subset(dataset: Any) -> bool:
    """A Subset that overrides `__getitem__` has a transform of its own mind, and counts as a leaf."""
    return isinstance(dataset, Subset) and type(dataset).__getitem__ is Subset.__getitem__


def _unfold(dataset: Any) -> View:
    if _is_subset(dataset):
        inner, chosen = _unfold(dataset.dataset), np.asarray(dataset.indices, dtype=np.int64)
        return View(inner.leaves, inner.leaf[chosen], inner.index[chosen])
    if isinstance(dataset, ConcatDataset):
        parts = [_unfold(part) for part in dataset.datasets]
        first = np.cumsum([0] + [len(part.leaves) for part in parts])
        return View(
            [leaf for part in parts for leaf in part.leaves],
            np.concatenate([part.leaf + n for part, n in zip(parts, first, strict=False)]),
            np.concatenate([part.index for part in parts]),
        )
    return View([dataset], np.zeros(len(dataset), np.int64), np.arange(len(dataset)))


def _leaf_labels(leaf: Any, index: np.ndarray) -> np.ndarray:
    """From the attribute that holds them, else by reading every item once."""
    candidates = [
        getattr(leaf, name, None) for name in ("targets", "labels", "_labels")
    ]  # torchvision's three spellings
    if isinstance(leaf, TensorDataset) and len(leaf.tensors) == 2:
        candidates.append(leaf.tensors[1])
    for values in candidates:
        labels = _integers(values, len(leaf))
        if labels is not None:
            return labels[index]
    log.info("%s has no targets: %d items are read once for their labels", type(leaf).__name__, len(index))
    clone, _ = bare(leaf)
    return np.array([class_number(pair(clone[int(i)])[1]) for i in index], np.int64)


def class_number(label: Any) -> int:
    """An integer of any library as int.

    Raises:
        DataError: It is none.
    """
    number = _integers([label], 1)
    if number is None:
        raise DataError(f"labels must be integers, got {label!r}; give the dataset class numbers")
    return int(number[0])


def _integers(values: Any, n: int) -> np.ndarray | None:
    """`values` as int64 [n], or None where they are something else."""
    try:
        array = np.asarray(values)
    except ValueError:  # ragged
        return None
    fits = array.dtype.kind in "iu" and array.size == n and array.shape[:1] == (n,)
    return array.reshape(n).astype(np.int64) if fits else None
