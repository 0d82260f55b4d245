"""Pixels in a `.npy` file: written as they come, mapped into memory by as many processes as want them."""

import io
import math
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ganaug.errors import ModelError
from ganaug.files import lock, open_file, replacing

AGAIN = "make the dataset or transform again, and it is rendered anew"


def write_pixels(path: Path, shape: tuple[int, ...], chunks: Iterable[np.ndarray]) -> None:
    """A whole file or none of uint8 `shape`, of which the chunks are the parts in order.

    Ordinary writes: a full disk is then an error, where writing through a memory map would be a fatal signal.

    Raises:
        DiskFullError: There is no room; nothing stays.
    """
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(_header(shape))
        for chunk in chunks:
            file.write(np.ascontiguousarray(chunk).data)


def map_pixels(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The pixels, of which only the header is read: it must be the one that `shape` has, and the size, too.

    The lock lasts as long as the map, so that nobody clears the pool away.

    Raises:
        ModelError: It is not that file.
    """
    try:
        header = _header(shape)
        with open_file(path) as file:
            whole = file.read(len(header)) == header and file.seek(0, io.SEEK_END) == len(header) + math.prod(shape)
            if whole:
                lock(file, shared=True)
                whole = os.path.samestat(os.fstat(file.fileno()), path.stat())  # it may just have made way
            if whole:
                return np.asarray(np.memmap(file, np.uint8, "r", offset=len(header), shape=shape))  # rows are cheaper
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: must be a whole pool, got {error}; {AGAIN}") from error
    raise ModelError(f"{path}: must hold uint8 {list(shape)} and no more, got another file; {AGAIN}")


def _header(shape: tuple[int, ...]) -> bytes:
    """What stands before the pixels in a `.npy` file."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return buffer.getvalue()
