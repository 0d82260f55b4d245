"""The few-images pair: residual, free of normalisation, in the manner of R3GAN (Huang et al. 2024, arXiv:2501.05441).

Without normalisation no sample depends on its neighbours in the batch, and the penalties mean what they say.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from ganaug.nets.blocks import Residual, act, coarsest, conv, crop, double, halve, levels, widths


def blocks(sizes: list[int], height: int, width: int) -> nn.ModuleList:
    """A residual block for every level, the finest first; above 40 px the finest level has none.

    There it would cost as much as all others together do at 32 px, for detail that the outer convolution can draw.
    """
    finest = nn.Identity() if min(height, width) > 40 else Residual(sizes[0])
    return nn.ModuleList([finest, *(Residual(size) for size in sizes[1:])])


class ResidualGenerator(nn.Module):
    """z [N, z_dim], labels [N] -> images [N, C, H, W].

    The label enters as an embedding beside z.
    """

    def __init__(self, shape: tuple[int, int, int], num_classes: int, width: int, z_dim: int):
        super().__init__()
        self.shape, self.z_dim, self.num_classes = shape, z_dim, num_classes
        channels, height, side = shape
        sizes = widths(width, levels(height, side))[::-1]
        self.start = (sizes[0], *coarsest(height, side))
        self.label = nn.Embedding(num_classes, z_dim)
        self.input = nn.Linear(2 * z_dim, sizes[0] * self.start[1] * self.start[2])
        self.blocks = blocks(sizes[::-1], height, side)[::-1]
        self.widen = nn.ModuleList(conv(a, b, 1, gain=1.0) for a, b in pairwise(sizes))
        self.output = conv(sizes[-1], channels, gain=0.5)

    def forward(self, z: Tensor, labels: Tensor, scale: float = 1.0) -> Tensor:
        x = self.input(torch.cat([scale * z, self.label(labels)], dim=1)).unflatten(1, self.start)
        x = self.blocks[0](x)
        for widen, block in zip(self.widen, self.blocks[1:], strict=True):  # type: ignore[arg-type]
            x = block(double(widen(x)))
        return crop(self.output(act(x)), *self.shape[1:]).float().tanh()


class ResidualTrunk(nn.Module):
    """images [N, C, H, W] -> features [N, out_features]."""

    def __init__(self, shape: tuple[int, int, int], width: int):
        super().__init__()
        channels, height, side = shape
        sizes = widths(width, levels(height, side))
        self.out_features = sizes[-1]
        self.input = conv(channels, sizes[0], gain=1.0)
        self.blocks = blocks(sizes, height, side)
        self.widen = nn.ModuleList(conv(a, b, 1, gain=1.0) for a, b in pairwise(sizes))
        rows, columns = coarsest(height, side)
        self.output = nn.Linear(sizes[-1] * rows * columns, self.out_features)

    def forward(self, images: Tensor) -> Tensor:
        x = self.blocks[0](self.input(images))
        for widen, block in zip(self.widen, self.blocks[1:], strict=True):  # type: ignore[arg-type]
            x = block(widen(halve(x)))
        return act(self.output(act(x).flatten(1)))
