"""A dataset of (image, label) items, read without its own transforms and served with them."""

import copy
import logging
from typing import Any

import numpy as np

from ganaug.data.rows import spread
from ganaug.datasets.form import form_of
from ganaug.datasets.labels import class_number, held_labels
from ganaug.errors import DataError

log = logging.getLogger("ganaug")
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
        self._bare, self._probe = bare(dataset)
        few = {i: self._raw(i) for i in spread(index)}
        self.form = form_of(few.values())
        self.labels = self._labels(index, {i: class_number(label) for i, (_, label) in few.items()})

    def has(self, name: str) -> bool:
        """Whether the dataset applies a `transform` or `target_transform` of its own."""
        return hasattr(self.dataset, name) and (name != "transform" or self._probe.called)

    def on(self, dataset: Any) -> "Pairs":
        """The same for a copy of the dataset that has other transforms."""
        other = copy.copy(self)
        other.dataset = dataset
        return other

    def shown(self, item: Any, own: Own) -> Any:
        """A real item, with the wrapper's transforms where the dataset has none of its own."""
        changes = {name: f for name, f in own.items() if f is not None and not self.has(name)}
        if not changes:
            return item
        image, label = pair(item)
        return changes.get("transform", same)(image), changes.get("target_transform", same)(label)

    def synthetic(self, row: int, pixels: np.ndarray, label: int, own: Own) -> tuple[Any, Any]:
        """An item like the one at `row` that shows `pixels`, uint8 [C, H, W], of class `label`."""
        image, target = self.form.image(pixels), self.form.label_like(label)
        if self._probe.plural and self.dataset.transforms is not None:
            if self._probe.joint:
                return self.shown(self.dataset.transforms(image, target), own)
            image = self.dataset.transforms(image)
        if self.has("transform"):
            image, target = self._probe.as_called(self.dataset.transform, image, target)
        elif own["transform"]:
            image = own["transform"](image)
        change = getattr(self.dataset, "target_transform", own["target_transform"])
        return image, target if change is None else change(target)

    def _raw(self, row: int) -> tuple[Any, Any]:
        """The (image, label) at that row, as it is before the dataset's transforms."""
        try:
            item = self._bare[row]
        except Exception as error:  # of somebody else's __getitem__, which did not bear to lose its transform
            raise DataError(
                f"{type(self.dataset).__name__} must hand out items without its transforms, got {error!r:.200}; wrap "
                "it without them, and set `.transform` on the wrapper"
            ) from error
        image, label = pair(item)
        if getattr(self.dataset, "transform", None) is not None and not self._probe.called:
            raise DataError(
                f"{type(self.dataset).__name__} must apply its transform to each item that it hands out, got one that "
                "does not; leave it out there, and set `.transform` on the wrapper"
            )
        odd = [name for name, value in (self._probe.beside or {}).items() if value is not label]
        if odd:
            raise DataError(
                f"{type(self.dataset).__name__} must give its transform images and labels alone, got {odd[0]!r}, too, "
                "which would not fit a synthetic image; leave it out"
            )
        return (self._probe.image if self._probe.called else image), label

    def _labels(self, index: np.ndarray, few: dict[int, int]) -> np.ndarray:
        """From the attribute that holds them, if it agrees with a few items; else by reading every item once."""
        held = held_labels(self.dataset)
        if held is not None and all(held[i] == label for i, label in few.items()):
            return held[index]
        what = "no targets" if held is None else "targets that are not the labels of its items"
        log.info("%s has %s: %d items are read once for their labels", type(self.dataset).__name__, what, len(index))
        return np.array([class_number(self._raw(i)[1]) for i in index.tolist()], np.int64)


class Probe:
    """Stands in for a transform, to see what the dataset hands it and how.

    Attributes:
        called: Whether the dataset used it.
        plural: Whether it was `transforms` that the dataset used.
        joint: Whether it was called with (image, label), as torchvision's `transforms`.
        image: What it was given last.
        beside: The other arguments, where it is called as `transform(image=..., label=...)`; else None.
    """

    def __init__(self) -> None:
        self.image: Any = None
        self.called = self.plural = self.joint = False
        self.beside: dict[str, Any] | None = None

    def __call__(self, *positional: Any, image: Any = None, **beside: Any) -> Any:
        self.called = True
        if not positional:
            self.image, self.beside = image, beside
            return {"image": image, **beside}
        self.image = positional[0]
        return self.image

    def all(self, image: Any, *label: Any) -> Any:
        """Stands in for `transforms`: of image and label, as torchvision has it, or of the image alone."""
        self.called, self.plural, self.joint, self.image = True, True, bool(label), image
        return (image, *label) if label else image

    def as_called(self, transform: Any, image: Any, label: Any) -> tuple[Any, Any]:
        """(image, label) through the dataset's transform, called as the dataset calls it."""
        if transform is None:
            return image, label
        if self.beside is None:
            return transform(image), label
        result = transform(image=image, **dict.fromkeys(self.beside, label))
        return result["image"], next((result[name] for name in self.beside), label)


def bare(dataset: Any) -> tuple[Any, Probe]:
    """A shallow copy of `dataset` whose transform only looks, and whose target_transform does nothing.

    Raises:
        DataError: Its attributes cannot be set.
    """
    clone, probe = copy.copy(dataset), Probe()
    try:
        for name, stand_in in (("transform", probe), ("target_transform", same)):
            if hasattr(dataset, name):
                setattr(clone, name, stand_in)
        if "transforms" in getattr(dataset, "__dict__", {}):
            clone.transforms = probe.all
    except AttributeError as error:  # a property without a setter, a frozen dataclass
        raise DataError(
            f"{type(dataset).__name__} must let its transform be set, got {error!r:.200}; wrap it without one, and set "
            "`.transform` on the wrapper"
        ) from error
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


def same(value: Any) -> Any:
    """`value`."""
    return value
