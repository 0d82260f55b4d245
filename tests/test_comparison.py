"""Arms side by side: handmade predictions whose differences, gaps and adjusted p-values are known."""

import numpy as np
import pytest

from ganaug.measures.arms import BARE, BASELINE, MIXED, Arm
from ganaug.measures.comparison import Comparison
from ganaug.measures.predictions import Predictions
from ganaug.measures.statistics import holm

LABELS = (np.arange(100) >= 80).astype(np.int64)  # 80 images of the big class, 20 of the small one
SEEDS = 6


def said(share: float, first: int = 0) -> Predictions:
    """Right on so many of the images, from `first` on, and sure of everything."""
    right = np.roll(np.arange(100) < round(100 * share), first)
    predicted = np.tile(np.where(right, LABELS, 1 - LABELS), (SEEDS, 1))
    return Predictions(predicted, np.ones((SEEDS, 100), np.float32))


def compared(arms: dict[Arm, float], metric: str = "accuracy") -> Comparison:
    graded = {arm: {"test": said(share), "seen": said(1.0)} for arm, share in {BASELINE: 0.5, **arms}.items()}
    return Comparison(graded, {"test": LABELS, "seen": LABELS}, ("big", "small"), np.array([80, 20]), metric, 0.01)


ARM = (MIXED, 0.5)


def test_accuracy_and_balanced_accuracy_weigh_classes_differently():
    assert compared({ARM: 0.9}).scores(ARM) == pytest.approx([0.9] * SEEDS)
    assert compared({ARM: 0.9}, "balanced_accuracy").scores(ARM) == pytest.approx([0.75] * SEEDS)


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy"])
def test_the_difference_is_that_of_the_scores_and_all_metrics_agree(metric: str):
    study = compared({ARM: 0.9}, metric)
    row = study.summary(ARM)
    assert row["delta"] == pytest.approx((study.scores(ARM) - study.scores(BASELINE)).mean())
    assert row["metric_deltas"][metric]["delta"] == pytest.approx(row["delta"])
    low, high = row["metric_deltas"][metric]["ci"]
    assert low <= row["delta"] <= high and row["ci"][0] <= row["delta"] <= row["ci"][1]
    assert row["verdict"] == "helps" and row["p"] == pytest.approx(2 / 2**SEEDS)


def test_recalls_and_their_changes_carry_intervals():
    row = compared({ARM: 0.9}).summary(ARM)
    assert row["per_class"] == {"big": 1.0, "small": 0.5}
    low, high = row["recall_ci"]["small"]
    assert 0.2 < low < 0.5 < high < 0.8
    assert row["recall_deltas"]["big"]["delta"] == pytest.approx(1 - 50 / 80)
    assert row["recall_ci"]["big"][0] > 0.9 and row["recall_ci"]["big"][1] == 1.0


def test_a_smaller_gap_is_less_overfitting():
    row = compared({ARM: 0.9}).summary(ARM)
    assert row["gap"] == pytest.approx(0.1) and row["train_mean"] == 1.0
    assert row["gap_delta"]["delta"] == pytest.approx(-0.4)
    assert row["gap_delta"]["ci"][0] < -0.4 < row["gap_delta"]["ci"][1] < 0


def test_the_baseline_has_no_verdict_on_itself():
    row = compared({}).summary(BASELINE)
    assert row["verdict"] == "baseline" and row["delta"] == 0.0 and row["ci"] == [0.0, 0.0]
    assert "metric_deltas" not in row


def test_secondary_arms_share_one_error_rate_and_the_headline_is_not_among_them():
    others = {(MIXED, 0.25): 0.7, (BARE, 0.0): 0.4}
    rows = compared({ARM: 0.9, **others}).summaries([BASELINE, ARM, *others], ARM)
    assert [row["p_holm"] for row in rows[:2]] == [None, None]
    assert [row["p_holm"] for row in rows[2:]] == pytest.approx(holm([row["p"] for row in rows[2:]]))


def test_holm_equals_the_step_down_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0] and holm([]) == []


def test_classes_without_a_test_image_have_no_recall():
    graded = {arm: {"test": Predictions(np.zeros((6, 5), int), np.ones((6, 5), np.float32))} for arm in (BASELINE, ARM)}
    graded = {arm: {**sets, "seen": sets["test"]} for arm, sets in graded.items()}
    labels = {"test": np.zeros(5, int), "seen": np.zeros(5, int)}
    study = Comparison(graded, labels, ("here", "nowhere"), np.array([5, 5]), "accuracy", 0.01)
    assert study.summary(ARM)["per_class"] == {"here": 1.0}
