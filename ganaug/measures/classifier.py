"""The downstream classifier: its fit on real and synthetic images in stated shares, and what it then says.

Everything is a function of the seed. Two fits with one seed share the initial weights, the order of the real images and
the noise of the augmentation, whatever their share of synthetic images: what differs is the synthetic images' own.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaug.data.batches import mix
from ganaug.errors import DataError
from ganaug.images import to_float
from ganaug.measures.augment import DRAWS, augment_images, blend, draw, policy
from ganaug.measures.mixing import mixed_order
from ganaug.measures.networks import OWN, SMALL, Classifier, Kind, build_classifier

LEARNING_RATE, FOREIGN_RATE = 5e-3, 1e-3  # of our own networks; of any other
WEIGHT_DECAY, WARM_UP = 5e-2, 0.2
PREDICT_BATCH = 512
AHEAD = 64  # steps whose noise is drawn at once: what a device is sent piece by piece, it waits for
INIT, NOISE, GLOBAL = 0, 3, 4  # streams of a seed, beside those of the order


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
    classifier: Kind = SMALL,
    class_weights: Tensor | None = None,
) -> Any:  # a Classifier, or what `classifier` makes
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
        augment: A name that `augment.policy` knows.
        synthetic: (uint8 [M, C, H, W], int64 [M]).
        fraction: Share of each batch that is synthetic, exact over the steps; 1.0 leaves no real image.
        device: Where to train.
        classifier: "small", "airbench", "torchvision:NAME", or a callable that takes ((C, H, W), num_classes) and gives
            a network of float images in [-1, 1] to logits.
        class_weights: Of each class in the loss, float [K]; None: all alike.

    Returns:
        The classifier, in evaluation mode.

    Raises:
        DataError: `fraction` is out of range or without synthetic images, the two kinds differ in shape, or the
            classifier is unknown or gives no finite logits [N, K].

    Example:
        >>> images = torch.zeros(20, 1, 8, 8, dtype=torch.uint8)
        >>> labels = torch.arange(20) % 2
        >>> images[labels == 1] = 255
        >>> model = fit_classifier(images, labels, num_classes=2, steps=10, seed=0)
        >>> accuracy(model, images, labels)
        1.0
    """
    require_mixable(real, synthetic, fraction)
    device, images, classes = torch.device(device), real, labels
    if fraction and synthetic is not None:
        images, classes = torch.cat([real, synthetic[0]]), torch.cat([labels, synthetic[1]])
    order = mixed_order(
        labels.cpu(), classes[len(labels) :].cpu(), fraction, steps=steps, batch_size=batch_size, seed=seed
    )
    with seeded(seed, device):
        model = initial(real.shape[1:], num_classes, seed, classifier).to(device).train()
        batches = augmented_batches(images.to(device), classes.to(device), order[None], (seed,), augment, num_classes)
        descend(model, model.parameters(), batches, steps=steps, peak=peak_rate(classifier), weights=class_weights)
    return model.eval()


def augmented_batches(
    images: Tensor, labels: Tensor, orders: Tensor, seeds: Sequence[int], augment: str, num_classes: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of fits side by side, augmented and blended as their seeds say.

    Args:
        images: uint8 [N, C, H, W].
        labels: int64 [N].
        orders: Positions of the images of each fit, step and batch, int64 [S, T, B].
        seeds: Of the fits, S of them.
        augment: A name that `augment.policy` knows.
        num_classes: K.

    Yields:
        T times float32 [S * B, C, H, W] in [-1, 1] and class probabilities, float32 [S * B, K].
    """
    changes, one_hot = policy(augment), torch.eye(num_classes, device=images.device)
    _, steps, batch_size = orders.shape
    rows = orders.transpose(0, 1).flatten(1).to(images.device)
    for chosen, noise in zip(rows, _noise(seeds, steps, batch_size, images.device), strict=True):
        batch = augment_images(to_float(images[chosen]), changes, noise)
        yield blend(batch, one_hot[labels[chosen]], changes, noise)


def _noise(seeds: Sequence[int], steps: int, batch_size: int, device: torch.device) -> Iterator[Tensor]:
    """What decides the changes of each step's images, float32 [S, B, DRAWS] on the device, drawn on the CPU."""
    generators = [torch.Generator().manual_seed(mix(seed, NOISE)) for seed in seeds]
    for first in range(0, steps, AHEAD):
        count = min(AHEAD, steps - first)
        drawn = [draw(count * batch_size, generator).view(count, batch_size, DRAWS) for generator in generators]
        yield from torch.stack(drawn, 1).to(device, non_blocking=True)


def descend(
    network: Callable[[Tensor], Tensor],
    parameters: Iterable[Tensor],
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    steps: int,
    peak: float,
    weights: Tensor | None = None,
    fits: int = 1,
) -> None:
    """Fit the parameters of a network, or of several that share none, to batches of images and class probabilities.

    On a GPU nothing here waits for the device.
    """
    optimizer = torch.optim.AdamW(parameters, weight_decay=WEIGHT_DECAY, fused=True)
    for step, (images, targets) in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps, peak)
        optimizer.zero_grad()
        with arithmetic(images.device):
            logits = network(images.contiguous(memory_format=torch.channels_last)).float()
        # The mean over all images times the number of fits: each fit's gradient is that of its own mean.
        (fits * F.cross_entropy(logits, targets, weights)).backward()
        optimizer.step()


def arithmetic(device: torch.device) -> torch.autocast:
    """The precision of a network in training: convolutions and products in bfloat16 on a GPU that has it in hardware.

    Weights, their moments, the statistics of norms and the loss stay float32; and what is learned is asked in float32.
    """
    bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.autocast(device.type, torch.bfloat16, enabled=bf16)


def initial(shape: Sequence[int], num_classes: int, seed: int, classifier: Kind = SMALL) -> nn.Module:
    """The untrained network of a seed, on the CPU."""
    generator = torch.Generator().manual_seed(mix(seed, INIT))
    channels, height, width = shape
    return build_classifier((channels, height, width), num_classes, generator, classifier)


def peak_rate(classifier: Kind) -> float:
    """The highest learning rate of a kind of network."""
    return LEARNING_RATE if classifier in OWN else FOREIGN_RATE


def learning_rate(step: int, steps: int, peak: float = LEARNING_RATE) -> float:
    """One cycle: a straight rise over the first WARM_UP of the steps, then a cosine down to nothing."""
    done = (step + 1) / (steps + 1)
    if done < WARM_UP:
        return peak * done / WARM_UP
    return peak * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP))) / 2


def balancing_weights(labels: Tensor, num_classes: int) -> Tensor:
    """Weights of the classes inversely to their counts, float32 [K]; their mean over the images is 1.

    >>> balancing_weights(torch.tensor([0, 0, 0, 1]), 2)
    tensor([0.6667, 2.0000])
    """
    counts = labels.bincount(minlength=num_classes)
    return len(labels) / (counts.count_nonzero() * counts.clamp(min=1))


def default_steps(n: int) -> int:
    """400 updates up to 1,600 training images, then in proportion to the square root of their number.

    >>> default_steps(500), default_steps(6_400), default_steps(50_000)
    (400, 800, 2236)
    """
    return round(400 * max(1.0, n / 1600) ** 0.5)


@torch.no_grad()
def features(model: Classifier, images: Tensor) -> Tensor:
    """What the last layer sees of uint8 [N, C, H, W]: float32 [N, 64] on the CPU."""
    return _in_parts(model.features, images, model.head.weight.device)


@torch.no_grad()
def logits(model: nn.Module, images: Tensor) -> Tensor:
    """What a classifier gives for uint8 [N, C, H, W]: float32 [N, K] on the CPU.

    Raises:
        DataError: They are not finite.
    """
    found = _in_parts(model, images, next(model.parameters()).device)
    if not found.isfinite().all():
        raise DataError("logits of a classifier must be finite, got NaN or infinity; check its layers and its start")
    return found


def probabilities(model: nn.Module, images: Tensor) -> Tensor:
    """The probability of each class for uint8 [N, C, H, W]: float32 [N, K] on the CPU; otherwise as `logits`."""
    return logits(model, images).softmax(1)


def predict(model: nn.Module, images: Tensor) -> Tensor:
    """The likeliest class of each of uint8 [N, C, H, W]: int64 [N] on the CPU; otherwise as `logits`."""
    return logits(model, images).argmax(1)


def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Share of uint8 [N, C, H, W] whose predicted class is the label."""
    return (predict(model, images) == labels.cpu()).double().mean().item()


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """What draws from the global generators, dropout for example, follows the seed and leaves no trace in them."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(mix(seed, GLOBAL))
        yield


def require_mixable(real: Tensor, synthetic: tuple[Tensor, Tensor] | None, fraction: float) -> None:
    """Refuse a share out of range or without synthetic images, and images of two shapes."""
    if not 0 <= fraction <= 1 or (fraction > 0 and (synthetic is None or not len(synthetic[0]))):
        raise DataError(
            f"fraction must lie in [0, 1], and be 0 without synthetic images, got {fraction}; pass both or neither"
        )
    if synthetic is not None and synthetic[0].shape[1:] != real.shape[1:]:
        raise DataError(
            f"synthetic images must be [C, H, W] = {list(real.shape[1:])} as the real ones are, "
            f"got {list(synthetic[0].shape[1:])}; load them at that resolution"
        )


def _in_parts(network: Callable[[Tensor], Tensor], images: Tensor, device: torch.device) -> Tensor:
    """The outputs of a network for uint8 images, batch by batch, float32 on the CPU."""
    return torch.cat([network(to_float(batch.to(device))).float() for batch in images.split(PREDICT_BATCH)]).cpu()
