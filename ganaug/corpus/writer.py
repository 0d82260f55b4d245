"""`write_corpus`: labelled synthetic images as a folder per class, whole or not at all."""

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import Parallel, delayed

from ganaug.corpus.card import XMP, data_card, describe
from ganaug.corpus.check import check_corpus
from ganaug.corpus.layout import file_names
from ganaug.corpus.manifest import Line
from ganaug.errors import CorpusError, DataError, OutputError
from ganaug.files import is_taken, new_folder, read_file, require_new, require_room, sealed_json
from ganaug.images import encode_png, pixel_sha256
from ganaug.synthesis.rendering import render, require_counts

if TYPE_CHECKING:
    from ganaug.synthesis.synthesizer import Synthesizer

PACKED, OVERHEAD = 2, 1000  # how much PNG shrinks an image, roughly; bytes of its mark and its line in the manifest


def write_corpus(
    synth: "Synthesizer",
    out: str | Path,
    counts: Sequence[int],
    seed: int = 0,
    *,
    scale: float = 1.0,
    resume: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write `out`/<class>/<index>.png, manifest.jsonl, corpus.json and README.md; equal arguments give equal bytes.

    The folder is written under a temporary name beside `out` and renamed when it is complete.

    Args:
        synth: The generator.
        out: The corpus folder; it must not exist yet, or be empty.
        counts: Images per class, 1 or more, [K].
        seed: The sampling seed.
        scale: Of the latents, as `Synthesizer.sample` takes it.
        resume: Where `out` holds this very corpus already, verify it and change nothing.
        progress: Called with (images written, images in all).

    Returns:
        `out`.

    Raises:
        DataError: `counts` does not fit the classes, or leaves one empty.
        OutputError: `out` holds something, and `resume` is off or it is another corpus.
        CorpusError: With `resume`, the corpus deviates from its manifest.
        DiskFullError: No room, or too little to begin; nothing is left behind.
        GanaugError: `out` lies where nothing can be written.

    Example:
        >>> write_corpus(synth, "corpus", counts=[500, 500])        # doctest: +SKIP
        PosixPath('corpus')
    """
    out, facts = Path(out), describe(synth, _require_images(synth, counts), seed, scale)
    if is_taken(out):
        return _verified(out, facts, resume)
    with new_folder(out) as folder:
        require_room(folder, sum(facts["counts"]) * (math.prod(synth.shape) // PACKED + OVERHEAD))
        for name in facts["directories"]:
            (folder / name).mkdir()
        facts["manifest_sha256"] = _write_images(synth, folder, facts, progress)
        card = data_card(facts).encode(errors="backslashreplace")
        facts["card_sha256"] = hashlib.sha256(card).hexdigest()
        (folder / "README.md").write_bytes(card)
        (folder / "corpus.json").write_bytes(sealed_json(facts))
    return out


def _require_images(synth: "Synthesizer", counts: Sequence[int]) -> list[int]:
    counts = require_counts(synth, counts)
    empty = [name for name, n in zip(synth.classes, counts, strict=True) if n == 0]
    if empty:
        raise DataError(
            f"every class of a corpus must have an image, got 0 for {empty[0]!r}; "
            "ask for one at least, because folder loaders number the classes by their folders"
        )
    return counts


def _verified(out: Path, facts: dict[str, Any], resume: bool) -> Path:
    if not resume:
        require_new(out)
    deviations = check_corpus(out)
    if deviations:
        more = f" (and {len(deviations) - 1} more)" if len(deviations) > 1 else ""
        raise CorpusError(
            f"{out}: the corpus must be whole, got {deviations[0]}{more}; remove it and generate it again"
        )
    there = {"latent_scale": 1.0, **json.loads(read_file(out / "corpus.json"))}  # older versions knew no other scale
    other = [key for key in ("model", "classes", "counts", "seed", "latent_scale") if there[key] != facts[key]]
    if other:
        raise OutputError(
            f"{out}: the corpus there must be the one asked for, got another {other[0]}; choose another folder"
        )
    return out


def _write_images(
    synth: "Synthesizer", folder: Path, facts: dict[str, Any], progress: Callable[[int, int], None] | None
) -> str:
    """Images and manifest, a chunk at a time; returns the manifest's sha256."""
    names, total, done = file_names(facts["counts"], facts["directories"]), sum(facts["counts"]), 0
    digest = hashlib.sha256()
    with (folder / "manifest.jsonl").open("wb") as manifest, Parallel(n_jobs=-1, prefer="threads") as parallel:
        for chunk, images in render(synth, facts["counts"], facts["seed"], facts["latent_scale"]):
            blank = [Line.of(facts, *next(names)) for _ in chunk]
            lines: Any = parallel(
                delayed(_write_image)(folder, line, image) for line, image in zip(blank, images, strict=True)
            )
            text = "".join(line.to_json() for line in lines).encode()
            manifest.write(text)
            digest.update(text)
            done += len(chunk)
            if progress is not None:
                progress(done, total)
    return digest.hexdigest()


def _write_image(folder: Path, line: Line, image: np.ndarray) -> Line:
    """Write one PNG; returns its line with the sums."""
    png = encode_png(image, XMP)
    (folder / line.file).write_bytes(png)
    return replace(line, sha256=hashlib.sha256(png).hexdigest(), pixel_sha256=pixel_sha256(image))
