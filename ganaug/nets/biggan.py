"""A BigGAN-type pair (Brock et al. 2019, arXiv:1809.11096), beside the StyleGAN2-type one for comparison.

Under 64 px the sizes are those of StudioGAN's CIFAR-10 networks (Kang et al. 2022, arXiv:2206.09479): every level of G
has four times `width` channels, every level of D twice; there `width` is 96. From 64 px channels double from level to
level up to sixteen times `width`, as in appendix B. Both players attend to themselves once, at about 16 px.

G's spectral normalisation is part of the network, as published, and not of the recipe: it bounds what class and z do to
the gains of the norms. That of D is asked for with `train.spectral_norm`, as for every pair.

What differs from the paper: the parts of z and the width of queries and keys are rounded to multiples of 8 where there
are as many, which tensor cores take whole; and from 64 px D's blocks widen in their second convolution, as in `resnet`.
"""

import math
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, relu

from ganaug.nets.blocks import coarsest, crop, levels, widths
from ganaug.nets.resnet import Down, Up
from ganaug.nets.spectral import spectrally_normalised

SHARED = 128  # width of the class embedding that all blocks read
FLAT_LEVELS = 3  # levels up to which all of them are equally wide
ATTENDED = 16  # px
MULTIPLE = 8  # of channels that tensor cores take whole


def orthogonal(module: nn.Module) -> nn.Module:
    """Weights with orthogonal rows or columns (Saxe et al. 2014, arXiv:1312.6120), and no biases yet."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear | nn.Embedding):
            nn.init.orthogonal_(layer.weight)
            if getattr(layer, "bias", None) is not None:
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return module


def attended(height: int, width: int) -> int:
    """Doublings from the coarsest level to the one that is attended to, whose shorter side is closest to 16 px.

    >>> attended(32, 32), attended(28, 28), attended(64, 64), attended(8, 8)
    (2, 1, 2, 1)
    """
    return min(round(math.log2(ATTENDED / min(coarsest(height, width)))), levels(height, width))


def parts(z_dim: int, count: int) -> list[int]:
    """How many numbers of z go to the input and to each block; what is left over goes to the input.

    >>> parts(128, 4), parts(80, 4), parts(6, 4)
    ([32, 32, 32, 32], [32, 16, 16, 16], [3, 1, 1, 1])
    """
    part = z_dim // count
    part -= part % MULTIPLE if part > MULTIPLE else 0
    return [z_dim - part * (count - 1), *[part] * (count - 1)]


class Attention(nn.Module):
    """Each position adds what it finds at others, which are pooled by two (Zhang et al. 2019, arXiv:1805.08318).

    Nothing at birth. The shares of the positions are taken in single precision.
    """

    def __init__(self, channels: int):
        super().__init__()
        keys, values = max(channels // 8 // MULTIPLE * MULTIPLE, MULTIPLE), channels // 2
        self.query, self.key, self.value = (nn.Conv2d(channels, size, 1, bias=False) for size in (keys, keys, values))
        self.output = nn.Conv2d(values, channels, 1, bias=False)
        self.strength = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        key, value = (max_pool2d(layer(x), 2, ceil_mode=True).flatten(2) for layer in (self.key, self.value))
        shares = (self.query(x).flatten(2).transpose(1, 2) @ key).float().softmax(2)
        found = (value @ shares.transpose(1, 2)).unflatten(2, x.shape[2:])
        return torch.addcmul(x, self.output(found), self.strength.to(x.dtype))


class SharedNorm(nn.Module):
    """Batch normalisation whose gain and bias are linear in a condition [N, D]; in eval mode by running statistics."""

    def __init__(self, channels: int, condition: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gain, self.bias = (nn.Linear(condition, channels, bias=False) for _ in range(2))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        gain, bias = (layer(condition)[:, :, None, None].to(x.dtype) for layer in (self.gain, self.bias))
        return torch.addcmul(bias, self.norm(x), 1 + gain)


class BigganGenerator(nn.Module):
    """z [N, z_dim], labels [N] -> images [N, C, H, W] in [-1, 1]; see `ganaug.nets.pairs` for `scale`.

    z is split: one part begins the image, every block has one beside the class embedding that all share.
    """

    def __init__(self, shape: tuple[int, int, int], num_classes: int, width: int, z_dim: int):
        super().__init__()
        self.shape, self.z_dim, self.num_classes = shape, z_dim, num_classes
        channels, height, side = shape
        sizes = channels_of(4 * width, width, levels(height, side))[::-1]
        self.parts = parts(z_dim, len(sizes))
        self.start = (sizes[0], *coarsest(height, side))
        self.label = nn.Embedding(num_classes, SHARED)
        self.input = nn.Linear(self.parts[0], math.prod(self.start))
        norm = partial(SharedNorm, condition=SHARED + self.parts[1])
        self.blocks = nn.ModuleList(Up(a, b, norm) for a, b in pairwise(sizes))
        self.attended = attended(height, side)
        self.attention = Attention(sizes[self.attended])
        self.norm = nn.BatchNorm2d(sizes[-1])
        self.output = nn.Conv2d(sizes[-1], channels, 3, padding=1)
        orthogonal(self)
        for part in (self.input, self.blocks, self.attention, self.output):  # not what the classes are
            spectrally_normalised(part)

    def forward(self, z: Tensor, labels: Tensor, scale: float = 1.0) -> Tensor:
        first, *others = (scale * z).split(self.parts, dim=1)
        label = self.label(labels)
        x = self.input(first).unflatten(1, self.start)
        for number, (block, part) in enumerate(zip(self.blocks, others, strict=True), start=1):
            x = block(x, torch.cat([label, part], dim=1))
            x = self.attention(x) if number == self.attended else x
        return crop(self.output(relu(self.norm(x))), *self.shape[1:]).float().tanh()


class BigganTrunk(nn.Module):
    """images [N, C, H, W] -> features [N, out_features], summed over the positions."""

    def __init__(self, shape: tuple[int, int, int], width: int):
        super().__init__()
        channels, height, side = shape
        count = levels(height, side)
        halvings = count if count > FLAT_LEVELS else max(count - 1, 1)  # in few levels D stops at about 8 px
        sizes = [channels, *channels_of(2 * width, width, count)]
        blocks: list[nn.Module] = [
            Down(a, b, halves=level < halvings, pixels=not level) for level, (a, b) in enumerate(pairwise(sizes))
        ]
        place = max(count - attended(height, side), 1)
        blocks.insert(place, Attention(sizes[place]))
        self.blocks, self.out_features = nn.Sequential(*blocks), sizes[-1]
        orthogonal(self)

    def forward(self, images: Tensor) -> Tensor:
        return relu(self.blocks(images)).float().sum((2, 3))


def channels_of(flat: int, width: int, count: int) -> list[int]:
    """Channels from the finest to the coarsest of `count` + 1 levels: `flat` on all of few levels, else doubled.

    >>> channels_of(384, 96, 3), channels_of(256, 64, 4)
    ([384, 384, 384, 384], [64, 128, 256, 512, 1024])
    """
    return [flat] * (count + 1) if count <= FLAT_LEVELS else widths(width, count, 16 * width)
