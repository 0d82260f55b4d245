"""Is the interval honest? Studies drawn from a bank of trained classifiers, where the true gain is known.

Many baselines are trained once, and their predictions kept. A study draws selection seeds, reported seeds, validation
and test images from that bank, and then runs the whole path of `ganaug measure`: the choice of the share on validation,
the interval on test images, the verdict, the recommendation. Its arms are other baselines (no gain), or baselines of
whose mistakes some are corrected, so that the gain over the whole bank is a known number of points.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
import typer
from record import record
from scipy.stats import binomtest, ttest_rel

from ganaug.data import LabeledImages, first_per_class, load
from ganaug.measures.advice import recommend
from ganaug.measures.arms import BASELINE, MIXED, Arm
from ganaug.measures.choosing import FRACTION_SEEDS, compare_fractions
from ganaug.measures.comparison import Comparison
from ganaug.measures.design import FRACTIONS
from ganaug.measures.grading import Fit, Protocol, grade
from ganaug.measures.predictions import Predictions

SEEDS, VAL, TEST = 10, 240, 500  # of a study


@dataclass(frozen=True)
class Scenario:
    """What is true of the arms of a study.

    Attributes:
        gains: Points that each share adds.
        traded: Whether all classifiers of an arm besides name some hard images rightly and as many others wrongly: an
            effect of the images, shared by the seeds. The arm's classifiers are then the baseline's own, in pairs.
    """

    gains: Mapping[float, float]
    traded: bool = False


SCENARIOS = {
    "no gain": Scenario(dict.fromkeys(FRACTIONS, 0.0)),
    "+2 points": Scenario(dict.fromkeys(FRACTIONS, 0.02)),
    "+2 points at the best share": Scenario(dict(zip(FRACTIONS, (0.005, 0.02, 0.01, -0.01), strict=True))),
    "no gain, images traded": Scenario(dict.fromkeys(FRACTIONS, 0.0), traded=True),
    "+2 points, images traded": Scenario(dict.fromkeys(FRACTIONS, 0.02), traded=True),
}


@dataclass(frozen=True)
class Bank:
    """Classifiers of one training set, and what they said of many images.

    Attributes:
        predicted: Set -> int64 [S, M].
        labels: Set -> int64 [M].
        classes: The class names.
        counts: Training images of each class.
    """

    predicted: Mapping[str, np.ndarray]
    labels: Mapping[str, np.ndarray]
    classes: tuple[str, ...]
    counts: np.ndarray

    def planted(self, effect: float, traded: bool, seed: int) -> tuple[dict[str, np.ndarray], float]:
        """Predictions of which so many are corrected (or spoilt) at random, and the gain on the test images."""
        found = {}
        for number, (name, said) in enumerate(self.predicted.items()):
            labels, wrong = self.labels[name], (self.labels[name] + 1) % len(self.classes)
            rng = np.random.default_rng([seed, number])
            free = np.ones(len(labels), dtype=bool)
            found[name] = said.copy()
            if traded:
                better, worse = _traded(said == labels, rng)
                found[name][:, better], found[name][:, worse] = labels[better], wrong[worse]
                free[better], free[worse] = False, False
            candidates = free & ((said != labels) if effect >= 0 else (said == labels))
            changed = candidates & (rng.random(said.shape) < abs(effect) / candidates.mean())
            found[name] = np.where(changed, labels if effect >= 0 else wrong, found[name])
        right = [(said["test"] == self.labels["test"]).mean() for said in (found, self.predicted)]
        return found, float(right[0] - right[1])


def _traded(right: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Half of the images that most classifiers name wrongly, and so many easy ones that their loss equals the gain."""
    hard = rng.permutation(np.flatnonzero(right.mean(0) < 0.5))
    better = hard[: len(hard) // 2]
    gained = (1 - right[:, better].mean(0)).sum()
    easy = rng.permutation(np.flatnonzero(right.mean(0) > 0.95))
    return better, easy[: round(gained / right[:, easy].mean())]


def main(
    bank: Annotated[int, typer.Option(help="Trained baselines.")] = 160,
    studies: Annotated[int, typer.Option(help="Studies of each scenario.")] = 200,
    per_class: Annotated[int, typer.Option(help="Training images of each class.")] = 20,
) -> None:
    """Coverage of the interval and false verdicts, over studies of digits whose gain is known."""
    trained = train_bank(load("sklearn:digits"), bank, per_class)
    accuracy = {name: float((said == trained.labels[name]).mean()) for name, said in trained.predicted.items()}
    rows = [summary(name, list(run(trained, scenario, studies))) for name, scenario in SCENARIOS.items()]
    record(
        "calibration",
        "Coverage of the 95 % interval where the gain is known",
        rows,
        bank={"classifiers": bank, "accuracy": accuracy, "images": {k: len(y) for k, y in trained.labels.items()}},
        study={"seeds": SEEDS, "selection_seeds": FRACTION_SEEDS, "validation": VAL, "test": TEST},
    )


def train_bank(data: LabeledImages, size: int, per_class: int, steps: int = 400) -> Bank:
    """Train baselines on a few images of each class; the others are validation and test images."""
    few, rest = first_per_class(data, per_class)
    val, test = rest.subset(range(0, len(rest), 3)), rest.subset([i for i in range(len(rest)) if i % 3])
    sets = {"train": few, "val": val, "test": test}
    arms = {BASELINE: [Fit(seed, "affine", ("val", "test")) for seed in range(size)]}
    graded = grade(arms, {name: (d.images, d.labels) for name, d in sets.items()}, Protocol(data.num_classes, steps))
    predicted = {name: graded[BASELINE][name].predicted for name in ("val", "test")}
    labels = {name: sets[name].labels.numpy() for name in predicted}
    return Bank(predicted, labels, data.classes, torch.bincount(few.labels).numpy())


def run(bank: Bank, scenario: Scenario, studies: int) -> Iterator[dict[str, Any]]:
    """What each study found, beside the truth."""
    traded = scenario.traded
    arms = {(MIXED, f): bank.planted(effect, traded, int(1000 * f)) for f, effect in scenario.gains.items()}
    whole: dict[Arm, Mapping[str, np.ndarray]] = {BASELINE: bank.predicted}
    whole |= {arm: said for arm, (said, _) in arms.items()}
    for study in range(studies):
        rng = np.random.default_rng(study)
        seeds = rng.permutation(len(bank.predicted["val"]))
        drawn = [rng.integers(len(bank.labels[name]), size=n) for name, n in (("val", VAL), ("test", TEST))]
        choosing, seeds = _comparison(bank, whole, "val", drawn[0], seeds, FRACTION_SEEDS, traded)
        fraction, tried = compare_fractions(choosing)
        reported, _ = _comparison(bank, whole, "test", drawn[1], seeds, SEEDS, traded)
        arm = (MIXED, fraction)
        found = reported.difference(arm)
        row = next(row for row in tried if row["fraction"] == fraction)
        advice = recommend(found | {"fraction": fraction, "validation": row}, bank.classes, copying=False)
        alone = ttest_rel(reported.scores(arm), reported.scores(BASELINE)).confidence_interval(0.95)
        yield found | {"truth": arms[arm][1], "use": advice["use"], "seeds alone": [alone.low, alone.high]}


def _comparison(
    bank: Bank,
    whole: Mapping[Arm, Mapping[str, np.ndarray]],
    on: str,
    images: np.ndarray,
    seeds: np.ndarray,
    n: int,
    paired: bool,
) -> tuple[Comparison, np.ndarray]:
    """Arms of n classifiers each, the same in all arms where paired, else none in two; and those that are left."""
    graded = {}
    for arm, said in whole.items():
        predicted = said[on][seeds[:n]][:, images]
        graded[arm] = {on: Predictions(predicted, np.ones(predicted.shape, np.float32))}
        seeds = seeds if paired else seeds[n:]
    labels = {on: bank.labels[on][images]}
    return Comparison(graded, labels, bank.classes, bank.counts, "accuracy", 0.01, on), seeds[n:] if paired else seeds


def summary(name: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    """Rates over the studies of a scenario, with exact intervals."""
    n = len(found)
    verdicts = [study["verdict"] for study in found]
    covered = {key: sum(_holds(study[key], study["truth"]) for study in found) for key in ("ci", "seeds alone")}
    exact = binomtest(covered["ci"], n).proportion_ci(method="exact")
    return {
        "scenario": name,
        "studies": n,
        "truth, points": 100 * float(np.mean([study["truth"] for study in found])),
        "coverage": covered["ci"] / n,
        "95 %": [float(exact.low), float(exact.high)],
        "coverage of Student's t over seeds alone": covered["seeds alone"] / n,
        "helps": verdicts.count("helps") / n,
        "hurts": verdicts.count("hurts") / n,
        "recommended": sum(study["use"] for study in found) / n,
        "bias, points": 100 * float(np.mean([study["delta"] - study["truth"] for study in found])),
        "half-width, points": 50 * float(np.mean([study["ci"][1] - study["ci"][0] for study in found])),
    }


def _holds(ends: list[float], truth: float) -> bool:
    return bool(ends[0] <= truth <= ends[1])


if __name__ == "__main__":
    typer.run(main)
