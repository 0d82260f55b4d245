"""The recorded studies of translations read what they say they read, and tell errors rightly."""

from pathlib import Path

import domains
import numpy as np
import pictures
import pytest
import record
import torch
from PIL import Image

CLASSES = tuple(map(str, range(10)))


def digits(root: Path, size: int, names: range, *, channels: int = 1, seed: int = 0) -> None:
    """Images i of class i mod 10, named by their numbers."""
    rng = np.random.default_rng(seed)
    for i in names:
        path = root / CLASSES[i % 10] / f"{i:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        shape = (size, size, channels) if channels > 1 else (size, size)
        Image.fromarray(rng.integers(1, 255, shape, dtype=np.uint8)).save(path)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    for split, first in (("train", 0), ("test", 100)):
        digits(root / "MNIST" / split, 28, range(first, first + 60), seed=first)
        digits(root / "MNISTM" / split, 32, range(first, first + 20), channels=3, seed=first + 1)
        digits(root / "USPS" / split, 16, range(first, first + 40), seed=first + 2)
    return root


def test_no_digit_of_a_is_among_those_that_mnist_m_was_made_of(data: Path):
    a, b, test = domains.mnist_to_mnist_m(data)
    assert len(a) == 40 and {int(Path(name).stem) for name in a.names} == set(range(20, 60))
    assert a.shape == (1, 32, 32) and b.shape == test.shape == (3, 32, 32)
    assert int(a.images[:, :, :2].max()) == 0 and int(a.images[:, :, 2:30, 2:30].min()) > 0


@pytest.mark.parametrize("read", [domains.mnist_to_usps, domains.usps_to_mnist])
def test_digits_of_envelopes_are_framed_as_mnist_s_are(read: object, data: Path):
    a, b, test = read(data)  # type: ignore[operator]
    assert a.shape == b.shape == test.shape == (1, 28, 28)
    usps = next(images for images in (a, b) if "USPS" in images.source)
    assert int(usps.images[:, :, :4].max()) == 0 and int(usps.images[:, :, 4:24, 4:24].max()) > 200
    assert not set(a.hashes) & set(test.hashes) and not set(b.hashes) & set(test.hashes)


def test_the_error_of_an_answer_is_a_share_of_the_range_of_pixels():
    truth = torch.zeros(4, 3, 8, 8)
    found = pictures.errors(truth + torch.tensor([0.0, 51, 51, 102]).view(4, 1, 1, 1), truth)
    assert found.tolist() == pytest.approx([0.0, 0.2, 0.2, 0.4])
    assert pictures.mean(found) == pytest.approx((0.2, 0.04, 0.36), abs=1e-3)


def test_what_a_study_rests_on_stands_below_its_table():
    kept = {"accuracy": 0.9, "n": 20}
    result = {
        "gain": {
            "seeds": 6,
            "steps_per_arm": 7,
            "augment": "affine",
            "covers": "Covers all.",
            "headline": {"best_baseline": {"name": "source+fda", "delta": 0.1, "ci": [0.05, 0.15]}},
        },
        "data": {"test": 2000, "val": 10, "train": 40},
        "fidelity": {"encoder": "own:1", "fd_start": 9.0, "fd": 1.0, "fd_floor": 0.5},
        "label_preservation": {"main": "fresh", "fresh": kept, "a_itself": kept},
    }
    text = domains.conditions(result, 5, [60.0, 120.0])
    assert "2,000 real test images" in text and "2 translators of 5 steps, 1 to 2 minutes each" in text
    assert "source+fda" in text and "+10.0 points (+5.0 to +15.0)" in text


def test_a_record_says_how_it_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    folder = record.record("name", "A title", [{"arm": "a", "mean": 0.5}], room="room", note="On ten images.")
    page = (folder / "name.md").read_text(encoding="utf-8")
    assert folder == tmp_path / "room" and "| a | 0.5 |" in page and "\n\nOn ten images.\n\nWritten by" in page
