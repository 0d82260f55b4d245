"""Translations of images that were made once, before training, in a memory-mapped file.

On disk a pool of translations is `<key>.npy`, uint8 [bytes] one translation after the other, beside `<key>.json`, which
says of which images. The key is a sha256 of that description: the same request finds the same file.
"""

import hashlib
import json
import logging
import math
import operator
from collections.abc import Iterator, Sequence
from itertools import groupby
from numbers import Integral
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from ganaug.errors import DataError, ModelError
from ganaug.files import parse_json, read_file, replace_file
from ganaug.images import MIN_SIDE, pixel_sha256
from ganaug.synthesis.npy import AGAIN, map_pixels, write_pixels
from ganaug.synthesis.shelf import found_or_built, make_room, mark_opened, shelf
from ganaug.synthesis.translator import Translator

log = logging.getLogger("ganaug")
SCHEMA = 1
MOST = 1000  # translations of an image
DESCRIPTION = 2**30  # bytes, of some ten million images
CHUNK_IMAGES, CHUNK_BYTES = 32, 2**26  # translated at a time: as many as fill the bytes, at least one

Images = Sequence[np.ndarray]  # uint8 [C, H, W] each


class Way(NamedTuple):
    """How images are translated.

    Attributes:
        direction: "AB" or "BA".
        seed: Of the noise.
        tile: Side in px of the tiles that larger images are cut into, or None.
    """

    direction: str = "AB"
    seed: int = 0
    tile: int | None = None

    def __str__(self) -> str:
        return f"{self.direction} with seed {self.seed}" + (f" in tiles of {self.tile} px" if self.tile else "")


class _Row(NamedTuple):
    """An image of a pool: its (height, width), its hash, and which item of the images it is."""

    size: tuple[int, int]
    sha256: str
    item: int


class TranslationPool:
    """Translations that were made once, found by the pixels of the image; pickles as its path.

    What the pool does not have is translated when it is asked for, and looks as if it had been in the pool.

    Attributes:
        path: The `.npy` file.
        model: sha256 of the translator's weights.
        way: How the images were translated.
        channels: Of what goes in and of what comes out.
        each: Translations of an image, of which one is asked for by its number.

    Raises:
        ModelError: The file is missing, cut short, or no pool of translations.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        said = _read_description(self.path)
        self.model, self.way, self.channels = said["model"], Way(*said["way"]), tuple(said["channels"])
        self.each: int = said["variants"]
        sizes = np.array([row[1:] for row in said["rows"]], np.int64).reshape(-1, 2)
        bytes_ = sizes.prod(1) * (self.each * self.channels[1])
        self._rows = {sha256: row for row, (sha256, *_) in enumerate(said["rows"])}
        self._sizes, self._offsets = sizes, np.concatenate([[0], bytes_.cumsum()])
        self._bytes = map_pixels(self.path, (int(self._offsets[-1]),))
        mark_opened(self.path)

    @classmethod
    def build(cls, translator: Translator, images: Images, way: Way, variants: int) -> "TranslationPool":
        """Open the pool of these images in the cache folder, translating them first where it is not there yet.

        Every image is read once to know it by its pixels, and once more where it is translated.

        Args:
            translator: The translator.
            images: uint8 [C, H, W] each, of any sizes; equal ones are translated once.
            way: How.
            variants: Translations of each image; one where the translator takes no noise.

        Raises:
            DataError: There are no images, one is of other channels or too small, item i is not the same when it is
                asked for again, or the pool fits no size budget.
            DiskFullError: The cache folder's disk is full; nothing is left behind.
        """
        _require_variants(variants)
        variants = variants if translator.noise_dim else 1
        channels = translator.architecture.ends(way.direction)
        rows = _rows(images, channels[0])
        description = {
            "schema": SCHEMA,
            "model": translator.hash,
            "way": [way.direction, operator.index(way.seed), way.tile],
            "channels": [*channels],
            "variants": variants,
            "rows": [[row.sha256, *row.size] for row in rows],
        }

        def build() -> None:
            size = variants * channels[1] * sum(math.prod(row.size) for row in rows)
            log.info("%d images are translated %d times (%.3g MB) into %s", len(rows), variants, size / 1e6, path)
            make_room(size, "take fewer variants, or leave the pool out")
            replace_file(path.with_suffix(".json"), json.dumps(description).encode() + b"\n")
            write_pixels(path, (size,), _translated(translator, images, rows, way, variants))  # last: it is whole then

        path = shelf() / f"{_key(description)}.npy"
        return found_or_built(path, cls, build)

    def picture(self, sha256: str, number: int) -> np.ndarray | None:
        """Translation `number` of the image with these pixels, uint8 [C', H, W], read-only; None where it is not here.

        Raises:
            IndexError: There are fewer.
        """
        row = self._rows.get(sha256)
        if row is None:
            return None
        if not 0 <= number < self.each:
            raise IndexError(f"an image has {self.each} translations, got number {number}")
        shape = (self.each, self.channels[1], *self._sizes[row])
        return self._bytes[self._offsets[row] : self._offsets[row + 1]].reshape(shape)[number]

    def __len__(self) -> int:
        return len(self._rows)

    def __reduce__(self) -> tuple[Any, ...]:
        return TranslationPool, (self.path,)

    def __repr__(self) -> str:
        return f"TranslationPool({len(self)} images, {self.each} of each, model {self.model[:12]})"


def noise_number(sha256: str, variant: int) -> int:
    """The number of the noise of a variant of an image with these pixels: in whichever pool it is, whatever its place.

    Example:
        >>> noise_number("00000000000000f" + 49 * "0", variant=2)
        17
    """
    return int(sha256[:15], 16) + variant


def _require_variants(variants: int) -> None:
    if not isinstance(variants, Integral) or not 1 <= variants <= MOST:
        raise DataError(f"variants must be a whole number in [1, {MOST}], got {variants!r}; 4 is usual")


def _rows(images: Images, channels: int) -> list[_Row]:
    """Each image once: equal sizes side by side, whatever the order they come in."""
    rows: dict[str, _Row] = {}
    for item in range(len(images)):
        image = images[item]
        given, height, width = image.shape
        if given != channels or min(height, width) < MIN_SIDE:
            raise DataError(
                f"images of the pool must have {channels} channel{'s' * (channels > 1)}, as the translator learned "
                f"them, and sides of {MIN_SIDE} px or more, got {[given, height, width]} at item {item}; convert it or "
                "leave it out"
            )
        sha256 = pixel_sha256(image)
        rows.setdefault(sha256, _Row((height, width), sha256, item))
    if not rows:
        raise DataError("a pool of translations must have images, got none; give those that will come")
    return sorted(rows.values())


def _translated(
    translator: Translator, images: Images, rows: list[_Row], way: Way, variants: int
) -> Iterator[np.ndarray]:
    """The translations of each row in turn, uint8 [n * variants, C, H, W]: images of one size at a time."""
    outputs = translator.architecture.ends(way.direction)[1]
    for size, group in groupby(rows, key=lambda row: row.size):
        alike = [*group]
        most = max(1, min(CHUNK_IMAGES, CHUNK_BYTES // (variants * outputs * math.prod(size))))
        for start in range(0, len(alike), most):
            chunk = alike[start : start + most]
            pixels = torch.from_numpy(np.stack([_again(images, row) for row in chunk]))
            numbers = [noise_number(row.sha256, variant) for row in chunk for variant in range(variants)]
            repeated = pixels.repeat_interleave(variants, 0)
            yield translator.translate(repeated, way.direction, seed=way.seed, indices=numbers, tile=way.tile).numpy()


def _again(images: Images, row: _Row) -> np.ndarray:
    image = images[row.item]
    if pixel_sha256(image) != row.sha256:
        raise DataError(
            f"images of the pool must be the same whenever they are asked for, got another one at item {row.item}; "
            "leave random transforms out of the dataset"
        )
    return image


def _key(description: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()


def _read_description(path: Path) -> dict[str, Any]:
    """The name of the file seals it."""
    try:
        said = parse_json(read_file(path.with_suffix(".json"), DESCRIPTION))
        if isinstance(said, dict) and said.get("schema") == SCHEMA and path.stem == _key(said) and "rows" in said:
            return said
        fact = "the description of another one"
    except (OSError, ValueError) as error:
        fact = f"no description beside it ({type(error).__name__})"
    raise ModelError(f"{path}: must be a pool of translations, got {fact}; {AGAIN}")
