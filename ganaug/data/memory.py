"""Room for images: in memory while there is plenty, else in a file that the system pages in."""

import logging
import os
import tempfile

import numpy as np
import psutil
import torch
from torch import Tensor

from ganaug.errors import DiskFullError

log = logging.getLogger("ganaug")


def available_memory(device: torch.device) -> int:
    """Bytes that may still be taken on `device`."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available


def chosen(images: Tensor, index: Tensor) -> Tensor:
    """The uint8 images at `index`, in that order; memory-mapped where they are too many for memory."""
    room = torch.from_numpy(allocate((len(index), *images.shape[1:])))
    return torch.index_select(images, 0, index, out=room)


def allocate(shape: tuple[int, ...]) -> np.ndarray:
    """uint8 zeros in memory, or in an unnamed file where they would fill over half of free memory.

    Raises:
        DiskFullError: The file has no room either.
    """
    size = int(np.prod(shape, dtype=np.int64))
    if size <= available_memory(torch.device("cpu")) // 2:
        return np.zeros(shape, np.uint8)
    log.info("the images fill over half of free memory: they are memory-mapped from disk")
    try:
        with tempfile.TemporaryFile() as file:  # the map outlives the handle
            if hasattr(os, "posix_fallocate"):  # a full disk is an error now; at the first write it is a fatal signal
                os.posix_fallocate(file.fileno(), 0, size)
            return np.memmap(file, np.uint8, "w+", shape=shape)
    except OSError as error:
        raise DiskFullError(
            f"{tempfile.gettempdir()} must have room for {size:,} bytes of images, got {error.strerror!r}; "
            "free some or set TMPDIR to a larger disk"
        ) from error
