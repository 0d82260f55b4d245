"""`check_corpus`: does a corpus still hold what its manifest says?"""

import hashlib
import reprlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed
from pydantic import ValidationError

from ganaug.corpus.facts import Generated, Translated, read_facts
from ganaug.corpus.layout import directory_names
from ganaug.corpus.manifest import Line
from ganaug.files import is_sealed, parse_json, read_file
from ganaug.images import (
    MAX_PIXELS,
    Picture,
    PictureError,
    convert,
    from_pil,
    pixel_sha256,
    printable,
    reading,
    upright,
)

BESIDE = ("README.md", "corpus.json", "manifest.jsonl")
LEFT_BEHIND = (".DS_Store", "Thumbs.db", "desktop.ini")  # by operating systems, in any folder that was looked at
DOUBLE = "._"  # how macOS begins the name of what it knows about a file
FEW = 32  # images that are looked at before threads are up
SLACK = 2**20  # bytes, or images, of damage that is named in detail: beyond it a file is not what it says
Facts = Generated | Translated
Shape = tuple[int, int | None, int | None]  # channels, height and width; None where they differ from image to image


def check_corpus(folder: str | Path) -> list[str]:
    """Name every deviation of a corpus from its own corpus.json and manifest.jsonl.

    Found are missing, surplus (hidden ones too) and undecodable files, changed pixels (and whose pixels they are now),
    other bytes with equal pixels, renamed classes and directories, edited lines, wrong counts, a model hash that
    differs between the two files, and any edit of corpus.json or README.md. What operating systems leave in a folder
    (.DS_Store, Thumbs.db) is passed over. Sums are no signature: who edits a file and all sums above it is not found.

    Returns:
        One sentence per deviation, in a fixed order; empty for a whole corpus.

    Example:
        >>> check_corpus("corpus")        # doctest: +SKIP
        []
    """
    root = Path(folder)
    try:
        content = read_file(root / "corpus.json")
        facts = read_facts(content)
    except OSError as error:
        return [f"corpus.json: must be there, got {error.strerror}; is {root} a corpus of ganaug's?"]
    except ValueError as error:  # pydantic's is one, too
        return [f"corpus.json: the file must be as it was written, got {_fault(error)}"]
    altered = [] if is_sealed(content) else ["corpus.json: altered"]
    there = dict(_walk(root, set(facts.directories) if facts.classes else None))
    contradictions = _name_deviations(facts) or _number_deviations(facts, there)
    if contradictions:
        return [*altered, *contradictions]
    lines, manifest = _read_manifest(root, facts)
    return [
        *altered,
        *_card_deviations(root, facts),
        *manifest,
        *_file_deviations(there, facts, lines),
        *_image_deviations(root, there, facts, lines),
    ]


def _fault(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    where = printable(".".join(map(str, first["loc"]))[:80])
    return f"{where}: {first['msg']}".removeprefix(": ")


def _name_deviations(facts: Facts) -> list[str]:
    """corpus.json against itself; where it contradicts itself, nothing else can be judged."""
    k = len(facts.classes) or 1
    wanted: dict[str, Any] = {
        "directories": directory_names(facts.classes),
        "class_to_idx": {name: label for label, name in enumerate(facts.classes)},
    }
    found = [
        f"corpus.json: {key} must be {reprlib.repr(value)} for its classes, got {reprlib.repr(getattr(facts, key))}"
        for key, value in wanted.items()
        if getattr(facts, key) != value
    ]
    if len(facts.counts) != k:
        found.append(f"corpus.json: counts must be {k} numbers, got {len(facts.counts)}")
    return found


def _number_deviations(facts: Facts, there: dict[str, str]) -> list[str]:
    """Millions of images that are not there need not be named one by one."""
    total = sum(facts.counts)
    if total <= len(there) + SLACK:
        return []
    return [f"corpus.json: counts must be those of the images there, got {total:,} for {len(there):,} files"]


def _card_deviations(root: Path, facts: Facts) -> list[str]:
    try:
        card = read_file(root / "README.md")
    except OSError as error:
        return [f"README.md: must be there, got {error.strerror}"]
    return [] if hashlib.sha256(card).hexdigest() == facts.card_sha256 else ["README.md: altered"]


def _read_manifest(root: Path, facts: Facts) -> tuple[dict[str, Line], list[str]]:
    """(file -> the line as it should be, with the sums that the manifest tells; deviations)."""
    try:
        content = read_file(root / "manifest.jsonl", facts.manifest_bytes + SLACK)
    except OSError as error:
        return {}, [f"manifest.jsonl: must be there, got {error.strerror}"]
    lines: dict[str, Line] = {}
    found: list[str] = []
    different: dict[tuple[str, Any, Any], list[int]] = defaultdict(list)  # (field, expected, got) -> line numbers
    for number, text in enumerate(content.splitlines(), start=1):
        row = _parse(text)
        line = facts.line(number, row)
        if line is None or line.file in lines:
            what = "a second line of" if line else "no line of this corpus:"
            found.append(
                f"manifest.jsonl line {number}: must name an image of this corpus, got {what} {row.get('file')!r:.120}"
            )
            continue
        lines[line.file] = replace(line, sha256=str(row.get("sha256")), pixel_sha256=str(row.get("pixel_sha256")))
        for key, value in asdict(lines[line.file]).items():
            if row.get(key) != value:
                different[key, value, reprlib.repr(row.get(key))].append(number)
    found += [_difference(*what, numbers) for what, numbers in different.items()]
    found += facts.missing(lines)
    if not found and hashlib.sha256(content).hexdigest() != facts.manifest_sha256:
        found.append("manifest.jsonl: must have the sha256 that corpus.json names, got another: it was edited")
    return lines, found


def _parse(text: bytes) -> dict[str, Any]:
    """The words and numbers of one line."""
    try:
        row = parse_json(text)
    except ValueError:
        return {}
    return {key: value for key, value in row.items() if isinstance(value, str | int)} if isinstance(row, dict) else {}


def _difference(key: str, value: Any, got: str, numbers: list[int]) -> str:
    where = f"line {numbers[0]}" if len(numbers) == 1 else f"lines {numbers[0]} to {numbers[-1]} ({len(numbers)} lines)"
    return f"manifest.jsonl {where}: {key} must be {value!r} as corpus.json implies, got {got}"


def _file_deviations(there: dict[str, str], facts: Facts, lines: dict[str, Line]) -> Iterator[str]:
    """Missing and surplus files and directories, and the classes whose number of images is off."""
    files, folders = facts.files(lines), facts.folders(lines)
    gone = {folder for folder in folders if folder not in there}
    yield from (f"{folder}/: must be there, got no such folder" for folder in folders if folder in gone)
    for file in files:
        if there.get(file) != "file" and file.split("/")[0] not in gone:
            yield f"{file}: must be there, got no such file"
    known = {*BESIDE, *files, *folders}
    surplus = [
        f"{file}: must not be there, got a {kind} without a line" for file, kind in there.items() if file not in known
    ]
    yield from surplus
    if not facts.classes:
        return
    per_directory = Counter(file.split("/")[0] for file in there if "/" in file)
    for name, directory, n in zip(facts.classes, facts.directories, facts.counts, strict=True):
        if per_directory[directory] != n:
            yield f"class {name!r}: must have {n} images, got {per_directory[directory]} files in {directory}/"


def _walk(root: Path, directories: Collection[str] | None, below: str = "") -> Iterator[tuple[str, str]]:
    """(path relative to `root`, "file" or "folder") of what lies in it and in those of its directories; None: all."""
    for entry in _entries(root / below):
        name = below + entry.name
        yield name, _kind(entry)
        if entry.is_dir() and (name in directories if directories is not None else not entry.is_symlink()):
            yield from _walk(root, directories, f"{name}/")


def _entries(folder: Path) -> list[Path]:
    """What lies in a folder, but for what operating systems leave behind."""
    return sorted(e for e in folder.iterdir() if e.name not in LEFT_BEHIND and not e.name.startswith(DOUBLE))


def _kind(path: Path) -> str:
    return "folder" if path.is_dir() else "file"


def _image_deviations(root: Path, there: dict[str, str], facts: Facts, lines: dict[str, Line]) -> Iterator[str]:
    present = [line for line in lines.values() if there.get(line.file) == "file"]
    jobs = -1 if len(present) > FEW else 1
    sums: Any = Parallel(jobs, prefer="threads")(delayed(_sums)(root / line.file, facts.shape) for line in present)
    owners = {line.pixel_sha256: line.file for line in lines.values()}
    for line, (sum_, pixels, problem) in zip(present, sums, strict=True):
        if problem:
            yield f"{line.file}: {problem}"
        elif pixels != line.pixel_sha256:
            owner = owners.get(pixels)
            fact = f"those of {owner}" if owner else "others"
            yield f"{line.file}: must show the pixels that its manifest line names, got {fact}"
        elif sum_ != line.sha256:
            yield f"{line.file}: bytes differ from the manifest (pixels equal)"


def _sums(path: Path, shape: Shape) -> tuple[str, str, str]:
    """(sha256 of the bytes, sha256 of the pixels, ""), or ("", "", why they cannot be had)."""
    channels, height, width = shape
    most = channels * height * width if height and width else channels * MAX_PIXELS
    try:
        content = read_file(path, 2 * most + SLACK)
        with reading(Picture(path.name, content)) as image:
            if height and width and (image.height, image.width) != (height, width):
                return "", "", f"must be {height} x {width} px, got {image.height} x {image.width}"
            pixels = from_pil(convert(upright(image), channels))
        return hashlib.sha256(content).hexdigest(), pixel_sha256(pixels), ""
    except PictureError as error:
        return "", "", error.problem
    except OSError as error:
        return "", "", f"must be readable, got {error.strerror}"
