"""Arms side by side: from the predictions of all classifiers to differences with intervals, p-values and verdicts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import stdtrit

from ganaug.measures.arms import BASELINE, Arm
from ganaug.measures.metrics import HEADLINES, METRICS, recalls, scores, tables
from ganaug.measures.predictions import Predictions
from ganaug.measures.statistics import (
    Draws,
    Interval,
    crossed_bootstrap,
    draw,
    holm,
    minimum_detectable,
    sign_flip_p,
    verdict,
)

DIFFERENCE = ("delta", "ci", "p", "minimum_detectable", "verdict")
DRAWS = 1000  # of the intervals beside the one that decides


@dataclass(frozen=True)
class Comparison:
    """The predictions of all arms, and what their paired differences from the baseline say.

    Attributes:
        graded: Arm -> set -> predictions of its classifiers; equal rows share a seed.
        labels: Set -> int64 [M].
        classes: The K class names.
        counts: Training images of each class, int64 [K].
        metric: "accuracy" or "balanced_accuracy": how a row becomes a score.
        margin: Differences within +- margin count as none.
        on: The set that the arms are compared on.
        baseline: The arm that the others are compared against.
    """

    graded: Mapping[Arm, Mapping[str, Predictions]]
    labels: Mapping[str, np.ndarray]
    classes: tuple[str, ...]
    counts: np.ndarray
    metric: str
    margin: float
    on: str = "test"
    baseline: Arm = BASELINE

    def right(self, arm: Arm, on: str | None = None) -> np.ndarray:
        """Which images of a set each classifier of the arm named rightly, bool [S, M]."""
        name = on or self.on
        return self.graded[arm][name].right(self.labels[name])

    def scores(self, arm: Arm, on: str | None = None) -> np.ndarray:
        """The score of each seed on a set, float [S]."""
        return scores(self.right(arm, on), self.labels[on or self.on], self.metric)

    def difference(self, arm: Arm, *, against: Arm | None = None, level: float = 0.95) -> dict[str, Any]:
        """The paired difference from the baseline or another arm, with interval, p, smallest detectable size, verdict.

        The interval alone decides: the crossed bootstrap over seeds and images. p is that of the exact sign flips over
        seeds, which knows of no other test images.
        """
        base = against or self.baseline
        interval = self._interval(arm, base, self.metric, level)
        per_seed = self.scores(arm) - self.scores(base)
        # An interval may be wider than its bootstrap: Student's t, the rule of three. What it hides is not detectable.
        se = max(
            interval.se, (interval.high - interval.low) / (2 * stdtrit(max(1, len(per_seed) - 1), (1 + level) / 2))
        )
        return {
            "delta": interval.mean,
            "ci": [interval.low, interval.high],
            "p": sign_flip_p(per_seed),
            "minimum_detectable": minimum_detectable(se, per_seed),
            "verdict": verdict(interval.low, interval.high, seeds=len(per_seed), margin=self.margin),
        }

    def _interval(self, arm: Arm, base: Arm, metric: str, level: float = 0.95) -> Interval:
        """Of a difference in a metric that is a mean over images."""
        table = self.right(arm).astype(float) - self.right(base)
        return crossed_bootstrap(table, self.labels[self.on] if metric == "balanced_accuracy" else None, level=level)

    def summary(self, arm: Arm) -> dict[str, Any]:
        """One arm as `measure.json` has it, without what other arms have to do with it (Holm's p, validation)."""
        found = self.scores(arm)
        train = float(self.scores(arm, "seen").mean())
        mean = float(found.mean())
        facts = {
            "name": arm[0],
            "fraction": arm[1],
            "scores": found.tolist(),
            "mean": mean,
            "train_mean": train,
            "gap": train - mean,
            "per_class": {name: float(table.mean()) for name, table in self._recalls(arm).items()},
            "recall_ci": {name: _ends(table) for name, table in self._recalls(arm).items()},
            "metrics": {metric: _finite(self._observed[arm][metric].mean()) for metric in METRICS},
        }
        if arm == self.baseline:
            return facts | {"delta": 0.0, "ci": [0.0, 0.0], "p": 1.0, "verdict": "baseline"}
        return facts | self._changes(arm) | self.difference(arm)

    def summaries(self, arms: Sequence[Arm], headline: Arm) -> list[dict[str, Any]]:
        """All of them, with p-values of the secondary arms adjusted for their number (Holm 1979)."""
        found = {arm: self.summary(arm) for arm in arms}
        secondary = [arm for arm in arms if arm not in (self.baseline, headline)]
        adjusted = dict(zip(secondary, holm([found[arm]["p"] for arm in secondary]), strict=True))
        return [found[arm] | {"p_holm": adjusted.get(arm)} for arm in arms]

    def _changes(self, arm: Arm) -> dict[str, Any]:
        """Differences from the baseline in all metrics, in the recall of each class and in the training-test gap."""
        ours, base = self._recalls(arm), self._recalls(self.baseline)
        deltas = {name: crossed_bootstrap(ours[name] * 1.0 - base[name], draws=DRAWS) for name in ours}
        drawn, known = self._tables(arm, self._draws.images), self._drawn_baseline
        changes = {metric: drawn[metric] - known[metric] for metric in METRICS}
        return {
            "metric_deltas": {metric: self._change(arm, metric, changes[metric]) for metric in METRICS},
            "recall_deltas": {name: {"delta": d.mean, "ci": [d.low, d.high]} for name, d in deltas.items()},
            "gap_delta": self._gap_change(arm, changes[self.metric]),
        }

    def _change(self, arm: Arm, metric: str, drawn: np.ndarray) -> dict[str, Any]:
        if metric in HEADLINES:  # one interval for one number, wherever it stands
            interval = self._interval(arm, self.baseline, metric)
            return {"delta": interval.mean, "ci": [interval.low, interval.high]}
        observed = (self._observed[arm][metric] - self._observed[self.baseline][metric])[0]
        low, high = self._draws.interval(drawn, observed)
        return {"delta": _finite(observed.mean()), "ci": [low, high]}

    def _gap_change(self, arm: Arm, drawn: np.ndarray) -> dict[str, Any]:
        """Of training minus test score; the training images are all there are, so only test images are redrawn."""
        train = self.scores(arm, "seen") - self.scores(self.baseline, "seen")
        test = self.scores(arm) - self.scores(self.baseline)
        low, high = self._draws.interval(train - drawn, train - test)
        return {"delta": float((train - test).mean()), "ci": [low, high]}

    def _recalls(self, arm: Arm) -> dict[str, np.ndarray]:
        """Class name -> bool [S, M_k]; classes without a test image are left out."""
        found = recalls(self.right(arm), self.labels[self.on], len(self.classes))
        return {self.classes[k]: table for k, table in found.items()}

    @cached_property
    def _draws(self) -> Draws:
        seeds = len(self.graded[self.baseline][self.on].predicted)
        return draw(seeds, self.labels[self.on], draws=DRAWS)

    @cached_property
    def _drawn_baseline(self) -> dict[str, np.ndarray]:
        """Every metric of the baseline in each draw of test images, [B, S]; all arms share the draws."""
        return self._tables(self.baseline, self._draws.images)

    @cached_property
    def _observed(self) -> dict[Arm, dict[str, np.ndarray]]:
        return {arm: self._tables(arm, None) for arm in self.graded}

    def _tables(self, arm: Arm, weights: np.ndarray | None) -> dict[str, np.ndarray]:
        return tables(self.graded[arm][self.on], self.labels[self.on], self.counts, weights)


def _ends(table: np.ndarray) -> list[float]:
    """The interval of a recall, which stays a share."""
    interval = crossed_bootstrap(table.astype(float), draws=DRAWS)
    return [max(0.0, interval.low), min(1.0, interval.high)]


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
