"""A generator that renders what is asked for, when it is asked for: inside loader workers, or on the batch's device."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

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


class Live:
    """Serves as a `Pool` does, but renders at once; pickles as the generator folder's path and hash, without weights.

    Images are rendered 32 at a time whatever is asked for, so ask for many: a batch costs little more than one image.

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
        self.folder: Path | None = synth.folder
        self.device = torch.device(synth.device)
        self._synth: Synthesizer | None = synth

    @property
    def synth(self) -> "Synthesizer":
        """The generator, loaded by the first process that asks after a pickle.

        Raises:
            ModelError: The folder holds another generator by now.
            DeviceError: It is on a GPU, and this is a loader worker, where CUDA cannot be.
        """
        if get_worker_info() is not None and self.device.type != "cpu":
            raise DeviceError(
                f"generators must run on the CPU inside loader workers, got one on {self.device}; take "
                'serving="pool", load it with device="cpu", or apply ganaug.transforms.torchvision to the batch'
            )
        if self._synth is None:
            self._synth = self._loaded()
        return self._synth

    def at(self, epoch: int) -> "Live":
        """The same at another epoch, with the generator where it was loaded already."""
        other = Live.__new__(Live)
        other.__dict__.update(self.__dict__, epoch=epoch)
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

    def _loaded(self) -> "Synthesizer":
        if self.folder is None:
            raise ModelError(
                "a generator must lie in a folder to reach another process, got one in memory; `synth.save(folder)` "
                "and load it from there"
            )
        synth = Synthesizer.load(self.folder, device=str(self.device))
        if synth.hash != self.model:
            raise ModelError(
                f"{self.folder} must hold the generator {self.model[:12]}, got {synth.hash[:12]}; make the dataset or "
                "transform again"
            )
        return synth

    def __deepcopy__(self, memo: dict[int, Any]) -> "Live":
        return self.at(self.epoch)  # the generator does not change, and need not be there twice

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_synth": None}

    def __repr__(self) -> str:
        return f"Live(model {self.model[:12]} on {self.device}, {len(self.classes)} classes)"
