"""Steps of our engine on made-up images: planned, built and trained as a run does it."""

from collections.abc import Iterator
from typing import Any

import torch
from measuring import Call
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ganaug.data import Batches, LabeledImages
from ganaug.descent import Progress
from ganaug.recipe import load_recipe
from ganaug.run import Plan, build, plan
from ganaug.training import GanState, Objective, train

CLASSES = 10
MANY = 10**6  # steps of a run that is never finished
SETTINGS = (f"train.steps={MANY}", "train.augment=none", "train.adapt=none")


def planned(recipe: str, *settings: str, side: int, batch: int, device: str = "cpu") -> Plan:
    """A run of a shipped recipe on noise, without augmentation."""
    todo = load_recipe(recipe, [*SETTINGS, f"train.batch_size={batch}", *settings])
    return plan(noise(side, max(5 * batch, 100 * CLASSES)), todo, device=device)


def noise(side: int, number: int) -> LabeledImages:
    """Images of ten classes that show nothing."""
    pixels = torch.randint(
        0, 256, (number, 3, side, side), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    names = tuple(map(str, range(number)))
    return LabeledImages(pixels, torch.arange(number) % CLASSES, tuple(map(str, range(CLASSES))), names, "noise")


def loop(todo: Plan, tick: int, players: tuple[GanState, Objective] | None = None) -> Iterator[Progress]:
    """Endless training; each `next` takes `tick` steps."""
    state, objective = players or build(todo)
    return train(state, batches(todo), objective, steps=MANY, tick=tick)


def batches(todo: Plan) -> Batches:
    """Of the training images."""
    t = todo.recipe.train
    return Batches(todo.train, t.batch_size or 0, t.seed, todo.device)


def flops(call: Call) -> int:
    """The products and sums of a call, counted as it runs."""
    with _Counter() as counter:
        call()
    return counter.total


class _Counter(TorchDispatchMode):
    """FlopCounterMode without its table of modules, whose hooks cannot bear views of parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        count = flop_registry.get(func.overloadpacket)
        self.total += count(*args, **(kwargs or {}), out_val=found) if count else 0
        return found
