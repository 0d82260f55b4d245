"""What folder, checkpoints and loop ask of a training, whatever it trains."""

from collections.abc import Iterator, Sized
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
import torch
from torch import nn

from ganaug.auto import Choice
from ganaug.data import Batches
from ganaug.descent import Progress, TrainingState
from ganaug.recipe import Recipe


class Judgement(Protocol):
    """What is thought of a checkpoint."""

    @property
    def score(self) -> float:
        """On validation; smaller is better."""
        ...

    @property
    def error(self) -> float:
        """Standard error of the score; 0 where there is none."""
        ...

    @property
    def collapsed(self) -> list[str]:
        """The classes that it has lost; a checkpoint with fewer of them goes before a smaller score."""
        ...

    def noted(self) -> dict[str, Any]:
        """What the log says of it."""
        ...


class Plan(Protocol):
    """All that decides a run."""

    @property
    def recipe(self) -> Recipe:
        """Complete: nothing is left to decide."""
        ...

    @property
    def choices(self) -> list[Choice]:
        """What was decided, with reasons."""
        ...

    @property
    def device(self) -> torch.device:
        """Where it takes place."""
        ...

    @property
    def networks(self) -> str:
        """The networks in one line."""
        ...

    def facts(self) -> dict[str, Any]:
        """What the product remembers of its making."""
        ...


P = TypeVar("P", bound=Plan)


class Job(Protocol[P]):
    """A training as planned: how its state begins, learns, is judged, shown and shipped.

    Attributes:
        ships: The sub-folder of what the run makes.
        todo: What was planned.
    """

    ships: ClassVar[str]

    todo: P

    @property
    def recipe(self) -> Recipe:
        """Complete: nothing is left to decide."""
        return self.todo.recipe

    def facts(self) -> dict[str, Any]:
        """What the product remembers of its making; no paths, for it is shared."""
        return self.todo.facts()

    def sources(self) -> dict[str, Any]:
        """Where things came from, for the run folder alone."""
        ...

    def differences(self, facts: dict[str, Any]) -> Iterator[str]:
        """What is not as in a run's facts, the most telling first: the rest of `<run> must be resumed with ...`."""
        ...

    def prepare(self) -> None:
        """What takes long and comes before the first step, said in the log."""
        ...

    def start(self) -> TrainingState:
        """A state at step 0."""
        ...

    def begin(self, state: TrainingState) -> None:
        """Fill a state at step 0 with what it takes over from elsewhere."""
        ...

    def learn(self, state: TrainingState, *, tick: int, stop: Sized) -> Iterator[Progress]:
        """The training loop."""
        ...

    def images_per_step(self) -> int:
        """Real images of each step."""
        ...

    def seen(self, draw: int) -> dict[str, tuple[Batches, int]]:
        """By a name each, the streams that a step sees and the number of its batch."""
        ...

    def judge(self, state: TrainingState) -> Judgement:
        """What is thought of the averages."""
        ...

    def alarms(self, judgement: Judgement, step: int, means: "Means") -> dict[str, str]:
        """What is amiss, by kind, a sentence each; training goes on."""
        ...

    def status(self, progress: Progress, rate: float) -> str:
        """The losses and the rate, for the meter."""
        ...

    def picture(self, state: TrainingState) -> np.ndarray:
        """A sheet of samples, uint8 [C, H, W]."""
        ...

    def averages(self, state: TrainingState) -> dict[str, nn.Module]:
        """What of the state is shipped, by name."""
        ...

    def ship(self, state: TrainingState, result: dict[str, Any], folder: Path) -> None:
        """Write the product of the run."""
        ...


class Means(Protocol):
    """The mean of a loss over the steps after one; nan where there is none."""

    def __call__(self, name: str, since: int) -> float: ...
