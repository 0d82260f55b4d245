"""Learning rates over a run, as shares of the highest."""

import math

WARM_UP = 0.05  # share of the run in which the rate rises


def warm_up(step: int, steps: int) -> float:
    """From nearly 0 to 1 in a line: Adam's first steps are its largest, and may drive a tanh to where no gradient is.

    >>> [warm_up(step, 200) for step in (0, 4, 9, 100)]
    [0.1, 0.5, 1.0, 1.0]
    """
    return min(1.0, (step + 1) / (WARM_UP * steps))


def cosine(progress: float, final: float) -> float:
    """From 1 to `final` along half a cosine (Loshchilov and Hutter 2017, arXiv:1608.03983, eq. 5)."""
    return final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2


def plateau(progress: float, until: float) -> float:
    """1 up to the share `until` of the run, from there down to 0 in a line (Zhu et al. 2017, arXiv:1703.10593).

    >>> [plateau(progress, 0.5) for progress in (0.0, 0.5, 0.75, 1.0)]
    [1.0, 1.0, 0.5, 0.0]
    """
    return min(1.0, (1 - progress) / (1 - until)) if until < 1 else 1.0
