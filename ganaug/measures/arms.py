"""The arms of a gain study: which classifiers are trained, on what, with which share of synthetic images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ganaug.data.batches import mix
from ganaug.measures.design import made_by
from ganaug.measures.grading import Fit

Arm = tuple[str, float]  # name, share of each batch that is not from the real training images

BARE, REAL, WEIGHTED = "real", "real+classical", "real+classical+weights"
PLAIN_MIX, MIXED, SYNTHETIC = "real+synthetic", "real+classical+synthetic", "synthetic"
HELD_OUT, LONGER = "real+held-out", "real+classical+longer"
AGAIN, COPIES, WRONG = "a_a", "copy", "wrong_label"  # the controls, named as in measure.json
BASELINE: Arm = (REAL, 0.0)
ORDER = (BARE, REAL, WEIGHTED, PLAIN_MIX, MIXED, SYNTHETIC, HELD_OUT, LONGER)  # of the reported arms

SECOND_STREAM = 1  # of a seed: the A/A control's


def arms_to_choose(seeds: Sequence[int], fractions: Sequence[float], augment: str, models: int) -> dict[Arm, list[Fit]]:
    """The baseline and a mixed arm for each fraction, graded on validation."""
    shares = [(REAL, 0.0), *((MIXED, f) for f in fractions)]
    return {
        (name, f): [Fit(s, augment, ("val",), f, synthetic=made_by(i % models)) for i, s in enumerate(seeds)]
        for name, f in shares
    }


@dataclass(frozen=True)
class Roster:
    """The reported arms of a study, once everything is chosen.

    Attributes:
        seeds: One for each classifier of an arm; equal ones are paired.
        augment: The classical augmentation of all arms but `real` and `real+synthetic`.
        fractions: Synthetic shares of the mixed arms.
        fraction: The chosen one, at which other kinds of images stand in.
        models: Generators that take turns.
        weights: Whether there is an arm with class weights.
    """

    seeds: Sequence[int]
    augment: str
    fractions: Sequence[float]
    fraction: float
    models: int = 1
    weights: bool = False

    def short(self) -> dict[Arm, list[Fit]]:
        """What a verdict needs."""
        weighted = {(WEIGHTED, 0.0): [replace(fit, weighted=True) for fit in self._arm()]} if self.weights else {}
        return {
            (BARE, 0.0): self._arm(augment="none"),
            BASELINE: [replace(fit, graded=(*fit.graded, "judged")) for fit in self._arm()],
            **weighted,
            **{(MIXED, f): self._arm(f) for f in self.fractions},
            (SYNTHETIC, 1.0): [replace(fit, graded=(*fit.graded, "learned", "val")) for fit in self._arm(1.0)],
        }

    def rest(self, *, held_out: bool, longer: int | None) -> dict[Arm, list[Fit]]:
        """The arms that only the full study has, and its controls; `longer`: steps of the arm that trains longer."""
        f = self.fraction
        again = [replace(fit, seed=mix(fit.seed, SECOND_STREAM)) for fit in self._arm()]
        return {
            (PLAIN_MIX, f): self._arm(f, augment="none"),
            **({(HELD_OUT, f): self._arm(f, stand_in="held-out")} if held_out else {}),
            **({(LONGER, 0.0): [replace(fit, steps=longer) for fit in self._arm()]} if longer else {}),
            (AGAIN, 0.0): again,
            (COPIES, f): self._arm(f, stand_in="copies"),
            (WRONG, max(self.fractions)): self._arm(max(self.fractions), stand_in="wrong"),
        }

    def _arm(self, fraction: float = 0.0, *, augment: str | None = None, stand_in: str | None = None) -> list[Fit]:
        policy = self.augment if augment is None else augment
        return [
            Fit(s, policy, ("seen", "test"), fraction, synthetic=stand_in or made_by(i % self.models))
            for i, s in enumerate(self.seeds)
        ]
