"""What a pool of rendered images costs beside the generator's own forward pass."""

import itertools

import torch
from measuring import Call
from room import CLASSES, generator
from rows import SPEED, Duel, Row, duel

from ganaug.synthesis import Synthesizer
from ganaug.synthesis.pool import Pool

SIDE, WIDTH, BATCH = 32, 16, 32  # px; channels, as on a CPU by default; images of a pass


def rows(*, toy: bool = False) -> tuple[Row, ...]:
    """One row, in images a second."""
    images = 64 if toy else 4096
    what, against = (
        f"a pool of {images} images, {SIDE} px, on the disk",
        f"forward passes of its G, {BATCH} images each",
    )
    return (Row(what, against, 0.9, SPEED, duel(lambda: pool_and_passes(images))),)


def pool_and_passes(images: int) -> Duel:
    """A pool that is not there yet, and the same number of images that nobody looks at."""
    synth, seeds = Synthesizer.load(generator(SIDE, WIDTH), device="cpu"), itertools.count()
    counts = [images // len(CLASSES)] * len(CLASSES)

    def build() -> None:
        pool = Pool.build(synth, counts, seed=next(seeds))
        for file in (pool.path, pool.path.with_suffix(".json")):
            file.unlink()

    return Duel(build, passes(synth, images))


def passes(synth: Synthesizer, images: int) -> Call:
    """Of a generator alone."""
    z, labels = torch.randn(BATCH, synth.architecture.z_dim), torch.arange(BATCH) % len(CLASSES)

    def call() -> None:
        with torch.inference_mode():
            for _ in range(images // BATCH):
                synth.G(z, labels)

    return call
