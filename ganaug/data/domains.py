"""The two domains of a translation: images of either look, and the labels of A where they are."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from ganaug.data.folder import has_class_folders
from ganaug.data.hub import HUB, hub_has_classes
from ganaug.data.labeled import LabeledImages
from ganaug.data.listing import Listing
from ganaug.data.npz import npz_has_labels
from ganaug.data.sources import DIGITS, as_listing, is_npz, list_pictures, load, scaled, wanted_size
from ganaug.data.splits import listed
from ganaug.data.unlabeled import UnlabeledImages, list_unlabeled, load_unlabeled, resized, without_labels
from ganaug.data.vision import VISION
from ganaug.errors import DataError
from ganaug.images import matched, pixel_sha256

log = logging.getLogger("ganaug")
FEWEST = 16  # images of a domain, below which there is no look to learn
Images = LabeledImages | UnlabeledImages
Source = str | Path | LabeledImages | UnlabeledImages


@dataclass(frozen=True)
class Domains:
    """The two sides of a translation, of one height and width; the channels of either are its own.

    Attributes:
        a: Images of the domain that labels come from; labelled where its source has classes.
        b: Images of the domain to be served; labelled where its classes are among A's, in A's numbering.
        paired: Whether row i of both shows one thing.
    """

    a: Images
    b: Images
    paired: bool = False


def load_domain(
    source: Source,
    *,
    resolution: int | tuple[int, int] | None = None,
    channels: int | None = None,
    skip_bad: bool = False,
) -> Images:
    """Read images with their labels where there are some, and without where there are none.

    Args:
        source: What `load` reads; a folder of images without class folders (fewer than two sub-folders), an `.npz`
            without labels or a table without a column of classes; or images in memory.
        resolution: (height, width) or one side in px; None keeps the images' own size.
        channels: 1, 3 or 4; None keeps what most images have.
        skip_bad: Whether to go on without files that cannot be read, up to 1 % of all.

    Raises:
        DataError: The source is unknown, empty, unreadable or inconsistent, its labels included; the file, class or
            value is named.

    Example:
        >>> type(load_domain("sklearn:digits", resolution=16)).__name__
        'LabeledImages'
    """
    size = wanted_size(resolution, channels)
    if isinstance(source, LabeledImages):
        return scaled(source, size or source.shape[1:], channels)
    if isinstance(source, UnlabeledImages):
        return resized(source, size or source.shape[1:], channels)
    read = load if has_classes(source) else load_unlabeled
    return read(source, resolution=resolution, channels=channels, skip_bad=skip_bad)


def list_domain(source: Source) -> Listing:
    """What `load_domain` would decode: pictures in their own sizes and modes, with classes where there are some.

    Raises:
        DataError: As for `load_domain`, but for what only decoding can find.
    """
    if isinstance(source, LabeledImages):
        return as_listing(source)
    if isinstance(source, UnlabeledImages) or not has_classes(source):
        return list_unlabeled(source)
    return list_pictures(source)


def has_classes(source: str | Path) -> bool:
    """Whether a set has labels, right or wrong, that `load` would read.

    Raises:
        DataError: It cannot be opened to tell.
    """
    name = str(source)
    if is_npz(name):
        return npz_has_labels(Path(name))
    if name.startswith(HUB):
        return hub_has_classes(name)
    if name.startswith((DIGITS, VISION)):
        return not name.endswith(":unlabeled")  # as STL10 calls that part
    return has_class_folders(Path(name)) or (":" in name and not Path(name).exists())  # which `load` refuses


def load_domains(
    a: Source, b: Source, *, resolution: int | tuple[int, int] | None = None, skip_bad: bool = False
) -> Domains:
    """Read both sides of a translation without pairs, and see that there is something to translate.

    Args:
        a: Where labels come from, if there are any; as for `load_domain`.
        b: What is to be served; its labels are never needed.
        resolution: (height, width) or one side in px, of both; None keeps the images' own size.
        skip_bad: As for `load_domain`.

    Raises:
        DataError: A side cannot be read or has fewer than 16 images; sizes differ; both hold the same images; B has
            some of A's classes, and others; the file, class or value is named.

    Example:
        >>> domains = load_domains("sklearn:digits", "sklearn:digits:test")
        >>> domains.a.shape, domains.paired
        ((1, 8, 8), False)
    """
    sides = (load_domain(source, resolution=resolution, skip_bad=skip_bad) for source in (a, b))
    return judged(*sides, paired=False)


def judged(a: Images, b: Images, *, paired: bool) -> Domains:
    """The two sides as domains, once they are large enough, of one size, and differ.

    Raises:
        DataError: As for `load_domains`.
    """
    for side in (a, b):
        if len(side) < FEWEST:
            raise DataError(f"{side.source}: a domain must have {FEWEST} images or more, got {len(side)}; add some")
    if a.shape[1:] != b.shape[1:]:
        small = min(a.shape[1:], b.shape[1:])
        wanted = small[0] if small[0] == small[1] else list(small)
        raise DataError(
            f"{a.source} and {b.source}: images of A and B must have one size, got {_size(a)} and {_size(b)}; "
            f"set one with --set data.resolution={wanted}"
        )
    _require_difference(a, b)
    return Domains(a, _in_classes_of(a, b), paired)


def _require_difference(a: Images, b: Images) -> None:
    """Refuse two names for the same images; warn of some that are in both."""
    channels = max(a.shape[0], b.shape[0])
    in_a, in_b = _hashes(a, channels), _hashes(b, channels)
    both = set(in_a) & set(in_b)
    if len(both) == len(set(in_a)) == len(set(in_b)):
        raise DataError(
            f"{a.source} and {b.source}: A and B must be different images, got the same {len(both)} on both sides; "
            "name another source for one of them"
        )
    if both:
        i = next(i for i, h in enumerate(in_a) if h in both)
        log.warning(
            "%s: %d of %d images of A are among those of B in %s (%s equals %s): what is in both tells no look apart",
            *(a.source, sum(h in both for h in in_a), len(a), b.source, a.names[i], b.names[in_b.index(in_a[i])]),
        )


def _hashes(data: Images, channels: int) -> list[str]:
    """What tells whether two images show the same, whatever the channels they are stored in."""
    if data.shape[0] == channels:
        return data.hashes
    return [pixel_sha256(matched(image, channels, data.shape[1:])) for image in data.images.numpy()]


def _in_classes_of(a: Images, b: Images) -> Images:
    """B with its labels in A's numbering, or without where its folders are no classes of A's.

    Raises:
        DataError: Some of its classes are A's, and some are not.
    """
    if not isinstance(b, LabeledImages):
        return b
    known = a.classes if isinstance(a, LabeledImages) else ()
    strange = sorted(set(b.classes) - set(known))
    if len(strange) == len(b.classes):
        log.info("%s: %s are no classes of %s; the images are read without labels", b.source, listed(strange), a.source)
        return without_labels(b)
    if strange:
        raise DataError(
            f"{b.source}: classes of B must be among A's ({listed(list(known))}), got {strange[0]!r}, which {a.source} "
            "lacks; rename it, or take its images out of B"
        )
    order = b.labels.new_tensor([known.index(name) for name in b.classes])
    return replace(b, labels=order[b.labels], classes=known)


def _size(data: Images) -> str:
    return f"{data.shape[1]} x {data.shape[2]}"
