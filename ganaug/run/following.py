"""A run by several processes: the first leads, which judges and writes; the others take the same steps, and follow.

Each learns from its own share of every batch, and all move by the mean gradient, so that their states stay equal.
"""

import json
import math
import signal
from pathlib import Path

import torch

from ganaug.checkpoint import dump_tensors, parse_tensors
from ganaug.descent import TrainingState
from ganaug.errors import DivergedError, InterruptedRun
from ganaug.ranks import any_rank, require_alike, shared, size, wait
from ganaug.run.job import Job
from ganaug.run.signals import stop_signals
from ganaug.run.state import dump_state, fill_state, numbers_of

NUMBERS = "numbers"
LOOK, LOOK_ON_GPU = 10, 50  # steps


def require_one_task(job: Job, out: Path) -> None:
    """Refuse to begin where processes were given different recipes, images or versions.

    Raises:
        UnlikeError: They were; what differs is named.
    """
    facts = job.facts()
    tables = {name: table for name, table in facts["recipe"].items() if isinstance(table, dict)}
    recipe = {f"{name}.{key}": str(value) for name, table in tables.items() for key, value in table.items()}
    splits = {f"{name} images": digest for name, digest in facts["splits"].items()}
    unlabeled = {"unlabelled images": str(facts.get("unlabeled"))}
    versions = {name: facts[name] for name in ("ganaug", "torch")}
    require_alike({"output folder": str(out), **versions, **recipe, **splits, **unlabeled})


def hand_over(state: TrainingState | None) -> None:
    """Let those who follow go on from this state; None: there is nothing to do."""
    if size() > 1:
        shared(None if state is None else _packed(state))


def follow(job: Job, out: Path) -> None:
    """What all processes but the first do.

    Raises:
        InterruptedRun: A signal came to one of them; the first has saved everything.
        LostProcessError: Another process has ended.
    """
    every, steps = job.recipe.train.checkpoint_every or 1, job.recipe.train.steps or 1
    tick, state = tick_of(job), job.start()
    with stop_signals() as stopped:
        if not _received(state, out):
            return
        while state.step < steps:
            try:
                for _ in job.learn(state, tick=tick, stop=()):
                    ended = any_rank(bool(stopped))
                    if ended or state.step % every == 0 or state.step == steps:
                        wait()  # while the first process judges and writes
                    if ended:
                        raise interrupted(out, state.step, stopped)
            except DivergedError:
                vars(state).update(vars(job.start()))
                _received(state, out)


def tick_of(job: Job) -> int:
    """Steps from one look at a training to the next; a GPU has to wait for each, and has more steps in a second."""
    return math.gcd(job.recipe.train.checkpoint_every or 1, LOOK if job.todo.device.type == "cpu" else LOOK_ON_GPU)


def interrupted(out: Path, step: int, stopped: list[int]) -> InterruptedRun:
    """How a run ends that was stopped: by a signal to this process or, where there was none, to another."""
    return InterruptedRun(
        f"{out}: stopped after step {step}, all is saved; go on with --resume", [*stopped, signal.SIGTERM][0]
    )


def _packed(state: TrainingState) -> bytes:
    payload = dump_state(state) | {NUMBERS: json.dumps(numbers_of(state)).encode()}
    return dump_tensors({name: torch.frombuffer(bytearray(of), dtype=torch.uint8) for name, of in payload.items()})


def _received(state: TrainingState, out: Path) -> bool:
    """Fill a state at step 0 with that of the first process; False where there is nothing to do."""
    packed = shared(None)
    if packed is None:
        return False
    payload = {name: box.numpy().tobytes() for name, box in parse_tensors(packed, str(out)).items()}
    fill_state(state, payload, json.loads(payload[NUMBERS]), out)
    return True
