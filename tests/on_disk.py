"""Three classes of eight 3x32x32 images each (MNIST: 1x28x28), in files as torchvision's own datasets want them.

Real images are 200 bright in each pixel, the stand-in's stay under 100 for three classes.
"""

import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from torch.utils.data import ConcatDataset, Subset
from torchvision.datasets import CIFAR10, MNIST, SVHN, FakeData, Flowers102, ImageFolder

REAL, N = 200, 24
NAMES = ("ant", "bee", "cat")
LABELS = np.repeat(np.arange(3), N // 3)
PIXELS = np.full((N, 32, 32, 3), REAL, np.uint8)


class Plain:
    """No attributes at all; items of (PIL image, int)."""

    def __len__(self) -> int:
        return N

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        return Image.fromarray(PIXELS[index]), int(LABELS[index])


def folder(root: Path) -> ImageFolder:
    for i, label in enumerate(LABELS):
        path = root / "folder" / NAMES[label] / f"{i:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(PIXELS[i]).save(path)
    return ImageFolder(str(root / "folder"))


def cifar10(root: Path) -> CIFAR10:
    base = root / CIFAR10.base_folder
    base.mkdir(parents=True)
    rows = PIXELS.transpose(0, 3, 1, 2).reshape(N, -1)
    for part, (name, _) in enumerate([*CIFAR10.train_list, *CIFAR10.test_list]):
        mine = slice(part * 5, part * 5 + 5)
        (base / name).write_bytes(pickle.dumps({"data": rows[mine], "labels": LABELS[mine].tolist()}))
    (base / "batches.meta").write_bytes(pickle.dumps({"label_names": list(NAMES)}))
    return CIFAR10(str(root))


def mnist(root: Path) -> MNIST:
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, array in (("images-idx3", np.full((N, 28, 28), REAL, np.uint8)), ("labels-idx1", LABELS)):
        head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
        for part in ("train", "t10k"):
            (raw / f"{part}-{name}-ubyte").write_bytes(head + array.astype(np.uint8).tobytes())
    return MNIST(str(root))


def svhn(root: Path) -> SVHN:
    savemat(root / "train_32x32.mat", {"X": PIXELS.transpose(1, 2, 3, 0), "y": np.where(LABELS == 0, 10, LABELS)})
    return SVHN(str(root))


def flowers(root: Path) -> Flowers102:
    base = root / "flowers-102"
    (base / "jpg").mkdir(parents=True)
    for i in range(N):
        Image.fromarray(PIXELS[i]).save(base / "jpg" / f"image_{i + 1:05d}.jpg", quality=95)
    savemat(base / "imagelabels.mat", {"labels": LABELS + 1})
    savemat(base / "setid.mat", {"trnid": np.arange(N) + 1, "valid": np.arange(2) + 1, "tstid": np.arange(2) + 1})
    return Flowers102(str(root))


def table(root: Path) -> Any:
    from datasets import ClassLabel, Dataset, Features, Value
    from datasets import Image as ImageFeature

    features = Features({"image": ImageFeature(), "label": ClassLabel(names=list(NAMES)), "row": Value("int64")})
    rows = {"image": [Image.fromarray(x) for x in PIXELS], "label": LABELS.tolist(), "row": list(range(N))}
    return Dataset.from_dict(rows, features=features)


KINDS = {
    "ImageFolder": folder,
    "CIFAR10": cifar10,
    "MNIST": mnist,
    "SVHN": svhn,
    "Flowers102": flowers,
    "FakeData": lambda root: FakeData(N, (3, 32, 32), 3),
    "Subset": lambda root: Subset(folder(root), range(2, N)),
    "ConcatDataset": lambda root: ConcatDataset([folder(root), cifar10(root)]),
    "plain": lambda root: Plain(),
    "datasets.Dataset": table,
}


def make(kind: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A dataset of that kind; its files are ours, so nobody checks their sums."""
    for module in ("cifar", "svhn", "flowers102"):
        monkeypatch.setattr(
            f"torchvision.datasets.{module}.check_integrity", lambda path, md5=None: Path(path).exists()
        )
    monkeypatch.setattr(Flowers102, "_check_integrity", lambda self: True)
    return KINDS[kind](root)
