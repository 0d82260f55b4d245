"""What a wrapped dataset is made of: the datasets under Subset and ConcatDataset, their labels and classes."""

import copy
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch.utils.data import ConcatDataset, Subset

from ganaug.data import columns
from ganaug.datasets.rows import is_table
from ganaug.errors import DataError


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

    def gather(self, parts: list[np.ndarray]) -> np.ndarray:
        """What is known of the items in use of each leaf, [n] each, in the order of the items, [N]."""
        whole = np.empty(len(self.leaf), parts[0].dtype)
        for number, part in enumerate(parts):
            whole[self.leaf == number] = part
        return whole


def look_through(dataset: Any) -> View:
    """Walk Subset and ConcatDataset down to the leaves in use.

    Raises:
        DataError: The dataset has no length, or no items.
    """
    if isinstance(dataset, dict):  # a DatasetDict is one
        raise DataError(f"the wrapped dataset must be one split, got those of {list(dataset)[:8]}; pass one of them")
    if not hasattr(dataset, "__len__") or not len(dataset):
        raise DataError(
            f"the wrapped dataset must have a length and items, got {type(dataset).__name__} without; "
            "pass a map-style dataset"
        )
    view = _unfold(dataset)
    used, leaf = np.unique(view.leaf, return_inverse=True)
    return View([view.leaves[i] for i in used], leaf, view.index)


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
        _join(clone)
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
    if is_table(dataset):
        return columns.class_names(columns.SOURCE, dataset)
    numbers = getattr(dataset, "class_to_idx", None)
    if isinstance(numbers, dict) and sorted(map(str, numbers.values())) == sorted(map(str, range(len(numbers)))):
        return tuple(
            sorted(numbers, key=numbers.__getitem__)
        )  # what the labels mean; `classes` may be in another order
    names = getattr(dataset, "classes", None)
    if isinstance(names, (list, tuple)) and names and all(isinstance(name, str) for name in names):
        return tuple(names)
    return class_names(dataset.dataset) if hasattr(dataset, "dataset") else None


def _join(dataset: Any) -> None:
    """Torchvision's datasets hold their two transforms a second time, as one, and some of them apply that one."""
    vision = sys.modules.get("torchvision.datasets.vision")
    if vision and isinstance(dataset, vision.VisionDataset):
        both = dataset.transform, dataset.target_transform
        dataset.transforms = vision.StandardTransform(*both) if any(both) else None


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
