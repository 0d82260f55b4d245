"""Images that two sets share: planted copies are found, honest images are not, and a plain reference agrees."""

import io
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from ganaug.data import LabeledImages, duplicates, hold_out, near_duplicates, near_twins, overlap, shared
from ganaug.data.twins import overlapping_crops
from ganaug.images import from_pil, to_pil


def labeled(pixels: torch.Tensor, name: str = "image", classes: int = 2) -> LabeledImages:
    names = tuple(f"{name} {i}" for i in range(len(pixels)))
    return LabeledImages(pixels, torch.arange(len(pixels)) % classes, tuple("abcdef"[:classes]), names, name)


def scenes(n: int, shape: tuple[int, int, int] = (3, 32, 32), seed: int = 0) -> torch.Tensor:
    """Different pictures with structure at every scale, less of it in colour, as photographs have."""
    generator = torch.Generator().manual_seed(seed)
    channels, height, width = shape
    total = torch.zeros(n, *shape)
    for size in (2, 4, 8, 16, 32):
        grain = torch.randn(n, 1, size, size, generator=generator).expand(n, channels, size, size)
        grain = grain + 0.8 / size * torch.randn(n, channels, size, size, generator=generator)
        total += F.interpolate(grain, size=(height, width), mode="bilinear") * 40 / size**0.5
    return (total + 128).clamp(0, 255).to(torch.uint8)


def each(images: torch.Tensor, change) -> torch.Tensor:
    """Every image sent through a function of PIL images."""
    return torch.stack([torch.from_numpy(from_pil(change(to_pil(image)))) for image in images.numpy()])


def jpeg(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=75)
    return Image.open(buffer).convert(image.mode)


def resized(image: Image.Image) -> Image.Image:
    small = image.resize((image.width * 3 // 4, image.height * 3 // 4), Image.Resampling.BILINEAR)
    return small.resize(image.size, Image.Resampling.BICUBIC)


def noisy(images: torch.Tensor, levels: float = 3) -> torch.Tensor:
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(9))
    return (images + levels * noise).round().clamp(0, 255).to(torch.uint8)


CHANGES = {
    "equal": lambda x: x,
    "saved as JPEG": lambda x: each(x, jpeg),
    "resized and back": lambda x: each(x, resized),
    "flipped, with noise": lambda x: noisy(x.flip(3)),
    "upside down": lambda x: x.flip(2),
    "turned by half": lambda x: x.flip((2, 3)),
    "brighter": lambda x: (x * 0.8 + 40).to(torch.uint8),
}


def reference(test: torch.Tensor, train: torch.Tensor) -> list[tuple[int, int, float]]:
    """The rule of `near_duplicates`, pair by pair in double precision."""

    def reduced(image: torch.Tensor) -> np.ndarray:
        scale = min(1, 16 / min(image.shape[1:]))
        height, width = (round(n * scale) for n in image.shape[1:])
        return F.adaptive_avg_pool2d(image[None].double(), (height, width))[0].numpy()

    found = []
    small = [reduced(image) for image in train]
    for i, image in enumerate(map(reduced, test)):
        flips = [image, image[:, ::-1], image[:, :, ::-1], image[:, ::-1, ::-1]]
        best = [max(np.corrcoef(flip.ravel(), other.ravel())[0, 1] for flip in flips) for other in small]
        order = sorted(range(len(best)), key=lambda j: -best[j])[:6]
        last = best[order[-1]] if len(order) > 1 else -math.inf
        found += [(i, j, best[j]) for j in order if best[j] > 0.99 and (1 - best[j]) * 4 < 1 - last]
    return sorted(found, key=lambda pair: -pair[2])


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 32, 32), (3, 20, 27), (1, 8, 11), (1, 33, 17)])
@pytest.mark.parametrize("n", [1, 3, 40])
def test_blocks_give_what_pair_by_pair_gives(shape: tuple[int, int, int], n: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(overlap, "ROWS", 7)
    monkeypatch.setattr(overlap, "COLUMNS", 9)
    monkeypatch.setattr(overlap, "PIECE", 5000)
    train = scenes(n, shape)
    copies = [change(train[:2]) for change in CHANGES.values()]
    test = torch.cat([scenes(8, shape, seed=1), *copies])
    found, expected = near_duplicates(labeled(test), labeled(train)), reference(test, train)
    assert sorted(pair[:2] for pair in found) == sorted(pair[:2] for pair in expected)
    assert [pair[2] for pair in found] == pytest.approx([pair[2] for pair in expected], abs=2e-4)


@pytest.mark.parametrize("change", CHANGES)
def test_nineteen_of_twenty_planted_copies_are_found_and_nothing_else(change: str):
    train, test = scenes(600), scenes(400, seed=1)
    test[100:160] = CHANGES[change](train[200:260])
    found = [pair[:2] for pair in near_duplicates(labeled(test), labeled(train))]
    assert set(found) <= {(100 + i, 200 + i) for i in range(60)} and len(found) >= 57


def test_honest_digits_have_no_near_duplicate_though_they_are_alike(digits: LabeledImages, test_digits: LabeledImages):
    assert near_duplicates(test_digits, digits) == [] and shared(test_digits, digits) == []


def test_pictures_that_are_alike_by_the_dozen_are_not_copies():
    """Bright discs: any two correlate above 0.99, and a copy stands out among them all the same."""
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    generator = torch.Generator().manual_seed(0)
    centre = 15.5 + torch.rand(300, 2, 1, 1, generator=generator)
    discs = 200 * torch.exp(-((y - centre[:, 0]) ** 2 + (x - centre[:, 1]) ** 2) / 80)
    discs = (discs + 2 * torch.randn(discs.shape, generator=generator) + 20).clamp(0, 255).to(torch.uint8)[:, None]
    train, test = labeled(discs[:250]), labeled(discs[250:])
    best = torch.cat([values for _, values, _ in overlap._best(test.images, train.images, torch.arange(250))])
    assert float((best[:, 0] > 0.99).float().mean()) > 0.9
    assert near_duplicates(test, train) == []
    copy = labeled(noisy(discs[17:18], 0.5))
    assert [pair[:2] for pair in near_duplicates(copy, train)] == [(0, 17)]


def test_up_to_five_copies_do_not_hide_each_other_and_equal_ones_count_as_one():
    train = scenes(50)
    copies = torch.cat([noisy(train[:1], levels) for levels in (1, 2, 3, 4)])
    crowd = labeled(torch.cat([train, copies, *[train[:1]] * 20]))
    found = near_duplicates(labeled(train[:1]), crowd)
    assert [pair[1] for pair in found] == [0, 50, 51, 52, 53] and found[0][2] == 1


def test_an_image_of_one_colour_is_like_no_other_but_equal_to_its_equal():
    colours = torch.tensor([[200, 10, 10], [198, 11, 10], [10, 10, 200], [50, 50, 50]], dtype=torch.uint8)
    plain = colours[:, :, None, None].expand(4, 3, 16, 16).contiguous()
    train = labeled(torch.cat([plain[:1], plain[2:], scenes(9, (3, 16, 16))]))
    assert near_duplicates(labeled(plain), train) == []
    assert shared(labeled(plain), train) == [(0, 0), (2, 1), (3, 2)]
    checks = (torch.arange(32)[:, None] + torch.arange(32)) % 2 * 255  # nothing is left of them at 16 px
    board = checks.to(torch.uint8)[None, None]
    assert near_duplicates(labeled(board), labeled(torch.cat([255 - board, scenes(5, (1, 32, 32))]))) == []


def test_what_lies_under_full_transparency_is_not_compared():
    train = scenes(20, (4, 32, 32))
    train[:, 3] = 255
    train[:, 3, :16] = 0
    test = train.clone()
    test[:, :3, :16] = scenes(20, (3, 16, 32), seed=5)
    assert shared(labeled(test), labeled(train)) == []
    assert sorted(pair[:2] for pair in near_duplicates(labeled(test), labeled(train))) == [(i, i) for i in range(20)]


def test_equal_images_and_those_whose_labels_differ():
    data = labeled(scenes(10)).subset([0, 1, 2, 0, 4, 0, 6, 2, 1])
    assert duplicates(data) == ([[0, 3, 5], [1, 8], [2, 7]], [])
    labels = data.labels.clone()
    labels[7] += 1
    assert duplicates(replace(data, labels=labels)) == ([[0, 3, 5], [1, 8], [2, 7]], [[2, 7]])


# near twins across a split


def crops(n: int, side: int = 40, seed: int = 0) -> LabeledImages:
    """Pairs of crops of one photograph each that share 40 % of their area and differ in lighting, numbered in a row."""
    photographs = scenes(n, (1, 2 * side, 2 * side), seed)
    texture = torch.randn(n, 1, 2 * side, 2 * side, generator=torch.Generator().manual_seed(seed))
    photographs = photographs * 0.6 + 40 + 60 * F.avg_pool2d(texture, 3, 1, 1)
    right = torch.linspace(0, 30, side)
    shift = round(0.37 * side)
    a = photographs[:, :, :side, :side] + right
    b = photographs[:, :, shift : shift + side, 2 : side + 2] + right.flip(0)
    both = torch.stack([a, b], 1).flatten(0, 1).clamp(0, 255).to(torch.uint8)
    return replace(labeled(both), names=tuple(f"strip_{i}.png" for i in range(2 * n)))


@pytest.mark.parametrize("side", [36, 64])
def test_crops_that_overlap_are_found_on_both_sides_of_a_split(side: int):
    data = crops(60, side)
    held, train = data.subset(range(0, 40, 2)), data.subset([*range(1, 40, 2), *range(40, 120)])
    twins = near_twins(train, held)
    assert twins.looked_at == 20 and twins.copies == [] and 19 <= twins.count <= 20
    assert {(a, b) for a, b, _ in twins.crops} <= {(f"strip_{i}.png", f"strip_{i + 1}.png") for i in range(0, 40, 2)}
    assert twins.per_class == {"a": twins.count}


def test_what_does_not_overlap_is_no_twin():
    data = crops(60)
    assert near_twins(data.subset(range(0, 120, 2)), crops(60, seed=1)).count == 0


def test_groups_keep_twins_on_one_side():
    data = crops(60)
    assert near_twins(*hold_out(data, 0.2)).count > 5
    grouped = replace(data, groups=tuple(f"photograph {i // 2}" for i in range(120)))
    assert near_twins(*hold_out(grouped, 0.2)).count == 0


def test_of_many_images_only_those_with_near_names_are_compared(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ganaug.data.twins.PAIRS", 200)
    monkeypatch.setattr("ganaug.data.twins.WINDOW", 30)
    data = crops(100)
    order = torch.randperm(200, generator=torch.Generator().manual_seed(0))
    train, held = hold_out(data.subset(order), 0.2)
    found = {(held.names[i], train.names[j]) for i, j, _ in overlapping_crops(held, train)}
    number = {name: i for i, name in enumerate(data.names)}
    pairs = {(a, b) for a in held.names for b in train.names if number[a] // 2 == number[b] // 2}
    assert found <= pairs and len(found) >= 0.9 * len(pairs) > 20


def test_copies_across_a_split_are_twins_too_and_a_random_part_of_many_is_looked_at(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ganaug.data.twins.LOOKED_AT", 30)
    train = labeled(scenes(50, (3, 16, 16)))
    test = labeled(torch.cat([scenes(70, (3, 16, 16), seed=1), noisy(train.images[:30].flip(3))]), "test")
    twins = near_twins(train, test)
    assert twins.looked_at == 30 and twins.crops == [] and 3 <= twins.count == len(twins.copies) <= 15
    assert all(int(a.split()[1]) == int(b.split()[1]) + 70 for a, b, _ in twins.copies)


def test_twins_are_counted_in_the_classes_of_the_training_images():
    train = labeled(scenes(20, (3, 16, 16)))
    swapped = replace(train, classes=("b", "a"), labels=1 - train.labels)
    assert near_twins(train, swapped).per_class == {"a": 10, "b": 10}
