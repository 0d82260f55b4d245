"""Does a generator hand back its training images? Nearest-neighbour statistics on features, and a verdict over them.

No single statistic tells copying from shrinkage or underfitting (Stein et al. 2023, arXiv:2306.04675), so several are
read together, each beside what real held-out images score in the place of synthetic ones.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch
from scipy.stats import hypergeom
from torch import Tensor

from ganaug.measures.fidelity import PRDC, check_features, nearest, prdc

COPY_RATIO = 1 / 3  # d1 / d2 below it: a near copy
CELLS = 3  # k-means cells of C_T, as Stein et al. 2023 use
CELL_SAMPLES = 20  # a cell with fewer synthetic samples does not count for C_T (the same)
PERMUTATIONS = 9_999
MIN_ROWS = 50  # held-out and synthetic rows below which only blatant copying is called
NULL_ROWS = 100  # held-out rows below which training rows among themselves join the null of the neighbour ratio
MIN_TRAIN = 10  # the same for training rows, which neighbourhoods of 5 need
FAR = 3.0  # standard deviations at which C_T counts
ALPHA = 0.01  # of each of the two tests for copying
ENCODER_WEIGHT = 3  # how many times the preference of the encoder itself for one side the DCR excess must pass
# What a significant excess, or lack, must also exceed. A generator of few images leans on them without copying any: on
# the pixels of digits its DCR share is .67 (959 training images) to .82 (200), its AuthPct .5 to .8 of what held-out
# images score; noisy copies have .87 to 1.0, and at most .35.
DCR_MARGIN, RATIO_MARGIN, PRDC_MARGIN = 0.25, 0.01, 0.1
AUTHENTIC = 0.4  # share of the held-out images' AuthPct below which leaning is copying

Verdict = Literal["healthy", "copying", "shrunken", "underfit", "not testable"]


@dataclass(frozen=True)
class Memorization:
    """The panel; every `null_` is the same number for held-out real images in the place of the synthetic ones.

    Attributes:
        verdict: copying: synthetic samples sit on training images. underfit: they are further from these than real
            ones are, and outside the real manifold. shrunken: they do not reach what real ones reach. healthy: none of
            these.
            not testable: too few images to say, and no blatant copies.
        copies: Synthetic samples with a neighbour ratio below 1/3.
        nn_ratio: The same as a share, in [0, 1].
        null_nn_ratio: Of held-out images.
        authpct: Authentic samples, in percent; low for copying and for shrinkage.
        null_authpct: Of held-out images.
        ct: C_T; far below 0 for copying and for shrinkage, far above for underfitting.
        dcr: Share of synthetic samples nearer to train than to held-out, as if both were of one size; 1/2 without
            copying.
        null_dcr: Of held-out images, each against the others; away from 1/2 the encoder itself tells train from
            held-out.
        dcr_p: One-sided permutation p of `dcr`.
        fidelity: Precision and its kin of the synthetic samples against held-out, at matched sizes; None where too few.
        reference: The same for training images in the place of the synthetic ones.
        pairs: (synthetic row, training row), int64 [N, 2], the most copy-like first.
        ratios: d1 / d2 of each pair, ascending, float64 [N].
    """

    verdict: Verdict
    copies: int
    nn_ratio: float
    null_nn_ratio: float
    authpct: float
    null_authpct: float
    ct: float
    dcr: float
    null_dcr: float
    dcr_p: float
    fidelity: PRDC | None
    reference: PRDC | None
    pairs: Tensor = field(repr=False, compare=False)
    ratios: Tensor = field(repr=False, compare=False)


def assess(train: Tensor, held_out: Tensor, synthetic: Tensor, *, seed: int = 0) -> Memorization:
    """Compare synthetic samples with the images that trained the generator and with real images that did not.

    The encoder should treat train and held-out alike (pixels, random convolutions, a network fitted to neither). One
    fitted to `train` may tell the two apart by itself; `null_dcr` shows it, and the test on `dcr` then asks for more.

    Args:
        train: Features of the images that the generator saw, [T, D]; repeated rows count once.
        held_out: Features of real images that it did not see, [V, D]; repeated rows count once.
        synthetic: Features of synthetic images, [N, D].
        seed: Of the k-means cells, the subsamples and the permutations.

    Raises:
        DataError: The widths differ, a number is not finite, a set is empty, or `train` has fewer than two rows.

    Example:
        >>> train, held_out, fresh = torch.randn(3, 300, 8, generator=torch.Generator().manual_seed(0))
        >>> assess(train, held_out, fresh).verdict, assess(train, held_out, train + 0.01 * fresh).verdict
        ('healthy', 'copying')
    """
    train, held_out, synthetic = check_features(1, torch.float64, train=train, held_out=held_out, synthetic=synthetic)
    rows, held_out = _first_of_each(train), held_out[_first_of_each(held_out)]
    train = check_features(2, torch.float64, train=train[rows])[0]
    panel = _panel(train, held_out, synthetic, seed)
    null = neighbour_ratios(held_out, train)[0]
    if len(held_out) < NULL_ROWS:
        null = torch.cat([null, _ratios_among(train)])
    testable = min(len(held_out), len(synthetic)) >= MIN_ROWS and len(train) >= MIN_TRAIN
    pairs = torch.stack([panel.pairs[:, 0], rows[panel.pairs[:, 1]]], dim=1)
    return replace(panel, pairs=pairs, verdict=_verdict(panel, null, len(held_out), testable))


def neighbour_ratios(samples: Tensor, train: Tensor) -> tuple[Tensor, Tensor]:
    """Distance to the nearest over that to the second nearest training row, [N] in [0, 1], and the nearest row, [N].

    Near 0 for a copy, near 1 for a new sample in many dimensions.

    >>> neighbour_ratios(torch.tensor([[1.0]]), torch.tensor([[0.0], [5.0]]))[0].tolist()
    [0.25]
    """
    distances, indices = nearest(samples, train, 2)
    return _ratio(distances), indices[:, 0]


def authpct(train: Tensor, samples: Tensor) -> float:
    """Percent of authentic samples: further from their training neighbour than that is from its own.

    Alaa et al. 2022, arXiv:2102.08921, whose authenticity is a yes or no per sample.

    >>> authpct(torch.tensor([[0.0], [1.0]]), torch.tensor([[0.1], [3.0]]))
    50.0
    """
    distances, indices = nearest(samples, train, 1)
    own = nearest(train, train, 2)[0][:, 1]
    return 100 * _share(own[indices[:, 0]] < distances[:, 0])


def z_u(held_out_distances: Tensor, synthetic_distances: Tensor) -> float:
    """Mann-Whitney z of distances to train (Meehan et al. 2020, arXiv:2004.05675): below 0 if synthetic is nearer.

    Args:
        held_out_distances: Distance of each held-out row to its nearest training row, [n].
        synthetic_distances: The same for synthetic rows, [m].
    """
    n, m = len(held_out_distances), len(synthetic_distances)
    ordered = held_out_distances.sort().values
    below = [torch.searchsorted(ordered, synthetic_distances, right=right).sum() for right in (False, True)]
    return (float(sum(below)) / 2 - (n * m / 2 - 0.5)) / (n * m * (n + m + 1) / 12) ** 0.5


def ct(
    train: Tensor,
    held_out: Tensor,
    synthetic: Tensor,
    train_cells: Tensor,
    held_out_cells: Tensor,
    synthetic_cells: Tensor,
) -> float:
    """C_T: Z_U within each cell, averaged with the cells' held-out shares (Meehan et al. 2020, arXiv:2004.05675).

    Cells with 20 synthetic samples or fewer do not count; if none is left, all is one cell.

    Args:
        train: Features [T, D].
        held_out: Features [V, D].
        synthetic: Features [N, D].
        train_cells: Cell of each training row, int [T].
        held_out_cells: The same for held-out rows, [V].
        synthetic_cells: The same for synthetic rows, [N].
    """
    weights, scores = [], []
    for cell in torch.unique(train_cells):
        held, made = held_out[held_out_cells == cell], synthetic[synthetic_cells == cell]
        if len(held) and len(made) > CELL_SAMPLES:
            weights.append(len(held))
            scores.append(_z_u_to(train[train_cells == cell], held, made))
    return float(np.average(scores, weights=weights)) if weights else _z_u_to(train, held_out, synthetic)


def kmeans_cells(
    train: Tensor, held_out: Tensor, synthetic: Tensor, *, cells: int = CELLS, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """The k-means cell of every row of the three sets, int64; the centres come from `train`."""
    from sklearn.cluster import KMeans

    means = KMeans(min(cells, len(train)), n_init="auto", random_state=seed).fit(train.cpu().numpy())
    assign = [
        torch.from_numpy(means.predict(x.cpu().numpy())).long().to(x.device) for x in (train, held_out, synthetic)
    ]
    return assign[0], assign[1], assign[2]


def dcr_test(train: Tensor, held_out: Tensor, synthetic: Tensor, *, seed: int = 0) -> tuple[float, float]:
    """Share of synthetic samples nearer to train than to held-out, and its one-sided p under exchanged membership.

    Without copying, which real rows are called train says nothing: the null redraws that at random, T of the T + V. A
    binomial test would take the samples for independent, but many share one neighbour. Sets of different sizes need no
    subsampling: the share is that of equal sizes with the same odds per row.

    Args:
        train: Features [T, D].
        held_out: Features [V, D].
        synthetic: Features [N, D].
        seed: Of the permutations.

    Returns:
        The share in [0, 1], 1/2 without copying, and p in (0, 1].

    Example:
        >>> train, held_out = torch.randn(2, 100, 8, generator=torch.Generator().manual_seed(0))
        >>> dcr_test(train, held_out, train)
        (1.0, 0.0001)
    """
    pool = torch.cat([train, held_out])
    shuffled = torch.randperm(len(pool), generator=torch.Generator().manual_seed(seed))  # ties favour neither side
    hits = shuffled[nearest(synthetic, pool[shuffled], 1)[1][:, 0].cpu()]
    counts = torch.bincount(hits, minlength=len(pool)).numpy()
    observed = int(counts[: len(train)].sum())
    values, rows = np.unique(counts, return_counts=True)  # rows that are nearest to `value` samples each
    rng = np.random.default_rng(seed)
    null = rng.multivariate_hypergeometric(rows, len(train), size=PERMUTATIONS, method="marginals") @ values
    share = _equal_sizes(observed / len(synthetic), len(train), len(held_out))
    return share, float((1 + (null >= observed).sum()) / (1 + PERMUTATIONS))


def _panel(train: Tensor, held_out: Tensor, synthetic: Tensor, seed: int) -> Memorization:
    """All the numbers, before the verdict."""
    ratios, neighbours = neighbour_ratios(synthetic, train)
    order = ratios.argsort(stable=True)
    dcr, dcr_p = dcr_test(train, held_out, synthetic, seed=seed)
    fidelity, reference = _matched_prdc(train, held_out, synthetic, seed)
    return Memorization(
        verdict="not testable",
        copies=int((ratios < COPY_RATIO).sum()),
        nn_ratio=_share(ratios < COPY_RATIO),
        null_nn_ratio=_share(neighbour_ratios(held_out, train)[0] < COPY_RATIO),
        authpct=authpct(train, synthetic),
        null_authpct=authpct(train, held_out),
        ct=ct(train, held_out, synthetic, *kmeans_cells(train, held_out, synthetic, seed=seed)),
        dcr=dcr,
        null_dcr=_null_dcr(train, held_out),
        dcr_p=dcr_p,
        fidelity=fidelity,
        reference=reference,
        pairs=torch.stack([order, neighbours[order]], dim=1),
        ratios=ratios[order],
    )


def _verdict(panel: Memorization, null_ratios: Tensor, held_out: int, testable: bool) -> Verdict:
    if _many_copies(panel, null_ratios) or (testable and _leans_on_train(panel, held_out)):
        return "copying"
    if not testable or panel.fidelity is None or panel.reference is None:
        return "not testable"
    made, real = panel.fidelity, panel.reference
    if panel.ct > FAR and min(made.precision - real.precision, made.density - real.density) < -PRDC_MARGIN:
        return "underfit"
    lacking = min(made.recall - real.recall, made.coverage - real.coverage) < -PRDC_MARGIN
    return "shrunken" if lacking else "healthy"


def _many_copies(panel: Memorization, null_ratios: Tensor) -> bool:
    """More near copies than among real images, by a point and by Fisher's exact test."""
    n, copies, null_copies = len(panel.ratios), panel.copies, int((null_ratios < COPY_RATIO).sum())
    p = hypergeom.sf(copies - 1, n + len(null_ratios), copies + null_copies, n)
    return bool(copies / n - null_copies / len(null_ratios) > RATIO_MARGIN and p < ALPHA)


def _leans_on_train(panel: Memorization, held_out: int) -> bool:
    """Nearer to train than chance and the encoder's own preference can explain, and most samples within its gaps.

    Never said of samples that are far from both.
    """
    noise = 0.5 / held_out**0.5  # standard deviation of a share near 1/2
    encoder = max(0.0, abs(panel.null_dcr - 0.5) - noise)
    leans = panel.dcr_p < ALPHA and panel.dcr - 0.5 > DCR_MARGIN + ENCODER_WEIGHT * encoder
    return leans and panel.authpct < AUTHENTIC * panel.null_authpct and panel.ct < FAR


def _matched_prdc(train: Tensor, held_out: Tensor, synthetic: Tensor, seed: int) -> tuple[PRDC | None, PRDC | None]:
    """PRDC of synthetic and of train against held-out with equally many rows of each, for they depend on it."""
    n = min(len(train), len(held_out), len(synthetic))
    if n < MIN_TRAIN:
        return None, None
    generator = torch.Generator().manual_seed(seed)
    real, ours, made = (x[torch.randperm(len(x), generator=generator)[:n]] for x in (held_out, train, synthetic))
    return prdc(real, made), prdc(real, ours)


def _null_dcr(train: Tensor, held_out: Tensor) -> float:
    """Share of held-out rows nearer to train than to the other held-out rows, as if both were of one size."""
    if len(held_out) < 2:
        return 0.5
    closer = nearest(held_out, train, 1)[0][:, 0] < nearest(held_out, held_out, 2)[0][:, 1]
    return _equal_sizes(_share(closer), len(train), len(held_out) - 1)


def _equal_sizes(share: float, train: int, held_out: int) -> float:
    return share / train / (share / train + (1 - share) / held_out)


def _z_u_to(train: Tensor, held_out: Tensor, synthetic: Tensor) -> float:
    return z_u(nearest(held_out, train, 1)[0][:, 0], nearest(synthetic, train, 1)[0][:, 0])


def _ratios_among(train: Tensor) -> Tensor:
    """d1 / d2 of every training row among the others; empty for fewer than three."""
    return _ratio(nearest(train, train, 3)[0][:, 1:]) if len(train) > 2 else train.new_empty(0)


def _ratio(distances: Tensor) -> Tensor:
    return torch.where(distances[:, 0] > 0, distances[:, 0] / distances[:, 1], 0.0)


def _share(mask: Tensor) -> float:
    return float(mask.double().mean())


def _first_of_each(x: Tensor) -> Tensor:
    """Row numbers of `x` without repetitions, ascending int64."""
    return torch.from_numpy(np.sort(np.unique(x.cpu().numpy(), axis=0, return_index=True)[1])).to(x.device)
