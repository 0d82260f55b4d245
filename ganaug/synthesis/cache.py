"""Where rendered images are kept, and how a file gets there whole or not at all."""

import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ganaug.errors import DISK_FULL, DiskFullError, GanaugError


def cache_folder() -> Path:
    """$GANAUG_CACHE, or `ganaug` in the platform's cache folder."""
    if chosen := os.environ.get("GANAUG_CACHE"):
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "ganaug"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "ganaug"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ganaug"


@contextmanager
def naming_full_disk(path: Path) -> Iterator[None]:
    """Turn the system's word for a full disk into a DiskFullError that names `path`."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise DiskFullError(
            f"{path}: the disk must have room for the images, got {error.strerror!r}; nothing is left there, "
            "make room and run the same again"
        ) from error


def make_folder(folder: Path) -> None:
    """Make `folder` and its parents.

    Raises:
        GanaugError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GanaugError(
            f"{folder}: must be a folder that can be written, got {error.strerror!r}; set GANAUG_CACHE to one"
        ) from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name that becomes `path` when all went well, and vanishes otherwise."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
