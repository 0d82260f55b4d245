"""Whether the classes of one domain have other shares than those of another, as far as a classifier can tell.

A translation that matches distributions fills the gap between two sets of shares by changing classes (Cohen et al.
2018, arXiv:1805.08841), so a difference is worth a warning before anything is translated.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

DRAWS, LEVEL = 2000, 0.99


def label_marginals(predicted: np.ndarray, counts: np.ndarray, classes: Sequence[str], error: float) -> dict[str, Any]:
    """The total variation distance of the classes that B's images are taken for from the shares of A's labels.

    Chance alone gives `noise` or less in 99 of 100 draws of both sets from one distribution, and a classifier moves no
    more than the share of images that it mistakes: what exceeds both together is a difference of the domains.

    Args:
        predicted: What each of S classifiers takes each image of B for, int64 [S, M].
        counts: Images of A of each class, int64 [K].
        classes: The K names.
        error: Share of real images of B that the classifiers mistake.

    Example:
        >>> found = label_marginals(np.zeros((2, 500), int), np.array([250, 250]), ("cat", "dog"), 0.1)
        >>> found["tv"], found["differ"]
        (0.5, True)
    """
    seen = np.bincount(predicted.ravel(), minlength=len(counts)) / predicted.size
    shares = counts / counts.sum()
    noise = _noise(shares, int(counts.sum()), predicted.shape[1])
    tv = float(np.abs(seen - shares).sum() / 2)
    return {
        "tv": tv,
        "noise": noise,
        "error": error,
        "differ": bool(tv > noise + error),
        "a": dict(zip(classes, shares.tolist(), strict=True)),
        "b": dict(zip(classes, seen.tolist(), strict=True)),
    }


def _noise(shares: np.ndarray, n: int, m: int) -> float:
    """The distance between two samples of n and m from the same shares that 99 of 100 stay below."""
    rng = np.random.default_rng(0)
    one, other = rng.multinomial(n, shares, DRAWS) / n, rng.multinomial(m, shares, DRAWS) / m
    return float(np.quantile(np.abs(one - other).sum(1) / 2, LEVEL))
