"""Validation and test sets are refused at the door, with a way past; training sets are not."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import on_disk
import pytest
import torch
from PIL import Image
from standin import synthesizer
from torch.utils.data import Subset
from torchvision.datasets import MNIST, FakeData, ImageFolder

from ganaug.data import LabeledImages
from ganaug.datasets import AugmentedDataset
from ganaug.errors import DataError
from ganaug.synthesis.held_out import require_training_data


def folder(root: Path) -> ImageFolder:
    for name in on_disk.NAMES:
        (root / name).mkdir(parents=True)
        Image.new("RGB", (16, 16)).save(root / name / "0.png")
    return ImageFolder(str(root))


def labeled(source: str) -> LabeledImages:
    images = torch.zeros(6, 3, 16, 16, dtype=torch.uint8)
    return LabeledImages(images, torch.arange(6) % 3, on_disk.NAMES, tuple("abcdef"), source)


@pytest.mark.parametrize(
    "name", ["val", "valid", "validation", "test", "Test", "testing", "test_set", "val2017", "seg_test", "hold-out"]
)
def test_a_folder_called_after_a_held_out_split_is_refused_by_name_and_let_in_on_demand(tmp_path: Path, name: str):
    real = folder(tmp_path / name)
    for wrapped in (real, Subset(real, [0, 1])):
        with pytest.raises(DataError, match=rf"got ImageFolder with root='.*/{name}'.*allow_held_out=True"):
            AugmentedDataset(wrapped, synthesizer())
    assert len(AugmentedDataset(real, synthesizer(), allow_held_out=True)) == 3


@pytest.mark.parametrize("path", ["train", "test/train", "test/cats", "dev/cats", "latest", "test_it_0"])
def test_other_folders_are_wrapped(tmp_path: Path, path: str):
    assert len(AugmentedDataset(folder(tmp_path / path), synthesizer())) == 3


def test_the_test_part_of_a_torchvision_set_is_refused_whatever_its_folder_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    root = tmp_path / "test"
    on_disk.make("MNIST", root, monkeypatch)
    synth = synthesizer(tuple(MNIST.classes), (1, 28, 28))
    with pytest.raises(DataError, match="MNIST with train=False"):
        AugmentedDataset(MNIST(str(root), train=False), synth)
    assert len(AugmentedDataset(MNIST(str(root), train=True), synth)) == on_disk.N


@pytest.mark.parametrize(
    ("split", "refused"),
    [("test", True), ("val_unseen", True), ("train+test", True), ("train", False)],
)
@pytest.mark.parametrize("name", ["split", "_split", "mode"])
def test_a_split_tells(name: str, split: str, refused: bool):
    leaf: Any = SimpleNamespace(**{name: split})
    if not refused:
        return require_training_data([FakeData(), leaf], synthesizer())
    with pytest.raises(DataError, match=re.escape(f"{name}={split!r}")):
        require_training_data([FakeData(), leaf], synthesizer())


@pytest.mark.parametrize("source", ["sklearn:digits:test", "data/test", "hf:faces:validation"])
def test_the_source_of_labelled_images_tells(source: str):
    with pytest.raises(DataError, match="source="):
        AugmentedDataset(labeled(source), synthesizer())
    assert len(AugmentedDataset(labeled("sklearn:digits:train"), synthesizer())) == 6


def test_the_images_that_a_generator_was_validated_on_are_refused_by_their_hash():
    synth, images = synthesizer(), labeled("photos")
    synth.provenance = {"splits": {"val": images.fingerprint}}
    with pytest.raises(DataError, match="the images that the generator was validated on"):
        AugmentedDataset(images, synth)
