"""Is a pool rendered as fast as the generator can draw, and in memory that does not grow?

For each generator, in turn and several times over: a bare loop of its forward passes with latents and labels at hand,
at several batch sizes of which the fastest counts; and a whole pool, from seed to file. Weights are untrained, which
makes no difference to the time.
"""

import copy
import os
import statistics
import tempfile
import time
from threading import Lock
from typing import Annotated, Any

import psutil
import torch
import typer
from record import record

from ganaug.synthesis import Architecture, Synthesizer
from ganaug.synthesis.pool import Pool

GENERATORS = ("dcgan-16", "residual-16", "residual-32", "style-32")
CLASSES, SIDE, Z_DIM = 10, 32, 64
BATCHES = (16, 32, 64, 128, 256)  # of the bare loop
MARKS = (0.1, 0.5, 1.0)  # shares of a pool at which the peak of memory so far is told
MIB = 2**20


def main(
    generators: Annotated[list[str] | None, typer.Argument(help="As residual-16: networks and width.")] = None,
    images: Annotated[int, typer.Option(help="In each pool.")] = 100_000,
    rounds: Annotated[int, typer.Option(help="Pools of each generator.")] = 3,
) -> None:
    """Time pools and bare forward passes in turn, and write down both."""
    rows = [row(name, images, rounds) for name in generators or GENERATORS]
    record(
        "pools",
        f"Pools of {images:,} images of {SIDE} px against the generators' own forward passes",
        rows,
        note=f"Medians of {rounds} rounds of both in turn, on {torch.get_num_threads()} threads. The bare loop has its "
        f"best batch of {', '.join(map(str, BATCHES))}, latents and labels at hand, in inference mode. Memory is the "
        "resident set of the process, libraries included: the peak up to 10 %, 50 % and 100 % of the last pool.",
        images=images,
        rounds=rounds,
    )


def row(name: str, images: int, rounds: int) -> dict[str, Any]:
    """Both rates of the generator of that name, and the memory of its last pool."""
    synth = generator(name)
    bare: dict[int, list[float]] = {batch: [] for batch in BATCHES}
    pools, peaks = [], []
    for seed in range(rounds):
        for batch, rates in bare.items():
            rates.append(forward_rate(synth, batch, images // len(BATCHES)))
        rate, peaks = pool_rate(synth, images, seed)
        pools.append(rate)
    best = max(bare, key=lambda batch: statistics.median(bare[batch]))
    ratios = [ours / theirs for ours, theirs in zip(pools, bare[best], strict=True)]
    return {
        "generator": name,
        "pool, images/s": statistics.median(pools),
        "forward, images/s": statistics.median(bare[best]),
        "ratio": statistics.median(ratios),
        "ratio, lowest to highest": [min(ratios), max(ratios)],
        "batch of the pool": synth.batch,
        "of the loop": best,
        "MiB at 10, 50, 100 %": [round(peak / MIB) for peak in peaks],
    }


def generator(name: str) -> Synthesizer:
    """The untrained generator that `name` = networks-width is."""
    nets, _, width = name.partition("-")
    classes = tuple(f"class {label}" for label in range(CLASSES))
    architecture = Architecture(name=nets, width=int(width), z_dim=Z_DIM, shape=(3, SIDE, SIDE), classes=classes)
    torch.manual_seed(0)
    return Synthesizer(architecture.build(), architecture, {}, "cpu")


def forward_rate(synth: Synthesizer, batch: int, images: int) -> float:
    """Images a second of forward passes alone, after one that warms up."""
    z, labels = torch.randn(batch, Z_DIM), torch.arange(batch) % CLASSES
    passes = max(1, images // batch)
    with torch.inference_mode():
        synth.G(z, labels)
        start = time.perf_counter()
        for _ in range(passes):
            synth.G(z, labels)
    return passes * batch / (time.perf_counter() - start)


def pool_rate(synth: Synthesizer, images: int, seed: int) -> tuple[float, list[int]]:
    """Images a second from the request to the opened pool, and the peaks of memory, bytes, at MARKS."""
    counts = [images // CLASSES + (label < images % CLASSES) for label in range(CLASSES)]
    watch = Watch(images)
    watched = copy.copy(synth)
    watched.sample = watch.over(synth.sample)  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory(prefix="ganaug-pools-") as folder:
        os.environ["GANAUG_CACHE"] = folder
        start = time.perf_counter()
        Pool.build(watched, counts, seed)
        seconds = time.perf_counter() - start
    return images / seconds, watch.peaks


class Watch:
    """The peak of memory while a pool is rendered.

    Attributes:
        peaks: Bytes at MARKS, of those that are passed.
    """

    def __init__(self, images: int):
        self.peaks: list[int] = []
        self._images, self._done, self._peak = images, 0, 0
        self._process, self._lock = psutil.Process(), Lock()

    def over(self, sample: Any) -> Any:
        """`sample`, watched."""

        def watched(labels: list[int], **options: Any) -> Any:
            result = sample(labels, **options)
            with self._lock:  # several threads render
                self._note(len(labels))
            return result

        return watched

    def _note(self, images: int) -> None:
        self._done += images
        self._peak = max(self._peak, self._process.memory_info().rss)
        passed = sum(self._done >= mark * self._images for mark in MARKS)
        self.peaks += [self._peak] * (passed - len(self.peaks))


if __name__ == "__main__":
    typer.run(main)
