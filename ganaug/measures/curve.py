"""The learning curve of real images, and what a gain is worth on it: how many more real images would give as much?"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ganaug.measures.grading import Fit
from ganaug.measures.metrics import scores
from ganaug.measures.statistics import Draws

SERIES = (1, 2, 5)  # 5, 10, 20, 50, 100, ... images a class
DECAYS = np.linspace(0.05, 2.0, 40)  # exponents tried
LEAST = 3  # points that a curve of three parameters needs
FAR = 2.0  # no answer beyond so many times the images there are
NO_GAIN = "the interval of the gain holds 0"


def sizes(counts: np.ndarray) -> list[int]:
    """Images of each class at which the curve is measured, below the mean number there are.

    >>> sizes(np.array([120, 118]))
    [5, 10, 20, 50, 100]
    """
    ladder = (step * 10**power for power in range(6) for step in SERIES)
    return [n for n in ladder if 5 <= n < 0.9 * counts.mean()]


def curve_arms(counts: np.ndarray, seeds: Sequence[int], augment: str) -> dict[int, list[Fit]]:
    """For each size the baseline on so many images of each class, drawn anew for each seed."""
    return {n: [Fit(s, augment, ("test",), per_class=n) for s in seeds] for n in sizes(counts)}


def images_at(counts: np.ndarray, per_class: int) -> int:
    """Images that are left when each class has at most `per_class`.

    >>> images_at(np.array([3, 20]), 5)
    8
    """
    return int(np.minimum(counts, per_class).sum())


def fit_power_law(n: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Error = floor + height * n^-decay, by relative least squares with floor and height at least 0.

    The three-parameter power law describes learning curves best of the simple ones (Viering and Loog 2021,
    arXiv:2103.10948). The decay is searched on a grid, the others follow in closed form, for many curves at once.

    Args:
        n: Training images, float [P].
        errors: One minus the score, float [..., P].

    Returns:
        (floor, height, decay), each [...].

    Example:
        >>> n = np.array([5.0, 10, 20, 50])
        >>> floor, height, decay = fit_power_law(n, 0.1 + 2 / n)
        >>> round(float(floor), 3), round(float(height), 3), round(float(decay), 2)
        (0.1, 2.0, 1.0)
    """
    errors = np.asarray(errors, dtype=np.float64)
    weights = 1 / np.maximum(errors, 1e-3) ** 2
    basis = n ** -DECAYS[:, None]  # [G, P]
    at = (*[None] * (errors.ndim - 1), slice(None), slice(None))
    w, y, x = weights[..., None, :], errors[..., None, :], basis[at]
    mean = (w * y).sum(-1) / w.sum(-1)
    centre = (w * x).sum(-1) / w.sum(-1)
    spread = (w * (x - centre[..., None]) ** 2).sum(-1)
    height = ((w * (x - centre[..., None]) * (y - mean[..., None])).sum(-1) / spread).clip(min=0)
    floor = mean - height * centre
    sunk = floor < 0
    height = np.where(sunk, (w * x * y).sum(-1) / (w * x * x).sum(-1), height)
    floor = np.where(sunk, 0.0, floor)
    loss = (w * (floor[..., None] + height[..., None] * x - y) ** 2).sum(-1)
    best = loss.argmin(-1)[..., None]
    take = [np.take_along_axis(part, best, -1)[..., 0] for part in (floor, height)]
    return take[0], take[1], DECAYS[best[..., 0]]


def equivalents(n: np.ndarray, errors: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Real images a class, beyond the last `n`, that would change the error as `gain` does; infinite where none would.

    >>> n = np.array([5.0, 10, 20, 50])
    >>> round(float(equivalents(n, 0.1 + 2 / n, np.array(0.01))), 1)
    16.7
    """
    _, height, decay = fit_power_law(n, errors)
    wanted = height * n[-1] ** -decay - gain
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (wanted / height) ** (-1 / decay) - n[-1]
    return np.where(wanted > 0, found, np.inf)


def real_equivalents(
    n: np.ndarray,
    tables: Sequence[np.ndarray],
    arm: np.ndarray,
    labels: np.ndarray,
    draws: Draws,
    metric: str,
    headline: Mapping[str, Any],
) -> dict[str, Any]:
    """What the headline's gain is worth in real images of each class; null, with the reason, where that is not known.

    Args:
        n: Mean training images a class at each point of the curve, the last with all images: the baseline.
        tables: Which test images each classifier named rightly, bool [S_p, M] for each point.
        arm: The same for the headline arm, [S, M], paired with the last of `tables`.
        labels: Of the test images, int64 [M].
        draws: Of seeds and test images.
        metric: "accuracy" or "balanced_accuracy".
        headline: Its `ci` and `delta`.

    Returns:
        `per_class`, `ci` and `why` of measure.json.
    """
    low, high = headline["ci"]
    if low <= 0 <= high:
        return unknown(NO_GAIN)
    if len(n) < LEAST:
        return unknown(f"a curve needs {LEAST} points, and {n[-1]:.0f} images a class give {len(n)}")
    errors = np.array([1 - scores(table, labels, metric).mean() for table in tables])
    if not fit_power_law(n, errors)[1] > 0:
        return unknown("more real images change nothing: the curve is flat")
    found = float(equivalents(n, errors, np.asarray(headline["delta"])))
    if n[-1] + found < n[0]:
        return unknown(f"it costs more than all but {n[0]:.0f} real images a class, where the curve begins")
    if found > (FAR - 1) * n[-1]:
        return unknown(f"it is worth more than {n[-1]:.0f} further real images a class, beyond what the curve can tell")
    drawn = np.stack([_drawn(table, labels, draws, metric) for table in (*tables, arm)], axis=-1)
    spread = equivalents(n, 1 - drawn[:, :-1], drawn[:, -1] - drawn[:, -2])
    limits = n[0] - n[-1], (FAR - 1) * n[-1]
    ends = np.quantile(spread.clip(*limits), [0.025, 0.975])
    beyond = "; the interval goes beyond what the curve can tell" if {*ends} & {*limits} else ""
    why = f"with synthetic images, {n[-1]:.0f} real ones a class teach as much as {n[-1] + found:.0f} without{beyond}"
    return {"per_class": found, "ci": ends.tolist(), "why": why}


def points(
    n: np.ndarray, images: Sequence[int], tables: Sequence[np.ndarray], labels: np.ndarray, metric: str
) -> list[dict[str, Any]]:
    """The measured curve beside the fitted one, a point a row."""
    found = [scores(table, labels, metric) for table in tables]
    errors = np.array([1 - row.mean() for row in found])
    fitted = _fitted(n, errors) if len(n) >= LEAST else [None] * len(n)
    return [
        {
            "per_class": float(size),
            "images": count,
            "scores": row.tolist(),
            "mean": float(row.mean()),
            "sd": float(row.std(ddof=1)) if len(row) > 1 else None,
            "fitted": value,
        }
        for size, count, row, value in zip(n, images, found, fitted, strict=True)
    ]


def _fitted(n: np.ndarray, errors: np.ndarray) -> list[float]:
    floor, height, decay = fit_power_law(n, errors)
    return (1 - floor - height * n**-decay).tolist()


def _drawn(table: np.ndarray, labels: np.ndarray, draws: Draws, metric: str) -> np.ndarray:
    """The score of a point in each draw of its seeds and of the shared images, [B]."""
    classes, inverse = np.unique(labels, return_inverse=True)
    weights = 1 / (len(classes) * np.bincount(inverse)[inverse]) if metric != "accuracy" else 1 / len(labels)
    per_seed = (draws.images * weights) @ table.T.astype(float)
    return (draws.of_seeds(table.shape[0]) * per_seed).sum(1)


def unknown(why: str) -> dict[str, Any]:
    """No number, and the reason."""
    return {"per_class": None, "ci": None, "why": why}
