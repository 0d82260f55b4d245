"""Labelled images in memory, and the hashes that say which images they are."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ganaug.data.labels import require_names
from ganaug.data.memory import chosen
from ganaug.errors import DataError
from ganaug.images import pixel_sha256

UNBALANCED = 3  # times as many images of the largest class as of the smallest, beyond which means over images mislead


@dataclass(frozen=True)
class LabeledImages:
    """Images of one size with a class each; also a map-style dataset of (uint8 [C, H, W], int) items.

    Attributes:
        images: uint8 [N, C, H, W], in memory or memory-mapped.
        labels: int64 [N] in [0, K).
        classes: The K class names, in label order (not necessarily sorted).
        names: Where each image came from: a file name or a row number, [N].
        source: What the user called the set.
        groups: Which object, patient or track each image shows, [N]; None where every image is its own.

    Raises:
        DataError: Fewer than two classes, a class name twice or one that no file could hold, images that are not uint8
            [N, C, H, W], labels that are not int64 [N] in [0, K), or not one name and one group for each image.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    names: tuple[str, ...]
    source: str = "images"
    groups: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        self._require_classes()
        for name, tensor, dtype, shape in (
            ("images", self.images, torch.uint8, "[N, C, H, W]"),
            ("labels", self.labels, torch.int64, "[N]"),
        ):
            if tensor.dtype != dtype or tensor.ndim != shape.count(",") + 1:
                raise DataError(
                    f"{self.source}: {name} must be {dtype} {shape}, got {tensor.dtype} {list(tensor.shape)}; "
                    "convert them"
                )
        if not len(self.images) == len(self.labels) == len(self.names):
            raise DataError(
                f"{self.source}: must have one label and one name per image, got {len(self.images)} images, "
                f"{len(self.labels)} labels and {len(self.names)} names; add what is missing"
            )
        if self.groups is not None and len(self.groups) != len(self.labels):
            raise DataError(
                f"{self.source}: must have one group per image or none at all, got {len(self.groups)} groups for "
                f"{len(self.labels)} images; name what each image shows"
            )
        if len(self.labels) and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < len(self.classes):
            raise DataError(
                f"{self.source}: labels must lie in [0, {len(self.classes)}), "
                f"got {int(self.labels.min())} to {int(self.labels.max())}; number the classes from 0"
            )

    def _require_classes(self) -> None:
        if len(self.classes) < 2:
            raise DataError(
                f"{self.source}: must have two classes or more, got {list(self.classes)}; "
                "a classifier needs something to tell apart"
            )
        if len(set(self.classes)) < len(self.classes):
            twice = next(name for name in self.classes if self.classes.count(name) > 1)
            raise DataError(f"{self.source}: class names must differ, got {twice!r} twice; rename or merge them")
        require_names(self.source, self.classes)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self.images[index], int(self.labels[index])

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.classes)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of every image."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    @property
    def targets(self) -> list[int]:
        """The labels as a list, as torchvision's datasets have them."""
        return self.labels.tolist()

    @property
    def class_to_idx(self) -> dict[str, int]:
        """Name -> label."""
        return {name: i for i, name in enumerate(self.classes)}

    @property
    def counts(self) -> Tensor:
        """Images per class, int64 [K]."""
        return torch.bincount(self.labels, minlength=self.num_classes)

    def subset(self, indices: Sequence[int] | Tensor, source: str | None = None) -> "LabeledImages":
        """The images at `indices`, in that order; memory-mapped where they are too many for memory."""
        index = torch.as_tensor(indices, dtype=torch.int64)
        names = tuple(self.names[i] for i in index.tolist())
        groups = None if self.groups is None else tuple(self.groups[i] for i in index.tolist())
        parts = {"images": chosen(self.images, index), "labels": self.labels[index]}
        return replace(self, **parts, names=names, source=source or self.source, groups=groups)

    def sorted(self) -> "LabeledImages":
        """The same images in the order of their hashes, whatever the order of the files was."""
        order = sorted(range(len(self)), key=lambda i: (self.hashes[i], int(self.labels[i])))
        return self.subset(order)

    @cached_property
    def hashes(self) -> list[str]:
        """sha256 of each image's shape and pixels, [N]."""
        return [pixel_sha256(image) for image in self.images.numpy()]

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over classes and labelled pixels, whatever the order of the images."""
        rows = sorted(f"{h}:{self.classes[y]}" for h, y in zip(self.hashes, self.labels.tolist(), strict=True))
        return hashlib.sha256("\n".join([*self.classes, *rows]).encode()).hexdigest()


def is_unbalanced(counts: Tensor | np.ndarray) -> bool:
    """Whether the largest class is over three times the smallest.

    >>> is_unbalanced(torch.tensor([20, 20])), is_unbalanced(torch.tensor([300, 15]))
    (False, True)
    """
    return bool(counts.max() > UNBALANCED * counts.min())


def require_images(data: LabeledImages) -> LabeledImages:
    """`data` itself, once every class has an image.

    Raises:
        DataError: A class is empty; it is named.
    """
    empty = [name for name, n in zip(data.classes, data.counts.tolist(), strict=True) if n == 0]
    if empty:
        raise DataError(
            f"{data.source}: every class must have an image, got none for {empty[0]!r}; add images or remove the class"
        )
    return data


def align(data: LabeledImages, like: LabeledImages | tuple[str, ...]) -> LabeledImages:
    """`data` with its labels renumbered in the class order of `like`.

    Raises:
        DataError: The class names differ; one is named.
    """
    classes = like.classes if isinstance(like, LabeledImages) else like
    if data.classes == classes:
        return data
    odd = sorted(set(data.classes) ^ set(classes))
    if odd:
        side = "only there" if odd[0] in data.classes else "missing there"
        raise DataError(
            f"{data.source}: classes must be {list(classes)[:8]}, got {list(data.classes)[:8]}; "
            f"{odd[0]!r} is {side}: rename, add or remove it"
        )
    order = torch.tensor([classes.index(name) for name in data.classes])
    return replace(data, labels=order[data.labels], classes=classes)
