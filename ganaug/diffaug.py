"""Differentiable augmentation (Zhao et al. 2020, arXiv:2006.10738): D sees only augmented images, real and fake alike.

Every function takes float [N, C, H, W] and draws per sample from `rng`; a policy is a comma-separated list of rows of
POLICIES.
"""

import torch
from torch import Generator, Tensor

from ganaug.errors import RecipeError


def brightness(x: Tensor, rng: Generator) -> Tensor:
    """Shift by up to a quarter of the range."""
    return x + (_uniform(x, rng) - 0.5)


def saturation(x: Tensor, rng: Generator) -> Tensor:
    """Scale the distance from the pixel's gray by 0 to 2."""
    mean = x.mean(dim=1, keepdim=True)
    return (x - mean) * (2 * _uniform(x, rng)) + mean


def contrast(x: Tensor, rng: Generator) -> Tensor:
    """Scale the distance from the image's mean by 0.5 to 1.5."""
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return (x - mean) * (_uniform(x, rng) + 0.5) + mean


def translation(x: Tensor, rng: Generator, ratio: float = 1 / 8) -> Tensor:
    """Shift by up to `ratio` of each side; the border is repeated, where the paper pads with gray."""
    height, width = x.shape[2:]
    rows = _shifted(height, round(height * ratio), x, rng)
    columns = _shifted(width, round(width * ratio), x, rng)
    x = x.gather(2, rows[:, None, :, None].expand_as(x))
    return x.gather(3, columns[:, None, None, :].expand_as(x))


def cutout(x: Tensor, rng: Generator, ratio: float = 0.5) -> Tensor:
    """Blank a window of `ratio` of each side, its centre anywhere."""
    inside = _window(x.shape[2], ratio, x, rng)[:, None, :, None] & _window(x.shape[3], ratio, x, rng)[:, None, None, :]
    return x * ~inside


def flip(x: Tensor, rng: Generator) -> Tensor:
    """Mirror left and right, half of the time; only where the classes survive it."""
    return torch.where(_uniform(x, rng) < 0.5, x.flip(3), x)


POLICIES = {
    "color": (brightness, saturation, contrast),
    "translation": (translation,),
    "cutout": (cutout,),
    "flip": (flip,),
}


def check_policy(policy: str) -> str:
    """The policy itself.

    Raises:
        RecipeError: A part is not a row of POLICIES.
    """
    unknown = [part for part in policy.split(",") if part not in POLICIES and policy != "none"]
    if unknown:
        raise RecipeError(
            f"train.augment must be 'none' or a list of {', '.join(POLICIES)}, got {unknown[0]!r}; "
            "for example --set train.augment=translation,cutout"
        )
    return policy


def augment(x: Tensor, policy: str, probability: float, rng: Generator) -> Tensor:
    """Apply the transforms of `policy` ("none", or such as "color,translation") to each sample with `probability`.

    Differentiable in x. What is applied to less than all samples does not leak into G (Karras et al. 2020,
    arXiv:2006.06676, section 2.2), and a small share keeps D sharp where there are images enough.

    Example:
        >>> augment(torch.zeros(2, 1, 8, 8), "translation,cutout", 0.5, Generator()).shape
        torch.Size([2, 1, 8, 8])
    """
    if policy == "none" or probability == 0:
        return x
    changed = x
    for part in policy.split(","):
        for transform in POLICIES[part]:
            changed = transform(changed, rng)
    return torch.where(_uniform(x, rng) < probability, changed, x)


def _uniform(x: Tensor, rng: Generator) -> Tensor:
    return torch.rand(len(x), 1, 1, 1, generator=rng, device=x.device, dtype=x.dtype)


def _shifted(side: int, reach: int, x: Tensor, rng: Generator) -> Tensor:
    """For each sample the source position of every row (or column), [N, side]."""
    shift = torch.randint(-reach, reach + 1, (len(x), 1), generator=rng, device=x.device)
    return (torch.arange(side, device=x.device) + shift).clamp(0, side - 1)


def _window(side: int, ratio: float, x: Tensor, rng: Generator) -> Tensor:
    """For each sample which rows (or columns) lie in the window, bool [N, side]."""
    length = round(side * ratio)
    first = torch.randint(0, side + (1 - length % 2), (len(x), 1), generator=rng, device=x.device) - length // 2
    position = torch.arange(side, device=x.device)
    return (position >= first) & (position < first + length)
