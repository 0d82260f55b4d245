"""albumentations with loader workers, and one transform more: `python examples/albumentations_pipeline.py`."""

from dataclasses import dataclass
from pathlib import Path

import albumentations as A
import torch
from albumentations.pytorch import ToTensorV2
from torch import nn
from torch.utils.data import DataLoader, Dataset

import ganaug
from ganaug.data import LabeledImages, first_per_class
from ganaug.transforms.albumentations import SyntheticReplace


@dataclass
class Digits(Dataset):
    """Somebody's dataset: arrays through a pipeline that sees the label, too."""

    data: LabeledImages
    pipeline: A.Compose

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple:
        image, label = self.data[index]
        return tuple(self.pipeline(image=image.permute(1, 2, 0).numpy(), label=label).values())


def accuracy(train_set: Dataset, test: LabeledImages, epochs: int) -> float:
    """Share of the test images that a classifier gets right after so many epochs."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))
    optimizer = torch.optim.Adam(net.parameters())
    loader = DataLoader(train_set, 32, True, num_workers=2, persistent_workers=True, worker_init_fn=ganaug.seed_worker)
    for images, labels in (batch for _ in range(epochs) for batch in loader):
        loss = nn.functional.cross_entropy(net(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return float((net.eval()(test.images / 255).argmax(1) == test.labels).float().mean())


def main(steps: int = 1200, epochs: int = 40, run: Path = Path("out/digits-20")) -> None:
    """Train a generator of 20 digits a class, unless `run` holds one, and a classifier without and with it."""
    real, _ = first_per_class(ganaug.load("sklearn:digits"), 20)
    if not run.exists():
        ganaug.train(real, out=run, recipe=ganaug.load_recipe("auto", [f"train.steps={steps}"]))
    test = ganaug.load("sklearn:digits:test")
    usual = [A.Affine(rotate=(-10, 10), p=0.7), A.ToFloat(max_value=255), ToTensorV2()]
    pipelines = A.Compose(usual), A.Compose([SyntheticReplace(str(run), p=0.25), *usual])
    without, with_it = (accuracy(Digits(real, pipeline), test, epochs) for pipeline in pipelines)
    print(f"{len(real)} real digits: {without:.1%}; a quarter of each epoch synthetic: {with_it:.1%}")


if __name__ == "__main__":
    main()
