"""What a gain study is given: the images, and how to measure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ganaug.errors import DataError
from ganaug.measures.grading import Labeled, Protocol
from ganaug.measures.metrics import HEADLINES
from ganaug.measures.networks import Kind

FRACTIONS = (0.1, 0.25, 0.5, 0.7)
SHOWN = 5_000  # images at most of a set that is graded for the gap and for GAN-test, where it decides nothing
NOISE, SHIFT = 8.0, 1  # grey levels and pixels by which the copies of the control are jittered


@dataclass(frozen=True)
class Sets:
    """The images of a gain study, all uint8 [N, C, H, W] with labels int64 [N].

    Attributes:
        train: Real, to learn from while something is chosen.
        val: Real, to choose on.
        test: Real, for the verdict.
        synthetic: One set for each generator; the seeds take them in turn.
        choosing: The same without copies of validation images; empty: as `synthetic`.
        retrain: Whether reported arms learn from validation images too, which were cut from the training images.
        left_out: How many synthetic images `choosing` lacks.
    """

    train: Labeled
    val: Labeled
    test: Labeled
    synthetic: tuple[Labeled, ...]
    choosing: tuple[Labeled, ...] = ()
    retrain: bool = False
    left_out: int = 0

    def __post_init__(self) -> None:
        if not self.synthetic or not all(len(labels) for _, labels in self.synthetic):
            raise DataError("synthetic must be one set of images or more, got none; pass what is to be judged")

    @property
    def whole(self) -> Labeled:
        """What reported arms learn from."""
        if not self.retrain:
            return self.train
        return joined((self.train, self.val))

    @property
    def unused(self) -> Labeled | None:
        """Real images that no reported arm learns from, of every class; None where there are none."""
        classes = self.train[1].unique()
        covered = torch.isin(classes, self.val[1]).all()
        return None if self.retrain or not covered else self.val

    def counts(self, num_classes: int) -> np.ndarray:
        """Training images of each class, int64 [K]."""
        return torch.bincount(self.whole[1], minlength=num_classes).numpy()

    def to_choose(self) -> dict[str, Labeled]:
        """Name -> images of the choices; the test images are not among them."""
        pools = self.choosing or self.synthetic
        return {"train": self.train, "val": self.val} | {made_by(m): pool for m, pool in enumerate(pools)}

    def to_report(self, seed: int | None) -> dict[str, Labeled]:
        """Name -> images of the reported arms, and of the controls where there is a `seed` to plant them by."""
        whole, (made, labels) = self.whole, joined(self.synthetic)
        found = {
            "train": whole,
            "test": self.test,
            "seen": some(whole),
            "learned": some(self.train),
            "val": self.val,
            "judged": some((made, labels)),
            **{made_by(m): images for m, images in enumerate(self.synthetic)},
        }
        if seed is None:
            return found
        planted = {"copies": jittered(whole, seed), "wrong": (made, (labels + 1) % (int(whole[1].max()) + 1))}
        return found | planted | ({} if self.unused is None else {"held-out": self.unused})


@dataclass(frozen=True)
class Design:
    """How a gain is measured.

    Attributes:
        classes: The K class names, in label order.
        seeds: One for each reported classifier of an arm, paired across arms. Fewer than 6 decide nothing.
        seed: Of the choices and of what is planted.
        full: Whether all arms, the controls and the learning curve are run.
        fractions: Synthetic shares of each batch to try, in (0, 1).
        metric: "accuracy", "balanced_accuracy", or None: by the imbalance of the training images.
        margin: Differences within +- margin count as none.
        augment: The classical augmentation; None: chosen on validation.
        steps: Optimiser steps of every classifier; None: chosen on validation.
        gan_seconds: What making the generators took; None where it is not known.
        classifier: "small", "airbench", "torchvision:NAME" or a function ((C, H, W), K) -> module.
        batch_size: Images per step.
        n_jobs: Processes; -1: one per core, 1: none but this one. No result depends on it, but for the steps of the arm
            that trains longer, which are set by the clock.
        device: Where to train.

    Raises:
        DataError: There is no seed or no fraction, a seed is there twice, a fraction lies outside (0, 1), or the metric
            is another.
    """

    classes: tuple[str, ...]
    seeds: tuple[int, ...] = tuple(range(10))
    seed: int = 0
    full: bool = False
    fractions: tuple[float, ...] = FRACTIONS
    metric: str | None = None
    margin: float = 0.01
    augment: str | None = None
    steps: int | None = None
    gan_seconds: float | None = None
    classifier: Kind = "small"
    batch_size: int = 40  # of which all the usual fractions are whole images
    n_jobs: int = -1
    device: str = "cpu"

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise DataError(f"seeds must be one or more, each once, got {list(self.seeds)}; 10 are usual")
        if not self.fractions or not all(0 < f < 1 for f in self.fractions):
            raise DataError(
                f"fractions must be one or more numbers in (0, 1), got {list(self.fractions)}; {FRACTIONS} are usual"
            )

        if self.metric not in (None, *HEADLINES):
            raise DataError(
                f"metric must be one of {', '.join(HEADLINES)}, got {self.metric!r}; leave it out to choose"
            )

    def protocol(self, steps: int) -> Protocol:
        """How all classifiers are trained."""
        return Protocol(len(self.classes), steps, self.batch_size, self.device, self.n_jobs, self.classifier)


def jittered(data: Labeled, seed: int) -> Labeled:
    """Copies of images, each shifted by up to a pixel and noisy by a few grey levels: what a GAN must not give.

    >>> images, labels = jittered((torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1])), seed=0)
    >>> images.shape, labels.tolist()
    (torch.Size([2, 1, 8, 8]), [0, 1])
    """
    images, labels = data
    generator = torch.Generator().manual_seed(seed)
    moves = torch.randint(-SHIFT, SHIFT + 1, (len(images), 2), generator=generator).tolist()
    moved = torch.stack([image.roll(move, (1, 2)) for image, move in zip(images, moves, strict=True)])
    noise = NOISE * torch.randn(moved.shape, generator=generator)
    return (moved + noise).round().clamp(0, 255).to(torch.uint8), labels


def some(data: Labeled) -> Labeled:
    """At most SHOWN of the images, at random."""
    images, labels = data
    chosen = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))[:SHOWN].sort().values
    return images[chosen], labels[chosen]


def joined(sets: Sequence[Labeled]) -> Labeled:
    """Several sets as one."""
    if len(sets) == 1:
        return sets[0]
    return torch.cat([images for images, _ in sets]), torch.cat([labels for _, labels in sets])


def made_by(model: int) -> str:
    """The name of a generator's images among the sets.

    >>> made_by(0)
    'synthetic 0'
    """
    return f"synthetic {model}"
