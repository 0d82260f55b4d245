"""Does it help? The paired comparison of classifiers trained with and without synthetic images.

First everything is chosen on validation: the classical augmentation, the steps, the synthetic share. Then the baseline
and all arms are trained on other seeds, with equal optimiser steps, batch and schedule, and only those are reported.
"""

import logging
import time
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ganaug.data import is_unbalanced
from ganaug.measures.advice import recommend
from ganaug.measures.arms import (
    AGAIN,
    BASELINE,
    COPIES,
    HELD_OUT,
    LONGER,
    MIXED,
    ORDER,
    REAL,
    SYNTHETIC,
    WRONG,
    Arm,
    Roster,
)
from ganaug.measures.choosing import FRACTION_SEEDS, Choices, choose
from ganaug.measures.comparison import DIFFERENCE, Comparison
from ganaug.measures.curve import NO_GAIN, curve_arms, images_at, points, real_equivalents, unknown
from ganaug.measures.design import Design, Sets
from ganaug.measures.grading import grade
from ganaug.measures.memorization import cas_gap
from ganaug.measures.statistics import MIN_SEEDS, draw

log = logging.getLogger("ganaug")
LONGEST = 3  # times the steps that the arm trained longer takes at most
CURVE_SEEDS = 4  # of the reported ones
LARGE = 0.5  # share of wrong labels from which they must hurt


def measure_gain(
    sets: Sets, design: Design, *, copying: bool = False, excluded: Collection[str] = ()
) -> dict[str, Any]:
    """Compare training with and without synthetic images on the test images, all under the same classical augmentation.

    The share that is best on validation is the headline; its paired difference from the baseline on the test images,
    with an interval over seeds and images, decides the verdict. Training on synthetic images alone gives GAN-train,
    testing the baseline's classifiers on them GAN-test (Shmelkov et al. 2018, arXiv:1807.09499; Ravuri and Vinyals
    2019, arXiv:1905.10887).

    Args:
        sets: The images.
        design: How.
        copying: The synthetic images copy training images: they are then never recommended.
        excluded: Classes that are never recommended, since theirs do.

    Returns:
        The parts `gain`, `cas`, `recommendation` and `seconds` of measure.json, and `cas_gap` of its `memorization`.
        An arm's `train_mean` is its score on (at most 5,000 of) the real training images, without augmentation.
    """
    choices = choose(sets, design)
    trial = Trial(sets, design, choices)
    start = time.monotonic()
    study, headline = trial.study, trial.headline
    trained = time.monotonic()
    curve = trial.curve()
    covered = [name for name in design.classes if name not in excluded]
    gap, low, high = cas_gap(study.right((SYNTHETIC, 1.0), "learned"), study.right((SYNTHETIC, 1.0), "val"))
    return {
        "gain": trial.facts() | curve,
        "cas": trial.cas(),
        "recommendation": recommend(headline, covered, copying=copying, seeds=len(design.seeds)),
        "cas_gap": {"cas_gap": gap, "cas_gap_ci": [low, high]},
        "seconds": {
            "choosing": choices.seconds,
            "classifiers": trained - start,
            "curve": time.monotonic() - trained,
        },
    }


@dataclass(frozen=True)
class Trial:
    """The reported arms of a study, trained once all choices are made.

    Attributes:
        sets: The images.
        design: How to measure.
        choices: What validation said.
    """

    sets: Sets
    design: Design
    choices: Choices

    @property
    def chosen(self) -> Arm:
        """The headline arm."""
        return MIXED, self.choices.fraction

    @cached_property
    def counts(self) -> np.ndarray:
        """Training images of each class, int64 [K]."""
        return self.sets.counts(len(self.design.classes))

    @cached_property
    def longer(self) -> int | None:
        """Steps of the arm that trains longer by what the GAN cost; None where that is not known."""
        seconds = self.design.gan_seconds
        if seconds is None:
            return None
        return round(self.choices.protocol.steps * min(LONGEST, 1 + seconds / self.choices.fit_seconds))

    @cached_property
    def study(self) -> Comparison:
        """All arms, trained and graded."""
        design, choices = self.design, self.choices
        roster = Roster(
            seeds=design.seeds,
            augment=choices.augment,
            fractions=design.fractions,
            fraction=choices.fraction,
            models=len(self.sets.synthetic),
            weights=is_unbalanced(self.counts),
        )
        arms = roster.short()
        if design.full:
            arms |= roster.rest(held_out=self.sets.unused is not None, longer=self.longer)
        log.info("training %d classifiers for %d steps each", sum(map(len, arms.values())), choices.protocol.steps)
        images = self.sets.to_report(design.seed if design.full else None)
        labels = {name: y.cpu().numpy() for name, (_, y) in images.items()}
        graded = grade(arms, images, choices.protocol)
        return Comparison(graded, labels, design.classes, self.counts, choices.metric, design.margin)

    @cached_property
    def arms(self) -> list[dict[str, Any]]:
        """Every reported arm as measure.json has it."""
        known = [arm for name in ORDER for arm in self.study.graded if arm[0] == name]
        rows = self.study.summaries(known, self.chosen)
        tried = {(row["name"], row["fraction"]): row for row in self.choices.arms}
        for arm, row in zip(known, rows, strict=True):
            row["steps"] = self.longer if arm[0] == LONGER else self.choices.protocol.steps
            if arm in tried:
                row["validation"] = {key: tried[arm][key] for key in ("mean", "delta", "ci", "verdict")}
        return rows

    @property
    def headline(self) -> dict[str, Any]:
        """The row of the chosen share."""
        return next(row for row in self.arms if (row["name"], row["fraction"]) == self.chosen)

    def facts(self) -> dict[str, Any]:
        """The part `gain` of measure.json, but for the learning curve."""
        design, choices = self.design, self.choices
        return {
            **choices.facts(),
            "seeds": len(design.seeds),
            "margin": design.margin,
            "models": len(self.sets.synthetic),
            "covers": covers(len(self.sets.synthetic), len(design.seeds)),
            "retrained": self.sets.retrain,
            "images": len(self.sets.whole[1]),
            "selection": {"seeds": FRACTION_SEEDS, "left_out": self.sets.left_out, "arms": choices.arms},
            "arms": self.arms,
            "left_out": self.left_out(),
            "longer": self.longer_facts(),
            "headline": {"against": REAL, "arm": MIXED}
            | {key: self.headline[key] for key in ("fraction", *DIFFERENCE)},
            "controls": self.controls(),
        }

    def longer_facts(self) -> dict[str, Any] | None:
        """Steps of the arm trained longer, and whether the GAN would have paid for more."""
        if not (self.design.full and self.longer):
            return None
        return {"steps": self.longer, "most": LONGEST, "capped": self.longer == LONGEST * self.choices.protocol.steps}

    def left_out(self) -> dict[str, str]:
        """Arm -> why it was not run."""
        short = {} if self.design.full else {"other arms and controls": "they run with --arms full"}
        unused = {} if self.sets.unused else {HELD_OUT: "the reported arms learn from all real images but the test's"}
        known = {} if self.longer else {LONGER: "what the generator cost is not known"}
        return short or unused | known

    def controls(self) -> dict[str, Any]:
        """The comparisons whose answer is known beforehand, and whether they came out so."""
        found = {}
        for name in (AGAIN, COPIES, WRONG):
            arm = next((arm for arm in self.study.graded if arm[0] == name), None)
            found[name] = self._control(arm) if arm else {}
        return found

    def _control(self, arm: Arm) -> dict[str, Any]:
        """Too few seeds pass and fail nothing; the alarm of the A/A control may ring in vain once in a thousand."""
        found = self.study.difference(arm)
        low, high = self.study.difference(arm, level=0.999)["ci"] if arm[0] == AGAIN else found["ci"]
        harms = arm[0] == WRONG and arm[1] >= LARGE
        passed = low <= 0 <= high if arm[0] == AGAIN else high < 0 if harms else low <= 0
        facts = {key: found[key] for key in ("delta", "ci", "p", "verdict")}
        return facts | {"fraction": arm[1], "passed": passed if len(self.design.seeds) >= MIN_SEEDS else None}

    def cas(self) -> dict[str, float]:
        """GAN-train, GAN-test and the real score beside them, means over seeds."""
        return {
            "gan_train": float(self.study.scores((SYNTHETIC, 1.0)).mean()),
            "gan_test": float(self.study.scores(BASELINE, "judged").mean()),
            "real": float(self.study.scores(BASELINE).mean()),
        }

    def curve(self) -> dict[str, Any]:
        """The learning curve of real images and the gain's worth on it; where there is a gain, or in the full study."""
        low, high = self.headline["ci"]
        if not self.design.full and low <= 0 <= high:
            return {"curve": [], "real_equivalents": unknown(NO_GAIN)}
        seeds, augment = self.design.seeds[:CURVE_SEEDS], self.choices.augment
        fits = curve_arms(self.counts, seeds, augment)
        graded = grade(fits, {"train": self.sets.whole, "test": self.sets.test}, self.choices.protocol)
        labels, metric = self.study.labels["test"], self.choices.metric
        tables = [found["test"].right(labels) for found in graded.values()] + [self.study.right(BASELINE)]
        count = [images_at(self.counts, n) for n in graded] + [int(self.counts.sum())]
        n = np.array(count) / len(self.counts)
        draws = draw(len(self.design.seeds), labels)
        worth = real_equivalents(n, tables, self.study.right(self.chosen), labels, draws, metric, self.headline)
        if is_unbalanced(self.counts):
            worth = unknown("images a class mean little where the classes are unbalanced")
        return {"curve": points(n, count, tables, labels, metric), "real_equivalents": worth}


def covers(models: int, seeds: int) -> str:
    """What the interval covers, and what not."""
    if models == 1:
        return (
            "The interval covers retraining the classifier and new test images, "
            "not another GAN or another training set."
        )
    models = min(models, seeds)
    each = "one for each seed" if models == seeds else f"{seeds} seeds take them in turn"
    return (
        f"The interval covers retraining the classifier, new test images and these {models} generators ({each}), "
        "not another training set."
    )
