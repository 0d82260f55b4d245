"""Classical augmentation of float batches: the baseline that synthetic images must beat.

A policy is a row of one table, which says how far each per-image parameter may go, with extras: "affine+flip+cutmix".
All that is random comes from uniform numbers drawn beforehand, a row for each image, so that equal numbers give equal
changes on any device, and a generator advances alike under every policy.
"""

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ganaug.errors import DataError

MOVES = ("rotation", "log_scale", "shear", "shift_x", "shift_y")
LIGHTS = ("brightness", "contrast", "saturation", "sharpness")
PARAMETERS = (*MOVES, *LIGHTS)
FLIP, CHOSEN, WEIGHT, PARTNER, LEFT, TOP = range(len(PARAMETERS), len(PARAMETERS) + 6)
DRAWS = TOP + 1  # uniform numbers for each image


@dataclass(frozen=True)
class Augmentation:
    """How far a policy may go; each image draws its own value, uniform in [-limit, limit].

    Attributes:
        shift: Translation along each axis, as a share of the side; rounded to whole pixels, so that it does not blur.
        rotation: Degrees.
        log_scale: Natural logarithm of the magnification.
        shear: Tangent of the shearing angle.
        brightness: Added to pixels in [-1, 1].
        contrast: Natural logarithm of the factor on the distance from the image's mean.
        saturation: Natural logarithm of the factor on the distance from the pixel's grey; grey images stay as they are.
        sharpness: Share of the distance from a 3x3 mean that is added; -1 leaves the mean, that is, blurs.
        flip: Mirror left and right with probability 1/2.
        one_at_a_time: Each image gets one of the parameters above, no other (Müller and Hutter 2021, arXiv:2103.10158).
        blend: How half of the images are blended with others of their batch, and their targets with them.
    """

    shift: float = 0.0
    rotation: float = 0.0
    log_scale: float = 0.0
    shear: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    sharpness: float = 0.0
    flip: bool = False
    one_at_a_time: bool = False
    blend: Literal["mixup", "cutmix"] | None = None

    @property
    def limits(self) -> tuple[float, ...]:
        """The limit of each of PARAMETERS; angles in radians."""
        moves = (math.radians(self.rotation), self.log_scale, self.shear, self.shift, self.shift)
        return (*moves, self.brightness, self.contrast, self.saturation, self.sharpness)


# Simplest first: in a tie the earlier one wins.
AUGMENTATIONS = {
    "none": Augmentation(),
    "shift": Augmentation(shift=1 / 8),
    "affine": Augmentation(shift=1 / 8, rotation=10.0, log_scale=0.1, brightness=0.2, contrast=0.2),
    "trivial": Augmentation(
        shift=1 / 4,
        rotation=30.0,
        log_scale=0.3,
        shear=0.3,
        brightness=0.5,
        contrast=0.7,
        saturation=0.7,
        sharpness=0.9,
        one_at_a_time=True,
    ),
}
EXTRAS: dict[str, dict[str, Any]] = {
    "flip": {"flip": True},
    "mixup": {"blend": "mixup"},
    "cutmix": {"blend": "cutmix"},
}


def policy(name: str) -> Augmentation:
    """The policy of a name: a row of AUGMENTATIONS, then "+flip", then "+mixup" or "+cutmix", each of them at will.

    Raises:
        DataError: The name is none of these.

    Example:
        >>> policy("shift+flip+cutmix") == Augmentation(shift=1 / 8, flip=True, blend="cutmix")
        True
    """
    base, *extras = name.split("+")
    changes = [change for extra in extras for change in EXTRAS.get(extra, {"": None}).items()]
    fields = {key for key, _ in changes}
    if base not in AUGMENTATIONS or "" in fields or len(fields) < len(changes):
        raise DataError(
            f"augment must be one of {', '.join(AUGMENTATIONS)}, then +flip, then +mixup or +cutmix, got {name!r}; "
            "affine+flip+cutmix is an example"
        )
    return replace(AUGMENTATIONS[base], **dict(changes))


def unblended(name: str) -> str:
    """The same policy without MixUp or CutMix, under which a classifier is less sure than it is right.

    >>> unblended("affine+flip+cutmix"), unblended("none")
    ('affine+flip', 'none')
    """
    return "+".join(part for part in name.split("+") if "blend" not in EXTRAS.get(part, {}))


def draw(n: int, generator: torch.Generator) -> Tensor:
    """What decides the changes of n images: uniform numbers in [0, 1), float32 [n, DRAWS]."""
    return torch.rand(n, DRAWS, generator=generator)


def augment_images(images: Tensor, policy: Augmentation, noise: Tensor) -> Tensor:
    """Change each image at random; what moves in from outside repeats the border.

    Args:
        images: float32 [N, C, H, W] in [-1, 1].
        policy: How far to go.
        noise: A row of `draw` for each image, float32 [..., DRAWS], N rows in all.

    Returns:
        float32 [N, C, H, W] in [-1, 1].

    Example:
        >>> images = torch.linspace(-1, 1, 64).expand(2, 1, 8, 8, -1)[..., 0]
        >>> augment_images(images, policy("affine"), draw(2, torch.Generator().manual_seed(0))).shape
        torch.Size([2, 1, 8, 8])
    """
    noise = noise.flatten(0, -2)
    values = (2 * noise[:, : len(PARAMETERS)] - 1) * _limits(policy, noise.device)
    if policy.one_at_a_time:
        values = values * F.one_hot((noise[:, CHOSEN] * len(PARAMETERS)).long(), len(PARAMETERS))
    moves, light = values.split([len(MOVES), len(LIGHTS)], 1)
    if policy.flip or any(policy.limits[: len(MOVES)]):
        images = _warp(images, moves, (noise[:, FLIP] < 0.5) & policy.flip)
    return _relight(images, light, policy) if any(policy.limits[len(MOVES) :]) else images


@cache  # a device waits for what it is sent
def _limits(policy: Augmentation, device: torch.device) -> Tensor:
    return torch.tensor(policy.limits, device=device)


def blend(images: Tensor, targets: Tensor, policy: Augmentation, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Blend half of the images and their targets with those of another image of the batch, as the policy says.

    Args:
        images: float [N, C, H, W].
        targets: Class probabilities, float [N, K].
        policy: Its `blend`; None changes nothing.
        noise: Rows of `draw`, float32 [..., B, DRAWS], N in all: an image's partner is among the same B.
    """
    if policy.blend is None:
        return images, targets
    order = noise[..., PARTNER].view(-1, noise.shape[-2]).argsort(1)
    first = torch.arange(len(order), device=order.device) * noise.shape[-2]
    partner, noise = (order + first[:, None]).flatten(), noise.flatten(0, -2)
    share = (2 * noise[:, WEIGHT] - 1).clamp(min=0)  # the other image's; none for half of the images
    if policy.blend == "mixup":
        return mixup(images, targets, partner, share)
    return cutmix(images, targets, partner, share, torch.stack([noise[:, TOP], noise[:, LEFT]], 1))


def mixup(images: Tensor, targets: Tensor, partner: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """A weighted mean of two images, and of their targets (Zhang et al. 2018, arXiv:1710.09412, eq. 1).

    Args:
        images: float [N, C, H, W].
        targets: Class probabilities, float [N, K].
        partner: The position of each image's other, int64 [N].
        uniform: Numbers in [0, 1), float [N]; the others' weights follow from them by the arcsine law, Beta(1/2, 1/2).
    """
    weight = (uniform * math.pi / 2).sin().square()
    images = torch.lerp(images, images[partner], weight[:, None, None, None])
    return images, torch.lerp(targets, targets[partner], weight[:, None])


def cutmix(images: Tensor, targets: Tensor, partner: Tensor, uniform: Tensor, centre: Tensor) -> tuple[Tensor, Tensor]:
    """A box of another image pasted in; targets are mixed by the area pasted (Yun et al. 2019, arXiv:1905.04899).

    Args:
        images: float [N, C, H, W].
        targets: Class probabilities, float [N, K].
        partner: The position of each image's other, int64 [N].
        uniform: The share of the image to paste where the box lies within it, float [N] in [0, 1).
        centre: Of the box, from the top and from the left, as shares of the sides: float [N, 2] in [0, 1).
    """
    rows, columns = (
        ((torch.arange(side, device=images.device) + 0.5) / side - at[:, None]).abs() < uniform[:, None].sqrt() / 2
        for side, at in zip(images.shape[2:], centre.unbind(1), strict=True)
    )
    pasted = rows[:, None, :, None] & columns[:, None, None, :]
    area = pasted.float().mean((2, 3))
    return torch.where(pasted, images[partner], images), torch.lerp(targets, targets[partner], area)


def _warp(images: Tensor, moves: Tensor, flip: Tensor) -> Tensor:
    """Turn, magnify, shear, mirror and shift by per-image parameters [N, 5], in pixels of equal size on both axes."""
    height, width = images.shape[-2:]
    angle, log_scale, shear, x, y = moves.unbind(1)
    cos, sin, zoom = angle.cos(), angle.sin(), (-log_scale).exp()
    mirror = 1 - 2 * flip.float()
    # From output to input coordinates, which run over [-1, 1] on both axes whatever the aspect.
    theta = torch.stack(
        [
            torch.stack([mirror * zoom * cos, zoom * (shear - sin) * height / width, 2 * _whole(x, width)], 1),
            torch.stack([mirror * zoom * sin * width / height, zoom * cos, 2 * _whole(y, height)], 1),
        ],
        1,
    )
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _whole(share: Tensor, side: int) -> Tensor:
    """A share of the side, rounded to whole pixels."""
    return (share * side).round() / side


def _relight(images: Tensor, light: Tensor, policy: Augmentation) -> Tensor:
    """Change light by per-image parameters [N, 4]; a fourth channel, transparency, stays as it is."""
    brightness, contrast, saturation, sharpness = light[:, :, None, None, None].unbind(1)
    colour, rest = images[:, :3], images[:, 3:]
    factor = contrast.exp()
    colour = torch.addcmul((1 - factor) * colour.mean((1, 2, 3), keepdim=True) + brightness, colour, factor)
    if policy.saturation and colour.shape[1] > 1:
        colour = torch.lerp(colour.mean(1, keepdim=True), colour, saturation.exp())
    if policy.sharpness:
        colour = torch.lerp(F.avg_pool2d(colour, 3, 1, padding=1, count_include_pad=False), colour, 1 + sharpness)
    colour = colour.clamp(-1, 1)
    return torch.cat([colour, rest], 1) if rest.shape[1] else colour
