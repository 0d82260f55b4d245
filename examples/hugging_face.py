"""A loop on `datasets`, rare digits filled up to the frequent ones: `python examples/hugging_face.py`."""

from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import ClassLabel, Dataset, Features, Image
from sklearn.metrics import balanced_accuracy_score
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

import ganaug
from ganaug.data import LabeledImages

FEATURES = Features({"image": Image(), "label": ClassLabel(names=list("0123456789"))})
COUNTS = [40, 40, 40, 40, 40, 8, 8, 8, 8, 8]  # images of each digit


def uneven(data: LabeledImages) -> LabeledImages:
    """The first COUNTS images of each class."""
    return data.subset(np.concatenate([np.flatnonzero(data.labels == k)[:n] for k, n in enumerate(COUNTS)]).tolist())


def accuracy(train: Dataset, test: LabeledImages, steps: int) -> float:
    """Mean share of each class's test images that a classifier gets right after so many steps."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 256), nn.ReLU(), nn.Dropout(0.3), nn.Linear(256, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    rows: Any = train.with_format("torch")
    loader = DataLoader(rows, batch_size=32, shuffle=True)
    for batch in islice(chain.from_iterable(repeat(loader)), steps):
        loss = cross_entropy(net(batch["image"] / 255), batch["label"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return float(balanced_accuracy_score(test.labels, net.eval()(test.images / 255).argmax(1)))


def main(gan_steps: int = 1200, steps: int = 600, run: Path = Path("out/digits-uneven")) -> None:
    """Train a generator of unbalanced digits, unless `run` holds one, and a classifier without and with it."""
    few, test = uneven(ganaug.load("sklearn:digits")), ganaug.load("sklearn:digits:test")
    if not run.exists():
        ganaug.train(few, out=run, recipe=ganaug.load_recipe("auto", [f"train.steps={gan_steps}"]))
    train = Dataset.from_dict({"image": list(few.images[:, 0].numpy()), "label": few.targets}, features=FEATURES)
    even = ganaug.hf.augment(train, ganaug.Synthesizer.load(run), mode="balance")  # the line
    print(f"{len(train)} rows: balanced accuracy {accuracy(train, test, steps):.1%}; ", end="")
    print(f"{len(even)} rows, as many of each digit: {accuracy(even, test, steps):.1%}")


if __name__ == "__main__":
    main()
