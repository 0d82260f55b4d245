"""Are copies found, and nothing else? A fifth of otherwise healthy samples copy training images, or none does.

For each repetition a set of real images is cut at random into training images, held-out images, and those that stand in
for the samples of a generator without fault.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
import typer
from PIL import Image
from record import record
from scipy.stats import binomtest
from torch import Generator, Tensor

from ganaug.data import load
from ganaug.images import from_pil, to_pil
from ganaug.measures.memorization import assess_images

COPIED = 5  # one sample in so many is a copy
NOISE = 8.0  # grey levels, standard deviation
SHIFT = 2  # px at most
QUALITY = 75  # of JPEG
TRAIN, HELD_OUT, SAMPLES = 300, 150, 300  # images of each cut


def main(
    sets: Annotated[list[str] | None, typer.Argument(help="DATA; sklearn:digits where none is named.")] = None,
    repeats: Annotated[int, typer.Option(help="Cuts of each set for each kind of copy.")] = 100,
) -> None:
    """Count in how many repetitions each kind of copy is called copying, and held-out images are."""
    rows = []
    for source in sets or ["sklearn:digits"]:
        images = load(source).images
        rows += [row(Path(source).name, kind, verdicts(images, kind, repeats)) for kind in (*COPIES, None)]
    record("copies", "How often samples are called copies", rows, train=TRAIN, held_out=HELD_OUT, samples=SAMPLES)


def verdicts(images: Tensor, kind: str | None, repeats: int, sizes: tuple[int, int, int] | None = None) -> list[str]:
    """The verdict of each repetition.

    Args:
        images: uint8 [N, C, H, W], of which each repetition takes others.
        kind: A row of COPIES, or None for real images alone.
        repeats: Repetitions, the r-th with seed r.
        sizes: Training images, held-out images and samples.
    """
    return [_verdict(images, kind, seed, sizes or (TRAIN, HELD_OUT, SAMPLES)) for seed in range(repeats)]


def _verdict(images: Tensor, kind: str | None, seed: int, sizes: tuple[int, int, int]) -> str:
    generator = Generator().manual_seed(seed)
    order = torch.randperm(len(images), generator=generator)[: sum(sizes)]
    train, held_out, samples = images[order].split(sizes)
    if kind:
        n = len(samples) // COPIED
        copied = train[torch.randint(len(train), (n,), generator=generator)]
        samples = torch.cat([COPIES[kind](copied, generator), samples[n:]])
    return assess_images(train, held_out, samples, seed=seed).verdict


def noisy(images: Tensor, generator: Generator) -> Tensor:
    """With noise of 8 grey levels."""
    made = images + NOISE * torch.randn(images.shape, generator=generator)
    return made.round().clamp(0, 255).byte()


def shifted(images: Tensor, generator: Generator) -> Tensor:
    """Each by up to 2 px down and across, the border repeated."""
    height, width = images.shape[2:]
    padded = F.pad(images.float(), (SHIFT,) * 4, mode="replicate").byte()
    moves = torch.randint(2 * SHIFT + 1, (len(images), 2), generator=generator).tolist()
    return torch.stack([x[:, y : y + height, z : z + width] for x, (y, z) in zip(padded, moves, strict=True)])


def flipped(images: Tensor, generator: Generator) -> Tensor:
    """Mirrored left to right."""
    return images.flip(3)


def compressed(images: Tensor, generator: Generator) -> Tensor:
    """As JPEG of quality 75 shows them."""
    return torch.from_numpy(np.stack([_jpeg(image) for image in images.numpy()]))


def _jpeg(image: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    to_pil(image).save(buffer, "JPEG", quality=QUALITY)
    return from_pil(Image.open(buffer))


def everything(images: Tensor, generator: Generator) -> Tensor:
    """Mirrored, shifted, compressed and noisy at once."""
    for change in (flipped, shifted, compressed, noisy):
        images = change(images, generator)
    return images


COPIES: dict[str, Callable[[Tensor, Generator], Tensor]] = {
    "exact": lambda images, generator: images,
    "noise": noisy,
    "shift": shifted,
    "flip": flipped,
    "JPEG": compressed,
    "all of these": everything,
}


def row(source: str, kind: str | None, found: list[str]) -> dict[str, Any]:
    """How many were called copying, and what share of all repetitions that says, with Wilson's interval."""
    copying = found.count("copying")
    share = binomtest(copying, len(found)).proportion_ci(method="wilson")
    return {
        "set": source,
        "a fifth is copied": kind or "nothing (held-out images)",
        "repetitions": len(found),
        "called copying": copying,
        "95 %": [round(float(share.low), 3), round(float(share.high), 3)],
        "other verdicts": ", ".join(sorted(set(found) - {"copying"})) or None,
    }


if __name__ == "__main__":
    typer.run(main)
