"""A plain torch loop with one line changed: `python examples/torch_loop.py`."""

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

import ganaug
from ganaug.data import LabeledImages, first_per_class


def network() -> nn.Module:
    """A small classifier of 8 x 8 px digits."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(64 * 16, 10),
    )  # fmt: skip


def accuracy(train_set: Any, test: LabeledImages, epochs: int) -> float:
    """Share of the test images that a classifier gets right after so many epochs."""
    torch.manual_seed(0)
    net = network()
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    for _ in range(epochs):
        for images, labels in DataLoader(train_set, batch_size=32, shuffle=True):
            loss = cross_entropy(net(images / 255), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        return float((net(test.images / 255).argmax(1) == test.labels).float().mean())


def main(steps: int = 1200, epochs: int = 40, run: Path = Path("out/digits-20")) -> None:
    """Train a generator of 20 digits a class, unless `run` holds one, and a classifier without and with it."""
    real, _ = first_per_class(ganaug.load("sklearn:digits"), 20)
    test = ganaug.load("sklearn:digits:test")
    if not run.exists():
        ganaug.train(real, out=run, recipe=ganaug.load_recipe("auto", [f"train.steps={steps}"]))
    synth = ganaug.Synthesizer.load(run)

    augmented = ganaug.AugmentedDataset(real, synth, mode="replace", fraction=0.25)  # the line
    without, with_it = (accuracy(train_set, test, epochs) for train_set in (real, augmented))
    print(f"{len(real)} real digits: {without:.1%}; a quarter of each epoch synthetic: {with_it:.1%}")
    print("One seed each says little: `ganaug measure` says whether that is a gain.")


if __name__ == "__main__":
    main()
