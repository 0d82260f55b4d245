"""The pre-scan: every picture is decoded once before anything is learned, and remembered until its file changes."""

import hashlib
import json
import logging
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL
from joblib import Parallel, delayed
from pydantic import TypeAdapter

from ganaug.errors import GanaugError
from ganaug.files import cache_folder, read_file, replace_file
from ganaug.images import Header, Picture, PictureError, convert, from_pil, pixel_sha256, printable, reading, upright

if TYPE_CHECKING:
    from ganaug.data.listing import Listing

log = logging.getLogger("ganaug")
LIMIT = 2**30  # bytes of what is remembered of one set: some millions of images
FORM = f"scan 1, Pillow {PIL.__version__}"  # another decoder may see another thing in the same file


@dataclass(frozen=True)
class Facts:
    """What a look at a picture gave.

    Attributes:
        header: What it says of itself.
        sha256: Of its upright pixels in `header.channels`, as `LabeledImages.hashes` counts; empty with a problem.
        low: The smallest value of any channel as stored: to 65,535 for 16 bits, to 1 for floats, else to 255.
        high: The largest.
        plain: Whether it is of one colour.
        problem: Why it cannot be used, the sentence that follows its name; None where it can.
    """

    header: Header = field(default_factory=Header)
    sha256: str = ""
    low: float = 0
    high: float = 0
    plain: bool = False
    problem: str | None = None


@dataclass(frozen=True)
class _Seen:
    """The facts of a file, and the file that they are of."""

    size: int  # bytes
    mtime_ns: int
    facts: Facts


_SEEN = TypeAdapter(dict[str, _Seen])


def scan(listing: "Listing") -> list[Facts]:
    """Look at every picture of a listing, whole: decoded once, one at a time a thread, and not kept.

    Files are remembered in the cache folder by path, size and time of change. Those that have a problem are looked at
    again each time, for it may lie in the disk or in a permission.

    Returns:
        One of each picture, in their order. Nothing is raised for a picture that cannot be used.
    """
    file = _cache_file(listing.source)
    known = _recall(file)

    def one(i: int) -> tuple[str, _Seen]:
        picture = listing.pictures[i]
        path, size, mtime_ns = _identity(picture)
        seen = known.get(path)
        if seen is None or (seen.size, seen.mtime_ns) != (size, mtime_ns):
            seen = _Seen(size, mtime_ns, look(picture))
        return path, seen

    looked = each(one, len(listing.pictures))
    fresh = {path: seen for path, seen in looked if path and not seen.facts.problem}
    if fresh != known:
        _remember(file, fresh)
    return [seen.facts for _, seen in looked]


def look(picture: Picture) -> Facts:
    """Decode one picture to the end and tell what was seen."""
    header = Header()
    try:
        with reading(picture) as image:
            header = Header.of(image)
            image = upright(image)
            pixels = from_pil(convert(image, header.channels))
            stored = np.asarray(image) if header.deep else pixels
            low, high = float(stored.min()), float(stored.max())
    except PictureError as error:
        return Facts(header, problem=error.problem)
    return Facts(header, pixel_sha256(pixels), low, high, plain=bool((pixels == pixels[:, :1, :1]).all()))


def each(work: Callable[[int], Any], count: int) -> list[Any]:
    """work(0) to work(count - 1), in threads; Pillow's remarks on what it skips are not shown."""
    batch: Any = min(32, 1 + count // 64)  # of small images, to hand out one at a time takes longer than the work
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(Parallel(n_jobs=-1, require="sharedmem", batch_size=batch)(delayed(work)(i) for i in range(count)))


def _identity(picture: Picture) -> tuple[str, int, int]:
    """(path, bytes, time of change); the path is empty where there is no file to remember."""
    if not isinstance(picture.content, Path):
        return "", 0, 0
    try:
        facts = picture.content.stat()
    except OSError:
        return "", 0, 0
    return printable(os.path.abspath(picture.content)), facts.st_size, facts.st_mtime_ns


def _cache_file(source: str) -> Path | None:
    """Where a source is remembered; None where nothing can be."""
    try:
        return cache_folder() / "scans" / f"{hashlib.sha256(os.path.abspath(source).encode()).hexdigest()[:16]}.json"
    except GanaugError:
        return None


def _recall(file: Path | None) -> dict[str, _Seen]:
    """What was remembered whole; nothing where it was not, or in another form."""
    try:
        head, _, body = read_file(file, LIMIT).partition(b"\n") if file else (b"", b"", b"")
        return _SEEN.validate_json(body) if head == _head(body) else {}
    except (OSError, ValueError):
        return {}


def _remember(file: Path | None, seen: dict[str, _Seen]) -> None:
    """Best effort: without it the next look takes as long as this one."""
    if file is None or not (seen or file.exists()):
        return
    body = _SEEN.dump_json(seen, exclude_defaults=True)
    try:
        replace_file(file, _head(body) + b"\n" + body)
    except (OSError, GanaugError) as error:
        log.debug("%s: what was seen is not remembered: %s", file, error)


def _head(body: bytes) -> bytes:
    return json.dumps({"form": FORM, "sha256": hashlib.sha256(body).hexdigest()}).encode()
