"""`write_translations`: the images of a set as a translator shows them, under their own names, whole or not at all."""

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from joblib import Parallel, delayed

from ganaug.corpus.card import TRANSLATED_XMP
from ganaug.corpus.folder import OVERHEAD, PACKED, seal, verified, write_image
from ganaug.corpus.layout import directory_names, folded
from ganaug.corpus.manifest import Line, TranslatedLine
from ganaug.corpus.translation_card import SETTINGS, describe_translations, translation_card
from ganaug.data.conversions import say_conversions
from ganaug.data.domains import Source, list_domain
from ganaug.data.listing import Listing, require_usable, without_ending
from ganaug.data.scan import Facts, scan
from ganaug.errors import DataError, OutputError
from ganaug.files import is_taken, new_folder, require_new, require_room
from ganaug.images import read_image

if TYPE_CHECKING:
    from ganaug.synthesis.translator import Translator

log = logging.getLogger("ganaug")
AT_ONCE, PIXELS = 256, 2**22  # images of one size, and their pixels, that are in memory at a time; or one image


def write_translations(
    translator: "Translator",
    source: Source,
    out: str | Path,
    *,
    direction: str = "AB",
    seed: int = 0,
    resume: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Translate every image of a set at its own size; equal arguments give equal bytes.

    With classes, `out` is a corpus: <class>/<name>.png, manifest.jsonl, corpus.json and README.md. Without, the images
    keep their places in the folder, and the rest is the same. Names are those of the source files, all but the ending,
    so that masks and lists still match. The folder is written under a temporary name beside `out` and renamed when it
    is complete.

    Args:
        translator: The translation.
        source: DATA, a folder of images, or images in memory; the labels are kept.
        out: The folder; it must not exist yet, or be empty.
        direction: "AB" or "BA".
        seed: Of the noise, where the translator takes some: image i of the set has noise i.
        resume: Where `out` holds these very translations already, verify them and change nothing.
        progress: Called with (images written, images in all).

    Returns:
        `out`.

    Raises:
        DataError: The source cannot be read, has other channels than the translator takes, or two names that would be
            one; or there is no such direction. The file is named.
        OutputError: `out` holds something, and `resume` is off or it is another corpus; or it lies in the source.
        CorpusError: With `resume`, the corpus deviates from its manifest.
        DiskFullError: No room, or too little to begin; nothing is left behind.
        GanaugError: `out` lies where nothing can be written.

    Example:
        >>> write_translations(translator, "day/train", "day-as-night")        # doctest: +SKIP
        PosixPath('day-as-night')
    """
    out = Path(out)
    if not resume:
        require_new(out)
    _require_outside(out, source)
    work = _Work.of(translator, source, direction, seed)
    facts = work.describe()
    if is_taken(out):
        return verified(out, facts, SETTINGS, resume=resume)
    say_conversions(work.listing.source, work.listing.names, work.seen, None, work.ends[0])
    with new_folder(out) as folder:
        require_room(folder, work.room)
        for parent in sorted({(folder / file).parent for file in work.files}):
            parent.mkdir(parents=True, exist_ok=True)
        manifest = "".join(line.to_json() for line in _write_images(work, folder, facts, progress))
        (folder / "manifest.jsonl").write_bytes(manifest.encode())
        seal(folder, facts, translation_card(facts))
    return out


@dataclass(frozen=True)
class _Work:
    """Pictures that can be translated, what a look at each gave, and where its translation goes, [N]."""

    translator: "Translator"
    direction: str
    seed: int
    listing: Listing
    seen: list[Facts]
    files: list[str]

    @classmethod
    def of(cls, translator: "Translator", source: Source, direction: str, seed: int) -> "_Work":
        """The work, once there is nothing wrong with it.

        Raises:
            DataError: As for `write_translations`.
        """
        translator.require_direction(direction)
        listing = list_domain(source)
        for sentence in listing.left_out:
            log.warning("%s: %s", listing.source, sentence)
        _require_classes(listing)
        files = _places(listing)
        seen = scan(listing)
        require_usable(listing, seen)
        _require_channels(listing, seen, translator.architecture.ends(direction)[0], direction)
        return cls(translator, direction, seed, listing, seen, files)

    @property
    def ends(self) -> tuple[int, int]:
        """Channels of what goes in and of what comes out."""
        return self.translator.architecture.ends(self.direction)

    @property
    def room(self) -> int:
        """Bytes that the images will take, roughly."""
        pixels = sum(fact.header.size[0] * fact.header.size[1] for fact in self.seen)
        return pixels * self.ends[1] // PACKED + len(self.files) * OVERHEAD

    def describe(self) -> dict[str, Any]:
        """corpus.json, but for its sums."""
        sizes = {fact.header.size for fact in self.seen}
        height, width = sizes.pop() if len(sizes) == 1 else (None, None)
        classes, counts = self.listing.classes, Counter(self.listing.labels)
        images = sorted(f"{fact.sha256}:{file}" for fact, file in zip(self.seen, self.files, strict=True))
        return describe_translations(
            self.translator,
            direction=self.direction,
            seed=self.seed,
            shape=(self.ends[1], height, width),
            classes=classes,
            directories=directory_names(classes) if classes else [],
            counts=[counts[label] for label in range(len(classes) or 1)],
            source_data=hashlib.sha256("\n".join(images).encode()).hexdigest(),
        )

    def line(self, facts: dict[str, Any], i: int) -> Line:
        """What the manifest says of image i, but for its sums."""
        label = self.listing.labels[i] if self.listing.classes else None
        told = {"source": self.listing.names[i], "source_pixel_sha256": self.seen[i].sha256}
        return TranslatedLine.of(facts, label, i, self.files[i], **told)

    def translate(self, rows: list[int], images: list[np.ndarray]) -> np.ndarray:
        """The translations, uint8 [n, C', H, W], of the images of these rows, [C, H, W] each."""
        stacked = torch.from_numpy(np.stack(images))
        return self.translator.translate(stacked, self.direction, seed=self.seed, indices=rows).numpy()


def _write_images(
    work: _Work, folder: Path, facts: dict[str, Any], progress: Callable[[int, int], None] | None
) -> list[Line]:
    """Translate and write size by size; returns the lines in the order of the set."""
    lines: dict[int, Line] = {}
    with Parallel(n_jobs=-1, prefer="threads") as parallel:
        for rows in _chunks([fact.header.size for fact in work.seen]):
            images: Any = parallel(delayed(read_image)(work.listing.pictures[i], work.ends[0]) for i in rows)
            written: Any = parallel(
                delayed(write_image)(folder, work.line(facts, i), image, TRANSLATED_XMP)
                for i, image in zip(rows, work.translate(rows, images), strict=True)
            )
            lines |= dict(zip(rows, written, strict=True))
            if progress is not None:
                progress(len(lines), len(work.files))
    return [lines[i] for i in range(len(work.files))]


def _chunks(sizes: Sequence[tuple[int, int]]) -> Iterator[list[int]]:
    """Which images are translated together: those of one size, as many as memory should hold.

    >>> list(_chunks([(8, 8), (9, 9), (8, 8)]))
    [[0, 2], [1]]
    """
    for (height, width), group in groupby(sorted(range(len(sizes)), key=sizes.__getitem__), key=sizes.__getitem__):
        rows, each = list(group), max(1, min(AT_ONCE, PIXELS // (height * width)))
        yield from (rows[first : first + each] for first in range(0, len(rows), each))


def _places(listing: Listing) -> list[str]:
    """Where each translation goes, relative to the corpus, with forward slashes.

    Raises:
        DataError: Two images would go to one place, or where a file system takes two names for one.
    """
    if listing.classes:
        directories = directory_names(listing.classes)
        heads = [directories[label] for label in listing.labels]
        files = [f"{head}/{_inside(name).name}.png" for head, name in zip(heads, listing.names, strict=True)]
    else:
        files = [f"{_inside(name)}.png" for name in listing.names]
    first: dict[str, int] = {}
    for i, file in enumerate(files):
        _require_own_place(listing, files, i, first.setdefault(folded(file), i))
    for i, file in enumerate(files):
        for parent in PurePosixPath(file).parents:
            _require_own_place(listing, files, i, first.get(folded(str(parent)), i))
    return files


def _require_own_place(listing: Listing, files: list[str], i: int, other: int) -> None:
    if i != other:
        raise DataError(
            f"{listing.source}: images must have names that differ in more than endings and capitals, got "
            f"{listing.names[other]} and {listing.names[i]}, which would become {files[other]} and {files[i]}; rename "
            "one of them"
        )


def _inside(name: str) -> PurePosixPath:
    """A path that leads nowhere but down, without the ending of an image."""
    parts = PurePosixPath(without_ending(name)).parts
    return PurePosixPath(*(part for part in parts if part not in ("/", "..")))


def _require_outside(out: Path, source: Source) -> None:
    """Refuse to write among the images that are read: the next look at the source would take both for one set."""
    if isinstance(source, str | Path) and Path(source).is_dir() and Path(source).resolve() in out.resolve().parents:
        raise OutputError(f"{out} must lie outside of the images it is made from, got a folder in {source}; move it")


def _require_classes(listing: Listing) -> None:
    """Every class must have an image, because folder loaders number the classes by their folders."""
    if not len(listing):
        raise DataError(f"{listing.source}: must have an image, got none; add some")
    if len(listing.classes) == 1:
        raise DataError(
            f"{listing.source}: must have two classes or more, got {listing.classes[0]!r} alone; "
            "put the images into a folder without classes"
        )
    empty = sorted(set(range(len(listing.classes))) - set(listing.labels))
    if empty:
        raise DataError(
            f"{listing.source}: every class must have an image, got none for {listing.classes[empty[0]]!r}; "
            "add images or remove the class"
        )


def _require_channels(listing: Listing, seen: list[Facts], inputs: int, direction: str) -> None:
    """What most images have must be what the translator takes; the others are converted, as they are for training.

    Raises:
        DataError: It is not; the first such file is named.
    """
    kinds = [fact.header.channels for fact in seen]
    usual, count = Counter(kinds).most_common(1)[0]
    if min(usual, max(inputs, 3)) != inputs:  # transparency is composited for colours
        s = "s" * (inputs > 1)
        raise DataError(
            f"{listing.pictures[kinds.index(usual)].name}: images of {direction[0]} must have {inputs} channel{s}, as "
            f"the translator learned them, got {usual} in {count} of {len(kinds)}; convert them, or check the direction"
        )
