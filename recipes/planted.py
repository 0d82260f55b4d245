"""What `ganaug measure` says of corpora whose worth is known beforehand, on real images.

For each set, a few images of each class are trained on; others are validation, test, and the stuff that corpora are
planted from: held-out real images, jittered copies of the training images, every label wrong, one image a class
repeated, noise.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from record import record

from ganaug.data import LabeledImages, first_per_class, load
from ganaug.measures.design import jittered
from ganaug.recipe import load_recipe
from ganaug.study import measure

HELD_OUT, COPIES, WRONG, ONE, NOISE = (
    "held-out real images",
    "jittered training copies",
    "every label wrong",
    "one image a class repeated",
    "noise",
)
LARGEST = 0.7  # the share at which harm must show
MOST = 300  # images of a class that a set gives to a corpus


def main(
    sets: Annotated[list[str] | None, typer.Argument(help="DATA; sklearn:digits where none is named.")] = None,
    per_class: Annotated[int, typer.Option(help="Training images of each class.")] = 30,
    resolution: Annotated[int, typer.Option(help="Longest side of the images; 0: as they are.")] = 0,
    seeds: Annotated[int, typer.Option(help="Paired classifiers per arm.")] = 6,
    steps: Annotated[int, typer.Option(help="Optimiser steps of every classifier.")] = 200,
) -> None:
    """Measure the planted corpora of each set, and say whether every verdict is the right one."""
    rows = []
    for source in sets or ["sklearn:digits"]:
        data = load(source, resolution=resolution or None)
        for name, plant in PLANTS.items():
            rows.append(row(Path(source).name, name, judge(data, plant, per_class, seeds, steps)))
    record("planted", "Verdicts on planted corpora", rows, seeds=seeds, steps=steps, per_class=per_class)


def judge(
    data: LabeledImages,
    plant: Callable[[LabeledImages, LabeledImages], tuple[torch.Tensor, torch.Tensor]],
    per_class: int,
    seeds: int,
    steps: int,
) -> dict[str, Any]:
    """The content of measure.json for a corpus planted from `data`."""
    train, rest = first_per_class(data, per_class)
    val, rest = first_per_class(rest, min(50, int(rest.counts.min()) // 4))
    test, spare = first_per_class(rest, int(rest.counts.min()) // 2 if int(rest.counts.min()) < 200 else 100)
    spare, _ = first_per_class(spare, MOST)
    images, labels = plant(train, spare)
    names = tuple(f"planted {i}" for i in range(len(labels)))
    corpus = LabeledImages(images, labels, data.classes, names, source="planted")
    recipe = load_recipe("auto", [f"measure.steps={steps}", f"measure.fractions=[0.25, {LARGEST}]"])
    with tempfile.TemporaryDirectory() as folder:
        return measure(corpus, train=train, val=val, test=test, out=Path(folder) / "report", seeds=seeds, recipe=recipe)


def held_out(train: LabeledImages, spare: LabeledImages) -> tuple[torch.Tensor, torch.Tensor]:
    """Real images that nothing else of the study holds."""
    return spare.images, spare.labels


def copies(train: LabeledImages, spare: LabeledImages) -> tuple[torch.Tensor, torch.Tensor]:
    """Each training image five times, shifted by up to a pixel and noisy."""
    made = [jittered((train.images, train.labels), seed) for seed in range(5)]
    return torch.cat([images for images, _ in made]), torch.cat([labels for _, labels in made])


def wrong(train: LabeledImages, spare: LabeledImages) -> tuple[torch.Tensor, torch.Tensor]:
    """Real images under the names of the next class."""
    return spare.images, (spare.labels + 1) % spare.num_classes


def one(train: LabeledImages, spare: LabeledImages) -> tuple[torch.Tensor, torch.Tensor]:
    """One real image of each class, over and over."""
    first = torch.stack([(spare.labels == k).nonzero()[0, 0] for k in range(spare.num_classes)])
    return spare.images[first].repeat(100, 1, 1, 1), spare.labels[first].repeat(100)


def noise(train: LabeledImages, spare: LabeledImages) -> tuple[torch.Tensor, torch.Tensor]:
    """Uniform noise under the labels of real images."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, spare.images.shape, generator=generator, dtype=torch.uint8), spare.labels


PLANTS = {HELD_OUT: held_out, COPIES: copies, WRONG: wrong, ONE: one, NOISE: noise}
RIGHT: dict[str, Callable[[dict[str, Any]], bool]] = {
    HELD_OUT: lambda r: r["verdict"] != "hurts" and r["memorisation"] == "healthy",
    COPIES: lambda r: r["verdict"] != "helps" and r["memorisation"] == "copying" and not r["use"],
    WRONG: lambda r: (
        r["verdict"] != "helps" and r["at 70 %"] == "hurts" and not r["use"] and r["GAN-train"] <= r["chance"]
    ),
    ONE: lambda r: r["verdict"] != "helps" and r["memorisation"] in ("shrunken", "copying") and not r["use"],
    NOISE: lambda r: r["verdict"] != "helps" and r["memorisation"] != "healthy" and not r["use"],
}


def row(source: str, corpus: str, result: dict[str, Any]) -> dict[str, Any]:
    """The findings that matter here, and whether they are right."""
    headline, classes = result["gain"]["headline"], result["data"]["classes"]
    largest = next(arm for arm in result["gain"]["arms"] if arm["fraction"] == LARGEST)
    found = {
        "set": source,
        "corpus": corpus,
        "share": headline["fraction"],
        "points": 100 * headline["delta"],
        "95 %": [100 * end for end in headline["ci"]],
        "verdict": headline["verdict"],
        "at 70 %": largest["verdict"],
        "use": result["recommendation"]["use"],
        "GAN-train": result["cas"]["gan_train"],
        "real": result["cas"]["real"],
        "chance": 1 / len(classes),
        "memorisation": result["memorization"]["verdict"],
        "test images": result["data"]["test"],
    }
    return found | {"right": RIGHT[corpus](found)}


if __name__ == "__main__":
    typer.run(main)
