"""The two benches as commands: which rows, how often, for how long, and where the results go."""

import os
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import torch
import typer
from ledger import Ledger, missed
from machine import CHECKOUT, conditions, device_name, slug
from networks import NETWORKS
from room import room
from rows import Row

from ganaug.auto import pick_device
from ganaug.errors import DeviceError

app = typer.Typer(add_completion=False)
Out = Annotated[Path, typer.Option(help="The folder of bench-<device>.json and .md.")]
Only = Annotated[str, typer.Option(help="Rows whose name or peer holds this.")]
Repeats = Annotated[int, typer.Option(help="Interleaved repeats of each row.")]
Resume = Annotated[bool, typer.Option(help="Keep the rows that this code has on this machine already.")]
Minutes = Annotated[float, typer.Option(help="Begin no row that may not end within so many; 0: take all.")]
Toy = Annotated[bool, typer.Option(help="Everything as small as it can be: shows that it works, not how fast.")]
RESULTS = CHECKOUT / "recipes" / "results"


@app.command()
def cpu(
    repeats: Repeats = 7,
    only: Only = "",
    resume: Resume = False,
    minutes: Minutes = 0,
    toy: Toy = False,
    out: Out = RESULTS,
) -> None:
    """Measures, training, serving and writing on this processor."""
    from table import rows

    table = rows(toy=toy)
    about = conditions(torch.device("cpu"))
    ledger = Ledger(out / "bench-cpu.json", "Speed owed on a CPU", said(), about, table, resume=resume)
    run(ledger, [row for row in table if only in row.key], repeats, minutes)


@app.command()
def gpu(
    networks: Annotated[str, typer.Option(help="Pairs to train, commas between, or `all`.")] = "stylegan2-256",
    repeats: Repeats = 5,
    only: Only = "",
    resume: Resume = False,
    minutes: Minutes = 9,
    toy: Toy = False,
    device: Annotated[str, typer.Option(help="Where.")] = "cuda",
    out: Out = RESULTS,
) -> None:
    """Ceilings, training steps and gradients on a GPU."""
    from gpu import Bench

    where = present(device)
    whole, asked = Bench(tuple(NETWORKS), device, toy), Bench(named(networks), device, toy)
    path = out / (f"bench-{slug(device_name(where))}.json" if where.type == "cuda" else "bench-gpu-rows.json")
    title, about = f"Speed owed on a GPU: {device_name(where)}", conditions(where)
    ledger = Ledger(path, title, said(), about, whole.rows(), resume=resume, derive=whole.derived)
    run(ledger, [row for row in asked.rows() if only in row.key], repeats, minutes)


def present(device: str) -> torch.device:
    """A device that this machine has."""
    try:
        return pick_device(device)
    except DeviceError as error:
        raise typer.BadParameter(str(error)) from error


def named(networks: str) -> tuple[str, ...]:
    """The pairs that were asked for."""
    names = tuple(NETWORKS) if networks == "all" else tuple(networks.split(","))
    for name in names:
        if name not in NETWORKS:
            raise typer.BadParameter(f"--networks must be among {', '.join(NETWORKS)}, or all, got {name!r}")
    return names


def run(ledger: Ledger, asked: Sequence[Row], repeats: int, minutes: float) -> None:
    """Measure what is not measured yet, as long as there is time, and say what came out."""
    os.environ["GANAUG_CACHE"] = str(room() / "cache")
    left = [row for row in asked if not ledger.holds(row, repeats)]
    end = time.monotonic() + 60 * minutes if minutes else float("inf")
    for number, row in enumerate(left):
        if number and time.monotonic() + ledger.longest() > end:  # the first is always taken, or none ever were
            print(f"{len(left) - number} rows are left; the same command with --resume goes on")
            break
        found = ledger.measure(row, repeats)
        print(
            f"{row.key}: {found.get('failed') or found['told']['measured']} (owed {found['told']['owed']})", flush=True
        )
    ledger.write()
    print(ledger.path.with_suffix(".md").read_text(encoding="utf-8"))
    for key in missed(ledger.entries.values()):
        print(f"not as owed: {key}")


def said() -> str:
    """The command; folders by their last names only."""
    words = [Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:]]
    return shlex.join(["python", "tests/bench", *words])
