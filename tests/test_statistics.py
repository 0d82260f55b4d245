"""Intervals that cover, p-values by hand, and the verdict's rule line by line."""

import itertools

import numpy as np
import pytest
from scipy import stats

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
    assert (balanced.mean, balanced.se) == pytest.approx((0.5, 0))


def test_class_of_one_image_never_vanishes():
    table = np.zeros((6, 50))
    table[:, 0] = 1
    interval = crossed_bootstrap(table, [0] + [1] * 49)
    assert (interval.mean, interval.se) == pytest.approx((0.5, 0))


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


# --- few images


@pytest.mark.parametrize(
    ("images", "groups"), [(1, None), (1, [0]), (3, [0, 1, 2])], ids=["one", "one class", "one a class"]
)
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_no_degree_of_freedom_over_images_bounds_nothing(images, groups, value):
    interval = crossed_bootstrap(np.full((6, images), value), groups)
    assert (interval.low, interval.high) == (-np.inf, np.inf)
    assert verdict(interval.low, interval.high, seeds=6, margin=0.01) == "inconclusive"


@pytest.mark.parametrize("images", [2, 3, 5, 30, 300])
def test_equal_image_means_obey_the_rule_of_three(images):
    interval = crossed_bootstrap(np.zeros((6, images)))
    assert (interval.low, interval.high) == pytest.approx((-3 / images, 3 / images), rel=0.002)
    expected = "no measurable difference" if images == 300 else "inconclusive"
    assert verdict(interval.low, interval.high, seeds=6, margin=0.01) == expected


def test_rule_of_three_over_classes_is_that_of_the_smallest_class():
    assert crossed_bootstrap(np.zeros((6, 50)), [0] * 40 + [1] * 10).high == pytest.approx(3 / (2 * 10), rel=0.002)


def test_equal_gains_of_every_image_may_hide_equal_losses():
    """Five images that all gain prove none: were half of all images +1 and half -1, 1 in 16 such tables would agree."""
    lows = [crossed_bootstrap(np.ones((6, images))).low for images in (2, 3, 4, 5, 20)]
    assert max(lows[:4]) < 0 < lows[4]


def test_interval_contains_students_t_over_three_images():
    effect = np.array([0.1, 0.3, 0.5])
    interval = crossed_bootstrap(np.tile(effect, (6, 1)))
    reach = stats.t.ppf(0.975, 2) * stats.sem(effect)
    assert (interval.low, interval.high) == pytest.approx((0.3 - reach, 0.3 + reach))


def test_interval_over_classes_contains_the_stratified_students_t():
    """Pooled variance (0.02 + 0.08) / 3, standard error from 1/2 and 1/3 image per class, 5 - 2 degrees of freedom."""
    interval = crossed_bootstrap(np.tile([0.1, 0.3, 0.2, 0.4, 0.6], (6, 1)), [0, 0, 1, 1, 1])
    reach = stats.t.ppf(0.975, 3) * (0.1 / 3 * (1 / 2 + 1 / 3) / 4) ** 0.5
    assert (interval.low, interval.high) == pytest.approx((0.3 - reach, 0.3 + reach))


@pytest.mark.parametrize("classes", [1, 2, 5])
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_three_images_a_class_of_no_effect_give_a_verdict_at_most_7_percent_of_the_time(classes, noise):
    labels, wrong = np.repeat(np.arange(classes), 3), 0
    for repeat in range(300):
        rng = np.random.default_rng(repeat)
        table = 0.3 * rng.standard_normal((1, 3 * classes)) + noise * rng.standard_normal((6, 3 * classes))
        interval = crossed_bootstrap(table, labels, draws=200, seed=repeat)
        wrong += verdict(interval.low, interval.high, seeds=6, margin=0.01) in ("helps", "hurts")
    assert wrong / 300 <= 0.07


@pytest.mark.parametrize("images", [2, 3, 4, 5])
def test_few_images_right_or_wrong_alike_for_all_seeds_give_a_verdict_at_most_5_percent_of_the_time(images):
    """Each image is +1, 0 or -1 with equal chances, the same for every seed: all 3^M tables are tried."""
    said = []
    for effect in itertools.product((-1.0, 0.0, 1.0), repeat=images):
        interval = crossed_bootstrap(np.tile(effect, (6, 1)), draws=100)
        said.append(verdict(interval.low, interval.high, seeds=6, margin=0.01))
    assert 1 - said.count("inconclusive") / len(said) <= 0.05


def test_hundreds_of_images_hardly_widen_the_interval():
    rng = np.random.default_rng(0)
    difference = (rng.random((10, 400)) < 0.90).astype(float) - (rng.random((10, 400)) < 0.85)
    interval = crossed_bootstrap(difference)
    assert stats.t.ppf(0.975, 399) * stats.sem(difference.mean(0)) < (interval.high - interval.low) / 2


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


def test_minimum_detectable_with_many_seeds_is_2_8_standard_errors():
    assert minimum_detectable(1.0, np.zeros(10_000)) == pytest.approx(1.959964 + 0.841621, abs=1e-3)


def test_minimum_detectable_takes_the_larger_standard_error():
    differences = np.array([0.0, 0.01, 0.02, 0.03, 0.04, 0.05])
    quantiles = stats.t.ppf(0.975, 5) + stats.t.ppf(0.8, 5)
    assert minimum_detectable(0.0, differences) == pytest.approx(quantiles * stats.sem(differences))
    assert minimum_detectable(0.1, differences) == pytest.approx(quantiles * 0.1)


@pytest.mark.parametrize("seeds", [6, 10, 30])
def test_minimum_detectable_has_80_percent_power(seeds):
    """By the noncentral t distribution of the paired t-test."""
    detectable = minimum_detectable(seeds**-0.5, np.zeros(seeds))  # seeds of standard deviation 1
    power = stats.nct.sf(stats.t.ppf(0.975, seeds - 1), seeds - 1, detectable * seeds**0.5)
    assert 0.79 <= power <= 0.9


def test_an_effect_of_the_minimum_detectable_size_is_found_four_times_in_five():
    rng = np.random.default_rng(0)
    effect = minimum_detectable(6**-0.5, np.zeros(6))
    found = [crossed_bootstrap(effect + np.tile(rng.standard_normal((6, 1)), (1, 2000)), draws=100) for _ in range(200)]
    assert 0.72 <= np.mean([interval.low > 0 for interval in found]) <= 0.9


def test_one_seed_detects_nothing():
    assert minimum_detectable(0.01, [0.02]) == np.inf
