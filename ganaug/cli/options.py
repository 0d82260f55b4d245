"""What all commands have in common: their options, and how they speak."""

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganaug.errors import GanaugError
from ganaug.ranks import speaks, started

if TYPE_CHECKING:
    from rich.console import Console

    from ganaug.recipe import Recipe

PIPE_WIDTH = 120  # columns of a table that no terminal shows

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="Folder with one sub-folder per class, .npz, sklearn:digits, torchvision:NAME, hf:ID_OR_PATH.",
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Seed = Annotated[int, typer.Option(help="Equal seeds give equal results on one CPU.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Only errors and results.")]
RecipeName = Annotated[str | None, typer.Option("-r", "--recipe", help="A shipped recipe or a TOML file.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="table.key=value, as often as needed.")]
Val = Annotated[str | None, typer.Option(help="Validation images, or the share to hold out (default 0.2).")]
Out = Annotated[Path, typer.Option("-o", "--out", help="Folder to make; must be new or empty.")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue what was interrupted.")]


def recipe_of(name: str | None, settings: list[str] | None) -> "Recipe":
    """The recipe that -r and --set ask for."""
    from ganaug.recipe import load_recipe

    return load_recipe(name or "auto", settings or [])


def share_or_source(val: str) -> float | str:
    """--val: a share to hold out, or DATA."""
    try:
        return float(val)
    except ValueError:
        return val


def results() -> "Console":
    """Standard output for tables, wide enough where it is no terminal."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=PIPE_WIDTH)


class Lines(logging.Handler):
    """One line on stderr per message; looked up anew each time, as a progress bar stands in for it while it lasts."""

    def emit(self, record: logging.LogRecord) -> None:
        typer.echo(record.getMessage(), file=sys.stderr)


def speak(level: int) -> None:
    """Send what the library says to stderr, from `level` on; of several processes all but the first keep to errors."""
    log = logging.getLogger("ganaug")
    log.handlers = [Lines()]
    log.setLevel(level if speaks() else logging.ERROR)


def tell(result: str) -> None:
    """What a command ends with, on standard output, once for all processes."""
    if speaks():
        typer.echo(result)


def require_one_process(command: str) -> None:
    """Refuse what processes cannot share.

    Raises:
        GanaugError: torchrun started several.
    """
    count = started()[1]
    if count > 1:
        error = GanaugError(f"`{command}` must be run by one process, got {count}; start it without torchrun")
        error.told = not speaks()
        raise error
