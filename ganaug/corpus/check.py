"""`check_corpus`: does a corpus still hold what its manifest says?"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from joblib import Parallel, delayed
from pydantic import BaseModel, Field, ValidationError

from ganaug.corpus.card import sealed_json
from ganaug.corpus.layout import directory_names, file_names
from ganaug.corpus.manifest import Line, pixel_sha256
from ganaug.errors import DataError
from ganaug.images import Picture, read_image

BESIDE = ("README.md", "corpus.json", "manifest.jsonl")


class Facts(BaseModel):
    """The part of corpus.json that the check relies on."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    model: str
    shape: tuple[Literal[1, 3, 4], int, int]
    classes: Annotated[list[str], Field(min_length=1)]
    directories: list[str]
    class_to_idx: dict[str, int]
    seed: int
    counts: Annotated[list[Annotated[int, Field(ge=0, le=10**7)]], Field(min_length=1)]
    manifest_sha256: str
    card_sha256: str


def check_corpus(folder: str | Path) -> list[str]:
    """Name every deviation of a corpus from its own corpus.json and manifest.jsonl.

    Found are missing, surplus (hidden ones too) and undecodable files, changed pixels (and whose pixels they are now),
    other bytes with equal pixels, renamed classes and directories, edited lines, wrong counts, a model hash that
    differs between the two files, and any edit of corpus.json or README.md. Sums are no signature: who edits a file
    and all sums above it is not found.

    Returns:
        One sentence per deviation, in a fixed order; empty for a whole corpus.

    Example:
        >>> check_corpus("corpus")        # doctest: +SKIP
        []
    """
    root = Path(folder)
    try:
        content = (root / "corpus.json").read_bytes()
        facts = Facts.model_validate_json(content)
    except OSError as error:
        return [f"corpus.json: must be there, got {error.strerror}; is {root} a corpus of ganaug's?"]
    except ValidationError as error:
        return [f"corpus.json: the file must be as it was written, got {_first_fault(error)}"]
    altered = [] if sealed_json(_parse(content)) == content else ["corpus.json: altered"]
    names = _name_deviations(facts)
    if names:
        return [*altered, *names]
    expected = _expected(facts)
    lines, manifest = _read_manifest(root, facts, expected)
    return [
        *altered,
        *_card_deviations(root, facts),
        *manifest,
        *_file_deviations(root, facts, expected),
        *_image_deviations(root, facts, lines),
    ]


def _first_fault(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": ")


def _name_deviations(facts: Facts) -> list[str]:
    """corpus.json against itself; where it contradicts itself, nothing else can be judged."""
    k = len(facts.classes)
    wanted: dict[str, Any] = {
        "directories": directory_names(facts.classes),
        "class_to_idx": {name: label for label, name in enumerate(facts.classes)},
    }
    found = [
        f"corpus.json: {key} must be {value} for its classes, got {getattr(facts, key)}"
        for key, value in wanted.items()
        if getattr(facts, key) != value
    ]
    if len(facts.counts) != k:
        found.append(f"corpus.json: counts must be {k} numbers, got {len(facts.counts)}")
    return found


def _card_deviations(root: Path, facts: Facts) -> list[str]:
    try:
        card = (root / "README.md").read_bytes()
    except OSError as error:
        return [f"README.md: must be there, got {error.strerror}"]
    return [] if hashlib.sha256(card).hexdigest() == facts.card_sha256 else ["README.md: altered"]


def _expected(facts: Facts) -> dict[str, Line]:
    """The manifest as corpus.json implies it, but for the sums: file -> line."""
    known = facts.model_dump()
    return {
        file: Line.of(known, label, index, file) for label, index, file in file_names(facts.counts, facts.directories)
    }


def _read_manifest(root: Path, facts: Facts, expected: dict[str, Line]) -> tuple[dict[str, Line], list[str]]:
    """(file -> the line as it should be, with the sums that the manifest tells; deviations)."""
    try:
        content = (root / "manifest.jsonl").read_bytes()
    except OSError as error:
        return {}, [f"manifest.jsonl: must be there, got {error.strerror}"]
    lines: dict[str, Line] = {}
    found: list[str] = []
    different: dict[tuple[str, Any, Any], list[int]] = defaultdict(list)  # (field, expected, got) -> line numbers
    for number, text in enumerate(content.splitlines(), start=1):
        row = _parse(text)
        line = expected.get(str(row.get("file")))
        if line is None or line.file in lines:
            what = "a second line of" if line else "no line of this corpus:"
            found.append(
                f"manifest.jsonl line {number}: must name an image of this corpus, got {what} {row.get('file')!r}"
            )
            continue
        lines[line.file] = replace(line, sha256=str(row.get("sha256")), pixel_sha256=str(row.get("pixel_sha256")))
        for key, value in asdict(lines[line.file]).items():
            if row.get(key) != value:
                different[key, value, repr(row.get(key))].append(number)
    found += [_difference(*what, numbers) for what, numbers in different.items()]
    found += [f"manifest.jsonl: must have a line for {file}, got none" for file in expected if file not in lines]
    if not found and hashlib.sha256(content).hexdigest() != facts.manifest_sha256:
        found.append("manifest.jsonl: must have the sha256 that corpus.json names, got another: it was edited")
    return lines, found


def _parse(text: bytes) -> dict[str, Any]:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return row if isinstance(row, dict) else {}


def _difference(key: str, value: Any, got: str, numbers: list[int]) -> str:
    where = f"line {numbers[0]}" if len(numbers) == 1 else f"lines {numbers[0]} to {numbers[-1]} ({len(numbers)} lines)"
    return f"manifest.jsonl {where}: {key} must be {value!r} as corpus.json implies, got {got}"


def _file_deviations(root: Path, facts: Facts, expected: dict[str, Line]) -> Iterator[str]:
    """Missing and surplus files and directories, and the classes whose number of images is off."""
    there = dict(_walk(root, set(facts.directories)))
    gone = {directory for directory in facts.directories if directory not in there}
    yield from (
        f"{directory}/: must be there, got no such folder" for directory in facts.directories if directory in gone
    )
    for file in expected:
        if there.get(file) != "file" and file.split("/")[0] not in gone:
            yield f"{file}: must be there, got no such file"
    known = {*BESIDE, *expected, *facts.directories}
    surplus = [
        f"{file}: must not be there, got a {kind} without a line" for file, kind in there.items() if file not in known
    ]
    yield from surplus
    per_directory = Counter(file.split("/")[0] for file in there if "/" in file)
    for name, directory, n in zip(facts.classes, facts.directories, facts.counts, strict=True):
        if per_directory[directory] != n:
            yield f"class {name!r}: must have {n} images, got {per_directory[directory]} files in {directory}/"


def _walk(root: Path, directories: set[str]) -> Iterator[tuple[str, str]]:
    """(path relative to `root`, "file" or "folder") of what lies in it and in those of its directories."""
    for entry in sorted(root.iterdir()):
        yield entry.name, _kind(entry)
        if entry.name in directories and entry.is_dir():
            yield from ((f"{entry.name}/{inner.name}", _kind(inner)) for inner in sorted(entry.iterdir()))


def _kind(path: Path) -> str:
    return "folder" if path.is_dir() else "file"


def _image_deviations(root: Path, facts: Facts, lines: dict[str, Line]) -> Iterator[str]:
    present = [line for line in lines.values() if (root / line.file).is_file()]
    sums: Any = Parallel(n_jobs=-1, prefer="threads")(
        delayed(_sums)(root / line.file, facts.shape[0]) for line in present
    )
    owners = {line.pixel_sha256: line.file for line in lines.values()}
    for line, (sum_, pixels, problem) in zip(present, sums, strict=True):
        if problem:
            yield f"{line.file}: must decode, got {problem}"
        elif pixels != line.pixel_sha256:
            owner = owners.get(pixels)
            fact = f"those of {owner}" if owner else "others"
            yield f"{line.file}: must show the pixels that its manifest line names, got {fact}"
        elif sum_ != line.sha256:
            yield f"{line.file}: bytes differ from the manifest (pixels equal)"


def _sums(path: Path, channels: int) -> tuple[str, str, str]:
    """(sha256 of the bytes, sha256 of the pixels, ""), or ("", "", why they cannot be had)."""
    try:
        pixels = pixel_sha256(read_image(Picture.at(path), channels))
        return hashlib.sha256(path.read_bytes()).hexdigest(), pixels, ""
    except DataError as error:
        return "", "", str(error).partition(": ")[2]
