"""The timing of a study, at toy size."""

import pytest
import study_speed
import torch


def test_a_study_has_as_many_fits_as_seeds_times_arms_and_no_two_alike():
    arms = study_speed.study(10, 10)
    fits = [fit for row in arms.values() for fit in row]
    assert len(arms) == 10 and len(fits) == len(set(fits)) == 100


def test_the_arithmetic_of_airbench_is_that_of_its_layers():
    """Patches; three blocks at 31, 15 and 7 px before and 15, 7 and 3 px after their pools; the head."""
    layers = [(12, 24, 31), (216, 64, 31), (576, 64, 15), (576, 256, 15), *[(2304, 256, 7)] * 2, (2304, 256, 3)]
    counted = sum(2 * inputs * outputs * side**2 for inputs, outputs, side in layers) + 2 * 256 * 10
    assert study_speed.image_flops("airbench") == counted


@pytest.mark.parametrize("classifier", ["small", "airbench"])
def test_a_study_s_time_stands_beside_its_arithmetic(classifier: str):
    row = study_speed.timed(torch.device("cpu"), classifier, seeds=1, arms=2, steps=2, train=80, test=20, side=512)
    assert row["fits"] == 2 and 0 < row["arithmetic, s"] and row["steps"] == 2
    assert row["share of that"] == pytest.approx(row["arithmetic, s"] / row["seconds"])
