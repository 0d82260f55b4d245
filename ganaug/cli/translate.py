"""`ganaug translate`: learn a domain translation, apply it, and measure what a classifier gains by it."""

import logging
import shlex
import sys
import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from ganaug.cli.options import (
    Device,
    Out,
    Quiet,
    RecipeName,
    Resume,
    Seed,
    Settings,
    recipe_of,
    require_one_process,
    results,
    share_or_source,
    speak,
    tell,
)
from ganaug.ranks import speaks, together

translating = typer.Typer(
    help="Labels in domain A, deployment in domain B: learn A to B, translate labelled images, measure the gain on B.",
    no_args_is_help=True,
)
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A run of `translate fit`, or a translator folder.")]
Images = "DATA, or a plain folder of images"


@translating.callback()
def _begin(context: typer.Context) -> None:
    if context.invoked_subcommand != "measure":
        require_one_process(f"ganaug translate {context.invoked_subcommand}")


@translating.command()
def fit(
    a: Annotated[str, typer.Argument(metavar="A", help=f"{Images}, whose labels are kept; or of pairs side by side.")],
    b: Annotated[
        str | None,
        typer.Argument(metavar="[B]", help=f"{Images} of the other domain; none for pairs side by side."),
    ] = None,
    *,
    out: Out,
    recipe: RecipeName = None,
    set_: Settings = None,
    resume: Resume = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the recipe with its reasons, and stop.")] = False,
    device: Device = "auto",
    seed: Annotated[int | None, typer.Option(help="Equal seeds give equal weights on one CPU.")] = None,
    quiet: Quiet = False,
) -> None:
    """Learn to translate images of A into images of B, without pairs or with them.

    For example: ganaug translate fit day/ night/ -o runs/day2night
    """
    from ganaug.auto import said
    from ganaug.recipe import dump_recipe
    from ganaug.run.translation import plan_translation, translate_as

    speak(logging.WARNING if quiet else logging.INFO)
    settings = [*(set_ or []), *([f"train.seed={seed}"] if seed is not None else [])]
    stored = out / "recipe.toml"
    chosen = recipe_of(str(stored) if resume and recipe is None and stored.is_file() else recipe, settings)
    todo = plan_translation(a, b, chosen, device=device)
    if dry_run:
        for line in (*said(todo.choices), todo.networks, "", dump_recipe(todo.recipe)):
            typer.echo(line)
        return
    facts = translate_as(todo, out, resume=resume, quiet=quiet).provenance
    by = "mean absolute error" if todo.paired else "kernel distance to B"
    kept = facts.get("label_preservation")
    labels = f"; labels survive in {kept['accuracy']:.1%} ({kept['read_by']})" if kept else ""
    typer.echo(
        f"{out}: done in {facts['seconds']:.0f} s; shipped step {facts['best_step']} of {todo.recipe.train.steps}, "
        f"the best on validation ({by} {facts['validation_score']:.4f}; the last has {facts['last_score']:.4f}){labels}"
    )


@translating.command()
def apply(
    model: Model,
    source: Annotated[str, typer.Argument(metavar="IN", help=f"{Images}; class folders and names are kept.")],
    out: Out,
    direction: Annotated[Literal["AB", "BA"], typer.Option(help="From which domain to which.")] = "AB",
    resume: Annotated[bool, typer.Option("--resume", help="Verify what is complete already.")] = False,
    device: Device = "auto",
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Translate images, each at its own size, into a corpus with manifest, card and provenance."""
    from ganaug.corpus import write_translations
    from ganaug.data.unlabeled import list_unlabeled
    from ganaug.run import meter
    from ganaug.synthesis import Translator

    speak(logging.WARNING if quiet else logging.INFO)
    translator = Translator.load(model, device)
    start, done = time.monotonic(), 0
    with meter("translate", len(list_unlabeled(source)), quiet=quiet) as report:

        def written(count: int, _: int) -> None:
            nonlocal done
            done = count
            report(count, f"{count / (time.monotonic() - start):,.0f} images/s")

        write_translations(translator, source, out, direction=direction, seed=seed, resume=resume, progress=written)
    typer.echo(f"{out}: {done:,} images translated {direction[0]} to {direction[1]}" if done else f"{out}: is complete")


@translating.command()
def measure(
    model: Annotated[
        list[Path], typer.Argument(metavar="MODEL...", help="A run of `translate fit`, or several of one split.")
    ],
    source: Annotated[str, typer.Option(help="A: labelled images that translations are made of.")],
    target: Annotated[str, typer.Option(help="B: images of the domain to serve; labels serve the oracle only.")],
    test: Annotated[str, typer.Option(help="Labelled images of B that nothing was fitted or chosen on.")],
    out: Out,
    seeds: Annotated[int, typer.Option(help="Paired classifiers per arm; fewer than 6 decide nothing.")] = 10,
    val: Annotated[str | None, typer.Option(help="Validation images of A, or the share to hold out.")] = None,
    recipe: RecipeName = None,
    set_: Settings = None,
    device: Device = "auto",
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Measure how much a classifier of B gains from A's labels and the translation, beside cheap baselines."""
    from ganaug import study
    from ganaug.report import sentence, summary_table

    speak(logging.WARNING if quiet else logging.INFO)
    with together():
        result = study.measure_translation(
            model,
            a=source,
            b=target,
            test=test,
            out=out,
            val=None if val is None else share_or_source(val),
            seeds=seeds,
            seed=seed,
            recipe=recipe_of(recipe, set_),
            device=device,
            command=shlex.join(["ganaug", *sys.argv[1:]]),
        )
    if speaks() and not quiet:
        results().print(summary_table(result))
    tell(f"{sentence(result)}\nreport: {out / 'report.html'}")
