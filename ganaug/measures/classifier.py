"""The downstream classifier: a small residual network, and its fit on real and synthetic images in stated shares.

Everything is a function of (seed, step). Two fits with one seed share the initial weights, the order of the real images
and the noise of the augmentation, whatever their share of synthetic images: what differs is the synthetic images' own.
"""

import math
from collections.abc import Iterator
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaug.data.batches import mix
from ganaug.errors import DataError
from ganaug.images import to_float
from ganaug.measures.augment import AUGMENTATIONS, Augmentation, augment_images, mixup

WIDTHS = (16, 32, 64)  # channels of the three stages
WORKING_SIDE = 20  # px; the stem halves longer sides until they fit
LEARNING_RATE, WEIGHT_DECAY, WARM_UP = 5e-3, 5e-2, 0.2
PREDICT_BATCH = 512
INIT, REAL, SYNTHETIC, NOISE = range(4)  # the independent streams of one seed


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016, arXiv:1512.03385)."""

    def __init__(self, width: int, out: int, stride: int):
        super().__init__()
        self.first = _convolution(width, out, stride)
        self.second = _convolution(out, out, 1)
        self.shortcut = nn.Identity() if width == out and stride == 1 else _convolution(width, out, stride, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.second(F.relu(self.first(x))) + self.shortcut(x))


class Classifier(nn.Module):
    """Float images [N, C, H, W] in [-1, 1] to class logits [N, K], for any sides of 8 px or more.

    Example:
        >>> Classifier(3, (8, 200), num_classes=5)(torch.zeros(2, 3, 8, 200)).shape
        torch.Size([2, 5])
    """

    def __init__(self, channels: int, size: tuple[int, int], num_classes: int):
        super().__init__()
        first, *_, last = WIDTHS
        self.num_classes = num_classes
        self.stem = nn.Sequential(*_stem(channels, size, first))
        self.stages = nn.Sequential(
            *(ResidualBlock(i, o, 1 if i == o else 2) for i, o in zip((first, *WIDTHS), WIDTHS, strict=False))
        )
        self.head = nn.Linear(last, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """What the last layer sees, [N, 64]."""
        return self.stages(self.stem(x)).mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


def fit_classifier(
    real: Tensor,
    labels: Tensor,
    *,
    num_classes: int,
    steps: int,
    seed: int,
    batch_size: int = 64,
    augment: str = "none",
    synthetic: tuple[Tensor, Tensor] | None = None,
    fraction: float = 0.0,
    device: torch.device | str = "cpu",
) -> Classifier:
    """Train on batches of real images of which `fraction` are replaced by synthetic ones.

    AdamW under one cycle of the learning rate (Smith and Topin 2018, arXiv:1708.07120), for exactly `steps` updates in
    every arm. Classical augmentation is applied after mixing, to both kinds alike.

    Args:
        real: uint8 [N, C, H, W].
        labels: int64 [N] in [0, num_classes).
        num_classes: K.
        steps: Optimiser updates.
        seed: Decides initial weights, order and augmentation together.
        batch_size: Images per update.
        augment: A name in AUGMENTATIONS.
        synthetic: (uint8 [M, C, H, W], int64 [M]).
        fraction: Share of each batch that is synthetic, exact over the steps; 1.0 leaves no real image.
        device: Where to train.

    Returns:
        The classifier, in evaluation mode.

    Raises:
        DataError: `fraction` is out of range or without synthetic images, or the two kinds differ in shape.

    Example:
        >>> images = torch.zeros(20, 1, 8, 8, dtype=torch.uint8)
        >>> labels = torch.arange(20) % 2
        >>> images[labels == 1] = 255
        >>> model = fit_classifier(images, labels, num_classes=2, steps=10, seed=0)
        >>> accuracy(model, images, labels)
        1.0
    """
    _require_mixable(real, synthetic, fraction)
    model = build_classifier((*real.shape[1:],), num_classes, mix(seed, INIT)).to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=WEIGHT_DECAY, fused=True)
    batches = mixed_batches(real, labels, synthetic, fraction, steps=steps, batch_size=batch_size, seed=seed)
    policy = _policy(augment)
    for step, (images, classes) in enumerate(batches):
        noise = torch.Generator().manual_seed(mix(seed, NOISE, step))
        images, classes = to_float(images.to(device)), F.one_hot(classes.to(device), num_classes).float()
        images, targets = mixup(augment_images(images, policy, noise), classes, policy.mixup, noise)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps)
        optimizer.zero_grad()
        F.cross_entropy(model(images.contiguous(memory_format=torch.channels_last)), targets).backward()
        optimizer.step()
    return model.eval()


def mixed_batches(
    real: Tensor,
    labels: Tensor,
    synthetic: tuple[Tensor, Tensor] | None,
    fraction: float,
    *,
    steps: int,
    batch_size: int,
    seed: int,
) -> Iterator[tuple[Tensor, Tensor]]:
    """`steps` batches of (images, labels), the synthetic ones first, each in the place of a real one of its class.

    Over the first t batches the synthetic images are floor(t * batch_size * fraction) exactly, and the classes keep the
    real proportions: what is measured is synthesis, not rebalancing.
    """
    order = shuffled(len(real), steps * batch_size, mix(seed, REAL)).split(batch_size)
    last = [math.floor(t * batch_size * fraction) for t in range(steps + 1)]
    other, other_labels = synthetic or (real[:0], labels[:0])
    counts = [b - a for a, b in pairwise(last)]
    replaced = torch.cat([labels[batch[:n]] for batch, n in zip(order, counts, strict=True)])
    stand_ins = same_class(replaced, other_labels, mix(seed, SYNTHETIC)).split(counts)
    for batch, n, chosen in zip(order, counts, stand_ins, strict=True):
        kept = batch[n:]
        yield torch.cat([other[chosen], real[kept]]), torch.cat([other_labels[chosen], labels[kept]])


def same_class(wanted: Tensor, labels: Tensor, seed: int) -> Tensor:
    """For each of the `wanted` labels the position of an item of that class, int64; all serve before one does twice.

    Raises:
        DataError: A wanted class has no item.
    """
    positions = torch.zeros_like(wanted)
    for k in wanted.unique().tolist():
        pool, places = (labels == k).nonzero().squeeze(1), (wanted == k).nonzero().squeeze(1)
        if not len(pool):
            raise DataError(
                f"synthetic images must cover every class of the real ones, got none of class {k}; add some"
            )
        positions[places] = pool[shuffled(len(pool), len(places), mix(seed, k))]
    return positions


def shuffled(total: int, count: int, seed: int) -> Tensor:
    """The first `count` positions of an endless stream of shuffled epochs over `total` items, int64 [count]."""
    epochs = range(math.ceil(count / total) if count else 0)
    orders = [torch.randperm(total, generator=torch.Generator().manual_seed(mix(seed, e))) for e in epochs]
    return torch.cat([torch.zeros(0, dtype=torch.int64), *orders])[:count]


def learning_rate(step: int, steps: int) -> float:
    """One cycle: a straight rise over the first WARM_UP of the steps, then a cosine down to nothing."""
    done = (step + 1) / (steps + 1)
    if done < WARM_UP:
        return LEARNING_RATE * done / WARM_UP
    return LEARNING_RATE * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP))) / 2


def default_steps(n: int) -> int:
    """400 updates up to 1,600 training images, then in proportion to the square root of their number.

    >>> default_steps(500), default_steps(6_400), default_steps(50_000)
    (400, 800, 2236)
    """
    return round(400 * max(1.0, n / 1600) ** 0.5)


@torch.no_grad()
def features(model: Classifier, images: Tensor) -> Tensor:
    """What the last layer sees of uint8 [N, C, H, W]: float32 [N, 64] on the CPU."""
    device = model.head.weight.device
    parts = [model.features(to_float(batch.to(device))).cpu() for batch in images.split(PREDICT_BATCH)]
    return torch.cat(parts) if parts else torch.zeros(0, model.head.in_features)


@torch.no_grad()
def predict(model: Classifier, images: Tensor) -> Tensor:
    """The likeliest class of each of uint8 [N, C, H, W]: int64 [N] on the CPU."""
    return model.head(features(model, images).to(model.head.weight.device)).argmax(1).cpu()


def accuracy(model: Classifier, images: Tensor, labels: Tensor) -> float:
    """Share of uint8 [N, C, H, W] whose predicted class is the label."""
    return (predict(model, images) == labels.cpu()).double().mean().item()


def build_classifier(shape: tuple[int, ...], num_classes: int, seed: int) -> Classifier:
    """An untrained classifier for (C, H, W) images, its weights a function of `seed` (He 2015, arXiv:1502.01852)."""
    channels, height, width = shape
    with torch.device("meta"):
        model = Classifier(channels, (height, width), num_classes)
    model.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, generator=generator)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
    nn.init.zeros_(model.head.weight)
    nn.init.zeros_(model.head.bias)
    return model.to(memory_format=torch.channels_last)


def _convolution(width: int, out: int, stride: int | tuple[int, int], kernel: int = 3) -> nn.Sequential:
    """Convolution and batch normalisation."""
    return nn.Sequential(
        nn.Conv2d(width, out, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(out),
    )


def _stem(channels: int, size: tuple[int, int], width: int) -> Iterator[nn.Module]:
    """Convolutions that halve each side until it is at most WORKING_SIDE; one that halves nothing where both are."""
    height, wide = size
    while True:
        stride = (1 + (height > WORKING_SIDE), 1 + (wide > WORKING_SIDE))
        yield from (_convolution(channels, width, stride), nn.ReLU())
        height, wide, channels = math.ceil(height / stride[0]), math.ceil(wide / stride[1]), width
        if max(height, wide) <= WORKING_SIDE:
            return


def _policy(name: str) -> Augmentation:
    if name not in AUGMENTATIONS:
        raise DataError(f"augment must be one of {', '.join(AUGMENTATIONS)}, got {name!r}")
    return AUGMENTATIONS[name]


def _require_mixable(real: Tensor, synthetic: tuple[Tensor, Tensor] | None, fraction: float) -> None:
    if not 0 <= fraction <= 1 or (fraction > 0 and (synthetic is None or not len(synthetic[0]))):
        raise DataError(
            f"fraction must lie in [0, 1], and be 0 without synthetic images, got {fraction}; pass both or neither"
        )
    if synthetic is not None and synthetic[0].shape[1:] != real.shape[1:]:
        raise DataError(
            f"synthetic images must be [C, H, W] = {list(real.shape[1:])} as the real ones are, "
            f"got {list(synthetic[0].shape[1:])}; load them at that resolution"
        )
