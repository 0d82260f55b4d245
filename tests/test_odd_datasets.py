"""Datasets as people really write them: whatever way they apply their transforms, real and synthetic items agree."""

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import on_disk
import pytest
import torch
from PIL import Image
from standin import label_of, synthesizer
from torch.utils.data import Dataset, DistributedSampler
from torchvision import tv_tensors
from torchvision.datasets import ImageFolder, OxfordIIITPet
from torchvision.transforms import v2

from ganaug.datasets import AugmentedDataset
from ganaug.errors import DataError

N = 12
normalised = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5] * 3, [0.5] * 3)])


def picture() -> Image.Image:
    return Image.new("RGB", (16, 16), (200, 200, 200))


class Written(Dataset):
    """The usual home-made dataset; children differ in how they transform."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def __init__(self, **attributes: Any):
        self.__dict__.update(attributes)

    def __len__(self) -> int:
        return N

    def __getitem__(self, index: int) -> Any:
        return self.changed(picture(), index % 3)

    def changed(self, image: Any, label: int) -> Any:
        return image, label


class ByTransforms(Written):
    def changed(self, image: Any, label: int) -> Any:
        return self.transforms(image) if self.transforms else image, label


class Jointly(Written):
    def changed(self, image: Any, label: int) -> Any:
        return self.transforms(image, label)


class Always(Written):
    def changed(self, image: Any, label: int) -> Any:
        return self.transform(image), self.target_transform(label)


class WithLabel(Written):
    def changed(self, image: Any, label: int) -> Any:
        result = self.transform(image=np.asarray(image), label=label)
        return result["image"], result["label"]


class Both(Written):
    def changed(self, image: Any, label: int) -> Any:
        image, label = self.transform(image, label)
        return image, label


class Closed(Written):
    @property
    def transform(self) -> None:
        return None


def same(value: Any) -> Any:
    return value


def to_ten(image: Any, label: int) -> tuple[torch.Tensor, int]:
    return normalised(image), label + 10


def pipeline(image: np.ndarray, label: int) -> dict[str, Any]:
    return {"image": torch.tensor(image).permute(2, 0, 1) / 127.5 - 1, "label": label + 10}


@pytest.mark.parametrize(
    ("real", "offset"),
    [
        (ByTransforms(transforms=normalised), 0),
        (Jointly(transforms=to_ten), 10),
        (Always(transform=normalised, target_transform=same), 0),
        (WithLabel(transform=pipeline), 10),
    ],
    ids=lambda value: type(value).__name__,
)
def test_synthetic_items_pass_once_through_whatever_the_dataset_applies(real: Any, offset: int):
    augmented = AugmentedDataset(real, synthesizer(), "append", per_class=2)
    assert [label for _, label in augmented] == [i % 3 + offset for i in range(N)] + [
        k + offset for k in (0, 0, 1, 1, 2, 2)
    ]
    for image, label in (augmented[i] for i in range(N, len(augmented))):
        assert image.shape == augmented[0][0].shape and image.dtype == torch.float32
        assert label_of((image + 1) * 127.5) == label - offset  # brightness is the class: normalised once
    assert float(augmented[0][0].mean()) == pytest.approx(200 / 127.5 - 1, abs=1e-4)


def pets(root: Path, **transforms: Any) -> OxfordIIITPet:
    """One that applies `transforms`, which torchvision makes of its two transforms."""
    base = root / "oxford-iiit-pet"
    (base / "annotations").mkdir(parents=True)
    (base / "images").mkdir()
    names = [f"{('ant', 'bee', 'cat')[i % 3]}_{i}" for i in range(N)]
    for name in names:
        picture().save(base / "images" / f"{name}.jpg")
    lines = [f"{name} {i % 3 + 1} 1 1" for i, name in enumerate(names)]
    (base / "annotations" / "trainval.txt").write_text("\n".join(lines))
    return OxfordIIITPet(str(root), **transforms)


def test_a_torchvision_set_that_applies_both_transforms_as_one_is_served_right(tmp_path: Path):
    synth = synthesizer(("Ant", "Bee", "Cat"))
    augmented = AugmentedDataset(pets(tmp_path, transform=normalised), synth, "append", per_class=2)
    assert float(augmented[0][0].mean()) == pytest.approx(200 / 127.5 - 1, abs=0.02)
    assert [label_of((augmented[i][0] + 1) * 127.5) for i in range(N, N + 6)] == [0, 0, 1, 1, 2, 2]
    augmented.transform = v2.PILToTensor()  # late: real and synthetic alike
    assert augmented[0][0].dtype == augmented[-1][0].dtype == torch.uint8


@pytest.mark.parametrize(
    ("real", "word"),
    [
        (Written(transform=normalised), "must apply its transform"),  # it has one and never uses it
        (Both(transform=to_ten), "without its transforms"),
        (Closed(), "let its transform be set"),
        ({"train": 1, "test": 2}, "one split"),
    ],
)
def test_what_cannot_be_looked_behind_is_refused_in_a_sentence(real: Any, word: str):
    with pytest.raises(DataError, match=word):
        AugmentedDataset(real, synthesizer())


def test_a_copy_may_have_another_transform():
    for real in (Always(transform=same, target_transform=same), Written()):
        train = AugmentedDataset(real, synthesizer(), "append", per_class=1)
        other = copy.copy(train)
        other.transform = normalised
        assert all(isinstance(train[i][0], Image.Image) for i in (0, -1))
        assert all(isinstance(other[i][0], torch.Tensor) for i in (0, -1))


def test_an_attribute_that_is_not_the_labels_of_the_items_is_not_believed():
    real = Written(labels=[1, 2, 0] * 4)  # items say i % 3
    augmented = AugmentedDataset(real, synthesizer(), "append", per_class=1)
    assert augmented.targets[:N] == [i % 3 for i in range(N)]


def test_classes_mean_what_class_to_idx_says(tmp_path: Path):
    for name in on_disk.NAMES:
        (tmp_path / name).mkdir()
        picture().save(tmp_path / name / "0.png")

    class Renumbered(ImageFolder):
        def find_classes(self, directory: Any) -> tuple[list[str], dict[str, int]]:
            return list(on_disk.NAMES), {"ant": 2, "bee": 0, "cat": 1}

    augmented = AugmentedDataset(Renumbered(str(tmp_path)), synthesizer(), "append", per_class=2)
    assert augmented.class_to_idx == {"ant": 2, "bee": 0, "cat": 1} and augmented.classes == ["bee", "cat", "ant"]
    assert {(label, label_of(image)) for image, label in (augmented[i] for i in range(3, 9))} == {
        (2, 0),
        (0, 1),
        (1, 2),
    }


def test_tv_tensors_stay_tv_tensors():
    class Tensors(Written):
        def changed(self, image: Any, label: int) -> Any:
            image = tv_tensors.Image(image)
            return self.transform(image) if self.transform else image, label

    to_float = v2.ToDtype({tv_tensors.Image: torch.float32, "others": None}, scale=True)
    augmented = AugmentedDataset(Tensors(transform=to_float), synthesizer(), "append", per_class=1)
    for image, _ in (augmented[0], augmented[-1]):
        assert isinstance(image, tv_tensors.Image) and image.dtype == torch.float32 and float(image.max()) <= 1


def test_one_image_in_an_odd_mode_does_not_decide():
    class Mixed(Written):
        def __getitem__(self, index: int) -> Any:
            return (picture().convert("P") if index == 0 else picture()), index % 3

    assert AugmentedDataset(Mixed(), synthesizer(), "append", per_class=1)[-1][0].mode == "RGB"


@pytest.mark.parametrize("ranks", [1, 2, 8])
def test_over_epochs_of_distributed_training_every_item_is_real_and_synthetic_by_turns(
    ranks: int, monkeypatch: pytest.MonkeyPatch
):
    """400 items, 8 epochs, a half replaced: 1.6 items never real are expected, 400 / 2^8."""
    real = torch.utils.data.TensorDataset(torch.full((400, 3, 16, 16), 200, dtype=torch.uint8), torch.arange(400) % 3)
    seen = np.zeros(400, int)
    for rank in range(ranks):
        monkeypatch.setenv("RANK", str(rank))
        augmented = AugmentedDataset(real, synthesizer(), fraction=0.5, per_class=5)
        sampler = DistributedSampler(augmented, ranks, rank)
        for epoch in range(8):
            sampler.set_epoch(epoch)
            rows = list(sampler)
            seen[rows] += [float(image.float().mean()) > 150 for image, _ in augmented.__getitems__(rows)]
    assert (seen == 0).sum() < 8 and (seen == 8).sum() < 8 and seen.mean() == pytest.approx(4, abs=0.2)


def test_a_refresh_redraws_which_items_are_replaced():
    augmented = AugmentedDataset(Written(), synthesizer(), fraction=0.5, per_class=5)
    drawn = []
    for epoch in range(6):
        augmented.refresh(epoch)
        drawn.append([augmented.is_synthetic(i) for i in range(N)])  # of the first visit
    assert len({tuple(row) for row in drawn}) == 6 and 20 < sum(map(sum, drawn)) < 52


def test_numpy_numbers_and_paths_are_taken(tmp_path: Path):
    from generators import saved

    saved(tmp_path / "generator")
    half: Any = np.float32(0.5)
    three: Any = np.int64(3)
    augmented = AugmentedDataset(Written(), str(tmp_path / "generator"), fraction=half, seed=three)
    augmented.refresh(three)
    assert len(augmented) == N
    with pytest.raises(DataError, match=r"whole number of 1 or more, got 1\.5"):
        AugmentedDataset(Written(), synthesizer(), per_class=1.5)  # type: ignore[arg-type]


def test_a_path_of_another_dataset_is_refused_and_one_of_another_epoch_is_not():
    real = ByTransforms(transforms=None, samples=[("a.png", 0)] * N)
    augmented = AugmentedDataset(real, synthesizer(), "append", per_class=2)
    path, image = augmented.samples[-1][0], augmented[-1][0]
    augmented.refresh(1)
    assert augmented.samples[-1][0] != path and augmented.loader(path) == image
    other = AugmentedDataset(real, synthesizer(), "append", per_class=2, seed=1)
    with pytest.raises(DataError, match="must be one of this dataset's samples"):
        other.loader(path)


def test_a_deep_copy_shares_a_generator_in_memory():
    augmented = copy.deepcopy(AugmentedDataset(Written(), synthesizer(), "append", serving="worker"))
    assert label_of(augmented[-1][0]) == 2
