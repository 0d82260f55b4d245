"""Where the image and the label of a torchvision sample or batch stand, and how to put others in their place."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional

from ganaug.errors import DataError
from ganaug.images import MODES
from ganaug.transforms.pictures import require_image

NAMES = ("labels", "label", "targets", "target")  # of labels in a dict, in this order, whatever the case
GEOMETRY = (tv_tensors.Mask, tv_tensors.BoundingBoxes, tv_tensors.KeyPoints)


@dataclass(frozen=True)
class _Place:
    """Stands for leaf number `at` of a sample."""

    at: int


class Pictured:
    """A sample or batch taken apart into its image and the rest, which stays as it is.

    Attributes:
        images: [N, C, H, W], uint8 or floats in [0, 1]; one where it is a single sample.

    Args:
        inputs: Any structure of lists, tuples and dicts that holds one image or batch of images.
        name: Of the transform, for messages.

    Raises:
        DataError: The image is not found, or cannot be used.
    """

    def __init__(self, inputs: Any, name: str):
        self._name = name
        self._leaves, self._spec = tree_flatten(inputs)
        self._image_at = place_of_image(self._leaves, name, may_be_image)
        self._image = self._leaves[self._image_at]
        image = as_tensor(self._image)
        self._alone = image.ndim == 3
        require_image(image, image.shape[-3], (3, 4), name)
        self.images = image[None] if self._alone else image

    def with_images(self, images: Tensor) -> Any:
        """The sample with these in the place of its own, [N, C, H, W]."""
        return self._with({self._image_at: self._image_like(images[0] if self._alone else images)})

    def _with(self, others: dict[int, Any]) -> Any:
        return tree_unflatten([others.get(at, leaf) for at, leaf in enumerate(self._leaves)], self._spec)

    def _image_like(self, image: Tensor) -> Any:
        if isinstance(self._image, Image.Image):
            return functional.to_pil_image(image)
        return tv_tensors.Image(image) if isinstance(self._image, tv_tensors.Image) else image


class Sample(Pictured):
    """A sample or batch with its label taken out, too.

    Attributes:
        labels: int64 [N] or float32 [N, K], where they were given.

    Args:
        inputs: (images, labels, ...), (images, {"labels": ...}), a dict, or what `labels_getter` understands.
        labels_getter: "default" or a callable that returns the label of such a structure.
        name: Of the transform, for messages.

    Raises:
        DataError: The image or label is not found, or cannot be used, or masks, boxes or keypoints are with them.
    """

    def __init__(self, inputs: Any, labels_getter: Callable[[Any], Any] | str, name: str):
        super().__init__(inputs, name)
        self._require_no_geometry()
        self._label_at = self._place_of_label(inputs, labels_getter)
        self._label = self._leaves[self._label_at]
        self.labels = self._read_labels()

    def rebuilt(self, images: Tensor, labels: Tensor) -> Any:
        """The sample with these in the place of its own: [N, C, H, W], and int64 [N] or float32 [N, K]."""
        image, label = (images[0], labels[0]) if self._alone else (images, labels)
        return self._with({self._image_at: self._image_like(image), self._label_at: self._label_like(label)})

    def _require_no_geometry(self) -> None:
        for leaf in self._leaves:
            if isinstance(leaf, GEOMETRY):
                raise DataError(
                    f"{self._name} must have nothing beside the image that shows where things are, got "
                    f"{type(leaf).__name__}; leave it out, or this transform"
                )

    def _place_of_label(self, inputs: Any, labels_getter: Callable[[Any], Any] | str) -> int:
        """Found in a copy of the structure whose leaves only know their place."""
        places = tree_unflatten([_Place(at) for at in range(len(self._leaves))], self._spec)
        try:
            found = labels_getter(places) if callable(labels_getter) else _default_label(places)
        except (LookupError, TypeError, AttributeError, StopIteration):
            found = None
        if not isinstance(found, _Place):
            raise DataError(
                f"{self._name} must find one label or tensor of labels, as in (images, labels) or a dict with one of "
                f"{', '.join(NAMES)}, got {_told(inputs)}; pass labels_getter, which picks it"
            )
        return found.at

    def _read_labels(self) -> Tensor:
        usable = isinstance(self._label, int | np.integer | Tensor)
        labels = torch.as_tensor(self._label).cpu() if usable else torch.zeros(())
        labels = labels[None] if self._alone else labels
        numbers = labels.ndim == 1 and not labels.is_floating_point()
        if not usable or not (numbers or labels.ndim == 2) or len(labels) != len(self.images):
            got = f"shape {list(self._label.shape)}" if isinstance(self._label, Tensor) else repr(self._label)[:60]
            raise DataError(
                f"{self._name} must have one label per image ({len(self.images)}), numbers [N] or soft labels [N, K], "
                f"got {got}; make them one tensor"
            )
        return labels.long() if numbers else labels.float()

    def _label_like(self, label: Tensor) -> Any:
        """Numbers in the type they had, soft labels as float32, on the device they had."""
        device = self._label.device if isinstance(self._label, Tensor) else "cpu"
        if label.is_floating_point():
            return label.to(device)
        return label.to(self._label) if isinstance(self._label, Tensor) else type(self._label)(int(label))


def place_of_image(leaves: list[Any], name: str, may_be: Callable[[Any], bool]) -> int:
    """Where the image stands, as torchvision's own transforms see it: it says so, or is the first that may be one.

    Raises:
        DataError: There is none, or there are several; `name` is who looks for it.
    """
    said = [at for at, leaf in enumerate(leaves) if isinstance(leaf, tv_tensors.Image | Image.Image)]
    found = said or [at for at, leaf in enumerate(leaves) if may_be(leaf)][:1]
    if len(found) != 1:
        raise DataError(f"{name} must find one image or batch of images, got {len(found)}; take them apart")
    return found[0]


def may_be_image(leaf: Any) -> bool:
    """Whether a tensor that says nothing has the dimensions of pixels.

    Example:
        >>> may_be_image(torch.zeros(8, 1, 28, 28)), may_be_image(torch.zeros(8))
        (True, False)
    """
    return isinstance(leaf, Tensor) and not isinstance(leaf, tv_tensors.TVTensor) and leaf.ndim > 2


def _default_label(sample: Any) -> Any:
    """The second part of a pair, or what a dict has under one of the usual names."""
    part = sample if isinstance(sample, Mapping) else sample[1]
    if not isinstance(part, Mapping):
        return part
    found = {key.lower(): value for key, value in part.items() if isinstance(key, str)}
    return next(found[name] for name in NAMES if name in found)


def as_tensor(image: Any) -> Tensor:
    """A PIL image, or an image or batch that is a tensor, as a plain tensor [.., C, H, W].

    Raises:
        DataError: The PIL image is in another mode than L, RGB or RGBA.
    """
    if not isinstance(image, Image.Image):
        return image.as_subclass(Tensor)
    if image.mode not in MODES.values():
        raise DataError(f"PIL images must be in mode L, RGB or RGBA, got {image.mode!r}; convert them first")
    return functional.pil_to_tensor(image)


def _told(sample: Any) -> str:
    return f"{type(sample).__name__} of {[*sample][:8]}" if isinstance(sample, Mapping) else type(sample).__name__
