"""A generator that renders what is asked for, when it is asked for: inside loader workers, or on the batch's device."""

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, Self, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from ganaug.errors import DeviceError, ModelError
from ganaug.synthesis.origin import Origin
from ganaug.synthesis.rendering import require_counts
from ganaug.synthesis.synthesizer import Synthesizer

if TYPE_CHECKING:
    from pathlib import Path

ENDLESS = 2**31  # images of a class, where nobody counts them


class Model(Protocol):
    """What lies in a folder and can be loaded from there."""

    hash: str
    folder: "Path | None"
    device: Any

    @classmethod
    def load(cls, path: "str | Path", device: str = "auto") -> Self: ...


M = TypeVar("M", bound=Model)


class Words(NamedTuple):
    """How messages speak of a model: what it is, what its user calls it, and how to take a pool instead."""

    noun: str
    name: str
    pool: str


OF_GENERATORS = Words("generator", "synth", 'take serving="pool"')
OF_TRANSLATORS = Words("translator", "translator", "give `pool` the images")


class Reference(Generic[M]):
    """A model that reaches other processes as its folder and hash, without weights.

    Attributes:
        hash: sha256 of its weights.
        folder: Where it lies, or None.
        device: Where it works.

    Args:
        model: The model.
        words: For messages.
    """

    def __init__(self, model: M, words: Words = OF_GENERATORS):
        self.hash, self.folder, self.device = model.hash, model.folder, torch.device(model.device)
        self._model: M | None = model
        self._kind, self._words = type(model), words

    @property
    def model(self) -> M:
        """The model, loaded by the first process that asks after a pickle.

        Raises:
            ModelError: The folder holds another one by now.
            DeviceError: It is on a GPU, and this is a loader worker, where CUDA cannot be.
        """
        if get_worker_info() is not None and self.device.type != "cpu":
            raise DeviceError(
                f"{self._words.noun}s must run on the CPU inside loader workers, got one on {self.device}; "
                f'{self._words.pool}, load it with device="cpu", or apply ganaug.transforms.torchvision to the batch'
            )
        if self._model is None:
            self._model = self._loaded()
        return self._model

    def on_cpu(self) -> "Reference[M]":
        """The same where loader workers can be; what works elsewhere is loaded again when it is asked for."""
        if self.device.type == "cpu":
            return self
        other = copy.copy(self)  # without the model, as a pickle
        other.device = torch.device("cpu")
        return other

    def _loaded(self) -> M:
        noun, name, _ = self._words
        if self.folder is None:
            raise ModelError(
                f"a {noun} must lie in a folder to reach another process, got one in memory; `{name}.save(folder)` "
                "and load it from there"
            )
        model = self._kind.load(self.folder, device=str(self.device))
        if model.hash != self.hash:
            raise ModelError(
                f"{self.folder} must hold the {noun} {self.hash[:12]}, got {model.hash[:12]}; make the dataset or "
                "transform again"
            )
        return model

    def __deepcopy__(self, memo: dict[int, Any]) -> "Reference[M]":
        return self  # the model does not change, and need not be there twice

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_model": None}


class Live:
    """Serves as a `Pool` does, but renders at once; pickles as the generator folder's path and hash, without weights.

    An image costs a whole batch of the generator's (8 to 64 on a CPU) whatever is asked for, so ask for many at once.

    Attributes:
        model: sha256 of the generator's weights.
        classes: The K class names, in label order.
        counts: Images per class, [K].
        seed: The sampling seed.
        epoch: Which stretch of each class's endless sequence it serves: images epoch * counts and on.
        shape: (C, H, W) of every image.
        folder: The generator folder, or None.
        device: Where the generator renders.

    Raises:
        DataError: `counts` does not fit the generator's classes.
    """

    def __init__(self, synth: "Synthesizer", counts: Sequence[int] | None = None, seed: int = 0, epoch: int = 0):
        self.counts = [ENDLESS] * len(synth.classes) if counts is None else require_counts(synth, counts)
        self.model, self.classes, self.shape = synth.hash, list(synth.classes), tuple(synth.shape)
        self.seed, self.epoch = seed, epoch
        self._reference = Reference(synth)

    @property
    def folder(self) -> "Path | None":
        return self._reference.folder

    @property
    def device(self) -> torch.device:
        return self._reference.device

    @property
    def synth(self) -> "Synthesizer":
        """The generator, loaded by the first process that asks after a pickle; as in `Reference`."""
        return self._reference.model

    def at(self, epoch: int) -> "Live":
        """The same at another epoch, with the generator where it was loaded already."""
        other = copy.copy(self)
        other.epoch = epoch
        return other

    def pictures(self, labels: Sequence[int], indices: Sequence[int]) -> Sequence[np.ndarray]:
        """Image `indices[i]` of class `labels[i]`, each uint8 [C, H, W]."""
        return [*self.tensors(labels, indices).cpu().numpy()] if len(labels) else []

    def picture(self, label: int, index: int) -> np.ndarray:
        """One of these."""
        return self.pictures([label], [index])[0]

    def tensors(self, labels: Sequence[int], indices: Sequence[int]) -> Tensor:
        """Image `indices[i]` of class `labels[i]`, uint8 [N, C, H, W] where the generator is."""
        places = [self.epoch * self.counts[label] + index for label, index in zip(labels, indices, strict=True)]
        return self.synth.render(labels, self.seed, places)

    def origin(self, label: int, index: int) -> Origin:
        """What to ask the generator for, to get that image again."""
        return Origin(self.model, self.seed, label, self.epoch * self.counts[label] + index)

    def __repr__(self) -> str:
        return f"Live(model {self.model[:12]} on {self.device}, {len(self.classes)} classes)"
