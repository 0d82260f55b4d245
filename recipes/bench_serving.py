"""What serving costs beside what a loop does anyway: a flip, a PNG, a loader without the wrapper."""

import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ganaug.datasets import AugmentedDataset
from ganaug.synthesis import Architecture, Synthesizer

Call = Callable[[], Any]
ITEMS, CLASSES = 1024, ("ant", "bee", "cat", "dog")
WORKERS, BATCH = 2, 64


ROOM = tempfile.TemporaryDirectory(prefix="ganaug-bench-")  # removed when the process ends
os.environ["GANAUG_CACHE"] = ROOM.name


@cache
def generator(side: int) -> Path:
    """An untrained generator of 3 x side x side px; what its images show costs nothing."""
    architecture = Architecture(name="residual", width=8, z_dim=16, shape=(3, side, side), classes=CLASSES)
    torch.manual_seed(0)
    folder = Path(ROOM.name) / f"generator-{side}"
    Synthesizer(architecture.build(), architecture, {}, "cpu").save(folder)
    return folder


@cache
def images(side: int) -> np.ndarray:
    """Photograph-like noise, uint8 [64, side, side, 3]: coarse shapes with fine grain on top."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 200, (64, side // 8, side // 8, 3)).repeat(8, 1).repeat(8, 2)
    return (coarse + rng.integers(0, 55, coarse.shape)).astype(np.uint8)


@cache
def folder(side: int) -> Path:
    """ITEMS images as PNGs in a folder a class."""
    root = Path(ROOM.name) / f"images-{side}" / "train"
    for i in range(ITEMS):
        path = root / CLASSES[i % len(CLASSES)] / f"{i:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images(side)[i % 64]).save(path)
    return root


def replace_and_flip(side: int) -> Callable[[], tuple[Call, Call]]:
    """`SyntheticReplace` from the pool and `A.HorizontalFlip`, each alone in a Compose, always applied."""

    def prepare() -> tuple[Call, Call]:
        import albumentations as A

        from ganaug.transforms.albumentations import SyntheticReplace

        ours = A.Compose([SyntheticReplace(str(generator(side)), p=1.0, per_class=100)])
        theirs = A.Compose([A.HorizontalFlip(p=1.0)])

        def through(pipeline: Any) -> Call:
            def call() -> None:
                for i in range(ITEMS):
                    pipeline(image=images(side)[i % 64], label=i % len(CLASSES))

            return call

        return through(ours), through(theirs)

    return prepare


def pool_and_png(side: int) -> Callable[[], tuple[Call, Call]]:
    """An item of a synthetic dataset, and the decoding of one PNG of that size, both to PIL images."""

    def prepare() -> tuple[Call, Call]:
        from ganaug.datasets import SyntheticDataset

        pooled = SyntheticDataset(Synthesizer.load(generator(side), device="cpu"), ITEMS // len(CLASSES))
        files = sorted(folder(side).rglob("*.png"))

        def decode() -> None:
            for path in files:
                Image.open(path).convert("RGB").load()

        return lambda: [pooled[i] for i in range(ITEMS)], decode

    return prepare


def loader_with_and_without(side: int, files: bool = True) -> Callable[[], tuple[Call, Call]]:
    """An epoch through two workers, a quarter of it synthetic, and the same without the wrapper; or all in memory."""

    def prepare() -> tuple[Call, Call]:
        from torch.utils.data import DataLoader, TensorDataset
        from torchvision.datasets import ImageFolder
        from torchvision.transforms import v2

        to_float = v2.Compose([v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)])
        held = torch.from_numpy(images(side)).permute(0, 3, 1, 2).repeat(ITEMS // 64, 1, 1, 1).contiguous()
        bare = ImageFolder(str(folder(side)), to_float) if files else TensorDataset(held, torch.arange(ITEMS) % 4)
        ours = AugmentedDataset(bare, Synthesizer.load(generator(side), device="cpu"), fraction=0.25, per_class=100)

        def epoch(dataset: Any) -> Call:
            loader = DataLoader(dataset, BATCH, shuffle=True, num_workers=WORKERS, persistent_workers=True)
            return lambda: [len(labels) for _, labels in loader]

        return epoch(ours), epoch(bare)

    return prepare
