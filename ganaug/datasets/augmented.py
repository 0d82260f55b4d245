"""A drop-in wrapper that serves a labelled dataset together with synthetic images of its classes."""

import logging
from collections.abc import Callable
from dataclasses import astuple
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
import torch
from torch.utils.data import Dataset

from ganaug.datasets.form import form_of
from ganaug.datasets.plan import Mode, correspondence, draw, require_valid, wanted
from ganaug.datasets.synthetic import position
from ganaug.datasets.wrapped import class_names, labels_of, look_through, pair, with_attribute
from ganaug.synthesis.pool import Origin, Pool

if TYPE_CHECKING:
    from ganaug.synthesis.synthesizer import Synthesizer

log = logging.getLogger("ganaug")
DELEGATED = ("root", "loader", "transforms")  # what some loops read from torchvision's datasets


class AugmentedDataset(Dataset[Any]):
    """`real` with synthetic images beside or in place of its own; items keep its type, image size, mode and labels.

    - `replace`: visit k of item i is synthetic, of the same class, with probability `fraction`. That is a function of
      (seed, i, k), and k is counted in shared memory, so loader workers agree. The length stays.
    - `append`: round(`fraction` * len(real)) synthetic items follow the real ones, shared out as the real classes are.
    - `balance`: every class is filled to the largest by synthetic items that follow the real ones.

    Classes correspond by name, or by number where `real` has no names. `transform` and `target_transform` can be read
    and set here: for a dataset that has them they are its own, for any other they follow its items; real and synthetic
    images pass through alike. Setting them leaves `real` itself untouched.

    Args:
        real: A map-style dataset of (image, integer label) items: PIL images (L, RGB, RGBA), uint8 or float tensors or
            arrays. Subset and ConcatDataset are looked through.
        synth: The generator; it must know every class of `real`.
        mode: `replace`, `append` or `balance`.
        fraction: In [0, 1]; not used by `balance`.
        per_class: Images of each class: in the pool that `replace` draws from (default 500), appended by `append` (in
            place of `fraction`), or to be reached by `balance` (in place of the largest class).
        seed: The seed of the sampling and of the replacements.

    Attributes:
        real: The wrapped dataset.
        classes: Class names, in the label order of `real`.
        class_to_idx: Name -> label.
        pool: The synthetic images, rendered once.

    Raises:
        DataError: A class is unknown to the generator, an item is not (image, integer), floats lie outside [0, 1] and
            [-1, 1], or an argument is out of range.

    Example:
        >>> aug = AugmentedDataset(train_set, synth, mode="replace", fraction=0.25)         # doctest: +SKIP
        >>> loader = DataLoader(aug, 64, shuffle=True, num_workers=4)                       # doctest: +SKIP
    """

    def __init__(
        self,
        real: Any,
        synth: "Synthesizer",
        mode: Mode = "replace",
        fraction: float = 0.25,
        per_class: int | None = None,
        seed: int = 0,
    ):
        require_valid(mode, fraction, per_class)
        self.real, self.mode, self.fraction, self.seed = real, mode, fraction, seed
        self._own: dict[str, Callable[[Any], Any] | None] = {"transform": None, "target_transform": None}
        self._view = look_through(real)
        self._labels = labels_of(self._view)  # int64 [len(real)]
        self._to_model = correspondence(class_names(real), self._labels, synth)  # label here -> label there
        self.classes = [synth.classes[label] for label in self._to_model]
        self.class_to_idx = {name: label for label, name in enumerate(self.classes)}
        self._forms = [
            form_of(leaf, self._view.index[self._view.leaf == n]) for n, leaf in enumerate(self._view.leaves)
        ]
        self._say_resizing(synth.shape)
        extra = wanted(mode, np.bincount(self._labels, minlength=len(self.classes)), fraction, per_class)
        counts = dict(zip(self._to_model, extra.tolist(), strict=True))
        self.pool = Pool.build(synth, [counts.get(label, 0) for label in range(len(synth.classes))], seed)
        self._extra = np.repeat(np.arange(len(extra)), 0 if mode == "replace" else extra)  # labels of what follows
        self._first = [int(np.argmax(self._labels == k)) for k in range(len(extra))]  # 0 where a class has no real item
        self._visits = torch.zeros(len(self._labels), dtype=torch.int64).share_memory_()

    def __len__(self) -> int:
        return len(self._labels) + len(self._extra)

    def __getitem__(self, index: SupportsIndex) -> Any:
        i = position(index, len(self))
        choice = self._choice(i, self._count_visit(i))
        if choice is None:
            return self._real_item(i)
        return self._synthetic_item(self._template(i), *choice)

    @property
    def targets(self) -> list[int]:
        """The label of each item, synthetic ones included, before any target_transform."""
        return [*self._labels.tolist(), *self._extra.tolist()]

    @property
    def samples(self) -> list[tuple[str, int]]:
        """(path, label) of each item; a synthetic item's path tells its origin and leads to no file."""
        origins = (self.source_of(i) for i in range(len(self._labels), len(self)))
        paths = [f"synthetic:{':'.join(map(str, astuple(origin)))}" for origin in origins if origin]
        return [*self.real.samples, *zip(paths, self._extra.tolist(), strict=True)]

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

    def is_synthetic(self, index: SupportsIndex) -> bool:
        """Whether an item is synthetic; in `replace` mode, whether its latest visit was (or its first will be)."""
        return self.source_of(index) is not None

    def source_of(self, index: SupportsIndex) -> Origin | None:
        """What gives the item's image again, with the label in the model's numbering; None for a real item."""
        i = position(index, len(self))
        latest = max(int(self._visits[i]) - 1, 0) if i < len(self._labels) else 0
        choice = self._choice(i, latest)
        return choice and self.pool.origin(self._to_model[choice[0]], choice[1])

    def real_only(self) -> Any:
        """The wrapped dataset, with the transforms that were set here."""
        return self.real

    def __getattr__(self, name: str) -> Any:
        if name in DELEGATED and "real" in self.__dict__:
            return getattr(self.real, name)
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._visits.share_memory_()  # an ordinary pickle carries the counts, and its workers must agree again

    def __repr__(self) -> str:
        fraction = f", fraction={self.fraction}" if self.mode != "balance" else ""
        return (
            f"AugmentedDataset({type(self.real).__name__}, mode={self.mode!r}{fraction}: {len(self._labels)} real + "
            f"{len(self._extra)} synthetic items, {self.pool!r})"
        )

    def _choice(self, i: int, visit: int) -> tuple[int, int] | None:
        """(label here, index in the pool) of the synthetic image that item i shows at that visit, or None."""
        if i >= len(self._labels):
            row = i - len(self._labels)
            label = int(self._extra[row])
            return label, row - int(np.searchsorted(self._extra, label))
        if self.mode != "replace":
            return None
        share, number = draw(self.seed, i, visit)
        label = int(self._labels[i])
        return (label, number % self.pool.counts[self._to_model[label]]) if share < self.fraction else None

    def _count_visit(self, i: int) -> int:
        if self.mode != "replace":
            return 0
        visits = self._visits.numpy()
        visits[i] += 1
        return int(visits[i]) - 1

    def _template(self, i: int) -> int:
        """The real item whose form and transform a synthetic item takes: itself, or the first of its class."""
        if i < len(self._labels):
            return i
        return self._first[self._extra[i - len(self._labels)]]

    def _real_item(self, i: int) -> Any:
        item, leaf = self.real[i], self._leaf(i)
        rest = {name: f for name, f in self._own.items() if f is not None and not hasattr(leaf, name)}
        if not rest:
            return item
        image, label = pair(item)
        return rest.get("transform", _same)(image), rest.get("target_transform", _same)(label)

    def _synthetic_item(self, template: int, label: int, index: int) -> tuple[Any, Any]:
        leaf, form = self._leaf(template), self._forms[self._view.leaf[template]]
        image, target = form.image(self.pool.image(self._to_model[label], index)), form.label_like(label)
        if hasattr(leaf, "transform"):
            image = form.transformed(image, leaf.transform)
        elif self._own["transform"]:
            image = self._own["transform"](image)
        change = getattr(leaf, "target_transform", self._own["target_transform"])
        return image, target if change is None else change(target)

    def _leaf(self, i: int) -> Any:
        return self._view.leaves[self._view.leaf[i]]

    def _get(self, name: str) -> Callable[[Any], Any] | None:
        return next((getattr(leaf, name) for leaf in self._view.leaves if hasattr(leaf, name)), self._own[name])

    def _set(self, name: str, value: Callable[[Any], Any] | None) -> None:
        self._own[name] = value
        self.real = with_attribute(self.real, name, value)
        self._view = look_through(self.real)

    def _say_resizing(self, shape: tuple[int, int, int]) -> None:
        others = {(form.channels, *form.size) for form in self._forms} - {tuple(shape)}
        if others:
            log.info("synthetic images of (channels, height, width) %s are cropped and resized to %s", shape, others)


def _same(value: Any) -> Any:
    return value
