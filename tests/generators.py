"""Small untrained generators, in memory and in folders."""

from pathlib import Path

import torch

from ganaug.synthesis import Architecture, Synthesizer

CLASSES = ("ant", "bee", "cat")


def generator(
    shape: tuple[int, int, int] = (3, 16, 16),
    classes: tuple[str, ...] = CLASSES,
    seed: int = 0,
    name: str = "residual",
) -> Synthesizer:
    architecture = Architecture(name=name, width=4, z_dim=6, shape=shape, classes=classes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        G = architecture.build()
    return Synthesizer(G, architecture, {"ganaug": "0.1.0", "data": "photos/train"}, "cpu")


def saved(folder: Path, **about: object) -> Synthesizer:
    """The same, loaded from the folder it was saved to."""
    generator(**about).save(folder)  # type: ignore[arg-type]
    return Synthesizer.load(folder, device="cpu")
