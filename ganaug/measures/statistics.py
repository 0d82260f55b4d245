"""From a seeds x test-images table of differences to an interval, a p-value and a verdict.

Both the seeds and the test images are samples: another draw of either would give another difference, and all seeds
share the images. The bootstrap therefore resamples both sides, each on its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from ganaug.errors import DataError

MIN_SEEDS = 6  # the exact two-sided sign-flip test cannot go below p = 0.05 with fewer
EXACT_SEEDS = 16  # up to here every sign flip is tried: 2^16 of them
FLIPS = 2**16  # drawn at random beyond
CHUNK = 2**22  # numbers held at once by the bootstrap


@dataclass(frozen=True)
class Interval:
    """A mean difference with its uncertainty, all in the unit of the difference.

    Attributes:
        mean: The observed statistic.
        low: Lower end of the interval.
        high: Upper end of the interval.
        se: Bootstrap standard error.
    """

    mean: float
    low: float
    high: float
    se: float


def crossed_bootstrap(
    difference: ArrayLike, groups: ArrayLike | None = None, *, draws: int = 4000, level: float = 0.95, seed: int = 0
) -> Interval:
    """Interval for a mean over seeds and test images by the crossed ("pigeonhole") bootstrap.

    Owen 2007, Annals of Applied Statistics 1(2), doi:10.1214/07-AOAS122. Every draw takes S seeds and M images with
    replacement, one draw of images for all its seeds; the ends are percentiles. Where seed and image interact this
    overstates the variance, up to three times. Percentiles of few seeds or few images are too narrow (86 % coverage
    with six seeds), so the interval always contains Student's t over the S seed means and that over the M image means
    (M - 1 degrees of freedom; with K groups the stratified standard error, variance pooled within the groups, M - K).
    Image means without any variance are no proof that other images agree: there the rule of three bounds the mean.

    Args:
        difference: Correctness of the arm minus that of the baseline, float [S, M] in [-1, 1]; row s is one seed.
        groups: Class of each image, int [M]: the statistic is then the mean over classes of the class means (balanced
            accuracy) and images are drawn within their class, so that none vanishes. None: the plain mean (accuracy).
        draws: Bootstrap draws.
        level: Coverage of the interval, in (0, 1).
        seed: Seed of the draws.

    Returns:
        The observed statistic, the interval and the bootstrap standard error. One seed alone, one image alone and
        one image per group give infinite ends.

    Raises:
        DataError: `difference` is not a finite [S, M] table, or `groups` does not have one class per image.

    Example:
        >>> table = np.tile([0.0, 0.0, 0.0, 1.0], (10, 25))
        >>> interval = crossed_bootstrap(table)
        >>> interval.mean, interval.low > 0.15, interval.high < 0.4
        (0.25, True, True)
    """
    table = _table(difference)
    weights, strata = _strata(groups, table.shape[1])
    rng = np.random.default_rng(seed)
    chunk = max(1, CHUNK // table.shape[1])
    values = np.concatenate(
        [_resample(table, weights, strata, min(chunk, draws - start), rng) for start in range(0, draws, chunk)]
    )
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    per_seed = table @ weights
    mean = per_seed.mean()
    reach = max(
        _student(per_seed, *_strata(None, len(per_seed)), level), _images_reach(table.mean(0), weights, strata, level)
    )
    ends = mean, min(low, mean - reach), max(high, mean + reach), values.std(ddof=1)
    return Interval(*(round(float(end), 12) for end in ends))  # what cancels must read 0, not 1e-18 in favour of an arm


@dataclass(frozen=True)
class Draws:
    """Draws of seeds and of test images, each on its own, to be shared by all that is compared (Owen 2007).

    Attributes:
        seeds: Share of each seed in each draw, float [B, S].
        images: How often each image was drawn, float [B, M]; within its class, so that none vanishes.
    """

    seeds: np.ndarray
    images: np.ndarray

    def of_seeds(self, n: int) -> np.ndarray:
        """Shares of n seeds in each draw, [B, n]: those drawn, or others where the number is another."""
        draws, seeds = self.seeds.shape
        return self.seeds if n == seeds else _counts(draws, n, np.random.default_rng(n)) / n

    def interval(self, values: ArrayLike, observed: ArrayLike, *, level: float = 0.95) -> tuple[float, float]:
        """Percentiles of the mean over drawn seeds, and never narrower than Student's t over the seeds observed.

        Args:
            values: The statistic of each seed under each draw of images, float [B, S].
            observed: The statistic of each seed on the images as they are, float [S].
            level: Coverage, in (0, 1).

        Returns:
            (low, high); NaN where the statistic is.
        """
        table, per_seed = np.asarray(values, dtype=np.float64), np.asarray(observed, dtype=np.float64)
        low, high = np.quantile((self.seeds * table).sum(1), [(1 - level) / 2, (1 + level) / 2])
        reach = _student(per_seed, *_strata(None, len(per_seed)), level)
        mean = per_seed.mean()
        return float(min(low, mean - reach)), float(max(high, mean + reach))


def draw(seeds: int, labels: ArrayLike, *, draws: int = 1000, seed: int = 0) -> Draws:
    """Resample `seeds` seeds and the images, class by class.

    >>> drawn = draw(3, [0, 0, 1], draws=2)
    >>> drawn.images[:, :2].sum(1).tolist(), drawn.images[:, 2].tolist(), drawn.seeds.sum(1).tolist()
    ([2.0, 2.0], [1.0, 1.0], [1.0, 1.0])
    """
    rng = np.random.default_rng(seed)
    groups = np.asarray(labels)
    shares = _counts(draws, seeds, rng) / seeds
    images = np.empty((draws, len(groups)))
    for stratum in _strata(groups, len(groups))[1]:
        images[:, stratum] = _counts(draws, len(stratum), rng)
    return Draws(shares, images)


def sign_flip_p(per_seed_differences: ArrayLike, *, seed: int = 0) -> float:
    """Two-sided sign-flip permutation p of a mean paired difference.

    If neither arm is better, each difference is as likely to be its own negative (Fisher 1935, The Design of
    Experiments). Exact up to 16 seeds, beyond that 65,536 seeded random flips.

    Args:
        per_seed_differences: Score of the arm minus score of the baseline, one per seed, float [S].
        seed: Seed of the random flips, used beyond 16 seeds only.

    Returns:
        p in (0, 1]; 1.0 if every difference is zero or there is none.

    Example:
        >>> sign_flip_p([0.01, 0.02, 0.03, 0.01, 0.02, 0.01])
        0.03125
    """
    differences = np.asarray(per_seed_differences, dtype=np.float64).ravel()
    scale = np.abs(differences).sum()
    if scale == 0:
        return 1.0
    sums = np.abs(_signs(len(differences), seed) @ differences)
    extreme = (
        sums >= abs(differences.sum()) - 1e-9 * scale
    )  # equal sums must count as equal whatever the order of addition
    if len(differences) <= EXACT_SEEDS:
        return float(extreme.mean())
    return float((1 + extreme.sum()) / (1 + FLIPS))


def verdict(interval_low: float, interval_high: float, *, seeds: int, margin: float) -> str:
    """What an interval of a gain says, in order: too few seeds, helps, hurts, equivalent within the margin, undecided.

    Args:
        interval_low: Lower end, in the unit of the metric (0.01 = one point).
        interval_high: Upper end.
        seeds: Paired seeds behind it; fewer than 6 decide nothing.
        margin: Differences within +- margin count as none.

    Returns:
        "helps", "hurts", "no measurable difference" or "inconclusive".

    Example:
        >>> verdict(0.004, 0.02, seeds=10, margin=0.01)
        'helps'
    """
    return reading(interval_low, interval_high, margin=margin) if seeds >= MIN_SEEDS else "inconclusive"


def reading(interval_low: float, interval_high: float, *, margin: float) -> str:
    """What an interval says by itself, however many seeds it rests on.

    >>> reading(-0.003, 0.004, margin=0.01)
    'no measurable difference'
    """
    if interval_low > 0:
        return "helps"
    if interval_high < 0:
        return "hurts"
    return "no measurable difference" if -margin <= interval_low and interval_high <= margin else "inconclusive"


def holm(p: Sequence[float]) -> list[float]:
    """p-values adjusted for their number (Holm 1979, Scandinavian Journal of Statistics 6(2)), in the order given.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate((len(p) - np.arange(len(p))) * np.asarray(p, dtype=np.float64)[order])
    return [round(float(value), 12) for value in adjusted.clip(max=1)]


def minimum_detectable(se: float, per_seed_differences: ArrayLike, *, level: float = 0.95, power: float = 0.8) -> float:
    """Smallest true difference that a two-sided test finds with probability `power`: (t_.975 + t_.80) standard errors.

    Bloom 1995, Evaluation Review 19(5), with S - 1 degrees of freedom. The standard error is the larger of the
    bootstrap's and that of S seeds, which the bootstrap understates by sqrt((S - 1) / S) where the seeds alone vary.

    Args:
        se: Bootstrap standard error of the difference.
        per_seed_differences: Score of the arm minus score of the baseline, one per seed, float [S].
        level: One minus the size of the test.
        power: Probability of finding the difference.

    Returns:
        The difference, in the unit of `se`; infinite with one seed.

    Example:
        >>> round(minimum_detectable(0.01, [0.02] * 10), 4)
        0.0315
    """
    differences = np.asarray(per_seed_differences, dtype=np.float64).ravel()
    seeds = len(differences)
    if seeds < 2:
        return float("inf")
    quantiles = stdtrit(seeds - 1, (1 + level) / 2) + stdtrit(seeds - 1, power)
    return float(quantiles * max(se, differences.std(ddof=1) / seeds**0.5))


def _table(difference: ArrayLike) -> np.ndarray:
    table = np.asarray(difference, dtype=np.float64)
    if table.ndim != 2 or table.size == 0 or not np.isfinite(table).all():
        raise DataError(
            f"difference must be finite numbers [seeds, images], got {_describe(table)}; check the arms' tables"
        )
    return table


def _strata(groups: ArrayLike | None, images: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Weight of each image in the statistic, [M], and the indices within which images are redrawn."""
    if groups is None:
        return np.full(images, 1 / images), [np.arange(images)]
    labels = np.asarray(groups)
    if labels.shape != (images,):
        raise DataError(
            f"groups must hold one class per image [{images}], got {list(labels.shape)}; pass the test labels"
        )
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return 1 / (len(counts) * counts[inverse]), [np.flatnonzero(inverse == k) for k in range(len(counts))]


def _resample(
    table: np.ndarray, weights: np.ndarray, strata: Sequence[np.ndarray], draws: int, rng: np.random.Generator
) -> np.ndarray:
    """The statistic in `draws` resamples: how often each seed and each image was taken is all that matters."""
    seeds = _counts(draws, len(table), rng) / len(table)
    images = np.empty((draws, table.shape[1]))
    for stratum in strata:
        images[:, stratum] = _counts(draws, len(stratum), rng)
    return np.einsum("bm,bm,m->b", seeds @ table, images, weights)


def _counts(draws: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """How often each of n was taken in n draws with replacement, [draws, n]: multinomial counts."""
    taken = rng.integers(n, size=(draws, n)) + n * np.arange(draws)[:, None]
    return np.bincount(taken.ravel(), minlength=draws * n).reshape(draws, n)


def _student(values: np.ndarray, weights: np.ndarray, strata: Sequence[np.ndarray], level: float) -> float:
    """Half-width of Student's t interval for the weighted mean of `values`, their variance pooled within the strata."""
    freedom = len(values) - len(strata)
    if freedom == 0:
        return float("inf")
    squares = sum(((values[stratum] - values[stratum].mean()) ** 2).sum() for stratum in strata)
    return float(stdtrit(freedom, (1 + level) / 2) * (squares / freedom * (weights**2).sum()) ** 0.5)


def _images_reach(values: np.ndarray, weights: np.ndarray, strata: Sequence[np.ndarray], level: float) -> float:
    """Half-width over the image means: Student's t, or the rule of three where none differs from another.

    Hanley and Lippman-Hand 1983, JAMA 249(13): what M images never showed may still befall a share 3 / M of all (3 is
    -log 0.05). With strata the unseen shares p_k obey sum M_k p_k <= 3, so that the mean over K classes moves most if
    all is in one class, by 3 / (K M_k). An unseen image in [-1, 1] lies at most 1 + |v| from those seen at v.
    """
    if len(values) == len(strata) or any(np.ptp(values[stratum]) > 1e-12 for stratum in strata):
        return _student(values, weights, strata, level)
    return float(-np.log(1 - level) * ((1 + np.abs(values)) * weights).max())


def _signs(n: int, seed: int) -> np.ndarray:
    """Every row of +-1 of length n up to 16, else random rows, float [flips, n]."""
    if n > EXACT_SEEDS:
        return np.random.default_rng(seed).integers(2, size=(FLIPS, n)) * 2.0 - 1
    return (np.arange(2**n)[:, None] >> np.arange(n) & 1) * 2.0 - 1


def _describe(table: np.ndarray) -> str:
    return f"shape {list(table.shape)}" if table.ndim != 2 or table.size == 0 else "numbers that are not finite"
