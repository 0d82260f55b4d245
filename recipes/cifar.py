"""CIFAR-10 on one GPU: what the images of a generator teach a classifier after so many minutes, beside real images.

    python recipes/cifar.py --minutes 8
    python recipes/cifar.py --minutes 16        (goes on where the first stopped, and adds its row)

The schedule is that of a run of --total minutes. How many steps fit into these is measured once and kept with the run
under --work, so that each call may be a process of its own. A call stops the run as Ctrl-C does, and scores G's average
at the newest checkpoint: classifiers that learn from its images alone, beside the same classifiers of the real ones.
"""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from engine_exam import pair
from engine_images import Images, everything, read
from engine_runs import kept
from record import record

from ganaug.auto import pick_device
from ganaug.checkpoint import checkpoint_steps, load_module, read_checkpoint
from ganaug.errors import InterruptedRun
from ganaug.measures.grading import Fit, Labeled, Protocol, grade
from ganaug.recipe import load_recipe
from ganaug.run import Plan, build, execute, plan
from ganaug.run.players import architecture
from ganaug.run.streams import streams
from ganaug.synthesis import Synthesizer
from ganaug.training import train

OWED = {8.0: 0.78, 16.0: 0.83, 25.0: 0.86}  # minutes -> GAN-train accuracy over that of real images
VAL = 0.05  # of the images: enough to judge checkpoints by, and the rest is learned from
TRIAL, MANY = 50, 10**6  # steps that tell how long others take; of a run that is never finished
SPARE = 0.9  # of the time for steps, the rest for checkpoints
BATCH, AUGMENT = 512, "shift+flip"  # of the classifiers


@dataclass(frozen=True)
class Race:
    """A run against the clock.

    Attributes:
        images: Real ones.
        settings: Of the recipe that is chosen for them.
        total: Minutes that the schedule is made for.
        place: The folder that keeps the run and what was measured.
        device: Where.
    """

    images: Images
    settings: tuple[str, ...]
    total: float
    place: Path
    device: str

    @property
    def out(self) -> Path:
        """The run folder."""
        return self.place / "run"

    def planned(self, steps: int) -> Plan:
        """A run of so many steps."""
        recipe = load_recipe("auto", [*self.settings, f"train.steps={steps}"])
        return plan(self.images.train, recipe, val=VAL, device=self.device)

    def schedule(self) -> int:
        """Steps of the whole run, measured at its first start."""
        return kept(self.place / "steps.json", lambda: steps_within(60 * self.total, self.planned(MANY)))

    def until(self, minutes: float, todo: Plan) -> Synthesizer:
        """Train until so much time is used in all, and load what came of it."""
        left = 60 * minutes - used(self.out)
        if left > 0:
            with stopped_after(left), suppress(InterruptedRun):
                execute(todo, self.out, resume=self.out.exists(), quiet=True)
        return newest(self.out, todo)


def steps_within(seconds: float, todo: Plan) -> int:
    """How many steps fit, once all is compiled."""
    state, objective = build(todo)
    training = train(state, streams(todo)[0], objective, steps=MANY, tick=TRIAL)
    next(training)
    start = time.monotonic()
    next(training)
    return max(1, int(SPARE * seconds * TRIAL / (time.monotonic() - start)))


@contextmanager
def stopped_after(seconds: float) -> Iterator[None]:
    """Ctrl-C comes after so long, unless all is done before."""
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def used(out: Path) -> float:
    """Seconds that a run has trained for, as its own log says."""
    log = out / "progress.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return float(json.loads(lines[-1])["seconds"]) if lines else 0.0


def newest(out: Path, todo: Plan) -> Synthesizer:
    """The average of G at the newest checkpoint."""
    root = out / "checkpoints"
    if not (root.exists() and checkpoint_steps(root)):
        raise typer.BadParameter("--minutes must leave time for a step, got a run without a checkpoint; give it more")
    parts = architecture(todo)
    G = parts.build()
    load_module(G, read_checkpoint(root, checkpoint_steps(root)[-1])["G_ema.safetensors"], str(out))
    return Synthesizer(G, parts, {}, str(todo.device))


def accuracies(learned: Labeled, test: Labeled, seeds: int, protocol: Protocol) -> list[float]:
    """Of a classifier a seed, which learns from some images, on the test images."""
    fits = [Fit(seed, AUGMENT, ("test",), real="learned") for seed in range(seeds)]
    graded = grade({"these": fits}, {"learned": learned, "test": test}, protocol)["these"]["test"]
    return graded.right(test[1].numpy()).mean(1).tolist()


def row(minutes: float, steps: int, out: Path, made: list[float], real: list[float]) -> dict[str, Any]:
    """A line of the table; classifiers of one seed are paired."""
    ratios = np.array(made) / np.array(real)
    return {
        "minutes": minutes,
        "of them in the loop": used(out) / 60,
        "steps": checkpoint_steps(out / "checkpoints")[-1],
        "of": steps,
        "GAN-train": float(np.mean(made)),
        "real": float(np.mean(real)),
        "ratio": float(ratios.mean()),
        "from, to": [float(ratios.min()), float(ratios.max())],
        "classifiers": len(made),
        "owed": OWED.get(minutes),
        "met": None if minutes not in OWED else bool(ratios.mean() >= OWED[minutes]),
    }


def main(
    minutes: Annotated[float, typer.Option(help="Of training in all, earlier calls included.")] = 8,
    total: Annotated[float, typer.Option(help="Minutes that the schedule is made for, at the first start.")] = 25,
    steps: Annotated[int, typer.Option(help="Of that schedule; 0: as many as fit, measured.")] = 0,
    settings: Annotated[list[str] | None, typer.Option("--set", help="table.key=value of the recipe.")] = None,
    classifier: Annotated[str, typer.Option(help="What is taught: as measure.classifier.")] = "small",
    updates: Annotated[int, typer.Option(help="Of each classifier.")] = 2000,
    seeds: Annotated[int, typer.Option(help="Classifiers of each kind of images.")] = 3,
    each: Annotated[int, typer.Option(help="Synthetic images of each class.")] = 5000,
    source: Annotated[str, typer.Option(help="The set.")] = "CIFAR10",
    data: Annotated[Path, typer.Option(help="The folder in which the set lies.")] = Path("data"),
    device: Annotated[str, typer.Option(help="Where.")] = "auto",
    work: Annotated[Path, typer.Option(help="Where the run is kept.")] = Path("out/cifar"),
) -> None:
    """Train on, score, and write all rows that there are."""
    where = str(pick_device(device))
    images = read(source, everything, data)
    race = Race(images, tuple(settings or ()), total, work / images.train.fingerprint[:8], where)
    length = kept(race.place / "steps.json", lambda: steps) if steps else race.schedule()
    todo = race.planned(length)
    protocol = Protocol(len(todo.train.classes), updates, BATCH, where, n_jobs=1, classifier=classifier)

    def real() -> list[float]:
        return accuracies(pair(images.train), pair(images.test), seeds, protocol)

    def scored() -> dict[str, Any]:
        synth = race.until(minutes, todo)
        made = synth.sample(torch.arange(len(synth.classes)).repeat_interleave(each))
        found = accuracies(made, pair(images.test), seeds, protocol)
        return row(minutes, length, race.out, found, kept(race.place / f"real, {kind}.json", real))

    kind = f"{classifier}, {updates} updates, {seeds} seeds".replace("/", "-")
    kept(race.place / f"{kind}, {minutes:g} minutes.json", scored)
    rows = [json.loads(path.read_text(encoding="utf-8")) for path in race.place.glob(f"{kind}, *minutes.json")]
    record(
        "cifar",
        f"{source}: accuracy of classifiers of synthetic images over that of the same classifiers of real ones",
        sorted(rows, key=lambda line: line["minutes"]),
        note=note(todo, classifier, updates, each),
        device=torch.cuda.get_device_name() if where == "cuda" else where,
        recipe=todo.recipe.model_dump(mode="json"),
    )


def note(todo: Plan, classifier: str, updates: int, each: int) -> str:
    """What the table rests on."""
    t, n = todo.recipe.train, len(todo.train)
    return (
        f"One generator ({todo.networks}; {t.precision}, {t.execution}, batches of {t.batch_size}) of {n:,} images; "
        "the average of G at the newest checkpoint, not the best. Classifiers: "
        f"{classifier}, {updates} updates on batches of {BATCH}, {AUGMENT}; of {each:,} synthetic images a class and "
        "nothing else, or of all real training images; tested on the real test images. Ratios are of classifiers with "
        "one seed: their mean and their ends."
    )


if __name__ == "__main__":
    typer.run(main)
