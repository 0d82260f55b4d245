"""A job in, a complete run folder out: what surrounds every training loop."""

import logging
from collections.abc import Iterator
from pathlib import Path

from ganaug.auto import said
from ganaug.descent import Progress, peak_memory, tuned
from ganaug.errors import DivergedError, InterruptedRun
from ganaug.files import sole_writer
from ganaug.ranks import any_rank, is_first, size, together, wait
from ganaug.run.folder import RECIPE, export, make
from ganaug.run.following import follow, hand_over, interrupted, require_one_task, tick_of
from ganaug.run.job import Job
from ganaug.run.meter import Clock, meter
from ganaug.run.rescue import rescue
from ganaug.run.same import is_complete, warn_of_other_machine
from ganaug.run.saving import Keeper
from ganaug.run.signals import stop_signals

log = logging.getLogger("ganaug")


def carry_out(job: Job, out: Path, *, resume: bool = False, quiet: bool = False) -> None:
    """Train as planned, or continue, and export the best checkpoint; nobody else may write `out` meanwhile.

    Under torchrun all processes share the work, and the first of them writes.

    Raises:
        UnlikeError: The processes were given different things; nothing was begun.
        LostProcessError: One of them has ended.
    """
    with together():
        require_one_task(job, out)
        with tuned(job.todo.device):
            if is_first():
                lead(job, out, resume, quiet)
            else:
                follow(job, out)
        wait()  # what was made may be read now


def lead(job: Job, out: Path, resume: bool, quiet: bool) -> None:
    """What a process does alone, or as the first of several."""
    if not resume:
        make(job, out)
    elif _is_done(job, out):  # one that may not be written will do
        return hand_over(None)
    with sole_writer(out / RECIPE, out):
        if _is_done(job, out):  # by another process, between that look and this one
            return hand_over(None)
        _finish(job, out, quiet)


def _is_done(job: Job, out: Path) -> bool:
    done = is_complete(job, out)
    if done:
        log.info("%s is complete already; nothing was changed", out)
    return done


def _finish(job: Job, out: Path, quiet: bool) -> None:
    """Take the steps that are left, and ship the best checkpoint."""
    sentence = f"{out}: stopped before the next step, all before it is saved; go on with --resume"
    with stop_signals(at_once=sentence) as stopped:
        for line in (*said(job.todo.choices), job.todo.networks):
            log.info("%s", line)
        warn_of_other_machine(job, out)
        state = job.start()
        keeper = Keeper.open(job, out, state)
        job.prepare()
    if stopped:
        raise InterruptedRun(sentence, stopped[0])
    hand_over(state)
    every, steps = job.recipe.train.checkpoint_every or 1, job.recipe.train.steps or 1
    tick, clock = tick_of(job), Clock(keeper.record.seconds())
    with meter("train", steps, done=state.step, quiet=quiet) as report, stop_signals() as stopped:
        for progress in surviving(keeper, steps, tick, stopped if size() == 1 else []):
            due = state.step % every == 0 or state.step == steps
            ended = any_rank(bool(stopped))
            # Only then: which checkpoint is best must not depend on when a run was stopped.
            judgement = job.judge(state) if due else None
            if due or state.step % tick == 0:
                rate = clock.rate(tick * job.images_per_step())
                keeper.record.add(progress, clock.seconds(), rate, judgement)
                report(
                    state.step, f"{job.status(progress, rate)}  {peak_memory(job.todo.device) / 2**30:.1f} GiB at most"
                )
            if judgement:
                found = job.alarms(judgement, state.step, keeper.record.mean)
                keeper.scores.add(state.step, judgement, found)
                for alarm in found.values():
                    log.warning("%s: step %d: %s", out, state.step, alarm)
            if due or ended:
                keeper.keep(now_or_never=ended or state.step == steps)
                wait()
            if ended:
                raise interrupted(out, state.step, stopped)
    export(keeper, clock.seconds())


def surviving(keeper: Keeper, steps: int, tick: int, stopped: list[int]) -> Iterator[Progress]:
    """The training loop, taken back and begun anew where it diverges.

    Raises:
        DivergedError: It did so too often.
        InterruptedRun: A signal came, and what it would save is not sound.
    """
    while keeper.state.step < steps:
        try:
            yield from keeper.job.learn(keeper.state, tick=tick, stop=stopped)
        except DivergedError as fault:
            if stopped:
                step, safe = keeper.state.step, max(keeper.kept(), default=0)
                raise InterruptedRun(
                    f"{keeper.out}: stopped after step {step}, which is not saved, for training had diverged; "
                    f"all up to step {safe} is: go on with --resume",
                    stopped[0],
                ) from fault
            rescue(fault, keeper)
            hand_over(keeper.state)
