"""What is chosen before anything is reported: augmentation, steps, synthetic share. No function here sees a test image.

Each choice is made once, on validation, with seeds of its own, and then shared by all arms.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from ganaug.data.batches import mix
from ganaug.measures.arms import BASELINE, MIXED, Arm, arms_to_choose
from ganaug.measures.classifier import default_steps
from ganaug.measures.comparison import Comparison
from ganaug.measures.design import Design, Sets
from ganaug.measures.grading import Fit, Labeled, Protocol, grade
from ganaug.measures.metrics import headline_metric, scores
from ganaug.measures.networks import SMALL
from ganaug.measures.statistics import reading
from ganaug.ranks import agreed

log = logging.getLogger("ganaug")
BASELINE_STREAM, FRACTION_STREAM = 2, 3  # seeds that no reported classifier has
BASELINE_SEEDS, FRACTION_SEEDS = 4, 4
BASES, FLIP, MIXES = ("none", "affine", "trivial"), "+flip", ("+mixup", "+cutmix")
RUNGS = 3  # of the ladder of steps: the default, and its doublings
Key = TypeVar("Key", str, int)
RISING = 0.005  # less than half a point a doubling: no longer rising, as far as four seeds can tell


@dataclass(frozen=True)
class Training:
    """How all classifiers are trained, chosen on validation.

    Attributes:
        metric: "accuracy" or "balanced_accuracy".
        augment: The classical augmentation of all arms.
        augment_scores: Mean validation score of every policy tried; empty where the user chose.
        protocol: With the steps of every classifier.
        steps_scores: Mean validation score at each number of steps tried; empty where the user chose.
    """

    metric: str
    augment: str
    augment_scores: dict[str, float]
    protocol: Protocol
    steps_scores: dict[int, float]

    def facts(self) -> dict[str, Any]:
        """What `gain` of measure.json says of it."""
        kind = self.protocol.classifier
        name = str(getattr(kind, "__name__", kind))
        return {
            "metric": self.metric,
            "steps_per_arm": self.protocol.steps,
            "augment": self.augment,
            "augmentation": {"chosen": self.augment, "scores": self.augment_scores},
            "steps": {"chosen": self.protocol.steps, "scores": self.steps_scores, "why": self.why_steps()},
            "classifier": "small residual network" if name == SMALL else name,
        }

    def why_steps(self) -> str:
        """How the steps came about, in a sentence."""
        if not self.steps_scores:
            return "The steps were set by the recipe."
        if self.protocol.steps == max(self.steps_scores):
            return "The baseline's validation score was still rising at the longest training that was tried."
        return f"Twice the steps would add less than {100 * RISING:g} points to the baseline's validation score."


@dataclass(frozen=True)
class Choices(Training):
    """The same, and which share of synthetic images is best.

    Attributes:
        fraction: The best synthetic share above 0.
        arms: The baseline and each share on validation, as measure.json has them.
        seconds: All this took.
        fit_seconds: One classifier of the last choice, with all cores at work.
    """

    fraction: float
    arms: list[dict[str, Any]]
    seconds: float
    fit_seconds: float


def choose_training(train: Labeled, val: Labeled, counts: np.ndarray, design: Design) -> Training:
    """Augmentation and steps, in that order, each on validation alone; `counts`: training images of each class."""
    metric = design.metric or headline_metric(counts)
    protocol = design.protocol(design.steps or default_steps(len(train[1])))
    augment, augment_scores = design.augment or "", {}
    if not augment:
        log.info("choosing the classical augmentation on validation")
        augment, augment_scores = choose_augmentation(train, val, protocol, metric, seed=design.seed)
    steps, steps_scores = protocol.steps, {}
    if design.steps is None:
        known = augment_scores.get(augment)
        steps, steps_scores = choose_steps(train, val, protocol, metric, augment, seed=design.seed, known=known)
    return Training(metric, augment, augment_scores, replace(protocol, steps=steps), steps_scores)


def choose(sets: Sets, design: Design) -> Choices:
    """Augmentation, steps and synthetic share, in that order, each on validation alone."""
    start, counts = time.monotonic(), sets.counts(len(design.classes))
    training = choose_training(sets.train, sets.val, counts, design)
    log.info("choosing the synthetic share on validation")
    before, seeds = time.monotonic(), fraction_seeds(design.seed)
    fits = arms_to_choose(seeds, design.fractions, training.augment, len(sets.synthetic))
    graded = grade(fits, sets.to_choose(), training.protocol)
    labels = {"val": sets.val[1].cpu().numpy()}
    study = Comparison(graded, labels, design.classes, counts, training.metric, design.margin, on="val")
    fraction, arms = compare_fractions(study)
    end = time.monotonic()
    each = agreed((end - before) / (len(fits) * len(seeds)))  # or processes would train for other steps
    return Choices(**vars(training), fraction=fraction, arms=arms, seconds=end - start, fit_seconds=each)


def compare_fractions(study: Comparison) -> tuple[float, list[dict[str, Any]]]:
    """The share that is best on validation, and every share there with its difference from the baseline."""
    mixed = [arm for arm in study.graded if arm[0] == MIXED]
    fraction = choose_fraction({f: study.scores((name, f)) for name, f in mixed})
    return fraction, [_row(study, arm) for arm in (BASELINE, *mixed)]


def _row(study: Comparison, arm: Arm) -> dict[str, Any]:
    """One share as measure.json has it; few seeds may recommend, so the interval is read whatever their number."""
    facts = {"name": arm[0], "fraction": arm[1], "mean": float(study.scores(arm).mean())}
    if arm == BASELINE:
        return facts | {"delta": 0.0, "ci": [0.0, 0.0], "verdict": "baseline"}
    found = study.difference(arm)
    low, high = found["ci"]
    return facts | {"delta": found["delta"], "ci": [low, high], "verdict": reading(low, high, margin=study.margin)}


def choose_augmentation(
    train: Labeled, val: Labeled, protocol: Protocol, metric: str, *, seed: int = 0, seeds: int = BASELINE_SEEDS
) -> tuple[str, dict[str, float]]:
    """The classical augmentation that serves real images best on validation: what synthetic ones must beat.

    Greedy: the best geometry, then with mirror images if that is better, then with MixUp or CutMix if that is, each by
    half a point or more. Whether labels allow mirror images is thus seen, not assumed. In a tie the simpler
    wins.

    Args:
        train: Real (uint8 [N, C, H, W], int64 [N]).
        val: Real, to compare on.
        protocol: How classifiers are trained.
        metric: "accuracy" or "balanced_accuracy".
        seed: Another seed, other classifiers.
        seeds: Classifiers per policy.

    Returns:
        The name of a policy, and the mean validation score of every one tried.
    """
    found: dict[str, float] = {}

    def best(names: Sequence[str]) -> str:
        streams = baseline_seeds(seed, seeds)
        found.update(_means({n: [Fit(s, n, ("val",)) for s in streams] for n in names}, train, val, protocol, metric))
        return max(names, key=found.__getitem__)

    chosen = best(BASES)
    for extras in ((FLIP,), MIXES):
        other = best([chosen + extra for extra in extras])
        chosen = other if found[other] - found[chosen] >= RISING else chosen
    log.info("classical augmentation: %s (%.1f %% on validation)", chosen, 100 * found[chosen])
    return chosen, found


def choose_steps(
    train: Labeled,
    val: Labeled,
    protocol: Protocol,
    metric: str,
    augment: str,
    *,
    seed: int = 0,
    known: float | None = None,
) -> tuple[int, dict[int, float]]:
    """Where the baseline's validation score stops rising: twice the steps would add less than half a point.

    Args:
        train: Real (uint8 [N, C, H, W], int64 [N]).
        val: Real, to compare on.
        protocol: How classifiers are trained; the ladder starts at its steps.
        metric: "accuracy" or "balanced_accuracy".
        augment: The classical augmentation.
        seed: Another seed, other classifiers.
        known: What `choose_augmentation` with this seed found for `augment`: the first rung of the ladder.

    Returns:
        Steps, and the mean validation score at each rung of the ladder.
    """
    streams = baseline_seeds(seed)
    ladder = [protocol.steps * 2**i for i in range(RUNGS)]
    found = {} if known is None else {protocol.steps: known}
    for steps in (rung for rung in ladder if rung not in found):
        fits = {steps: [Fit(s, augment, ("val",)) for s in streams]}
        found |= _means(fits, train, val, replace(protocol, steps=steps), metric)
        if len(found) > 1 and found[steps] - found[steps // 2] < RISING:
            break
    chosen = rung(found)
    log.info("steps of every classifier: %d (%.1f %% on validation)", chosen, 100 * found[chosen])
    return chosen, found


def rung(found: Mapping[int, float]) -> int:
    """The fewest steps after which the next rung adds less than RISING; the last rung where all do.

    >>> rung({200: 0.90, 400: 0.95, 800: 0.951})
    400
    """
    ladder = sorted(found)
    return next((a for a, b in pairwise(ladder) if found[b] - found[a] < RISING), ladder[-1])


def choose_fraction(val_scores: Mapping[float, np.ndarray]) -> float:
    """The synthetic share above 0 with the best mean validation score; in a tie the smaller one.

    >>> choose_fraction({0.25: np.array([0.8, 0.9]), 0.5: np.array([0.9, 0.8])})
    0.25
    """
    return min(val_scores, key=lambda fraction: (-val_scores[fraction].mean(), fraction))


def baseline_seeds(seed: int, n: int = BASELINE_SEEDS) -> list[int]:
    """The seeds under which augmentation and steps are chosen."""
    return [mix(seed, BASELINE_STREAM, i) for i in range(n)]


def fraction_seeds(seed: int) -> list[int]:
    """The selection seeds: none of them trains a reported classifier."""
    return [mix(seed, FRACTION_STREAM, i) for i in range(FRACTION_SEEDS)]


def _means(
    fits: Mapping[Key, list[Fit]], train: Labeled, val: Labeled, protocol: Protocol, metric: str
) -> dict[Key, float]:
    """Mean validation score of each arm."""
    labels = val[1].cpu().numpy()
    graded = grade(fits, {"train": train, "val": val}, protocol)
    return {key: float(scores(found["val"].right(labels), labels, metric).mean()) for key, found in graded.items()}
