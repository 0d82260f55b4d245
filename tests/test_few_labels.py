"""Images without labels teach: what classifiers learn from synthetic images gains by them."""

import pytest
import torch

from ganaug.data import LabeledImages, first_per_class, load
from ganaug.measures.classifier import accuracy, fit_classifier
from ganaug.recipe import load_recipe
from ganaug.run import plan
from ganaug.run.players import architecture, build
from ganaug.run.streams import guess, streams
from ganaug.synthesis import Synthesizer
from ganaug.training import train


def gan_train(few: LabeledImages, unlabeled: LabeledImages | None, judged: LabeledImages) -> float:
    """Accuracy of a classifier of synthetic images alone, after 600 steps of the default engine."""
    todo = plan(few, load_recipe("auto", ["train.steps=600"]), device="cpu", unlabeled=unlabeled)
    (state, objective), (batches, held_out) = build(todo), streams(todo, guess(todo))
    for _ in train(state, batches, objective, steps=600, held_out=held_out):
        pass
    synth = Synthesizer(state.G_ema, architecture(todo), {}, "cpu")
    images, labels = synth.sample(torch.arange(10).repeat_interleave(100))
    fits = (fit_classifier(images, labels, num_classes=10, steps=300, seed=seed) for seed in range(2))
    return sum(accuracy(fit, judged.images, judged.labels) for fit in fits) / 2


@pytest.mark.slow
def test_beside_ten_labels_a_class_unlabelled_digits_add_three_points_to_what_synthetic_ones_teach():
    few, rest = first_per_class(load("sklearn:digits"), 10)
    judged, unlabeled = first_per_class(rest, 40)
    without, with_them = gan_train(few, None, judged), gan_train(few, unlabeled, judged)
    assert with_them >= without + 0.03
