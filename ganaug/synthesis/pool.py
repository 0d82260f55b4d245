"""The image pool: synthetic images rendered once into a memory-mapped file, so that loader workers only index.

On disk a pool is `<key>.npy`, uint8 [N, C, H, W] class by class, beside `<key>.json`, which says what it holds. The key
is a sha256 of (generator, images per class, seed, epoch): the same request finds the same file.
"""

import hashlib
import json
import logging
import math
import operator
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ganaug.errors import ModelError
from ganaug.files import parse_json, read_file, replace_file
from ganaug.synthesis.npy import AGAIN, map_pixels, write_pixels
from ganaug.synthesis.origin import Origin
from ganaug.synthesis.rendering import render, require_counts
from ganaug.synthesis.shelf import found_or_built, make_room, mark_opened, shelf

if TYPE_CHECKING:
    from ganaug.synthesis.synthesizer import Synthesizer

log = logging.getLogger("ganaug")
SCHEMA = 2


class Pool:
    """Rendered images, opened read-only; pickles as its path.

    Attributes:
        path: The `.npy` file.
        model: sha256 of the generator's weights.
        classes: The K class names, in label order.
        counts: Images per class, [K].
        seed: The sampling seed.
        epoch: Which stretch of each class's endless sequence it holds: images epoch * counts and on.
        shape: (C, H, W) of every image.
        images: uint8 [N, C, H, W], memory-mapped, class by class.
        offsets: Row of the first image of each class, and N: [K + 1].

    Raises:
        ModelError: The file is missing, cut short, or not a pool.

    Example:
        >>> pool = Pool.build(synth, counts=[2, 3], seed=7)     # doctest: +SKIP
        >>> pool.offsets                                        # doctest: +SKIP
        [0, 2, 5]
        >>> pool.pictures([1], [2]).dtype                       # doctest: +SKIP
        dtype('uint8')
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        said = _read_description(self.path)
        self.model, self.classes, self.shape = said["model"], said["classes"], tuple(said["shape"])
        self.counts, self.seed, self.epoch = said["counts"], said["seed"], said["epoch"]
        self.images = map_pixels(self.path, (sum(self.counts), *self.shape))
        self.offsets = [0, *np.cumsum(self.counts).tolist()]
        mark_opened(self.path)

    @classmethod
    def build(cls, synth: "Synthesizer", counts: Sequence[int], seed: int = 0, epoch: int = 0) -> "Pool":
        """Open the pool of this request in the cache folder, rendering it first where it is not there yet.

        Two processes may ask for the same one at once: one renders, the other waits.

        Args:
            synth: The generator.
            counts: Images per class, [K]; 0 is allowed.
            seed: The sampling seed.
            epoch: Another one gives other images.

        Raises:
            DataError: `counts` does not fit the generator's classes, or the pool no size budget.
            DiskFullError: The cache folder's disk is full; nothing is left behind.
        """
        counts, seed, epoch = require_counts(synth, counts), operator.index(seed), operator.index(epoch)
        path = _path(synth.hash, counts, seed, epoch)
        return found_or_built(path, cls, lambda: _write(path, synth, counts, seed, epoch))

    def at(self, epoch: int) -> "Pool":
        """The pool of the same request at another epoch, once it was built."""
        return Pool(_path(self.model, self.counts, self.seed, epoch))

    def pictures(self, labels: Sequence[int], indices: Sequence[int]) -> Sequence[np.ndarray]:
        """Image `indices[i]` of class `labels[i]`, each uint8 [C, H, W], read-only.

        Raises:
            IndexError: A class has fewer images.
        """
        return [self.picture(label, index) for label, index in zip(labels, indices, strict=True)]

    def picture(self, label: int, index: int) -> np.ndarray:
        """One of these."""
        if not 0 <= index < self.counts[label]:
            raise IndexError(f"class {self.classes[label]!r} has {self.counts[label]} images, got index {index}")
        return self.images[self.offsets[label] + index]

    def origin(self, label: int, index: int) -> Origin:
        """What to ask the generator for, to get that image again."""
        return Origin(self.model, self.seed, label, self.epoch * self.counts[label] + index)

    def __len__(self) -> int:
        return self.offsets[-1]

    def __reduce__(self) -> tuple[Any, ...]:
        return Pool, (self.path,)

    def __repr__(self) -> str:
        size = "x".join(map(str, self.shape))
        return f"Pool({len(self)} images of {size}, {len(self.classes)} classes, model {self.model[:12]})"


def _path(model: str, counts: list[int], seed: int, epoch: int) -> Path:
    return shelf() / f"{_key(model, counts, seed, epoch)}.npy"


def _key(model: str, counts: list[int], seed: int, epoch: int) -> str:
    return hashlib.sha256(json.dumps([SCHEMA, model, counts, seed, epoch]).encode()).hexdigest()


def _write(path: Path, synth: "Synthesizer", counts: list[int], seed: int, epoch: int) -> None:
    """Each file is replaced whole, the pixels last."""
    description = {
        "schema": SCHEMA,
        "model": synth.hash,
        "counts": counts,
        "seed": seed,
        "epoch": epoch,
        "classes": list(synth.classes),
        "shape": list(synth.shape),
    }
    size = sum(counts) * math.prod(synth.shape)
    log.info("%d synthetic images (%.3g MB) are rendered into %s", sum(counts), size / 1e6, path)
    make_room(size, 'ask for fewer images of a class, take serving="worker"')
    replace_file(path.with_suffix(".json"), json.dumps(description).encode() + b"\n")
    chunks = (images for _, images in render(synth, counts, seed, epoch=epoch))
    write_pixels(path, (sum(counts), *synth.shape), chunks)


def _read_description(path: Path) -> dict[str, Any]:
    try:
        said = parse_json(read_file(path.with_suffix(".json")))
        numbers = [*said["counts"], *said["shape"], said["epoch"]]
        if not all(type(n) is int and n >= 0 for n in numbers) or len(said["counts"]) != len(said["classes"]):
            fact = "a description that cannot be"
        elif path.stem == _key(said["model"], said["counts"], said["seed"], said["epoch"]):
            return said
        else:
            fact = "the description of another one"
    except (OSError, ValueError, KeyError, TypeError) as error:
        fact = f"no description beside it ({type(error).__name__})"
    raise ModelError(f"{path}: must be a pool of ganaug's, got {fact}; {AGAIN}")
