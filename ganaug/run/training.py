"""`train`: a generator learned from labelled images."""

from pathlib import Path

from ganaug.data import LabeledImages, load
from ganaug.recipe import Recipe, load_recipe
from ganaug.run.folder import recorded_init
from ganaug.run.gan import GanJob
from ganaug.run.loop import carry_out
from ganaug.run.planning import VAL_FRACTION, Plan, Unlabeled, Val, plan
from ganaug.synthesis import Synthesizer


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
    """Train as planned, or continue, and load what was exported."""
    carry_out(GanJob(todo), out, resume=resume, quiet=quiet)
    return Synthesizer.load(out, str(todo.device))
