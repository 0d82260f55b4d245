"""The speed that ganaug owes: each row a ratio to a named peer, from interleaved repeats in one process.

    python recipes/bench.py            (or `make bench`, which installs the peers first)

A row is a name, a peer, the ratio owed, and a function that prepares two calls, ours and theirs, on the same data. Both
return numbers, which must agree, where both compute the same; the ratio is the peer's median time over ours.
"""

import contextlib
import io
import json
import os
import platform
import resource
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from bench_serving import ITEMS, loader_with_and_without, pool_and_png, replace_and_flip
from bench_translation import BATCH, SIDE, STEPS, cyclegan_steps

from ganaug.files import replace_file
from ganaug.measures.fidelity import gaussian_distance, prdc

OUT = Path(__file__).parent / "results" / "bench"
WIDTH, ROWS = 2048, 4096  # of the features
MEMORY_ROWS, MEMORY_OWED = 50_000, 2.0  # GiB
GIB = 2**30
VERSIONS = ("ganaug", "torch", "numpy", "scipy", "scikit-learn", "torch-fidelity", "prdc", "albumentations", "pillow")

Call = Callable[[], Any]


@dataclass(frozen=True)
class Row:
    """One promise.

    Attributes:
        name: What is timed.
        peer: Against what.
        owed: Peer's time over ours, at least; 0 where nothing is owed and it is recorded beside.
        agrees: Largest difference between the numbers of both, relative to theirs or absolute below 1; None where the
            two do different things.
        prepare: Makes the two calls, ours and theirs.
    """

    name: str
    peer: str
    owed: float
    agrees: float | None
    prepare: Callable[[], tuple[Call, Call]]


def features() -> tuple[torch.Tensor, torch.Tensor]:
    """Two sets of float32 features [ROWS, WIDTH], correlated as a network's are."""
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(WIDTH, WIDTH, generator=generator) / WIDTH**0.5
    real, fake = (torch.randn(ROWS, WIDTH, generator=generator) @ mixing for _ in range(2))
    return real.relu(), (0.95 * fake + 0.02).relu()


def moments() -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Mean and covariance of both sets, float64."""
    return [(x.double().mean(0), torch.cov(x.double().T)) for x in features()]


def frechet_and_scipy() -> tuple[Call, Call]:
    """The classical way: a matrix root of the product of the covariances."""
    from scipy.linalg import sqrtm

    (mean, cov), (other, other_cov) = moments()
    arrays = [x.numpy() for x in (mean, cov, other, other_cov)]

    def theirs() -> float:
        m, a, n, b = arrays
        return float(((m - n) ** 2).sum() + np.trace(a + b - 2 * np.real(sqrtm(a @ b))))

    return lambda: gaussian_distance(mean, cov, other, other_cov), theirs


def frechet_and_torch_fidelity() -> tuple[Call, Call]:
    """Eigenvalues of the product of the covariances."""
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_statistics_to_metric  # pyright: ignore[reportMissingImports]

    (mean, cov), (other, other_cov) = moments()
    both = [{"mu": m.numpy(), "sigma": c.numpy()} for m, c in ((mean, cov), (other, other_cov))]
    theirs = lambda: fid_statistics_to_metric(*both, verbose=False)[KEY_METRIC_FID]  # noqa: E731
    return lambda: gaussian_distance(mean, cov, other, other_cov), theirs


def neighbours(dtype: torch.dtype) -> Callable[[], tuple[Call, Call]]:
    """Precision, recall, density and coverage of features of that type, against the package on float32."""

    def prepare() -> tuple[Call, Call]:
        from prdc import compute_prdc  # pyright: ignore[reportMissingImports]

        real, fake = features()

        def theirs() -> list[float]:
            with contextlib.redirect_stdout(io.StringIO()):
                found = compute_prdc(real.numpy(), fake.numpy(), nearest_k=5)
            return [float(found[name]) for name in ("precision", "recall", "density", "coverage")]

        ours = real.to(dtype), fake.to(dtype)
        return lambda: list(vars(prdc(*ours, k=5)).values()), theirs

    return prepare


TABLE = (
    Row(f"Frechet distance, {WIDTH}-d, from moments", "scipy sqrtm", 10, 1e-5, frechet_and_scipy),
    Row(f"Frechet distance, {WIDTH}-d, from moments", "torch-fidelity", 2, 1e-5, frechet_and_torch_fidelity),
    Row(f"precision ... coverage, 2 x {ROWS} x {WIDTH}, float32", "prdc", 2.3, 1e-3, neighbours(torch.float32)),
    Row(f"precision ... coverage, 2 x {ROWS} x {WIDTH}, bfloat16", "prdc", 7, 1e-2, neighbours(torch.bfloat16)),
    Row(
        f"{STEPS} CycleGAN steps, {SIDE} px, batch {BATCH}, bf16",
        "the same networks in a plain fp32 loop",
        1.5,
        None,
        cyclegan_steps,
    ),
    *(
        Row(f"{ITEMS} x {what}, {side} px", peer, owed if side == 32 else 0, None, prepare(side))
        for side in (32, 64, 224)
        for what, peer, owed, prepare in (
            ("SyntheticReplace from the pool", "A.HorizontalFlip", 0.5, replace_and_flip),
            ("item of the pool", "decoding one PNG", 1, pool_and_png),
            ("item of a wrapped ImageFolder, 2 workers", "the same without", 0.95, loader_with_and_without),
            (
                "item of wrapped tensors, 2 workers",
                "the same without",
                0,
                partial(loader_with_and_without, files=False),
            ),
        )
    ),
)


def measure(row: Row, repeats: int) -> dict[str, Any]:
    """Times in turn, after one call of each that warms up and shows that both compute the same."""
    ours, theirs = row.prepare()
    a, b = ours(), theirs()
    difference = None if row.agrees is None else far_apart(a, b)
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(repeats)]
    mine, peer = (statistics.median(side) for side in zip(*pairs, strict=True))
    facts = {"ratio": peer / mine, "owed": row.owed, "seconds": mine, "peer_seconds": peer, "difference": difference}
    return {
        "name": row.name,
        "peer": row.peer,
        **facts,
        "met": peer / mine >= row.owed and (difference or 0) <= (row.agrees or 0),
    }


def far_apart(a: Any, b: Any) -> float:
    """The largest difference of numbers, relative to b or absolute where b is below 1."""
    a, b = np.atleast_1d(a), np.atleast_1d(b)
    return float((np.abs(a - b) / np.maximum(1, np.abs(b))).max())


def seconds(call: Call) -> float:
    """How long it takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def peak_memory(dtype: str) -> float:
    """GiB that a process needs for precision and its kin of 2 x 50,000 features, libraries included."""
    command = [sys.executable, __file__, "--memory-of", dtype]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def hold(dtype: str) -> float:
    """Take them, here; then the peak so far."""
    generator = torch.Generator().manual_seed(0)
    kind: torch.dtype = getattr(torch, dtype)
    real, fake = (torch.empty(MEMORY_ROWS, WIDTH, dtype=kind).normal_(generator=generator) for _ in range(2))
    prdc(real, fake)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB


def circumstances(command: str) -> dict[str, Any]:
    """Where and with what the numbers were taken."""
    info = Path("/proc/cpuinfo")
    models = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent)
    return {
        "command": command,
        "machine": f"{(models or [platform.machine()])[0]}, {os.cpu_count()} cores, {torch.get_num_threads()} threads",
        "load": os.getloadavg()[0],
        "commit": found.stdout.strip() or None,
        "versions": {name: version(name) for name in VERSIONS} | {"python": platform.python_version()},
    }


def page(result: dict[str, Any]) -> str:
    """The result as Markdown."""
    lines = [
        "# Speed owed",
        "",
        "| what | against | owed | measured | ours | theirs | differ by |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        lines.append(
            f"| {row['name']} | {row['peer']} | {owed(row)} | **{row['ratio']:.2f}x** | {row['seconds']:.3g} s | "
            f"{row['peer_seconds']:.3g} s | {'–' if row['difference'] is None else format(row['difference'], '.1g')} |"
        )
    memory, versions = result["memory"], result["versions"]
    if memory:
        lines += [
            "",
            f"Peak memory of precision ... coverage, 2 x {MEMORY_ROWS:,} x {WIDTH}, {memory['dtype']}: "
            f"**{memory['gib']:.2f} GiB** (owed {memory['owed']:g}), {memory['seconds']:.0f} s.",
        ]
    lines += [
        "",
        f"Medians of {result['repeats']} interleaved repeats of `{result['command']}` on {result['machine']}; "
        + ", ".join(f"{name} {number}" for name, number in versions.items())
        + f"; commit {result['commit']}.",
    ]
    return "\n".join(lines) + "\n"


def said() -> str:
    """The command: `make bench` gives no arguments."""
    return shlex.join(["python", "recipes/bench.py", *sys.argv[1:]]) if sys.argv[1:] else "make bench"


def owed(row: dict[str, Any]) -> str:
    """The ratio that is owed, if one is."""
    return f"{row['owed']:g}x" if row["owed"] else "–"


def main(
    repeats: Annotated[int, typer.Option(help="Interleaved repeats of each row.")] = 3,
    out: Annotated[Path, typer.Option(help="Where bench.json and bench.md go.")] = OUT,
    only: Annotated[str, typer.Option(help="Rows whose name or peer holds this.")] = "",
    memory: Annotated[
        str, typer.Option(help="Type of the features whose peak memory is taken; empty: none.")
    ] = "bfloat16",
    memory_of: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Time every row, print the ratios, write them down."""
    if memory_of:
        return print(hold(memory_of))
    rows = []
    for row in TABLE:
        if only in row.name or only in row.peer:
            rows.append(measure(row, repeats))
            print(f"{row.name} | {row.peer}: {rows[-1]['ratio']:.2f}x (owed {owed(rows[-1])})", flush=True)
    start = time.monotonic()
    peak = {"dtype": memory, "gib": peak_memory(memory), "owed": MEMORY_OWED} if memory else {}
    peak |= {"seconds": time.monotonic() - start} if memory else {}
    result = {"repeats": repeats, "rows": rows, "memory": peak, **circumstances(said())}
    out.mkdir(parents=True, exist_ok=True)
    replace_file(out / "bench.json", (json.dumps(result, indent=1) + "\n").encode())
    replace_file(out / "bench.md", page(result).encode())
    print(page(result))


if __name__ == "__main__":
    typer.run(main)
