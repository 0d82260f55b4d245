"""The learning curve and what a gain is worth on it: power laws whose answer is known."""

import numpy as np
import pytest
from scipy.optimize import curve_fit

from ganaug.measures.curve import equivalents, fit_power_law, images_at, points, real_equivalents, sizes
from ganaug.measures.statistics import draw

N = np.array([5.0, 10, 20, 50, 100])
M = 2000


def tables(errors: np.ndarray, seeds: int = 6) -> list[np.ndarray]:
    """Right and wrong on M images, each classifier as often wrong as said, on the hardest images."""
    difficulty = np.random.default_rng(0).permutation(M)
    return [np.tile(difficulty >= round(error * M), (seeds, 1)) for error in errors]


def headline(delta: float, half: float) -> dict:
    return {"delta": delta, "ci": [delta - half, delta + half]}


@pytest.mark.parametrize(("floor", "height", "decay"), [(0.0, 0.5, 0.5), (0.05, 1.0, 1.0), (0.1, 0.3, 0.3)])
def test_a_power_law_is_found_again(floor: float, height: float, decay: float):
    assert [float(x) for x in fit_power_law(N, floor + height * N**-decay)] == pytest.approx([floor, height, decay])


def test_the_fit_is_as_good_as_scipys_on_noisy_points():
    rng = np.random.default_rng(1)
    for _ in range(5):
        errors = (0.05 + 0.6 * N**-0.6) * rng.normal(1, 0.03, len(N))
        bounds = ([0, 0, 0.05], [1, 9, 2])
        theirs, _ = curve_fit(lambda n, a, b, c: a + b * n**-c, N, errors, (0.01, 1, 0.5), errors, bounds=bounds)
        a, b, c = fit_power_law(N, errors)
        loss = [(((x + y * N**-z - errors) / errors) ** 2).sum() for x, y, z in ((a, b, c), theirs)]
        assert loss[0] <= 1.05 * loss[1] + 1e-6


def test_many_curves_are_fitted_as_one_is():
    errors = np.stack([0.1 + 2 / N, 0.02 + N**-0.5])
    together = np.stack(fit_power_law(N, errors), axis=1)
    alone = np.stack([np.stack(fit_power_law(N, row)) for row in errors])
    assert together == pytest.approx(alone)


def test_a_gain_of_known_size_is_worth_the_known_number_of_images():
    errors = 0.5 * N**-0.5  # .05 with 100 images, .04564 with 120
    found = real_equivalents(
        N, tables(errors), tables(np.array([0.5 * 120**-0.5]))[0], np.arange(M) % 10, draw(6, np.arange(M) % 10),
        "accuracy", headline(0.5 * (100**-0.5 - 120**-0.5), 0.002),
    )  # fmt: skip
    assert found["per_class"] == pytest.approx(20, abs=3)
    assert found["ci"][0] < 20 < found["ci"][1] and found["ci"][1] - found["ci"][0] < 60


def test_a_loss_is_worth_images_lost():
    assert equivalents(N, 0.5 * N**-0.5, np.array(0.5 * (100**-0.5 - 50**-0.5))) == pytest.approx(-50, abs=1)


@pytest.mark.parametrize(
    ("delta", "half", "why"),
    [
        (0.01, 0.02, "holds 0"),
        (0.03, 0.01, "more than 100 further real images a class"),  # 156 more
        (0.06, 0.01, "more than 100 further real images a class"),  # no number of images gives that
    ],
)
def test_what_is_not_known_is_null_with_the_reason(delta: float, half: float, why: str):
    errors = 0.5 * N**-0.5
    labels = np.arange(M) % 10
    found = real_equivalents(
        N, tables(errors), tables(errors[-1:])[0], labels, draw(6, labels), "accuracy", headline(delta, half)
    )
    assert found["per_class"] is None and found["ci"] is None and why in found["why"]


def test_two_points_are_no_curve():
    labels = np.arange(M) % 10
    found = real_equivalents(
        N[:2],
        tables(N[:2] ** -0.5),
        tables(N[1:2] ** -0.5)[0],
        labels,
        draw(6, labels),
        "accuracy",
        headline(0.1, 0.01),
    )
    assert found["per_class"] is None and "a curve needs 3 points" in found["why"]


def test_sizes_lie_below_the_number_there_is():
    assert sizes(np.array([20] * 10)) == [5, 10]
    assert sizes(np.array([6000] * 10)) == [5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000]
    assert images_at(np.array([3, 50]), 20) == 23


def test_points_carry_scores_spread_and_the_fitted_curve():
    errors = 0.05 + N**-0.9
    rows = points(N, [int(10 * n) for n in N], tables(errors), np.arange(M) % 10, "accuracy")
    assert [row["images"] for row in rows] == [50, 100, 200, 500, 1000]
    assert [row["mean"] for row in rows] == pytest.approx(list(1 - errors), abs=1e-3)
    assert [row["fitted"] for row in rows] == pytest.approx(list(1 - errors), abs=5e-3)
    assert rows[0]["sd"] == pytest.approx(0, abs=1e-9) and len(rows[0]["scores"]) == 6
