"""The runs of a study: each generator is trained, marked and kept, so that an interrupted study goes on."""

import json
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from engine_exam import Exam, choices, encoder, pair, up_to
from engine_images import Images
from joblib import Parallel, delayed
from record import origin

from ganaug import Synthesizer, load_recipe, train
from ganaug.checkpoint import checkpoint_steps, load_module, read_checkpoint
from ganaug.errors import DivergedError
from ganaug.files import replace_file
from ganaug.recipe import Recipe
from ganaug.run import plan
from ganaug.run.gan import COLLAPSE, D_WINS

REAL = "real images"  # the arm without a generator
TRIAL = 100  # steps that say how long others take
CHECKPOINTS = 10  # of a run
COLLAPSED = 2.0  # times as far from the test images at the last checkpoint as at the one that is shipped

Mark = dict[str, Any]


@dataclass(frozen=True)
class Arm:
    """How a generator is trained.

    Attributes:
        recipe: A shipped one.
        settings: `table.key=value`.
        unlabeled: Whether it also learns from the images whose labels it is not told.
    """

    recipe: str = "auto"
    settings: tuple[str, ...] = ()
    unlabeled: bool = False

    def complete(self, *settings: str) -> Recipe:
        """Its recipe, with further settings."""
        return load_recipe(self.recipe, [*self.settings, *settings])


@dataclass(frozen=True)
class Budget:
    """How long a run is, in one of three units.

    Attributes:
        minutes: On this machine, from the images to the exported generator.
        images: Shown to D.
        steps: Updates of each player.
    """

    minutes: float = 0
    images: int = 0
    steps: int = 0

    def __str__(self) -> str:
        return next(f"{value:,g} {unit}" for unit, value in vars(self).items() if value)


@dataclass(frozen=True)
class Series:
    """All runs of a study.

    Attributes:
        arms: Name -> how a generator is trained.
        images: The same for all of them.
        budget: Of each run.
        each: Synthetic images of each class.
        place: The folder that keeps what is finished.
        device: Where.
        workers: Runs at a time, among which the cores are shared.
    """

    arms: dict[str, Arm]
    images: Images
    budget: Budget
    each: int
    place: Path
    device: str
    workers: int

    def steps(self) -> dict[str, int]:
        """Of each arm."""
        return kept(self.place / "steps.json", self._steps)

    def exam(self) -> Exam:
        """What all are marked by."""
        real, whole = up_to(self.each, self.images.train), self.images.whole
        chosen = kept(self.place / "choices.json", lambda: choices(real, self.device, self.workers))
        return Exam(self.images.test, encoder(whole, self.device), device=self.device, **chosen)

    def marks(self, seeds: int, steps: dict[str, int], exam: Exam) -> dict[str, list[Mark]]:
        """Arm, and the real images at last -> the mark of each training seed."""
        names = [*self.arms, REAL]
        jobs = ((name, seed, steps.get(name, 0), exam) for seed in range(seeds) for name in names)
        found = self._fan_out(self._kept_mark, jobs)
        return {name: found[i :: len(names)] for i, name in enumerate(names)}

    def _fan_out(self, call: Callable[..., Any], jobs: Iterable[tuple[Any, ...]]) -> list[Any]:
        """Each process takes its share of the cores, as joblib sees to; one alone takes all."""
        run = Parallel(n_jobs=self.workers, batch_size=1)  # type: ignore[arg-type]  # an int is allowed
        return list(run(delayed(call)(*job) for job in jobs))

    def _steps(self) -> dict[str, int]:
        found = self._fan_out(self._length, ((arm,) for arm in self.arms.values()))
        return equal(self.arms, dict(zip(self.arms, found, strict=True)))

    def _length(self, arm: Arm) -> int:
        """The steps that fill the budget."""
        if self.budget.minutes:
            return self._trial(arm)
        if self.budget.steps:
            return self.budget.steps
        batch = plan(self.images.train, arm.complete(), device=self.device).recipe.train.batch_size or 1
        return max(1, self.budget.images // batch)

    def _trial(self, arm: Arm) -> int:
        """The steps that fit into the minutes, as a short run tells."""
        with tempfile.TemporaryDirectory() as folder:
            out, start = Path(folder) / "run", time.monotonic()
            learned = self._learn(arm, out, f"train.steps={TRIAL}", f"train.checkpoint_every={TRIAL}")
            whole, loop = time.monotonic() - start, float(learned.provenance["seconds"])
            return steps_within(60 * self.budget.minutes, whole, loop, _log(out))

    def _kept_mark(self, name: str, seed: int, steps: int, exam: Exam) -> Mark:
        about = {"seed": seed, "commit": origin()["commit"]}

        def make() -> Mark:
            return about | (self._real_mark(seed, exam) if name == REAL else self._mark(name, seed, steps, exam))

        return kept(self.place / f"{name}-{seed}.json", make)

    def _mark(self, name: str, seed: int, steps: int, exam: Exam) -> Mark:
        """What a generator came to; a run that diverged for good has none."""
        out = self.place / f"{name}-{seed}"
        try:
            learned = self._learn(self.arms[name], out, f"train.steps={steps}", f"train.seed={seed}")
        except DivergedError as fault:
            return {"diverged": str(fault), "collapsed": True}
        wanted = torch.arange(len(learned.classes)).repeat_interleave(self.each)
        made = learned.sample(wanted)
        mark = exam.mark(made, made, seed)
        end, _ = at_the_end(out, learned).sample(wanted)
        return {"steps": steps, **mark, **health(out, exam.distance(end) / mark["fd"])}

    def _real_mark(self, seed: int, exam: Exam) -> Mark:
        """What real images would come to: all that were learned from, and for the distances as many as synthetic."""
        return exam.mark(pair(self.images.train), pair(up_to(self.each, self.images.whole)), seed)

    def _learn(self, arm: Arm, out: Path, *settings: str) -> Synthesizer:
        """Train, or go on with it."""
        return train(
            self.images.train,
            out,
            arm.complete(*settings),
            unlabeled=self.images.rest if arm.unlabeled else None,
            resume=out.exists(),
            device=self.device,
            quiet=True,
        )


def equal(arms: dict[str, Arm], steps: dict[str, int]) -> dict[str, int]:
    """Arms of one recipe take the steps of the slowest of them: they differ in their settings alone."""
    return {
        name: min(steps[other] for other, how in arms.items() if how.recipe == arm.recipe) for name, arm in arms.items()
    }


def steps_within(seconds: float, whole: float, loop: float, log: list[dict[str, Any]]) -> int:
    """How many steps a run may take: what is left of the seconds once all else is done, over those of a step.

    Args:
        seconds: For a whole run.
        whole: What a trial of TRIAL steps and one checkpoint took, with all that comes before and after.
        loop: What its training loop took.
        log: Its progress; the time of the last line may hold the checkpoint.
    """
    first, *_, last, _ = log
    step = (last["seconds"] - first["seconds"]) / (last["step"] - first["step"])
    rest = whole - loop + CHECKPOINTS * max(0.0, loop - TRIAL * step)
    return max(1, int((seconds - rest) / step))


def at_the_end(out: Path, shipped: Synthesizer) -> Synthesizer:
    """What the last checkpoint of a run would have been, had it been shipped."""
    G, root = shipped.architecture.build(), out / "checkpoints"
    load_module(G, read_checkpoint(root, checkpoint_steps(root)[-1])["G_ema.safetensors"], str(out))
    return Synthesizer(G, shipped.architecture, {}, str(shipped.device))


def health(out: Path, last_over_best: float) -> Mark:
    """How long a run took, how its checkpoints fared on validation, and at which of them it raised an alarm.

    Args:
        out: The run folder.
        last_over_best: How many times as far from the test images it ended as what is shipped lies.
    """
    run = json.loads((out / "run.json").read_text(encoding="utf-8"))
    shrunken, won = (
        [int(step) for step, kinds in run["alarms"].items() if kind in kinds] for kind in (COLLAPSE, D_WINS)
    )
    return {
        "seconds": run["seconds"],
        "threads": torch.get_num_threads(),
        "best_step": run["best_step"],
        "scores": run["scores"],
        "last_over_best": last_over_best,
        "faults": run["faults"],
        "shrunken_at": shrunken,
        "d_won_at": won,
        "collapsed": last_over_best > COLLAPSED or bool(shrunken),
    }


def kept(path: Path, make: Callable[[], Any]) -> Any:
    """What was made before, or is made now and kept."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, json.dumps(make(), allow_nan=False).encode())
    return json.loads(path.read_text(encoding="utf-8"))


def _log(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "progress.jsonl").read_text(encoding="utf-8").splitlines()]
