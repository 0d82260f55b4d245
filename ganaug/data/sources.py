"""`load`: everything that DATA can be, turned into LabeledImages."""

import difflib
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganaug.data.folder import list_folder
from ganaug.data.labeled import LabeledImages, require_images
from ganaug.data.listing import decode
from ganaug.errors import DataError
from ganaug.images import MIN_SIDE, MODES, convert, fit, to_pil

log = logging.getLogger("ganaug")
DIGITS = "sklearn:digits"
KNOWN = ("a folder with one sub-folder per class", f"{DIGITS}[:train|test]", "an .npz file")


def load(
    source: str | Path,
    *,
    resolution: int | tuple[int, int] | None = None,
    channels: int | None = None,
    groups: str = "",
    skip_bad: bool = False,
) -> LabeledImages:
    """Read a labelled image set.

    Args:
        source: A folder with one sub-folder per class (its `train/` where that exists), `sklearn:digits[:train|test]`,
            or an `.npz` with `images` uint8 [N, H, W[, C]], `labels` [N] and optionally `classes` [K].
        resolution: (height, width) or one side in px; None keeps the images' own size.
        channels: 1, 3 or 4; None keeps what most images have.
        groups: Which images show one object, patient or track: a regular expression on the file name (its first group,
            else the whole match, names the object), or a column of a table.
        skip_bad: Whether to go on without files that cannot be read, up to 1 % of all.

    Raises:
        DataError: The source is unknown, empty, unreadable or inconsistent; the file, class or value is named.

    Example:
        >>> load("sklearn:digits:test").shape
        (1, 8, 8)
    """
    size = (resolution, resolution) if isinstance(resolution, int) else resolution
    _require_form(size, channels)
    name = str(source)
    if name.startswith(DIGITS):
        return _reshape(_digits(name), size, channels)
    if name.endswith(".npz"):
        return _reshape(_npz(Path(name)), size, channels)
    if ":" in name and not Path(name).exists():
        close = difflib.get_close_matches(name, [DIGITS, f"{DIGITS}:train", f"{DIGITS}:test"], n=1, cutoff=0.5)
        raise DataError(
            f"DATA must be {', or '.join(KNOWN)}, got {name!r}"
            + (f"; did you mean {close[0]!r}?" if close else "; check the spelling")
        )
    return decode(list_folder(Path(source)), size, channels)


def _require_form(size: tuple[int, int] | None, channels: int | None) -> None:
    if size is not None and min(size) < MIN_SIDE:
        raise DataError(f"resolution must be {MIN_SIDE} px or more, got {min(size)}; choose a larger one")
    if channels is not None and channels not in MODES:
        raise DataError(f"channels must be 1, 3 or 4, got {channels}; leave them out to keep what most images have")


def _digits(name: str) -> LabeledImages:
    """scikit-learn's 1,797 scanned digits; a fixed stratified third of them is the test split."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    split = name.removeprefix(DIGITS).removeprefix(":") or "train"
    if split not in ("train", "test"):
        raise DataError(f"{DIGITS} must be followed by :train or :test, got {name!r}; without either it is :train")
    digits: Any = load_digits()
    rows = dict(
        zip(
            ("train", "test"),
            train_test_split(np.arange(len(digits.target)), test_size=1 / 3, stratify=digits.target, random_state=0),
            strict=True,
        )
    )[split]
    return LabeledImages(
        images=torch.from_numpy((digits.images[rows] * (255 / 16)).round().astype(np.uint8)[:, None]),
        labels=torch.from_numpy(digits.target[rows].astype(np.int64)),
        classes=tuple(map(str, range(10))),
        names=tuple(f"row {row}" for row in rows),
        source=f"{DIGITS}:{split}",
    )


def _npz(path: Path) -> LabeledImages:
    if not path.is_file():
        raise DataError(f"{path}: must be an .npz file, got nothing there; check the path")
    arrays = _arrays(path)
    if not {"images", "labels"} <= set(arrays):
        raise DataError(
            f"{path}: must hold the arrays 'images' and 'labels', got {list(arrays)}; save them under these names"
        )
    images = _nchw(path, arrays["images"])
    classes, labels = _class_names(path, arrays["labels"], arrays.get("classes"))
    names = tuple(f"row {i}" for i in range(len(images)))
    return require_images(LabeledImages(images, labels, classes, names, str(path)))


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays that matter, none of them pickled."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: np.asarray(archive[name]) for name in archive.files}
    except Exception as error:  # numpy, zipfile and zlib each have their own words for damage
        fact = str(error).partition("\n")[0] or type(error).__name__
        raise DataError(f"{path}: must be an .npz of plain arrays, got: {fact}; write it with numpy.savez") from error


def _nchw(path: Path, images: np.ndarray) -> torch.Tensor:
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise DataError(
            f"{path}: images must be uint8 [N, H, W] or [N, H, W, C], got {images.dtype} {list(images.shape)}; "
            "convert them first"
        )
    images = images[..., None] if images.ndim == 3 else images
    if not len(images) or images.shape[-1] not in MODES or min(images.shape[1:3]) < MIN_SIDE:
        raise DataError(
            f"{path}: images must have sides of {MIN_SIDE} px or more and 1, 3 or 4 channels, "
            f"got {list(images.shape)}; check the axes"
        )
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


def _class_names(path: Path, labels: np.ndarray, classes: np.ndarray | None) -> tuple[tuple[str, ...], torch.Tensor]:
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DataError(
            f"{path}: labels must be integers [N], got {labels.dtype} {list(labels.shape)}; "
            "save one class number per image"
        )
    if classes is not None:
        if classes.ndim != 1:
            raise DataError(f"{path}: classes must be names [K], got shape {list(classes.shape)}; save one per class")
        return tuple(map(str, classes.tolist())), torch.from_numpy(labels.astype(np.int64))
    values, numbers = np.unique(labels, return_inverse=True)
    return tuple(map(str, values.tolist())), torch.from_numpy(numbers.astype(np.int64))


def _reshape(data: LabeledImages, size: tuple[int, int] | None, channels: int | None) -> LabeledImages:
    """Arrays at another size or channel count, by the same rule as files."""
    wanted = (channels or data.shape[0], *(size or data.shape[1:]))
    if wanted == data.shape:
        return data
    log.info("%s: all %d images are fitted to %d channel(s), %d x %d px", data.source, len(data), *wanted)
    images = np.stack([fit(convert(to_pil(image), wanted[0]), wanted[1:]) for image in data.images.numpy()])
    return replace(data, images=torch.from_numpy(images))
