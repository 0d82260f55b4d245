"""The training of a conditional generator as a run's job."""

import logging
from collections.abc import Iterator, Sized
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch
from torch import nn

from ganaug.data import Batches, listed, monotonous
from ganaug.images import grid
from ganaug.run.differences import differences
from ganaug.run.job import Job, Means
from ganaug.run.job import Judgement as AnyJudgement
from ganaug.run.judge import COLLAPSED, Judge, Judgement
from ganaug.run.planning import Plan
from ganaug.run.players import architecture, begin, build, objective_of
from ganaug.run.streams import guess, streams
from ganaug.synthesis import Synthesizer
from ganaug.training import GanState, Progress
from ganaug.training import train as train_steps

log = logging.getLogger("ganaug")
COLLAPSE, D_WINS = "collapse", "D wins"  # kinds of alarms, as run.json has them
WON = 0.98  # share of pairs that D ranks right, on the mean of a tenth of the run; healthy runs lie below 0.9
EARLY = 200  # steps before which, as in the first third of a run, nothing is amiss if nothing is learned yet
PER_CLASS = 8  # samples of each class in a sheet
SHEET_CLASSES = 20  # rows of a sheet at most


@dataclass
class GanJob(Job[Plan]):
    """Learn a conditional generator as planned."""

    ships: ClassVar[str] = "generator"
    todo: Plan

    def sources(self) -> dict[str, Any]:
        return {**self.todo.sources(), "val_images": len(self.todo.val)}

    def differences(self, facts: dict[str, Any]) -> Iterator[str]:
        return differences(facts, self.todo)

    def prepare(self) -> None:
        equal = monotonous(self.todo.train)
        if equal:
            log.warning(
                "%s: all images are equal in class %s; its synthetic images will be so, too",
                *(self.todo.train.source, listed(equal, 8)),
            )
        log.info("training the encoder that checkpoints are judged by")
        _ = self.judges, self.streams

    @cached_property
    def judges(self) -> Judge:
        """What scores checkpoints."""
        return Judge.of(self.todo)

    @cached_property
    def streams(self) -> tuple[Batches, Batches]:
        """Training and validation images."""
        return streams(self.todo, guess(self.todo))

    def start(self) -> GanState:
        return build(self.todo)[0]

    def begin(self, state: Any) -> None:
        begin(self.todo, state)

    def learn(self, state: Any, *, tick: int, stop: Sized) -> Iterator[Progress]:
        batches, held_out = self.streams
        objective, steps = objective_of(self.todo), self.recipe.train.steps or 1
        return train_steps(state, batches, objective, steps=steps, tick=tick, stop=stop, held_out=held_out)

    def images_per_step(self) -> int:
        return self.streams[0].size

    def seen(self, draw: int) -> dict[str, tuple[Batches, int]]:
        batches = self.streams[0]
        return {"D": (batches, 2 * draw), "G": (batches, 2 * draw + 1)}

    def judge(self, state: Any) -> Judgement:
        return self.judges(state.G_ema, architecture(self.todo))

    def alarms(self, judgement: AnyJudgement, step: int, means: Means) -> dict[str, str]:
        """Where G has collapsed, or D has won, since the last checkpoint: which of both -> a sentence."""
        t = self.recipe.train
        every, steps, found = t.checkpoint_every or 1, t.steps or 1, {}
        if step < max(EARLY, steps // 3):
            return {}
        if judgement.collapsed:
            found[COLLAPSE] = (
                f"collapse: images of {listed(judgement.collapsed)} vary less than {COLLAPSED:.0%} as much as real "
                "ones; a checkpoint before it is shipped if there is one"
            )
        accuracy = means("watch/accuracy", step - every)
        if accuracy >= WON:
            found[D_WINS] = (
                f"the discriminator wins: it ranks real above synthetic in {accuracy:.0%} of pairs, so that the "
                "generator learns little; raise train.augment_p or train.r1_gamma, or add images"
            )
        return found

    def status(self, progress: Progress, rate: float) -> str:
        d, g = progress.losses["D/adversarial"], progress.losses["G/adversarial"]
        return f"D {d:.3f}  G {g:.3f}  {rate:,.0f} images/s"

    def picture(self, state: Any) -> np.ndarray:
        """One row of samples per class."""
        synth = self._synthesizer(state, {})
        rows = torch.arange(min(len(synth.classes), SHEET_CLASSES))
        images, _ = synth.sample(
            rows.repeat_interleave(PER_CLASS), seed=0, indices=torch.arange(PER_CLASS).repeat(len(rows))
        )
        return grid(images, columns=PER_CLASS, gap=2, min_side=48)

    def averages(self, state: Any) -> dict[str, nn.Module]:
        return {"G_ema": cast(GanState, state).G_ema}

    def ship(self, state: Any, result: dict[str, Any], folder: Path) -> None:
        self._synthesizer(state, result).save(folder)

    def _synthesizer(self, state: GanState, provenance: dict[str, Any]) -> Synthesizer:
        return Synthesizer(state.G_ema, architecture(self.todo), provenance, str(self.todo.device))
