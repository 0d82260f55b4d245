"""The intervals of distances: do they hold what other images would have given, on average, as often as they say?"""

import numpy as np
import pytest
import torch

from ganaug.measures.distances import NAMES, distances
from ganaug.measures.jackknife import jackknife


def normal(n: int, d: int, seed: int) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def coverage(times: int, shift: float) -> dict[str, float]:
    """How often the interval of one draw of 80 real and 60 fake points holds the mean of all draws."""
    draws = [distances(normal(80, 4, s), normal(60, 4, 1000 + s) + shift) for s in range(times)]
    means = {name: np.mean([draw[name] for draw in draws]) for name in NAMES}
    ends = {name: np.array([draw[f"{name}_ci"] for draw in draws]).T for name in NAMES}
    return {name: float(np.mean((ends[name][0] <= means[name]) & (means[name] <= ends[name][1]))) for name in NAMES}


def test_intervals_hold_the_average_of_other_draws():
    assert min(coverage(30, shift=0.5).values()) >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 0.5, 1.0])
def test_intervals_hold_the_average_of_other_draws_nine_times_in_ten_and_more(shift: float):
    """Skewed distances of few points fall short of 95 %, as the docstring says; shares of points do not."""
    found = coverage(200, shift)
    assert min(found["kid"], found["fd"]) >= 0.9, found
    assert min(found[name] for name in ("precision", "recall", "density", "coverage")) >= 0.93, found


def test_the_half_width_of_a_mean_is_students():
    x = normal(2000, 1, seed=0)
    (half,) = jackknife(lambda real, fake: [float(fake.mean())], x, x)
    assert half == pytest.approx(2.093 * float(x.std()) / 2000**0.5, rel=0.35)


def test_the_spread_of_many_images_follows_from_that_of_2000():
    x = normal(50_000, 1, seed=0)
    (half,) = jackknife(lambda real, fake: [float(fake.mean())], x, x)
    assert half == pytest.approx(2.093 / 50_000**0.5, rel=0.35)


def test_strata_take_the_shares_of_the_classes_out_of_the_spread():
    labels = torch.arange(200) % 2
    x = normal(200, 1, seed=0) * 0.01 + 10 * labels[:, None]

    def mean(real: torch.Tensor, fake: torch.Tensor) -> list[float]:
        return [float(fake.mean())]

    assert jackknife(mean, x, x)[0] > 10 * jackknife(mean, x, x, strata=(labels, labels))[0]


def test_too_few_rows_have_no_finite_interval():
    assert (
        np.isinf(jackknife(lambda real, fake: [1.0, 2.0], torch.zeros(3, 1), torch.zeros(9, 1))).tolist() == [True] * 2
    )


def test_a_share_of_one_keeps_an_interval():
    found = distances(normal(100, 2, seed=0), 0.01 * normal(80, 2, seed=1))
    assert found["precision"] == 1.0
    low, high = found["precision_ci"]  # type: ignore[misc]
    assert 0.94 < low < 0.96 and high == 1.0  # Wilson, 80 of 80: 80 / (80 + 1.96^2)
