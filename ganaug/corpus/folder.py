"""A corpus folder, wherever its images come from: images with their sums, sealed facts, and what is there already."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ganaug.corpus.check import check_corpus
from ganaug.corpus.manifest import Line
from ganaug.errors import CorpusError, OutputError
from ganaug.files import read_file, require_new, sealed_json
from ganaug.images import encode_png, pixel_sha256

PACKED, OVERHEAD = 2, 1000  # how much PNG shrinks an image, roughly; bytes of its mark and its line in the manifest


def write_image(folder: Path, line: Line, image: np.ndarray, xmp: str) -> Line:
    """Write one PNG of uint8 [C, H, W]; returns its line with the sums."""
    png = encode_png(image, xmp)
    (folder / line.file).write_bytes(png)
    return replace(line, sha256=hashlib.sha256(png).hexdigest(), pixel_sha256=pixel_sha256(image))


def seal(folder: Path, facts: dict[str, Any], card: str) -> None:
    """Write README.md, and corpus.json with its sum and that of the manifest, which is there."""
    content = card.encode(errors="backslashreplace")
    (folder / "README.md").write_bytes(content)
    with (folder / "manifest.jsonl").open("rb") as manifest:
        sums = {
            "manifest_sha256": hashlib.file_digest(manifest, "sha256").hexdigest(),
            "card_sha256": hashlib.sha256(content).hexdigest(),
        }
    (folder / "corpus.json").write_bytes(sealed_json({**facts, **sums}))


def verified(out: Path, facts: dict[str, Any], keys: Sequence[str], *, resume: bool) -> Path:
    """`out`, which holds something, once that is whole and agrees with `facts` in those `keys`.

    Raises:
        OutputError: `resume` is off, or it is another corpus.
        CorpusError: It deviates from its manifest.
    """
    if not resume:
        require_new(out)
    deviations = check_corpus(out)
    if deviations:
        more = f" (and {len(deviations) - 1} more)" if len(deviations) > 1 else ""
        raise CorpusError(f"{out}: the corpus must be whole, got {deviations[0]}{more}; remove it and make it again")
    there = {"latent_scale": 1.0, **json.loads(read_file(out / "corpus.json"))}  # older versions knew no other scale
    other = [key for key in keys if there.get(key) != facts[key]]
    if other:
        raise OutputError(
            f"{out}: the corpus there must be the one asked for, got another {other[0]}; choose another folder"
        )
    return out
