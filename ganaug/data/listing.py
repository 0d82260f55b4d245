"""What a source lists before anything is decoded, and the one way from there to LabeledImages."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed

from ganaug.data.labeled import LabeledImages, require_images
from ganaug.data.memory import allocate
from ganaug.errors import DataError
from ganaug.images import Picture, read_header, read_image

log = logging.getLogger("ganaug")


@dataclass(frozen=True)
class Listing:
    """Pictures with a class each, none of them decoded yet.

    Attributes:
        source: What the user called the set.
        classes: The K class names, in label order.
        pictures: Where the pixels are, [N]; may be lazy.
        names: A short name of each, [N]: the path below the root, `row 7` of a table.
        labels: Class numbers in [0, K), [N].
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


def decode(listing: Listing, size: tuple[int, int] | None, channels: int | None) -> LabeledImages:
    """Decode a listing to images of one size.

    Raises:
        DataError: A picture cannot be read, a class has none, or sizes differ without `size`.
    """
    headers: Any = Parallel(n_jobs=-1, prefer="threads")(delayed(read_header)(p) for p in listing.pictures)
    size = size or _common_size([h[0] for h in headers], listing)
    channels = channels or _usual_channels([h[1] for h in headers])
    _say_conversions(headers, listing, size, channels)
    data = LabeledImages(
        images=torch.from_numpy(_decode(listing, size, channels)),
        labels=torch.tensor(listing.labels),
        classes=listing.classes,
        names=tuple(listing.names),
        source=listing.source,
        groups=listing.groups,
    )
    return require_images(data)


def _common_size(sizes_: list, listing: Listing) -> tuple[int, int]:
    sizes = Counter(sizes_)
    if len(sizes) > 1:
        (usual, _), (odd, _) = sizes.most_common(2)
        example = listing.pictures[sizes_.index(odd)].name
        raise DataError(
            f"{listing.source}: images must have one size, got {len(sizes)} ({example} is {odd[0]} x {odd[1]}, "
            f"most are {usual[0]} x {usual[1]}); set one with --set data.resolution={min(usual)}"
        )
    return sizes_[0]


def _usual_channels(channels: list[int]) -> int:
    """Gray or colour, as most files are; transparency is composited unless four channels are asked for."""
    return Counter(min(n, 3) for n in channels).most_common(1)[0][0]


def _say_conversions(headers: list, listing: Listing, size: tuple[int, int], channels: int) -> None:
    resized = sum(h[0] != size for h in headers)
    recoded = sum(h[1] != channels for h in headers)
    if resized:
        log.info("%s: %d of %d images are cropped and resized to %d x %d", listing.source, resized, len(headers), *size)
    if recoded:
        log.info("%s: %d of %d images are converted to %d channel(s)", listing.source, recoded, len(headers), channels)


def _decode(listing: Listing, size: tuple[int, int], channels: int) -> np.ndarray:
    pixels = allocate((len(listing.pictures), channels, *size))

    def one(i: int) -> None:
        pixels[i] = read_image(listing.pictures[i], channels, size)

    Parallel(n_jobs=-1, prefer="threads", require="sharedmem")(delayed(one)(i) for i in range(len(listing.pictures)))
    return pixels
