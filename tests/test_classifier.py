"""The downstream classifier, its batches, its classical augmentation and the encoder made from it."""

import pytest
import torch

from ganaug.data import LabeledImages, first_per_class, load
from ganaug.errors import DataError
from ganaug.measures import classifier
from ganaug.measures.augment import AUGMENTATIONS, Augmentation, augment_images, mixup
from ganaug.measures.classifier import (
    Classifier,
    accuracy,
    build_classifier,
    features,
    fit_classifier,
    learning_rate,
    mixed_batches,
    predict,
    shuffled,
)
from ganaug.measures.features import fit_encoder

REAL, SYNTHETIC = 0, 255  # pixel values that tell the two kinds apart


@pytest.fixture(scope="module")
def train() -> LabeledImages:
    return load("sklearn:digits:train")


@pytest.fixture(scope="module")
def test() -> LabeledImages:
    return load("sklearn:digits:test")


def plain(n: int, value: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.full((n, 1, 8, 8), value, dtype=torch.uint8), torch.arange(n)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def fit_digits(data: LabeledImages, *, steps: int = 100, **options) -> Classifier:
    return fit_classifier(data.images, data.labels, num_classes=10, steps=steps, seed=0, **options)


# --- learning


def test_digits_are_learned_to_97_percent(train, test):
    model = fit_digits(train, steps=200, augment="shift")
    assert accuracy(model, test.images, test.labels) >= 0.97


def test_training_on_other_real_images_as_synthetic_scores_like_training_on_real_images(train, test):
    half, other = first_per_class(train, 55)
    real = accuracy(fit_digits(half, augment="shift"), test.images, test.labels)
    gan_train = accuracy(
        fit_digits(half, augment="shift", synthetic=(other.images, other.labels), fraction=1.0),
        test.images,
        test.labels,
    )
    assert gan_train > 0.9
    assert gan_train == pytest.approx(real, abs=0.04)


def test_training_on_shuffled_synthetic_labels_scores_near_chance(train, test):
    shuffled_labels = train.labels[torch.randperm(len(train), generator=generator())]
    model = fit_digits(train, synthetic=(train.images, shuffled_labels), fraction=1.0)
    assert accuracy(model, test.images, test.labels) < 0.25


def test_planted_help_and_planted_harm_are_seen(train, test):
    few, rest = first_per_class(train, 3)
    wrong = (rest.labels + 1) % 10

    def score(labels: torch.Tensor | None, fraction: float) -> float:
        pair = None if labels is None else (rest.images, labels)
        return accuracy(fit_digits(few, synthetic=pair, fraction=fraction), test.images, test.labels)

    alone, helped, harmed = score(None, 0.0), score(rest.labels, 0.5), score(wrong, 0.75)
    assert helped > alone + 0.05
    assert harmed < alone - 0.2


# --- functions of (seed, step)


def test_same_seed_gives_identical_weights_and_another_seed_does_not(train):
    state = torch.random.get_rng_state()
    weights = [
        torch.cat([p.detach().flatten() for p in fit_classifier(
            train.images, train.labels, num_classes=10, steps=5, seed=seed, augment="affine+flip+mixup",
            synthetic=(train.images, train.labels), fraction=0.3,
        ).parameters()])
        for seed in (1, 1, 2)
    ]  # fmt: skip
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(torch.random.get_rng_state(), state), "the global generator moved"


def test_shuffled_stream_is_whole_epochs_end_to_end():
    stream = shuffled(7, 20, seed=3)
    assert len(stream) == 20
    assert stream[:7].sort().values.tolist() == stream[7:14].sort().values.tolist() == list(range(7))
    assert stream[:7].tolist() != stream[7:14].tolist()
    assert torch.equal(shuffled(7, 9, seed=3), stream[:9])


def test_learning_rate_rises_to_its_peak_and_ends_near_zero():
    rates = [learning_rate(step, 99) for step in range(99)]
    assert max(rates) == pytest.approx(classifier.LEARNING_RATE)
    assert rates.index(max(rates)) == 19
    assert rates[-1] < 0.001 * classifier.LEARNING_RATE


# --- mixing


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.25, 1 / 3, 0.5, 1.0])
def test_every_batch_holds_the_stated_fraction_of_synthetic_images(fraction):
    batches = list(
        mixed_batches(
            *plain(50, REAL), plain(50, SYNTHETIC) if fraction else None, fraction, steps=30, batch_size=16, seed=0
        )
    )
    counts = [int((images == SYNTHETIC).all((1, 2, 3)).sum()) for images, _ in batches]
    assert len(counts) == 30 and all(len(images) == 16 for images, _ in batches)
    assert all(abs(count - 16 * fraction) < 1 for count in counts)
    assert sum(counts) == int(30 * 16 * fraction + 1e-9)


def test_synthetic_images_take_the_place_of_real_ones_of_their_class_and_leave_the_others_in_order():
    options = {"steps": 20, "batch_size": 16, "seed": 4}
    alone = [labels for _, labels in mixed_batches(*plain(50, REAL), None, 0.0, **options)]
    mixed = mixed_batches(*plain(50, REAL), plain(50, SYNTHETIC), 0.25, **options)
    for base, (images, labels) in zip(alone, mixed, strict=True):
        assert torch.equal(base, labels)
        assert (images[:4] == SYNTHETIC).all() and (images[4:] == REAL).all()


def test_every_synthetic_image_of_a_class_is_used_before_any_comes_twice():
    images, labels = torch.arange(40, dtype=torch.uint8).view(40, 1, 1, 1).expand(40, 1, 8, 8), torch.arange(40) % 5
    real = torch.full((50, 1, 8, 8), REAL, dtype=torch.uint8), torch.arange(50) % 5
    batches = mixed_batches(*real, (images, labels), 0.5, steps=10, batch_size=16, seed=0)
    used = torch.bincount(torch.cat([batch[:8, 0, 0, 0].long() for batch, _ in batches]), minlength=40)
    assert used.sum() == 80
    for k in range(5):
        assert used[labels == k].max() - used[labels == k].min() <= 1


def test_a_class_without_synthetic_images_is_refused():
    with pytest.raises(DataError, match="must cover every class of the real ones, got none of class"):
        list(mixed_batches(*plain(50, REAL), plain(30, SYNTHETIC), 0.5, steps=10, batch_size=16, seed=0))


@pytest.mark.parametrize("fraction", [0.5, -0.1, 1.5])
def test_a_fraction_out_of_range_or_without_images_is_refused(fraction):
    with pytest.raises(DataError, match=r"fraction must lie in \[0, 1\], and be 0 without synthetic images, got"):
        fit_classifier(*plain(4, REAL), num_classes=4, steps=1, seed=0, fraction=fraction)


def test_synthetic_images_of_another_shape_are_refused():
    other = torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.arange(4)
    with pytest.raises(DataError, match=r"synthetic images must be \[C, H, W\] = \[1, 8, 8\] .* got \[3, 8, 8\]"):
        fit_classifier(*plain(4, REAL), num_classes=4, steps=1, seed=0, synthetic=other, fraction=0.5)


def test_an_unknown_augmentation_is_refused_by_name():
    with pytest.raises(DataError, match=r"augment must be one of none, shift, .* got 'rotate'"):
        fit_classifier(*plain(4, REAL), num_classes=4, steps=1, seed=0, augment="rotate")


# --- shapes


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 13), (1, 28, 28), (4, 64, 64), (3, 8, 200), (3, 97, 33)])
def test_any_size_and_channels_give_logits_and_64_features(shape):
    model = build_classifier(shape, 5, seed=0).eval()
    images = torch.randint(0, 256, (3, *shape), dtype=torch.uint8, generator=generator())
    assert features(model, images).shape == (3, 64)
    assert predict(model, images).dtype == torch.int64
    stem = model.stem(torch.zeros(1, *shape))
    assert all(min(side, 11) <= after <= 20 for side, after in zip(shape[1:], stem.shape[2:], strict=True))


def test_predictions_do_not_depend_on_the_batch(train):
    model = fit_digits(train, steps=20)
    whole = predict(model, train.images[:600])
    parts = torch.cat([predict(model, part) for part in train.images[:600].split(7)])
    assert torch.equal(whole, parts)
    assert features(model, train.images[:0]).shape == (0, 64)


# --- classical augmentation


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("shape", [(1, 8, 8), (4, 20, 30)])
def test_every_policy_keeps_its_contract(name, shape):
    policy, images = AUGMENTATIONS[name], (torch.rand(1, *shape, generator=generator()) * 2 - 1).repeat(40, 1, 1, 1)
    before = images.clone()
    once, again = (augment_images(images, policy, generator(1)) for _ in range(2))
    assert once.shape == images.shape and once.dtype == torch.float32
    assert once.min() >= -1.00001 and once.max() <= 1.00001
    assert torch.equal(once, again) and torch.equal(images, before)
    assert torch.equal(once, images) == (name == "none")
    if name != "none":
        assert len(torch.unique(once.flatten(1), dim=0)) >= 5, "images of one batch must differ"


def one(**limits: float) -> torch.Tensor:
    """A ramp from left to right, eight times, under a policy with one kind of change."""
    ramp = torch.linspace(-1, 1, 16).expand(8, 1, 16, 16)
    return augment_images(ramp, Augmentation(**limits), generator())  # type: ignore[arg-type]


def test_shift_moves_whole_pixels_and_repeats_the_border():
    ramp = torch.linspace(-1, 1, 16)
    for image in one(shift=1 / 8):
        row = image[0, 0]
        moved = [ramp[(torch.arange(16) + by).clamp(0, 15)] for by in range(-2, 3)]
        assert any(torch.allclose(row, candidate, atol=1e-5) for candidate in moved)


def test_flip_mirrors_about_half_of_the_images():
    images = torch.linspace(-1, 1, 16).expand(200, 1, 16, 16)
    flipped = augment_images(images, Augmentation(flip=True), generator())
    mirrored = torch.isclose(flipped, images.flip(3), atol=1e-5).all((1, 2, 3))
    kept = torch.isclose(flipped, images, atol=1e-5).all((1, 2, 3))
    assert (mirrored | kept).all()
    assert 70 <= int(mirrored.sum()) <= 130


def test_a_quarter_turn_turns_by_a_quarter_whatever_the_aspect():
    images = torch.zeros(50, 1, 9, 21)
    images[..., 4, 6:15] = 1.0  # a horizontal bar of nine pixels through the centre
    turned = augment_images(images, Augmentation(rotation=90.0), generator())
    assert (turned[..., 4, 10] > 0.9).all()
    lengths = turned.sum((1, 2, 3))
    assert lengths.min() > 7 and lengths.max() < 11, "a bar must keep its length"


def test_transparency_is_moved_but_not_relit():
    images = torch.full((20, 4, 8, 8), 0.25)
    lit = augment_images(images, AUGMENTATIONS["affine"], generator())
    assert torch.allclose(lit[:, 3], images[:, 3], atol=1e-5)
    assert (lit[:, :3] - images[:, :3]).abs().amax((1, 2, 3)).min() > 0


def test_one_at_a_time_changes_one_parameter_of_each_image():
    images = torch.full((50, 1, 8, 8), 0.25)
    lit = augment_images(images, AUGMENTATIONS["trivial"], generator())
    changed = (lit - images).abs().amax((1, 2, 3)) > 1e-4
    assert 0 < int(changed.sum()) < 25, "only brightness changes a plain image: one parameter in seven"


def test_mixup_blends_images_and_targets_by_one_weight():
    images, targets = torch.arange(4.0)[:, None, None, None].expand(4, 1, 8, 8), torch.eye(4)
    mixed, soft = mixup(images, targets, 1.0, generator())
    assert torch.allclose(soft.sum(1), torch.ones(4))
    assert torch.allclose(mixed[:, 0, 0, 0], soft @ torch.arange(4.0), atol=1e-6)
    assert (soft.max(1).values < 1).any()
    assert mixup(images, targets, 0.0, generator())[0] is images


# --- encoder


def test_encoder_names_itself_by_its_weights_and_separates_digits(train, test):
    first, again, other = (
        fit_encoder(train.images, train.labels, num_classes=10, steps=60, seed=seed) for seed in (0, 0, 1)
    )
    assert first.id == again.id != other.id
    assert first.id.startswith("own:") and len(first.id) == 10
    encoded = first(test.images)
    assert encoded.dtype == torch.float64 and encoded.shape == (len(test), 64)
    assert (first.predict(test.images) == test.labels).float().mean() > 0.9
