"""Where a bench keeps what it makes: a folder that goes when the process ends, with a generator and images in it."""

import tempfile
from functools import cache
from pathlib import Path

import torch

from ganaug.synthesis import Architecture, Synthesizer

CLASSES = ("ant", "bee", "cat", "dog")


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="ganaug-bench-")  # held by the cache, removed at the end


def room() -> Path:
    """The folder."""
    return Path(_folder().name)


@cache
def generator(side: int, width: int = 8) -> Path:
    """An untrained generator of 3 x side x side px: what its images show costs nothing."""
    architecture = Architecture(name="residual", width=width, z_dim=16, shape=(3, side, side), classes=CLASSES)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        G = architecture.build()
    folder = room() / f"generator-{side}-{width}"
    Synthesizer(G, architecture, {}, "cpu").save(folder)
    return folder
