"""Does a translation help where the labels are of one domain, A, and the images to serve of another, B?

Augmentation and steps are chosen on A's validation images, for there are no labels of B to choose by. Then every arm is
trained on the same seeds with equal steps and tested on real images of B: on A's images alone, on A's images brought
nearer to B at no cost, on translated ones, and for scale on B's own labels.
"""

import logging
import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from ganaug.measures.arms import Arm
from ganaug.measures.augment import unblended
from ganaug.measures.choosing import Training, choose_training
from ganaug.measures.comparison import DIFFERENCE, Comparison
from ganaug.measures.design import Design
from ganaug.measures.domains import (
    ALONE,
    BARE,
    BASELINE,
    CHEAP,
    HEADLINE,
    LEARNED,
    MIXED,
    ORACLE,
    ORDER,
    PLAIN,
    SHARE,
    TAUGHT,
    TEACHER,
    TRANSLATED,
    Domains,
)
from ganaug.measures.grading import Fit, Labeled, grade
from ganaug.measures.marginals import label_marginals
from ganaug.measures.predictions import Graded
from ganaug.measures.selftraining import given_guesses
from ganaug.measures.statistics import crossed_bootstrap

log = logging.getLogger("ganaug")


def measure_domains(domains: Domains, design: Design, *, self_training: bool = True) -> dict[str, Any]:
    """Compare training on translated images of A with training on A's own, on real test images of B.

    Half of each batch is translated in `translated+source`, the headline; its paired difference from
    `source+classical` decides the verdict, and that from the best of the arms that cost nothing stands beside it.

    Args:
        domains: The images.
        design: How; `augment` and `steps` that are None are chosen on A's validation images. Its fractions are not
            used.
        self_training: Whether classifiers also learn from what they take B's images for, where they are sure.

    Returns:
        The parts `gain`, `cas`, `label_preservation`, `label_marginals` and `seconds` of measure.json.
    """
    start = time.monotonic()
    counts = torch.bincount(domains.source[1], minlength=len(design.classes)).numpy()
    training = choose_training(domains.source, domains.val, counts, design)
    trial = DomainTrial(domains, design, training, counts, self_training)
    chosen = time.monotonic()
    found = {
        "gain": trial.facts(),
        "cas": trial.cas(),
        "label_preservation": trial.label_preservation(),
        "label_marginals": trial.label_marginals(),
    }
    return found | {"seconds": {"choosing": chosen - start, "classifiers": time.monotonic() - chosen}}


@dataclass(frozen=True)
class DomainTrial:
    """The arms of a study of two domains, trained once augmentation and steps are chosen.

    Attributes:
        domains: The images.
        design: How to measure.
        training: What validation said.
        counts: Images of A of each class, int64 [K].
        self_training: Whether there are arms that learn from guesses.
    """

    domains: Domains
    design: Design
    training: Training
    counts: np.ndarray
    self_training: bool

    @cached_property
    def sets(self) -> dict[str, Labeled]:
        """Name -> images that were there before any classifier."""
        return self.domains.sets(mixture=self.self_training)

    @cached_property
    def taught(self) -> dict[Arm, Graded]:
        """The arms that learn from images with given labels, graded."""
        arms: dict[Arm, list[Fit]] = {
            (BARE, 0.0): self._arm(augment="none"),
            BASELINE: self._arm(also=("target", "val", *(("back",) if "back" in self.sets else ()))),
            **{(name, SHARE): self._arm(SHARE, name) for name in self.domains.adapted},
            (ALONE, 1.0): self._arm(1.0, TRANSLATED, also=("there",)),
            HEADLINE: self._arm(SHARE, TRANSLATED, also=("target",)),
            **self._teachers(),
        }
        if "oracle" in self.sets:
            arms[ORACLE, 0.0] = self._arm(real="oracle", also=("there",))
        log.info(
            "training %d classifiers for %d steps each", sum(map(len, arms.values())), self.training.protocol.steps
        )
        return grade(arms, self.sets, self.training.protocol)

    @cached_property
    def guesses(self) -> dict[str, list[Labeled]]:
        """Arm -> for each seed the images of B under the labels that its teacher is sure of, and what tops them up."""
        found = {}
        for name, real in LEARNED.items() if self.self_training else ():
            said = self.taught[name + TEACHER, 0.0]["target"]
            each = enumerate(zip(said.predicted, said.confidence, strict=True))
            found[name] = [self._guessed(self.domains.name_of(real, i), row) for i, row in each]
        return found

    def _guessed(self, learned: str, said: tuple[Any, Any]) -> Labeled:
        """B's images under guessed labels, topped up with those of a set."""
        images, labels = self.sets[learned]
        if learned not in self.joined:
            self.joined[learned] = torch.cat([self.domains.target, images])  # one tensor, shared by its seeds
        return self.joined[learned], given_guesses(*said, labels)

    @cached_property
    def joined(self) -> dict[str, torch.Tensor]:
        """Set -> B's images and those of the set."""
        return {}

    @cached_property
    def study(self) -> Comparison:
        """All arms, trained and graded."""
        guessed = {f"{name} {i}": images for name, each in self.guesses.items() for i, images in enumerate(each)}
        graded = self.taught | grade(self._students(), self.sets | guessed, self.training.protocol)
        return Comparison(
            {arm: graded[arm] for name in ORDER for arm in graded if arm[0] == name},
            {name: y.cpu().numpy() for name, (_, y) in self.sets.items()},
            self.design.classes,
            self.counts,
            self.training.metric,
            self.design.margin,
            baseline=BASELINE,
        )

    def facts(self) -> dict[str, Any]:
        """The part `gain` of measure.json."""
        rows = self._rows()
        headline = next(row for row in rows if row["name"] == MIXED)
        return {
            **self.training.facts(),
            "seeds": len(self.design.seeds),
            "margin": self.design.margin,
            "models": len(self.domains.translated),
            "covers": covers(len(self.domains.translated), len(self.design.seeds)),
            "retrained": False,
            "images": len(self.domains.source[1]),
            "variants": self.domains.variants,
            "arms": [row | {"steps": self.training.protocol.steps} for row in rows],
            "left_out": self.left_out(),
            "guesses": {name + TAUGHT: float(np.mean(self._sure(name))) for name in self.guesses},
            "headline": {"against": PLAIN, "arm": MIXED, "best_baseline": self.best_baseline()}
            | {key: headline[key] for key in ("fraction", *DIFFERENCE)},
            "real_equivalents": {"per_class": None, "ci": None, "why": ""},
            "controls": {"a_a": {}, "copy": {}, "wrong_label": {}},
        }

    def best_baseline(self) -> dict[str, Any]:
        """The best of the arms that need no translator, by its mean on the test images, and the headline against it.

        It is picked after the fact, which is to its favour and never to the translation's.
        """
        means = {arm: float(self.study.scores(arm).mean()) for arm in self.study.graded if arm[0] in (PLAIN, *CHEAP)}
        best = max(means, key=means.__getitem__)
        found = self.study.difference(HEADLINE, against=best)
        return {"name": best[0], "mean": means[best]} | {key: found[key] for key in ("delta", "ci", "p", "verdict")}

    def left_out(self) -> dict[str, str]:
        """Arm -> why it was not run."""
        labels = {} if "oracle" in self.sets else {ORACLE: "B has no labels"}
        taught = {} if self.self_training else {name + TAUGHT: "not asked for" for name in (MIXED, PLAIN)}
        return labels | taught

    def cas(self) -> dict[str, float | None]:
        """Training on translated images alone, B's classifier on them, and B's own labels; None where B has none."""
        real, judged = (self._mean((ORACLE, 0.0), on) for on in ("test", "there"))
        return {"gan_train": self._mean((ALONE, 1.0), "test"), "gan_test": judged, "real": real}

    def label_preservation(self) -> dict[str, Any]:
        """What classifiers take translations of A's validation images for, against the labels that these have.

        A's classifier is that of `source+classical`, B's that of `oracle`; `fresh` has learned from other translations
        and only says whether labels are kept in a way that can be learned.
        """
        asked = {
            "there_and_back": (BASELINE, "back"),
            "a_itself": (BASELINE, "val"),
            "b_classifier": ((ORACLE, 0.0), "there"),
            "fresh": ((ALONE, 1.0), "there"),
        }
        found = {name: self._kept(*which) for name, which in asked.items()}
        main = next(name for name in ("there_and_back", "b_classifier", "fresh") if found[name])
        return found | {"main": main, "per_class": self._recalls(*asked[main])}

    def label_marginals(self) -> dict[str, Any]:
        """Whether the classes of B's images seem to have other shares than A's."""
        error = 1 - float(self.study.right(HEADLINE).mean())
        return label_marginals(self.taught[HEADLINE]["target"].predicted, self.counts, self.design.classes, error)

    def _rows(self) -> list[dict[str, Any]]:
        """Every arm as measure.json has it; the oracle is there for scale, and no hypothesis to allow for."""
        rows = self.study.summaries([arm for arm in self.study.graded if arm[0] != ORACLE], HEADLINE)
        scale = [self.study.summary(arm) | {"p_holm": None} for arm in self.study.graded if arm[0] == ORACLE]
        return rows + scale

    def _arm(
        self,
        fraction: float = 0.0,
        synthetic: str = "",
        *,
        real: str = "train",
        augment: str | None = None,
        also: tuple[str, ...] = (),
    ) -> list[Fit]:
        policy, graded = self.training.augment if augment is None else augment, ("seen", "test", *also)
        return [
            Fit(seed, policy, graded, fraction, real=real, synthetic=self.domains.name_of(synthetic, i))
            for i, seed in enumerate(self.design.seeds)
        ]

    def _teachers(self) -> dict[Arm, list[Fit]]:
        """Who guesses the labels of B's images: the arms' own classifiers, which MixUp and CutMix leave unsure."""
        if not self.self_training:
            return {}
        plain, also = unblended(self.training.augment), ("target",)
        return {
            (MIXED + TEACHER, 0.0): self._arm(SHARE, TRANSLATED, augment=plain, also=also),
            (PLAIN + TEACHER, 0.0): self._arm(augment=plain, also=also),
        }

    def _students(self) -> dict[Arm, list[Fit]]:
        """The arms that learn from the guesses, too: half of each batch, times the share of these that are sure."""
        return {
            (name + TAUGHT, HEADLINE[1] / 2 if name == MIXED else 0.0): [
                Fit(seed, self.training.augment, ("seen", "test"), SHARE * sure, self._learned(name, i), f"{name} {i}")
                for i, (seed, sure) in enumerate(zip(self.design.seeds, self._sure(name), strict=True))
            ]
            for name in self.guesses
        }

    def _learned(self, name: str, seed: int) -> str:
        return self.domains.name_of(LEARNED[name], seed)

    def _sure(self, name: str) -> list[float]:
        """The share of B's images whose guess is sure, of each seed."""
        n = len(self.domains.target)
        return [float((labels[:n] >= 0).double().mean()) for _, labels in self.guesses[name]]

    def _mean(self, arm: Arm, on: str) -> float | None:
        return float(self.study.scores(arm, on).mean()) if arm in self.study.graded else None

    def _kept(self, arm: Arm, on: str) -> dict[str, Any] | None:
        """Accuracy over seeds and images with its interval; None where there is no such arm or set."""
        if arm not in self.study.graded or on not in self.sets:
            return None
        table = self.study.right(arm, on)
        found = crossed_bootstrap(table.astype(float))
        ends = [max(0.0, found.low), min(1.0, found.high)]
        return {"accuracy": found.mean, "ci": ends, "se": found.se, "n": table.shape[1], "seeds": len(table)}

    def _recalls(self, arm: Arm, on: str) -> dict[str, float]:
        table, labels = self.study.right(arm, on), self.study.labels[on]
        return {
            c: float(table[:, labels == k].mean()) for k, c in enumerate(self.design.classes) if (labels == k).any()
        }


def covers(models: int, seeds: int) -> str:
    """What the interval covers, and what not.

    >>> covers(2, 6).partition(" and ")[2]
    'these 2 translators (6 seeds take them in turn), not other images to learn from.'
    """
    known, several = min(models, seeds), ""
    if models > 1:
        turns = "one for each seed" if known == seeds else f"{seeds} seeds take them in turn"
        several = f", new test images and these {known} translators ({turns}), "
    return (
        f"The interval covers retraining the classifier{several or ' and new test images, '}"
        f"not {'' if models > 1 else 'another translator or '}other images to learn from."
    )
