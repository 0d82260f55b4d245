"""`load`: everything that DATA can be, turned into LabeledImages."""

import difflib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganaug.data.folder import load_folder
from ganaug.data.labeled import LabeledImages, require_images
from ganaug.errors import DataError
from ganaug.images import MIN_SIDE, MODES, fit, to_pil

DIGITS = "sklearn:digits"
KNOWN = ("a folder with one sub-folder per class", f"{DIGITS}[:train|test]", "an .npz file")


def load(
    source: str | Path, *, resolution: int | tuple[int, int] | None = None, channels: int | None = None
) -> LabeledImages:
    """Read a labelled image set.

    Args:
        source: A folder with one sub-folder per class (its `train/` where that exists), `sklearn:digits[:train|test]`, or an
            `.npz` with `images` uint8 [N, H, W[, C]], `labels` [N] and optionally `classes` [K].
        resolution: (height, width) or one side in px; None keeps the images' own size.
        channels: 1, 3 or 4; None keeps what most images have.

    Raises:
        DataError: The source is unknown, empty, unreadable or inconsistent; the file, class or value is named.

    Example:
        >>> load("sklearn:digits:test").shape
        (1, 8, 8)
    """
    size = (resolution, resolution) if isinstance(resolution, int) else resolution
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
    return require_images(load_folder(Path(source), size, channels))


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
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if not {"images", "labels"} <= set(arrays.files):
                raise DataError(
                    f"{path}: must hold the arrays 'images' and 'labels', got {arrays.files}; save them under these names"
                )
            images, labels = arrays["images"], arrays["labels"]
            classes = arrays["classes"].tolist() if "classes" in arrays.files else None
    except (ValueError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise DataError(f"{path}: must be an .npz of plain arrays, got {error}; write it with numpy.savez") from error
    classes, labels = _class_names(path, labels, classes)
    return require_images(
        LabeledImages(_nchw(path, images), labels, classes, tuple(f"row {i}" for i in range(len(images))), str(path))
    )


def _nchw(path: Path, images: np.ndarray) -> torch.Tensor:
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise DataError(
            f"{path}: images must be uint8 [N, H, W] or [N, H, W, C], got {images.dtype} {list(images.shape)}; convert them first"
        )
    images = images[..., None] if images.ndim == 3 else images
    if not len(images) or images.shape[-1] not in MODES or min(images.shape[1:3]) < MIN_SIDE:
        raise DataError(
            f"{path}: images must have sides of {MIN_SIDE} px or more and 1, 3 or 4 channels, got {list(images.shape)}; check the axes"
        )
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


def _class_names(path: Path, labels: np.ndarray, classes: list[Any] | None) -> tuple[tuple[str, ...], torch.Tensor]:
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DataError(
            f"{path}: labels must be integers [N], got {labels.dtype} {list(labels.shape)}; save one class number per image"
        )
    if classes is not None:
        return tuple(map(str, classes)), torch.from_numpy(labels.astype(np.int64))
    values, numbers = np.unique(labels, return_inverse=True)
    return tuple(map(str, values.tolist())), torch.from_numpy(numbers.astype(np.int64))


def _reshape(data: LabeledImages, size: tuple[int, int] | None, channels: int | None) -> LabeledImages:
    """Arrays at another size or channel count, by the same rule as files."""
    wanted = (channels or data.shape[0], *(size or data.shape[1:]))
    if wanted == data.shape:
        return data
    images = np.stack([fit(to_pil(image).convert(MODES[wanted[0]]), wanted[1:]) for image in data.images.numpy()])
    return LabeledImages(torch.from_numpy(images), data.labels, data.classes, data.names, data.source)
