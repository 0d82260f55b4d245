"""Large images in overlapping tiles, and what was made of the tiles joined again without a seam."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

Place = tuple[int, int]  # of a tile in its image: px from the top, from the left


def cut(image: Tensor, side: int, overlap: int) -> Iterator[tuple[Place, Tensor]]:
    """Tiles [C, side, side] of an image [C, H, W], row by row, each `overlap` px or more into the next.

    An axis that is shorter than `side` is not cut.

    >>> [place for place, _ in cut(torch.zeros(1, 10, 16), 10, 4)]
    [(0, 0), (0, 6)]
    """
    height, width = image.shape[1:]
    for top in _starts(height, side, overlap):
        for left in _starts(width, side, overlap):
            yield (top, left), image[:, top : top + side, left : left + side]


def feathered(tiles: Iterable[tuple[Place, Tensor]], shape: tuple[int, int, int], overlap: int) -> Tensor:
    """The image, float32 of `shape` = (C, H, W), of which tiles [C, h, w] lie at their places.

    A tile counts fully inside and fades out in a line over `overlap` px towards each side, where others lie beneath;
    alone it counts fully everywhere.

    >>> whole = torch.rand(1, 20, 20)
    >>> bool((feathered(cut(whole, 12, 4), (1, 20, 20), 4) - whole).abs().max() < 1e-6)
    True
    """
    total, weights = torch.zeros(shape), torch.zeros(shape[1:])
    for (top, left), tile in tiles:
        rows, columns = (_ramp(length, overlap) for length in tile.shape[1:])
        weight = rows[:, None] * columns
        area = slice(top, top + tile.shape[1]), slice(left, left + tile.shape[2])
        total[:, *area] += weight * tile
        weights[area] += weight
    return total / weights


def _starts(length: int, side: int, overlap: int) -> list[int]:
    """Where tiles begin: as few as overlap enough, evenly spread."""
    if length <= side:
        return [0]
    count = -(-(length - overlap) // (side - overlap))
    return [round(i * (length - side) / (count - 1)) for i in range(count)]


def _ramp(length: int, overlap: int) -> Tensor:
    """1 inside, down to nearly 0 over `overlap` px at both ends, [length]."""
    from_end = torch.minimum(torch.arange(1, length + 1), torch.arange(length, 0, -1))
    return (from_end / (overlap + 1)).clamp(max=1.0)
