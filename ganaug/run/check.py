"""`check_run`: is a run folder, or a generator folder, still as it was written?"""

import json
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from ganaug.checkpoint import MANIFEST, read_listed, read_manifest
from ganaug.errors import DataError, ModelError
from ganaug.files import read_file
from ganaug.images import Picture, read_image
from ganaug.run.folder import DIAGNOSIS, FACTS, parse_facts, sum_of
from ganaug.run.record import LOG

COLOURS = 3  # in which a sample grid is decoded


def check_run(folder: str | Path) -> list[str]:
    """Name every deviation of a run folder from its run.json and its manifests, or of a generator folder from its own.

    Of a complete run every byte is compared. Of an unfinished one run.json, recipe.toml and the checkpoints are; of
    what is still written to it is only asked whether it can be read. Sums are no signature: who edits a file and all
    sums above it is not found.

    Returns:
        One sentence per deviation, in a fixed order, each beginning with the file; empty for a whole folder.

    Example:
        >>> check_run("runs/a")        # doctest: +SKIP
        []
    """
    root = Path(folder)
    if not (root / FACTS).is_file() and any((root / f"{kind}.json").is_file() for kind in ("generator", "translator")):
        return list(_sealed(root, "", _files(root)))
    try:
        facts = parse_facts(read_file(root / FACTS))
    except OSError as error:
        return [f"{FACTS}: must be there, got {error.strerror!r}; is {root} a run of ganaug's?"]
    if facts is None:
        return [f"{FACTS}: must be as it was written, got an altered one"]
    sums = facts.get("files")
    if not isinstance(sums, dict):
        return [f"{FACTS}: must hold the sums of the other files, got none; an older ganaug wrote it"]
    return list(_deviations(root, sums, facts.get("status") == "complete"))


def _deviations(root: Path, sums: dict[str, Any], complete: bool) -> Iterator[str]:
    there = _files(root)
    odd = {name: _odd(root, name, there, expected) for name, expected in sums.items()}
    yield from filter(None, odd.values())
    for folder in sorted({_sealed_folder(name) for name in there} - {""}):
        manifest = f"{folder}/{MANIFEST}"
        if complete and manifest not in sums:
            yield f"{folder}: must not be there, got a folder that no sum names"
        elif not odd.get(manifest):
            yield from _sealed(root, folder, there)
    for name in there:
        if not _sealed_folder(name) and name not in (FACTS, *sums):
            yield from [f"{name}: must not be there, got a file that no sum names"] if complete else _open(root, name)


def _odd(root: Path, name: str, there: list[str], expected: str) -> str:
    if name not in there:
        return f"{name}: must be there, got no such file"
    return "" if sum_of(root / name) == expected else f"{name}: must be as it was written, got an altered one"


def _files(root: Path) -> list[str]:
    """Every file below `root`, by its path from there; links to folders are not followed."""
    found = (Path(folder, name) for folder, _, names in os.walk(root) for name in names)
    return sorted(path.relative_to(root).as_posix() for path in found)


def _sealed_folder(name: str) -> str:
    """The checkpoint, or the generator, that a file lies in; "" for others."""
    first, *rest = name.split("/")
    if first in ("generator", "translator") and rest:
        return first
    if first == "checkpoints" and len(rest) > 1 and rest[0].removeprefix("step-").isdecimal():
        return f"{first}/{rest[0]}"
    return ""


def _sealed(root: Path, folder: str, there: list[str]) -> Iterator[str]:
    """A checkpoint or a generator against its manifest."""
    place, step = root / folder, folder.removeprefix("checkpoints/step-")
    try:
        listed = read_manifest(place, {"step": int(step)} if step.isdecimal() else {})
    except ModelError as error:
        yield _from_root(root, error)
        return
    for name, entry in listed.items():
        try:
            read_listed(place, name, entry)
        except ModelError as error:
            yield _from_root(root, error)
    prefix = f"{folder}/" if folder else ""
    known = {f"{prefix}{name}" for name in (*listed, MANIFEST)}
    for name in there:
        if name.startswith(prefix) and name not in known:
            yield f"{name}: must not be there, got a file that the manifest does not list"


def _from_root(root: Path, error: ModelError) -> str:
    return str(error).partition(";")[0].replace(f"{root}{os.sep}", "", 1).replace(" must", ": must", 1)


def _open(root: Path, name: str) -> Iterator[str]:
    """A file of an unfinished run: whether it can be read. What a kill left under a hidden name harms nobody."""
    path = root / name
    if any(part.startswith(".") for part in PurePosixPath(name).parts):
        return
    try:
        if name == LOG:
            yield from _broken_lines(read_file(path))
        elif name == DIAGNOSIS:
            json.loads(read_file(path))
        elif name.startswith("samples/") and path.suffix == ".png":
            read_image(Picture.at(path), COLOURS)
        else:
            yield f"{name}: must not be there, got a file that is none of a run's"
    except (OSError, ValueError, DataError) as error:
        yield f"{name}: must be readable, got {str(error).partition(';')[0]}"


def _broken_lines(content: bytes) -> Iterator[str]:
    """Lines that are no JSON, but for a last one that a kill cut."""
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        try:
            json.loads(line)
        except ValueError:
            yield f"{LOG} line {number}: must be readable, got no JSON"
