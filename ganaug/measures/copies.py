"""Near copies: a sample much nearer to one training image than to any other, be it mirrored or shifted a little.

No absolute distance tells copies: what is near among portraits is far among plain fields. The ratio of the nearest
distance to the second nearest does.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ganaug.errors import DataError

COPY_RATIO = 1 / 3  # d1 / d2 below it: a near copy
SIDE = 32  # px a side, at most, at which images are compared; below it a copy is still a copy
SHIFTS = [(down, right) for down in range(5) for right in range(5)]  # up to 2 px each way, from 2 px outside
FLIPS = ((), (1,), (2,), (1, 2))  # axes of [C, H, W]
COARSE = 8  # px a side at which candidates are sought
CANDIDATES = 8  # real images that are compared in full: the copied one, its rivals, and what the coarse look misjudged
BLOCK = 2**20  # coarse products held at once, few enough for the processor's cache
PIECE = 2**20  # the same of pixels of shifted samples


class Copies(NamedTuple):
    """What `near_copies` finds, one row for each sample.

    Attributes:
        is_copy: Whether it is a near copy, bool [N].
        nearest: Row of the nearest real image, int64 [N]; of equal or mirrored ones the first.
        ratio: Distance to the nearest over that to the second nearest, float64 [N] in [0, 1]; 0 for an exact copy.
    """

    is_copy: Tensor
    nearest: Tensor
    ratio: Tensor


def near_copies(samples: Tensor, real: Tensor) -> Copies:
    """Which samples are near copies of a real image: d1 / d2 below 1/3.

    A distance is the mean squared difference of pixels, rooted, at 32 px a side at most, over what a sample and a real
    image share when the sample is shifted by up to 2 px each way and mirrored along either axis or both: the smallest
    of all these. d2 is that to another picture: real images that equal each other, mirrored or not, are one. Those that
    nearly do, such as frames of one film, hide each other's copies.

    Args:
        samples: uint8 [N, C, H, W].
        real: uint8 [M, C, H, W], two different pictures at least.

    Raises:
        DataError: The sets are not uint8 or differ in shape, or `real` shows fewer than two pictures.

    Example:
        >>> real = torch.randint(0, 256, (50, 1, 12, 12), generator=torch.Generator().manual_seed(0)).byte()
        >>> near_copies(real[3:5].flip(3).roll(1, 2), real)[:2]
        (tensor([True, True]), tensor([3, 4]))
    """
    _check(samples, real)
    samples, real = _reduced(samples), _reduced(real)
    rows = pictures(real)
    if len(rows) < 2:
        raise DataError(f"real images must show two pictures or more, got {len(rows)}; add images")
    nearest, ratio = _confirmed(samples, real[rows], _candidates(samples, real[rows]))
    return Copies(ratio < COPY_RATIO, rows[nearest], ratio)


def pictures(images: Tensor) -> Tensor:
    """Row numbers of uint8 [N, C, H, W] without those that repeat an earlier one, mirrored or not: int64, ascending.

    >>> x = torch.arange(64, dtype=torch.uint8).reshape(1, 1, 8, 8)
    >>> pictures(torch.cat([x, x.flip(3), x // 2, x])).tolist()
    [0, 2]
    """
    first: dict[bytes, int] = {}
    for i, image in enumerate(images):
        first.setdefault(min(image.flip(axes).numpy().tobytes() for axes in FLIPS), i)
    return torch.tensor(list(first.values()), dtype=torch.int64)


def _candidates(samples: Tensor, real: Tensor) -> Tensor:
    """The rows of `real` nearest to each sample at 8 px, under the best flip and shift: int64 [N, k].

    A flip only changes the sign of the parts that are odd along its axis: four short products hold all four flips.
    """
    mean = real.float().mean()
    points = torch.cat([_coarse(piece.float() - mean) for piece in real.split(1024)])
    view = _coarse(_shifted(torch.ones(1, *real.shape[1:]))[0])  # what stays in view of each pixel, [shifts, C, 8, 8]
    area = view.sum((1, 2, 3))[:, None]
    weight = 2 / area[..., None, None]
    norms = [view.flatten(1) @ points.flip([axis + 1 for axis in axes]).flatten(1).square().T / area for axes in FLIPS]
    parts, found = _parts(points), []
    for piece in samples.split(max(1, BLOCK // (len(SHIFTS) * len(real)))):
        shifted = _coarse(_shifted(piece.float() - mean).flatten(0, 1)).unflatten(0, (len(piece), -1))
        own = (shifted.square() / view.clamp(min=0.01)).sum((2, 3, 4))[..., None] / area  # [n, shifts, 1]
        ee, eo, oe, oo = (x @ y.T for x, y in zip(_parts((shifted * weight).flatten(0, 1)), parts, strict=True))
        plain, mirrored = (ee + eo, oe + oo), (ee - eo, oe - oo)
        products = (pair[0].add(pair[1], alpha=sign) for pair in (plain, mirrored) for sign in (1, -1))
        distances = [norm - x.unflatten(0, own.shape[:2]) for norm, x in zip(norms, products, strict=True)]
        nearest = torch.stack(distances).amin(0).add_(own).amin(1)
        found.append(nearest.topk(min(CANDIDATES, len(real)), largest=False).indices)
    return torch.cat(found)


def _confirmed(samples: Tensor, real: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
    """Row of the nearest candidate and d1 / d2, both [N], from all pixels.

    Products find the best flip and shift for each candidate; its distance is then taken from differences, because
    products cannot tell a copy from a near copy.
    """
    view = _shifted(torch.ones(1, *real.shape[1:]))[0].flatten(1)  # what stays in view, [shifts, D]
    area, piece = view.sum(1), max(1, PIECE // view.numel())
    nearest, ratios = [], []
    for sample, rows in zip(samples.split(piece), candidates.split(piece), strict=True):
        x = _shifted(sample.float()).flatten(2)  # [n, shifts, D]
        y = torch.stack([real[rows].flip([axis + 2 for axis in axes]) for axes in FLIPS], 2).float().flatten(3)
        columns = y.flatten(1, 2).mT  # [n, D, k * flips]
        squares = x.square().sum(2, keepdim=True) - 2 * x @ columns + view @ columns.square()
        best = (squares / area[:, None]).unflatten(2, (-1, len(FLIPS))).transpose(1, 2).flatten(2).argmin(2)
        shift, flip = best // len(FLIPS), best % len(FLIPS)  # [n, k]
        n, k = torch.arange(len(rows))[:, None], torch.arange(rows.shape[1])
        differences = (x[n, shift] - y[n, k, flip]).double() * view[shift]
        distances, order = (differences.square().sum(2) / area[shift]).sqrt().sort(dim=1, stable=True)
        nearest.append(rows.gather(1, order)[:, 0])
        ratios.append(torch.where(distances[:, 0] > 0, distances[:, 0] / distances[:, 1], 0.0))
    return torch.cat(nearest), torch.cat(ratios)


def _shifted(images: Tensor) -> Tensor:
    """Float [N, C, H, W] under every shift, zero where nothing is: [N, shifts, C, H, W]."""
    height, width = images.shape[2:]
    padded = F.pad(images, (2, 2, 2, 2))
    return torch.stack([padded[..., y : y + height, x : x + width] for y, x in SHIFTS], 1)


def _coarse(images: Tensor) -> Tensor:
    return F.adaptive_avg_pool2d(images, COARSE)


def _parts(images: Tensor) -> list[Tensor]:
    """Float [N, C, 8, 8] split by symmetry, even and odd along height and width: 4 x [N, C * 16]."""
    return [part.flatten(1) for half in _halves(images, 2) for part in _halves(half, 3)]


def _halves(x: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """The even and the odd part along an axis, each stored once: their inner products add up to those of `x`."""
    first, second = x.chunk(2, axis)
    second = second.flip(axis)
    return (first + second) * 0.5**0.5, (first - second) * 0.5**0.5


def _reduced(images: Tensor) -> Tensor:
    """uint8 at 32 px a side at most."""
    size = min(images.shape[2], SIDE), min(images.shape[3], SIDE)
    if size == tuple(images.shape[2:]):
        return images
    return torch.cat([F.adaptive_avg_pool2d(piece.float(), size).round().byte() for piece in images.split(1024)])


def _check(samples: Tensor, real: Tensor) -> None:
    for name, images in (("samples", samples), ("real images", real)):
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1:] != real.shape[1:]:
            raise DataError(
                f"{name} must be uint8 [N, C, H, W] of one shape, got {images.dtype} {list(images.shape)} beside "
                f"{real.dtype} {list(real.shape)}; convert them"
            )
