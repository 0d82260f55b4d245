"""Classical augmentation: policies by name, what they do to images, and how images and targets are blended."""

import pytest
import torch

from ganaug.errors import DataError
from ganaug.measures.augment import (
    AUGMENTATIONS,
    DRAWS,
    PARTNER,
    Augmentation,
    augment_images,
    blend,
    cutmix,
    draw,
    mixup,
    policy,
)

NAMES = [f"{base}{flip}{mix}" for base in AUGMENTATIONS for flip in ("", "+flip") for mix in ("", "+mixup", "+cutmix")]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(n: int, seed: int = 0) -> torch.Tensor:
    return draw(n, generator(seed))


# --- names


def test_24_compositions_are_24_policies():
    assert len({policy(name) for name in NAMES}) == len(NAMES) == 24
    assert policy("trivial+flip+cutmix").one_at_a_time and policy("trivial+flip+cutmix").flip
    assert policy("affine+mixup").blend == "mixup" and policy("none+cutmix").blend == "cutmix"


@pytest.mark.parametrize(
    "name", ["rotate", "", "flip", "affine+", "affine+turn", "affine+flip+flip", "none+mixup+cutmix"]
)
def test_another_name_is_refused_with_the_list(name):
    with pytest.raises(
        DataError, match=r"augment must be one of none, shift, affine, trivial, then \+flip, then .* got"
    ):
        policy(name)


# --- single images


@pytest.mark.parametrize("name", [name for name in NAMES if "mix" not in name])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 8), (4, 20, 30)])
def test_every_policy_keeps_its_contract(name, shape):
    images = (torch.rand(1, *shape, generator=generator()) * 2 - 1).repeat(40, 1, 1, 1)
    before = images.clone()
    once, again = (augment_images(images, policy(name), noise(40, 1)) for _ in range(2))
    assert once.shape == images.shape and once.dtype == torch.float32
    assert once.min() >= -1.00001 and once.max() <= 1.00001
    assert torch.equal(once, again) and torch.equal(images, before)
    assert torch.equal(once, images) == (name == "none")
    if name not in ("none", "none+flip"):
        assert len(torch.unique(once.flatten(1), dim=0)) >= 5, "images of one batch must differ"


def test_a_generator_advances_alike_under_every_policy():
    first, second = generator(), generator()
    rows = torch.cat([draw(3, first) for _ in range(2)])
    assert torch.equal(rows, draw(6, second)) and rows.shape == (6, DRAWS)


def one(**limits: float) -> torch.Tensor:
    """A ramp from left to right, eight times, under a policy with one kind of change."""
    ramp = torch.linspace(-1, 1, 16).expand(8, 1, 16, 16)
    return augment_images(ramp, Augmentation(**limits), noise(8))  # type: ignore[arg-type]


def test_shift_moves_whole_pixels_and_repeats_the_border():
    ramp = torch.linspace(-1, 1, 16)
    for image in one(shift=1 / 8):
        row = image[0, 0]
        moved = [ramp[(torch.arange(16) + by).clamp(0, 15)] for by in range(-2, 3)]
        assert any(torch.allclose(row, candidate, atol=1e-5) for candidate in moved)


def test_flip_mirrors_about_half_of_the_images():
    images = torch.linspace(-1, 1, 16).expand(200, 1, 16, 16)
    flipped = augment_images(images, Augmentation(flip=True), noise(200))
    mirrored = torch.isclose(flipped, images.flip(3), atol=1e-5).all((1, 2, 3))
    kept = torch.isclose(flipped, images, atol=1e-5).all((1, 2, 3))
    assert (mirrored | kept).all()
    assert 70 <= int(mirrored.sum()) <= 130


def test_a_quarter_turn_turns_by_a_quarter_whatever_the_aspect():
    images = torch.zeros(50, 1, 9, 21)
    images[..., 4, 6:15] = 1.0  # a horizontal bar of nine pixels through the centre
    turned = augment_images(images, Augmentation(rotation=90.0), noise(50))
    assert (turned[..., 4, 10] > 0.9).all()
    lengths = turned.sum((1, 2, 3))
    assert lengths.min() > 7 and lengths.max() < 11, "a bar must keep its length"


def test_transparency_is_moved_but_not_relit():
    images = torch.full((20, 4, 8, 8), 0.25)
    lit = augment_images(images, policy("affine"), noise(20))
    assert torch.allclose(lit[:, 3], images[:, 3], atol=1e-5)
    assert (lit[:, :3] - images[:, :3]).abs().amax((1, 2, 3)).min() > 0


def test_contrast_keeps_the_mean_and_scales_the_distances_from_it():
    image = torch.rand(1, 3, 6, 6, generator=generator()) * 0.2
    lit = augment_images(image.repeat(9, 1, 1, 1), Augmentation(contrast=0.7), noise(9))
    assert lit.mean((1, 2, 3)) == pytest.approx(image.mean().expand(9), abs=1e-6)
    factors = lit.std((1, 2, 3)) / image.std()
    assert 0.49 < factors.min() < 0.8 and 1.2 < factors.max() < 2.02


def test_saturation_keeps_each_pixels_grey_and_leaves_grey_images_alone():
    colour = torch.rand(9, 3, 6, 6, generator=generator()) * 0.4
    lit = augment_images(colour, Augmentation(saturation=0.5), noise(9))
    assert torch.allclose(lit.mean(1), colour.mean(1), atol=1e-6) and not torch.allclose(lit, colour, atol=0.01)
    assert torch.allclose(augment_images(colour[:, :1], Augmentation(saturation=0.5), noise(9)), colour[:, :1])


def test_sharpness_is_a_mean_of_nine_pixels_at_one_end_and_twice_the_detail_at_the_other():
    image, ends = torch.rand(2, 1, 5, 5, generator=generator()) * 0.1, torch.tensor([[0.0], [1.0]]).expand(2, DRAWS)
    blurred, sharp = augment_images(image, Augmentation(sharpness=1.0), ends)
    assert blurred[0, 2, 2] == pytest.approx(image[0, 0, 1:4, 1:4].mean().item(), abs=1e-6)
    assert sharp[0, 2, 2] == pytest.approx((2 * image[1, 0, 2, 2] - image[1, 0, 1:4, 1:4].mean()).item(), abs=1e-6)


def test_one_at_a_time_changes_one_parameter_of_each_image():
    images = torch.full((90, 1, 8, 8), 0.25)
    changed = (augment_images(images, policy("trivial"), noise(90)) - images).abs().amax((1, 2, 3)) > 1e-4
    assert 0 < int(changed.sum()) < 25, "only brightness changes a plain image: one parameter in nine"


# --- pairs of images


def plain(n: int, side: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    """Image i is i everywhere, and its target is class i."""
    return torch.arange(float(n))[:, None, None, None].expand(n, 1, side, side), torch.eye(n)


def test_mixup_blends_images_and_targets_by_one_weight():
    images, targets = plain(64)
    mixed, soft = blend(images, targets, policy("none+mixup"), noise(64))
    assert torch.allclose(soft.sum(1), torch.ones(64))
    assert torch.allclose(mixed[:, 0, 0, 0], soft @ torch.arange(64.0), atol=1e-4)
    assert (mixed == mixed[:, :, :1, :1]).all()
    assert 20 < (soft.max(1).values < 1).sum() < 44, "about half of the images"


def test_mixup_weights_follow_the_arcsine_law():
    images, targets = torch.ones(1000, 1, 1, 1), torch.ones(1000, 1)
    partner = torch.full((1000,), 999)
    images[999] = 0  # everybody's other
    weights = 1 - mixup(images, targets, partner, torch.linspace(0, 1, 1000))[0].flatten()[:999]
    assert weights.mean() == pytest.approx(1 / 2, abs=0.002)
    assert weights.var() == pytest.approx(1 / 8, abs=0.002), "the variance of Beta(1/2, 1/2)"


def test_cutmix_pastes_one_box_whose_area_is_the_targets_weight():
    images, targets = plain(64)
    mixed, soft = blend(images, targets, policy("none+cutmix"), noise(64))
    partner = noise(64)[:, PARTNER].argsort()
    foreign = (mixed != images).squeeze(1)
    for i in range(64):
        if partner[i] == i or not foreign[i].any():
            continue
        rows, columns = foreign[i].any(1), foreign[i].any(0)
        assert (mixed[i, 0][foreign[i]] == partner[i]).all() and torch.equal(foreign[i], rows[:, None] & columns)
        assert soft[i, partner[i]] == pytest.approx(foreign[i].float().mean().item())
        assert soft[i].sum() == pytest.approx(1)
    assert 20 < int(foreign.any((1, 2)).sum()) < 44, "about half of the images"


def test_an_inner_box_has_the_area_that_was_drawn():
    images, targets = plain(2, side=100)
    _, soft = cutmix(images, targets, torch.tensor([1, 0]), torch.tensor([0.25, 0.04]), torch.full((2, 2), 0.5))
    assert soft.diagonal().tolist() == pytest.approx([0.75, 0.96])


def test_partners_are_of_the_same_fit():
    images, targets = plain(40)
    stacked = torch.stack([noise(20, 0), noise(20, 1)])
    together = blend(images, targets, policy("none+cutmix"), stacked)
    for i, rows in enumerate((slice(0, 20), slice(20, 40))):
        alone = blend(images[rows], targets[rows], policy("none+cutmix"), stacked[i])
        assert all(torch.equal(a[rows], b) for a, b in zip(together, alone, strict=True))


def test_without_a_blend_nothing_is_touched():
    images, targets = plain(4)
    assert blend(images, targets, policy("affine+flip"), noise(4)) == (images, targets)
