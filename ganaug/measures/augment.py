"""Classical augmentation of float batches: the baseline that synthetic images must beat.

Every policy is a row of one table: how far each per-image parameter may go. Random numbers are drawn on the CPU from
the generator given, so an equal generator draws equal changes on any device.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

PARAMETERS = ("rotation", "log_scale", "shear", "shift_x", "shift_y", "brightness", "contrast")


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
        flip: Mirror left and right with probability 1/2.
        one_at_a_time: Each image gets one of the parameters above, no other (Müller and Hutter 2021, arXiv:2103.10158).
        mixup: Both parameters of the Beta distribution of MixUp's weight (Zhang et al. 2018, arXiv:1710.09412).
    """

    shift: float = 0.0
    rotation: float = 0.0
    log_scale: float = 0.0
    shear: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    flip: bool = False
    one_at_a_time: bool = False
    mixup: float = 0.0

    @property
    def limits(self) -> Tensor:
        """The limit of each of PARAMETERS, float32 [7]; angles in radians."""
        turn = math.radians(self.rotation)
        return torch.tensor([turn, self.log_scale, self.shear, self.shift, self.shift, self.brightness, self.contrast])


AFFINE = Augmentation(shift=1 / 8, rotation=10.0, log_scale=0.1, brightness=0.2, contrast=0.2)

# Simplest first: in a tie the earlier one wins.
AUGMENTATIONS = {
    "none": Augmentation(),
    "shift": Augmentation(shift=1 / 8),
    "affine": AFFINE,
    "affine+flip": replace(AFFINE, flip=True),
    "trivial": Augmentation(
        shift=1 / 4, rotation=30.0, log_scale=0.3, shear=0.3, brightness=0.5, contrast=0.7, one_at_a_time=True
    ),
    "affine+mixup": replace(AFFINE, mixup=0.2),
    "affine+flip+mixup": replace(AFFINE, flip=True, mixup=0.2),
}


def augment_images(images: Tensor, policy: Augmentation, generator: torch.Generator) -> Tensor:
    """Change each image at random; what moves in from outside repeats the border.

    Args:
        images: float32 [N, C, H, W] in [-1, 1].
        policy: A row of AUGMENTATIONS.
        generator: A CPU generator; it advances by the same amount whatever the policy.

    Returns:
        float32 [N, C, H, W] in [-1, 1].

    Example:
        >>> images = torch.linspace(-1, 1, 64).expand(2, 1, 8, 8, -1)[..., 0]
        >>> augment_images(images, AUGMENTATIONS["affine"], torch.Generator().manual_seed(0)).shape
        torch.Size([2, 1, 8, 8])
    """
    values, flip = _draw(len(images), policy, generator)
    moves, light = values[:, :5], values[:, 5:]
    if flip.any() or moves.any():
        images = _warp(images, moves, flip)
    return _relight(images, light.to(images.device)) if light.any() else images


def mixup(images: Tensor, targets: Tensor, alpha: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Blend each image and its target with another of the batch (Zhang et al. 2018, arXiv:1710.09412, eq. 1).

    Args:
        images: float [N, C, H, W].
        targets: Class probabilities, float [N, K].
        alpha: Both parameters of the Beta distribution of the weight; 0 changes nothing.
        generator: A CPU generator.
    """
    if not alpha:
        return images, targets
    weight = _beta(alpha, len(images), generator).to(images.device)
    partner = torch.randperm(len(images), generator=generator).to(images.device)
    blend = weight[:, None, None, None]
    return blend * images + (1 - blend) * images[partner], torch.lerp(targets[partner], targets, weight[:, None])


def _draw(n: int, policy: Augmentation, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Parameters float32 [N, 7] in the order of PARAMETERS, and which images to mirror, bool [N]."""
    values = (2 * torch.rand(n, len(PARAMETERS), generator=generator) - 1) * policy.limits
    flip, chosen = torch.rand(2, n, generator=generator)
    if policy.one_at_a_time:
        values *= F.one_hot((chosen * len(PARAMETERS)).long(), len(PARAMETERS))
    return values, (flip < 0.5) & policy.flip


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
    grid = F.affine_grid(theta.to(images), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _whole(share: Tensor, side: int) -> Tensor:
    """A share of the side, rounded to whole pixels."""
    return (share * side).round() / side


def _relight(images: Tensor, light: Tensor) -> Tensor:
    """Brightness and contrast by per-image parameters [N, 2]; a fourth channel, transparency, stays as it is."""
    brightness, log_contrast = light[:, :, None, None, None].unbind(1)
    colour, rest = images[:, :3], images[:, 3:]
    mean = colour.mean((1, 2, 3), keepdim=True)
    colour = (colour - mean) * log_contrast.exp() + mean + brightness
    return torch.cat([colour.clamp(-1, 1), rest], 1)


def _beta(alpha: float, n: int, generator: torch.Generator) -> Tensor:
    """Draws from Beta(alpha, alpha), float32 [n], as torch's own sampler takes no generator."""
    seed = int(torch.randint(2**31, (), generator=generator))
    return torch.from_numpy(np.random.default_rng(seed).beta(alpha, alpha, n)).float()
