"""`fit_translation`: a translation learned from images of two domains."""

from pathlib import Path

from ganaug.recipe import Recipe, load_recipe
from ganaug.run.loop import carry_out
from ganaug.run.planning import VAL_FRACTION
from ganaug.run.translation.job import TranslationJob
from ganaug.run.translation.planning import Source, TranslationPlan, plan_translation
from ganaug.synthesis import Translator


def fit_translation(
    a: Source,
    b: Source | None,
    out: str | Path,
    recipe: Recipe | str = "auto",
    *,
    val: float = VAL_FRACTION,
    resume: bool = False,
    device: str = "auto",
    quiet: bool = False,
) -> Translator:
    """Learn to translate images of A into images of B, so that A's labels hold for the translations.

    Args:
        a: Images with labels, or without: what `ganaug.load` reads, a folder of images, or what was loaded.
        b: Images of the other domain, whose labels are not looked at. None: `a` is a folder of pairs, side by side.
        out: The run folder to make.
        recipe: A `Recipe`, the name of a shipped one (cyclegan, cut, pix2pix, digits-domain), or a TOML file.
        val: The share of both domains that checkpoints are chosen by.
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
        >>> translator = fit_translation("day/", "night/", "runs/day2night")            # doctest: +SKIP
        >>> night = translator.translate(day)                                           # doctest: +SKIP
    """
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    todo = plan_translation(a, b, recipe, val=val, device=device)
    return translate_as(todo, Path(out), resume=resume, quiet=quiet)


def translate_as(todo: TranslationPlan, out: Path, *, resume: bool = False, quiet: bool = False) -> Translator:
    """Train as planned, or continue, and load what was exported."""
    carry_out(TranslationJob(todo), out, resume=resume, quiet=quiet)
    return Translator.load(out, str(todo.device))
