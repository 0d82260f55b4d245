"""What training is fed with: labels are believed as far as they are known, and labelled images are not crowded out."""

from dataclasses import replace

import pytest
import torch
from tiny_run import SETTINGS, noise

from ganaug.measures.selftraining import Guesses
from ganaug.recipe import load_recipe
from ganaug.run import Plan, plan
from ganaug.run.streams import streams


def planned(*settings: str, more: int = 200) -> Plan:
    return plan(noise(), load_recipe("auto", [*SETTINGS, *settings]), device="cpu", unlabeled=noise(more, seed=5))


def guesses(todo: Plan, sure: int, right: float = 0.9) -> Guesses:
    assert todo.unlabeled is not None
    n = len(todo.unlabeled)
    return Guesses(torch.arange(n) % 3, torch.arange(n) < sure, share=0.5, right=right)


@pytest.mark.parametrize("weight", [1.0, 0.5])
def test_sure_guesses_are_believed_as_often_as_such_are_right_and_others_not_at_all(weight: float):
    todo = planned(f"train.unlabeled_weight={weight}")
    batches, _ = streams(todo, guesses(todo, sure=30))
    known = len(todo.train)
    assert batches.trust[:known].tolist() == [1.0] * known
    assert batches.trust[known:].tolist() == pytest.approx([0.9 * weight] * 30 + [0.0] * 170)


def test_half_of_what_is_drawn_has_a_believed_label_however_few_there_are():
    todo = planned(more=3000)
    batches, _ = streams(todo, guesses(todo, sure=0))
    drawn = torch.cat([batches.indices(b) for b in range(2 * batches.total // batches.size)])
    assert float((batches.trust[drawn] > 0).double().mean()) == pytest.approx(0.5, abs=0.01)
    assert len(drawn.unique()) == len(batches.labels)  # and every image comes


def test_where_most_labels_are_believed_images_come_as_they_are():
    todo = planned()
    batches, _ = streams(todo, guesses(todo, sure=200))
    epoch = torch.cat([batches.indices(b) for b in range(batches.total // batches.size)])
    assert batches.total == len(batches.labels) and len(epoch.unique()) == len(epoch)


def test_held_out_images_are_sampled_like_the_training_images():
    data = noise(90)
    data = replace(data, labels=(torch.arange(90) >= 60).long() + (torch.arange(90) >= 80).long())
    todo = plan(data, load_recipe("auto", SETTINGS), device="cpu")
    assert todo.recipe.train.sampling == "balanced"
    for batches in streams(todo):
        drawn = torch.cat([batches.labels[batches.indices(b)] for b in range(300)])
        assert (drawn.bincount() / len(drawn)).tolist() == pytest.approx([1 / 3] * 3, abs=0.01)
