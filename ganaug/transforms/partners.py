"""The synthetic images that a transform draws from, by the labels of its user."""

import logging
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ganaug.errors import DataError
from ganaug.synthesis.live import ENDLESS, OF_GENERATORS
from ganaug.synthesis.origin import Origin
from ganaug.synthesis.plan import correspondence, require_per_class
from ganaug.synthesis.pool import Pool
from ganaug.synthesis.source import Serving, open_source, opened
from ganaug.transforms.models import device_for, require_model

log = logging.getLogger("ganaug")
Labels = Literal["keep", "draw"]
Method = Literal["mixup", "cutmix", "either"]
Pick = tuple[int, int]  # label in the user's numbering, index in its class


class Partners:
    """Synthetic images of each of the user's classes; pickles as a path and a hash.

    Attributes:
        folder: The generator's folder, or None.
        model: sha256 of its weights.
        classes: The user's K class names, in label order: the generator's own where none are given.
        named: Whether the user gave them.
        each: Images of each class.
        shape: (C, H, W) of every image.

    Raises:
        ModelError: `source` is no generator, or not the one with `sha256`.
        DataError: A class is unknown to the generator or named twice, or an argument is out of range.
    """

    def __init__(
        self,
        source: Any,
        classes: Sequence[str] | None,
        per_class: int,
        seed: int,
        serving: str,
        sha256: str | None = None,
        allowed: tuple[Serving, ...] = ("pool", "worker"),
    ):
        require_per_class(per_class)
        synth = opened(source, device_for(serving))
        require_model(synth, sha256, OF_GENERATORS)
        self.folder = None if synth.folder is None else str(synth.folder)
        self.model, self.shape = synth.hash, tuple(synth.shape)
        self.classes, self.named = list(classes or synth.classes), bool(classes)
        _require_distinct(self.classes)
        there = correspondence(tuple(self.classes), np.arange(len(self.classes)), synth)
        self.each = per_class if serving == "pool" else ENDLESS
        counts = [per_class if label in there else 0 for label in range(len(synth.classes))]
        self._there, self._resized = there, set[tuple[int, ...]]()
        self._source = open_source(synth, counts if serving == "pool" else None, seed, serving, allowed)

    def picture(self, pick: Pick) -> np.ndarray:
        """That image, uint8 [C, H, W], read-only."""
        label, index = pick
        return self._source.picture(self._there[label], index)

    def tensors(self, labels: Sequence[int], indices: Sequence[int]) -> Tensor:
        """Those images, uint8 [N, C, H, W]: on the CPU from a pool, else where the generator is."""
        there = [self._there[label] for label in labels]
        if isinstance(self._source, Pool):
            return torch.from_numpy(np.stack(self._source.pictures(there, indices)))
        return self._source.tensors(there, indices)

    def origin(self, pick: Pick) -> Origin:
        """What to ask the generator for, to get that image again."""
        label, index = pick
        return self._source.origin(self._there[label], index)

    def say_resizing(self, shape: tuple[int, ...]) -> None:
        """Log that images must be changed to `shape` = (C, H, W), once each."""
        if shape != self.shape and shape not in self._resized:
            self._resized.add(shape)
            log.info(
                "synthetic images of (channels, height, width) %s are cropped and resized to %s", self.shape, shape
            )

    def __repr__(self) -> str:
        return f"Partners(model {self.model[:12]}, {len(self.classes)} classes)"


def require_options(**options: tuple[str, tuple[str, ...]]) -> None:
    """Refuse an option that is none of its choices.

    Raises:
        DataError: Names it.

    Example:
        >>> require_options(labels=("keep", ("keep", "draw")))
    """
    for name, (value, choices) in options.items():
        if value not in choices:
            raise DataError(f"{name} must be one of {', '.join(choices)}, got {value!r}; the first is usual")


def require_alpha(alpha: float) -> None:
    """Refuse what is no parameter of a Beta distribution.

    Raises:
        DataError: Names it.
    """
    if not 0 < alpha < float("inf"):
        raise DataError(f"alpha must be a finite number above 0, got {alpha!r}; 1 draws all shares alike")


def require_probability(p: float) -> None:
    """Refuse what is no probability.

    Raises:
        DataError: Names it.
    """
    if not 0 <= p <= 1:
        raise DataError(f"p must lie in [0, 1], got {p!r}; it is the probability of each image")


def soft_length(num_classes: int | None, partners: Partners, given: int | None = None, named: bool = False) -> int:
    """The length of soft labels: as the user says, as they have it already, or by the names of the classes.

    Args:
        num_classes: What the user says.
        partners: Whose classes count where the user named them.
        given: The length of the soft label at hand.
        named: The label at hand is a name, which leaves no doubt either.

    Raises:
        DataError: It is not known, or two of these differ, or a partner's class would lie beyond.
    """
    known = len(partners.classes)
    length = num_classes or given or (known if named or partners.named else None)
    if length is None:
        raise DataError(
            f"SyntheticMix must know num_classes to mix labels that are numbers, got None; num_classes={known} is what "
            "the generator has"
        )
    if length < known or given not in (None, length):
        raise DataError(
            f"soft labels must have one weight for each of num_classes={num_classes} and of the {known} classes that "
            f"partners come from, got {given or length}; name your own classes in label order with `classes`"
        )
    return length


def _require_distinct(classes: list[str]) -> None:
    twice = [name for name in classes if classes.count(name) > 1]
    if twice:
        raise DataError(f"classes must have each name once, got {twice[0]!r} twice; list them in label order")
