"""A labelled dataset made of synthetic images alone."""

import operator
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, SupportsIndex

from torch.utils.data import Dataset

from ganaug.errors import DataError
from ganaug.images import to_pil
from ganaug.synthesis.pool import Origin, Pool

if TYPE_CHECKING:
    from ganaug.synthesis.synthesizer import Synthesizer


class SyntheticDataset(Dataset[tuple[Any, Any]]):
    """Synthetic images as a map-style dataset of (PIL image, int) items, class by class, like an ImageFolder.

    The images are rendered once into the pool (ganaug.synthesis.pool); the dataset pickles as the pool's path.

    Args:
        synth: The generator.
        per_class: Images of each class.
        counts: Images by class name, in place of `per_class`; classes that are not named get none.
        seed: The sampling seed.
        transform: Applied to the PIL image (mode L, RGB or RGBA at the generator's size).
        target_transform: Applied to the label.

    Attributes:
        classes: Class names, in label order.
        class_to_idx: Name -> label.
        targets: The label of each item.

    Raises:
        DataError: An unknown class name, or a negative number of images.

    Example:
        >>> dataset = SyntheticDataset(synth, per_class=2)      # doctest: +SKIP
        >>> len(dataset), dataset.targets                       # doctest: +SKIP
        (4, [0, 0, 1, 1])
    """

    def __init__(
        self,
        synth: "Synthesizer",
        per_class: int = 500,
        *,
        counts: Mapping[str, int] | None = None,
        seed: int = 0,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
    ):
        wanted = [per_class] * len(synth.classes) if counts is None else _by_name(counts, synth.classes)
        self.pool = Pool.build(synth, wanted, seed)
        self.transform, self.target_transform = transform, target_transform
        self.classes = list(synth.classes)
        self.class_to_idx = {name: label for label, name in enumerate(self.classes)}
        self.targets: list[int] = self.pool.labels.tolist()

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: SupportsIndex) -> tuple[Any, Any]:
        row = position(index, len(self))
        image, label = to_pil(self.pool.images[row]), self.targets[row]
        return (
            image if self.transform is None else self.transform(image),
            label if self.target_transform is None else self.target_transform(label),
        )

    def source_of(self, index: SupportsIndex) -> Origin:
        """The model, seed, label and index that give this image again."""
        row = position(index, len(self))
        label = self.targets[row]
        return self.pool.origin(label, row - self.pool.offsets[label])

    def __repr__(self) -> str:
        return f"SyntheticDataset({self.pool!r})"


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
