"""What serving costs beside what a loop does anyway: a flip, a PNG, a loader without the wrapper."""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import Call
from PIL import Image
from room import CLASSES, generator, room
from rows import SPEED, Duel, Row, duel

from ganaug.datasets import AugmentedDataset, SyntheticDataset
from ganaug.synthesis import Synthesizer

ITEMS, SIDES, OWED_AT = 1024, (32, 64, 224), 32  # px; larger images are recorded beside
DIFFERENT = 64  # images that there are
WORKERS, BATCH = 2, 64


def rows(*, toy: bool = False) -> tuple[Row, ...]:
    """Transform, item and loader, for images of several sizes."""
    items, sides = (DIFFERENT, (32,)) if toy else (ITEMS, SIDES)
    return tuple(
        Row(
            *(f"{items} x {what}, {side} px", peer, owed if side == OWED_AT else None, SPEED),
            duel(partial(prepare, side, items)),
        )
        for side in sides
        for what, peer, owed, prepare in CONTESTS
    )


@cache
def images(side: int) -> np.ndarray:
    """Photograph-like noise, uint8 [64, side, side, 3]: coarse shapes with fine grain on top."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 200, (DIFFERENT, side // 8, side // 8, 3)).repeat(8, 1).repeat(8, 2)
    return (coarse + rng.integers(0, 55, coarse.shape)).astype(np.uint8)


@cache
def folder(side: int, items: int) -> Path:
    """So many images as PNGs in a folder a class."""
    root = room() / f"images-{side}-{items}" / "train"
    for i in range(items):
        path = root / CLASSES[i % len(CLASSES)] / f"{i:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images(side)[i % DIFFERENT]).save(path)
    return root


def replace_and_flip(side: int, items: int) -> Duel:
    """`SyntheticReplace` from the pool and `A.HorizontalFlip`, each alone in a Compose, always applied."""
    import albumentations as A

    from ganaug.transforms.albumentations import SyntheticReplace

    def through(pipeline: Callable[..., Any]) -> Call:
        def call() -> None:
            for i in range(items):
                pipeline(image=images(side)[i % DIFFERENT], label=i % len(CLASSES))

        return call

    replace = A.Compose([SyntheticReplace(str(generator(side)), p=1.0, per_class=100)])
    return Duel(through(replace), through(A.Compose([A.HorizontalFlip(p=1.0)])))


def pool_and_png(side: int, items: int) -> Duel:
    """An item of a synthetic dataset, and the decoding of one PNG of that size, both to PIL images."""
    pooled = SyntheticDataset(Synthesizer.load(generator(side), device="cpu"), items // len(CLASSES))
    files = sorted(folder(side, items).rglob("*.png"))

    def decode() -> None:
        for path in files:
            Image.open(path).convert("RGB").load()

    return Duel(lambda: [pooled[i] for i in range(items)], decode)


def loader_of_files(side: int, items: int) -> Duel:
    """An epoch of an image folder through two workers, a quarter of it synthetic, and the same without the wrapper."""
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    to_float = v2.Compose([v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)])
    return with_and_without(ImageFolder(str(folder(side, items)), to_float), side)


def loader_of_tensors(side: int, items: int) -> Duel:
    """The same of images that are in memory, where nothing hides what the wrapper costs."""
    from torch.utils.data import TensorDataset

    held = torch.from_numpy(images(side)).permute(0, 3, 1, 2).repeat(items // DIFFERENT, 1, 1, 1).contiguous()
    return with_and_without(TensorDataset(held, torch.arange(items) % len(CLASSES)), side)


def with_and_without(bare: Any, side: int) -> Duel:
    """A dataset in the wrapper, and bare."""
    from torch.utils.data import DataLoader

    synth = Synthesizer.load(generator(side), device="cpu")

    def epoch(dataset: Any) -> Call:
        loader = DataLoader(dataset, BATCH, shuffle=True, num_workers=WORKERS, persistent_workers=True)
        return lambda: [len(labels) for _, labels in loader]

    return Duel(epoch(AugmentedDataset(bare, synth, fraction=0.25, per_class=100)), epoch(bare))


CONTESTS: tuple[tuple[str, str, float | None, Callable[[int, int], Duel]], ...] = (
    ("SyntheticReplace from the pool", "A.HorizontalFlip", 0.5, replace_and_flip),
    ("item of the pool", "decoding one PNG", 1.0, pool_and_png),
    ("item of a wrapped ImageFolder, 2 workers", "the same without", 0.95, loader_of_files),
    ("item of wrapped tensors, 2 workers", "the same without", None, loader_of_tensors),
)
