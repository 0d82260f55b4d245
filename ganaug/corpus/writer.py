"""`write_corpus`: labelled synthetic images as a folder per class, whole or not at all."""

import math
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joblib import Parallel, delayed

from ganaug.corpus.card import XMP, data_card, describe
from ganaug.corpus.folder import OVERHEAD, PACKED, seal, verified, write_image
from ganaug.corpus.layout import file_names
from ganaug.corpus.manifest import Line
from ganaug.corpus.sharing import folder_of_all, join_parts, part_of
from ganaug.errors import DataError
from ganaug.files import is_taken, require_room
from ganaug.ranks import any_rank, is_first, jobs, rank, require_alike, size, wait
from ganaug.synthesis.rendering import render, require_counts

if TYPE_CHECKING:
    from ganaug.synthesis.synthesizer import Synthesizer

SETTINGS = ("model", "classes", "counts", "seed", "latent_scale")  # that make one corpus another


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

    The folder is written under a temporary name beside `out` and renamed when it is complete. Processes that work
    together share the images and one file system, and write what one alone would.

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
        UnlikeError: Processes that work together are to write different corpora.
        OutputError: `out` holds something, and `resume` is off or it is another corpus.
        CorpusError: With `resume`, the corpus deviates from its manifest.
        DiskFullError: No room, or too little to begin; nothing is left behind.
        GanaugError: `out` lies where nothing can be written.

    Example:
        >>> write_corpus(synth, "corpus", counts=[500, 500])        # doctest: +SKIP
        PosixPath('corpus')
    """
    out, facts = Path(out), describe(synth, _require_images(synth, counts), seed, scale)
    require_alike({key: str(facts[key]) for key in SETTINGS})
    if any_rank(is_first() and is_taken(out)):
        return verified(out, facts, SETTINGS, resume=resume) if is_first() else out
    with folder_of_all(out) as folder:
        if is_first():
            require_room(folder, sum(facts["counts"]) * (math.prod(synth.shape) // PACKED + OVERHEAD))
            for name in facts["directories"]:
                (folder / name).mkdir()
        wait()
        _write_images(synth, folder, facts, progress)
        wait()
        if is_first():
            join_parts(folder / "manifest.jsonl")
            seal(folder, facts, data_card(facts))
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


def _write_images(
    synth: "Synthesizer", folder: Path, facts: dict[str, Any], progress: Callable[[int, int], None] | None
) -> None:
    """Images and manifest, a chunk at a time: of several processes each writes a stretch, and its part of the manifest.

    Their stretches are of one length, so that what one has written tells of all.
    """
    total, done = sum(facts["counts"]), 0
    own = range(rank() * total // size(), (rank() + 1) * total // size())
    names = islice(file_names(facts["counts"], facts["directories"]), own.start, own.stop)
    part = part_of(folder / "manifest.jsonl", rank())
    with part.open("wb") as manifest, Parallel(n_jobs=jobs(-1), prefer="threads") as parallel:
        for chunk, images in render(synth, facts["counts"], facts["seed"], facts["latent_scale"], stretch=own):
            blank = [Line.of(facts, *next(names)) for _ in chunk]
            lines: Any = parallel(
                delayed(write_image)(folder, line, image, XMP) for line, image in zip(blank, images, strict=True)
            )
            manifest.write("".join(line.to_json() for line in lines).encode())
            done += len(chunk)
            if progress is not None:
                progress(done * total // len(own), total)
