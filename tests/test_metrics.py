"""Metrics: closed forms, scikit-learn as the independent reference, and weights that count images."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, recall_score

from ganaug.measures.metrics import METRICS, headline_metric, scores, tables, tail_third
from ganaug.measures.predictions import Predictions

K, M, S = 4, 300, 3


@pytest.fixture(scope="module")
def said() -> tuple[Predictions, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.choice(K, M, p=[0.5, 0.3, 0.15, 0.05])
    predicted = np.where(rng.random((S, M)) < 0.7, labels, rng.integers(K, size=(S, M)))
    return Predictions(predicted, rng.uniform(0.3, 1, (S, M)).astype(np.float32)), labels


def test_every_metric_equals_scikit_learn(said):
    predictions, labels = said
    found = tables(predictions, labels, np.array([150, 90, 45, 15]))
    assert set(found) == set(METRICS) and all(table.shape == (1, S) for table in found.values())
    for s, row in enumerate(predictions.predicted):
        recall = [recall_score(labels == k, row == k) for k in range(K)]
        expected = {
            "accuracy": (row == labels).mean(),
            "balanced_accuracy": balanced_accuracy_score(labels, row),
            "macro_f1": f1_score(labels, row, average="macro"),
            "worst_class": min(recall),
            "tail_third": recall[3],
        }
        assert {name: found[name][0, s] for name in expected} == pytest.approx(expected)


def test_calibration_error_is_the_gap_between_confidence_and_rightness():
    right = np.array([[0] * 8 + [1] * 2])  # 80 % right, 90 % sure of each
    sure = Predictions(right, np.full((1, 10), 0.9, np.float32))
    assert tables(sure, np.zeros(10, int), np.array([10, 1]))["ece"][0, 0] == pytest.approx(0.1, abs=1e-6)
    honest = Predictions(right, np.full((1, 10), 0.8, np.float32))
    assert tables(honest, np.zeros(10, int), np.array([10, 1]))["ece"][0, 0] == pytest.approx(0, abs=1e-6)


def test_an_image_of_weight_two_counts_as_two_images(said):
    predictions, labels = said
    weights = np.random.default_rng(1).integers(1, 4, M)
    again = np.repeat(np.arange(M), weights)
    repeated = Predictions(predictions.predicted[:, again], predictions.confidence[:, again])
    counts = np.array([9, 7, 5, 3])
    by_weight = tables(predictions, labels, counts, weights[None].astype(float))
    assert {name: table[0] for name, table in by_weight.items()} == {
        name: pytest.approx(table[0]) for name, table in tables(repeated, labels[again], counts).items()
    }


def test_a_class_without_a_test_image_counts_nowhere():
    said = Predictions(np.array([[0, 0, 1, 2]]), np.ones((1, 4), np.float32))
    found = tables(said, np.array([0, 0, 1, 1]), np.array([50, 40, 2]))
    assert found["balanced_accuracy"][0, 0] == 0.75 and found["worst_class"][0, 0] == 0.5
    assert found["macro_f1"][0, 0] == pytest.approx((1 + 2 / 3) / 2)
    assert np.isnan(found["tail_third"][0, 0]), "the rarest class has no test image"


def test_two_classes_have_no_tail():
    said = Predictions(np.array([[0, 1]]), np.ones((1, 2), np.float32))
    assert np.isnan(tables(said, np.array([0, 1]), np.array([9, 1]))["tail_third"]).all()
    assert tail_third(np.array([5, 1, 4, 2, 3, 9])).tolist() == [1, 3]


def test_headline_metric_is_balanced_beyond_an_imbalance_of_three():
    assert headline_metric(np.array([30, 10])) == "accuracy"
    assert headline_metric(np.array([31, 10])) == "balanced_accuracy"


def test_scores_weigh_images_or_classes():
    right = np.array([[True] * 8 + [False] * 2])
    labels = np.array([0] * 8 + [1] * 2)
    assert scores(right, labels, "accuracy").tolist() == [0.8]
    assert scores(right, labels, "balanced_accuracy").tolist() == [0.5]
