"""A folder with one sub-folder per class."""

import json
from pathlib import Path

from ganaug.data.listing import Listing
from ganaug.errors import DataError
from ganaug.images import SUFFIXES, Picture

SPLITS = ("train", "val", "valid", "validation", "test")
IGNORED = ("._", ".", "Thumbs.db", "desktop.ini", "__pycache__")


def list_folder(root: Path) -> Listing:
    """What lies under `root`/<class>/ (or `root`/train/<class>/ where that exists), nothing of it decoded.

    Raises:
        DataError: A missing or empty folder, no class folders, or an empty class.
    """
    root = resolve(root)
    classes, folders = class_folders(root)
    files = [(path, label) for label, folder in enumerate(folders) for path in image_paths(folder)]
    return Listing(
        source=str(root),
        classes=tuple(classes),
        pictures=[Picture.at(path) for path, _ in files],
        names=[path.relative_to(root).as_posix() for path, _ in files],
        labels=[label for _, label in files],
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
