"""Intervals that cover, p-values by hand, and the verdict's rule line by line."""

import itertools

import numpy as np
import pytest

from ganaug.errors import DataError
from ganaug.measures.statistics import crossed_bootstrap, minimum_detectable, sign_flip_p, verdict


def _coverage(seed_sd: float, image_sd: float, noise_sd: float, *, seeds: int, repeats: int = 300) -> float:
    """Share of intervals that hold the true mean 0 of a crossed random-effects table."""
    hits = 0
    for repeat in range(repeats):
        rng = np.random.default_rng(repeat)
        table = seed_sd * rng.standard_normal((seeds, 1)) + image_sd * rng.standard_normal((1, 100))
        interval = crossed_bootstrap(table + noise_sd * rng.standard_normal((seeds, 100)), draws=500, seed=repeat)
        hits += interval.low <= 0 <= interval.high
    return hits / repeats


@pytest.mark.parametrize("seeds", [6, 10])
@pytest.mark.parametrize("spread", [(1, 0, 0), (0, 1, 0), (0.1, 1, 1), (0.3, 0.5, 0.5)], ids=str)
def test_95_percent_interval_covers_at_least_92_percent_whatever_varies(seeds, spread):
    assert _coverage(*spread, seeds=seeds) >= 0.92


def test_interval_of_differences_without_any_effect_holds_zero_93_percent_of_the_time():
    hits = 0
    for repeat in range(300):
        rng = np.random.default_rng(repeat)
        easy = rng.beta(4, 1, 200)  # images differ in difficulty; both arms meet them alike
        arm, baseline = (rng.random((8, 200)) < easy for _ in range(2))
        interval = crossed_bootstrap(arm.astype(float) - baseline, draws=500, seed=repeat)
        hits += interval.low <= 0 <= interval.high
    assert hits / 300 >= 0.93


def test_planted_gain_of_five_points_is_found():
    rng = np.random.default_rng(0)
    difference = (rng.random((10, 1000)) < 0.90).astype(float) - (rng.random((10, 1000)) < 0.85)
    interval = crossed_bootstrap(difference)
    assert interval.mean == pytest.approx(0.05, abs=0.01)
    assert verdict(interval.low, interval.high, seeds=10, margin=0.01) == "helps"


def test_images_are_shared_by_all_seeds():
    image_effect = np.random.default_rng(0).standard_normal(400)
    table = np.tile(image_effect, (10, 1))  # ten seeds say the same: no more is known than from one
    assert crossed_bootstrap(table).se == pytest.approx(image_effect.std() / 20, rel=0.05)


def test_seed_effect_alone_has_the_standard_error_of_ten_numbers():
    seed_effect = np.random.default_rng(0).standard_normal((10, 1))
    assert crossed_bootstrap(np.tile(seed_effect, (1, 50))).se == pytest.approx(seed_effect.std() / 10**0.5, rel=0.05)


def test_groups_give_the_mean_of_class_means():
    table = np.zeros((6, 100))
    table[:, 90:] = 1  # the small class gains everything, the large one nothing
    groups = np.repeat([0, 1], [90, 10])
    assert crossed_bootstrap(table).mean == pytest.approx(0.1)
    balanced = crossed_bootstrap(table, groups)
    assert (balanced.mean, balanced.low, balanced.high) == pytest.approx((0.5, 0.5, 0.5))


def test_class_of_one_image_never_vanishes():
    table = np.zeros((6, 50))
    table[:, 0] = 1
    assert crossed_bootstrap(table, [0] + [1] * 49).low == pytest.approx(0.5)


def test_equal_classes_give_nearly_the_plain_interval():
    table = np.random.default_rng(1).standard_normal((8, 300))
    plain, balanced = crossed_bootstrap(table), crossed_bootstrap(table, np.arange(300) % 3)
    assert balanced.mean == pytest.approx(plain.mean)
    assert balanced.se == pytest.approx(plain.se, rel=0.1)


def test_interval_is_a_function_of_the_seed():
    table = np.random.default_rng(1).standard_normal((8, 30))
    assert crossed_bootstrap(table, seed=3) == crossed_bootstrap(table, seed=3) != crossed_bootstrap(table, seed=4)


def test_one_seed_bounds_nothing():
    interval = crossed_bootstrap(np.ones((1, 20)))
    assert (interval.low, interval.high) == (-np.inf, np.inf)


@pytest.mark.parametrize(
    ("difference", "groups", "words"),
    [
        (np.zeros(5), None, r"shape \[5\]"),
        (np.zeros((0, 5)), None, r"shape \[0, 5\]"),
        (np.full((2, 2), np.nan), None, "not finite"),
        (np.zeros((2, 5)), [0, 1], "one class per image"),
    ],
)
def test_bad_tables_are_refused(difference, groups, words):
    with pytest.raises(DataError, match=words):
        crossed_bootstrap(difference, groups)


def _sign_flip_by_hand(differences: list[float]) -> float:
    sums = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    return sum(value >= abs(sum(differences)) - 1e-12 for value in sums) / len(sums)


@pytest.mark.parametrize("differences", [[1, 2, 3], [1, -1, 2, 0.5], [0.1, 0.2, 0.3, -0.6], [3, -1, -1, -1, 5, 0]])
def test_sign_flip_equals_enumeration(differences):
    assert sign_flip_p(differences) == _sign_flip_by_hand(differences)


def test_sign_flip_floor_is_one_in_two_to_the_seeds_minus_one():
    assert sign_flip_p(np.ones(5)) == 0.0625
    assert sign_flip_p(np.ones(10)) == 2 / 2**10


@pytest.mark.parametrize("differences", [[0.0, 0.0, 0.0], []])
def test_sign_flip_of_nothing_is_one(differences):
    assert sign_flip_p(differences) == 1.0


def test_sign_flip_beyond_16_seeds_is_seeded_and_close_to_normal():
    differences = np.random.default_rng(0).standard_normal(40) + 0.3
    p = sign_flip_p(differences, seed=1)
    z = differences.sum() / np.sqrt((differences**2).sum())
    assert p == sign_flip_p(differences, seed=1)
    assert p == pytest.approx(2 * (1 - _normal_cdf(abs(z))), rel=0.1)
    assert sign_flip_p(np.ones(40)) == pytest.approx(1 / 65537)


def _normal_cdf(z: float) -> float:
    from statistics import NormalDist

    return NormalDist().cdf(z)


@pytest.mark.parametrize(
    ("low", "high", "seeds", "expected"),
    [
        (0.01, 0.02, 5, "inconclusive"),
        (0.01, 0.02, 6, "helps"),
        (0.001, 0.005, 6, "helps"),  # above 0 wins over inside the margin
        (-0.02, -0.01, 6, "hurts"),
        (-0.01, 0.01, 6, "no measurable difference"),
        (0.0, 0.0, 6, "no measurable difference"),
        (-0.011, 0.005, 6, "inconclusive"),
        (-0.005, 0.011, 6, "inconclusive"),
        (float("-inf"), float("inf"), 6, "inconclusive"),
    ],
)
def test_verdict_follows_the_rule_in_order(low, high, seeds, expected):
    assert verdict(low, high, seeds=seeds, margin=0.01) == expected


def test_minimum_detectable_is_2_8_standard_errors():
    assert minimum_detectable(1.0) == pytest.approx(1.959964 + 0.841621, abs=1e-6)
