"""Which checkpoint is best: the one whose images, with their labels, lie closest to the validation images."""

from dataclasses import dataclass

from torch import Tensor, nn

from ganaug.data import mix
from ganaug.measures.features import Encoder, fit_encoder
from ganaug.measures.fidelity import frechet_distance, joint_features, mean_norm
from ganaug.run.planning import Plan
from ganaug.synthesis import Architecture, Synthesizer

IMAGES = 1000  # synthetic images per score
JUDGED = 1  # the stream of latents that checkpoints are chosen by; users and `measure` draw from others


@dataclass(frozen=True)
class Judge:
    """Scores generators by the Frechet joint distance (DeVries et al. 2019, arXiv:1907.08175) to the validation split.

    The features are those of a classifier trained on the real training split; labels are part of the distance, so a
    generator that draws well but disobeys loses.
    """

    encoder: Encoder
    real: Tensor  # joint features of the validation images
    scale: float
    labels: Tensor  # of the synthetic images, in the proportions of the validation split
    seed: int
    device: str

    @classmethod
    def of(cls, todo: Plan) -> "Judge":
        """Train the encoder on the training split, and look at the validation split once."""
        K = todo.train.num_classes
        encoder = fit_encoder(todo.train.images, todo.train.labels, num_classes=K, device=todo.device)
        features = encoder(todo.val.images)
        scale = mean_norm(features)
        repeats = -(-IMAGES // len(todo.val))
        return cls(
            encoder=encoder,
            real=joint_features(features, todo.val.labels, K, scale),
            scale=scale,
            labels=todo.val.labels.repeat(repeats),
            seed=mix(todo.recipe.train.seed, JUDGED),
            device=str(todo.device),
        )

    def __call__(self, G: nn.Module, architecture: Architecture) -> float:
        """The distance of `G`; smaller is better."""
        images, labels = Synthesizer(G, architecture, {}, self.device).sample(self.labels, self.seed)
        features = joint_features(self.encoder(images), labels, len(architecture.classes), self.scale)
        return float(frechet_distance(self.real, features))
