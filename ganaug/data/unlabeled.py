"""Images without labels: for learning what images look like where few of them have a class."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from ganaug.data.labeled import LabeledImages
from ganaug.data.listing import Listing, decode_pictures
from ganaug.data.memory import allocate, chosen
from ganaug.data.npz import read_npz_images
from ganaug.data.overlap import shared
from ganaug.data.rows import Rows, row_names
from ganaug.data.sources import DIGITS, is_npz, list_pictures, load, wanted_size
from ganaug.errors import DataError
from ganaug.images import pixel_sha256, to_pil

log = logging.getLogger("ganaug")
FEWEST = 2  # images that are worth a batch


@dataclass(frozen=True)
class UnlabeledImages:
    """Images of one size, without classes.

    Attributes:
        images: uint8 [N, C, H, W], in memory or memory-mapped.
        names: Where each image came from: a file name or a row number, [N].
        source: What the user called the set.

    Raises:
        DataError: Images that are not uint8 [N, C, H, W], or not one name for each.
    """

    images: Tensor
    names: tuple[str, ...]
    source: str = "images without labels"

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.ndim != 4 or len(self.names) != len(self.images):
            raise DataError(
                f"{self.source}: images must be torch.uint8 [N, C, H, W] with a name each, got {self.images.dtype} "
                f"{list(self.images.shape)} and {len(self.names)} names; convert them"
            )

    def __len__(self) -> int:
        return len(self.names)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of every image."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def subset(self, indices: Sequence[int] | Tensor) -> "UnlabeledImages":
        """The images at `indices`, in that order; memory-mapped where they are too many for memory."""
        index = torch.as_tensor(indices, dtype=torch.int64)
        return replace(self, images=chosen(self.images, index), names=tuple(self.names[i] for i in index.tolist()))

    def without(self, *known: LabeledImages) -> "UnlabeledImages":
        """The images that none of the labelled sets holds, in the order of their hashes, whatever that of the files."""
        gone = {h for data in known for h in data.hashes}
        kept = [i for i, h in enumerate(self.hashes) if h not in gone]
        return self.subset(sorted(kept, key=self.hashes.__getitem__))

    @cached_property
    def hashes(self) -> list[str]:
        """sha256 of each image's shape and pixels, [N]."""
        return [pixel_sha256(image) for image in self.images.numpy()]

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over the pixels, whatever the order of the images."""
        return hashlib.sha256("\n".join(sorted(self.hashes)).encode()).hexdigest()


def load_unlabeled(
    source: str | Path,
    *,
    resolution: int | tuple[int, int] | None = None,
    channels: int | None = None,
    skip_bad: bool = False,
) -> UnlabeledImages:
    """Read images without labels.

    Args:
        source: What `load` reads, whose labels are not read then and need not be there; of a folder all images below
            it (or below its `train/`, where it holds splits), in whatever folders they lie.
        resolution: (height, width) or one side in px; None keeps the images' own size.
        channels: 1, 3 or 4; None keeps what most images have.
        skip_bad: Whether to go on without files that cannot be read, up to 1 % of all.

    Raises:
        DataError: The source is unknown, empty, unreadable or inconsistent; the file or value is named.

    Example:
        >>> load_unlabeled("sklearn:digits", resolution=16).images.shape
        torch.Size([1198, 1, 16, 16])
    """
    size = wanted_size(resolution, channels)
    data = _arrays(str(source))
    if data is None:
        data = _decode(list_pictures(source, labeled=False), size, channels, skip_bad)
    data = resized(data, size or data.shape[1:], channels)
    log.info("%s: %d images, read without labels", data.source, len(data))
    return data


def resized(data: UnlabeledImages, size: tuple[int, int], channels: int | None = None) -> UnlabeledImages:
    """The images at another (height, width) in px, as `load_unlabeled` would read them with `resolution=size`."""
    wanted = (channels or data.shape[0], *size)
    return data if wanted == data.shape else _decode(_as_listing(data), size, wanted[0])


def list_unlabeled(source: str | Path | UnlabeledImages) -> Listing:
    """What `load_unlabeled` would decode: the pictures of a set in their own sizes and modes, or images as pictures.

    Raises:
        DataError: As for `load_unlabeled`, but for what only decoding can find.
    """
    data = source if isinstance(source, UnlabeledImages) else _arrays(str(source))
    return list_pictures(str(source), labeled=False) if data is None else _as_listing(data)


def without_labels(data: LabeledImages) -> UnlabeledImages:
    """The images of a labelled set."""
    return UnlabeledImages(data.images, data.names, data.source)


def with_more(data: LabeledImages, more: UnlabeledImages, labels: Tensor) -> LabeledImages:
    """The labelled images, and behind them others under the labels that were found for them, int64 [M]."""
    n = len(data)
    images = torch.from_numpy(allocate((n + len(more), *data.shape)))
    images[:n], images[n:] = data.images, more.images
    names = (*data.names, *more.names)
    return replace(data, images=images, labels=torch.cat([data.labels, labels]), names=names, groups=None)


def new_beside(train: LabeledImages, val: LabeledImages, images: UnlabeledImages) -> UnlabeledImages:
    """Those of the images that may be learned from, and are not yet: neither training nor validation images.

    How many are left out is said in the log.

    Raises:
        DataError: They have another shape, or fewer than two are left.
    """
    if images.shape != train.shape:
        raise DataError(
            f"{images.source}: images without labels must be {_form(train.shape)} (channels x height x width) "
            f"as in {train.source}, got {_form(images.shape)}; bring both to one form with {_settings(images, train)}"
        )
    for known, level, why in (
        (val, logging.WARNING, "validation images, which are never learned from"),
        (train, logging.INFO, "training images, which are learned from with their labels"),
    ):
        n = len(shared(images, known))
        if n:
            log.log(level, "%s: %d of %d images are left out: they equal %s", images.source, n, len(images), why)
    rest = images.without(train, val)
    if len(rest) < FEWEST:
        raise DataError(
            f"{images.source}: --unlabeled must hold {FEWEST} images or more that {train.source} and the validation "
            f"images do not, got {len(rest)} of {len(images)}; add some or leave the option out"
        )
    return rest


def _arrays(name: str) -> UnlabeledImages | None:
    """The sets that are arrays already; None for pictures."""
    if name.startswith(DIGITS):
        return without_labels(load(name))
    if is_npz(name):
        images = read_npz_images(Path(name))
        return UnlabeledImages(images, row_names(len(images)), name)
    return None


def _decode(
    listing: Listing, size: tuple[int, int] | None, channels: int | None, skip_bad: bool = False
) -> UnlabeledImages:
    kept, images = decode_pictures(listing, size, channels, skip_bad)
    return UnlabeledImages(images, tuple(kept.names), kept.source)


def _as_listing(data: UnlabeledImages) -> Listing:
    """Arrays as pictures, to be fitted by the rule for files."""
    pictures = Rows(data.source, len(data), lambda row: to_pil(data.images[row].numpy()))
    return Listing(data.source, (), pictures, data.names, [0] * len(data))


def _form(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _settings(images: UnlabeledImages, train: LabeledImages) -> str:
    """The --set that brings images to the form of the training images."""
    size = list(train.shape[1:]) if train.shape[1] != train.shape[2] else train.shape[1]
    keys = {"channels": train.shape[0]} if images.shape[0] != train.shape[0] else {}
    keys |= {"resolution": size} if images.shape[1:] != train.shape[1:] else {}
    return " and ".join(f"--set data.{key}={value}" for key, value in keys.items())
