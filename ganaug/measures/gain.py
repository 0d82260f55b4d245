"""Does it help? The paired comparison of classifiers trained with and without synthetic images.

Every arm takes the same number of optimiser steps and the same classical augmentation, and shares its seeds with the
baseline. What is chosen (the augmentation, the synthetic share) is chosen by functions that never receive a test image.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ganaug.data.batches import mix
from ganaug.errors import DataError
from ganaug.measures.augment import AUGMENTATIONS
from ganaug.measures.classifier import default_steps
from ganaug.measures.grading import Fit, Graded, Labeled, Protocol, grade
from ganaug.measures.statistics import crossed_bootstrap, minimum_detectable, sign_flip_p, verdict

log = logging.getLogger("ganaug")

Metric = Literal["accuracy", "balanced_accuracy"]
Arm = tuple[str, float]  # name, synthetic share of each batch

REAL, MIXED, SYNTHETIC, AGAIN = "real+classical", "real+classical+synthetic", "synthetic", "a_a"
BASELINE: Arm = (REAL, 0.0)
DIFFERENCE = ("delta", "ci", "p", "minimum_detectable", "verdict")
SECOND_STREAM, CHOICE_STREAM = 1, 2  # seeds beside the reported ones: the A/A control's, the choice of augmentation's


def choose_augmentation(
    train: Labeled,
    val: Labeled,
    *,
    num_classes: int,
    policies: Sequence[str] = tuple(AUGMENTATIONS),
    seeds: int = 2,
    seed: int = 0,
    steps: int | None = None,
    metric: Metric = "accuracy",
    batch_size: int = 64,
    n_jobs: int = -1,
    device: str = "cpu",
) -> tuple[str, dict[str, float]]:
    """The classical augmentation that serves real images best on validation: what synthetic ones must beat.

    Args:
        train: Real (uint8 [N, C, H, W], int64 [N]).
        val: Real, to compare on.
        num_classes: K.
        policies: Names in AUGMENTATIONS, simplest first: in a tie the earlier wins.
        seeds: Classifiers per policy; their seeds are not those of `measure_gain`.
        seed: Another seed, other classifiers.
        steps: As in `measure_gain`.
        metric: As in `measure_gain`.
        batch_size: As in `measure_gain`.
        n_jobs: As in `measure_gain`.
        device: As in `measure_gain`.

    Returns:
        The name, and the mean validation score of every policy.
    """
    protocol = Protocol(num_classes, steps or default_steps(len(train[0])), batch_size, device, n_jobs)
    streams = [mix(seed, CHOICE_STREAM, i) for i in range(seeds)]
    arms = {name: [Fit(s, name, graded=("val",)) for s in streams] for name in policies}
    right = grade(arms, {"train": train, "val": val}, protocol)
    scores = {name: float(_scores(right[name]["val"], val[1].numpy(), metric).mean()) for name in policies}
    return max(scores, key=scores.__getitem__), scores


def choose_fraction(val_scores: Mapping[float, np.ndarray]) -> float:
    """The synthetic share with the best mean validation score; in a tie the smaller one.

    >>> choose_fraction({0.25: np.array([0.8, 0.9]), 0.5: np.array([0.9, 0.8])})
    0.25
    """
    return min(val_scores, key=lambda fraction: (-val_scores[fraction].mean(), fraction))


def measure_gain(
    train: Labeled,
    val: Labeled,
    test: Labeled,
    synthetic: Labeled,
    *,
    classes: Sequence[str],
    augment: str,
    seeds: int | Sequence[int] = 10,
    fractions: Sequence[float] = (0.25, 0.5),
    steps: int | None = None,
    metric: Metric = "accuracy",
    margin: float = 0.01,
    copying: bool = False,
    batch_size: int = 64,
    n_jobs: int = -1,
    device: str = "cpu",
) -> dict[str, Any]:
    """Compare real, mixed and synthetic-only training on the test images, all under the same classical augmentation.

    The share that is best on validation is the headline; its paired difference from the baseline on the test images,
    with an interval over seeds and images, decides the verdict. Training on synthetic images alone gives GAN-train,
    testing the baseline's classifiers on them GAN-test (Shmelkov et al. 2018, arXiv:1807.09499; Ravuri and Vinyals
    2019, arXiv:1905.10887).

    Args:
        train: Real (uint8 [N, C, H, W], int64 [N]) to train on.
        val: Real, for the choice of the share and for the recommendation.
        test: Real, for the verdict; each classifier is graded on it once.
        synthetic: Made without knowledge of `test`; `val` may have chosen the checkpoint.
        classes: The K class names, in label order.
        augment: A name in AUGMENTATIONS, chosen beforehand by `choose_augmentation`.
        seeds: How many paired seeds, or which. Fewer than 6 decide nothing.
        fractions: Synthetic shares of each batch to try, in (0, 1).
        steps: Optimiser steps of every classifier; None: `default_steps`.
        metric: "accuracy" or "balanced_accuracy" (mean of the class recalls).
        margin: Differences within +- margin count as none.
        copying: The synthetic images copy training images: they are then never recommended.
        batch_size: Images per step.
        n_jobs: Processes; -1: one per core, 1: none but this one. The result does not depend on it.
        device: Where to train.

    Returns:
        The parts `gain`, `cas` and `recommendation` of `measure.json`. An arm's `train_mean` is its score on the real
        training images, without augmentation.

    Raises:
        DataError: There is no seed or no fraction, or a fraction lies outside (0, 1).
    """
    seeds = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    fractions = sorted(set(fractions))
    _require_plan(seeds, fractions)
    protocol = Protocol(len(classes), steps or default_steps(len(train[0])), batch_size, device, n_jobs)
    sets = {"train": train, "val": val, "test": test, "synthetic": synthetic}
    arms = short_arms(seeds, fractions, augment)
    log.info("training %d classifiers for %d steps each", sum(map(len, arms.values())), protocol.steps)
    labels = {name: y.cpu().numpy() for name, (_, y) in sets.items()}
    study = Study(grade(arms, sets, protocol), labels, tuple(classes), metric, margin)
    fraction = choose_fraction({f: study.scores((MIXED, f), "val") for f in fractions})
    summaries = {arm: study.summary(arm) for arm in arms if arm[0] != AGAIN}
    chosen = summaries[MIXED, fraction]
    plan = {
        "metric": metric,
        "seeds": len(seeds),
        "steps_per_arm": protocol.steps,
        "margin": margin,
        "augment": augment,
    }
    found = {
        "arms": list(summaries.values()),
        "headline": {"against": REAL, "arm": MIXED} | {key: chosen[key] for key in ("fraction", *DIFFERENCE)},
        # the copy and wrong-label controls belong to a longer protocol: promised keys, not run here
        "controls": {"a_a": study.difference((AGAIN, 0.0), "test"), "copy": {}, "wrong_label": {}},
    }
    advice = recommend(chosen, study.classes_of("synthetic"), copying=copying)
    return {"gain": plan | found, "cas": study.cas(), "recommendation": advice}


def short_arms(seeds: Sequence[int], fractions: Sequence[float], augment: str) -> dict[Arm, list[Fit]]:
    """The baseline, the baseline again under other seeds, a mixed arm for each fraction, and synthetic images alone."""
    usual = ("train", "val", "test")
    others = [(MIXED, f) for f in fractions] + [(SYNTHETIC, 1.0)]
    return {
        BASELINE: [Fit(s, augment, (*usual, "synthetic")) for s in seeds],
        (AGAIN, 0.0): [Fit(mix(s, SECOND_STREAM), augment, ("test",)) for s in seeds],
        **{(name, f): [Fit(s, augment, usual, f) for s in seeds] for name, f in others},
    }


@dataclass(frozen=True)
class Study:
    """The graded classifiers of all arms, and what their differences say.

    Attributes:
        right: Arm -> set -> which images its classifiers named rightly, bool [S, N]; equal rows share a seed.
        labels: Set -> int64 [N].
        classes: The K class names.
        metric: How a row becomes a score.
        margin: Differences within +- margin count as none.
    """

    right: Mapping[Arm, Graded]
    labels: Mapping[str, np.ndarray]
    classes: tuple[str, ...]
    metric: Metric
    margin: float

    def scores(self, arm: Arm, on: str) -> np.ndarray:
        """The score of each seed on one of the sets, float [S]."""
        return _scores(self.right[arm][on], self.labels[on], self.metric)

    def difference(self, arm: Arm, on: str) -> dict[str, Any]:
        """The paired difference from the baseline, with its interval, p, smallest detectable size and verdict."""
        table = self.right[arm][on].astype(float) - self.right[BASELINE][on]
        groups = self.labels[on] if self.metric == "balanced_accuracy" else None
        interval = crossed_bootstrap(table, groups)
        per_seed = self.scores(arm, on) - self.scores(BASELINE, on)
        return {
            "delta": interval.mean,
            "ci": [interval.low, interval.high],
            "p": sign_flip_p(per_seed),
            "minimum_detectable": minimum_detectable(interval.se, per_seed),
            "verdict": verdict(interval.low, interval.high, seeds=len(table), margin=self.margin),
        }

    def summary(self, arm: Arm) -> dict[str, Any]:
        """One arm as `measure.json` has it; the baseline has no verdict on itself."""
        name, fraction = arm
        scores, train = self.scores(arm, "test"), float(self.scores(arm, "train").mean())
        facts = {
            "name": name,
            "fraction": fraction,
            "scores": scores.tolist(),
            "mean": float(scores.mean()),
            "train_mean": train,
            "gap": train - float(scores.mean()),
            "per_class": self.recalls(arm),
        }
        validation = {"mean": float(self.scores(arm, "val").mean())}
        if arm == BASELINE:
            return facts | {"delta": 0.0, "ci": [0.0, 0.0], "p": 1.0, "verdict": "baseline", "validation": validation}
        return facts | self.difference(arm, "test") | {"validation": validation | self.difference(arm, "val")}

    def recalls(self, arm: Arm) -> dict[str, float]:
        """Class name -> recall on the test images, mean over seeds; classes without a test image are left out."""
        right, labels = self.right[arm]["test"], self.labels["test"]
        return {name: float(right[:, labels == k].mean()) for k, name in enumerate(self.classes) if (labels == k).any()}

    def cas(self) -> dict[str, float]:
        """GAN-train, GAN-test and the real score beside them, means over seeds."""
        return {
            "gan_train": float(self.scores((SYNTHETIC, 1.0), "test").mean()),
            "gan_test": float(self.scores(BASELINE, "synthetic").mean()),
            "real": float(self.scores(BASELINE, "test").mean()),
        }

    def classes_of(self, on: str) -> list[str]:
        """The names of the classes that one of the sets holds."""
        return [self.classes[k] for k in np.unique(self.labels[on])]


def recommend(chosen: Mapping[str, Any], classes: Sequence[str], *, copying: bool) -> dict[str, Any]:
    """Use it only if validation shows a gain, the test images show no harm, and nothing is copied.

    Args:
        chosen: The arm of the chosen share, as `Study.summary` gives it.
        classes: The classes that the synthetic images cover.
        copying: The synthetic images copy training images.
    """
    use = chosen["validation"]["verdict"] == "helps" and chosen["verdict"] != "hurts" and not copying
    return {
        "use": use,
        "fraction": chosen["fraction"] if use else 0.0,
        "classes": [*classes] if use else [],
        "why": _why_copying(chosen) if copying else _why(chosen),
    }


def _scores(right: np.ndarray, labels: np.ndarray, metric: Metric) -> np.ndarray:
    """Accuracy, or the mean of the recalls of the classes present, of each row of bool [S, N]."""
    if metric == "accuracy":
        return right.mean(1)
    return np.mean([right[:, labels == k].mean(1) for k in np.unique(labels)], axis=0)


def _why(chosen: Mapping[str, Any]) -> str:
    validation = chosen["validation"]
    low, high = validation["ci"]
    found = (
        f"with {100 * chosen['fraction']:g} % synthetic images the score on validation changes by "
        f"{100 * validation['delta']:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f}: {validation['verdict']})"
    )
    agree = validation["verdict"] == chosen["verdict"]
    return (
        f"{found}, and the test images agree" if agree else f"{found}, while the test images say: {chosen['verdict']}"
    )


def _why_copying(chosen: Mapping[str, Any]) -> str:
    """Copying settles it; what the scores say is added only where validation and test disagree."""
    found = "the synthetic images copy training images"
    return found if chosen["validation"]["verdict"] == chosen["verdict"] else f"{found}; {_why(chosen)}"


def _require_plan(seeds: Sequence[int], fractions: Sequence[float]) -> None:
    if not seeds or len(set(seeds)) < len(seeds):
        raise DataError(f"seeds must be one or more, each once, got {list(seeds)}; 10 are usual")
    if not fractions or not all(0 < f < 1 for f in fractions):
        raise DataError(f"fractions must be one or more numbers in (0, 1), got {list(fractions)}; (0.25, 0.5) is usual")
