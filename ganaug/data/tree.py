"""A folder of images without labels, in whatever folders they lie."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from ganaug.data.folder import HIDDEN, NOT_FOLLOWED, Entries, left_out, named_splits, once
from ganaug.data.listing import Listing
from ganaug.errors import DataError
from ganaug.images import SUFFIXES, Picture, printable


def list_tree(root: Path) -> Listing:
    """Every image file below `root` (or below `root`/train where that is a split), without labels, nothing opened.

    Hidden entries, links to folders and files without the suffix of an image are left out; a file with several names is
    listed once.

    Raises:
        DataError: There is no such folder, no image in it, or splits of which none is called train.
    """
    if not root.is_dir():
        what = "a file" if root.exists() else "nothing there"
        raise DataError(f"{root}: must be a folder of images, got {what}; check the path")
    root = _train_of(root)
    inside = list(_below(root))
    files = [[file for file in entries.files if file.suffix.lower() in SUFFIXES] for entries in inside]
    paths = once(chain(*files))
    if not paths:
        raise DataError(f"{root}: must hold images ({', '.join(sorted(SUFFIXES))}), got none; check the path")
    others = [sorted(set(entries.files) - set(images)) for entries, images in zip(inside, files, strict=True)]
    kinds = {
        HIDDEN: [entries.ignored for entries in inside],
        NOT_FOLLOWED: [entries.links for entries in inside],
        "read once, as they lie there under another name too": [sorted(set(chain(*files)) - set(paths))],
        "without the suffix of an image and not read": others,
    }
    return Listing(
        source=str(root),
        classes=(),
        pictures=[Picture.at(path) for path in paths],
        names=[printable(path.relative_to(root).as_posix()) for path in paths],
        labels=[0] * len(paths),
        left_out=tuple(left_out(root, kinds)),
    )


def _train_of(root: Path) -> Path:
    """`root`/train where `root` holds splits, else `root`: what else a split may hold is not to be learned from.

    Raises:
        DataError: It holds splits, but no train.
    """
    top = Entries.of(root)
    named = named_splits(top)
    if not named or (len(named) < len(top.folders) and not any(Entries.of(folder).folders for folder in named)):
        return root  # or there is a class of trains among others
    if root / "train" not in named:
        raise DataError(
            f"{root}: must hold images to learn from, got {named[0].name}, which seems to be another split; "
            f"name the folder that is meant, as in {named[0]}"
        )
    return root / "train"


def _below(folder: Path) -> Iterator[Entries]:
    """The entries of a folder, then of every folder below it."""
    left = [folder]
    while left:
        entries = Entries.of(left.pop())
        yield entries
        left += reversed(entries.folders)
