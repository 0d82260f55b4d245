"""Random numbers in loader workers: other ones in each worker and epoch, the same on a rerun."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from generators import saved
from shown import EACH
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

import ganaug
from ganaug.transforms.albumentations import SyntheticMix, SyntheticReplace
from ganaug.transforms.torchvision import SyntheticMix as BatchMix

A = pytest.importorskip("albumentations")
PICTURE = np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)
METHODS = ["fork", pytest.param("spawn", marks=pytest.mark.slow)]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "generator"
    saved(folder)
    return folder


class Augmented(Dataset[Tensor]):
    """48 times the same picture through a pipeline: with two workers and batches of 24, one batch from each."""

    def __init__(self, pipeline: Any):
        self.pipeline = pipeline

    def __len__(self) -> int:
        return 48

    def __getitem__(self, index: int) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(self.pipeline(image=PICTURE, label=0)["image"]))


def ours(source: Path) -> Any:
    """Our transforms alone, inside a seeded pipeline."""
    return A.Compose([SyntheticReplace(source, p=0.5, per_class=EACH), mix(source), mix(source)], seed=137)


def whole(source: Path) -> Any:
    """Others between ours."""
    return A.Compose([SyntheticReplace(source, p=0.3, per_class=EACH), A.HorizontalFlip(), A.Transpose(), mix(source)])


def mix(source: Path) -> SyntheticMix:
    return SyntheticMix(source, num_classes=3, method="either", p=0.5, per_class=EACH)


def epochs(
    pipeline: Any, method: str, persistent: bool, seed: int, count: int = 2, **options: Any
) -> list[list[bytes]]:
    """The batches of each epoch, each as bytes: worker 0's, then worker 1's."""
    torch.manual_seed(seed)
    loader = DataLoader(
        Augmented(pipeline), 24, num_workers=2, multiprocessing_context=method, persistent_workers=persistent, **options
    )
    return [[batch.numpy().tobytes() for batch in loader] for _ in range(count)]


@pytest.mark.parametrize("persistent", [True, False])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["ours without seed_worker", "all with seed_worker"])
def test_streams_differ_between_workers_and_epochs_and_repeat(source: Path, kind: str, method: str, persistent: bool):
    with_seed = kind == "all with seed_worker"
    options: dict[str, Any] = {"worker_init_fn": ganaug.seed_worker} if with_seed else {}
    make = whole if with_seed else ours
    one = epochs(make(source), method, persistent, 5, **options)
    again = epochs(make(source), method, persistent, 5, count=2 if method == "fork" else 1, **options)
    assert len({batch for epoch in one for batch in epoch}) == 4 and one[: len(again)] == again


def test_another_seed_gives_other_streams_and_without_workers_the_pipelines_own_seed_counts(source: Path):
    one, other = (epochs(ours(source), "fork", False, seed) for seed in (5, 6))
    assert len({batch for epoch in one + other for batch in epoch}) == 8
    first, second = (torch.stack(list(DataLoader(Augmented(ours(source)), 24))) for _ in range(2))
    assert torch.equal(first, second) and not torch.equal(first[0], first[1])


class Numbers(Dataset[Tensor]):
    """What the transforms of a pipeline draw."""

    def __init__(self, transforms: list[Any]):
        self.transforms = transforms

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> Tensor:
        for transform in self.transforms:
            transform(image=PICTURE, label=0)
        return torch.tensor([transform.py_random.random() for transform in self.transforms])


def seed_ourselves(transforms: list[Any], worker: int) -> None:
    for transform in transforms:
        transform.set_random_state(np.random.default_rng(worker), random.Random(worker))


def test_two_transforms_of_one_kind_draw_other_numbers_and_a_state_set_in_the_worker_stays(source: Path):
    transforms = [mix(source), mix(source)]
    drawn = torch.cat(list(DataLoader(Numbers(transforms), 4, num_workers=2)))
    assert len(drawn.unique()) == 16

    def start(worker: int) -> None:
        seed_ourselves(transforms, worker)

    for twins in DataLoader(Numbers(transforms), 4, num_workers=2, worker_init_fn=start):
        assert torch.equal(twins[:, 0], twins[:, 1])  # both had the same state


class Batches(Dataset[Tensor]):
    """48 mixed pictures through torchvision's."""

    def __init__(self, transform: Any):
        self.transform = transform

    def __len__(self) -> int:
        return 48

    def __getitem__(self, index: int) -> Tensor:
        return self.transform(torch.from_numpy(PICTURE).permute(2, 0, 1), 0)[0]


@pytest.mark.parametrize("persistent", [True, False])
@pytest.mark.parametrize("serving", ["pool", "batch"])
def test_torchvisions_streams_differ_and_repeat_too(source: Path, serving: str, persistent: bool):
    def twice() -> list[bytes]:
        torch.manual_seed(5)
        transform = BatchMix(source, num_classes=3, method="either", per_class=EACH, serving=serving)
        loader = DataLoader(Batches(transform), 24, num_workers=2, persistent_workers=persistent)
        return [batch.numpy().tobytes() for _ in range(2) for batch in loader]

    one, again = twice(), twice()
    assert len(set(one)) == 4 and one == again
