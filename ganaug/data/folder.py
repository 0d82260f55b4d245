"""A folder with one sub-folder per class, read with ganaug's own decode policy."""

import json
import logging
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from joblib import Parallel, delayed

from ganaug.data.labeled import LabeledImages
from ganaug.data.memory import allocate
from ganaug.errors import DataError
from ganaug.images import SUFFIXES, read_header, read_image

log = logging.getLogger("ganaug")
SPLITS = ("train", "val", "valid", "validation", "test")
IGNORED = ("._", ".", "Thumbs.db", "desktop.ini", "__pycache__")


@dataclass(frozen=True)
class ImageFile:
    """One file of a class, and what its header says."""

    path: Path
    label: int
    size: tuple[int, int]  # height, width
    channels: int


def load_folder(root: Path, size: tuple[int, int] | None, channels: int | None) -> LabeledImages:
    """Read every image under `root`/<class>/ (or `root`/train/<class>/ where that exists).

    Raises:
        DataError: A missing or empty folder, no class folders, an empty class, an unreadable file, or mixed sizes
            without `size`.
    """
    root = resolve(root)
    classes, folders = class_folders(root)
    files = [(path, label) for label, folder in enumerate(folders) for path in image_paths(folder)]
    headers = Parallel(n_jobs=-1, prefer="threads")(delayed(read_header)(path) for path, _ in files)
    found = [ImageFile(path, label, *header) for (path, label), header in zip(files, headers, strict=True)]  # type: ignore[misc]
    size = size or _common_size(found, root)
    channels = channels or _usual_channels(found)
    _say_conversions(found, root, size, channels)
    return LabeledImages(
        images=torch.from_numpy(_decode(found, size, channels)),
        labels=torch.tensor([file.label for file in found]),
        classes=tuple(classes),
        names=tuple(str(file.path.relative_to(root)) for file in found),
        source=str(root),
    )


def resolve(root: Path) -> Path:
    """`root`/train where it holds class folders, else `root`.

    Raises:
        DataError: There is no such folder, or it holds splits but no train.
    """
    if not root.is_dir():
        what = "a file" if root.exists() else "nothing there"
        raise DataError(f"{root}: must be a folder with one sub-folder per class, got {what}; check the path")
    inside = sorted(folder.name for folder in subfolders(root))
    if "train" in inside and subfolders(root / "train"):  # else it may be the class of trains
        return root / "train"
    if inside and set(inside) <= set(SPLITS):
        raise DataError(
            f"{root}: must hold class folders, or a train folder of them, got {inside}; "
            f"name one of them, as in {root / inside[0]}"
        )
    return root


def subfolders(folder: Path) -> list[Path]:
    """The visible folders in `folder`, sorted by name."""
    return sorted(entry for entry in visible(folder) if entry.is_dir())


def class_folders(root: Path) -> tuple[list[str], list[Path]]:
    """(class names, their folders) in label order: sorted by name, or as `corpus.json` says in a corpus of ours.

    Raises:
        DataError: There is no sub-folder, or `corpus.json` does not list the classes and those folders.
    """
    folders = subfolders(root)
    if not folders:
        raise DataError(
            f"{root}: must have one sub-folder per class, got no sub-folder; "
            "put each class's images into a folder of its name"
        )
    odd = [folder.name for folder in folders if not folder.name.isprintable() or _surrogates(folder.name)]
    if odd:
        raise DataError(f"{root}: class names must be printable Unicode, got {odd[0]!r}; rename the folder")
    try:
        corpus = json.loads((root / "corpus.json").read_text(encoding="utf-8"))
        by_class = dict(zip(corpus["classes"], corpus["directories"], strict=True))
    except FileNotFoundError:
        return [folder.name for folder in folders], folders
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{root / 'corpus.json'}: must list classes and directories, got {error!r}; run `ganaug check {root}`"
        ) from error
    if sorted(map(str, by_class.values())) != [folder.name for folder in folders]:
        raise DataError(
            f"{root / 'corpus.json'}: directories must be the folders there, got others; run `ganaug check {root}`"
        )
    return list(map(str, by_class)), [root / name for name in by_class.values()]


def _surrogates(name: str) -> bool:
    """Whether the file system's bytes were no UTF-8, so that no file of ours could hold the name."""
    return any("\ud800" <= character <= "\udfff" for character in name)


def image_paths(folder: Path) -> list[Path]:
    """The image files of one class, sorted; whatever else lies there is refused by name.

    Raises:
        DataError: The class has no image, or holds something that is none.
    """
    entries = sorted(visible(folder))
    if not entries:
        raise DataError(
            f"{folder}: class {folder.name!r} must have an image, got none; add images or remove the folder"
        )
    strange = [entry for entry in entries if not entry.is_file() or entry.suffix.lower() not in SUFFIXES]
    if strange:
        what = "a folder" if strange[0].is_dir() else repr(strange[0].suffix or "no suffix")
        raise DataError(
            f"{strange[0]}: must be an image file ({', '.join(sorted(SUFFIXES))}), got {what}; move it elsewhere"
        )
    return entries


def visible(folder: Path) -> list[Path]:
    """Entries that are not hidden and not left behind by an operating system."""
    return [entry for entry in folder.iterdir() if not entry.name.startswith(IGNORED)]


def _common_size(files: list[ImageFile], root: Path) -> tuple[int, int]:
    sizes = Counter(file.size for file in files)
    if len(sizes) > 1:
        (usual, _), (odd, _) = sizes.most_common(2)
        example = next(file.path for file in files if file.size == odd)
        raise DataError(
            f"{root}: images must have one size, got {len(sizes)} ({example} is {odd[0]} x {odd[1]}, "
            f"most are {usual[0]} x {usual[1]}); set one with --set data.resolution={min(usual)}"
        )
    return files[0].size


def _usual_channels(files: list[ImageFile]) -> int:
    """Gray or colour, as most files are; transparency is composited unless four channels are asked for."""
    return Counter(min(file.channels, 3) for file in files).most_common(1)[0][0]


def _say_conversions(files: list[ImageFile], root: Path, size: tuple[int, int], channels: int) -> None:
    resized = sum(file.size != size for file in files)
    recoded = sum(file.channels != channels for file in files)
    if resized:
        log.info("%s: %d of %d images are cropped and resized to %d x %d", root, resized, len(files), *size)
    if recoded:
        log.info("%s: %d of %d images are converted to %d channel(s)", root, recoded, len(files), channels)


def _decode(files: list[ImageFile], size: tuple[int, int], channels: int) -> np.ndarray:
    pixels = allocate((len(files), channels, *size))

    def decode(i: int) -> None:
        pixels[i] = read_image(files[i].path, channels, size)

    Parallel(n_jobs=-1, prefer="threads", require="sharedmem")(delayed(decode)(i) for i in range(len(files)))
    return pixels
