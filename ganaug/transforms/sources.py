"""Images that are known before training: DATA, sets in memory, and whatever datasets show."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils._pytree import tree_leaves

from ganaug.data import LabeledImages, UnlabeledImages
from ganaug.data.unlabeled import list_unlabeled
from ganaug.errors import DataError
from ganaug.images import read_image
from ganaug.synthesis.translation_pool import Images
from ganaug.transforms.arrays import channels_of, to_tensor
from ganaug.transforms.domain import NAME
from ganaug.transforms.pictures import require_image, to_bytes
from ganaug.transforms.samples import as_tensor, may_be_image, place_of_image


class _Fetched(Sequence[np.ndarray]):
    """Images that are fetched when they are asked for, uint8 [C, H, W] each."""

    def __init__(self, total: int, fetch: Callable[[int], np.ndarray]):
        self._total, self._fetch = total, fetch

    def __len__(self) -> int:
        return self._total

    def __getitem__(self, index: Any) -> Any:
        return self._fetch(index)


def images_of(pool: Any, channels: int) -> Images:
    """DATA in the images' own sizes, sets in memory, or what a dataset shows, whatever is beside it.

    Args:
        pool: DATA, LabeledImages, UnlabeledImages or a map-style dataset.
        channels: To which DATA is converted.

    Raises:
        DataError: It is none of these; or, when an item is asked for, it cannot be used.
    """
    if isinstance(pool, str | Path):
        pictures = list_unlabeled(pool).pictures
        return _Fetched(len(pictures), lambda i: read_image(pictures[i], channels))
    if isinstance(pool, LabeledImages | UnlabeledImages):
        return _Fetched(len(pool), lambda i: pool.images[i].numpy())
    if not (hasattr(pool, "__len__") and hasattr(pool, "__getitem__")):
        raise DataError(
            f"pool must be DATA, images or a dataset of them with a length, got {type(pool).__name__}; name what is to "
            "be translated beforehand"
        )
    return _Fetched(len(pool), lambda i: _pixels(pool[i]))


def _pixels(item: Any) -> np.ndarray:
    """The one image of a dataset's item, uint8 [C, H, W]."""
    leaves = tree_leaves(item)
    image = leaves[place_of_image(leaves, "an item of the pool", _may_be_image)]
    if isinstance(image, np.ndarray):
        require_image(image, channels_of(image), (2, 3), NAME)
        return to_bytes(to_tensor(image)[0]).numpy()
    pixels = as_tensor(image)
    require_image(pixels, pixels.shape[0], (3,), NAME)
    return to_bytes(pixels).cpu().numpy()


def _may_be_image(leaf: Any) -> bool:
    """Arrays [H, W] are gray images."""
    return may_be_image(leaf) or (isinstance(leaf, np.ndarray) and leaf.ndim in (2, 3))
