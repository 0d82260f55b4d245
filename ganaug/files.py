"""Files and folders that appear whole or not at all, one writer at a time, reads that cannot hang, sealed facts."""

import errno
import glob
import hashlib
import json
import os
import platform
import shutil
import stat
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import psutil

from ganaug.errors import DISK_FULL, DiskFullError, GanaugError, OutputError

LIMIT = 2**26  # bytes of a file that nothing was said of
LOCKLESS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # of file systems that have no locks
TAKEN = (errno.ENOTEMPTY, errno.EEXIST)  # somebody else's folder came first


def cache_folder() -> Path:
    """$GANAUG_CACHE, or `ganaug` in the platform's cache folder; made where it is missing.

    Raises:
        GanaugError: It cannot be made.
    """
    folder = Path(os.environ.get("GANAUG_CACHE") or _platform_cache() / "ganaug").resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GanaugError(
            f"{folder}: must be a folder that can be written, got {error.strerror!r}; set GANAUG_CACHE to one"
        ) from error
    return folder


def _platform_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def require_new(out: Path) -> None:
    """Refuse an output that is taken: for callers with much to compute before they write.

    Raises:
        OutputError: `out` is a file, or a folder that holds something.
    """
    if is_taken(out):
        what = "a folder with content" if out.is_dir() else "a file"
        raise OutputError(f"{out}: must be a new or empty folder, got {what}; choose another")


def is_taken(out: Path) -> bool:
    """Whether something lies there: anything but an empty folder."""
    return any(out.iterdir()) if out.is_dir() else out.exists() or out.is_symlink()


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A temporary sibling that takes the name `out` when all went well, and vanishes otherwise.

    A kill leaves it behind under a hidden name, which the next `new_folder` of the same name removes.

    Raises:
        OutputError: `out` holds something, or somebody else filled it in the meantime.
        DiskFullError: There is no room; nothing stays.
        GanaugError: Nothing can be written there.
    """
    require_new(out)
    target = out.resolve()
    with naming_full_disk(out):
        temporary = _sibling(target)
        make_folder(temporary, out)
        try:
            yield temporary
            sync(temporary)
            _rename(temporary, target, out)
            sync(target.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name for a file that replaces `path` when all went well, and vanishes otherwise.

    Raises:
        DiskFullError: There is no room; what `path` held stays.
        GanaugError: The folder cannot be made.
    """
    with naming_full_disk(path):
        make_folder(path.parent)
        temporary = _sibling(path)
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def replace_file(path: Path, content: bytes) -> None:
    """Write a whole file, synced, or nothing.

    Raises:
        DiskFullError: There is no room; what `path` held stays.
    """
    with replacing(path) as temporary:
        write_synced(temporary, content)


def write_synced(path: Path, content: bytes) -> None:
    """Write a file that a power cut cannot take back."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync(folder: Path) -> None:
    """Make the names in a folder as durable as its files."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_file(path: Path, limit: int = LIMIT) -> bytes:
    """The bytes of a regular file.

    Args:
        path: The file, or a link to one.
        limit: The most bytes it may have; 64 MiB where nothing tells how many to expect.

    Raises:
        OSError: It is not there, not a regular file, or larger than `limit`; `strerror` says which.
    """
    with open_file(path, limit) as file:
        return file.read()


@contextmanager
def open_file(path: Path, limit: int | None = None) -> Iterator[BinaryIO]:
    """A regular file, open for reading; a pipe or a device, which might never end, is refused without a wait.

    Raises:
        OSError: As in `read_file`.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except ValueError as error:  # a character that no name can have
        raise OSError(errno.EINVAL, str(error), str(path)) from error
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        if limit is not None and facts.st_size > limit:
            raise OSError(errno.EINVAL, f"{facts.st_size:,} bytes, more than {limit:,}", str(path))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


def parse_json(content: bytes) -> Any:
    """Somebody else's JSON, read strictly: no name twice in an object, no NaN or infinity, no nesting without end.

    Raises:
        ValueError: It is no such JSON.

    Example:
        >>> parse_json(b'{"ant": 1, "ant": 2}')
        Traceback (most recent call last):
        ValueError: 'ant' twice
    """
    try:
        return json.loads(content, object_pairs_hook=_distinct, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("too deep a nesting") from error


def sealed_json(facts: dict[str, Any]) -> bytes:
    """JSON of these facts, with the sha256 of their canonical JSON (keys sorted, `sha256` left out) as the last.

    Example:
        >>> is_sealed(sealed_json({"classes": ["ant", "bee"], "scores": {10: 0.5}}))
        True
    """
    facts = {key: value for key, value in json.loads(json.dumps(facts)).items() if key != "sha256"}
    facts["sha256"] = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return (json.dumps(facts, indent=1) + "\n").encode()


def is_sealed(content: bytes) -> bool:
    """Whether JSON is byte for byte what `sealed_json` writes of the facts in it."""
    try:
        facts = json.loads(content)
        return isinstance(facts, dict) and sealed_json(facts) == content
    except (ValueError, RecursionError):
        return False


def remove_leftovers(folder: Path, name: str | None = None) -> None:
    """Remove what writers of this machine that are dead by now left half-written in `folder`, of one file or of all."""
    named = "*" if name is None else glob.escape(name)
    for left in folder.glob(f".{named}.{glob.escape(_here())}-*.tmp"):
        pid = left.name.rpartition(f".{_here()}-")[2].partition("-")[0]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)


def require_room(folder: Path, size: int) -> None:
    """Refuse to begin what the disk cannot hold.

    Raises:
        DiskFullError: Fewer than `size` bytes are free below `folder`.
    """
    free = shutil.disk_usage(folder).free
    if free < size:
        raise DiskFullError(f"{folder} must have room for {size:,} bytes, got {free:,}; free some and go on")


@contextmanager
def sole_writer(file: Path, what: Path) -> Iterator[None]:
    """Hold `file` so that no second process writes `what`; the system lets go of it when the process dies.

    Raises:
        OutputError: Another process holds it.
    """
    with file.open("r+b") as held:
        if not lock(held):
            raise OutputError(
                f"{what}: must have one writer, got a second one while another process is at work; "
                "wait for it, stop it, or choose another folder"
            )
        yield


def lock(file: BinaryIO, *, shared: bool = False, wait: bool = False) -> bool:
    """Lock an open file for as long as it, a copy of its descriptor or a map of it is open; False where others hold it.

    A system without such locks says yes.
    """
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in LOCKLESS:
            raise
    return True


@contextmanager
def naming_full_disk(path: Path) -> Iterator[None]:
    """Turn the system's word for a full disk into a DiskFullError that names `path`."""
    try:
        yield
    except OSError as error:
        if isinstance(error, GanaugError) or error.errno not in DISK_FULL:
            raise
        raise DiskFullError(
            f"{path}: the disk must have room, got {error.strerror!r}; nothing half-written is left there, "
            "free some and run the same again"
        ) from error


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for name, value in pairs:
        if name in table:
            raise ValueError(f"{name[:40]!r} twice")
        table[name] = value
    return table


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant}, which is no number")


def make_folder(folder: Path, named: Path | None = None) -> None:
    """Make a folder where it is missing; errors speak of `named`, or of itself.

    Raises:
        GanaugError: It cannot be made.
    """
    named = named or folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in DISK_FULL:
            raise
        raise GanaugError(
            f"{named}: must lie where files can be written, got {error.strerror!r}; choose another place"
        ) from error


def _rename(temporary: Path, target: Path, named: Path) -> None:
    """Where `target` is an empty folder it is replaced."""
    try:
        temporary.rename(target)
    except OSError as error:
        if error.errno not in TAKEN:
            raise
        raise OutputError(
            f"{named}: must stay empty while it is written, got content by another process; choose another"
        ) from error


def _sibling(target: Path) -> Path:
    """A hidden name beside `target` that tells its writer; what dead writers left under such a name is removed."""
    remove_leftovers(target.parent, target.name)
    return target.with_name(f".{target.name}.{_here()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp")


def _here() -> str:
    return platform.node() or "host"
