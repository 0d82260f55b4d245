"""A labelled dataset made of synthetic images alone."""

import operator
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
from PIL import Image
from torch.utils.data import Dataset

from ganaug.errors import DataError
from ganaug.images import to_pil
from ganaug.synthesis.origin import Origin
from ganaug.synthesis.pool import Pool
from ganaug.synthesis.source import open_source, opened, picture_of

if TYPE_CHECKING:
    from ganaug.synthesis.synthesizer import Synthesizer


class SyntheticDataset(Dataset[tuple[Any, Any]]):
    """Synthetic images as a map-style dataset of (PIL image, int) items, class by class, like an ImageFolder.

    Args:
        synth: The generator, or its folder.
        per_class: Images of each class.
        counts: Images by class name, in place of `per_class`; classes that are not named get none.
        seed: The sampling seed.
        transform: Applied to the PIL image (mode L, RGB or RGBA at the generator's size).
        target_transform: Applied to the label.
        serving: "pool": rendered once, now, into a memory-mapped file; the dataset pickles as its path. "worker":
            rendered by each loader worker when it is asked for, a batch at a time, on the CPU.

    Attributes:
        classes: Class names, in label order.
        class_to_idx: Name -> label.
        targets: The label of each item.
        source: The pool or generator that serves the images.

    Raises:
        DataError: An unknown class name, or a negative number of images.

    Example:
        >>> dataset = SyntheticDataset(synth, per_class=2)      # doctest: +SKIP
        >>> len(dataset), dataset.targets                       # doctest: +SKIP
        (4, [0, 0, 1, 1])
    """

    def __init__(
        self,
        synth: "Synthesizer | str | Path",
        per_class: int = 500,
        *,
        counts: Mapping[str, int] | None = None,
        seed: int = 0,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
        serving: str = "pool",
    ):
        synth = opened(synth, "cpu" if serving == "worker" else "auto")
        wanted = [per_class] * len(synth.classes) if counts is None else _by_name(counts, synth.classes)
        self.source = open_source(synth, wanted, seed, serving)
        self.transform, self.target_transform = transform, target_transform
        self.classes = list(synth.classes)
        self.class_to_idx = {name: label for label, name in enumerate(self.classes)}
        self.targets: list[int] = np.repeat(np.arange(len(wanted)), self.source.counts).tolist()
        self._first = [0, *np.cumsum(self.source.counts).tolist()]  # row of the first image of each class

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: SupportsIndex) -> tuple[Any, Any]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[SupportsIndex]) -> list[tuple[Any, Any]]:
        """Many items at once, as torch's loader asks for them, rendered or looked up together."""
        places = [self._place(index) for index in indices]
        pictures = self.source.pictures([label for label, _ in places], [number for _, number in places])
        return [self._item(pixels, label) for pixels, (label, _) in zip(pictures, places, strict=True)]

    @property
    def samples(self) -> list[tuple[str, int]]:
        """(path, label) of each item; a path tells its origin, and `loader` gives its image."""
        return [(str(self.source_of(i)), label) for i, label in enumerate(self.targets)]

    @property
    def imgs(self) -> list[tuple[str, int]]:
        """`samples`, as torchvision's folders call them, too."""
        return self.samples

    @property
    def root(self) -> str:
        """The pool's file, or the folder of the generator."""
        return str(self.source.path if isinstance(self.source, Pool) else self.source.folder)

    @property
    def transforms(self) -> Callable[[Any, Any], tuple[Any, Any]] | None:
        """Both transforms as one of (image, label), as torchvision's datasets hold them; None where there is none."""
        from torchvision.datasets.vision import StandardTransform

        both = self.transform, self.target_transform
        return StandardTransform(*both) if any(both) else None

    def loader(self, path: str) -> Image.Image:
        """The image at a path of `samples`, before any transform."""
        return to_pil(picture_of(self.source, path))

    def is_synthetic(self, index: SupportsIndex) -> bool:
        """True for every item there is."""
        return position(index, len(self)) >= 0

    def source_of(self, index: SupportsIndex) -> Origin:
        """The model, seed, label and index that give this image again."""
        return self.source.origin(*self._place(index))

    def __repr__(self) -> str:
        return f"SyntheticDataset({len(self)} items, {self.source!r})"

    def _place(self, index: SupportsIndex) -> tuple[int, int]:
        """(label, number among the images of that class)."""
        row = position(index, len(self))
        return self.targets[row], row - self._first[self.targets[row]]

    def _item(self, pixels: np.ndarray, label: int) -> tuple[Any, Any]:
        image = to_pil(pixels)
        return (
            image if self.transform is None else self.transform(image),
            label if self.target_transform is None else self.target_transform(label),
        )


def position(index: SupportsIndex, length: int) -> int:
    """A Python, numpy or torch integer, negative from the end, as a row in [0, length).

    Raises:
        IndexError: It lies outside, so that iteration stops.
    """
    row = operator.index(index)
    row += length if row < 0 else 0
    if not 0 <= row < length:
        raise IndexError(f"index must lie in [{-length}, {length}), got {operator.index(index)}")
    return row


def _by_name(counts: Mapping[str, int], classes: tuple[str, ...]) -> list[int]:
    unknown = [name for name in counts if name not in classes]
    if unknown:
        raise DataError(
            f"counts must name classes of the generator ({list(classes)[:8]}), got {unknown[0]!r}; rename it"
        )
    return [counts.get(name, 0) for name in classes]
