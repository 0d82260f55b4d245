"""Which checkpoint is best: the one whose images, with their labels, lie closest to the validation images."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ganaug.data import mix
from ganaug.measures.classifier import accuracy, fit_classifier
from ganaug.measures.features import Encoder, fit_encoder
from ganaug.measures.fidelity import frechet_distance, joint_features, mean_norm
from ganaug.run.planning import Plan
from ganaug.synthesis import Architecture, Synthesizer

IMAGES = 1000  # synthetic images per score
JUDGED = 1  # the stream of latents that checkpoints are chosen by; users and `measure` draw from others
PROBE = 200  # steps of the classifier that tells the utility of a checkpoint
COLLAPSED = 0.25  # of the spread of the real images; a class below it has lost its variety


class Judgement(NamedTuple):
    """What is thought of a checkpoint.

    Attributes:
        score: Smaller is better: the distance to the validation images, or the share of them that a classifier of
            synthetic images gets wrong.
        variety: Of each class: how far its synthetic images spread, as a share of how far its real ones do.
    """

    score: float
    variety: dict[str, float]

    @property
    def collapsed(self) -> list[str]:
        """The classes that have lost their variety."""
        return [name for name, share in self.variety.items() if share < COLLAPSED]


@dataclass(frozen=True)
class Judge:
    """Scores generators by the Frechet joint distance (DeVries et al. 2019, arXiv:1907.08175) to the validation split.

    The features are those of a classifier trained on the real training split; labels are part of the distance, so a
    generator that draws well but disobeys loses. With `train.choose_by=utility` the score is that of a classifier
    trained on synthetic images alone (GAN-train: Shmelkov et al. 2018, arXiv:1807.09499), after a few steps.
    """

    encoder: Encoder
    real: Tensor  # features of the validation images
    scale: float
    spread: Tensor  # of each class's real training images, [K]
    todo: Plan

    @classmethod
    def of(cls, todo: Plan) -> "Judge":
        """Train the encoder on the training split, and look at the validation split once."""
        train, K = todo.train, todo.train.num_classes
        encoder = fit_encoder(train.images, train.labels, num_classes=K, device=todo.device)
        real = encoder(todo.val.images)
        return cls(encoder, real, mean_norm(real), spread(encoder(train.images), train.labels, K), todo)

    def __call__(self, G: nn.Module, architecture: Architecture) -> Judgement:
        """What is thought of `G`."""
        todo, val = self.todo, self.todo.val
        wanted = val.labels.repeat(-(-IMAGES // len(val)))
        synth = Synthesizer(G, architecture, {}, str(todo.device))
        images, labels = synth.sample(wanted, mix(todo.recipe.train.seed, JUDGED))
        features = self.encoder(images)
        share = spread(features, labels, val.num_classes) / self.spread
        variety = {name: float(s) for name, s in zip(val.classes, share, strict=True) if s.isfinite()}
        if todo.recipe.train.choose_by == "utility":
            return Judgement(self._error(images, labels), variety)
        joint = (
            joint_features(x, y, val.num_classes, self.scale) for x, y in ((self.real, val.labels), (features, labels))
        )
        return Judgement(float(frechet_distance(*joint)), variety)

    def _error(self, images: Tensor, labels: Tensor) -> float:
        """Share of the validation images that a classifier of these synthetic images gets wrong."""
        val, seed = self.todo.val, self.todo.recipe.train.seed
        probe = fit_classifier(
            images,
            labels,
            num_classes=val.num_classes,
            steps=PROBE,
            seed=seed,
            augment="shift",
            device=self.todo.device,
        )
        return 1 - accuracy(probe, val.images, val.labels)


def spread(features: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Root mean square distance of each class's features [N, D] from their mean, [K]; nan below two images.

    >>> spread(torch.tensor([[0.0], [2.0], [5.0]]), torch.tensor([0, 0, 1]), 2).tolist()
    [1.0, nan]
    """
    classes = (features[labels == k] for k in range(num_classes))
    return torch.stack(
        [(x - x.mean(0)).square().sum(1).mean().sqrt() if len(x) > 1 else torch.tensor(torch.nan) for x in classes]
    ).to(features.dtype)
