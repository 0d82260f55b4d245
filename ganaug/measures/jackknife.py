"""Intervals for distances between two sets of images, by leaving out a group of images at a time.

A bootstrap repeats images. Repeated images lower the rank of a covariance and are each other's nearest neighbours, so
it moves a Frechet distance and every measure of neighbours away from what it should surround. Leaving out repeats none.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.special import stdtrit
from torch import Tensor

GROUPS = 20
ROWS = 2000  # of each set at most; the spread of larger sets follows from theirs
LEVEL = 0.95

Statistic = Callable[[Tensor, Tensor], Sequence[float]]


def jackknife(
    statistic: Statistic, real: Tensor, fake: Tensor, *, strata: tuple[Tensor, Tensor] | None = None, seed: int = 0
) -> np.ndarray:
    """Half-widths of the 95 % intervals of some numbers that two sets give, by the delete-a-group jackknife.

    The value plus and minus the half-width covers what the same numbers of other images from both sources would give on
    average, both sets drawn anew; it knows nothing of another generator or another encoder. Measures that depend on the
    number of images are covered at these numbers, their bias included. On average it errs to the wide side (Efron and
    Stein 1981, doi:10.1214/aos/1176345462), by up to 1.4 times where both sets have one distribution. Squared distances
    of few images are skewed, which a symmetric interval does not follow: of 80 and 60 points that differ, it held the
    kernel distance in 92 of 100 draws, the Frechet distance in 94, precision and its kin in 96 or more.

    Args:
        statistic: From (real, fake) to k numbers.
        real: Features [N, D].
        fake: Features [M, E].
        strata: Classes, int64 [N] and [M]: every group then holds its share of each, for their shares are given and no
            part of what varies. None: they vary.
        seed: Of the groups.

    Returns:
        float64 [k]; nothing can be left out of fewer than four rows: infinite.

    Example:
        >>> x = torch.arange(2000.0)[:, None]
        >>> reach = jackknife(lambda real, fake: [float(fake.mean())], x, x)
        >>> bool(abs(reach[0] / (2.09 * float(x.std()) / 2000**0.5) - 1) < 0.4)
        True
    """
    fewest = min(len(real), len(fake))
    groups = min(GROUPS, fewest // 2)
    if groups < 2:
        return np.full(len(statistic(real, fake)), np.inf)
    generator = torch.Generator().manual_seed(seed)
    sides = zip((real, fake), strata or (None, None), strict=True)
    real, fake = (x[_order(len(x), classes, generator)] for x, classes in sides)
    values = np.array([statistic(_without(real, g, groups), _without(fake, g, groups)) for g in range(groups)])
    error = np.sqrt((groups - 1) * values.var(axis=0))
    return stdtrit(groups - 1, (1 + LEVEL) / 2) * error * min(1.0, ROWS / fewest) ** 0.5


def _order(rows: int, classes: Tensor | None, generator: torch.Generator) -> Tensor:
    """ROWS of the rows at random, class by class where classes are given: taking every G-th then takes its share."""
    chosen = torch.randperm(rows, generator=generator)[:ROWS]
    return chosen if classes is None else chosen[classes[chosen].argsort(stable=True)]


def _without(x: Tensor, group: int, groups: int) -> Tensor:
    return x[torch.arange(len(x), device=x.device) % groups != group]
