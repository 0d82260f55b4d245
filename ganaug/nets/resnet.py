"""The residual pair of the cGAN with projection discriminator (Miyato and Koyama 2018, arXiv:1802.05637, figure 14).

G knows the class by its normalisation; D is held smooth by spectral normalisation (Miyato et al. 2018,
arXiv:1802.05957), which a recipe asks for with `train.spectral_norm`. Sizes follow the tables for 128 px: as many
blocks as the sides have halvings, channels doubled at each, up to 1024.
"""

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu

from ganaug.nets.blocks import coarsest, crop, halve, levels, widths

WIDEST = 1024


def drawn(layer: nn.Module) -> nn.Module:
    """Weights as Glorot and Bengio (2010) draw them, doubled in variance for layers around a ReLU; no biases yet."""
    for weights in layer.modules():
        if isinstance(weights, nn.Conv2d | nn.Linear):
            around_relu = isinstance(weights, nn.Conv2d) and weights.kernel_size != (1, 1)
            nn.init.xavier_uniform_(weights.weight, gain=math.sqrt(2) if around_relu else 1.0)
            nn.init.zeros_(weights.bias)  # type: ignore[arg-type]
    return layer


class ConditionalNorm(nn.Module):
    """Batch normalisation with a gain and a bias per class (Dumoulin et al. 2017, arXiv:1610.07629).

    In eval mode it takes the running statistics, and no image depends on its neighbours in the batch.
    """

    def __init__(self, channels: int, num_classes: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gain, self.bias = nn.Embedding(num_classes, channels), nn.Embedding(num_classes, channels)
        nn.init.ones_(self.gain.weight)
        nn.init.zeros_(self.bias.weight)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        gain, bias = (table(labels)[:, :, None, None].to(x.dtype) for table in (self.gain, self.bias))
        return torch.addcmul(bias, self.norm(x), gain)


class Up(nn.Module):
    """A residual block of G that doubles the sides; `norm` makes a normalisation of so many channels."""

    def __init__(self, inputs: int, outputs: int, norm: Callable[[int], nn.Module]):
        super().__init__()
        self.norms = nn.ModuleList([norm(inputs), norm(outputs)])
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        first, second = self.norms
        h = self.first(repeat(relu(first(x, condition))))
        h = self.second(relu(second(h, condition)))
        return h + repeat(self.shortcut(x))  # a 1x1 convolution may as well precede the repetition


class Down(nn.Module):
    """A residual block of D, which halves the sides where it is told to; the first one meets pixels, not features."""

    def __init__(self, inputs: int, outputs: int, *, halves: bool = True, pixels: bool = False):
        super().__init__()
        self.halves, self.pixels = halves, pixels
        hidden = outputs if pixels else inputs
        self.first = nn.Conv2d(inputs, hidden, 3, padding=1)
        self.second = nn.Conv2d(hidden, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if halves or inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        h = self.second(relu(self.first(x if self.pixels else relu(x))))
        if self.halves:
            x, h = halve(x), halve(h)
        return h + (x if self.shortcut is None else self.shortcut(x))


def repeat(x: Tensor) -> Tensor:
    """Twice the sides, each pixel repeated."""
    return interpolate(x, scale_factor=2.0)


class ResnetGenerator(nn.Module):
    """z [N, z_dim], labels [N] -> images [N, C, H, W] in [-1, 1]; see `ganaug.nets.pairs` for `scale`."""

    def __init__(self, shape: tuple[int, int, int], num_classes: int, width: int, z_dim: int):
        super().__init__()
        self.shape, self.z_dim, self.num_classes = shape, z_dim, num_classes
        channels, height, side = shape
        sizes = widths(width, levels(height, side), WIDEST)[::-1]
        sizes = [sizes[1], *sizes[1:]]  # the first block keeps the channels
        self.start = (sizes[0], *coarsest(height, side))
        self.input = nn.Linear(z_dim, math.prod(self.start))
        norm = partial(ConditionalNorm, num_classes=num_classes)
        self.blocks = nn.ModuleList(Up(a, b, norm) for a, b in pairwise(sizes))
        self.norm = nn.BatchNorm2d(sizes[-1])
        self.output = nn.Conv2d(sizes[-1], channels, 3, padding=1)
        drawn(self)

    def forward(self, z: Tensor, labels: Tensor, scale: float = 1.0) -> Tensor:
        x = self.input(scale * z).unflatten(1, self.start)
        for block in self.blocks:
            x = block(x, labels)
        return crop(self.output(relu(self.norm(x))), *self.shape[1:]).float().tanh()


class ResnetTrunk(nn.Module):
    """images [N, C, H, W] -> features [N, out_features], summed over the positions."""

    def __init__(self, shape: tuple[int, int, int], width: int):
        super().__init__()
        channels, height, side = shape
        sizes = [channels, *widths(width, levels(height, side) - 1, WIDEST)]
        self.out_features = sizes[-1]
        self.blocks = nn.Sequential(
            *(Down(a, b, pixels=not level) for level, (a, b) in enumerate(pairwise(sizes))),
            Down(sizes[-1], sizes[-1], halves=False),
        )
        drawn(self)

    def forward(self, images: Tensor) -> Tensor:
        return relu(self.blocks(images)).float().sum((2, 3))
