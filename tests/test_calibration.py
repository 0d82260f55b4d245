"""Studies of known gain, drawn from a bank of classifiers: the interval holds the truth, no gain comes by chance."""

import calibration
import numpy as np
import pytest

from ganaug.data import load


@pytest.fixture(scope="module")
def bank() -> calibration.Bank:
    """Classifiers without a network: each image has its difficulty, each classifier its luck."""
    rng = np.random.default_rng(0)
    labels = {name: np.arange(n) % 10 for name, n in (("val", 400), ("test", 800))}
    predicted = {}
    for name, y in labels.items():
        wrong = rng.random((120, len(y))) < rng.beta(0.3, 3, len(y))
        predicted[name] = np.where(wrong, (y + 1) % 10, y)
    return calibration.Bank(predicted, labels, tuple("0123456789"), np.full(10, 20))


@pytest.mark.parametrize("name", calibration.SCENARIOS)
def test_the_interval_holds_the_truth_and_nothing_helps_by_chance(bank: calibration.Bank, name: str):
    scenario = calibration.SCENARIOS[name]
    row = calibration.summary(name, list(calibration.run(bank, scenario, 40)))
    assert row["coverage"] >= 0.9 and abs(row["bias, points"]) < 0.4
    if max(scenario.gains.values()) == 0:
        assert row["helps"] <= 0.1 and row["recommended"] <= 0.1, "four of 40 studies at most, by chance"
    else:
        assert row["truth, points"] > 1 and row["helps"] > 0.3 and row["hurts"] <= 0.05


def test_seeds_alone_miss_what_images_share(bank: calibration.Bank):
    """The evidence can tell a wrong interval: one over seeds alone fails where the images carry the effect."""
    scenario = calibration.SCENARIOS["no gain, images traded"]
    row = calibration.summary("traded", list(calibration.run(bank, scenario, 40)))
    assert row["coverage of Student's t over seeds alone"] < 0.8 <= row["coverage"]


@pytest.mark.slow
def test_a_bank_of_trained_classifiers_covers_the_truth():
    bank = calibration.train_bank(load("sklearn:digits"), 120, 20, steps=100)
    for name, scenario in calibration.SCENARIOS.items():
        row = calibration.summary(name, list(calibration.run(bank, scenario, 60)))
        assert row["coverage"] >= 0.93, row
        assert row["helps"] <= 0.1 or max(scenario.gains.values()) > 0, row
