"""What judges translations patch by patch: a discriminator, and the heads that compare features of patches."""

import math
from itertools import pairwise

import torch
from torch import Generator, Tensor, nn

from ganaug.nets.blocks import act, conv, widths

WIDEST = 8  # times the width
MOST_DOWNS = 3


def patch_downs(height: int, width: int) -> int:
    """How often D halves the sides by default: patches of 16, 34 or 70 px for images of 16, 32, 64 px and more.

    >>> patch_downs(16, 16), patch_downs(28, 32), patch_downs(256, 64)
    (1, 1, 3)
    """
    return max(0, min(MOST_DOWNS, int(math.log2(min(height, width) / 8))))


class PatchDiscriminator(nn.Module):
    """Images [N, channels, H, W] -> how real each of their P overlapping patches is, logits [N, P].

    The convolutions of Isola et al. 2017 (arXiv:1611.07004, section 6.1.2), of which the first `downs` halve the sides;
    three make patches of 70 px. Without normalisation, so that a logit depends on its own patch alone and a penalty on
    its gradient means what it says. A conditional D (pix2pix) is given input and output in one image's channels.

    Example:
        >>> PatchDiscriminator(3, 8, downs=1)(torch.zeros(2, 3, 16, 16)).shape
        torch.Size([2, 36])
    """

    def __init__(self, channels: int, width: int, downs: int):
        super().__init__()
        sizes = [channels, *widths(width, downs, WIDEST * width)]
        strides = [2] * downs + [1]
        self.layers = nn.ModuleList(
            conv(a, b, 4, stride=stride, padding=1) for (a, b), stride in zip(pairwise(sizes), strides, strict=True)
        )
        self.output = conv(sizes[-1], 1, 4, padding=1, gain=1.0)

    def forward(self, images: Tensor) -> Tensor:
        x = images
        for layer in self.layers:
            x = act(layer(x))
        return self.output(x).flatten(1).float()


class PatchHeads(nn.Module):
    """Features of chosen layers at chosen places, each through a small network of its own (Park 2020, section 3).

    Args:
        channels: Of each layer.
        width: Of what comes out.
    """

    def __init__(self, channels: tuple[int, ...], width: int = 64):
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(c, width), nn.ReLU(), nn.Linear(width, width)) for c in channels
        )

    def forward(self, layers: list[Tensor], places: list[Tensor]) -> list[Tensor]:
        """[N, C, H, W] of each layer and positions int64 [P] -> float32 [N, P, width] of each layer."""
        return [
            head(layer.flatten(2)[:, :, place].transpose(1, 2)).float()
            for head, layer, place in zip(self.heads, layers, places, strict=True)
        ]


def draw_places(layers: list[Tensor], count: int, rng: Generator) -> list[Tensor]:
    """For each layer [N, C, H, W] up to `count` positions in its H * W, none twice."""
    return [torch.randperm(x.shape[2] * x.shape[3], generator=rng, device=rng.device)[:count] for x in layers]
