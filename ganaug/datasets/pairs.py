"""A dataset of (image, label) items, read without its own transforms and served with them."""

import copy
import logging
from typing import Any

import numpy as np

from ganaug.datasets.form import form_of
from ganaug.datasets.labels import class_number, held_labels
from ganaug.errors import DataError

log = logging.getLogger("ganaug")
LOOKED_AT = 8  # items, spread over the dataset
Own = dict[str, Any]  # the wrapper's transform and target_transform, for datasets that have none


class Pairs:
    """What the wrapper needs of a dataset that is neither a Subset nor a ConcatDataset.

    Attributes:
        dataset: As the user made it.
        labels: Of the items at `index`, before any target_transform, int64 [n].
        form: Of images and labels.
    """

    def __init__(self, dataset: Any, index: np.ndarray):
        self.dataset = dataset
        self.labels = self._labels(index)
        clone, probe = bare(dataset)
        seen = []
        for i in spread(index):
            image, label = pair(clone[i])
            seen.append((probe.image if probe.called else image, label))
        self.form = form_of(seen, probe.named)

    def shown(self, item: Any, own: Own) -> Any:
        """A real item, with the wrapper's transforms where the dataset has none of its own."""
        changes = {name: f for name, f in own.items() if f is not None and not hasattr(self.dataset, name)}
        if not changes:
            return item
        image, label = pair(item)
        return changes.get("transform", _same)(image), changes.get("target_transform", _same)(label)

    def synthetic(self, row: int, pixels: np.ndarray, label: int, own: Own) -> tuple[Any, Any]:
        """An item like the one at `row` that shows `pixels`, uint8 [C, H, W], of class `label`."""
        image, target = self.form.image(pixels), self.form.label_like(label)
        if hasattr(self.dataset, "transform"):
            image = self.form.transformed(image, self.dataset.transform)
        elif own["transform"]:
            image = own["transform"](image)
        change = getattr(self.dataset, "target_transform", own["target_transform"])
        return image, target if change is None else change(target)

    def _labels(self, index: np.ndarray) -> np.ndarray:
        """From the attribute that holds them, else by reading every item once."""
        labels = held_labels(self.dataset)
        if labels is not None:
            return labels[index]
        log.info("%s has no targets: %d items are read once for their labels", type(self.dataset).__name__, len(index))
        clone, _ = bare(self.dataset)
        return np.array([class_number(pair(clone[i])[1]) for i in index.tolist()], np.int64)


class Probe:
    """Stands in for a transform to see what the dataset hands it, and whether it does so as `image=...`."""

    def __init__(self) -> None:
        self.image: Any = None
        self.named = self.called = False

    def __call__(self, *positional: Any, image: Any = None, **beside: Any) -> Any:
        self.called, self.named = True, not positional
        self.image = image if self.named else positional[0]
        return {"image": image, **beside} if self.named else self.image


def bare(dataset: Any) -> tuple[Any, Probe]:
    """A shallow copy of `dataset` whose transform only looks and whose target_transform is gone."""
    clone, probe = copy.copy(dataset), Probe()
    if hasattr(dataset, "transform"):
        clone.transform = probe
    if hasattr(dataset, "target_transform"):
        clone.target_transform = None
    return clone, probe


def pair(item: Any) -> tuple[Any, Any]:
    """An item as (image, label).

    Raises:
        DataError: It is something else.
    """
    if not isinstance(item, (tuple, list)) or len(item) != 2:
        fact = f"{len(item)} parts" if isinstance(item, (tuple, list)) else type(item).__name__
        raise DataError(f"items of the wrapped dataset must be (image, label), got {fact}; select these two first")
    return item[0], item[1]


def spread(index: np.ndarray) -> list[int]:
    """A few of `index` [n], from its beginning to its end."""
    return np.unique(index[np.linspace(0, len(index) - 1, LOOKED_AT).astype(int)]).tolist()


def _same(value: Any) -> Any:
    return value
