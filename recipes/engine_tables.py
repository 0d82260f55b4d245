"""From the marks of all runs to what each arm came to, and whether it is what was owed."""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from record import NOTHING, number
from scipy.stats import ttest_1samp

from ganaug.data import is_unbalanced
from ganaug.measures import crossed_bootstrap
from ganaug.measures.metrics import scores, tail_third
from ganaug.measures.statistics import draw

Mark = dict[str, Any]
HOLDS: dict[str, Callable[[float, float], bool]] = {">": operator.gt, ">=": operator.ge, "<=": operator.le}


@dataclass(frozen=True)
class Truth:
    """What marks are read with.

    Attributes:
        labels: Of the test images, int64 [M].
        counts: Of the images that generators learn from, int64 [K].
    """

    labels: np.ndarray
    counts: np.ndarray

    @property
    def tail(self) -> np.ndarray:
        """Which test images are of the third of the classes with the fewest training images, bool [M]."""
        return np.isin(self.labels, tail_third(self.counts))


@dataclass(frozen=True)
class Finding:
    """One arm beside another.

    Attributes:
        estimate: The difference or the ratio.
        ends: Of its 95 % interval; None where one seed tells nothing of another.
        each: The same for each seed; where there is one generator, for each of its classifiers.
    """

    estimate: float
    ends: list[float] | None
    each: list[float]


@dataclass(frozen=True)
class Claim:
    """What the first arm of a study owes.

    Attributes:
        what: A row of COMPARISONS.
        against: Another arm.
        sign: ">", ">=" or "<=".
        owed: The bound.
    """

    what: str
    against: str
    sign: str
    owed: float

    def row(self, arm: str, marks: dict[str, list[Mark]], truth: Truth) -> Mark:
        """What was found over the seeds that have a generator in both arms.

        It is `met` where the estimate is what was owed, and `surely` so where all of the interval is.
        """
        pairs = [(a, b) for a, b in zip(marks[arm], marks[self.against], strict=True) if "said" in a and "said" in b]
        about = {"claim": f"{self.what}, {arm} against {self.against}", "owed": f"{self.sign} {self.owed:g}"}
        if not pairs:
            return {**about, "found": None, "95 %": None, "seeds": 0, "each": None, "met": False, "surely": False}
        found = COMPARISONS[self.what]([a for a, _ in pairs], [b for _, b in pairs], truth)
        return {
            **about,
            "found": found.estimate,
            "95 %": found.ends,
            "seeds": len(pairs),
            "each": ", ".join(map(number, found.each)),
            "met": self._holds(found.estimate),
            "surely": found.ends is not None and all(map(self._holds, found.ends)),
        }

    def _holds(self, value: float) -> bool:
        return HOLDS[self.sign](value, self.owed)


def summary(arm: str, marks: Sequence[Mark], truth: Truth) -> Mark:
    """What an arm came to: means over the runs that have a generator, and standard deviations."""
    whole = [mark for mark in marks if "said" in mark]
    found: Mark = {"images of": arm, "runs": len(marks), "collapsed": sum(mark.get("collapsed", 0) for mark in marks)}
    for name, read in MEASURES.items():
        values = [read(mark, truth) for mark in whole]
        known = [value for value in values if value is not None]
        found[name] = float(np.mean(known)) if known else None
        found[f"{name}, sd"] = float(np.std(known, ddof=1)) if len(known) > 1 else None
    return found


def shown(rows: Sequence[Mark]) -> list[Mark]:
    """Summaries as a table has them: the deviation beside its mean, and no column that nobody has a number in."""
    keys = [key for key in rows[0] if f"{key}, sd" in rows[0]]
    kept = [key for key in rows[0] if not key.endswith(", sd") and any(row[key] is not None for row in rows)]
    return [{key: _beside(row[key], row[f"{key}, sd"]) if key in keys else row[key] for key in kept} for row in rows]


def _beside(mean: float | None, deviation: float | None) -> Any:
    if mean is None or deviation is None or deviation < NOTHING:
        return mean
    return f"{number(mean)} ± {number(deviation, 2)}"


def accuracy(mark: Mark, truth: Truth) -> float:
    """Of the classifiers that learned from the images, on the test images; the mean."""
    return float((np.array(mark["said"]) == truth.labels).mean())


def tail_recall(mark: Mark, truth: Truth) -> float | None:
    """The same over the tail third of the classes, where there is a tail."""
    if not is_unbalanced(truth.counts):
        return None
    right = np.array(mark["said"])[:, truth.tail] == truth.labels[truth.tail]
    return float(scores(right, truth.labels[truth.tail], "balanced_accuracy").mean())


MEASURES: dict[str, Callable[[Mark, Truth], float | None]] = {
    "GAN-train": accuracy,
    "tail recall": tail_recall,
    "FD": lambda mark, truth: mark["fd"],
    "FD in a class": lambda mark, truth: mark["class_fd"],
    "precision": lambda mark, truth: mark["precision"],
    "recall": lambda mark, truth: mark["recall"],
    "last over best": lambda mark, truth: mark.get("last_over_best"),
    "steps": lambda mark, truth: mark.get("steps"),
    "minutes": lambda mark, truth: mark["seconds"] / 60 if "seconds" in mark else None,
}


def right(marks: Sequence[Mark], truth: Truth) -> np.ndarray:
    """How often the classifiers of each generator named each test image rightly, float [S, M]; of one generator alone
    each classifier is a row.
    """
    tables = [(np.array(mark["said"]) == truth.labels).astype(float) for mark in marks]
    return tables[0] if len(tables) == 1 else np.stack([table.mean(0) for table in tables])


def accuracy_difference(ours: Sequence[Mark], theirs: Sequence[Mark], truth: Truth) -> Finding:
    """Over seeds and test images."""
    table = right(ours, truth) - right(theirs, truth)
    found = crossed_bootstrap(table)
    return Finding(found.mean, [found.low, found.high], table.mean(1).tolist())


def tail_difference(ours: Sequence[Mark], theirs: Sequence[Mark], truth: Truth) -> Finding:
    """The same of the mean recall of the tail third of the classes."""
    table, labels = (right(ours, truth) - right(theirs, truth))[:, truth.tail], truth.labels[truth.tail]
    found = crossed_bootstrap(table, labels)
    return Finding(found.mean, [found.low, found.high], scores(table, labels, "balanced_accuracy").tolist())


def accuracy_ratio(ours: Sequence[Mark], theirs: Sequence[Mark], truth: Truth) -> Finding:
    """Over seeds and test images, both accuracies on the same draws of these."""
    a, b = right(ours, truth), right(theirs, truth)
    drawn, each = draw(len(a), truth.labels), a.mean(1) / b.mean(1)
    ends = drawn.interval((drawn.images @ a.T) / (drawn.images @ b.T), each)
    return Finding(float(each.mean()), [*ends], each.tolist())


def distance_ratio(ours: Sequence[Mark], theirs: Sequence[Mark], truth: Truth) -> Finding:
    """Of the mean distances; the interval is Student's t over the logarithms of the seeds' own ratios."""
    a, b = (np.array([mark["fd"] for mark in marks]) for marks in (ours, theirs))
    ends = ttest_1samp(np.log(a / b), 0).confidence_interval() if len(a) > 1 else None
    return Finding(float(a.mean() / b.mean()), ends and np.exp([*ends]).tolist(), (a / b).tolist())


Comparison = Callable[[Sequence[Mark], Sequence[Mark], Truth], Finding]
COMPARISONS: dict[str, Comparison] = {
    "GAN-train accuracy, difference": accuracy_difference,
    "GAN-train accuracy, ratio": accuracy_ratio,
    "GAN-train recall of the tail, difference": tail_difference,
    "FD, ratio": distance_ratio,
}
