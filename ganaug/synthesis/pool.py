"""The image pool: synthetic images rendered once into a memory-mapped file, so that loader workers only index.

On disk a pool is `<key>.npy`, uint8 [N, C, H, W] class by class, beside `<key>.json`, which says what it holds. The key
is a sha256 of (generator, images per class, seed): the same request finds the same file.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import math
import reprlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ganaug.errors import DataError, ModelError
from ganaug.files import cache_folder, open_file, parse_json, read_file, replace_file, replacing, require_room

if TYPE_CHECKING:
    from ganaug.synthesis.synthesizer import Synthesizer

log = logging.getLogger("ganaug")
SCHEMA = 1
MOST = 10**7  # images of a class
CHUNK_IMAGES, CHUNK_BYTES = (32, 256), 2**24  # rendered at a time: as many as fill the bytes, within these bounds


@dataclass(frozen=True)
class Origin:
    """Where a synthetic image came from: `Synthesizer.sample([label], seed, [index])` of that model gives it again."""

    model: str  # sha256 of the generator's weights
    seed: int
    label: int  # in the model's own numbering
    index: int


class Pool:
    """Rendered images, opened read-only; pickles as its path.

    Attributes:
        path: The `.npy` file.
        model: sha256 of the generator's weights.
        classes: The K class names, in label order.
        counts: Images per class, [K].
        seed: The sampling seed.
        labels: int64 [N], ascending.
        offsets: Row of the first image of each class, and N: [K + 1].
        images: uint8 [N, C, H, W], memory-mapped.

    Raises:
        ModelError: The file is missing, cut short, or not a pool.

    Example:
        >>> pool = Pool.build(synth, counts=[2, 3], seed=7)     # doctest: +SKIP
        >>> pool.labels.tolist(), pool.offsets                  # doctest: +SKIP
        ([0, 0, 1, 1, 1], [0, 2, 5])
        >>> pool.image(1, 2).dtype                              # doctest: +SKIP
        dtype('uint8')
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        said = _read_description(self.path)
        self.model, self.seed, self.counts, self.classes = said["model"], said["seed"], said["counts"], said["classes"]
        self.images = _map_pixels(self.path, (sum(self.counts), *said["shape"]))
        self.labels = torch.repeat_interleave(torch.arange(len(self.counts)), torch.tensor(self.counts))
        self.offsets = [0, *np.cumsum(self.counts).tolist()]

    @classmethod
    def build(cls, synth: Synthesizer, counts: Sequence[int], seed: int = 0) -> Pool:
        """Open the pool of this request in the cache folder, rendering it first where it is not there yet.

        Args:
            synth: The generator.
            counts: Images per class, [K]; 0 is allowed.
            seed: The sampling seed.

        Raises:
            DataError: `counts` does not fit the generator's classes.
            DiskFullError: The cache folder's disk is full; nothing is left behind.
        """
        counts = require_counts(synth, counts)
        path = cache_folder() / "pools" / f"{_key(synth.hash, counts, seed)}.npy"
        if path.exists():
            try:
                return cls(path)
            except ModelError as error:
                log.warning("%s; it is rendered again", error)
        _write(path, synth, counts, seed)
        return cls(path)

    def image(self, label: int, index: int) -> np.ndarray:
        """Image `index` of class `label`, uint8 [C, H, W], read-only."""
        if not 0 <= index < self.counts[label]:
            raise IndexError(f"class {self.classes[label]!r} has {self.counts[label]} images, got index {index}")
        return self.images[self.offsets[label] + index]

    def origin(self, label: int, index: int) -> Origin:
        """What to ask the generator for, to get that image again."""
        return Origin(self.model, self.seed, label, index)

    def __len__(self) -> int:
        return len(self.labels)

    def __reduce__(self) -> tuple[Any, ...]:
        return Pool, (self.path,)

    def __repr__(self) -> str:
        size = "x".join(map(str, self.images.shape[1:]))
        return f"Pool({len(self)} images of {size}, {len(self.classes)} classes, model {self.model[:12]})"


def render(
    synth: Synthesizer, counts: Sequence[int], seed: int = 0, scale: float = 1.0
) -> Iterator[tuple[list[tuple[int, int]], np.ndarray]]:
    """Yield chunks of constant memory: the (label, index) of each image, and uint8 [n, C, H, W], class by class."""
    size = int(np.clip(CHUNK_BYTES // math.prod(synth.shape), *CHUNK_IMAGES))
    stream = ((label, index) for label, n in enumerate(counts) for index in range(n))
    while chunk := list(islice(stream, size)):
        labels, indices = ([*column] for column in zip(*chunk, strict=True))
        images, _ = synth.sample(labels, seed=seed, indices=indices, scale=scale)
        yield chunk, images.cpu().numpy()


def require_counts(synth: Synthesizer, counts: Sequence[int]) -> list[int]:
    """`counts` as a list, once it has a number of 0 to 10,000,000 for each class.

    Raises:
        DataError: It has not; the number is named.
    """
    if len(counts) != len(synth.classes):
        raise DataError(
            f"counts must have one number per class ({len(synth.classes)}), got {len(counts)}; add the rest"
        )
    for name, n in zip(synth.classes, counts, strict=True):
        if not 0 <= n <= MOST:
            raise DataError(
                f"images of class {name!r} must number 0 to {MOST:,}, got {reprlib.repr(n)}; ask for another number"
            )
    return [int(n) for n in counts]


def _key(model: str, counts: list[int], seed: int) -> str:
    return hashlib.sha256(json.dumps([SCHEMA, model, counts, seed]).encode()).hexdigest()


def _write(path: Path, synth: Synthesizer, counts: list[int], seed: int) -> None:
    """Each file is replaced whole, the pixels last, so two processes may build the same pool at once."""
    description = {
        "schema": SCHEMA,
        "model": synth.hash,
        "counts": counts,
        "seed": seed,
        "classes": list(synth.classes),
        "shape": list(synth.shape),
    }
    log.info("%d synthetic images are rendered into %s", sum(counts), path)
    replace_file(path.with_suffix(".json"), json.dumps(description).encode() + b"\n")
    with replacing(path) as temporary:
        _write_pixels(temporary, synth, counts, seed)


def _write_pixels(path: Path, synth: Synthesizer, counts: list[int], seed: int) -> None:
    """Ordinary writes: a full disk is then an error, where writing through a memory map would be a fatal signal."""
    shape = (sum(counts), *synth.shape)
    require_room(path.parent, math.prod(shape))
    with path.open("wb") as file:
        file.write(_header(shape))
        for _, images in render(synth, counts, seed):
            file.write(np.ascontiguousarray(images).data)


def _header(shape: tuple[int, ...]) -> bytes:
    """What stands before the pixels in a `.npy` file."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def _read_description(path: Path) -> dict[str, Any]:
    try:
        said = parse_json(read_file(path.with_suffix(".json")))
        numbers = [*said["counts"], *said["shape"]]
        if not all(type(n) is int and n >= 0 for n in numbers) or len(said["counts"]) != len(said["classes"]):
            fact = "a description that cannot be"
        elif path.stem == _key(said["model"], said["counts"], said["seed"]):
            return {key: said[key] for key in ("model", "seed", "counts", "classes", "shape")}
        else:
            fact = "the description of another one"
    except (OSError, ValueError, KeyError, TypeError) as error:
        fact = f"no description beside it ({type(error).__name__})"
    raise ModelError(f"{path}: must be a pool of ganaug's, got {fact}; delete the file")


def _map_pixels(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The pixels, of which only the header is read: it must be the one that `shape` has, and the size, too."""
    try:
        header = _header(shape)
        with open_file(path) as file:
            whole = file.read(len(header)) == header and file.seek(0, io.SEEK_END) == len(header) + math.prod(shape)
            if whole:
                return np.memmap(file, np.uint8, "r", offset=len(header), shape=shape)
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: must be a whole pool, got {error}; delete the file") from error
    raise ModelError(f"{path}: must hold uint8 {list(shape)} and no more, got another file; delete the file")
