"""torchvision's classification sets, in files as their own classes want them; nothing is downloaded."""

import bz2
import json
import logging
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganaug.data import load
from ganaug.data import vision as vision_room
from ganaug.data.sources import list_pictures
from ganaug.data.vision import SETS
from ganaug.errors import DataError

RNG = np.random.default_rng(0)
GRAY = RNG.integers(0, 256, (20, 28, 28), dtype=np.uint8)
COLOR = RNG.integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GANAUG_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network here")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)


def idx(path: Path, array: np.ndarray) -> None:
    """The format of MNIST's files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = {np.uint8: 8, np.int32: 12}[array.dtype.type]
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, kind, array.ndim, *array.shape)
    path.write_bytes(head + array.astype(array.dtype.newbyteorder(">")).tobytes())


def png(path: Path, pixels: np.ndarray) -> Path:
    """An image with the suffix of whatever set; the content is a PNG, so that pixels can be compared."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, format="PNG")
    return path


def mnist(root: Path, name: str) -> None:
    for part, rows in (("train", slice(0, 20)), ("t10k", slice(0, 10))):
        idx(root / name / "raw" / f"{part}-images-idx3-ubyte", GRAY[rows])
        idx(root / name / "raw" / f"{part}-labels-idx1-ubyte", (np.arange(20) % 10)[rows].astype(np.uint8))


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST", "KMNIST"])
def test_the_idx_family_is_read_where_it_lies_with_its_class_names(root: Path, name: str, caplog):
    mnist(root, name)
    with caplog.at_level(logging.INFO, "ganaug"):
        data = load(f"torchvision:{name.lower()}")
    assert np.array_equal(data.images[:, 0].numpy(), GRAY) and data.targets == list(range(10)) * 2
    assert "download" not in caplog.text and data.names[3] == "row 3"
    assert len(load(f"torchvision:{name}:test")) == 10 and len(load(f"torchvision:{name}:train")) == 20
    if name == "FashionMNIST":
        assert data.classes[0] == "T-shirt/top" and data.classes[9] == "Ankle boot"
    with pytest.raises(DataError, match=rf"got 'val'; {name} is followed by :train, :test or nothing"):
        load(f"torchvision:{name}:val")
    with pytest.raises(DataError, match=r"data.groups must be left out"):
        load(f"torchvision:{name}", groups="x")


def test_emnist_is_the_balanced_one_and_qmnist_has_its_classes_in_the_first_column(root: Path):
    images = np.concatenate([GRAY, GRAY, GRAY[:7]])
    idx(root / "EMNIST" / "raw" / "emnist-balanced-train-images-idx3-ubyte", images)
    idx(root / "EMNIST" / "raw" / "emnist-balanced-train-labels-idx1-ubyte", np.arange(47, dtype=np.uint8))
    data = load("torchvision:EMNIST")
    assert data.num_classes == 47 and data.classes[:11] == (*"0123456789", "A") and "o" not in data.classes
    extended = np.zeros((20, 8), np.int32)
    extended[:, 0], extended[:, 1] = np.arange(20) % 10, 99
    idx(root / "QMNIST" / "raw" / "qmnist-train-images-idx3-ubyte", GRAY)
    idx(root / "QMNIST" / "raw" / "qmnist-train-labels-idx2-int", extended)
    assert load("torchvision:QMNIST").targets == list(range(10)) * 2


def test_sets_of_files_are_decoded_by_our_rules_and_may_be_grouped(root: Path):
    for i, name in enumerate(("Forest_1", "Forest_2", "River_1", "River_2")):
        png(root / "eurosat" / "2750" / name.split("_")[0] / f"{name}.jpg", COLOR[i])
    clear = png(root / "eurosat" / "2750" / "River" / "River_3.jpg", np.zeros((16, 16, 4), np.uint8))
    data = load("torchvision:EuroSAT", groups=r"[a-zA-Z]+_(\d)", channels=3)
    assert data.classes == ("Forest", "River") and data.groups == ("1", "2", "1", "2", "3")
    assert np.array_equal(data.images[:4].numpy(), COLOR.transpose(0, 3, 1, 2)) and (data.images[4] == 255).all()
    listing = list_pictures("torchvision:eurosat")
    assert listing.pictures[4].content == clear and listing.names[4] == "eurosat/2750/River/River_3.jpg"
    with pytest.raises(DataError, match=r"got 'test'; EuroSAT has no parts: leave it out"):
        load("torchvision:EuroSAT:test")


def gtsrb(root: Path) -> None:
    for i in range(4):
        png(root / "gtsrb" / "GTSRB" / "Training" / f"0000{i % 2}" / f"{i}.ppm", COLOR[i])


def caltech(root: Path) -> None:
    folder = root / "caltech101" / "101_ObjectCategories"
    (folder / "BACKGROUND_Google").mkdir(parents=True)
    for i in range(4):
        png(folder / ("ant", "crab")[i % 2] / f"image_{i // 2 + 1:04d}.jpg", COLOR[i])


def pets(root: Path) -> None:
    (root / "oxford-iiit-pet" / "annotations").mkdir(parents=True)
    lines = [f"{('Abyssinian', 'beagle')[i % 2]}_{i} {i % 2 + 1} {i % 2 + 1} 1" for i in range(4)]
    (root / "oxford-iiit-pet" / "annotations" / "trainval.txt").write_text("\n".join(lines))
    for i, line in enumerate(lines):
        png(root / "oxford-iiit-pet" / "images" / f"{line.split()[0]}.jpg", COLOR[i])


def sun(root: Path) -> None:
    (root / "SUN397").mkdir()
    (root / "SUN397" / "ClassName.txt").write_text("/a/abbey\n/b/bar/indoor\n")
    for i in range(4):
        png(root / "SUN397" / ("a/abbey", "b/bar/indoor")[i % 2] / f"sun_{i}.jpg", COLOR[i])


def imagenette(root: Path) -> None:
    for i in range(4):
        png(root / "imagenette2" / "train" / ("n01440764", "n02102040")[i % 2] / f"{i}.JPEG", COLOR[i])


def food(root: Path) -> None:
    (root / "food-101" / "meta").mkdir(parents=True)
    listed = {name: [f"{name}/{i}" for i in range(k, 4, 2)] for k, name in enumerate(("apple_pie", "waffles"))}
    (root / "food-101" / "meta" / "train.json").write_text(json.dumps(listed))
    for i in range(4):
        png(root / "food-101" / "images" / ("apple_pie", "waffles")[i % 2] / f"{i}.jpg", COLOR[i])


def usps(root: Path) -> None:
    lines = [f"{k + 1} " + " ".join(f"{j}:{k / 2 - 1}" for j in range(1, 257)) for k in (0, 1, 2, 3)]
    (root / "usps.bz2").write_bytes(bz2.compress("\n".join(lines).encode()))


@pytest.mark.parametrize(
    ("name", "write", "classes"),
    [
        ("GTSRB", gtsrb, ("0", "1")),
        ("Caltech101", caltech, ("ant", "crab")),
        ("OxfordIIITPet", pets, ("Abyssinian", "Beagle")),
        ("SUN397", sun, ("abbey", "bar/indoor")),
        ("Imagenette", imagenette, ("tench, Tinca tinca", "English springer, English springer spaniel")),
        ("Food101", food, ("apple_pie", "waffles")),
    ],
)
def test_every_way_of_keeping_labels_is_understood(
    root: Path, name: str, write: Callable[[Path], None], classes: tuple[str, ...]
):
    write(root)
    data = load(f"torchvision:{name}:train")
    assert data.classes == classes and sorted(data.targets) == [0, 0, 1, 1]
    shown: dict[int, set[bytes]] = {0: set(), 1: set()}
    for image, label in zip(data.images, data.targets, strict=True):
        shown[label].add(image.numpy().tobytes())
    assert shown[0] == {COLOR[i].transpose(2, 0, 1).tobytes() for i in (0, 2)}
    assert shown[1] == {COLOR[i].transpose(2, 0, 1).tobytes() for i in (1, 3)}


def test_usps_has_no_class_names_but_numbers(root: Path):
    usps(root)
    data = load("torchvision:USPS")
    assert (
        data.shape == (1, 16, 16) and data.classes == ("0", "1", "2", "3") and data.images[0].unique().tolist() == [0]
    )


def test_labels_that_are_kept_back_are_counted(root: Path):
    folder = root / "clevr" / "CLEVR_v1.0"
    (folder / "scenes").mkdir(parents=True)
    (folder / "scenes" / "CLEVR_train_scenes.json").write_text(
        json.dumps({"scenes": [{"image_filename": f"{i}.png", "objects": [0] * (3 + i % 2)} for i in range(4)]})
    )
    for i in range(4):
        png(folder / "images" / "train" / f"{i}.png", COLOR[i])
        png(folder / "images" / "test" / f"{i}.png", COLOR[i])
    assert load("torchvision:CLEVRClassification").classes == ("3", "4")
    with pytest.raises(DataError, match="every image must have a label, got 4 without"):
        load("torchvision:CLEVRClassification:test")


def test_fake_data_needs_no_files_and_is_fetched_lazily(monkeypatch: pytest.MonkeyPatch):
    from torchvision.datasets import FakeData

    monkeypatch.setattr(FakeData.__init__, "__defaults__", (12, (3, 8, 8), 3, None, None, 0))
    listing = list_pictures("torchvision:FakeData")
    assert len(listing) == 12 and listing.pictures[3].name == "torchvision:FakeData, row 3"
    expected = FakeData()
    data = load("torchvision:FakeData")
    assert data.targets == [sorted({y for _, y in expected}).index(y) for _, y in expected]
    assert np.array_equal(data.images[5].numpy(), np.asarray(expected[5][0]).transpose(2, 0, 1))


@pytest.mark.parametrize("name", ["MNIST", "CIFAR10", "SVHN", "EMNIST", "FER2013", "StanfordCars", "USPS", "DTD"])
def test_offline_the_sentence_names_the_folder_and_the_set_and_nothing_is_left(root: Path, name: str, caplog, capsys):
    with caplog.at_level(logging.INFO, "ganaug"), pytest.raises(DataError) as caught:
        load(f"torchvision:{name}")
    said = str(caught.value)
    assert f"torchvision:{name}: must lie in {root} or be there to download" in said and "\n" not in said
    assert f"torchvision.datasets.{name} wants them, or set GANAUG_DATA" in said
    assert list(root.iterdir()) == [] and capsys.readouterr().out == ""
    assert (caplog.text.count("torchvision downloads it there, once") == 1) == (name != "FER2013")


def test_what_was_downloaded_is_found_again_and_a_failed_part_is_not(root: Path, monkeypatch: pytest.MonkeyPatch):
    from torchvision.datasets import FashionMNIST

    calls: list[str] = []

    def download(self: FashionMNIST) -> None:
        calls.append(str(self.root))
        print("a bar")
        if len(calls) == 1:
            idx(Path(self.raw_folder) / "train-images-idx3-ubyte", GRAY)
            raise OSError("connection reset")
        mnist(Path(self.root), "FashionMNIST")

    monkeypatch.setattr(FashionMNIST, "download", download)
    with pytest.raises(DataError, match="connection reset"):
        load("torchvision:FashionMNIST")
    assert list(root.iterdir()) == []
    assert len(load("torchvision:FashionMNIST")) == 20 and len(load("torchvision:FashionMNIST:test")) == 10
    assert len(calls) == 2 and [path.name for path in root.iterdir()] == ["FashionMNIST-train"]
    (root / "FashionMNIST-train" / "FashionMNIST" / "raw" / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(DataError, match="FashionMNIST-train has other content: remove it"):
        load("torchvision:FashionMNIST")


def test_a_bar_of_a_download_goes_to_stderr(root: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    from torchvision.datasets import MNIST

    def download(self: MNIST) -> None:
        print("verified")
        mnist(Path(self.root), "MNIST")

    monkeypatch.setattr(MNIST, "download", download)
    load("torchvision:MNIST")
    assert capsys.readouterr() == ("", "verified\n")


def test_files_go_to_the_cache_without_a_folder_of_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("GANAUG_DATA")
    monkeypatch.setenv("GANAUG_CACHE", str(tmp_path / "cache"))
    mnist(tmp_path / "cache" / "torchvision", "MNIST")
    assert len(load("torchvision:MNIST")) == 20


@pytest.mark.parametrize("damage", [b"", b"\x00\x00\x08\x03" + bytes(4)])
def test_damaged_files_end_in_a_sentence(root: Path, damage: bytes):
    mnist(root, "MNIST")
    (root / "MNIST" / "raw" / "train-images-idx3-ubyte").write_bytes(damage)
    with pytest.raises(DataError, match=f"torchvision can read in {root}.*replace the files"):
        load("torchvision:MNIST")
    assert (root / "MNIST" / "raw" / "train-images-idx3-ubyte").read_bytes() == damage


def test_unknown_sets_and_sets_for_other_tasks_are_told_apart():
    with pytest.raises(DataError, match=r"got 'cifar'; did you mean 'CIFAR10'\?"):
        load("torchvision:cifar")
    with pytest.raises(DataError, match=r"got 'qqq'; take MNIST, FashionMNIST"):
        load("torchvision:qqq")
    for name in ("VOCDetection", "cityscapes", "Kinetics", "LFWPairs", "CelebA", "ImageFolder"):
        with pytest.raises(DataError, match=rf"got '{name}', which ganaug does not read; take MNIST"):
            load(f"torchvision:{name}")
    with pytest.raises(DataError, match=r"Unknown value 'foo' for argument split. Valid values are"):
        load("torchvision:DTD:foo")


def test_every_set_offered_is_there_and_takes_what_it_is_given():
    for name in SETS:
        given = vision_room._arguments(f"torchvision:{name}", name, "")
        assert set(given) - {"train"} <= vision_room._parameters(name), name
