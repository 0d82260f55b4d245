"""The command line. Heavy imports live inside the commands, so that `ganaug --help` answers at once."""

import errno
import json
import logging
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.logging import RichHandler

from ganaug.errors import CorpusError, DataError, GanaugError

if TYPE_CHECKING:
    from ganaug.data import LabeledImages
    from ganaug.recipe import Recipe

app = typer.Typer(
    help="Does synthetic data help my classifier? Learn a conditional GAN from labelled images, use it, measure the gain.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console()
errors = Console(stderr=True, soft_wrap=True)

Data = Annotated[str, typer.Argument(help="Folder with one sub-folder per class, .npz, or sklearn:digits[:train|test].")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Seed = Annotated[int, typer.Option(help="Equal seeds give equal results on one CPU.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Only errors and results.")]
RecipeName = Annotated[str | None, typer.Option("-r", "--recipe", help="A shipped recipe or a TOML file.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="table.key=value, as often as needed.")]
Val = Annotated[str | None, typer.Option(help="Validation images, or the share to hold out (default 0.2).")]
Out = Annotated[Path, typer.Option("-o", "--out", help="Folder to make; must be new or empty.")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue what was interrupted.")]


@app.command()
def demo(
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to make.")] = Path("ganaug-demo"),
    device: Device = "auto",
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """The whole story on real scans of digits, on a CPU, in minutes."""
    from ganaug.demo import tell

    speak(quiet)
    tell(out, console, device=device, seed=seed, quiet=quiet)


@app.command()
def inspect(data: Data, recipe: RecipeName = None, set_: Settings = None, device: Device = "auto") -> None:
    """Classes, counts, sizes, and the recipe that `train` would pick, with reasons."""
    from ganaug.run import plan

    speak(quiet=False)
    chosen = recipe_of(recipe, set_)
    images = read(data, chosen)
    console.print(f"{images.source}: {len(images):,} images, {describe_shape(images.shape)}")
    width = max(map(len, images.classes))
    largest = int(images.counts.max())
    for name, count in zip(images.classes, images.counts.tolist(), strict=True):
        console.print(f"  {name:<{width}}  {count:>7,}  {'█' * max(1, round(40 * count / largest))}", markup=False)
    for choice in plan(images, chosen, device=device).choices:
        console.print(f"  {choice}", markup=False, highlight=False)


@app.command()
def train(
    data: Data,
    out: Out,
    recipe: RecipeName = None,
    set_: Settings = None,
    val: Val = None,
    resume: Resume = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the recipe with its reasons, and stop.")] = False,
    device: Device = "auto",
    seed: Annotated[int | None, typer.Option(help="Equal seeds give equal weights on one CPU.")] = None,
    quiet: Quiet = False,
) -> None:
    """Learn a conditional generator from labelled images.

    For example: ganaug train data/train -o runs/a --set train.steps=2000
    """
    from ganaug.auto import describe
    from ganaug.recipe import dump_recipe
    from ganaug.run import VAL_FRACTION, execute, plan

    speak(quiet)
    settings = [*(set_ or []), *([f"train.seed={seed}"] if seed is not None else [])]
    stored = out / "recipe.toml"
    chosen = recipe_of(str(stored) if resume and recipe is None and stored.is_file() else recipe, settings)
    images = read(data, chosen)
    todo = plan(images, chosen, val=share_or_source(val) or VAL_FRACTION, device=device)
    for choice in todo.choices:
        logging.getLogger("ganaug").info("%s", choice)
    if dry_run:
        console.print(describe(todo.recipe, todo.train), dump_recipe(todo.recipe), sep="\n", markup=False)
        return
    synth = execute(todo, out, resume=resume, quiet=quiet)
    facts = synth.provenance
    console.print(
        f"{out}: done in {facts['seconds']:.0f} s; shipped step {facts['best_step']} of {todo.recipe.train.steps}, "
        f"the closest to validation (distance {facts['validation_distance']:.2f}, the last {facts['last_distance']:.2f})"
    )


@app.command()
def generate(
    model: Annotated[Path, typer.Argument(help="A run folder or a generator folder.")],
    out: Out,
    n: Annotated[int | None, typer.Option("-n", min=1, help="Images in all, spread evenly over the classes.")] = None,
    per_class: Annotated[int | None, typer.Option(min=1, help="Images of each class.")] = None,
    counts: Annotated[Path | None, typer.Option(help="A JSON file: class name -> number of images.")] = None,
    balance: Annotated[str | None, typer.Option(help="DATA whose classes are filled to the largest.")] = None,
    resume: Resume = False,
    device: Device = "auto",
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Write a labelled corpus: <class>/<index>.png with manifest, card and provenance."""
    from rich.progress import Progress

    from ganaug.corpus import write_corpus
    from ganaug.synthesis import Synthesizer

    speak(quiet)
    synth = Synthesizer.load(model, device)
    wanted = wanted_counts(synth.classes, n, per_class, counts, balance)
    with Progress(disable=quiet) as bar:
        task = bar.add_task("generate", total=sum(wanted))
        write_corpus(synth, out, wanted, seed, resume=resume, progress=lambda done, _: bar.update(task, completed=done))
    console.print(f"{out}: {sum(wanted):,} images of {len(synth.classes)} classes")


@app.command()
def check(corpus: Annotated[Path, typer.Argument(help="A corpus that `ganaug generate` wrote.")]) -> None:
    """Verify a corpus against its manifest; every deviation is named."""
    from ganaug.corpus import check_corpus

    found = check_corpus(corpus)
    for deviation in found:
        errors.print(deviation, markup=False, highlight=False)
    if found:
        raise CorpusError(f"{corpus} must equal its manifest, got {len(found)} deviation(s); write it again with `ganaug generate`")
    console.print(f"{corpus}: every image is as it was written")


@app.command()
def measure(
    source: Annotated[str, typer.Argument(metavar="MODEL|CORPUS", help="A run, a generator folder, or synthetic images.")],
    train: Annotated[str, typer.Option(help="The real training set.")],
    test: Annotated[str, typer.Option(help="Real images that nothing was fitted or chosen on.")],
    out: Out,
    val: Val = None,
    seeds: Annotated[int, typer.Option(min=1, help="Paired classifiers per arm; fewer than 6 decide nothing.")] = 6,
    arms: Annotated[Literal["short"], typer.Option(help="short: baseline, mixed arms, synthetic only, A/A.")] = "short",
    recipe: RecipeName = None,
    set_: Settings = None,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Measure how much a classifier gains, honestly enough to say "do not use it"."""
    from ganaug import study
    from ganaug.report import sentence, summary_table

    speak(quiet)
    result = study.measure(
        source,
        train=train,
        test=test,
        out=out,
        val=share_or_source(val),
        seeds=seeds,
        recipe=recipe_of(recipe, set_),
        device=device,
    )
    if not quiet:
        console.print(summary_table(result))
    console.print(sentence(result))
    console.print(f"report: {out / 'report.html'}")


@app.command()
def recipes() -> None:
    """The shipped recipes, a line each."""
    from ganaug.recipe import load_recipe, shipped

    for name in shipped():
        console.print(f"{name:<10} {load_recipe(name).description}", markup=False, highlight=False)


def recipe_of(name: str | None, settings: list[str] | None) -> "Recipe":
    """The recipe that -r and --set ask for."""
    from ganaug.recipe import load_recipe

    return load_recipe(name or "auto", settings or [])


def read(data: str, recipe: "Recipe") -> "LabeledImages":
    """DATA, at the size and channels that the recipe asks for."""
    from ganaug.data import load

    return load(data, resolution=recipe.data.resolution, channels=recipe.data.channels)


def share_or_source(val: str | None) -> float | str | None:
    """--val: a share to hold out, or DATA."""
    try:
        return None if val is None else float(val)
    except ValueError:
        return val


def wanted_counts(
    classes: tuple[str, ...], n: int | None, per_class: int | None, counts: Path | None, balance: str | None
) -> list[int]:
    """Images per class, from exactly one of the four options.

    Raises:
        DataError: None or several of them are given, or a class is unknown.
    """
    from ganaug.corpus import balance_counts, spread
    from ganaug.data import align, load

    if sum(option is not None for option in (n, per_class, counts, balance)) != 1:
        raise DataError("the number of images must be given by one of -n, --per-class, --counts, --balance, got none or several")
    if n is not None:
        return spread(n, len(classes))
    if per_class is not None:
        return [per_class] * len(classes)
    if balance is not None:
        return balance_counts(align(load(balance), classes).counts.tolist())
    return counts_from(counts or Path(), classes)


def counts_from(file: Path, classes: tuple[str, ...]) -> list[int]:
    """Images per class from a JSON object of names and numbers.

    Raises:
        DataError: The file is none, or names other classes than the model has.
    """
    try:
        named = json.loads(file.read_text(encoding="utf-8"))
        wanted = {str(name): int(count) for name, count in named.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{file}: must be a JSON object of class names and numbers, got {error}; for example {{\"cat\": 300}}") from error
    odd = sorted(set(wanted) ^ set(classes))
    if odd:
        raise DataError(f"{file}: must give a number for each of {list(classes)[:8]}, got a difference in {odd[0]!r}; mend the file")
    return [wanted[name] for name in classes]


def describe_shape(shape: tuple[int, int, int]) -> str:
    """Size and channels in words.

    >>> describe_shape((1, 28, 32))
    '28 x 32 px, gray'
    """
    return f"{shape[1]} x {shape[2]} px, {dict([(1, 'gray'), (3, 'RGB'), (4, 'RGBA')])[shape[0]]}"


def speak(quiet: bool) -> None:
    """Send what the library says to the terminal; warnings only, when quiet."""
    handler = RichHandler(console=errors, show_time=False, show_path=False, show_level=False)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler], force=True)
    logging.getLogger("ganaug").setLevel(logging.WARNING if quiet else logging.INFO)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code: a user's error is one sentence, ours a traceback and 70."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that half-written folders are removed
    try:
        app(arguments)
    except GanaugError as error:
        sys.exit(fail(str(error), error.exit_code))
    except KeyboardInterrupt:
        sys.exit(fail("interrupted", 130))
    except OSError as error:
        if error.errno == errno.ENOSPC:
            sys.exit(fail(f"the disk must have room, got {error}; free some and run the command again", 75))
        sys.exit(bug())
    except Exception:
        sys.exit(bug())


def fail(sentence: str, code: int) -> int:
    """Print one sentence on stderr; the code itself."""
    errors.print(f"ganaug: {sentence}", markup=False, highlight=False)
    return code


def bug() -> int:
    """Print the traceback of a fault of ours; 70."""
    traceback.print_exc()
    return fail("this is a bug in ganaug; please report it with the lines above", 70)


if __name__ == "__main__":
    main()
