"""How close two sets of features are: Frechet and kernel distance, precision, recall, density and coverage.

Features are [N, D], of whatever encoder; numbers of two encoders must never be compared. Distances are computed in
float64; precision and its kin keep float32 and 16-bit features as they are: only comparisons matter there.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ganaug.errors import DataError

CHUNK = 2**21  # numbers held at once; they stay in the cache
BLOCK = 256  # rows at least, else reading the other side takes longer than multiplying


@dataclass(frozen=True)
class PRDC:
    """Do synthetic samples lie where real ones do (precision, density), and do they reach all of these (the rest)?

    Precision and recall: Kynkaanniemi et al. 2019, arXiv:1904.06991. Density and coverage: Naeem et al. 2020,
    arXiv:2002.09797.

    Attributes:
        precision: Share of fake inside the real manifold, in [0, 1].
        recall: Share of real inside the fake manifold, in [0, 1].
        density: Real neighbourhoods around a fake, over k; near 1 for equal distributions, may exceed it.
        coverage: Share of real whose neighbourhood holds a fake, in [0, 1].
    """

    precision: float
    recall: float
    density: float
    coverage: float


def frechet_distance(real: Tensor, fake: Tensor) -> float:
    """Frechet distance between Gaussians fitted to two feature sets (Heusel et al. 2017, arXiv:1706.08500, eq. 6).

    Args:
        real: Features of real images, [N, D].
        fake: Features of synthetic images, [M, D].

    Returns:
        The squared distance, in squared feature units; 0 for identical sets. Biased upwards by about 1 / N: compare it
        with the distance of two real sets of the same sizes.

    Raises:
        DataError: The widths differ, a set has fewer than two rows, or a number is not finite.

    Example:
        >>> x = torch.eye(3, dtype=torch.float64)
        >>> round(frechet_distance(x, x + 2), 6)
        12.0
    """
    real, fake = check_features(2, torch.float64, real=real, fake=fake)
    if min(len(real), len(fake)) >= real.shape[1]:
        return gaussian_distance(*_moments(real), *_moments(fake))
    # fewer rows than columns: the roots of the eigenvalues of A' A B' B are those of A B' B A', which is smaller
    a, b = ((x - x.mean(0)) / (len(x) - 1) ** 0.5 for x in sorted((real, fake), key=len))
    spread = a.square().sum() + b.square().sum()
    return _distance(real.mean(0) - fake.mean(0), spread, (products := a @ b.T) @ products.T)


def gaussian_distance(mean: Tensor, covariance: Tensor, other_mean: Tensor, other_covariance: Tensor) -> float:
    """Frechet distance of two Gaussians: the second half of `frechet_distance`, for those who keep moments.

    Args:
        mean: float64 [D].
        covariance: float64 [D, D].
        other_mean: float64 [D].
        other_covariance: float64 [D, D].

    Example:
        >>> gaussian_distance(torch.zeros(2), torch.eye(2), torch.ones(2), 4 * torch.eye(2))
        4.0
    """
    root = _root(covariance)
    # tr (A B)^(1/2) is the sum of the roots of the eigenvalues of L' B L, where A = L L'
    spread = covariance.trace() + other_covariance.trace()
    return _distance(mean - other_mean, spread, root.T @ other_covariance @ root)


def kernel_distance(real: Tensor, fake: Tensor) -> float:
    """Kernel distance: unbiased squared MMD with the kernel (x.y / D + 1)^3 (Binkowski et al. 2018, arXiv:1801.01401).

    All pairs are used, no random blocks: nothing to seed.

    Args:
        real: Features of real images, [N, D].
        fake: Features of synthetic images, [M, D].

    Returns:
        The estimate; 0 on average for equal distributions at any size, so it may be negative.

    Raises:
        DataError: The widths differ, a set has fewer than two rows, or a number is not finite.

    Example:
        >>> x = torch.eye(3, dtype=torch.float64)
        >>> kernel_distance(x, x + 2) > 1
        True
    """
    real, fake = check_features(2, torch.float64, real=real, fake=fake)
    within = sum(
        (_kernel_sum(x, x) - _kernel(x.square().sum(1), x).sum()) / (len(x) * (len(x) - 1)) for x in (real, fake)
    )
    return float(within - 2 * _kernel_sum(real, fake) / (len(real) * len(fake)))


def prdc(real: Tensor, fake: Tensor, k: int = 5) -> PRDC:
    """Precision, recall, density and coverage with k-nearest-neighbour balls, in bounded memory.

    A ball reaches from a point to its k-th neighbour in its own set; a point on the rim is outside. The numbers depend
    on N and M: read them next to real against real at the same sizes.

    Args:
        real: Features of real images, [N, D].
        fake: Features of synthetic images, [M, D]; float16, bfloat16 and float32 are multiplied as they are.
        k: Neighbours, below N and M.

    Raises:
        DataError: The widths differ, a set has k rows or fewer, or a number is not finite.

    Example:
        >>> x = torch.randn(200, 8, generator=torch.Generator().manual_seed(0))
        >>> prdc(x, 0.1 * x).recall < 0.1 < 0.9 < prdc(x, 0.1 * x).precision
        True
    """
    real, fake = check_features(k + 1, None, real=real, fake=fake)
    real_reach, fake_reach = _reach(real, k), _reach(fake, k)
    covered, recalled = torch.zeros(2, len(real), dtype=torch.bool, device=real.device)
    precise = neighbourhoods = 0
    for rows, distances in squared_distances(fake, real):
        in_real = distances < real_reach
        precise += int(in_real.any(1).sum())
        neighbourhoods += int(in_real.count_nonzero())
        covered |= in_real.any(0)
        recalled |= (distances < fake_reach[rows, None]).any(0)
    return PRDC(
        precision=precise / len(fake),
        recall=float(recalled.double().mean()),
        density=neighbourhoods / (k * len(fake)),
        coverage=float(covered.double().mean()),
    )


def nearest(queries: Tensor, points: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Euclidean distances to the k nearest `points`, ascending float64 [N, k], and their row numbers, int64 [N, k].

    Candidates come from matrix products; their distances are then recomputed from differences, because products cannot
    tell a copy from a near copy.

    >>> nearest(torch.tensor([[0.0], [9.0]]), torch.tensor([[1.0], [2.0], [8.0]]), 2)[1].tolist()
    [[0, 1], [2, 1]]
    """
    queries, points = check_features(1, torch.float64, queries=queries, points=points)
    indices = torch.cat([d.topk(k, largest=False).indices for _, d in squared_distances(queries, points)])
    distances = torch.stack([(queries - points[column]).norm(dim=1) for column in indices.T], dim=1)
    distances, order = distances.sort(dim=1, stable=True)
    return distances, indices.gather(1, order)


def mean_norm(features: Tensor) -> float:
    """Mean Euclidean norm of [N, D] features: the `scale` of `joint_features`, from one reference set for both sides.

    >>> mean_norm(torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
    3.0
    """
    return float(torch.as_tensor(features, dtype=torch.float64).norm(dim=1).mean())


def joint_features(features: Tensor, labels: Tensor, num_classes: int, scale: float) -> Tensor:
    """Features beside their one-hot labels (DeVries et al. 2019, arXiv:1907.08175).

    Their Frechet distance also sees wrong labels, missing classes and lost variety within a class.

    Args:
        features: [N, D].
        labels: int64 [N] in [0, K).
        num_classes: K.
        scale: Weight of the one-hot part, `mean_norm` of the real reference: the same for both sides of a distance.

    Returns:
        float64 [N, D + K].

    Example:
        >>> x = torch.zeros(2, 1)
        >>> joint_features(x, torch.tensor([0, 1]), 2, scale=3.0).tolist()
        [[0.0, 3.0, 0.0], [0.0, 0.0, 3.0]]
    """
    features = torch.as_tensor(features, dtype=torch.float64)
    one_hot = torch.nn.functional.one_hot(torch.as_tensor(labels), num_classes).to(features)
    return torch.cat([features, scale * one_hot], dim=1)


def squared_distances(queries: Tensor, points: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Squared distances [n, M] of `queries` [N, D] to `points` [M, D], a slice of rows at a time."""
    centre = points.mean(0)  # distances do not see it, rounding does
    points = points - centre
    norms = _squared_norms(points)
    for rows in _slices(len(queries), len(points)):
        yield rows, _squared(queries[rows] - centre, points, norms)


def _squared(queries: Tensor, points: Tensor, norms: Tensor) -> Tensor:
    """All squared distances [n, m], from products and squared norms."""
    products = (queries @ points.T).to(norms.dtype)
    return products.mul_(-2).add_(_squared_norms(queries)[:, None]).add_(norms).clamp_(min=0)


def _squared_norms(x: Tensor) -> Tensor:
    """[N], in float32 or wider."""
    wide = torch.promote_types(x.dtype, torch.float32)
    return torch.cat([part.to(wide).square().sum(1) for part in x.split(max(1, CHUNK // x.shape[1]))])


def _slices(rows: int, columns: int) -> Iterator[slice]:
    """All rows, as many at a time as make CHUNK numbers with so many columns, or BLOCK."""
    step = max(BLOCK, CHUNK // columns)
    return (slice(start, min(rows, start + step)) for start in range(0, rows, step))


def _reach(x: Tensor, k: int) -> Tensor:
    """Squared distance of every row to its k-th neighbour in the same set, [N]; the row itself is the zeroth.

    Each distance is computed once, and counts for both of its rows.
    """
    x = x - x.mean(0)
    norms = _squared_norms(x)
    least = norms.new_full((len(x), k + 1), torch.inf)
    for rows in _slices(len(x), len(x)):
        distances = _squared(x[rows], x[rows.start :], norms[rows.start :])
        others = distances[:, len(distances) :]
        least[rows] = _least(least[rows], distances)
        least[rows.stop :] = _least(least[rows.stop :], others.topk(min(k + 1, len(others)), 0, largest=False).values.T)
    return least[:, -1]


def _least(known: Tensor, found: Tensor) -> Tensor:
    """The smallest numbers of every row of both, as many as are known, ascending."""
    n = known.shape[1]
    smallest = found.topk(min(n, found.shape[1]), largest=False).values
    return torch.cat([known, smallest], dim=1).topk(n, largest=False).values


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean [D] and covariance [D, D] of the rows."""
    return x.mean(0), torch.cov(x.T).reshape(2 * x.shape[1:])


def _distance(shift: Tensor, spread: Tensor, cross: Tensor) -> float:
    """From the difference of the means, the sum of the traces and a matrix whose eigenvalues are those of A B."""
    roots = torch.linalg.eigvalsh(cross).clamp(min=0).sqrt().sum()
    return max(0.0, float(shift.square().sum() + spread - 2 * roots))


def _root(covariance: Tensor) -> Tensor:
    """L [D, rank] with L L' = covariance: Cholesky, or eigenvectors where the covariance has lost rank."""
    root, failed = torch.linalg.cholesky_ex(covariance)
    if not failed:
        return root
    values, vectors = torch.linalg.eigh(covariance)
    kept = values > values[-1] * len(values) * torch.finfo(values.dtype).eps
    return vectors[:, kept] * values[kept].sqrt()


def _kernel(products: Tensor, x: Tensor) -> Tensor:
    return (products / x.shape[1] + 1) ** 3


def _kernel_sum(x: Tensor, y: Tensor) -> Tensor:
    """Sum of the kernel over all pairs of rows."""
    return torch.stack([_kernel(part @ y.T, y).sum() for part in x.split(max(1, CHUNK // len(y)))]).sum()


def check_features(rows: int, dtype: torch.dtype | None, **sets: Tensor) -> list[Tensor]:
    """The sets as matrices of one floating type (None: the widest of two), checked.

    Raises:
        DataError: Names the set and what is wrong with it.
    """
    tensors = {name: torch.as_tensor(x) for name, x in sets.items()}
    shared = dtype or torch.promote_types(*(x.dtype for x in tensors.values()))
    widths = {x.shape[-1] for x in tensors.values() if x.ndim == 2}
    for name, x in tensors.items():
        if x.ndim != 2 or len(x) < rows or len(widths) != 1:
            raise DataError(
                f"{name} features must be [N, D] with N >= {rows} and one D, got "
                f"{' and '.join(str(list(t.shape)) for t in tensors.values())}; encode both sets with one encoder"
            )
        if not all(part.isfinite().all() for part in x.split(CHUNK // max(1, x.shape[1]) + 1)):
            raise DataError(f"{name} features must be finite, got nan or infinity; check the encoder and its input")
    return [x.to(shared if shared.is_floating_point else torch.float64) for x in tensors.values()]
