"""Many fits side by side: in processes or stacked into one network, the same predictions come back in order."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from ganaug.data import first_per_class, load
from ganaug.errors import DataError
from ganaug.measures.classifier import balancing_weights, fit_classifier, probabilities
from ganaug.measures.grading import Fit, Labeled, Protocol, grade, side_by_side
from ganaug.measures.mixing import first_of_each_class, mixed_order
from ganaug.measures.networks import OWN
from ganaug.measures.predictions import Predictions
from ganaug.measures.stacking import fit_stack

PROTOCOL = Protocol(num_classes=10, steps=8, batch_size=32, n_jobs=1)


@pytest.fixture(scope="module")
def sets() -> dict[str, Labeled]:
    few, rest = first_per_class(load("sklearn:digits:train"), 12)
    first, rest = first_per_class(rest, 20)
    second, _ = first_per_class(rest, 30)
    test = load("sklearn:digits:test")
    parts = {"train": few, "synthetic": first, "another": second, "test": test}
    pairs = {name: (part.images, part.labels) for name, part in parts.items()}
    kept = (few.labels > 4) | (torch.arange(len(few)) % 3 == 0)
    return pairs | {"train": (few.images[kept], few.labels[kept])}


ARMS = {
    "alone": [Fit(s, "affine", ("test", "train")) for s in (3, 1)],
    "mixed": [Fit(3, "affine", ("test",), 0.25), Fit(1, "affine", ("test",), 0.5, synthetic="another")],
    "few": [Fit(3, "affine+cutmix", ("test",), steps=12, weighted=True, per_class=9)],
    "other": [Fit(0, "none", ("test",), real="another")],
}


def same(a: dict, b: dict) -> bool:
    return all(
        np.array_equal(a[arm][on].predicted, b[arm][on].predicted)
        and np.array_equal(a[arm][on].confidence, b[arm][on].confidence)
        for arm in ARMS
        for on in a[arm]
    )


@pytest.fixture(scope="module")
def graded(sets):
    return grade(ARMS, sets, PROTOCOL)


# --- what comes back


def test_every_arm_has_a_row_for_each_fit_and_a_column_for_each_image(graded, sets):
    found = graded["alone"]["test"]
    assert found.predicted.shape == found.confidence.shape == (2, len(sets["test"][1]))
    assert found.predicted.dtype == np.int64 and found.confidence.dtype == np.float32
    assert (found.confidence >= 0.0999).all() and (found.confidence <= 1).all(), "the likeliest of ten classes"
    assert set(graded["alone"]) == {"test", "train"} and set(graded["mixed"]) == {"test"}


def test_right_compares_each_row_with_the_labels():
    found = Predictions(np.array([[0, 1, 2], [2, 1, 0]]), np.ones((2, 3), np.float32))
    assert found.right(np.array([0, 1, 0])).tolist() == [[True, True, False], [False, True, True]]


def test_rows_are_the_fits_in_their_order_whatever_takes_longest(graded, sets):
    images, labels = sets["train"]
    fit = partial(fit_classifier, num_classes=10, batch_size=32)
    chosen = first_of_each_class(labels, 9, seed=3)
    weights = balancing_weights(labels[chosen], 10)
    assert weights.max() > 1.5
    few = fit(images[chosen], labels[chosen], steps=12, seed=3, augment="affine+cutmix", class_weights=weights)
    mixed = fit(images, labels, steps=8, seed=1, augment="affine", synthetic=sets["another"], fraction=0.5)
    other = fit(*sets["another"], steps=8, seed=0)
    for arm, row, model in (("few", 0, few), ("mixed", 1, mixed), ("other", 0, other)):
        best = probabilities(model, sets["test"][0]).max(1)
        assert np.array_equal(graded[arm]["test"].predicted[row], best.indices.numpy())
        assert np.array_equal(graded[arm]["test"].confidence[row], best.values.numpy())


def test_two_processes_give_what_one_gives(graded, sets):
    assert same(graded, grade(ARMS, sets, replace(PROTOCOL, n_jobs=2)))


def test_the_users_network_goes_to_the_processes(sets):
    def plain(shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), 256), nn.ReLU(), nn.Linear(256, num_classes))

    arms = {"a": [Fit(s, "none", ("test",), real="another") for s in (0, 1)]}
    protocol = replace(PROTOCOL, classifier=plain, steps=60)
    one, two = (grade(arms, sets, replace(protocol, n_jobs=n))["a"]["test"] for n in (1, 2))
    assert np.array_equal(one.predicted, two.predicted)
    assert one.right(sets["test"][1].numpy()).mean() > 0.6


# --- stacked


@pytest.mark.parametrize("kind", OWN)
def test_stacked_fits_have_the_weights_of_separate_ones(kind, sets):
    images, labels = sets["train"]
    seeds, augment = (4, 0, 7), "affine+flip+cutmix"
    orders = torch.stack([mixed_order(labels, labels[:0], 0.0, steps=5, batch_size=32, seed=s) for s in seeds])
    stack = fit_stack(images, labels, orders, seeds, num_classes=10, augment=augment, classifier=kind)
    one = partial(fit_classifier, num_classes=10, steps=5, batch_size=32, augment=augment, classifier=kind)
    for model, seed in zip(stack, seeds, strict=True):
        alone = one(images, labels, seed=seed)
        for name, value in model.state_dict().items():
            gaps = (value - alone.state_dict()[name]).abs().double()
            assert gaps.mean() < 3e-4, f"{name}: single weights may differ, as Adam makes steps of mere rounding"


def test_stacked_fits_predict_what_separate_ones_do(graded, sets):
    fits = [fit for arm in ARMS.values() for fit in arm]
    rows = [graded[arm]["test"].predicted[i] for arm in ARMS for i in range(len(ARMS[arm]))]
    for fit, row, found in zip(fits, rows, side_by_side(fits, sets, PROTOCOL), strict=True):
        assert set(found) == set(fit.graded)
        assert (found["test"].predicted[0] == row).mean() > 0.99


def test_stacked_airbenches_predict_what_separate_ones_do(sets):
    protocol = replace(PROTOCOL, classifier="airbench")
    alone = grade({"mixed": ARMS["mixed"]}, sets, protocol)["mixed"]["test"].predicted
    stacked = [found["test"].predicted[0] for found in side_by_side(ARMS["mixed"], sets, protocol)]
    assert (alone == np.stack(stacked)).mean() > 0.98


def test_other_networks_are_fitted_one_by_one_on_a_device(sets):
    fits, protocol = (
        ARMS["mixed"],
        replace(PROTOCOL, classifier=lambda *_: nn.Sequential(nn.Flatten(), nn.Linear(64, 10))),
    )
    one, two = side_by_side(fits, sets, protocol)
    alone = grade({"mixed": fits}, sets, protocol)["mixed"]["test"]
    assert np.array_equal(np.concatenate([one["test"].predicted, two["test"].predicted]), alone.predicted)


def test_stacked_synthetic_images_of_another_shape_are_refused(sets):
    odd = sets | {"synthetic": (sets["another"][0].repeat(1, 3, 1, 1), sets["another"][1])}
    with pytest.raises(DataError, match="synthetic images must be"):
        side_by_side(ARMS["mixed"], odd, PROTOCOL)
