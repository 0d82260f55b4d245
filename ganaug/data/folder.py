"""A folder with one sub-folder per class."""

import os
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from ganaug.data.labels import require_names
from ganaug.data.listing import Listing, first_few
from ganaug.errors import DataError
from ganaug.files import parse_json, read_file
from ganaug.images import SUFFIXES, Picture, printable

SPLITS = ("train", "training", "val", "valid", "validation", "test", "testing")
IGNORED = (".", "Thumbs.db", "desktop.ini", "__pycache__", "__MACOSX")  # how the names of such entries begin
HIDDEN = "hidden, or left by a system, and not read"
NOT_FOLLOWED = "links to folders are not followed"
CARD = 16 * 2**20  # bytes of a corpus.json, at most


@dataclass
class Entries:
    """What lies in a folder, each kind sorted by name.

    Attributes:
        files: Whatever is no folder: images, other files, links to files, links to nothing.
        folders: Sub-folders.
        links: Links to folders.
        ignored: Hidden entries, and what operating systems and Python leave behind.
    """

    files: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    links: list[Path] = field(default_factory=list)
    ignored: list[Path] = field(default_factory=list)

    @classmethod
    def of(cls, folder: Path) -> "Entries":
        """The entries of `folder`; nothing is opened and no link to a folder is entered."""
        found = cls()
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                found._kind(entry).append(folder / entry.name)
        return found

    def _kind(self, entry: "os.DirEntry[str]") -> list[Path]:
        if entry.name.startswith(IGNORED):
            return self.ignored
        if entry.is_dir(follow_symlinks=False):
            return self.folders
        return self.links if entry.is_symlink() and Path(entry.path).is_dir() else self.files


def list_folder(root: Path) -> Listing:
    """What lies under `root`/<class>/ (or `root`/train/<class>/ where that exists), nothing of it opened.

    Hidden entries and links to folders are left out; a file that a class holds under several names is listed once.

    Raises:
        DataError: A missing or empty folder, no class folders, a split among them, an empty class, or a folder in one.
    """
    root, top = _descend(root)
    classes, folders = class_folders(root, top)
    inside = [Entries.of(folder) for folder in folders]
    files = [once(_images(folder, entries)) for folder, entries in zip(folders, inside, strict=True)]
    return Listing(
        source=str(root),
        classes=tuple(classes),
        pictures=[Picture.at(path) for paths in files for path in paths],
        names=[printable(f"{path.parent.name}/{path.name}") for paths in files for path in paths],
        labels=[label for label, paths in enumerate(files) for _ in paths],
        left_out=_left_out(root, top, inside, files),
    )


def has_class_folders(root: Path) -> bool:
    """Whether a folder is for `list_folder` to read, or to refuse: two sub-folders or more that are no splits.

    What holds flat splits, one sub-folder or none, or is a corpus of ours without classes, is plain images.
    """
    if not root.is_dir() or _is_plain_corpus(root / "corpus.json"):
        return False
    top = Entries.of(root)
    named = named_splits(top)
    inside = {folder: Entries.of(folder).folders for folder in named}
    if root / "train" in named and inside[root / "train"]:
        return len(inside[root / "train"]) > 1
    return any(inside.values()) or (len(top.folders) > 1 and len(named) < len(top.folders))


def _is_plain_corpus(card: Path) -> bool:
    try:
        return parse_json(read_file(card, CARD))["classes"] == []
    except (OSError, ValueError, KeyError, TypeError):
        return False


def class_folders(root: Path, top: Entries) -> tuple[list[str], list[Path]]:
    """(class names, their folders) in label order: sorted by name, or as `corpus.json` says in a corpus of ours.

    Raises:
        DataError: There is no sub-folder, or `corpus.json` does not list the classes and those folders.
    """
    if not top.folders:
        what = f"only {_names(top.links, root)}, and {NOT_FOLLOWED}" if top.links else "no sub-folder"
        raise DataError(
            f"{root}: must have one sub-folder per class, got {what}; put each class's images into a folder of its name"
        )
    require_names(str(root), [folder.name for folder in top.folders])
    card = root / "corpus.json"
    try:
        corpus = parse_json(read_file(card, CARD))
        by_class = dict(zip(corpus["classes"], corpus["directories"], strict=True))
    except FileNotFoundError:
        return [folder.name for folder in top.folders], top.folders
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{card}: must list classes and directories, got {error!r}; run `ganaug check {root}`"
        ) from error
    if sorted(map(str, by_class.values())) != [folder.name for folder in top.folders]:
        raise DataError(f"{card}: directories must be the folders there, got others; run `ganaug check {root}`")
    return list(map(str, by_class)), [root / name for name in by_class.values()]


def _descend(root: Path) -> tuple[Path, Entries]:
    """(`root`/train where it holds class folders, else `root`; what lies there).

    Raises:
        DataError: There is no such folder, or it holds splits, with no class folders in train.
    """
    if not root.is_dir():
        what = "a file" if root.exists() else "nothing there"
        raise DataError(f"{root}: must be a folder with one sub-folder per class, got {what}; check the path")
    top = Entries.of(root)
    named = named_splits(top)
    splits = [folder for folder in named if Entries.of(folder).folders]  # else it may be the class of trains
    if root / "train" in splits:
        return root / "train", Entries.of(root / "train")
    if splits and len(named) == len(top.folders):
        raise DataError(
            f"{root}: must hold class folders, or a train folder of them, got {_names(named, root)}; "
            f"name one of them, as in {splits[0]}"
        )
    if splits:
        raise DataError(
            f"{splits[0]}: a class folder must hold images, got class folders, so that it seems to be a split; "
            f"move it out of {root}, or the classes beside it into {root / 'train'}, and pass {root} again"
        )
    if named and len(named) == len(top.folders):
        raise DataError(
            f"{root}: splits must hold one folder per class, got {_names(named, root)} without any; "
            f"put each class's images into a folder of its name, as in {root / 'train' / 'cat'}, and pass {root} again"
        )
    return root, top


def named_splits(top: Entries) -> list[Path]:
    """The sub-folders that may be splits, by their names."""
    return [folder for folder in top.folders if _is_split(folder.name.casefold())]


def _is_split(name: str) -> bool:
    """Whether a folder may be a split: `test`, or `testA` where a set has two domains."""
    return name in SPLITS or (name[:-1] in SPLITS and name[-1] in "ab")


def _images(folder: Path, entries: Entries) -> list[Path]:
    """The files of one class.

    Raises:
        DataError: There is none, or there is a folder, whose images would be forgotten.
    """
    if entries.folders:
        raise DataError(
            f"{entries.folders[0]}: must be an image file, got a folder; "
            "move its images up into the class, or the folder elsewhere"
        )
    if not entries.files:
        what = f"only {_names(entries.links, folder)}, and {NOT_FOLLOWED}" if entries.links else "none"
        raise DataError(
            f"{folder}: class {folder.name!r} must have an image, got {what}; add images or remove the folder"
        )
    return entries.files


def once(paths: Iterable[Path]) -> list[Path]:
    """The first path to each file: links to one file show one image, not several."""
    first: dict[Hashable, Path] = {}
    for path in paths:
        first.setdefault(_file(path), path)
    return list(first.values())


def _file(path: Path) -> Hashable:
    """What tells a file from others under whatever name; the path itself where the link leads nowhere."""
    try:
        facts = path.stat()
    except OSError:
        return path
    return (facts.st_dev, facts.st_ino) if facts.st_ino else path


def _left_out(root: Path, top: Entries, inside: list[Entries], files: list[list[Path]]) -> tuple[str, ...]:
    every = [top, *inside]
    again = [sorted(set(entries.files) - set(read)) for entries, read in zip(inside, files, strict=True)]
    kinds = {
        HIDDEN: [entries.ignored for entries in every],
        NOT_FOLLOWED: [entries.links for entries in every],
        "read once, as the class holds them under another name too": again,
        "beside the class folders and not read": [[file for file in top.files if file.suffix.lower() in SUFFIXES]],
    }
    return tuple(left_out(root, kinds))


def left_out(root: Path, kinds: dict[str, list[list[Path]]]) -> Iterator[str]:
    """A sentence for each kind of entry that is not read, of which there is one."""
    for what, paths in kinds.items():
        if any(paths):
            yield f"{what}: {_names(chain(*paths), root)}"


def _names(paths: Iterable[Path], root: Path) -> str:
    names = [printable(path.relative_to(root).as_posix()) for path in paths]
    return ", ".join(first_few(names, len(names)))
