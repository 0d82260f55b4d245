"""Ten kinds of datasets, five things that training code does with them: every one works with the wrapper as without."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import on_disk
import pytest
import torch
from PIL import Image
from sklearn.model_selection import train_test_split
from standin import synthesizer
from torch.utils.data import DataLoader, Subset, WeightedRandomSampler, default_collate
from torchvision.datasets import MNIST, Flowers102
from torchvision.transforms import v2

from ganaug.datasets import AugmentedDataset

SHAPES = {"MNIST": (1, 28, 28)}
CLASSES = {"MNIST": MNIST.classes, "SVHN": [*"0123456789"], "Flowers102": Flowers102.classes}
to_float = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
every_kind = pytest.mark.parametrize("kind", on_disk.KINDS)


@pytest.fixture
def augmented(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AugmentedDataset:
    """Two thirds real, one third synthetic, without a transform."""
    synth = synthesizer(tuple(CLASSES.get(kind, on_disk.NAMES)), SHAPES.get(kind, (3, 32, 32)))
    real = on_disk.make(kind, tmp_path, monkeypatch)
    return AugmentedDataset(real, synth, mode="append", fraction=0.5)


def parts(batch: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Images and labels of a batch, be it a pair or a dict of columns."""
    return (batch["image"], batch["label"]) if isinstance(batch, dict) else tuple(batch)


@every_kind
def test_a_loader_serves_every_item_once_with_its_target(augmented: AugmentedDataset, kind: str):
    augmented.transform = to_float
    batches = [parts(batch) for batch in DataLoader(augmented, batch_size=5)]
    images, labels = torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches])
    assert len(labels) == len(augmented) == round(1.5 * augmented.real_items) and labels.tolist() == augmented.targets
    assert images.shape == (len(labels), *SHAPES.get(kind, (3, 32, 32))) and labels.dtype == torch.int64
    bright = images.mean((1, 2, 3)) * 255
    expected = bright[: augmented.real_items] if kind != "FakeData" else torch.tensor([on_disk.REAL])
    assert (expected - on_disk.REAL).abs().max() < 2
    synthetic = images[augmented.real_items :].mean((1, 2, 3)) * 255  # the stand-in's brightness is its class
    assert ((synthetic - 19.5) / 30).round().int().tolist() == augmented.targets[augmented.real_items :]


@every_kind
def test_cutmix_takes_a_collated_batch(augmented: AugmentedDataset, kind: str):
    augmented.transform = to_float
    cutmix = v2.CutMix(num_classes=len(augmented.classes))
    loader = DataLoader(augmented, 6, shuffle=True, collate_fn=lambda items: cutmix(default_collate(items)))
    images, labels = parts(next(iter(loader)))
    assert labels.shape == (6, len(augmented.classes)) and torch.allclose(labels.sum(1), torch.ones(6))
    assert images.shape[0] == 6 and images.dtype == torch.float32


@every_kind
def test_a_stratified_split_keeps_the_shares_and_its_subsets_serve(augmented: AugmentedDataset, kind: str):
    rows = np.arange(len(augmented))
    train, held = map(list, train_test_split(rows.tolist(), test_size=12, stratify=augmented.targets, random_state=0))
    shares = Counter(augmented.targets[i] for i in held)
    expected = {label: 12 * n / len(rows) for label, n in Counter(augmented.targets).items()}
    assert all(abs(shares[label] - n) <= 1 for label, n in expected.items())
    augmented.transform = to_float
    _, labels = parts(next(iter(DataLoader(Subset(augmented, train), len(train)))))
    assert labels.tolist() == [augmented.targets[i] for i in train]


@every_kind
def test_a_weighted_sampler_evens_the_classes_out(augmented: AugmentedDataset, kind: str):
    augmented.transform = to_float
    counts = Counter(augmented.targets)
    weights = [1 / counts[y] for y in augmented.targets]
    sampler = WeightedRandomSampler(weights, 300, generator=torch.Generator().manual_seed(0))
    labels = torch.cat([parts(batch)[1] for batch in DataLoader(augmented, 50, sampler=sampler)])
    assert min(Counter(labels.tolist()).values()) > 250 / len(counts)


@every_kind
def test_a_transform_set_late_and_a_collate_of_arrays_as_timm_has_them(augmented: AugmentedDataset, kind: str):
    def to_array(image: Image.Image) -> np.ndarray:
        return np.moveaxis(np.atleast_3d(np.asarray(image)), -1, 0)

    def fast_collate(items: list[Any]) -> tuple[torch.Tensor, torch.Tensor]:
        pairs = [parts(item) for item in items]
        assert all(type(y) is int for _, y in pairs)
        return torch.from_numpy(np.stack([x for x, _ in pairs])), torch.tensor([y for _, y in pairs])

    loader = DataLoader(augmented, 7, collate_fn=fast_collate, drop_last=True)
    augmented.transform = to_array  # after the loader was made
    images, labels = zip(*loader, strict=True)
    assert {x.dtype for x in images} == {torch.uint8} and {len(x) for x in images} == {7}
    assert torch.cat(labels).tolist() == augmented.targets[: 7 * len(labels)]
