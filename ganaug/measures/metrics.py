"""What a classifier's predictions are worth: accuracy and what accuracy hides.

Every metric is computed from weighted images, so that one definition serves the score itself (all weights 1) and its
bootstrap (how often each image was drawn).
"""

from collections.abc import Mapping

import numpy as np

from ganaug.data import is_unbalanced
from ganaug.measures.predictions import Predictions

HEADLINES = ("accuracy", "balanced_accuracy")  # means over images: what a crossed bootstrap can judge
METRICS = (*HEADLINES, "macro_f1", "worst_class", "tail_third", "ece")
BINS = 15  # of confidence, as Guo et al. 2017 use


def headline_metric(counts: np.ndarray) -> str:
    """Balanced accuracy where the training classes are unbalanced, else accuracy.

    >>> headline_metric(np.array([20, 20])), headline_metric(np.array([300, 15]))
    ('accuracy', 'balanced_accuracy')
    """
    return "balanced_accuracy" if is_unbalanced(counts) else "accuracy"


def scores(right: np.ndarray, labels: np.ndarray, metric: str) -> np.ndarray:
    """Accuracy, or the mean of the recalls of the classes present, of each row of bool [S, M]: float [S].

    >>> scores(np.array([[True, True, False]]), np.array([0, 0, 1]), "balanced_accuracy").tolist()
    [0.5]
    """
    if metric == "accuracy":
        return right.mean(1)
    return np.mean([right[:, labels == k].mean(1) for k in np.unique(labels)], axis=0)


def tail_third(counts: np.ndarray) -> np.ndarray:
    """The third of the classes with the fewest training images, at least one; earlier classes first among equals.

    >>> tail_third(np.array([50, 3, 40, 9, 2])).tolist()
    [4, 1]
    """
    return np.argsort(counts, kind="stable")[: max(1, round(len(counts) / 3))]


def tables(
    predictions: Predictions, labels: np.ndarray, counts: np.ndarray, weights: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Every metric of every classifier, under each weighting of the images.

    Macro-F1 is the mean over classes of 2 TP / (predicted + actual); `worst_class` and `tail_third` are recalls, the
    latter the mean over the classes with the fewest training images. `ece` is the expected calibration error over 15
    equal bins of confidence (Guo et al. 2017, arXiv:1706.04599, eq. 3). Classes without a test image count nowhere.

    Args:
        predictions: Of S classifiers on M images.
        labels: int64 [M].
        counts: Training images of each class, int64 [K].
        weights: How often each image counts, float [B, M], at least one image of every class that has any; None: once.

    Returns:
        Metric -> float [B, S]; `tail_third` is NaN under three classes.

    Example:
        >>> sure = Predictions(np.array([[0, 1, 1]]), np.ones((1, 3), np.float32))
        >>> found = tables(sure, np.array([0, 0, 1]), np.array([5, 5]))
        >>> round(float(found["balanced_accuracy"][0, 0]), 3), round(float(found["macro_f1"][0, 0]), 3)
        (0.75, 0.667)
    """
    weights = np.ones((1, len(labels))) if weights is None else weights
    rows = zip(predictions.predicted, predictions.confidence, strict=True)
    columns = [_of_one(predicted, confidence, labels, counts, weights) for predicted, confidence in rows]
    return {name: np.stack([column[name] for column in columns], axis=1) for name in METRICS}


def recalls(right: np.ndarray, labels: np.ndarray, num_classes: int) -> dict[int, np.ndarray]:
    """Class -> which of its images each classifier named rightly, bool [S, M_k]; only for classes with images."""
    return {k: right[:, labels == k] for k in range(num_classes) if (labels == k).any()}


def _of_one(
    predicted: np.ndarray, confidence: np.ndarray, labels: np.ndarray, counts: np.ndarray, weights: np.ndarray
) -> Mapping[str, np.ndarray]:
    """The metrics of one classifier under each weighting, [B]."""
    K, right = len(counts), predicted == labels
    present = np.unique(labels)
    actual = weights @ _one_hot(labels, K)
    hits = weights @ (_one_hot(labels, K) * right[:, None])
    named = weights @ _one_hot(predicted, K)
    recall = hits[:, present] / actual[:, present]
    f1 = 2 * hits[:, present] / (named + actual)[:, present]
    tail = np.flatnonzero(np.isin(present, tail_third(counts)))
    rare = recall[:, tail].mean(1) if len(counts) > 2 and len(tail) else np.full(len(weights), np.nan)
    bins = _one_hot(np.minimum((confidence * BINS).astype(int), BINS - 1), BINS) * (right - confidence)[:, None]
    total = weights.sum(1)
    return {
        "accuracy": hits.sum(1) / total,
        "balanced_accuracy": recall.mean(1),
        "macro_f1": f1.mean(1),
        "worst_class": recall.min(1),
        "tail_third": rare,
        "ece": np.abs(weights @ bins).sum(1) / total,
    }


def _one_hot(values: np.ndarray, width: int) -> np.ndarray:
    return (values[:, None] == np.arange(width)).astype(float)
