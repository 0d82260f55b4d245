"""Which checkpoint is best, and whether it still draws various images: by the validation images alone."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ganaug.data import mix
from ganaug.measures.classifier import balancing_weights, fit_classifier, probabilities
from ganaug.measures.features import Encoder, fit_encoder
from ganaug.measures.fidelity import frechet_distance, joint_features, mean_norm
from ganaug.run.planning import Plan
from ganaug.synthesis import Architecture, Synthesizer

IMAGES, MOST = 1000, 5000  # synthetic images per score, at least and at most
EACH = 32  # of a class, at least, to tell how various they are
JUDGED = 1  # the stream of latents that checkpoints are chosen by; users and `measure` draw from others
PROBES, PROBE_STEPS = 2, 200  # classifiers that tell the utility of a checkpoint, and their steps
CRITERIA = {"distance": "distance", "utility": "loss of classifiers of its images"}  # as a score is called
COLLAPSED = 0.25  # of the spread of the real images; a class below it has lost its variety


class Judgement(NamedTuple):
    """What is thought of a checkpoint.

    Attributes:
        score: Smaller is better: the distance to the validation images, or the loss on them of classifiers of
            synthetic images.
        variety: Of each class: how far its synthetic images spread, as a share of how far its real ones do.
        error: Standard error of the score over validation images; 0 where it is no mean over these.
    """

    score: float
    variety: dict[str, float]
    error: float = 0.0

    @property
    def collapsed(self) -> list[str]:
        """The classes that have lost their variety."""
        return [name for name, share in self.variety.items() if share < COLLAPSED]

    def noted(self) -> dict[str, Any]:
        """What the log says of it."""
        variety = {name: round(share, 3) for name, share in self.variety.items()}
        return {"validation": round(self.score, 5), "variety": variety}


@dataclass(frozen=True)
class Judge:
    """Scores generators by the Frechet joint distance (DeVries et al. 2019, arXiv:1907.08175) to the validation split.

    The features are those of a classifier trained on the real training split; labels are part of the distance, so a
    generator that draws well but disobeys loses. With `train.choose_by=utility` the score is the loss of classifiers
    that learned from synthetic images alone, as many of each class (GAN-train: Shmelkov et al. 2018, arXiv:1807.09499),
    for a few steps.
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
        todo, val, K = self.todo, self.todo.val, self.todo.val.num_classes
        by_utility = todo.recipe.train.choose_by == "utility"
        wanted = even(K) if by_utility else alike(val.labels)
        synth = Synthesizer(G, architecture, {}, str(todo.device))
        images, labels = synth.sample(topped_up(wanted, K), mix(todo.recipe.train.seed, JUDGED))
        features, n = self.encoder(images), len(wanted)
        share = spread(features, labels, K) / self.spread
        variety = {name: float(s) for name, s in zip(val.classes, share, strict=True) if s.isfinite()}
        if by_utility:
            loss, error = self._loss(images, labels)
            return Judgement(loss, variety, error)
        joint = (joint_features(x, y, K, self.scale) for x, y in ((self.real, val.labels), (features[:n], wanted)))
        return Judgement(float(frechet_distance(*joint)), variety)

    def _loss(self, images: Tensor, labels: Tensor) -> tuple[float, float]:
        """Cross-entropy, in nats, of classifiers of these synthetic images on the validation images; its error.

        Unlike their mistakes it tells checkpoints apart by few images. Classes count alike.
        """
        val, seed = self.todo.val, self.todo.recipe.train.seed
        wanted = balancing_weights(val.labels, val.num_classes)[val.labels] / len(val)
        losses = torch.zeros(len(val))
        for probe in range(PROBES):
            fit = fit_classifier(
                *(images, labels),
                num_classes=val.num_classes,
                steps=PROBE_STEPS,
                seed=PROBES * seed + probe,
                augment="shift",
                device=self.todo.device,
            )
            of_label = probabilities(fit, val.images).gather(1, val.labels[:, None]).squeeze(1)
            losses -= of_label.clamp(min=1e-6).log() / PROBES
        mean = (wanted * losses).sum()
        return float(mean), float((wanted * (losses - mean)).norm())


def even(num_classes: int) -> Tensor:
    """Labels of about IMAGES images, as many of each class."""
    return torch.arange(num_classes).repeat_interleave(-(-IMAGES // num_classes))


def alike(labels: Tensor) -> Tensor:
    """Labels of IMAGES to MOST images or so, in the shares that these have, [M]."""
    return labels.repeat(-(-IMAGES // len(labels))).sort().values[:: -(-len(labels) // MOST)]


def topped_up(labels: Tensor, num_classes: int) -> Tensor:
    """The labels, and behind them what is missing of EACH of every class.

    >>> topped_up(torch.zeros(40, dtype=torch.int64), 2).bincount().tolist()
    [40, 32]
    """
    missing = (EACH - labels.bincount(minlength=num_classes)).clamp(min=0)
    return torch.cat([labels, torch.arange(num_classes).repeat_interleave(missing)])


def spread(features: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Root mean square distance of each class's features [N, D] from their mean, as few images estimate that of many,
    [K]; nan below two images.

    >>> spread(torch.tensor([[0.0, 0.0], [1.0, 1.0], [5.0, 5.0]]), torch.tensor([0, 0, 1]), 2).tolist()
    [1.0, nan]
    """
    classes = (features[labels == k] for k in range(num_classes))
    return torch.stack([x.var(0).sum().sqrt() if len(x) > 1 else torch.tensor(torch.nan) for x in classes]).to(
        features.dtype
    )
