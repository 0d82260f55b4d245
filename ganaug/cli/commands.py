"""The commands. Heavy imports live inside them, so that `ganaug --help` answers at once."""

import logging
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ganaug.cli.options import (
    Data,
    Device,
    Out,
    Quiet,
    RecipeName,
    Resume,
    Seed,
    Settings,
    Val,
    recipe_of,
    require_one_process,
    results,
    share_or_source,
    speak,
    tell,
)
from ganaug.cli.translate import translating
from ganaug.errors import CorpusError, DataError
from ganaug.ranks import is_first, speaks, together

if TYPE_CHECKING:
    from ganaug.data import LabeledImages
    from ganaug.recipe import Recipe
    from ganaug.synthesis import Synthesizer

TOGETHER = ("train", "generate", "measure", "translate")  # commands that processes can share

app = typer.Typer(
    help="Does synthetic data help my classifier? "
    "Learn a conditional GAN from labelled images, use it, measure the gain.",
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _begin(context: typer.Context) -> None:
    if context.invoked_subcommand not in TOGETHER:
        require_one_process(f"ganaug {context.invoked_subcommand}")


@app.command()
def demo(
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to make.")] = Path("ganaug-demo"),
    device: Device = "auto",
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """The whole story on real scans of digits, on a CPU, in minutes."""
    from ganaug.demo import tell

    speak(logging.WARNING if quiet else logging.INFO)
    tell(out, results(), device=device, seed=seed, quiet=quiet)


@app.command()
def inspect(
    data: Data,
    recipe: RecipeName = None,
    set_: Settings = None,
    val: Val = None,
    json_: Annotated[bool, typer.Option("--json", help="The same as data, for programs.")] = False,
    device: Device = "auto",
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Classes, counts, sizes, modes, problems, and the recipe that `train` would pick, with reasons and cost.

    Nothing is written. Exit code 2 where `train` would refuse the images as they are; the page says why.
    """
    import json

    from ganaug.inspection import inspect as look
    from ganaug.inspection import show
    from ganaug.run import VAL_FRACTION

    speak(logging.ERROR)  # the page says the rest
    cut = VAL_FRACTION if val is None else share_or_source(val)
    facts = look(data, recipe_of(recipe, [*(set_ or []), f"train.seed={seed}"]), val=cut, device=device)
    if json_:
        typer.echo(json.dumps(facts, indent=1))
    elif not quiet:
        results().print(show(facts))
    if facts["refused"]:
        raise DataError(facts["refused"])


@app.command()
def train(
    data: Data,
    out: Out,
    recipe: RecipeName = None,
    set_: Settings = None,
    val: Val = None,
    unlabeled: Annotated[str | None, typer.Option(help="Images without labels: DATA, or a folder of images.")] = None,
    resume: Resume = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the recipe with its reasons, and stop.")] = False,
    device: Device = "auto",
    seed: Annotated[int | None, typer.Option(help="Equal seeds give equal weights on one CPU.")] = None,
    quiet: Quiet = False,
) -> None:
    """Learn a conditional generator from labelled images.

    For example: ganaug train data/train -o runs/a --set train.steps=2000
    """
    from ganaug.auto import said
    from ganaug.recipe import dump_recipe
    from ganaug.run import VAL_FRACTION, execute, plan, recorded_val
    from ganaug.run.folder import recorded_init, recorded_unlabeled
    from ganaug.run.judge import CRITERIA

    speak(logging.WARNING if quiet else logging.INFO)
    settings = [*(set_ or []), *([f"train.seed={seed}"] if seed is not None else [])]
    stored = out / "recipe.toml"
    chosen = recipe_of(str(stored) if resume and recipe is None and stored.is_file() else recipe, settings)
    cut = share_or_source(val) if val is not None else (resume and recorded_val(out)) or VAL_FRACTION
    with together():
        todo = plan(
            read(data, chosen),
            chosen,
            val=cut,
            device=device,
            unlabeled=unlabeled if unlabeled is not None or not resume else recorded_unlabeled(out),
            init=recorded_init(out) if resume else None,
        )
        if dry_run:
            return tell("\n".join((*said(todo.choices), todo.networks, "", dump_recipe(todo.recipe))))
        facts = execute(todo, out, resume=resume, quiet=quiet).provenance
    tell(
        f"{out}: done in {facts['seconds']:.0f} s; shipped step {facts['best_step']} of {todo.recipe.train.steps}, "
        f"the best on validation ({CRITERIA[todo.recipe.train.choose_by or 'distance']} "
        f"{facts['validation_score']:.2f}; the last has {facts['last_score']:.2f})"
    )


@app.command()
def generate(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A run folder or a generator folder.")],
    out: Out,
    n: Annotated[int | None, typer.Option("-n", help="Images in all, spread evenly over the classes.")] = None,
    per_class: Annotated[int | None, typer.Option(help="Images of each class.")] = None,
    counts: Annotated[Path | None, typer.Option(help="A JSON file: class name -> number of images.")] = None,
    balance: Annotated[str | None, typer.Option(help="DATA whose classes are filled to the largest.")] = None,
    latent_scale: Annotated[
        float, typer.Option(help="Below 1 images are more typical, beyond 1 more various; 1 is as in training.")
    ] = 1.0,
    resume: Annotated[bool, typer.Option("--resume", help="Verify what is complete already.")] = False,
    device: Device = "auto",
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Write a labelled corpus: <class>/<index>.png with manifest, card and provenance."""
    from ganaug.corpus import write_corpus
    from ganaug.run import meter
    from ganaug.synthesis import Synthesizer

    speak(logging.WARNING if quiet else logging.INFO)
    with together():
        synth = Synthesizer.load(model, device)
        wanted = wanted_counts(synth, n, per_class, counts, balance)
        start = time.monotonic()
        with meter("generate", sum(wanted), quiet=quiet or not is_first()) as report:

            def written(done: int, _: int) -> None:
                report(done, f"{done / (time.monotonic() - start):,.0f} images/s")

            write_corpus(synth, out, wanted, seed, scale=latent_scale, resume=resume, progress=written)
    tell(f"{out}: {sum(wanted):,} images of {len(wanted)} classes")


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="CORPUS|MODEL", help="A corpus, a run or a generator folder.")],
    quiet: Quiet = False,
) -> None:
    """Verify that every file is as ganaug wrote it; every deviation is named."""
    found = deviations(folder)
    for deviation in found:
        typer.echo(deviation, err=True)
    if found:
        s = "" if len(found) == 1 else "s"
        raise CorpusError(
            f"{folder} must be as it was written, got {len(found)} deviation{s}; make it again or use another copy"
        )
    if not quiet:
        typer.echo(f"{folder}: every file is as it was written")


def deviations(folder: Path) -> list[str]:
    """What differs in a corpus, a run or a generator folder from what its own manifest says.

    Raises:
        CorpusError: It is none of them.
    """
    if (folder / "corpus.json").is_file():
        from ganaug.corpus import check_corpus

        return check_corpus(folder)
    if (folder / "run.json").is_file() or (folder / "generator.json").is_file():
        from ganaug.run import check_run

        return check_run(folder)
    what = "another folder" if folder.is_dir() else "a file" if folder.is_file() else "nothing there"
    raise CorpusError(
        f"{folder} must be a corpus, a run or a generator folder that ganaug wrote, got {what}; check the path"
    )


@app.command()
def measure(
    source: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...|CORPUS", help="A run or generator folder, or several of one split; or synthetic images."
        ),
    ],
    train: Annotated[str, typer.Option(help="The real training set.")],
    test: Annotated[str, typer.Option(help="Real images that nothing was fitted or chosen on.")],
    out: Out,
    val: Val = None,
    seeds: Annotated[int, typer.Option(help="Paired classifiers per arm; fewer than 6 decide nothing.")] = 10,
    drop_overlap: Annotated[
        bool,
        typer.Option(
            "--drop-overlap",
            help="Leave what --train and --test share out of --train; for a MODEL, which has seen it, out of --test.",
        ),
    ] = False,
    arms: Annotated[
        Literal["short", "full"],
        typer.Option(help="short: what a verdict needs; full: all arms, the controls, the learning curve."),
    ] = "short",
    recipe: RecipeName = None,
    set_: Settings = None,
    device: Device = "auto",
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Measure how much a classifier gains, honestly enough to say "do not use it"."""
    from ganaug import study
    from ganaug.report import sentence, summary_table

    speak(logging.WARNING if quiet else logging.INFO)
    with together():
        result = study.measure(
            source,
            train=train,
            test=test,
            out=out,
            val=None if val is None else share_or_source(val),
            seeds=seeds,
            arms=arms,
            seed=seed,
            recipe=recipe_of(recipe, set_),
            device=device,
            drop_overlap=drop_overlap,
            command=shlex.join(["ganaug", *sys.argv[1:]]),
        )
    if speaks() and not quiet:
        results().print(summary_table(result))
    tell(f"{sentence(result)}\nreport: {out / 'report.html'}")


app.add_typer(translating, name="translate")


@app.command()
def recipes() -> None:
    """The shipped recipes, a line each."""
    from ganaug.recipe import load_recipe, shipped

    for name in shipped():
        typer.echo(f"{name:<14} {load_recipe(name).description}")


def read(data: str, recipe: "Recipe") -> "LabeledImages":
    """DATA, at the size and channels that the recipe asks for."""
    from ganaug.data import load

    return load(data, **dict(recipe.data))


def wanted_counts(
    synth: "Synthesizer", n: int | None, per_class: int | None, counts: Path | None, balance: str | None
) -> list[int]:
    """Images per class, from exactly one of the four options.

    Raises:
        DataError: None or several of them are given, or a class is unknown.
    """
    from ganaug.corpus import balance_counts, read_counts, spread
    from ganaug.data import align, load

    classes = synth.classes
    options = {"-n": n, "--per-class": per_class, "--counts": counts, "--balance": balance}
    given = [name for name, value in options.items() if value is not None]
    if len(given) != 1:
        got = " and ".join(given) or "none"
        raise DataError(
            f"the number of images must be given by one of {', '.join(options)}, got {got}; give one of them"
        )
    if n is not None:
        return spread(n, len(classes))
    if per_class is not None:
        return [per_class] * len(classes)
    if counts is not None:
        return read_counts(counts, classes)
    real = load(str(balance), resolution=synth.shape[1:], channels=synth.shape[0])
    return balance_counts(align(real, classes).counts.tolist())
