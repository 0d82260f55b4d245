"""RandAugment, CutMix, and synthetic partners beside it: `python examples/torchvision_recipe.py`."""

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset, default_collate
from torchvision.transforms import v2

import ganaug
from ganaug.data import LabeledImages, first_per_class
from ganaug.transforms.torchvision import SyntheticMix


def accuracy(train_set: Dataset, test: LabeledImages, mix: Any, epochs: int) -> float:
    """Share of the test images that a classifier gets right after so many epochs."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(64 * 16, 10),
    )  # fmt: skip
    loader = DataLoader(train_set, 32, shuffle=True, collate_fn=lambda items: mix(*default_collate(items)))
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, epochs * len(loader))
    for _ in range(epochs):
        for images, labels in loader:
            loss = cross_entropy(net(images), labels, label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        return float((net(test.images / 255).argmax(1) == test.labels).float().mean())


def main(steps: int = 1200, epochs: int = 40, run: Path = Path("out/digits-20")) -> None:
    """Train a generator of 20 digits a class, unless `run` holds one, and a classifier without and with it."""
    real, _ = first_per_class(ganaug.load("sklearn:digits"), 20)
    if not run.exists():
        ganaug.train(real, out=run, recipe=ganaug.load_recipe("auto", [f"train.steps={steps}"]))
    synth, test = ganaug.Synthesizer.load(run), ganaug.load("sklearn:digits:test")

    train_set = ganaug.AugmentedDataset(real, synth, mode="replace", fraction=0.0)
    train_set.transform = v2.Compose([v2.RandAugment(magnitude=5), v2.ToDtype(torch.float32, scale=True)])
    cutmix, ours = v2.CutMix(num_classes=10), SyntheticMix(synth, num_classes=10, method="cutmix")
    without, with_it = (accuracy(train_set, test, mix, epochs) for mix in (cutmix, v2.RandomChoice([cutmix, ours])))
    print(f"{len(real)} real digits, RandAugment and CutMix: {without:.1%}; synthetic partners too: {with_it:.1%}")
    print("One seed each says little: `ganaug measure` says whether that is a gain.")


if __name__ == "__main__":
    main()
