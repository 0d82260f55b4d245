"""An encoder of the user's own images: what a classifier of their real training split sees before its last layer.

It needs no download and fits any domain. Distances in its space depend on its weights, so every number carries its id,
and numbers under two ids are never compared.
"""

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from ganaug.measures.classifier import Classifier, default_steps, features, fit_classifier, predict

PIXEL_SIDE = 32  # px; below it a copy is still a copy


@dataclass(frozen=True)
class Encoder:
    """Images to features, and to the classes that the features say.

    Attributes:
        model: The trained classifier.
        id: "own:" and the first six hexadecimal digits of the sha256 of its weights.
    """

    model: Classifier
    id: str

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 [N, C, H, W] to features, float64 [N, 64] on the CPU."""
        return features(self.model, images).double()

    def predict(self, images: Tensor) -> Tensor:
        """The likeliest class of each of uint8 [N, C, H, W]: int64 [N] on the CPU."""
        return predict(self.model, images)


def fit_encoder(
    images: Tensor,
    labels: Tensor,
    *,
    num_classes: int,
    seed: int = 0,
    steps: int | None = None,
    device: torch.device | str = "cpu",
) -> Encoder:
    """Train the encoder on real training images alone, with small translations as the only augmentation.

    Args:
        images: uint8 [N, C, H, W], the real training split.
        labels: int64 [N] in [0, num_classes).
        num_classes: K.
        seed: Decides the weights.
        steps: Optimiser updates; None: twice as many as a classifier of the gain study takes.
        device: Where to train and encode.

    Example:
        >>> images = torch.zeros(20, 1, 8, 8, dtype=torch.uint8)
        >>> labels = torch.arange(20) % 2
        >>> images[labels == 1] = 255
        >>> encoder = fit_encoder(images, labels, num_classes=2, steps=10)
        >>> encoder(images).shape, encoder.id[:4]
        (torch.Size([20, 64]), 'own:')
    """
    model = fit_classifier(
        images,
        labels,
        num_classes=num_classes,
        steps=steps or 2 * default_steps(len(images)),
        seed=seed,
        augment="shift",
        device=device,
    )
    return Encoder(model, f"own:{_digest(model)[:6]}")


def pixel_features(images: Tensor) -> Tensor:
    """uint8 [N, C, H, W] as float64 [N, D]: the pixels themselves, averaged down to PIXEL_SIDE px where larger.

    They know nothing of any training split, so they are the fair space in which to look for copies of it.

    >>> pixel_features(torch.zeros(2, 3, 64, 48, dtype=torch.uint8)).shape
    torch.Size([2, 3072])
    """
    size = min(images.shape[2], PIXEL_SIDE), min(images.shape[3], PIXEL_SIDE)
    parts = [adaptive_avg_pool2d(batch.float(), size).flatten(1).double() for batch in images.split(1024)]
    return torch.cat(parts) / 255


def _digest(model: Classifier) -> str:
    """sha256 over names and values of all weights and buffers."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
