"""Near twins that straddle a split: copies of one picture, and crops of one picture that overlap."""

import re
from bisect import bisect_left
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ganaug.data.labeled import LabeledImages, align
from ganaug.data.overlap import RIVALS, near_duplicates, opaque, stand_out

LOOKED_AT = 2000  # held-out images; of more a random sample tells the share
PAIRS = 100_000  # compared for overlapping crops, which takes seconds
WINDOW = 1000  # training images that one held-out image is compared with at most, tens of MB
SIDE, LEAST_SIDE = 48, 32  # px of the shorter side at which crops are compared, and below which they are not
FINE = 7  # px: what is smooth over this width is lighting
ALIKE = 0.8  # correlation of the fine structure above which two crops may show one place
OVERLAP = 0.25  # share of the picture that they must have in common
PIECE = 8  # images whose spectra stay in the cache


@dataclass(frozen=True)
class Twins:
    """Held-out images with a near twin among the training images: what is learned of one is known of the other.

    Attributes:
        looked_at: Held-out images that were compared.
        per_class: Class name -> held-out images with a twin of either kind; classes without one are left out.
        copies: (held-out name, training name, correlation) of the same picture, re-encoded, resized or flipped.
        crops: The same of crops that overlap: cuttings of one photograph, frames of one film.
    """

    looked_at: int
    per_class: dict[str, int]
    copies: list[tuple[str, str, float]]
    crops: list[tuple[str, str, float]]

    @property
    def count(self) -> int:
        """Held-out images with a twin."""
        return sum(self.per_class.values())


def near_twins(train: LabeledImages, held: LabeledImages) -> Twins:
    """Look for near twins on both sides of a split.

    Args:
        train: The training images.
        held: Validation or test images of the same size, channels and classes.

    Raises:
        DataError: `held` has other classes.

    Example:
        >>> from ganaug.data import load
        >>> near_twins(load("sklearn:digits:train"), load("sklearn:digits:test")).count
        0
    """
    held = align(held, train)
    if len(held) > LOOKED_AT:
        held = held.subset(torch.randperm(len(held), generator=torch.Generator().manual_seed(0))[:LOOKED_AT])
    copies, crops = near_duplicates(held, train), overlapping_crops(held, train)
    counts = held.subset(sorted({i for i, _, _ in copies + crops})).counts.tolist()
    return Twins(
        looked_at=len(held),
        per_class={name: n for name, n in zip(held.classes, counts, strict=True) if n},
        copies=[(held.names[i], train.names[j], c) for i, j, c in copies],
        crops=[(held.names[i], train.names[j], c) for i, j, c in crops],
    )


def overlapping_crops(held: LabeledImages, train: LabeledImages) -> list[tuple[int, int, float]]:
    """Pairs of crops of one picture that have a quarter of their area or more in common; the most alike first.

    What two images share is looked for at every shift: the correlation of their fine structure, lighting removed, where
    they overlap. As for near duplicates a pair must exceed a bound and stand out from the sixth best match. Crops of
    one photograph are numbered one after the other, so each image is compared with those nearest to it in the order of
    names (where both sets are small: with all). Images below 32 px have too few pixels for this.

    Returns:
        (index in `held`, index in `train`, correlation).
    """
    if min(held.shape[1:]) < LEAST_SIDE:
        return []
    mine, theirs = _by_name(held), _by_name(train)
    names = [_natural(train.names[j]) for j in theirs]
    k = min(len(theirs), WINDOW, max(RIVALS, PAIRS // len(mine)))
    step = max(1, (WINDOW - k) * len(mine) // len(theirs))  # images whose windows together are about as long
    found = []
    for block in (mine[start : start + step] for start in range(0, len(mine), step)):
        near = [bisect_left(names, _natural(held.names[i])) - k // 2 for i in block]
        near = [min(max(0, start), len(theirs) - k) for start in near]
        window = theirs[near[0] : near[-1] + k]
        a, b = Shifts.of(held.images[block]), Shifts.of(train.images[window])
        for n, i in enumerate(block):
            start = near[n] - near[0]
            values, order = a.best(n, b, slice(start, start + k)).topk(min(RIVALS, k))
            for column in stand_out(values[None], ALIKE)[0].nonzero().flatten().tolist():
                found.append((i, window[start + int(order[column])], round(float(values[column]), 4)))
    return sorted(found, key=lambda pair: (-pair[2], pair))


def _by_name(data: LabeledImages) -> list[int]:
    return sorted(range(len(data)), key=lambda i: _natural(data.names[i]))


def _natural(name: str) -> str:
    """A key that sorts `image 9` before `image 10`."""
    return re.sub(r"\d+", lambda number: number[0].zfill(12), name)


@dataclass(frozen=True)
class Shifts:
    """Images as it takes to correlate them at every shift: the spectra of their fine structure, and its strength.

    Attributes:
        spectra: Complex [N, P, Q'], zero-padded so that no two valid shifts fall on one place.
        scales: One over the norm of what stays in view at each shift of the image, zero where that is too little or too
            empty, float [N, P, Q].
    """

    spectra: Tensor
    scales: Tensor

    @classmethod
    def of(cls, images: Tensor) -> "Shifts":
        """From uint8 [N, C, H, W]."""
        spectra, scales = zip(*map(_shifts, images.split(PIECE)), strict=True)
        return cls(torch.cat(spectra), torch.cat(scales))

    def best(self, n: int, other: "Shifts", which: slice) -> Tensor:
        """The best correlation of image `n` with each of `which` of `other`, over all shifts, [len(which)]."""
        size, found = self.scales.shape[1:], []
        back = self.scales[n].flip((0, 1)).roll((1, 1), (0, 1))  # what one image is shifted by the other goes back
        mine = self.spectra[n].conj().resolve_conj()
        for spectra, scales in zip(other.spectra[which].split(PIECE), other.scales[which].split(PIECE), strict=True):
            found.append(torch.fft.irfft2(mine * spectra, s=size).mul_(back).mul_(scales).flatten(1).amax(1))
        return torch.cat(found)


def _shifts(images: Tensor) -> tuple[Tensor, Tensor]:
    """(spectra, scales) of a few images."""
    fine = _fine(images)
    height, width = fine.shape[1:]
    size = [12 * -(-7 * n // 48) for n in (height, width)]  # half as much again and more, and quick to transform
    area = _in_view(height, size[0])[:, None] * _in_view(width, size[1])
    view = torch.fft.rfft2(torch.ones(height, width), s=size).conj()
    energy = torch.fft.irfft2(torch.fft.rfft2(fine**2, s=size) * view, s=size)
    rich = (area > OVERLAP * height * width) & (energy > area / 4)
    return torch.fft.rfft2(fine, s=size), torch.where(rich, energy.clamp(min=1).rsqrt(), 0.0)


def _in_view(side: int, size: int) -> Tensor:
    """How many of `side` pixels stay in view at each circular shift, [size]."""
    shift = torch.arange(size)
    return (side - torch.minimum(shift, size - shift)).clamp(min=0)


def _fine(images: Tensor) -> Tensor:
    """Gray levels at a shorter side of 48 px less their smooth part, of variance 1 where there is any, [N, h, w]."""
    scale = min(1, SIDE / min(images.shape[2:]))
    size = tuple(round(n * scale) for n in images.shape[2:])
    gray = torch.cat(
        [F.interpolate(opaque(x[None].float()), size=size, mode="area").mean(1, keepdim=True) for x in images]
    )
    smooth = F.avg_pool2d(F.pad(gray, (FINE // 2,) * 4, mode="replicate"), FINE, 1)
    fine = (gray - smooth)[:, 0]
    return fine / fine.std((1, 2), keepdim=True).clamp(min=1)
