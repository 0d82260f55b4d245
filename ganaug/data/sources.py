"""`load`: everything that DATA can be, turned into LabeledImages."""

import difflib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganaug.data.folder import list_folder
from ganaug.data.groups import groups_by_name, no_groups
from ganaug.data.hub import HUB, list_hub
from ganaug.data.labeled import LabeledImages
from ganaug.data.listing import Listing, decode
from ganaug.data.npz import read_npz
from ganaug.data.rows import Rows
from ganaug.data.tree import list_tree
from ganaug.data.vision import VISION, list_vision
from ganaug.errors import DataError
from ganaug.images import MIN_SIDE, MODES, to_pil
from ganaug.recipe import MAX_SIDE

DIGITS = "sklearn:digits"
KNOWN = (
    "a folder with one sub-folder per class",
    f"{DIGITS}[:train|test]",
    f"{VISION}NAME[:train|test]",
    f"{HUB}ID_OR_PATH[:split]",
    "an .npz file",
)


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
            `torchvision:NAME[:train|test]` (files in $GANAUG_DATA or downloaded), `hf:ID_OR_PATH[:split]` (Parquet, an
            image folder, what `save_to_disk` wrote, or the hub), or an `.npz` with `images` [N, H, W[, C]], `labels`
            [N] and optionally `classes` [K].
        resolution: (height, width) or one side in px; None keeps the images' own size.
        channels: 1, 3 or 4; None keeps what most images have.
        groups: Which images show one object, patient or track: a regular expression on the file name (its first group,
            else the whole match, names the object), or a column of a table, or an array of an `.npz`.
        skip_bad: Whether to go on without files that cannot be read, up to 1 % of all.

    Raises:
        DataError: The source is unknown, empty, unreadable or inconsistent; the file, class or value is named.
        RecipeError: `groups` is no regular expression.

    Example:
        >>> load("sklearn:digits:test").shape
        (1, 8, 8)
    """
    size = wanted_size(resolution, channels)
    data = _arrays(str(source), groups)
    if data is None:
        return decode(list_pictures(source, groups), size, channels, skip_bad)
    return scaled(data, size or data.shape[1:], channels)


def scaled(data: LabeledImages, size: tuple[int, int], channels: int | None = None) -> LabeledImages:
    """The images at another (height, width) in px, pixel for pixel as `load` would read them with `resolution=size`."""
    wanted = (channels or data.shape[0], *size)
    return data if wanted == data.shape else decode(as_listing(data), size, wanted[0])


def list_pictures(source: str | Path, groups: str = "", *, labeled: bool = True) -> Listing:
    """What `load` would decode: the pictures of a set with their classes, in their own sizes and modes.

    Args:
        source: As for `load`.
        groups: As for `load`.
        labeled: Whether the labels are read; without, a folder may hold images in whatever folders.

    Raises:
        DataError: As for `load`, but for what only decoding can find.
        RecipeError: `groups` is no regular expression.

    Example:
        >>> list_pictures("sklearn:digits").pictures[0].name
        'sklearn:digits:train, row 0'
    """
    name = str(source)
    data = _arrays(name, groups)
    if data is not None:
        return as_listing(data)
    if name.startswith(VISION):
        return list_vision(name, groups, labeled=labeled)
    if name.startswith(HUB):
        return list_hub(name, groups, labeled=labeled)
    if ":" in name and not Path(name).exists():
        raise DataError(f"DATA must be {', '.join(KNOWN[:-1])}, or {KNOWN[-1]}, got {name!r}; {_meant(name)}")
    if not labeled:
        return list_tree(Path(source))
    listing = list_folder(Path(source))
    return replace(listing, groups=groups_by_name(name, listing.names, groups))


def _arrays(name: str, groups: str) -> LabeledImages | None:
    """The sets that are arrays already; None for pictures."""
    if name.startswith(DIGITS):
        no_groups(name, groups)
        return _digits(name)
    if is_npz(name):
        return read_npz(Path(name), groups)
    return None


def is_npz(name: str) -> bool:
    """Whether a source is an `.npz` archive."""
    return name.lower().endswith(".npz") and not name.startswith(HUB) and not Path(name).is_dir()


def _meant(name: str) -> str:
    _, _, rest = name.partition(":")
    close = difflib.get_close_matches(name, [DIGITS, f"{VISION}{rest}", f"{HUB}{rest}"], n=1, cutoff=0.8)
    return f"did you mean {close[0]!r}?" if close else "check the spelling"


def wanted_size(resolution: int | tuple[int, int] | None, channels: int | None) -> tuple[int, int] | None:
    """(height, width) that are asked for, or None, once they and the channels can be had.

    Raises:
        DataError: A side is too small or too large, or there are no such channels.
    """
    size = (resolution, resolution) if isinstance(resolution, int) else resolution
    if size is not None and min(size) < MIN_SIDE:
        raise DataError(f"resolution must be {MIN_SIDE} px or more, got {min(size)}; choose a larger one")
    if size is not None and max(size) > MAX_SIDE:
        raise DataError(f"resolution must be {MAX_SIDE} px or less, got {max(size)}; choose a smaller one")
    if channels is not None and channels not in MODES:
        raise DataError(f"channels must be 1, 3 or 4, got {channels}; leave them out to keep what most images have")
    return size


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


def as_listing(data: LabeledImages) -> Listing:
    """Arrays as pictures, to be fitted by the rule for files."""
    return Listing(
        source=data.source,
        classes=data.classes,
        pictures=Rows(data.source, len(data), lambda row: to_pil(data.images[row].numpy())),
        names=data.names,
        labels=data.targets,
        groups=data.groups,
    )
