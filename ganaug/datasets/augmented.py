"""A drop-in wrapper that serves a labelled dataset together with synthetic images of its classes."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
import torch
from torch.utils.data import Dataset

from ganaug.datasets.pairs import Own, Pairs
from ganaug.datasets.rows import Rows, is_table
from ganaug.datasets.schedule import Choice, Schedule
from ganaug.datasets.synthetic import position
from ganaug.datasets.wrapped import class_names, look_through, with_attribute
from ganaug.errors import DataError
from ganaug.synthesis.held_out import require_training_data
from ganaug.synthesis.live import Live
from ganaug.synthesis.origin import SCHEME, Origin
from ganaug.synthesis.plan import Mode, correspondence, fractions, require_mode, require_per_class, wanted
from ganaug.synthesis.pool import Pool
from ganaug.synthesis.source import Source, open_source, opened, picture_of

if TYPE_CHECKING:
    from ganaug.synthesis.synthesizer import Synthesizer

log = logging.getLogger("ganaug")
DELEGATED = ("root", "transforms", "split")  # what some loops read from datasets


class AugmentedDataset(Dataset[Any]):
    """`real` with synthetic images beside or in place of its own; items keep their type, image size, mode and labels.

    - `replace`: visit k of item i is synthetic, of the same class, with probability `fraction`. That is a function of
      (seed, i, k), and k is counted in shared memory, so loader workers agree. The length stays. (Only where a sampler
      gives one item to two workers at once may they swap two of its visits.)
    - `append`: round(`fraction` * len(real)) synthetic items follow the real ones, shared out as the real classes are.
    - `balance`: every class is filled to the largest by synthetic items that follow the real ones.

    Classes correspond by name, or by number where `real` has no names. `transform` and `target_transform` can be read
    and set here: for a dataset that has them they are its own, for any other they follow its items; real and synthetic
    images pass through alike. Setting them leaves `real` itself untouched.

    Args:
        real: A map-style dataset of (image, integer label) items: PIL images (L, RGB, RGBA), uint8 or float tensors or
            arrays; or a `datasets.Dataset` with one column of images and one of classes, whose other columns are, in a
            synthetic row, those of the real one that it stands for. Subset and ConcatDataset are looked through.
        synth: The generator, or its folder; it must know every class of `real`.
        mode: `replace`, `append` or `balance`.
        fraction: In [0, 1], of every class or by class name; not used by `balance`.
        per_class: Images of each class: in the pool that `replace` draws from (default 500), appended by `append` (in
            place of `fraction`), or to be reached by `balance` (in place of the largest class).
        seed: The seed of the sampling and of the replacements.
        serving: "pool": rendered once, now, into a memory-mapped file that workers share. "worker": rendered by each
            loader worker when it is asked for, a batch at a time, on the CPU; in `replace` no image comes twice.
        allow_held_out: Wrap a dataset that says it is for validation or testing.

    Attributes:
        real: The wrapped dataset.
        classes: Class names, in the label order of `real`.
        class_to_idx: Name -> label.
        source: The pool or generator that serves the synthetic images.

    Raises:
        DataError: A class is unknown to the generator, an item is not (image, integer), floats lie outside [0, 1] and
            [-1, 1], `real` is for validation or testing, or an argument is out of range.

    Example:
        >>> aug = AugmentedDataset(train_set, synth, mode="replace", fraction=0.25)         # doctest: +SKIP
        >>> loader = DataLoader(aug, 64, shuffle=True, num_workers=4)                       # doctest: +SKIP
    """

    def __init__(
        self,
        real: Any,
        synth: "Synthesizer | str | Path",
        mode: Mode = "replace",
        fraction: float | Mapping[str, float] = 0.25,
        per_class: int | None = None,
        seed: int = 0,
        serving: str = "pool",
        *,
        allow_held_out: bool = False,
    ):
        require_mode(mode)
        require_per_class(per_class)
        synth = opened(synth, "cpu" if serving == "worker" else "auto")
        self.real, self.mode, self.fraction = real, mode, fraction
        self._own: Own = {"transform": None, "target_transform": None}
        self._view = look_through(real)
        self._leaves = [_leaf(leaf, self._view.index[self._view.leaf == n]) for n, leaf in enumerate(self._view.leaves)]
        if not allow_held_out:
            require_training_data(self._view.leaves, synth)
        labels = self._view.gather([leaf.labels for leaf in self._leaves])
        self._to_model = correspondence(class_names(real), labels, synth)  # label here -> label there
        self.classes = [synth.classes[label] for label in self._to_model]
        self.class_to_idx = {name: label for label, name in enumerate(self.classes)}
        self._say_resizing(synth.shape)
        share = fractions(fraction, self.classes)
        counts = wanted(mode, np.bincount(labels, minlength=len(self.classes)), share, per_class)
        self.source = self._open(synth, counts, seed, serving)
        self._live = Live(synth)
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()
        extra = np.repeat(np.arange(len(counts)), 0 if mode == "replace" else counts)
        served = [self.source.counts[label] for label in self._to_model]
        self._schedule = Schedule(labels, extra, share * (mode == "replace"), served, seed)

    def __len__(self) -> int:
        return len(self._schedule)

    def __getitem__(self, index: SupportsIndex) -> Any:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[SupportsIndex]) -> list[Any]:
        """Many items at once, as torch's loader asks for them; synthetic ones are rendered or looked up together."""
        rows = [position(index, len(self)) for index in indices]
        epoch = int(self._epoch)
        choices = [self._schedule.visit(i, epoch) for i in rows]
        real = iter(self._real_items([i for i, choice in zip(rows, choices, strict=True) if choice is None]))
        pictures = iter(self._pictures([choice for choice in choices if choice]))
        return [
            next(real) if choice is None else self._synthetic_item(i, next(pictures), choice[0])
            for i, choice in zip(rows, choices, strict=True)
        ]

    @property
    def real_items(self) -> int:
        """How many items are real ones, or stand in their place; synthetic ones follow them."""
        return len(self._schedule.real)

    @property
    def targets(self) -> list[int]:
        """The label of each item, synthetic ones included, before any target_transform."""
        return [*self._schedule.real.tolist(), *self._schedule.extra.tolist()]

    @property
    def samples(self) -> list[tuple[str, int]]:
        """(path, label) of each item; a synthetic item's path tells its origin, and `loader` gives its image."""
        origins = (str(self.source_of(i)) for i in range(self.real_items, len(self)))
        return [*self.real.samples, *zip(origins, self._schedule.extra.tolist(), strict=True)]

    @property
    def imgs(self) -> list[tuple[str, int]]:
        """`samples`, as torchvision's folders call them, too."""
        return self.samples

    @property
    def transform(self) -> Callable[[Any], Any] | None:
        """Applied to every image, real or synthetic."""
        return self._get("transform")

    @transform.setter
    def transform(self, transform: Callable[[Any], Any] | None) -> None:
        self._set("transform", transform)

    @property
    def target_transform(self) -> Callable[[Any], Any] | None:
        """Applied to every label, real or synthetic."""
        return self._get("target_transform")

    @target_transform.setter
    def target_transform(self, transform: Callable[[Any], Any] | None) -> None:
        self._set("target_transform", transform)

    def loader(self, path: str) -> Any:
        """The image at a path of `samples`, before any transform."""
        if not str(path).startswith(SCHEME):
            return self.real.loader(path)
        return self._leaves[0].form.image(picture_of(self._served(), path))

    def refresh(self, epoch: int) -> None:
        """Serve other synthetic images from now on, and replace others, as (seed, epoch) say; 0 is where it began.

        A pool is rendered for them here, unless it lies in the cache already; workers that persist follow. A loop that
        was interrupted goes on with what it would have seen where it refreshes each epoch.

        Args:
            epoch: 0 or more.

        Raises:
            DataError: It is negative.
        """
        if epoch < 0:
            raise DataError(f"epoch must be 0 or more, got {epoch}; count epochs from 0")
        if isinstance(self.source, Pool):
            self.source = Pool.build(self._live.synth, self.source.counts, self.source.seed, epoch)
        self._epoch[0] = epoch

    def is_synthetic(self, index: SupportsIndex) -> bool:
        """Whether an item is synthetic; in `replace` mode, whether its latest visit was (or its first will be)."""
        return self.source_of(index) is not None

    def source_of(self, index: SupportsIndex) -> Origin | None:
        """What gives the item's image again, with the label in the model's numbering; None for a real item."""
        choice = self._schedule.latest(position(index, len(self)), int(self._epoch))
        return choice and self._served().origin(self._to_model[choice[0]], choice[1])

    def real_only(self) -> Any:
        """The wrapped dataset, with the transforms that were set here where it has such of its own."""
        return self.real

    def __getattr__(self, name: str) -> Any:
        if name in DELEGATED and "real" in self.__dict__:
            return getattr(self.real, name)
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._epoch.share_memory_()

    def __repr__(self) -> str:
        fraction = f", fraction={self.fraction}" if self.mode != "balance" else ""
        return (
            f"AugmentedDataset({type(self.real).__name__}, mode={self.mode!r}{fraction}: {self.real_items} real + "
            f"{len(self) - self.real_items} synthetic items, {self.source!r})"
        )

    def _open(self, synth: "Synthesizer", counts: np.ndarray, seed: int, serving: str) -> Source:
        """`counts` [K] are by label here; workers that replace are served without end."""
        there = np.zeros(len(synth.classes), np.int64)
        there[self._to_model] = counts
        return open_source(
            synth, None if (self.mode, serving) == ("replace", "worker") else there.tolist(), seed, serving
        )

    def _served(self) -> Source:
        """The source at the epoch that `refresh` said last, in whichever process."""
        if self.source.epoch != int(self._epoch):
            self.source = self.source.at(int(self._epoch))
        return self.source

    def _pictures(self, choices: list[Choice]) -> Sequence[np.ndarray]:
        return self._served().pictures([self._to_model[label] for label, _ in choices], [i for _, i in choices])

    def _real_items(self, rows: list[int]) -> list[Any]:
        many = getattr(self.real, "__getitems__", None)
        items = many(rows) if many and rows else [self.real[i] for i in rows]
        return [self._leaf(i).shown(item, self._own) for i, item in zip(rows, items, strict=True)]

    def _synthetic_item(self, i: int, pixels: np.ndarray, label: int) -> Any:
        row = self._schedule.template(i)
        return self._leaf(row).synthetic(int(self._view.index[row]), pixels, label, self._own)

    def _leaf(self, row: int) -> Pairs | Rows:
        return self._leaves[self._view.leaf[row]]

    def _get(self, name: str) -> Callable[[Any], Any] | None:
        return next((getattr(leaf.dataset, name) for leaf in self._leaves if leaf.has(name)), self._own[name])

    def _set(self, name: str, value: Callable[[Any], Any] | None) -> None:
        """Nothing is changed that a copy of this wrapper may share."""
        self._own = {**self._own, name: value}
        self.real = with_attribute(self.real, name, value)
        self._view = look_through(self.real)
        self._leaves = [leaf.on(dataset) for leaf, dataset in zip(self._leaves, self._view.leaves, strict=True)]

    def _say_resizing(self, shape: tuple[int, int, int]) -> None:
        others = {(leaf.form.channels, *leaf.form.size) for leaf in self._leaves} - {tuple(shape)}
        if others:
            log.info("synthetic images of (channels, height, width) %s are cropped and resized to %s", shape, others)


def _leaf(dataset: Any, index: np.ndarray) -> Pairs | Rows:
    return Rows(dataset, index) if is_table(dataset) else Pairs(dataset, index)
