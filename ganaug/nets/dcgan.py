"""DCGAN (Radford et al. 2016, arXiv:1511.06434), for any H x W.

Conditional through its input (Mirza and Osindero 2014, arXiv:1411.1784).
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from ganaug.nets.blocks import SLOPE, coarsest, crop, levels, widths


def _published_init(module: nn.Module) -> None:
    """Weights from N(0, 0.02) (section 4), normalisation scales from N(1, 0.02)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, mean=1.0, std=0.02)


class DcganGenerator(nn.Module):
    """z [N, z_dim], labels [N] -> images [N, C, H, W] in [-1, 1]."""

    def __init__(self, shape: tuple[int, int, int], num_classes: int, width: int, z_dim: int):
        super().__init__()
        self.shape, self.z_dim, self.num_classes = shape, z_dim, num_classes
        channels, height, side = shape
        sizes = widths(width, levels(height, side) - 1)[::-1]
        self.start = (sizes[0], *coarsest(height, side))
        self.input = nn.Linear(z_dim + num_classes, sizes[0] * self.start[1] * self.start[2])
        layers: list[nn.Module] = [nn.BatchNorm2d(sizes[0]), nn.ReLU()]
        for inputs, outputs in pairwise(sizes):
            layers += [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(sizes[-1], channels, 4, 2, 1))
        self.apply(_published_init)

    def forward(self, z: Tensor, labels: Tensor, scale: float = 1.0) -> Tensor:
        x = self.input(torch.cat([scale * z, one_hot(labels, self.num_classes).to(z.dtype)], dim=1))
        return crop(self.layers(x.unflatten(1, self.start)), *self.shape[1:]).float().tanh()


class DcganTrunk(nn.Module):
    """images [N, C, H, W] -> features [N, out_features]."""

    def __init__(self, shape: tuple[int, int, int], width: int):
        super().__init__()
        channels, height, side = shape
        count = levels(height, side)
        sizes = [channels, *widths(width, count - 1)]
        layers: list[nn.Module] = []
        for level, (inputs, outputs) in enumerate(pairwise(sizes)):
            norm = [nn.BatchNorm2d(outputs)] if level else []  # none on the first layer (section 3)
            layers += [nn.Conv2d(inputs, outputs, 4, 2, 1, bias=not level), *norm, nn.LeakyReLU(SLOPE)]
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.out_features = sizes[-1] * (height >> count) * (side >> count)
        self.apply(_published_init)

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)
