"""Images that two sets share: pixel for pixel, or all but for coding, resizing, faint noise and flips."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from ganaug.data.labeled import LabeledImages

SIDE = 16  # px of the shorter side at which pictures are compared
ALIKE = 0.99  # correlation above which two pictures may be one
NEARER = 4  # times nearer to 1 than the sixth best match is, else the set is just full of such pictures
RIVALS = 6  # best matches that are looked at: up to five copies do not hide each other
ROWS, COLUMNS = 2048, 512  # images of either set in one block of correlations, 4 MB each
PIECE = 2**22  # pixels that are reduced at once


class Hashed(Protocol):
    """A set of images, with labels or without."""

    @property
    def images(self) -> Tensor:
        """uint8 [N, C, H, W]."""
        ...

    @cached_property
    def hashes(self) -> list[str]:
        """sha256 of each image's shape and pixels, [N]."""
        ...


def shared(a: Hashed, b: Hashed) -> list[tuple[int, int]]:
    """(index in `a`, index in `b`) of equal pixels: every image of `a` that `b` has too, with the first like it there.

    Example:
        >>> from ganaug.data import load
        >>> digits = load("sklearn:digits:test")
        >>> shared(digits, digits.subset([7, 3]))
        [(3, 1), (7, 0)]
    """
    first = {h: j for j, h in reversed(list(enumerate(b.hashes)))}
    return [(i, first[h]) for i, h in enumerate(a.hashes) if h in first]


def duplicates(data: LabeledImages) -> tuple[list[list[int]], list[list[int]]]:
    """(groups of images with equal pixels, those of them whose labels differ), each group as sorted indices.

    Example:
        >>> from ganaug.data import load
        >>> duplicates(load("sklearn:digits").subset([5, 1, 5]))
        ([[0, 2]], [])
    """
    return repeated(data.hashes, data.targets)


def repeated(hashes: Sequence[str], labels: Sequence[int]) -> tuple[list[list[int]], list[list[int]]]:
    """The same of hashes, before anything is decoded to one form; an empty one, of what cannot be read, equals none.

    >>> repeated(["a", "b", "a", "", ""], [0, 0, 1, 0, 0])
    ([[0, 2]], [[0, 2]])
    """
    by_hash: dict[str, list[int]] = defaultdict(list)
    for i, h in enumerate(hashes):
        if h:
            by_hash[h].append(i)
    equal = [group for group in by_hash.values() if len(group) > 1]
    return equal, [group for group in equal if len({labels[i] for i in group}) > 1]


def monotonous(data: LabeledImages) -> list[str]:
    """The classes of several images that all show one and the same: all that can be learned of them is that image.

    Example:
        >>> from ganaug.data import load
        >>> monotonous(load("sklearn:digits").subset([0, 0, 2, 3]))
        ['6']
    """
    shown: list[set[str]] = [set() for _ in data.classes]
    for digest, label in zip(data.hashes, data.targets, strict=True):
        shown[label].add(digest)
    return [data.classes[k] for k, n in enumerate(data.counts.tolist()) if n > 1 == len(shown[k])]


def near_duplicates(test: Hashed, train: Hashed) -> list[tuple[int, int, float]]:
    """Pairs of one picture, re-encoded, resized, with faint noise or flipped; the most alike first.

    Both images are reduced to a shorter side of 16 px and compared by the correlation c of their pixels, all channels
    together, under the best of four flips. A pair counts where c > 0.99 and 1 - c is less than a quarter of what it is
    for the sixth best match of the same test image: digits, shoes and plain fields are alike by the dozen without being
    one picture, and a copy stands out among them. Hashes decide nothing: at small sizes half of all honest images
    collide.

    Why 16 px, and not the size of the smaller file: the images have one size by now, whatever their files had. And why
    not that one: what re-encoding and resizing change is the finest detail. Of copies at 64 px that were saved as JPEG
    of quality 75, a tenth correlates above 0.99 at full size; at 16 px over four fifths do.

    Args:
        test: Images looked for, uint8 [N, C, H, W].
        train: Images looked among, uint8 [M, C, H, W]; those with equal pixels count as one.

    Returns:
        (index in `test`, index in `train`, c), up to five for each test image. Images with equal pixels are among them,
        except those of one colour, which correlate with nothing.
    """
    distinct = torch.tensor(sorted({h: j for j, h in reversed(list(enumerate(train.hashes)))}.values()))
    found = []
    for rows, values, columns in _best(test.images, train.images, distinct):
        for row, column in stand_out(values, ALIKE).nonzero().tolist():
            found.append((rows[row], int(distinct[columns[row, column]]), round(float(values[row, column]), 4)))
    return sorted(found, key=lambda pair: (-pair[2], pair))


def stand_out(best: Tensor, least: float) -> Tensor:
    """Which of the best correlations [N, k], falling, exceed `least` and stand out from the last: bool [N, k]."""
    best = best.clamp(max=1)
    alone = best.shape[1] == 1  # there is nothing to stand out from
    return (best > least) & (alone | ((1 - best) * NEARER < 1 - best[:, -1:]))


def _best(a: Tensor, b: Tensor, of: Tensor) -> Iterator[tuple[range, Tensor, Tensor]]:
    """For blocks of `a`: (its rows, their best correlations with the images `of` `b` [rows, k], positions in `of`)."""
    for start in range(0, len(a), ROWS):
        rows = range(start, min(start + ROWS, len(a)))
        mine = _parts(a[rows.start : rows.stop])
        values, columns = torch.empty(len(rows), 0), torch.empty(len(rows), 0, dtype=torch.int64)
        for column in range(0, len(of), COLUMNS):
            block = _correlations(mine, _parts(b[of[column : column + COLUMNS]]))
            own, where = block.topk(min(RIVALS, block.shape[1]))
            values, columns = torch.cat([values, own], 1), torch.cat([columns, where + column], 1)
            values, order = values.topk(min(RIVALS, values.shape[1]))
            columns = columns.gather(1, order)
        yield rows, values, columns


def _correlations(a: list[Tensor], b: list[Tensor]) -> Tensor:
    """The best correlation of each pair under the four flips, [N, M].

    A flip only changes the sign of the parts that are odd along its axis, so four short products hold all four flips.
    """
    ee, eo, oe, oo = (x @ y.T for x, y in zip(a, b, strict=True))
    return torch.maximum(ee + eo + (oe + oo).abs(), ee - eo + (oe - oo).abs())


def _parts(images: Tensor) -> list[Tensor]:
    """Unit vectors of uint8 images [N, C, H, W], split by symmetry: even and odd along height and width, 4 x [N, D]."""
    whole = _unit(_reduce(images))
    return [part.flatten(1) for half in _halves(whole, 2) for part in _halves(half, 3)]


def _halves(x: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """The even and the odd part along an axis, each stored once: their inner products add up to those of `x`."""
    size, mirrored = x.shape[axis], x.flip(axis)
    even, odd = (
        (y * 0.5**0.5).narrow(axis, 0, n) for y, n in ((x + mirrored, -(-size // 2)), (x - mirrored, size // 2))
    )
    if size % 2:
        even.narrow(axis, size // 2, 1).mul_(0.5**0.5)  # the middle is its own mirror image
    return even, odd


def _reduce(images: Tensor) -> Tensor:
    """Float images whose shorter side is 16 px, transparency composited on white."""
    height, width = images.shape[2:]
    scale = min(1, SIDE / min(height, width))
    size = (round(height * scale), round(width * scale))
    pieces = images.split(max(1, PIECE // images[0].numel()))
    return torch.cat([F.interpolate(opaque(piece.float()), size=size, mode="area") for piece in pieces])


def opaque(images: Tensor) -> Tensor:
    """Float [N, C, H, W] in [0, 255] with transparency composited on white, [N, 1 or 3, H, W]."""
    if images.shape[1] < 4:
        return images
    alpha = images[:, 3:] / 255
    return images[:, :3] * alpha + 255 * (1 - alpha)


def _unit(images: Tensor) -> Tensor:
    """Images less their mean, of length one; zero where no channel varies by a gray level."""
    varies = (images.amax((2, 3)) - images.amin((2, 3))).amax(1) >= 1
    centred = images - images.mean((1, 2, 3), keepdim=True)
    return centred / centred.flatten(1).norm(dim=1).clamp(min=1)[:, None, None, None] * varies[:, None, None, None]
