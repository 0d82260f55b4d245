"""All distances between two sets of features, each with its interval."""

import torch
from scipy.stats import binomtest

from ganaug.measures.fidelity import frechet_distance, kernel_distance, prdc
from ganaug.measures.jackknife import jackknife

NEIGHBOURS = 5  # of precision and its kin
NAMES = ("fd", "kid", "precision", "recall", "density", "coverage")
SHARES = ("precision", "recall", "coverage")


def distances(
    real: torch.Tensor, fake: torch.Tensor, *, strata: tuple[torch.Tensor, torch.Tensor] | None = None
) -> dict[str, float | list[float]]:
    """Frechet and kernel distance, precision, recall, density and coverage, each `name` with its `name_ci`.

    The intervals are those of `jackknife`: other images of both sources, the same numbers of them, the same encoder. A
    share that has no spread, such as a precision of 1, is no proof that other images agree: its interval always holds
    Wilson's (1927), which takes the images for independent.

    Args:
        real: Features of real images, [N, D] with N >= 10.
        fake: Features of the images under judgement, [M, D] with M >= 10.
        strata: Classes of both, int64 [N] and [M], where their shares were chosen and not drawn.

    Raises:
        DataError: The widths differ, there are too few rows, or a number is not finite.

    Example:
        >>> x, y = torch.randn(2, 200, 8, generator=torch.Generator().manual_seed(0))
        >>> found = distances(x, y)
        >>> found["fd_ci"][0] < found["fd"] < found["fd_ci"][1]
        True
    """
    values = _all(real, fake)
    reach = jackknife(_all, real, fake, strata=strata)
    found: dict[str, float | list[float]] = dict(zip(NAMES, values, strict=True))
    for name, value, half in zip(NAMES, values, reach.tolist(), strict=True):
        found[f"{name}_ci"] = _ends(name, value, half, len(fake) if name == "precision" else len(real))
    return found


def _all(real: torch.Tensor, fake: torch.Tensor) -> list[float]:
    found = prdc(real, fake, NEIGHBOURS)
    shares = found.precision, found.recall, found.density, found.coverage
    return [frechet_distance(real, fake), kernel_distance(real, fake), *shares]


def _ends(name: str, value: float, half: float, images: int) -> list[float]:
    """Both ends of the interval, no further than the measure can go."""
    low, high = value - half, value + half
    if name not in SHARES:
        return [low if name == "kid" else max(0.0, low), high]
    wilson = binomtest(round(value * images), images).proportion_ci(method="wilson")
    return [max(0.0, min(low, float(wilson.low))), min(1.0, max(high, float(wilson.high)))]
