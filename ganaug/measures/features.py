"""Encoders: what turns images into the features that distances are taken in, each under a name of its own.

The default is a classifier of the user's own real training split, taken before its last layer: it needs no download and
fits any domain. Distances depend on the encoder, so every number carries its id, and numbers under two ids are never
compared.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from ganaug.errors import DataError
from ganaug.images import to_float
from ganaug.measures.classifier import default_steps, features, fit_classifier
from ganaug.measures.fidelity import check_features
from ganaug.measures.inception import PREFIX, inception_encoding

PIXEL_SIDE = 32  # px; below it a copy is still a copy
BATCH = 512  # images encoded at once
WIDTHS = (16, 16, 32)  # channels of the random convolutions
PROBES = 16  # images of noise by which a callable is told from another

Encoding = Callable[[Tensor], Any]


@dataclass(frozen=True)
class Encoder:
    """Images to features, under a name that says which.

    Attributes:
        encode: uint8 [n, C, H, W] to features [n, D], a tensor or an array; called with 512 images at most.
        id: The kind and, after a colon, the start of a hash of what decides the features.
        logits: Features [N, D] to class scores [N, K], where the encoder is a classifier.
    """

    encode: Encoding
    id: str
    logits: Callable[[Tensor], Tensor] | None = None

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """uint8 [N, C, H, W] to features, float64 [N, D] on the CPU.

        Raises:
            DataError: The features are not one row of finite numbers for each image.
        """
        parts = [torch.as_tensor(self.encode(batch)).cpu().double() for batch in images.split(BATCH)]
        if any(part.shape[:1] != batch.shape[:1] for part, batch in zip(parts, images.split(BATCH), strict=True)):
            raise DataError(
                f"{self.id} must give one row of features for each image, got {[list(part.shape) for part in parts]} "
                f"for {len(images)} images; return [N, D]"
            )
        return check_features(0, torch.float64, **{self.id: torch.cat(parts)})[0]

    def predict(self, images: Tensor) -> Tensor:
        """The likeliest class of each of uint8 [N, C, H, W], int64 [N] on the CPU, if it is a classifier."""
        assert self.logits is not None, f"{self.id} knows no classes"
        return self.logits(self(images)).argmax(1)


def encoder_of(
    spec: str | Encoding,
    images: Tensor,
    labels: Tensor,
    *,
    num_classes: int,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> Encoder:
    """The encoder that a user asks for.

    Args:
        spec: "own", a classifier of the real training split; "pixels"; "random", convolutions that nobody trained;
            "inception:FILE", torch-fidelity's Inception with the weights in FILE; or a callable that takes uint8
            [n, C, H, W] and returns features [n, D].
        images: uint8 [N, C, H, W], the real training split.
        labels: int64 [N] in [0, num_classes).
        num_classes: K.
        seed: Decides the weights of "own" and "random".
        device: Where to train and encode.

    Raises:
        DataError: There is no such encoder, or the file does not hold Inception's weights.
        GanaugError: "inception:" needs torch-fidelity, which is not installed.

    Example:
        >>> images = torch.zeros(4, 3, 16, 16, dtype=torch.uint8)
        >>> encoder = encoder_of("random", images, torch.arange(4) % 2, num_classes=2)
        >>> encoder.id[:7], encoder(images).shape
        ('random:', torch.Size([4, 64]))
    """
    if not isinstance(spec, str):
        return callable_encoder(spec, (*images.shape[1:],))
    if spec == "own":
        return fit_encoder(images, labels, num_classes=num_classes, seed=seed, device=device)
    if spec == "pixels":
        return Encoder(pixel_features, "pixels")
    if spec == "random":
        return random_encoder(images.shape[1], seed=seed, device=device)
    if spec.startswith(PREFIX):
        return Encoder(*inception_encoding(spec.removeprefix(PREFIX), device))
    raise DataError(f"encoder must be own, pixels, random, {PREFIX}FILE or a callable, got {spec!r}; choose one")


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
    head = model.head.weight
    return Encoder(
        lambda batch: features(model, batch),
        f"own:{_digest(model)}",
        lambda x: model.head(x.to(head.device, head.dtype)).cpu(),
    )


def random_encoder(channels: int, *, seed: int = 0, device: torch.device | str = "cpu") -> Encoder:
    """Three layers of random convolutions, each averaged over its image: textures and edges that nobody chose.

    Args:
        channels: C of the images.
        seed: Decides the weights.
        device: Where to encode.
    """
    generator = torch.Generator().manual_seed(seed)
    layers = [nn.Conv2d(i, o, 3, padding=1, bias=False) for i, o in zip((channels, *WIDTHS), WIDTHS, strict=False)]
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight, generator=generator)
        layer.to(device)

    def encode(images: Tensor) -> Tensor:
        x, means = to_float(_shrunk(images)), []
        for layer in layers:
            x = layer(x.to(device)).relu()
            means.append(x.mean((2, 3)))
            x = nn.functional.avg_pool2d(x, 2)
        return torch.cat(means, dim=1)

    return Encoder(encode, f"random:{_digest(nn.ModuleList(layers))}")


def callable_encoder(encode: Encoding, shape: tuple[int, ...]) -> Encoder:
    """A user's callable; the hash in its id is of what it makes of 16 images of noise.

    Args:
        encode: uint8 [n, C, H, W] to features [n, D].
        shape: (C, H, W) of the images that it will see.

    Raises:
        DataError: It does not return one row of finite numbers for each image.

    Example:
        >>> callable_encoder(lambda images: images.float().mean((2, 3)), (3, 8, 8)).id[:18]
        'callable:<lambda>:'
    """
    name = f"callable:{getattr(encode, '__name__', type(encode).__name__)}"
    noise = torch.randint(256, (PROBES, *shape), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    seen = " ".join(f"{value:.3g}" for value in Encoder(encode, name)(noise).flatten().tolist())
    return Encoder(encode, f"{name}:{_short(seen.encode())}")


def pixel_features(images: Tensor) -> Tensor:
    """uint8 [N, C, H, W] as float64 [N, D]: the pixels themselves, averaged down to PIXEL_SIDE px where larger.

    They know nothing of any training split, so they are the fair space in which to look for copies of it.

    >>> pixel_features(torch.zeros(2, 3, 64, 48, dtype=torch.uint8)).shape
    torch.Size([2, 3072])
    """
    return torch.cat([_shrunk(batch).flatten(1).double() for batch in images.split(1024)]) / 255


def _shrunk(images: Tensor) -> Tensor:
    """uint8 [N, C, H, W] as float32, averaged down to PIXEL_SIDE px where a side is longer."""
    return adaptive_avg_pool2d(images.float(), (min(images.shape[2], PIXEL_SIDE), min(images.shape[3], PIXEL_SIDE)))


def _digest(model: nn.Module) -> str:
    """The start of the sha256 over names and values of all weights and buffers."""
    state = sorted(model.state_dict().items())
    return _short(b"".join(name.encode() + value.cpu().contiguous().numpy().tobytes() for name, value in state))


def _short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:6]
