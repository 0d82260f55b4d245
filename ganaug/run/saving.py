"""Checkpoints and sample grids of a run: written on a disk that may be full, and read again."""

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, NonNegativeInt, ValidationError

from ganaug.checkpoint import (
    ANOTHER,
    checkpoint_steps,
    folder_of,
    latest_checkpoint,
    read_checkpoint,
    remove_checkpoint,
    save_checkpoint,
)
from ganaug.descent import TrainingState
from ganaug.errors import DiskFullError, ModelError
from ganaug.files import replace_file
from ganaug.images import encode_png
from ganaug.recipe import Unit
from ganaug.run.job import Job, Judgement
from ganaug.run.record import LOG, Record
from ganaug.run.state import dump_state, fill_state, numbers_of

log = logging.getLogger("ganaug")
PATIENCE = 3  # failures in a row that end a run
NUMBERS = "state.json"  # of a checkpoint, beside tensors


class Numbers(BaseModel):
    """state.json: what a checkpoint holds beside tensors."""

    step: NonNegativeInt
    scores: dict[NonNegativeInt, float]
    errors: dict[NonNegativeInt, float]
    collapsed: dict[NonNegativeInt, list[str]]
    alarms: dict[NonNegativeInt, dict[str, str]]
    faults: list[NonNegativeInt] = []
    sizes: dict[str, float] = {}
    augment_p: Unit = 0.0


@dataclass
class Scores:
    """What was thought of every checkpoint so far.

    Attributes:
        by_step: The score on validation; smaller is better.
        errors: Standard error of each score.
        collapsed: The classes that had lost their variety; a checkpoint with fewer of them goes before a smaller score.
        alarms: What was warned of, of each kind.
    """

    by_step: dict[int, float] = field(default_factory=dict)
    errors: dict[int, float] = field(default_factory=dict)
    collapsed: dict[int, list[str]] = field(default_factory=dict)
    alarms: dict[int, dict[str, str]] = field(default_factory=dict)

    @property
    def best(self) -> int:
        """The step that is shipped: the last whose score lies within a standard error of the smallest.

        Few validation images hardly tell checkpoints apart, and the longer a generator learned the more it knows; that
        it collapsed they do tell (the rule: Breiman et al. 1984, Classification and Regression Trees, section 3.4.3).
        """
        fewest = min(map(len, self.collapsed.values()))
        sound = {step: score for step, score in self.by_step.items() if len(self.collapsed[step]) == fewest}
        least = min(sound, key=sound.__getitem__)
        return max(step for step, score in sound.items() if score <= sound[least] + self.errors[least])

    def add(self, step: int, judgement: Judgement, alarms: dict[str, str]) -> None:
        """Keep what was thought of a checkpoint."""
        self.by_step[step], self.errors[step] = judgement.score, judgement.error
        self.collapsed[step] = judgement.collapsed
        if alarms:
            self.alarms[step] = alarms

    def drop(self, step: int) -> None:
        """Forget a checkpoint that could not be written."""
        for kept in (self.by_step, self.errors, self.collapsed, self.alarms):
            kept.pop(step, None)

    def clear(self) -> None:
        """Forget all."""
        self.by_step, self.errors, self.collapsed, self.alarms = {}, {}, {}, {}


@dataclass
class Keeper:
    """All of a run that must not be lost, kept on a disk that may be full.

    Attributes:
        job: What was planned.
        out: The run folder.
        state: The training as it stands.
        scores: Of the checkpoints so far.
        record: The log.
        failures: To write, in a row.
    """

    job: Job
    out: Path
    state: TrainingState
    scores: Scores
    record: Record
    failures: int = 0

    @classmethod
    def open(cls, job: Job, out: Path, state: TrainingState) -> "Keeper":
        """Fill `state`, which is at step 0, from the newest checkpoint, and cut the log to its step.

        Raises:
            ModelError: The checkpoint is damaged; the file is named.
        """
        found = latest_checkpoint(out / "checkpoints")
        keeper = cls(job, out, state, Scores(), Record(out / LOG))
        keeper._fill(*found) if found else keeper._begin()
        return keeper

    def keep(self, *, now_or_never: bool) -> None:
        """Write log, sample grid and checkpoint; where there is no room go on without them, and without the score.

        Raises:
            DiskFullError: There was no room for the third time in a row, or there will be no other time.
        """
        try:
            self.record.write()
            sheet = self.out / "samples" / f"step-{self.state.step:09d}.png"
            replace_file(sheet, encode_png(self.job.picture(self.state)))
            self._save()
            self.failures = 0
        except DiskFullError as error:
            self.scores.drop(self.state.step)
            self.failures += 1
            if now_or_never or self.failures == PATIENCE:
                raise self.no_room(error) from error
            log.warning(
                "%s: no room to save step %d; training goes on and tries again at the next checkpoint",
                *(self.out, self.state.step),
            )

    def no_room(self, error: DiskFullError) -> DiskFullError:
        """What is safe though the disk is full, and how to go on."""
        steps = self.kept()
        safe = f"the checkpoint of step {steps[-1]} is whole" if steps else "there is no checkpoint yet"
        return DiskFullError(f"{str(error).partition(';')[0]}; {safe}: free some room and go on with --resume")

    def take_back(self, faults: list[int]) -> None:
        """Begin anew from the last checkpoint that was due, or from the seeded start; what came after is dropped.

        Where a signal stopped the run must not decide where it is taken back to.

        Raises:
            ModelError: The checkpoint is damaged; the file is named.
        """
        vars(self.state).update(vars(self.job.start()))
        self.scores.clear()
        root, due = self.out / "checkpoints", max(self._due(), default=0)
        payload = read_checkpoint(root, due) if due else None
        for step in self.kept():
            if step > due:  # or the run would be resumed there, and meet the same fault again
                remove_checkpoint(root, step)
        self._fill(due, payload) if payload else self._begin()
        self.state.faults = faults

    def kept(self) -> list[int]:
        """The steps of the checkpoints, oldest first."""
        return checkpoint_steps(self.out / "checkpoints")

    def _due(self) -> list[int]:
        """Those that were saved because it was time, and not because a signal came."""
        return [step for step in self.kept() if step % (self.job.recipe.train.checkpoint_every or 1) == 0]

    def _save(self) -> None:
        """Write a checkpoint; the newest three, the best, and the one that training would be taken back to stay."""
        state, best = self.state, [self.scores.best] if self.scores.by_step else []
        numbers = {
            **numbers_of(state),
            "scores": self.scores.by_step,
            "errors": self.scores.errors,
            "collapsed": self.scores.collapsed,
            "alarms": self.scores.alarms,
        }
        payload = dump_state(state) | {NUMBERS: json.dumps(numbers).encode()}
        save_checkpoint(self.out / "checkpoints", state.step, payload, keep=(*best, *self._due()[-1:]))

    def _begin(self) -> None:
        """At step 0, with what is taken over from elsewhere."""
        self.job.begin(self.state)
        self.record.cut(0)

    def _fill(self, step: int, payload: dict[str, bytes]) -> None:
        where = folder_of(self.out / "checkpoints", step)
        numbers = _numbers(where, payload)
        fill_state(self.state, payload, dict(numbers), where)
        self.scores = Scores(numbers.scores, numbers.errors, numbers.collapsed, numbers.alarms)
        self.record.cut(self.state.step)


def _numbers(where: Path, payload: dict[str, bytes]) -> Numbers:
    try:
        return Numbers.model_validate_json(payload[NUMBERS])
    except KeyError as error:
        raise ModelError(f"{where} must hold {NUMBERS}, got none; {ANOTHER}") from error
    except ValidationError as error:
        raise ModelError(f"{where / NUMBERS} must be as it was written, got another; {ANOTHER}") from error
