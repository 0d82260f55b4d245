"""Differentiable augmentation (Zhao et al. 2020, arXiv:2006.10738): D sees only augmented images, real and fake alike.

Every transform takes float [N, C, H, W] and chances, uniform numbers in [0, 1), [N, 2]: nothing is drawn inside, so
that they compile and can be replayed. A policy is a comma-separated list of rows of POLICIES.
"""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from ganaug.errors import RecipeError

EACH = 2  # chances that a transform takes, at most
Transform = Callable[[Tensor, Tensor], Tensor]


def brightness(x: Tensor, chances: Tensor) -> Tensor:
    """Shift by up to a quarter of the range."""
    return x + (_over(chances[:, 0], x) - 0.5)


def saturation(x: Tensor, chances: Tensor) -> Tensor:
    """Scale the distance from the pixel's gray by 0 to 2."""
    mean = x.mean(dim=1, keepdim=True)
    return (x - mean) * (2 * _over(chances[:, 0], x)) + mean


def contrast(x: Tensor, chances: Tensor) -> Tensor:
    """Scale the distance from the image's mean by 0.5 to 1.5."""
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return (x - mean) * (_over(chances[:, 0], x) + 0.5) + mean


def translation(x: Tensor, chances: Tensor, ratio: float = 1 / 8) -> Tensor:
    """Shift by up to `ratio` of each side; the border is repeated, where the paper pads with gray."""
    height, width = x.shape[2:]
    rows = _shifted(height, round(height * ratio), chances[:, 0])
    columns = _shifted(width, round(width * ratio), chances[:, 1])
    x = x.gather(2, rows[:, None, :, None].expand_as(x))
    return x.gather(3, columns[:, None, None, :].expand_as(x))


def cutout(x: Tensor, chances: Tensor, ratio: float = 0.5) -> Tensor:
    """Blank a window of `ratio` of each side, its centre anywhere."""
    rows, columns = (_window(side, ratio, chances[:, i]) for i, side in enumerate(x.shape[2:]))
    return x * ~(rows[:, None, :, None] & columns[:, None, None, :])


def flip(x: Tensor, chances: Tensor) -> Tensor:
    """Mirror left and right, half of the time; only where the classes survive it."""
    return torch.where(_over(chances[:, 0], x) < 0.5, x.flip(3), x)


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


def draw_chances(n: int, policy: str, probability: float, rng: Generator) -> Tensor:
    """What `augment` needs to know of chance for n images, float32 [n, 1 + EACH * transforms] on the device of rng.

    The first column says whether the image is changed at all, 1 with `probability`, else 0; the others are uniform.

    >>> draw_chances(4, "color,cutout", 0.5, Generator()).shape
    torch.Size([4, 9])
    """
    chances = torch.rand(n, 1 + EACH * len(_transforms(policy)), generator=rng, device=rng.device)
    chances[:, 0] = chances[:, 0] < probability
    return chances


def augment(x: Tensor, policy: str, chances: Tensor) -> Tensor:
    """Apply the transforms of `policy` ("none", or such as "color,translation") to the samples whose turn it is.

    Differentiable in x. What is applied to less than all samples does not leak into G (Karras et al. 2020,
    arXiv:2006.06676, section 2.2), and a small share keeps D sharp where there are images enough.

    Args:
        x: Float [N, C, H, W].
        policy: A list of rows of POLICIES.
        chances: As `draw_chances` draws them.

    Example:
        >>> x, policy = torch.zeros(2, 1, 8, 8), "translation,cutout"
        >>> augment(x, policy, draw_chances(2, policy, 0.5, Generator())).shape
        torch.Size([2, 1, 8, 8])
    """
    transforms = _transforms(policy)
    if not transforms:
        return x
    whether, *own = chances.split([1, *[EACH] * len(transforms)], dim=1)
    changed = x
    for transform, chance in zip(transforms, own, strict=True):
        changed = transform(changed, chance)
    return torch.where(whether[:, :, None, None] > 0, changed, x)


def _transforms(policy: str) -> list[Transform]:
    return [] if policy == "none" else [transform for part in policy.split(",") for transform in POLICIES[part]]


def _over(chances: Tensor, x: Tensor) -> Tensor:
    """One number a sample, made ready to meet x [N, C, H, W]."""
    return chances[:, None, None, None].to(x.dtype)


def _shifted(side: int, reach: int, chances: Tensor) -> Tensor:
    """For each sample the source position of every row (or column), [N, side]."""
    shift = _whole(chances, 2 * reach + 1) - reach
    return (torch.arange(side, device=chances.device) + shift).clamp(0, side - 1)


def _window(side: int, ratio: float, chances: Tensor) -> Tensor:
    """For each sample which rows (or columns) lie in the window, bool [N, side]."""
    length = round(side * ratio)
    first = _whole(chances, side + (1 - length % 2)) - length // 2
    position = torch.arange(side, device=chances.device)
    return (position >= first) & (position < first + length)


def _whole(chances: Tensor, count: int) -> Tensor:
    """Whole numbers below `count`, all alike likely, int64 [N, 1]."""
    return (chances * count).long().clamp(max=count - 1)[:, None]
