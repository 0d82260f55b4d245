"""Translations of images: made when they are asked for, or found in a pool where they are in it."""

import copy
import logging
from collections.abc import Sequence

import torch
from torch import Tensor

from ganaug.errors import ModelError
from ganaug.images import MIN_SIDE, pixel_sha256
from ganaug.synthesis.live import ENDLESS, OF_TRANSLATORS, Reference
from ganaug.synthesis.npy import AGAIN
from ganaug.synthesis.translation_pool import TranslationPool, Way, noise_number
from ganaug.synthesis.translator import Translator

log = logging.getLogger("ganaug")


class Translations:
    """Translations that are made when they are asked for; pickles as the translator's folder and hash.

    Attributes:
        model: sha256 of the translator's weights.
        way: How images are translated.
        channels: Of what goes in and of what comes out.
        each: Translations of an image, of which one is asked for by its number.

    Raises:
        DataError: The translator has no such direction, or the tiles are too small.
    """

    def __init__(self, translator: Translator, way: Way):
        inputs, outputs = translator.architecture.ends(way.direction)
        none = torch.empty(0, inputs, MIN_SIDE, MIN_SIDE, dtype=torch.uint8)
        translator.translate(none, way.direction, tile=way.tile)  # says what would be wrong with any image
        self.model, self.channels = translator.hash, (inputs, outputs)
        self.each = ENDLESS if translator.noise_dim else 1
        self.way, self._reference = way, Reference(translator, OF_TRANSLATORS)

    def tensors(self, images: Tensor, numbers: Sequence[int]) -> Tensor:
        """Translation `numbers[i]` of image i: uint8 [N, C, H, W] to uint8 [N, C', H, W], on the CPU.

        Raises:
            ModelError: The folder holds another translator by now.
            DeviceError: It is on a GPU, and this is a loader worker.
        """
        direction, seed, tile = self.way
        return self._reference.model.translate(images, direction, seed=seed, indices=numbers, tile=tile)

    def on_cpu(self) -> "Translations":
        """The same where loader workers can be."""
        other = copy.copy(self)
        other._reference = self._reference.on_cpu()
        return other

    def __repr__(self) -> str:
        return f"Translations({self.way.direction}, model {self.model[:12]} on {self._reference.device})"


class PooledTranslations:
    """Translations out of a pool, and of images that are not in it as if they were; pickles as paths and hashes.

    Attributes:
        pool: The pool.
        model: sha256 of the translator's weights.
        channels: Of what goes in and of what comes out.
        each: Translations of an image, of which one is asked for by its number.

    Args:
        pool: The pool.
        live: Translates what is not in it, on the CPU.

    Raises:
        ModelError: The pool was made by another translator, or in another way.
    """

    def __init__(self, pool: TranslationPool, live: Translations):
        if (pool.model, pool.way) != (live.model, live.way):
            wanted, got = (f"{source.way} by model {source.model[:12]}" for source in (live, pool))
            raise ModelError(f"{pool.path} must hold translations {wanted}, got those {got}; {AGAIN}")
        self.pool, self.model, self.channels, self.each = pool, pool.model, pool.channels, pool.each
        self._live, self._missed = live.on_cpu(), False

    def tensors(self, images: Tensor, numbers: Sequence[int]) -> Tensor:
        """Translation `numbers[i]` of image i: uint8 [N, C, H, W] to uint8 [N, C', H, W], on the CPU."""
        hashes = [pixel_sha256(image) for image in images.cpu().numpy()]
        found = [self.pool.picture(*which) for which in zip(hashes, numbers, strict=True)]
        missing = [i for i, picture in enumerate(found) if picture is None]
        translated = torch.empty(len(images), self.channels[1], *images.shape[2:], dtype=torch.uint8)
        for i, picture in enumerate(found):
            if picture is not None:
                translated.numpy()[i] = picture
        if missing:
            self._say_missing(images[missing[0]])
            noises = [noise_number(hashes[i], numbers[i]) for i in missing]
            translated[missing] = self._live.tensors(images[missing], noises)
        return translated

    def _say_missing(self, image: Tensor) -> None:
        """Log that there is an image without translations, once in a process."""
        if not self._missed:
            self._missed = True
            log.warning(
                "an image of %d x %d is not in the pool of translations, and is translated now, which takes long; the "
                "transform must stand first in its pipeline, and the pool be of the images that come",
                *image.shape[1:],
            )

    def __repr__(self) -> str:
        return f"PooledTranslations({self.pool!r})"
