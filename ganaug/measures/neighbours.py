"""Statistics of nearest neighbours: each tells copies from new samples in some way, and none of them alone.

All of them take features [N, D] of one encoder, and compare distances in float64.
"""

import numpy as np
import torch
from torch import Tensor

from ganaug.measures.fidelity import nearest

CELLS = 3  # k-means cells of C_T, as Stein et al. 2023 use
CELL_SAMPLES = 20  # a cell with fewer synthetic samples does not count for C_T (the same)
PERMUTATIONS = 9_999


def neighbour_ratios(samples: Tensor, train: Tensor) -> tuple[Tensor, Tensor]:
    """Distance to the nearest over that to the second nearest training row, [N] in [0, 1], and the nearest row, [N].

    Near 0 for a copy, near 1 for a new sample in many dimensions.

    >>> neighbour_ratios(torch.tensor([[1.0]]), torch.tensor([[0.0], [5.0]]))[0].tolist()
    [0.25]
    """
    distances, indices = nearest(samples, train, 2)
    return ratio(distances), indices[:, 0]


def nearest_one(samples: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """Distance to the nearest of the `real` rows, and which it is, both [N].

    >>> nearest_one(torch.tensor([[1.0]]), torch.tensor([[5.0], [0.0]]))
    (tensor([1.], dtype=torch.float64), tensor([1]))
    """
    distances, rows = nearest(samples, real, 1)
    return distances[:, 0], rows[:, 0]


def ratio(distances: Tensor) -> Tensor:
    """The first over the second of ascending distances [N, 2 or more], 0 where the first is.

    >>> ratio(torch.tensor([[0.0, 0.0], [1.0, 4.0]])).tolist()
    [0.0, 0.25]
    """
    return torch.where(distances[:, 0] > 0, distances[:, 0] / distances[:, 1], 0.0)


def authpct(train: Tensor, samples: Tensor) -> float:
    """Percent of authentic samples: further from their training neighbour than that is from its own.

    Alaa et al. 2022, arXiv:2102.08921, whose authenticity is a yes or no per sample.

    >>> authpct(torch.tensor([[0.0], [1.0]]), torch.tensor([[0.1], [3.0]]))
    50.0
    """
    return authentic(train, *nearest_one(samples, train))


def authentic(train: Tensor, distances: Tensor, rows: Tensor) -> float:
    """The same where the training neighbours of the samples, and their distances, are known already, both [N]."""
    known, which = rows.unique(return_inverse=True)
    own = nearest(train[known], train, 2)[0][:, 1]
    return 100 * share(own[which] < distances)


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
    to_train, to_held_out = nearest_one(synthetic, train), nearest_one(synthetic, held_out)
    return dcr_of(to_train, to_held_out, (len(train), len(held_out)), seed)


def dcr_of(
    to_train: tuple[Tensor, Tensor], to_held_out: tuple[Tensor, Tensor], sizes: tuple[int, int], seed: int
) -> tuple[float, float]:
    """The same where the neighbours are known already: (distances, rows) in each of two sets of these sizes, all [N].

    Where a sample is as near to both a coin decides.
    """
    rng = np.random.default_rng(seed)
    (near, rows), (far, others) = ([x.cpu().numpy() for x in found] for found in (to_train, to_held_out))
    ours = (near < far) | ((near == far) & (rng.random(len(near)) < 0.5))
    counts = np.bincount(np.where(ours, rows, sizes[0] + others), minlength=sum(sizes))
    values, how_many = np.unique(counts, return_counts=True)  # rows that are nearest to `value` samples each
    null = rng.multivariate_hypergeometric(how_many, sizes[0], size=PERMUTATIONS, method="marginals") @ values
    observed = int(ours.sum())
    return equal_sizes(observed / len(ours), *sizes), float((1 + (null >= observed).sum()) / (1 + PERMUTATIONS))


def equal_sizes(share: float, train: int, held_out: int) -> float:
    """What a share of `train` among nearest rows would be with as many rows in both sets and the same odds per row.

    >>> equal_sizes(0.8, 400, 100)
    0.5
    """
    return share / train / (share / train + (1 - share) / held_out)


def share(mask: Tensor) -> float:
    """Of what is true, in [0, 1]."""
    return float(mask.double().mean())


def _z_u_to(train: Tensor, held_out: Tensor, synthetic: Tensor) -> float:
    return z_u(nearest_one(held_out, train)[0], nearest_one(synthetic, train)[0])
