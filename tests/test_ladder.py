"""The ladder: encoders that see climb it, encoders that do not are found out; and the facts of the report."""

import json

import pytest
import torch
from torch import Tensor

from ganaug.data import LabeledImages, first_per_class
from ganaug.measures.features import Encoder, encoder_of, fit_encoder
from ganaug.measures.ladder import BLUR, COLLAPSE, Ladder, blurred, climb, noisy
from ganaug.study.fidelity import fidelity


@pytest.fixture(scope="module")
def parts(digits: LabeledImages) -> tuple[LabeledImages, LabeledImages]:
    """Training images, and held-out ones."""
    return first_per_class(digits, 90)


@pytest.fixture(scope="module")
def own(parts) -> Encoder:
    train = parts[0]
    return fit_encoder(train.images, train.labels, num_classes=10, seed=1, steps=200)


def tried(encode, held_out: LabeledImages, test: LabeledImages, seed: int = 0) -> Ladder:
    features = encode(test.images)
    return climb(encode, held_out.images, held_out.labels, features, test.labels, num_classes=10, seed=seed)


@pytest.mark.parametrize("spec", ["own", "pixels", "random"])
def test_encoders_that_see_climb_every_ladder(own: Encoder, parts, test_digits: LabeledImages, spec: str):
    encoder = own if spec == "own" else encoder_of(spec, parts[0].images, parts[0].labels, num_classes=10)
    found = tried(encoder, parts[1], test_digits)
    assert found.usable and found.why == ""
    for name, steps in found.distances.items():
        assert len(steps) == 5 and steps[4] > 2 * steps[0], name


def constant(images: Tensor) -> Tensor:
    return torch.ones(len(images), 8, dtype=torch.float64)


def chance(images: Tensor) -> Tensor:
    return 1 + 1e-3 * torch.randn(len(images), 16, dtype=torch.float64)


def test_a_constant_encoder_fails_every_ladder(parts, test_digits: LabeledImages):
    found = tried(constant, parts[1], test_digits)
    assert found.why == "the distance to the test images does not rise with noise, blur, collapse and labels"


@pytest.mark.parametrize("seed", range(5))
def test_an_encoder_of_pure_chance_is_never_usable(parts, test_digits: LabeledImages, seed: int):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        found = tried(chance, parts[1], test_digits, seed)
    assert not found.usable and "noise" in found.why and "blur" in found.why


def test_an_encoder_that_sees_only_brightness_is_found_out(parts, test_digits: LabeledImages):
    """Of ten digits it cannot tell one from another."""
    found = tried(lambda x: x.double().mean((2, 3)), parts[1], test_digits)
    assert found.why == "the distance to the test images does not rise with labels"


def edges(images: Tensor) -> Tensor:
    return images.double().diff(dim=3).abs().mean((2, 3))


def test_a_step_down_is_found_out_where_the_head_still_lies_above_the_foot(parts, test_digits: LabeledImages):
    """Edges grow with noise; past three tenths of the range this encoder takes more of them for fewer."""
    images = parts[1].images
    peak = edges(noisy(images, 0.3, torch.Generator().manual_seed(0))).mean()
    found = tried(lambda x: peak - (edges(x) - peak).abs(), parts[1], test_digits)
    noise = found.distances["noise"]
    assert noise[0] < noise[4] < noise[3] and "noise" in found.why


def test_too_few_images_try_nothing(own: Encoder, parts, test_digits: LabeledImages):
    few = parts[1].subset(range(12))
    assert tried(own, few, test_digits) == Ladder({}, "12 real images are too few to try the encoder on, 20 are not")


def test_distortions_of_strength_none_change_nothing(parts):
    images = parts[1].images
    assert torch.equal(noisy(images, 0.0, torch.Generator().manual_seed(0)), images)
    assert (blurred(images, BLUR[-1]).double().std() < 0.8 * images.double().std()).all()
    assert COLLAPSE[0] == 1


# --- the facts of the report


NAMES = ("fd", "kid", "precision", "recall", "density", "coverage")


def facts(own: Encoder, parts, test: LabeledImages, images: Tensor, labels: Tensor) -> dict:
    found = fidelity(own, test, parts[1], parts[0], images, labels)
    return json.loads(json.dumps(found, allow_nan=False))


def test_real_images_lie_within_their_floor(own: Encoder, parts, test_digits: LabeledImages):
    held_out = parts[1]
    found = facts(own, parts, test_digits, held_out.images, held_out.labels)
    assert found["encoder"] == own.id and found["images"] == len(held_out) and found["floor"] == "held-out real images"
    for name in NAMES:
        assert found[name] == found[f"{name}_floor"] and found[f"{name}_ci"] == found[f"{name}_floor_ci"]
        low, high = found[f"{name}_ci"]
        assert low <= found[name] <= high and low < high
    assert found["usable"] and set(found["ladder"]) == {"noise", "blur", "collapse", "labels"}
    assert set(found["per_class"]) == set(test_digits.classes)
    for row in found["per_class"].values():
        assert 0.5 < row["vendi"] / row["vendi_floor"] < 2 and row["fd"] < 3 * row["fd_floor"]


def test_noise_lies_far_outside_the_floor(own: Encoder, parts, test_digits: LabeledImages):
    noise = torch.randint(256, (400, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    found = facts(own, parts, test_digits, noise, torch.arange(400) % 10)
    assert found["fd_ci"][0] > 10 * found["fd_floor_ci"][1] and found["coverage_ci"][1] < found["coverage_floor_ci"][0]


def test_wrong_labels_show_in_every_class_alone(own: Encoder, parts, test_digits: LabeledImages):
    train = parts[0]
    found = facts(own, parts, test_digits, train.images, (train.labels + 1) % 10)
    assert found["fd"] < 2 * found["fd_floor"]
    assert all(row["fd"] > 10 * row["fd_floor"] and row["precision"] < 0.2 for row in found["per_class"].values())


def test_one_image_a_class_has_no_variety(own: Encoder, parts, test_digits: LabeledImages):
    held_out = parts[1]
    one = torch.stack([held_out.images[held_out.labels == k][0] for k in range(10)]).repeat(50, 1, 1, 1)
    found = facts(own, parts, test_digits, one, torch.arange(10).repeat(50))
    assert found["recall"] < 0.1 < 0.8 < found["recall_floor"]
    assert all(row["vendi"] < 1.001 and row["vendi_floor"] > 3 for row in found["per_class"].values())


def test_copies_of_training_images_have_no_angle_to_them(own: Encoder, parts, test_digits: LabeledImages):
    found = facts(own, parts, test_digits, parts[0].images, parts[0].labels)
    assert found["min_cosine"] == pytest.approx(0, abs=1e-9) and found["min_cosine_floor"] > 1e-3


def test_both_sides_have_as_many_images_of_each_class(own: Encoder, parts, test_digits: LabeledImages):
    """A corpus that fills two classes alone is compared with real images of these two, not blamed for the others."""
    train, held_out = parts
    chosen = train.labels < 2
    found = facts(own, parts, test_digits, train.images[chosen], train.labels[chosen])
    assert found["images"] == int(held_out.counts[:2].sum())
    assert found["fd"] < 1.5 * found["fd_floor"] and set(found["per_class"]) == set(test_digits.classes[:2])


def test_few_held_out_images_give_the_floor_to_training_images(own: Encoder, parts, test_digits: LabeledImages):
    train, held_out = parts
    found = fidelity(own, test_digits, held_out.subset(range(30)), train, held_out.images, held_out.labels)
    assert found["floor"] == "training real images" and found["min_cosine_floor"] is None
    assert found["images"] == len(held_out)


def test_a_handful_of_images_is_no_sample(own: Encoder, parts, test_digits: LabeledImages):
    found = facts(own, parts, test_digits, parts[1].images[:9], parts[1].labels[:9])
    assert found["fd"] is None and found["per_class"] == {} and not found["usable"]
    assert found["why"] == "only 9 images"
