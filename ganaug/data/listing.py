"""What a source lists before anything is decoded, and the one way from there to LabeledImages."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganaug.data.conversions import say_conversions
from ganaug.data.labeled import LabeledImages, require_images
from ganaug.data.memory import allocate
from ganaug.data.scan import Facts, each, scan
from ganaug.errors import DataError
from ganaug.images import SUFFIXES, Picture, read_image

log = logging.getLogger("ganaug")
NAMED = 3  # bad files in a sentence
LOGGED = 50  # bad files in the log, where a sentence does not name them all
MAX_BAD = 1  # percent of all images, which data.skip_bad leaves out


@dataclass(frozen=True)
class Listing:
    """Pictures, none of them decoded yet, with a class each where labels are read.

    Attributes:
        source: What the user called the set.
        classes: The K class names, in label order; none where labels are not read.
        pictures: Where the pixels are, [N]; may be lazy.
        names: A short name of each, [N]: the path below the root, `row 7` of a table.
        labels: Class numbers in [0, K), [N]; all 0 where labels are not read.
        groups: Which object, patient or track each picture shows, [N]; None where every picture is its own.
        left_out: What lies there too and is not read, a sentence each.
    """

    source: str
    classes: tuple[str, ...]
    pictures: Sequence[Picture]
    names: Sequence[str]
    labels: Sequence[int]
    groups: tuple[str, ...] | None = None
    left_out: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, indices: Sequence[int]) -> "Listing":
        """The pictures at `indices`, in that order; what is lazy stays lazy."""
        return replace(
            self,
            pictures=_Chosen(self.pictures, indices),
            names=[self.names[i] for i in indices],
            labels=[self.labels[i] for i in indices],
            groups=tuple(self.groups[i] for i in indices) if self.groups else None,
        )


@dataclass(frozen=True)
class _Chosen(Sequence[Picture]):
    """Some of the pictures; each is looked up when it is asked for."""

    pictures: Sequence[Picture]
    indices: Sequence[int]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, i: Any) -> Any:
        return self.pictures[self.indices[i]]


def decode(
    listing: Listing,
    size: tuple[int, int] | None,
    channels: int | None,
    skip_bad: bool = False,
    facts: list[Facts] | None = None,
) -> LabeledImages:
    """Decode a listing to labelled images of one size, after a look at every picture.

    Args:
        listing: What to decode.
        size: As for `decode_pictures`, and so are the others.
        channels: 1, 3 or 4.
        skip_bad: Whether to leave out pictures that cannot be used.
        facts: What `scan` gave.

    Raises:
        DataError: Pictures cannot be used, a class has none, or sizes differ without `size`.
    """
    listing, images = decode_pictures(listing, size, channels, skip_bad, facts)
    data = LabeledImages(
        images=images,
        labels=torch.tensor(listing.labels),
        classes=listing.classes,
        names=tuple(listing.names),
        source=listing.source,
        groups=listing.groups,
    )
    return require_images(data)


def decode_pictures(
    listing: Listing,
    size: tuple[int, int] | None,
    channels: int | None,
    skip_bad: bool = False,
    facts: list[Facts] | None = None,
) -> tuple[Listing, Tensor]:
    """(the pictures that can be used, their pixels as uint8 [N, C, H, W]), after a look at every picture.

    What is left out, converted, cropped or scaled on the way is said once, with a count, in the log `ganaug`.

    Args:
        listing: What to decode.
        size: (height, width) in px; None where all images have one.
        channels: 1, 3 or 4; None for what most images have.
        skip_bad: Whether to leave out pictures that cannot be used, up to 1 % of all.
        facts: What `scan` gave, where that look was taken already.

    Raises:
        DataError: Pictures cannot be used, there is none, or sizes differ without `size`.
    """
    for sentence in listing.left_out:
        log.warning("%s: %s", listing.source, sentence)
    listing, facts = usable(listing, scan(listing) if facts is None else facts, skip_bad)
    if not facts:
        raise DataError(f"{listing.source}: must have an image, got none; add some")
    size = size or _common_size(listing, facts)
    channels = channels or usual_channels(facts)
    say_conversions(listing.source, listing.names, facts, size, channels)
    return listing, torch.from_numpy(_decode(listing, size, channels))


def usable(listing: Listing, facts: list[Facts], skip_bad: bool) -> tuple[Listing, list[Facts]]:
    """The pictures that can be used, with their facts: all of them, unless bad ones may be skipped.

    Raises:
        DataError: Some cannot be used, and are not to be skipped or too many.
    """
    bad = [i for i, fact in enumerate(facts) if fact.problem]
    if not bad:
        return listing, facts
    few = len(bad) * 100 <= len(facts) * MAX_BAD
    sentences = _problems(listing, facts, bad, logging.INFO if few and skip_bad else logging.WARNING)
    if not (few and skip_bad):
        raise DataError(_refusal(listing, sentences, len(bad), few, skip_bad))
    names = ", ".join(first_few([listing.names[i] for i in bad[:NAMED]], len(bad)))
    log.warning("%s: %d of %d images cannot be used and are left out: %s", listing.source, len(bad), len(facts), names)
    good = sorted(set(range(len(facts))) - set(bad))
    return listing.subset(good), [facts[i] for i in good]


def require_usable(listing: Listing, facts: list[Facts]) -> None:
    """Refuse a set of which a picture cannot be used, where none may be skipped.

    Raises:
        DataError: The pictures are named.
    """
    bad = [i for i, fact in enumerate(facts) if fact.problem]
    if bad:
        sentences = _problems(listing, facts, bad, logging.WARNING)
        raise DataError(_refusal(listing, sentences, len(bad), few=False, skip_bad=False))


def _problems(listing: Listing, facts: list[Facts], bad: list[int], level: int) -> list[str]:
    """What is wrong with the first of them, logged where it is more than a sentence will hold."""
    sentences = [f"{listing.pictures[i].name}: {facts[i].problem}" for i in bad[:LOGGED]]
    if len(bad) > NAMED:
        for sentence in sentences:
            log.log(level, "%s", sentence)
    return sentences


def _refusal(listing: Listing, sentences: list[str], count: int, few: bool, skip_bad: bool) -> str:
    file, it = ("file", "it") if count == 1 else ("files", "them")
    fix = f"remove or replace the {file}" + (f", or leave {it} out with --set data.skip_bad=true" if few else "")
    if count == 1 and not skip_bad:
        return f"{sentences[0]}; {fix}"
    which = f"all but {MAX_BAD} % of the" if skip_bad else "all"
    return (
        f"{listing.source}: {which} images must be usable, got {count} of {len(listing)} that are not "
        f"({'; '.join(first_few(sentences, count))}); {fix}"
    )


def first_few(first: list[str], count: int) -> list[str]:
    """The first NAMED of `count` things, and how many more there are.

    >>> first_few(["a", "b", "c", "d"], 9)
    ['a', 'b', 'c', 'and 6 more']
    """
    return [*first[:NAMED], f"and {count - NAMED} more"] if count > NAMED else first


def _common_size(listing: Listing, facts: list[Facts]) -> tuple[int, int]:
    every = [fact.header.size for fact in facts]
    sizes = Counter(every)
    if len(sizes) > 1:
        (usual, _), (odd, _) = sizes.most_common(2)
        example = listing.pictures[every.index(odd)].name
        raise DataError(
            f"{listing.source}: images must have one size, got {len(sizes)} ({example} is {odd[0]} x {odd[1]}, "
            f"most are {usual[0]} x {usual[1]}); set one with --set data.resolution={min(usual)}"
        )
    return every[0]


def usual_channels(facts: list[Facts]) -> int:
    """Gray or colour, as most files are; transparency is composited unless four channels are asked for."""
    return Counter(min(fact.header.channels, 3) for fact in facts).most_common(1)[0][0]


def without_ending(name: str) -> str:
    """A picture's name without the suffix of an image; other names as they are.

    >>> without_ending("ant/1.v2.png"), without_ending("row 7"), without_ending("2.5")
    ('ant/1.v2', 'row 7', '2.5')
    """
    path = PurePosixPath(name)
    return str(path.with_suffix("")) if path.suffix.lower() in SUFFIXES else name


def _decode(listing: Listing, size: tuple[int, int], channels: int) -> np.ndarray:
    pixels = allocate((len(listing), channels, *size))

    def one(i: int) -> None:
        pixels[i] = read_image(listing.pictures[i], channels, size)

    each(one, len(listing))
    return pixels
