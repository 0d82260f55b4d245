"""What a corpus on the disk costs beside the loop that one writes with PIL."""

import itertools
import shutil
from pathlib import Path

from PIL import Image
from room import CLASSES, generator, room
from rows import SPEED, Duel, Row, duel

from ganaug.corpus import write_corpus
from ganaug.synthesis import Synthesizer

SIDE, CHUNK = 32, 256  # px; images that the plain loop draws at a time


def rows(*, toy: bool = False) -> tuple[Row, ...]:
    """One row: drawing, encoding and writing; ours with sums, manifest and card."""
    images = 64 if toy else 4096
    what = f"folder corpus of {images} images, {SIDE} px: drawn, written, with sums and manifest"
    against = "synth.sample, then Image.fromarray(...).save(...) one by one: no sums"
    return (Row(what, against, 1.8, SPEED, duel(lambda: corpus_and_loop(images))),)


def corpus_and_loop(images: int) -> Duel:
    """The same images of the same generator, as PNGs in a folder a class; both return how many files there are."""
    synth, numbers = Synthesizer.load(generator(SIDE), device="cpu"), itertools.count()
    each = images // len(CLASSES)

    def ours() -> int:
        return emptied(write_corpus(synth, room() / f"corpus-{next(numbers)}", [each] * len(CLASSES)))

    def theirs() -> int:
        folder = room() / f"loop-{next(numbers)}"
        plain_loop(synth, folder, each)
        return emptied(folder)

    return Duel(ours, theirs, agrees=0)


def plain_loop(synth: Synthesizer, folder: Path, each: int) -> None:
    """The straightforward way."""
    wanted = [(label, index) for label in range(len(CLASSES)) for index in range(each)]
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
    for start in range(0, len(wanted), CHUNK):
        part = wanted[start : start + CHUNK]
        labels, indices = ([*column] for column in zip(*part, strict=True))
        images, _ = synth.sample(labels, seed=0, indices=indices)
        for (label, index), image in zip(part, images.permute(0, 2, 3, 1).numpy(), strict=True):
            Image.fromarray(image).save(folder / CLASSES[label] / f"{index:05d}.png")


def emptied(folder: Path) -> int:
    """The images of a folder, counted as it goes."""
    found = len(list(folder.glob("*/*.png")))
    shutil.rmtree(folder)
    return found
