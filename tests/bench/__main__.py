"""The speed that ganaug owes, each number beside a named peer or limit that is measured in the same run.

    python tests/bench cpu              (or `make bench`, which installs the peers first)
    python tests/bench gpu --resume     (or `make bench-gpu`: as much as fits into ten minutes; again to go on)

Results lie under recipes/results/bench-<device>. Every row is written down as soon as it is measured.
"""

import os
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import torch
import typer
from ledger import Derive, Ledger, missed
from machine import CHECKOUT, conditions, device_name, slug
from room import room
from rows import Row

app = typer.Typer(add_completion=False, help=__doc__)
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

    run(rows(toy=toy), "Speed owed on a CPU", "cpu", repeats, only, resume, minutes, out)


@app.command()
def gpu(
    networks: Annotated[str, typer.Option(help="Pairs to train, commas between.")] = "stylegan2-256",
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

    bench = Bench(tuple(networks.split(",")), device, toy)
    run(bench.rows(), "Speed owed on a GPU", device, repeats, only, resume, minutes, out, bench.derived)


def run(
    table: Sequence[Row],
    title: str,
    device: str,
    repeats: int,
    only: str,
    resume: bool,
    minutes: float,
    out: Path,
    derive: Derive = list,
) -> None:
    """Measure what is not measured yet, and say what came out."""
    os.environ["GANAUG_CACHE"] = str(room() / "cache")
    where = conditions(torch.device(device))
    path = out / f"bench-{slug(device_name(torch.device(device)))}.json"
    ledger = Ledger(path, title, said(), where, table, resume=resume, derive=derive)
    wanted = [row for row in table if only in row.key and not ledger.holds(row, repeats)]
    end = time.monotonic() + 60 * minutes if minutes else float("inf")
    for number, row in enumerate(wanted):
        if number and time.monotonic() + ledger.longest() > end:  # the first is always taken, or none ever were
            print(f"{len(wanted) - number} rows are left; the same command with --resume goes on")
            break
        found = ledger.measure(row, repeats)
        print(
            f"{row.key}: {found.get('failed') or found['told']['measured']} (owed {found['told']['owed']})", flush=True
        )
    print(path.with_suffix(".md").read_text(encoding="utf-8"))
    for key in missed(ledger.entries.values()):
        print(f"not as owed: {key}")


def said() -> str:
    """The command; folders by their last names only."""
    words = [Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:]]
    return shlex.join(["python", "tests/bench", *words])


if __name__ == "__main__":
    app()
