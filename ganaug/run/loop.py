"""Recipe in, run folder out: what surrounds the training loop."""

import logging
import math
import time
from pathlib import Path

import torch

from ganaug.conditioning import CLASS_HEADS, Discriminator
from ganaug.data import Batches, LabeledImages, load
from ganaug.errors import InterruptedRun
from ganaug.losses import ADVERSARIAL
from ganaug.nets import NETS
from ganaug.recipe import Recipe, load_recipe
from ganaug.run.folder import architecture, export, keep, open_run, record, restore, seconds_so_far
from ganaug.run.judge import Judge
from ganaug.run.meter import meter
from ganaug.run.planning import VAL_FRACTION, Plan, Val, plan
from ganaug.run.signals import stop_signals
from ganaug.synthesis import Synthesizer
from ganaug.training import GanState, Objective, Progress
from ganaug.training import train as train_steps

log = logging.getLogger("ganaug")


def train(
    data: LabeledImages | str | Path,
    out: str | Path,
    recipe: Recipe | str = "auto",
    *,
    val: Val = VAL_FRACTION,
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
        resume: Continue the run in `out`; on a CPU the result equals that of an uninterrupted run bit for bit.
        device: "auto", "cpu", "cuda" or "mps".
        quiet: Whether to hide the progress bar.

    Returns:
        The best checkpoint by validation, with averaged weights.

    Raises:
        GanaugError: The input is at fault; `ganaug.errors` lists the kinds.
        InterruptedRun: SIGINT or SIGTERM came; everything is saved and `resume=True` goes on.

    Example:
        >>> synth = train("sklearn:digits", "runs/digits")                  # doctest: +SKIP
    """
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    if not isinstance(data, LabeledImages):
        data = load(data, **dict(recipe.data))
    return execute(plan(data, recipe, val=val, device=device), Path(out), resume=resume, quiet=quiet)


def execute(todo: Plan, out: Path, *, resume: bool = False, quiet: bool = False) -> Synthesizer:
    """Train as planned, or continue, and export the best checkpoint."""
    if open_run(todo, out, resume=resume):
        log.info("%s is complete already; nothing was changed", out)
        return Synthesizer.load(out, str(todo.device))
    for line in (*todo.choices, todo.networks):
        log.info("%s", line)
    state, objective = build(todo)
    scores = restore(state, out)
    log.info("training the encoder that checkpoints are judged by")
    judge, before, start, first = Judge.of(todo), seconds_so_far(out), time.monotonic(), state.step
    batches = Batches(todo.train, todo.recipe.train.batch_size or 0, objective.seed, todo.device)
    every, steps = todo.recipe.train.checkpoint_every or 1, todo.recipe.train.steps or 1
    with meter("train", steps, done=state.step, quiet=quiet) as report, stop_signals() as stopped:
        for progress in train_steps(state, batches, objective, steps=steps, tick=math.gcd(every, 10)):
            seconds = time.monotonic() - start
            rate = (progress.step - first) * batches.size / seconds
            record(out, progress, before + seconds, rate)
            report(progress.step, status(progress, rate))
            due = progress.step % every == 0 or progress.step == steps
            if due:  # only then: which checkpoint is best must not depend on when a run was stopped
                scores.by_step[state.step] = judge(state.G_ema, architecture(todo))
            if due or stopped:
                keep(todo, state, out, scores)
            if stopped:
                saved = f"{out}: stopped after step {state.step}, all is saved; go on with --resume"
                raise InterruptedRun(saved, stopped[0])
    return export(todo, state, out, scores, before + time.monotonic() - start)


def build(todo: Plan) -> tuple[GanState, Objective]:
    """Networks and optimisers at step 0, their weights drawn from the recipe's seed."""
    nets, t, K = todo.recipe.nets, todo.recipe.train, todo.train.num_classes
    head, pair, width = CLASS_HEADS.get(t.class_head), NETS[nets.name], nets.width or 0
    with torch.random.fork_rng(devices=[]):  # torch's initialisers know only the global generator
        torch.manual_seed(t.seed)
        G = pair.generator(todo.train.shape, K, width, nets.z_dim)
        D = Discriminator(pair.trunk(todo.train.shape, width), K, projection=t.projection, class_head=head)
    objective = Objective(
        adversarial=ADVERSARIAL[t.adversarial],
        class_head=head,
        class_weight=t.class_weight,
        r1_gamma=t.r1_gamma,
        r2_gamma=t.r2_gamma,
        penalty_every=t.penalty_every,
        policy=t.augment or "none",
        augment_p=t.augment_p or 0.0,
        lr=t.lr or 0.0,
        betas=(t.beta1, t.beta2),
        final_lr=t.final_lr,
        ema_images=t.ema_images or 1.0,
        seed=t.seed,
    )
    return GanState.start(G.to(todo.device), D.to(todo.device), objective), objective


def status(progress: Progress, rate: float) -> str:
    """The losses and the rate, for the meter."""
    d, g = progress.losses["D/adversarial"], progress.losses["G/adversarial"]
    return f"D {d:.3f}  G {g:.3f}  {rate:,.0f} images/s"
