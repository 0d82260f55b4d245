"""How many different images a set of features holds, and how close it comes to another set, by angles."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ganaug.measures.fidelity import CHUNK, check_features


def vendi_score(features: Tensor) -> float:
    """Effective number of different samples (Friedman and Dieng 2022, arXiv:2210.02410), with the cosine kernel.

    Args:
        features: [N, D].

    Returns:
        Between 1, all alike, and min(N, D), all at right angles: the exponential of the entropy of the kernel's
        eigenvalues. It grows with N: compare equal numbers.

    Raises:
        DataError: There is no row, or a number is not finite.

    Example:
        >>> round(vendi_score(torch.eye(5)), 6), round(vendi_score(torch.ones(5, 5)), 6)
        (5.0, 1.0)
    """
    (x,) = check_features(1, torch.float64, samples=features)
    x = normalize(x, dim=1)
    kernel = x @ x.T if len(x) < x.shape[1] else x.T @ x  # their eigenvalues are the same
    shares = torch.linalg.eigvalsh(kernel / len(x)).clamp(min=0)
    return float(torch.special.entr(shares).sum().exp())


def mean_min_cosine(samples: Tensor, train: Tensor) -> float:
    """Mean cosine distance to the nearest training row: what MiFID divides by (Bai et al. 2021, arXiv:2106.03062).

    Args:
        samples: Features [N, D].
        train: Features [T, D].

    Returns:
        1 - |cosine| of the nearest, averaged: 0 for copies, at most 1.

    Raises:
        DataError: The widths differ, a set is empty, or a number is not finite.

    Example:
        >>> mean_min_cosine(torch.tensor([[2.0, 0.0], [0.0, 3.0]]), torch.tensor([[1.0, 0.0]]))
        0.5
    """
    samples, train = (normalize(x, dim=1) for x in check_features(1, torch.float64, samples=samples, train=train))
    closest = [(part @ train.T).abs().amax(1) for part in samples.split(max(1, CHUNK // len(train)))]
    return float(1 - torch.cat(closest).mean())
