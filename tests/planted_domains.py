"""Two domains of digits and translators between them whose effect is known: no network, but what is set by hand."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganaug.data import LabeledImages, first_per_class
from ganaug.recipe import Recipe, load_recipe
from ganaug.study import measure_translation
from ganaug.synthesis.translator import Architecture, Translator

Look = Callable[[Tensor], Tensor]  # float images in [-1, 1]
EASY = (0, 1, 4, 6)  # digits that a small classifier never mixes up
QUICK = ("measure.steps=6", "measure.encoder=random")


class Planted(nn.Module):
    """A translation that was not learned."""

    def __init__(self, look: Look):
        super().__init__()
        self.look, self.weight = look, nn.Parameter(torch.ones(1))

    def forward(self, images: Tensor, z: Tensor, origin: tuple[int, int] = (0, 0)) -> Tensor:
        return self.look(images)


def translator(
    there: Look, back: Look | None = None, *, channels: tuple[int, int] = (1, 1), noise: int = 0, **provenance: Any
) -> Translator:
    ways = {"AB": there} | ({} if back is None else {"BA": back})
    architecture = Architecture(
        **{"name": "resnet", "width": 4, "noise_dim": noise, "downs": 0, "blocks": 0},
        **{"channels": channels, "sides": (8, 8), "directions": tuple(ways)},
    )
    return Translator(nn.ModuleDict({way: Planted(look) for way, look in ways.items()}), architecture, provenance)


def negative(x: Tensor) -> Tensor:
    """Dark on bright: what no change of contrast that keeps order can do."""
    return -x


def faded(x: Tensor) -> Tensor:
    """A seventh of the contrast."""
    return x / 7


def looking(data: LabeledImages, look: Look) -> LabeledImages:
    """The same digits in another domain."""
    images = ((look(data.images.float() / 127.5 - 1) + 1) * 127.5).round().clamp(0, 255).byte()
    return replace(data, images=images, source=f"{data.source}, {look.__name__}")


def some_classes(data: LabeledImages, digits: tuple[int, ...] = EASY) -> LabeledImages:
    """The images of a few digits, numbered anew."""
    kept = data.subset(torch.isin(data.labels, torch.tensor(digits)).nonzero().squeeze(1))
    labels = torch.tensor([digits.index(y) for y in kept.targets])
    return replace(kept, labels=labels, classes=tuple(map(str, digits)))


def domains(train: LabeledImages, test: LabeledImages, look: Look, each: int = 40) -> dict[str, Any]:
    """A, B of other digits, and B's test images; `each` images of each class."""
    a, rest = first_per_class(some_classes(train), each)
    b, _ = first_per_class(rest, each)
    return {"a": a, "b": looking(b, look), "test": looking(some_classes(test), look)}


def quick(*settings: str) -> Recipe:
    return load_recipe("auto", [*QUICK, *settings])


def studied(
    model: Translator | Path, out: Path, *, seeds: int = 2, recipe: Recipe | None = None, **keys: Any
) -> dict[str, Any]:
    return measure_translation(model, out=out, seeds=seeds, recipe=recipe or quick(), device="cpu", n_jobs=1, **keys)
