"""What every generator of a study is marked by: classifiers of its images, and distances to the test images."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from ganaug.data import LabeledImages, first_per_class, hold_out, mix
from ganaug.measures import Encoder, default_steps, fit_encoder, frechet_distance, prdc
from ganaug.measures.choosing import choose_augmentation, choose_steps
from ganaug.measures.design import Design
from ganaug.measures.grading import Fit, Labeled, grade
from ganaug.run import VAL_FRACTION

CLASSIFIERS = 3  # of every generator
ENCODER_SEED = 1  # not the encoder that chose the checkpoint
LEARNED = "learned"


@dataclass(frozen=True)
class Exam:
    """How images are marked.

    Attributes:
        test: Real images that nothing was fitted or chosen on.
        encoder: A classifier of the whole real training split.
        augment: The classical augmentation of all classifiers.
        steps: Optimiser steps of all classifiers.
        device: Where they are trained.
    """

    test: LabeledImages
    encoder: Encoder
    augment: str
    steps: int
    device: str

    def mark(self, learned: Labeled, seen: Labeled, seed: int) -> dict[str, Any]:
        """What classifiers that learn from some images say of the test images, and how close others come to these.

        Args:
            learned: uint8 [N, C, H, W] and labels int64 [N], for the classifiers.
            seen: The same, for the distances.
            seed: Of the classifiers; those of equal seeds are paired.
        """
        return {"said": self.said(learned, seed), **self.distances(*seen)}

    def said(self, learned: Labeled, seed: int) -> list[list[int]]:
        """The class that each classifier takes each test image for."""
        fits = [Fit(mix(seed, i), self.augment, ("test",), real=LEARNED) for i in range(CLASSIFIERS)]
        sets = {LEARNED: learned, "test": pair(self.test)}
        protocol = Design(self.test.classes, device=self.device, n_jobs=1).protocol(self.steps)
        return grade({LEARNED: fits}, sets, protocol)[LEARNED]["test"].predicted.tolist()

    @cached_property
    def real(self) -> Tensor:
        """Features of the test images."""
        return self.encoder(self.test.images)

    def distance(self, images: Tensor) -> float:
        """From the test images, over all of them."""
        return frechet_distance(self.real, self.encoder(images))

    def distances(self, images: Tensor, labels: Tensor) -> dict[str, Any]:
        """From the test images, over all of them and within each class."""
        real, other = self.real, self.encoder(images)
        classes = {
            name: frechet_distance(real[self.test.labels == k], other[labels == k])
            for k, name in enumerate(self.test.classes)
        }
        found = prdc(real, other)
        return {
            "fd": frechet_distance(real, other),
            "class_fd": sum(classes.values()) / len(classes),
            "per_class_fd": classes,
            "precision": found.precision,
            "recall": found.recall,
        }


def encoder(whole: LabeledImages, device: str) -> Encoder:
    """What distances are taken with."""
    return fit_encoder(whole.images, whole.labels, num_classes=whole.num_classes, seed=ENCODER_SEED, device=device)


def choices(real: LabeledImages, device: str, n_jobs: int) -> dict[str, Any]:
    """The `augment` and `steps` of an exam: what serves real images best, on validation images that are cut from them.

    As `ganaug measure` chooses both, before any generator is looked at.
    """
    train, val = (pair(part) for part in hold_out(real, VAL_FRACTION))
    protocol = Design(real.classes, device=device, n_jobs=n_jobs).protocol(default_steps(len(train[1])))
    augment, scores = choose_augmentation(train, val, protocol, "balanced_accuracy")
    steps, _ = choose_steps(train, val, protocol, "balanced_accuracy", augment, known=scores[augment])
    return {"augment": augment, "steps": steps}


def up_to(n: int, data: LabeledImages) -> LabeledImages:
    """At most n random images of each class."""
    return first_per_class(data, n)[0]


def pair(data: LabeledImages) -> Labeled:
    """Images and labels."""
    return data.images, data.labels
