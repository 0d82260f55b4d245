"""Guessed labels: right where they are sure, never from validation, and a function of their seed."""

import torch
from test_learning import DATA

from ganaug.data import first_per_class, load
from ganaug.measures.selftraining import Guesses, guess_labels


def guessed(per_class: int, seed: int = 0) -> tuple[Guesses, torch.Tensor]:
    few, rest = first_per_class(load("sklearn:digits"), per_class)
    val, rest = first_per_class(rest, 5)
    found = guess_labels(
        few.images, few.labels, rest.images, held_out=(val.images, val.labels), num_classes=10, seed=seed, steps=200
    )
    return found, rest.labels


def test_of_digits_with_five_labels_a_class_sure_guesses_are_right_in_95_of_100_and_are_most():
    found, labels = guessed(5)
    right = (found.labels == labels).float()
    assert found.sure.float().mean() >= 0.7 and right[found.sure].mean() >= 0.95
    assert right[found.sure].mean() > right[~found.sure].mean() + 0.1
    share, precision = found.share, found.right
    assert 0.5 <= share <= 1 and precision >= 0.9


def test_guesses_are_a_function_of_the_seed_and_not_of_the_validation_images():
    rows, more = torch.arange(0, 240, 8), torch.arange(1, 240, 8)
    known, unknown = (DATA.images[rows], DATA.labels[rows]), DATA.images[more]
    one, again, other = (
        guess_labels(*known, unknown, held_out=(DATA.images[held], DATA.labels[held]), num_classes=3, steps=30)
        for held in (torch.arange(3, 9), torch.arange(3, 9), torch.arange(100, 190))
    )
    for found in (again, other):
        assert torch.equal(found.labels, one.labels) and torch.equal(found.sure, one.sure)
    assert (one.labels == DATA.labels[more]).all()
