"""The downstream classifier, its networks, its batches and the encoder made from it."""

import math
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ganaug.data import LabeledImages, first_per_class, load
from ganaug.errors import DataError
from ganaug.measures import classifier
from ganaug.measures.classifier import (
    Classifier,
    accuracy,
    augmented_batches,
    balancing_weights,
    features,
    fit_classifier,
    initial,
    learning_rate,
    predict,
    probabilities,
)
from ganaug.measures.features import fit_encoder
from ganaug.measures.mixing import first_of_each_class, mixed_order, shuffled


@pytest.fixture(scope="module")
def train() -> LabeledImages:
    return load("sklearn:digits:train")


@pytest.fixture(scope="module")
def test() -> LabeledImages:
    return load("sklearn:digits:test")


def plain(n: int, channels: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Grey images, each of a class of its own."""
    return torch.full((n, channels, 8, 8), 128, dtype=torch.uint8), torch.arange(n)


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
    labels = torch.arange(50)
    order = mixed_order(labels, labels, fraction, steps=30, batch_size=16, seed=0)
    counts = (order >= 50).sum(1)
    assert order.shape == (30, 16)
    assert (counts - 16 * fraction).abs().max() < 1
    assert counts.sum() == int(30 * 16 * fraction + 1e-9)


def test_synthetic_images_take_the_place_of_real_ones_of_their_class_and_leave_the_others_in_order():
    labels, other = torch.arange(50), torch.arange(100) % 50
    alone, mixed = (mixed_order(labels, other, f, steps=20, batch_size=16, seed=4) for f in (0.0, 0.25))
    assert torch.equal(labels[alone], torch.cat([labels, other])[mixed])
    assert (mixed[:, :4] >= 50).all() and torch.equal(mixed[:, 4:], alone[:, 4:])


def test_every_synthetic_image_of_a_class_is_used_before_any_comes_twice():
    labels, other = torch.arange(50) % 5, torch.arange(40) % 5
    order = mixed_order(labels, other, 0.5, steps=10, batch_size=16, seed=0)
    used = torch.bincount(order[order >= 50] - 50, minlength=40)
    assert used.sum() == 80
    for k in range(5):
        assert used[other == k].max() - used[other == k].min() <= 1


def test_a_class_without_synthetic_images_is_refused():
    with pytest.raises(DataError, match="must cover every class of the real ones, got none of class"):
        mixed_order(torch.arange(50), torch.arange(30), 0.5, steps=10, batch_size=16, seed=0)


def test_fits_of_one_seed_see_the_same_real_images_under_the_same_augmentation_whatever_the_fraction(train):
    images, labels = torch.cat([train.images[:100], 255 - train.images[:100]]), train.labels[:100].repeat(2)
    order = torch.stack([mixed_order(labels[:100], labels[100:], f, steps=6, batch_size=32, seed=3) for f in (0, 0.5)])
    alone, mixed = (list(augmented_batches(images, labels, part[None], (3,), "affine+flip", 10)) for part in order)
    for (before, _), (after, _) in zip(alone, mixed, strict=True):
        assert torch.equal(before[16:], after[16:])
        assert (before[:16] != after[:16]).any((1, 2, 3)).all()


def test_subsets_of_each_class_are_nested_and_differ_between_seeds(train):
    sizes = (1, 5, 20, 10_000)
    small, *_, whole = subsets = [set(first_of_each_class(train.labels, n, seed=1).tolist()) for n in sizes]
    assert all(a < b for a, b in pairwise(subsets))
    assert len(small) == 10 and len(whole) == len(train)
    assert torch.equal(train.labels[first_of_each_class(train.labels, 5, seed=1)].bincount(), torch.full((10,), 5))
    assert subsets[2] != set(first_of_each_class(train.labels, 20, seed=2).tolist())


@pytest.mark.parametrize("fraction", [0.5, -0.1, 1.5])
def test_a_fraction_out_of_range_or_without_images_is_refused(fraction):
    with pytest.raises(DataError, match=r"fraction must lie in \[0, 1\], and be 0 without synthetic images, got"):
        fit_classifier(*plain(4), num_classes=4, steps=1, seed=0, fraction=fraction)


def test_synthetic_images_of_another_shape_are_refused():
    with pytest.raises(DataError, match=r"synthetic images must be \[C, H, W\] = \[1, 8, 8\] .* got \[3, 8, 8\]"):
        fit_classifier(*plain(4), num_classes=4, steps=1, seed=0, synthetic=plain(4, channels=3), fraction=0.5)


def test_an_unknown_augmentation_is_refused_by_name():
    with pytest.raises(DataError, match=r"augment must be one of none, shift, .* got 'rotate'"):
        fit_classifier(*plain(4), num_classes=4, steps=1, seed=0, augment="rotate")


# --- classes that count more


def test_weighted_classes_have_a_mean_weight_of_1_over_the_images():
    labels = torch.tensor([0] * 30 + [1] * 10 + [3] * 2)
    weights = balancing_weights(labels, 4)
    assert weights[labels].mean() == pytest.approx(1)
    assert (weights * labels.bincount())[[0, 1, 3]].tolist() == pytest.approx([14.0] * 3)


def test_weights_raise_the_recall_of_rare_classes(train, test):
    rare = torch.cat([(train.labels == k).nonzero().squeeze(1)[: 4 if k in (3, 8) else 40] for k in range(10)])
    images, labels = train.images[rare], train.labels[rare]
    of_rare = (test.labels == 3) | (test.labels == 8)

    def recall(weights: torch.Tensor | None) -> float:
        model = fit_classifier(images, labels, num_classes=10, steps=80, seed=0, augment="shift", class_weights=weights)
        return accuracy(model, test.images[of_rare], test.labels[of_rare])

    assert recall(balancing_weights(labels, 10)) > recall(None) + 0.3


# --- airbench


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 13), (4, 40, 64), (3, 8, 200)])
def test_airbench_takes_any_size_and_channels_and_its_start_follows_the_seed(shape):
    first, again, other = (initial(shape, 3, seed, "airbench").eval() for seed in (0, 0, 1))
    images = torch.randn(2, *shape, generator=generator())
    assert first(images).shape == (2, 3) and first(images).isfinite().all()
    assert torch.equal(first(images), again(images)) and not torch.equal(first(images), other(images))


def test_airbench_begins_by_passing_its_patches_on():
    first, *others = initial((3, 32, 32), 10, 0, "airbench").blocks  # type: ignore[misc]
    x = torch.randn(1, 24, 9, 9, generator=generator())
    assert torch.allclose(first.first(x)[:, :24], x, atol=1e-6)  # type: ignore[union-attr]
    patches = initial((3, 32, 32), 10, 0, "airbench").patches.weight.flatten(1)  # type: ignore[union-attr]
    assert torch.allclose(patches[:12] @ patches[:12].T, torch.eye(12), atol=1e-5)
    assert torch.equal(patches[12:], -patches[:12]) and len(others) == 2


def test_airbench_learns_digits(train, test):
    model = fit_digits(train, steps=60, augment="shift", classifier="airbench")
    assert accuracy(model, test.images, test.labels) >= 0.95


# --- arithmetic


def test_noise_drawn_ahead_is_the_noise_drawn_step_by_step(train, monkeypatch):
    orders = torch.stack(
        [mixed_order(train.labels, train.labels[:0], 0, steps=7, batch_size=8, seed=s) for s in (0, 5)]
    )
    batches = []
    for ahead in (1, 3, 64):
        monkeypatch.setattr(classifier, "AHEAD", ahead)
        batches.append(list(augmented_batches(train.images, train.labels, orders, (0, 5), "trivial+cutmix", 10)))
    for one, three, all_at_once in zip(*batches, strict=True):
        assert all(torch.equal(a, b) and torch.equal(a, c) for a, b, c in zip(one, three, all_at_once, strict=True))


class Sent(TorchDispatchMode):
    """Counts what goes from the host to the meta device, which answers nothing: to ask it is an error."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor) and x.ndim]
        made = [x for x in tree_leaves(found) if isinstance(x, torch.Tensor)]
        self.count += any(x.is_meta for x in made) and any(not x.is_meta for x in given)
        return found


@pytest.mark.parametrize("augment", ["none", "affine+flip", "trivial+mixup", "affine+cutmix"])
def test_a_device_is_sent_noise_for_many_steps_at_once_and_never_waited_for(augment, train, monkeypatch):
    monkeypatch.setattr(classifier, "AHEAD", 8)
    order = mixed_order(train.labels, train.labels[:0], 0, steps=20, batch_size=4, seed=0)[None]
    images, labels = train.images.to("meta"), train.labels.to("meta")
    with Sent() as sent:
        batches = list(augmented_batches(images, labels, order, (0,), augment, 10))
    assert len(batches) == 20 and batches[0][0].shape == (4, 1, 8, 8)
    assert sent.count <= 6, "the order, the noise in three parts, and what does not grow with the steps"


def test_on_a_cpu_nothing_is_rounded():
    with classifier.arithmetic(torch.device("cpu")):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


@pytest.mark.parametrize("kind", ["small", "airbench"])
def test_rounded_products_teach_as_much_and_leave_weights_statistics_and_answers_whole(kind, train, test, monkeypatch):
    """As on a GPU, but for the device."""
    monkeypatch.setattr(classifier, "arithmetic", lambda device: torch.autocast("cpu", torch.bfloat16))
    model = fit_digits(train, steps=60, augment="shift", classifier=kind)
    assert accuracy(model, test.images, test.labels) >= 0.9
    assert {t.dtype for t in model.state_dict().values() if t.is_floating_point()} == {torch.float32}
    assert not torch.equal(classifier.logits(model, test.images), classifier.logits(model, test.images).bfloat16())


# --- other networks


@pytest.mark.parametrize(("steps", "share"), [(8, 0.5), pytest.param(30, 0.9, marks=pytest.mark.slow)])
def test_resnet18_of_torchvision_learns_8_px_digits(train, test, steps, share):
    state = torch.random.get_rng_state()
    model = fit_digits(train, steps=steps, classifier="torchvision:resnet18")
    assert accuracy(model, test.images, test.labels) > share
    assert torch.equal(torch.random.get_rng_state(), state), "the global generator moved"


@pytest.mark.parametrize("shape", [(1, 8, 8), (4, 20, 40)])
def test_torchvision_networks_take_any_channels_and_their_start_follows_the_seed(shape):
    first, again, other = (initial(shape, 3, seed, "torchvision:mobilenet_v3_small") for seed in (0, 0, 1))
    images = torch.randn(2, *shape, generator=generator())
    assert first.eval()(images).shape == (2, 3)
    assert torch.equal(first(images), again.eval()(images))
    assert not torch.equal(first(images), other.eval()(images))


def test_dropout_follows_the_seed_too(train):
    first, again = (fit_digits(train, steps=3, classifier=with_dropout) for _ in range(2))
    assert torch.equal(predict(first, train.images), predict(again, train.images))


def with_dropout(shape: tuple[int, int, int], num_classes: int) -> nn.Module:
    first = nn.Linear(math.prod(shape), 256)
    return nn.Sequential(nn.Flatten(), first, nn.ReLU(), nn.Dropout(), nn.Linear(256, num_classes))


def test_the_users_own_network_is_trained(train, test):
    model = fit_digits(train, steps=100, classifier=with_dropout)
    assert isinstance(model, nn.Sequential) and not model.training
    assert accuracy(model, test.images, test.labels) > 0.8
    assert probabilities(model, test.images).sum(1) == pytest.approx(torch.ones(len(test)), abs=1e-5)


@pytest.mark.parametrize("name", ["torchvision:resnet19", "resnet18", "torchvision:fcn_resnet50"])
def test_an_unknown_network_is_refused_with_a_suggestion(name):
    with pytest.raises(
        DataError, match=r"classifier must be small, airbench or torchvision:NAME, got '.*'; try torchvision:\w+"
    ):
        fit_classifier(*plain(4), num_classes=4, steps=1, seed=0, classifier=name)


@pytest.mark.parametrize(
    ("layers", "got"),
    [
        ([nn.Flatten(), nn.Linear(64, 5)], r"got \[2, 5\]"),
        ([nn.Conv2d(1, 4, 1)], r"got \[2, 4, 8, 8\]"),
        ([nn.Flatten(), nn.Linear(63, 4)], "got mat1 and mat2 shapes cannot be multiplied"),
        ([nn.Flatten(), nn.Linear(64, 4), nn.Threshold(1e9, math.nan)], "got NaN or infinity"),
    ],
)
def test_a_network_without_finite_logits_for_each_class_is_refused(layers, got):
    with pytest.raises(DataError, match=rf"must map images \[1, 8, 8\] to finite logits \[N, 4\], {got}.*; choose an"):
        fit_classifier(*plain(4), num_classes=4, steps=1, seed=0, classifier=lambda *_: nn.Sequential(*layers))


@pytest.mark.parametrize("made", [nn.Flatten(), len])
def test_what_is_no_network_with_weights_is_refused(made):
    with pytest.raises(DataError, match="must give a network with weights, got"):
        fit_classifier(*plain(4), num_classes=4, steps=1, seed=0, classifier=lambda *_: made)


def test_a_network_that_a_callable_gives_twice_is_trained_afresh(train):
    network = with_dropout((1, 8, 8), 10)
    first, again = (fit_digits(train, steps=5, classifier=lambda *_: network) for _ in range(2))
    assert torch.equal(predict(first, train.images), predict(again, train.images))
    assert first is not network


class WithAuxiliary(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(64, 4)

    def forward(self, x: torch.Tensor):
        logits = self.head(x.flatten(1))
        return (logits, logits) if self.training else logits


def test_a_network_that_gives_more_than_logits_in_training_is_refused():
    with pytest.raises(DataError, match=r"must map images \[1, 8, 8\] to finite logits \[N, 4\], got tuple"):
        fit_classifier(*plain(4), num_classes=4, steps=1, seed=0, classifier=lambda *_: WithAuxiliary())


def test_logits_that_leave_the_numbers_are_refused():
    last = nn.Linear(64, 4)
    nn.init.constant_(last.weight, math.nan)
    model = nn.Sequential(nn.Flatten(), last)
    with pytest.raises(DataError, match="logits of a classifier must be finite, got NaN"):
        predict(model, plain(4)[0])


# --- shapes


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 13), (1, 28, 28), (4, 64, 64), (3, 8, 200), (3, 97, 33)])
def test_any_size_and_channels_give_logits_and_64_features(shape):
    model = initial(shape, 5, seed=0).eval()
    assert isinstance(model, Classifier)
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
