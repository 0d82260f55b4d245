"""Paired domains: two folders of equal names, or one of images side by side."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from PIL import Image

from ganaug.data.domains import Domains, Images, Source, judged, list_domain
from ganaug.data.labeled import LabeledImages
from ganaug.data.listing import Listing, decode_pictures, first_few, usable, without_ending
from ganaug.data.scan import Facts, scan
from ganaug.data.sources import wanted_size
from ganaug.data.unlabeled import UnlabeledImages
from ganaug.errors import DataError
from ganaug.images import MIN_SIDE, Picture, reading, upright

Sides = Literal["left-right", "right-left"]
SIDES = ("left-right", "right-left")  # which half is A, which B


def load_pairs(
    a: Source,
    b: Source | None = None,
    *,
    resolution: int | tuple[int, int] | None = None,
    sides: Sides = "left-right",
    skip_bad: bool = False,
) -> Domains:
    """Read pairs: row i of A and row i of B show one thing. Their order does not depend on that of the files.

    Args:
        a: Where labels come from, if there are any; as for `load_domain`.
        b: The same with the same names, but for endings: `a/1.png`, `b/1.jpg`. None: each image of `a` holds both, side
            by side, and is cut in the middle.
        resolution: (height, width) or one side in px, of an image of either side; None keeps their own size.
        sides: Of images side by side: whether A is the left half, or the right one.
        skip_bad: Whether to go on without files that cannot be read, and their partners, up to 1 % of all.

    Raises:
        DataError: Images lack a partner, are of another size than theirs, or cannot be cut; otherwise as for
            `load_domains`. The files are named.

    Example:
        >>> load_pairs("facades/train", resolution=64, sides="right-left").paired        # doctest: +SKIP
        True
    """
    size = wanted_size(resolution, None)
    if sides not in SIDES:
        raise DataError(f"sides must be {' or '.join(SIDES)}, got {sides!r}; it says which half is A, and which is B")
    (left, left_facts), (right, right_facts) = (
        _halves(list_domain(a), sides, skip_bad) if b is None else _matched(list_domain(a), list_domain(b), skip_bad)
    )
    first, second = _decoded(left, size, left_facts), _decoded(right, size, right_facts)
    order = sorted(range(len(first)), key=lambda i: (first.hashes[i], first.names[i]))
    return judged(first.subset(order), second.subset(order), paired=True)


Side = tuple[Listing, list[Facts]]


def _decoded(listing: Listing, size: tuple[int, int] | None, facts: list[Facts]) -> Images:
    listing, images = decode_pictures(listing, size, None, facts=facts)
    names = tuple(listing.names)
    if not listing.classes:
        return UnlabeledImages(images, names, listing.source)
    labels = torch.tensor(listing.labels)
    return LabeledImages(images, labels, listing.classes, names, listing.source, listing.groups)


def _matched(a: Listing, b: Listing, skip_bad: bool) -> tuple[Side, Side]:
    """Both sides in the order of A, a partner each.

    Raises:
        DataError: Images lack a partner, have two, cannot be used, or are of another size than theirs.
    """
    in_a, in_b = _by_name(a), _by_name(b)
    for here, there, mine, others in ((a, b, in_a, in_b), (b, a, in_b, in_a)):
        _require_none(
            [here.names[i] for name, i in mine.items() if name not in others],
            f"{here.source}: every image must have a partner of its name in {there.source}",
            "without one",
            "add the partners, remove what has none, or translate without pairs",
        )
    a, b = a.subset(list(in_a.values())), b.subset([in_b[name] for name in in_a])
    facts_a, facts_b = scan(a), scan(b)
    usable(a, facts_a, skip_bad)
    usable(b, facts_b, skip_bad)
    kept = [i for i in range(len(a)) if not facts_a[i].problem and not facts_b[i].problem]
    (a, facts_a), (b, facts_b) = (
        (side.subset(kept), [facts[i] for i in kept]) for side, facts in ((a, facts_a), (b, facts_b))
    )
    _require_none(
        [
            f"{name} is {_size(mine)}, {other} is {_size(its)}"
            for name, other, mine, its in zip(a.names, b.names, facts_a, facts_b, strict=True)
            if mine.header.size != its.header.size
        ],
        f"{a.source} and {b.source}: the two images of a pair must have one size",
        "that differ",
        "crop or resize them to their partners, or remove them",
    )
    return (a, facts_a), (b, facts_b)


def _by_name(listing: Listing) -> dict[str, int]:
    """Where each name without its ending is.

    Raises:
        DataError: Two images have it.
    """
    names = [without_ending(name) for name in listing.names]
    _require_none(
        [f"{name}.*" for name, n in Counter(names).items() if n > 1],
        f"{listing.source}: names of pairs must differ in more than their endings",
        "that do not",
        "rename or remove one of each",
    )
    return {name: i for i, name in enumerate(names)}


def _halves(listing: Listing, sides: Sides, skip_bad: bool) -> tuple[Side, Side]:
    """The halves that are A, and those that are B.

    Raises:
        DataError: Images cannot be used, or have no middle between two halves that are wide enough.
    """
    listing, facts = usable(listing, scan(listing), skip_bad)
    _require_none(
        [
            f"{name} is {_size(fact)}"
            for name, fact in zip(listing.names, facts, strict=True)
            if fact.header.size[1] % 2 or fact.header.size[1] < 2 * MIN_SIDE
        ],
        f"{listing.source}: images side by side must be of even width, {2 * MIN_SIDE} px or more",
        "that are not",
        "crop or remove them, or pass two folders, A and B",
    )
    parts = [
        replace(fact, header=replace(fact.header, size=(fact.header.size[0], fact.header.size[1] // 2)))
        for fact in facts
    ]
    left, right = (
        (replace(listing, pictures=_Half(listing.pictures, place), left_out=said), parts)
        for place, said in ((0, listing.left_out), (1, ()))
    )
    return (left, right) if sides == "left-right" else (right, left)


@dataclass(frozen=True)
class _Half(Sequence[Picture]):
    """One half of each picture, cut when it is asked for: 0 the left, 1 the right one."""

    pictures: Sequence[Picture]
    place: int

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, i: Any) -> Any:
        picture = self.pictures[i]
        with reading(picture) as image:
            return Picture(picture.name, _half(upright(image), self.place))


def _half(image: Image.Image, place: int) -> Image.Image:
    """The left or right half of an upright image; what it says of its orientation must not turn it again."""
    width = image.width // 2
    half = image.crop((place * width, 0, (place + 1) * width, image.height))
    half.info = {key: value for key, value in half.info.items() if key == "transparency"}
    return half


def _require_none(odd: list[str], rule: str, are: str, fix: str) -> None:
    if odd:
        raise DataError(f"{rule}, got {len(odd):,} {are} ({', '.join(first_few(odd, len(odd)))}); {fix}")


def _size(fact: Facts) -> str:
    return f"{fact.header.size[0]} x {fact.header.size[1]}"
