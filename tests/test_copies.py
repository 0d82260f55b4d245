"""Near copies against brute force, planted copies of each kind, and what must not count as one."""

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor

import ganaug.measures.copies
from ganaug.data import LabeledImages
from ganaug.errors import DataError
from ganaug.measures.copies import near_copies, pictures

RECIPES = Path(__file__).parent.parent / "recipes"
KINDS = ("exact", "noise", "shift", "flip", "JPEG", "all of these")


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script that plants copies and counts how many are found."""
    monkeypatch.syspath_prepend(RECIPES)
    return importlib.import_module("copies")


def images(n: int, shape: tuple[int, int, int] = (1, 10, 12), seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8))


def distance(sample: np.ndarray, real: np.ndarray) -> float:
    """The smallest root mean square over flips of the real image and shifts of the sample, from the definition."""
    best, (height, width) = np.inf, sample.shape[1:]
    for flipped in (real, real[:, ::-1], real[:, :, ::-1], real[:, ::-1, ::-1]):
        for down in range(-2, 3):
            for right in range(-2, 3):
                rows = slice(max(0, down), height + min(0, down)), slice(max(0, -down), height + min(0, -down))
                columns = slice(max(0, right), width + min(0, right)), slice(max(0, -right), width + min(0, -right))
                difference = sample[:, rows[0], columns[0]] - flipped[:, rows[1], columns[1]]
                best = min(best, float(np.sqrt((difference**2).mean())))
    return best


@pytest.mark.parametrize("shape", [(1, 10, 12), (3, 9, 8)])
def test_ratios_equal_brute_force_over_flips_and_shifts(shape):
    samples, real = images(12, shape), images(8, shape, seed=1)
    samples[:3] = (real[:3].flip(3).roll((1, -2), (2, 3)).float() + 9).clamp(0, 255).byte()
    table = np.array([[distance(s / 1.0, r / 1.0) for r in real.numpy()] for s in samples.numpy()])
    first, second = np.sort(table, axis=1)[:, :2].T
    found = near_copies(samples, real)
    assert found.ratio.tolist() == pytest.approx((first / second).tolist(), abs=1e-6)
    assert found.nearest.tolist() == table.argmin(1).tolist()
    assert found.is_copy.tolist() == [True] * 3 + [False] * 9


@pytest.mark.parametrize("kind", KINDS)
def test_copies_of_digits_are_found_with_the_digit_they_copy(digits: LabeledImages, recipe: ModuleType, kind: str):
    made = recipe.COPIES[kind](digits.images[:200], torch.Generator().manual_seed(0))
    found = near_copies(made, digits.images)
    assert float(found.is_copy.double().mean()) >= (0.5 if kind == "all of these" else 0.85)
    assert bool((found.nearest == torch.arange(200))[found.is_copy].all())


def test_of_480_fresh_digits_none_is_a_copy(digits: LabeledImages):
    assert int(near_copies(digits.images[:480], digits.images[480:]).is_copy.sum()) == 0


def test_copies_are_found_at_any_size_and_in_colour():
    real = images(30, (3, 90, 40))
    found = near_copies(real[5:7].flip(2), real)
    assert found.nearest.tolist() == [5, 6] and found.ratio.tolist() == [0.0, 0.0]


def test_contrast_decides_nothing(digits: LabeledImages):
    plain = (digits.images // 16 + 120)[:400]  # all distances a sixteenth of what they were
    assert int(near_copies(plain[200:], plain[:200]).is_copy.sum()) == 0
    assert bool(near_copies(plain[:50].roll(1, 3), plain[:200]).is_copy.all())


def test_the_second_nearest_is_another_picture():
    real = images(20)
    repeated = torch.cat([real, real.flip(3), real, real.flip((2, 3))])
    noisy = (real.float() + 4).clamp(0, 255).byte()
    found = near_copies(noisy, repeated)
    assert bool(found.is_copy.all()) and found.nearest.tolist() == list(range(20))
    assert pictures(repeated).tolist() == list(range(20))


def test_half_way_between_two_pictures_is_no_copy():
    real = images(2)
    between = ((real[:1].float() + real[1:].float()) / 2).byte()
    assert float(near_copies(between, real).ratio[0]) > 0.9


def test_small_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch):
    samples, real = images(40), images(50, seed=1)
    whole = near_copies(samples, real)
    monkeypatch.setattr(ganaug.measures.copies, "BLOCK", 1)
    monkeypatch.setattr(ganaug.measures.copies, "PIECE", 1)
    assert all(map(torch.equal, near_copies(samples, real), whole))


@pytest.mark.parametrize(
    ("samples", "real", "words"),
    [
        (images(2), images(5, (3, 10, 12)), "samples must be uint8 .* one shape"),
        (images(2).float(), images(5), "samples must be uint8"),
        (images(2), images(5).float(), "real images must be uint8"),
        (images(2)[0], images(5), "samples must be uint8"),
        (images(2), images(1).repeat(3, 1, 1, 1), "two pictures or more, got 1"),
    ],
)
def test_sets_that_do_not_fit_are_refused(samples: Tensor, real: Tensor, words: str):
    with pytest.raises(DataError, match=words):
        near_copies(samples, real)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fifth_of_copies_is_called_copying_10_times_of_10(digits: LabeledImages, recipe: ModuleType, kind: str):
    assert recipe.verdicts(digits.images, kind, 10, (200, 100, 100)) == ["copying"] * 10


def test_held_out_digits_are_called_healthy_10_times_of_10(digits: LabeledImages, recipe: ModuleType):
    assert recipe.verdicts(digits.images, None, 10, (200, 100, 100)) == ["healthy"] * 10


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_fifth_of_copies_is_called_copying_95_times_of_100(digits: LabeledImages, recipe: ModuleType, kind: str):
    assert recipe.verdicts(digits.images, kind, 100).count("copying") >= 95


@pytest.mark.slow
def test_held_out_digits_are_called_copying_5_times_of_100_at_most(digits: LabeledImages, recipe: ModuleType):
    found = recipe.verdicts(digits.images, None, 100)
    assert found.count("copying") <= 5 and found.count("healthy") >= 90
