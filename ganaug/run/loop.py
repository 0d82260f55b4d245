"""Recipe in, run folder out: what surrounds the training loop."""

import logging
import math
from collections.abc import Iterator
from pathlib import Path

from ganaug.data import Batches, LabeledImages, listed, load, monotonous
from ganaug.errors import DivergedError, InterruptedRun
from ganaug.files import sole_writer
from ganaug.recipe import Recipe, load_recipe
from ganaug.run.folder import RECIPE, export, make, recorded_init
from ganaug.run.judge import COLLAPSED, Judge, Judgement
from ganaug.run.meter import Clock, meter
from ganaug.run.planning import VAL_FRACTION, Plan, Unlabeled, Val, plan
from ganaug.run.players import architecture, build
from ganaug.run.rescue import rescue
from ganaug.run.same import is_complete, warn_of_other_machine
from ganaug.run.saving import Keeper
from ganaug.run.signals import stop_signals
from ganaug.run.streams import guess, streams
from ganaug.synthesis import Synthesizer
from ganaug.training import Objective, Progress
from ganaug.training import train as train_steps

log = logging.getLogger("ganaug")
COLLAPSE, D_WINS = "collapse", "D wins"  # kinds of alarms, as run.json has them
WON = 0.98  # share of pairs that D ranks right, on the mean of a tenth of the run; healthy runs lie below 0.9
EARLY = 200  # steps before which, as in the first third of a run, nothing is amiss if nothing is learned yet


def train(
    data: LabeledImages | str | Path,
    out: str | Path,
    recipe: Recipe | str = "auto",
    *,
    val: Val = VAL_FRACTION,
    unlabeled: Unlabeled | None = None,
    resume: bool = False,
    device: str = "auto",
    quiet: bool = False,
) -> Synthesizer:
    """Learn a conditional generator from labelled images.

    Args:
        data: What `ganaug.load` reads, or its result.
        out: The run folder to make.
        recipe: A `Recipe`, the name of a shipped one, or a TOML file.
        val: The share held out for choosing the checkpoint, or the images to use instead.
        unlabeled: More images of the same kind, whose labels are not known or not looked at.
        resume: Continue the run in `out`; on a CPU the result equals that of an uninterrupted run bit for bit.
        device: "auto", "cpu", "cuda" or "mps".
        quiet: Whether to hide the progress bar.

    Returns:
        The best checkpoint by validation, with averaged weights.

    Raises:
        GanaugError: The input is at fault; `ganaug.errors` lists the kinds.
        DivergedError: Training went wrong once more after three rescues; RUN/diagnosis.json says what was found.
        DiskFullError: There was no room three times in a row; `resume=True` goes on from the last checkpoint.
        InterruptedRun: SIGINT or SIGTERM came; everything is saved and `resume=True` goes on.

    Example:
        >>> synth = train("sklearn:digits", "runs/digits")                  # doctest: +SKIP
    """
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    if not isinstance(data, LabeledImages):
        data = load(data, **dict(recipe.data))
    began = recorded_init(Path(out)) if resume else None
    todo = plan(data, recipe, val=val, device=device, unlabeled=unlabeled, init=began)
    return execute(todo, Path(out), resume=resume, quiet=quiet)


def execute(todo: Plan, out: Path, *, resume: bool = False, quiet: bool = False) -> Synthesizer:
    """Train as planned, or continue, and export the best checkpoint; nobody else may write `out` meanwhile."""
    if not resume:
        make(todo, out)
    elif is_complete(todo, out):  # one that may not be written will do
        return _load(todo, out)
    with sole_writer(out / RECIPE, out):
        if is_complete(todo, out):  # by another process, between that look and this one
            return _load(todo, out)
        return _finish(todo, out, quiet)


def _load(todo: Plan, out: Path) -> Synthesizer:
    log.info("%s is complete already; nothing was changed", out)
    return Synthesizer.load(out, str(todo.device))


def _finish(todo: Plan, out: Path, quiet: bool) -> Synthesizer:
    """Take the steps that are left, and ship the best checkpoint."""
    sentence = f"{out}: stopped before the next step, all before it is saved; go on with --resume"
    with stop_signals(at_once=sentence) as stopped:
        _announce(todo, out)
        state, objective = build(todo)
        keeper = Keeper.open(todo, out, state)
        log.info("training the encoder that checkpoints are judged by")
        judge = Judge.of(todo)
        batches, held_out = streams(todo, guess(todo))
    if stopped:
        raise InterruptedRun(sentence, stopped[0])
    every, steps = todo.recipe.train.checkpoint_every or 1, todo.recipe.train.steps or 1
    tick, clock = math.gcd(every, 10), Clock(keeper.record.seconds())
    with meter("train", steps, done=state.step, quiet=quiet) as report, stop_signals() as stopped:
        for progress in surviving(keeper, batches, held_out, objective, steps, tick, stopped):
            due = state.step % every == 0 or state.step == steps
            # Only then: which checkpoint is best must not depend on when a run was stopped.
            judgement = judge(state.G_ema, architecture(todo)) if due else None
            if due or state.step % tick == 0:
                rate = clock.rate(tick * batches.size)
                keeper.record.add(progress, clock.seconds(), rate, judgement)
                report(state.step, status(progress, rate))
            if judgement:
                found = alarms(keeper, judgement)
                keeper.scores.add(state.step, judgement, found)
                for alarm in found.values():
                    log.warning("%s: step %d: %s", out, state.step, alarm)
            if due or stopped:
                keeper.keep(now_or_never=bool(stopped) or state.step == steps)
            if stopped:
                saved = f"{out}: stopped after step {state.step}, all is saved; go on with --resume"
                raise InterruptedRun(saved, stopped[0])
    return export(keeper, clock.seconds())


def _announce(todo: Plan, out: Path) -> None:
    """What was decided, and what to beware of."""
    for line in (*todo.choices, todo.networks):
        log.info("%s", line)
    warn_of_other_machine(todo, out)
    equal = monotonous(todo.train)
    if equal:
        log.warning(
            "%s: all images are equal in class %s; its synthetic images will be so, too",
            *(todo.train.source, listed(equal, 8)),
        )


def surviving(
    keeper: Keeper,
    batches: Batches,
    held_out: Batches,
    objective: Objective,
    steps: int,
    tick: int,
    stopped: list[int],
) -> Iterator[Progress]:
    """The training loop, taken back and begun anew where it diverges.

    Raises:
        DivergedError: It did so too often.
        InterruptedRun: A signal came, and what it would save is not sound.
    """
    while keeper.state.step < steps:
        try:
            yield from train_steps(
                keeper.state, batches, objective, steps=steps, tick=tick, stop=stopped, held_out=held_out
            )
        except DivergedError as fault:
            if stopped:
                step, safe = keeper.state.step, max(keeper.kept(), default=0)
                raise InterruptedRun(
                    f"{keeper.out}: stopped after step {step}, which is not saved, for training had diverged; "
                    f"all up to step {safe} is: go on with --resume",
                    stopped[0],
                ) from fault
            rescue(fault, keeper, batches)


def alarms(keeper: Keeper, judgement: Judgement) -> dict[str, str]:
    """Where G has collapsed, or D has won, since the last checkpoint: which of both -> a sentence; training goes on."""
    step, t = keeper.state.step, keeper.todo.recipe.train
    every, steps, found = t.checkpoint_every or 1, t.steps or 1, {}
    if step < max(EARLY, steps // 3):
        return {}
    if judgement.collapsed:
        found[COLLAPSE] = (
            f"collapse: images of {listed(judgement.collapsed)} vary less than {COLLAPSED:.0%} as much as real ones; "
            "a checkpoint before it is shipped if there is one"
        )
    accuracy = keeper.record.mean("watch/accuracy", step - every)
    if accuracy >= WON:
        found[D_WINS] = (
            f"the discriminator wins: it ranks real above synthetic in {accuracy:.0%} of pairs, so that the generator "
            "learns little; raise train.augment_p or train.r1_gamma, or add images"
        )
    return found


def status(progress: Progress, rate: float) -> str:
    """The losses and the rate, for the meter."""
    d, g = progress.losses["D/adversarial"], progress.losses["G/adversarial"]
    return f"D {d:.3f}  G {g:.3f}  {rate:,.0f} images/s"
