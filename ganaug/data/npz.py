"""`.npz` archives: images of any plain dtype and their labels, judged by their headers before anything is unpacked."""

import math
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib import format as npy
from torch import Tensor

from ganaug.data.groups import groups_by_column
from ganaug.data.labeled import LabeledImages, require_images
from ganaug.data.labels import number
from ganaug.data.memory import allocate
from ganaug.data.rows import row_names
from ganaug.errors import DataError, GanaugError
from ganaug.files import open_file
from ganaug.images import MIN_SIDE, MODES

HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
PLAIN = "biufcUS"  # kinds of dtype whose bytes are their values
CHUNK = 2**24  # bytes or pixels at a time
BOMB = 2**30, 100  # bytes, and times the size of the file: more than both is no photograph
KINDS = "uint8, bool, uint16 that goes beyond 255, other integers in [0, 255], or floats in [0, 1]"


def read_npz(path: Path, groups: str = "") -> LabeledImages:
    """The images of an archive that holds `images` [N, H, W[, C]], `labels` [N] and, if wanted, `classes` [K].

    Images may be uint8, bool (white where true), uint16 (divided by 257), other integers that stay in [0, 255], or
    floats that stay in [0, 1]. Labels are integers or strings; without `classes` these are their sorted values.

    Args:
        path: The archive, as numpy.savez writes it.
        groups: The name of a further array of integers or strings [N] that says which object an image shows.

    Raises:
        DataError: The archive is damaged, a bomb, or holds something else; the array and its range are named.
    """
    arrays, names = _arrays(path, {"images", "labels", "classes", groups})
    if not {"images", "labels"} <= set(arrays):
        raise DataError(f"{path}: must hold the arrays 'images' and 'labels', got {names}; save them under these names")
    if groups and groups not in arrays:
        raise DataError(f"{path}: data.groups must name an array there, got {groups!r}, not one of {names}; correct it")
    images = _pixels(path, arrays["images"])
    classes, labels = number(str(path), arrays["labels"], _class_names(path, arrays.get("classes")))
    return require_images(
        LabeledImages(
            images=torch.from_numpy(images),
            labels=torch.from_numpy(labels),
            classes=classes,
            names=row_names(len(images)),
            source=str(path),
            groups=groups_by_column(str(path), groups, arrays[groups]) if groups else None,
        )
    )


def read_npz_images(path: Path) -> Tensor:
    """The `images` of an archive as uint8 [N, C, H, W], by the same rules, whether there are labels or not.

    Raises:
        DataError: The archive is damaged, a bomb, or holds something else; the array and its range are named.
    """
    arrays, names = _arrays(path, {"images"})
    if "images" not in arrays:
        raise DataError(f"{path}: must hold the array 'images', got {names}; save them under this name")
    return torch.from_numpy(_pixels(path, arrays["images"]))


def npz_has_labels(path: Path) -> bool:
    """Whether there is an array `labels`.

    Raises:
        DataError: The archive is damaged.
    """
    return "labels" in _arrays(path, set())[1]


def _arrays(path: Path, wanted: set[str]) -> tuple[dict[str, np.ndarray], list[str]]:
    """(the arrays that are wanted and there, the names of all)."""
    if not path.is_file():
        what = "something else" if path.exists() else "nothing there"
        raise DataError(f"{path}: must be an .npz file, got {what}; check the path")
    try:
        with open_file(path) as file, zipfile.ZipFile(file) as archive:
            members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
            size = os.fstat(file.fileno()).st_size
            return {key: _read(archive, members[key], size) for key in members if key in wanted}, list(members)
    except GanaugError:
        raise
    except Exception as error:  # numpy, zipfile and zlib each have their own words for damage
        fact = str(error).partition("\n")[0] or type(error).__name__
        raise DataError(f"{path}: must be an .npz of plain arrays, got: {fact}; write it with numpy.savez") from error


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo, packed: int) -> np.ndarray:
    """One array, for which room is made only after its header agrees with the archive.

    Raises:
        ValueError: An array of objects, a header that lies, or a bomb.
    """
    with archive.open(member) as file:
        shape, by_column, dtype = HEADERS[npy.read_magic(file)](file)
        if dtype.kind not in PLAIN or not dtype.itemsize or min(shape, default=0) < 0:
            raise ValueError(f"{member.filename} of {dtype} {list(shape)}")
        size = math.prod(shape) * dtype.itemsize
        if size != member.file_size - file.tell():
            raise ValueError(f"{member.filename} whose header claims {size:,} bytes, which are not there")
        if size > max(BOMB[0], BOMB[1] * packed):
            raise ValueError(f"{member.filename} of {size:,} bytes packed into {packed:,}")
        raw = allocate((size,))
        _fill(raw.data, file)
    return raw.view(dtype).reshape(shape, order="F" if by_column else "C")


def _fill(room: memoryview, file: Any) -> None:
    done = 0
    while done < len(room):
        read = file.readinto(room[done : done + CHUNK])
        if not read:
            raise EOFError("an archive that ends early")
        done += read


def _pixels(path: Path, images: np.ndarray) -> np.ndarray:
    """Uint8 [N, C, H, W] of what was stored."""
    if images.ndim not in (3, 4):
        raise DataError(
            f"{path}: images must be [N, H, W] or [N, H, W, C], got {images.dtype} {list(images.shape)}; reshape them"
        )
    images = images[..., None] if images.ndim == 3 else images
    total, height, width, channels = images.shape
    if not total or channels not in MODES or min(height, width) < MIN_SIDE:
        raise DataError(
            f"{path}: images must have sides of {MIN_SIDE} px or more and 1, 3 or 4 channels, "
            f"got {list(images.shape)}; check the axes"
        )
    scale = 255 / _white(path, images)
    pixels = allocate((total, channels, height, width))
    step = max(1, CHUNK // pixels[0].size)
    for first in range(0, total, step):
        part = np.moveaxis(images[first : first + step], 3, 1)
        pixels[first : first + step] = part if scale == 1 else np.rint(part.astype(np.float32) * scale)
    return pixels


def _white(path: Path, images: np.ndarray) -> int:
    """The stored value that means white.

    Raises:
        DataError: No rule says what the values mean.
    """
    if images.dtype.kind == "b":
        return 1
    if images.dtype.kind not in "iuf":
        raise DataError(f"{path}: images must be {KINDS}, got {images.dtype}; convert them")
    low, high = images.min().item(), images.max().item()  # NaN comes through, and fails every comparison
    if _is_deep(images) and high > 255:
        return 65535
    if images.dtype.kind == "f" and 0 <= low and high <= 1:
        return 1
    if images.dtype.kind in "iu" and not _is_deep(images) and 0 <= low and 1 != high <= 255:
        return 255
    raise DataError(
        f"{path}: images must be {KINDS}, got {images.dtype} in [{low:g}, {high:g}]; {_advice(images, low, high)}"
    )


def _advice(images: np.ndarray, low: float, high: float) -> str:
    if images.dtype.kind == "f":
        if not math.isfinite(low) or not math.isfinite(high):
            return "replace what is not finite"
        return "add 1 and halve them" if -1 <= low and high <= 1 else "scale them to [0, 1]"
    if low >= 0 and high <= 1:
        return "they would be black: save them as bool where 1 is white"
    return "they would be black: save them as uint8" if _is_deep(images) else "scale them to [0, 255]"


def _is_deep(images: np.ndarray) -> bool:
    """Unsigned 16 bits, whose white is 65535, in either byte order."""
    return images.dtype.kind == "u" and images.dtype.itemsize == 2


def _class_names(path: Path, classes: np.ndarray | None) -> list[str] | None:
    if classes is None:
        return None
    if classes.ndim != 1 or classes.dtype.kind not in "iuU":
        raise DataError(
            f"{path}: classes must be names [K], got {classes.dtype}, shape {list(classes.shape)}; save one per class"
        )
    return [str(name) for name in classes.tolist()]
