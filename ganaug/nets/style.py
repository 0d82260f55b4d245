"""A StyleGAN2-type pair (Karras et al. 2020, arXiv:1912.04958), conditional as in ADA (Karras 2020, arXiv:2006.06676).

What differs from the papers: G upsamples after a convolution and D averages before one, bilinearly and over pairs; the
noise is a function of z; the mapping network is as wide as the coarsest features and has two layers, as for CIFAR-10
there (appendix C.2). Channels double from level to level up to 256, or are `width` everywhere where that is more.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear

from ganaug.nets.blocks import act, coarsest, crop, double, halve, levels, unrounded, widths

WIDEST = 256
MAPPING_RATE = 0.01  # learning rate of the mapping network as a share of that of the others
CENTRE, CENTRE_SEED = 256, 0  # latents whose mean w stands for a class, and where they come from
GAIN = math.sqrt(2)  # after each activation
TINY = 1e-8


class Equal(nn.Module):
    """Weights drawn from N(0, 1) and scaled in use, so that all learn at one rate (Karras 2018, arXiv:1710.10196).

    Args:
        sizes: [outputs, inputs] of a linear layer, [outputs, inputs, kernel, kernel] of a convolution.
        rate: Learning rate as a share of the optimiser's.
        bias: What the biases begin at; None: no biases.
        gain: What the outputs are multiplied by, which costs nothing where the weights are: act(gain x) = gain act(x).
    """

    def __init__(self, *sizes: int, rate: float = 1.0, bias: float | None = 0.0, gain: float = 1.0):
        super().__init__()
        self.rate, self.scale, self.gain = rate, rate / math.sqrt(math.prod(sizes[1:])), gain
        self.weight = nn.Parameter(torch.empty(sizes))
        nn.init.normal_(self.weight, std=1 / rate)
        self.bias = None if bias is None else nn.Parameter(torch.full(sizes[:1], bias / rate))

    def scaled(self) -> Tensor:
        """The weights as they are used, before the gain."""
        return self.weight * self.scale

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight * (self.scale * self.gain)
        bias = None if self.bias is None else self.bias * (self.rate * self.gain)
        if weight.ndim == 2:
            return linear(x, weight, bias)
        return conv2d(x, weight, bias, padding=weight.shape[2] // 2)


class Mapping(nn.Module):
    """z [N, z_dim], labels [N] -> w [N, size]: both brought to unit size, then two layers."""

    def __init__(self, z_dim: int, num_classes: int, size: int):
        super().__init__()
        self.label = nn.Embedding(num_classes, z_dim)
        self.layers = nn.ModuleList(Equal(size, inputs, rate=MAPPING_RATE, gain=GAIN) for inputs in (2 * z_dim, size))

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        w = torch.cat([unit(z), unit(self.label(labels))], dim=1)
        for layer in self.layers:
            w = act(layer(w))
        return w


def unit(x: Tensor) -> Tensor:
    """Rows whose mean square is 1."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + TINY)


class Modulated(nn.Module):
    """A convolution whose inputs are scaled by w, sample by sample, and whose outputs are brought to unit variance.

    Scaling the inputs, convolving and scaling the outputs is the same as a convolution with weights of each sample's
    own (section 2.2, eq. 1 and 3), without making them. A shift [outputs, 1, 1] is added on the way, and a gain
    multiplies the sum, neither with a pass of its own over the outputs.
    """

    def __init__(self, inputs: int, outputs: int, w_dim: int, kernel: int = 3):
        super().__init__()
        self.style = Equal(inputs, w_dim, bias=1.0)
        self.conv = Equal(outputs, inputs, kernel, kernel, bias=None)

    def forward(self, x: Tensor, w: Tensor, shift: Tensor, gain: float = 1.0) -> Tensor:
        style, weight = self.style(w).float(), self.conv.scaled()
        x = conv2d(x * _over(style, x), weight, padding=weight.shape[2] // 2)
        return torch.addcmul((gain * shift).to(x.dtype), x, _over(gain * demodulation(style, weight), x))


class Colour(nn.Module):
    """Features [N, inputs, H, W] and w -> colours [N, outputs, H, W], by weights of each sample's own.

    Those are few here, so that they are scaled and not the features, as often as there are pixels.
    """

    def __init__(self, inputs: int, outputs: int, w_dim: int):
        super().__init__()
        self.style = Equal(inputs, w_dim, bias=1.0)
        self.conv = Equal(outputs, inputs, 1, 1, bias=None)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        weights = self.style(w).float()[:, None] * self.conv.scaled().flatten(1)
        return (weights.to(x.dtype) @ x.flatten(2)).unflatten(2, x.shape[2:])


def demodulation(style: Tensor, weight: Tensor) -> Tensor:
    """1 over the standard deviation of each output, given inputs of variance 1, [N, outputs] (eq. 3)."""
    with unrounded(style):
        return torch.rsqrt(style.square() @ weight.square().sum((2, 3)).T + TINY)


def _over(factors: Tensor, x: Tensor) -> Tensor:
    """[N, C] made ready to scale x [N, C, H, W]."""
    return factors[:, :, None, None].to(x.dtype)


class Noise(nn.Module):
    """z [N, z_dim] -> a map [N, 1, H, W] of values of variance 1 that hardly depend on each other.

    A fixed random projection of z in place of fresh noise, so that an image is a function of z and label alone: pixel
    (i, j) is the sum of z_k rows[k, i] columns[k, j] / sqrt(z_dim), with random signs in both buffers.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, z_dim: int, height: int, width: int):
        super().__init__()
        for name, side in (("rows", height), ("columns", width)):
            self.register_buffer(name, torch.empty(z_dim, side).normal_().sign())

    def forward(self, z: Tensor) -> Tensor:
        with unrounded(z):
            weighted = (z / math.sqrt(z.shape[1]))[:, :, None] * self.rows
            return (weighted.transpose(1, 2) @ self.columns)[:, None]


class Layer(nn.Module):
    """A modulated convolution, doubled sides where it is told to, noise, bias and activation."""

    def __init__(self, inputs: int, outputs: int, w_dim: int, noise: Noise, *, doubles: bool = False):
        super().__init__()
        self.doubles = doubles
        self.conv, self.noise = Modulated(inputs, outputs, w_dim), noise
        self.strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, w: Tensor, z: Tensor) -> Tensor:
        x = self.conv(x, w, self.bias[:, None, None], GAIN)
        x = double(x) if self.doubles else x  # which leaves the bias what it is
        return act(x + (GAIN * self.strength * self.noise(z)).to(x.dtype))


class StyleGenerator(nn.Module):
    """z [N, z_dim], labels [N] -> images [N, C, H, W], of which [-1, 1] is visible.

    `scale` moves w towards the mean of its class or beyond it, w' = mean + scale * (w - mean) (Karras et al. 2019,
    arXiv:1812.04948, appendix B); the mean is taken over fixed latents. The noise stays.
    """

    def __init__(self, shape: tuple[int, int, int], num_classes: int, width: int, z_dim: int):
        super().__init__()
        self.shape, self.z_dim, self.num_classes = shape, z_dim, num_classes
        channels, height, side = shape
        sizes = widths(width, levels(height, side), max(width, WIDEST))[::-1]
        rows, columns = coarsest(height, side)
        self.mapping = Mapping(z_dim, num_classes, sizes[0])
        self.start = nn.Parameter(torch.empty(1, sizes[0], rows, columns))
        nn.init.normal_(self.start)
        self.first = Layer(sizes[0], sizes[0], sizes[0], Noise(z_dim, rows, columns))
        self.blocks = nn.ModuleList()
        self.colours = nn.ModuleList([Colour(sizes[0], channels, sizes[0])])
        for level, (a, b) in enumerate(pairwise(sizes), start=1):
            noises = (Noise(z_dim, rows << level, columns << level) for _ in range(2))
            widening = Layer(a, b, sizes[0], next(noises), doubles=True)
            self.blocks.append(nn.ModuleList([widening, Layer(b, b, sizes[0], next(noises))]))
            self.colours.append(Colour(b, channels, sizes[0]))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, z: Tensor, labels: Tensor, scale: float = 1.0) -> Tensor:
        w = self.mapping(z, labels)
        if scale != 1:
            w = torch.lerp(self._centres(labels).to(w.dtype), w, scale)
        x = self.first(self.start.expand(len(z), -1, -1, -1), w, z)
        image = self.colours[0](x, w).float()
        for (widening, layer), colour in zip(self.blocks, self.colours[1:], strict=True):  # type: ignore[misc]
            x = layer(widening(x, w, z), w, z)
            image = double(image) + colour(x, w).float()
        return crop(image + self.bias, *self.shape[1:])

    def _centres(self, labels: Tensor) -> Tensor:
        """The mean w of each label's class, [N, w_dim].

        A class at a time, so that rounding does not depend on the company.
        """
        rng = torch.Generator().manual_seed(CENTRE_SEED)
        z = torch.randn(CENTRE, self.z_dim, generator=rng).to(labels.device)
        classes, rows = labels.unique(return_inverse=True)
        return torch.stack([self.mapping(z, label.expand(CENTRE)).mean(0) for label in classes])[rows]


class Halving(nn.Module):
    """A residual block of D that halves the sides."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.first, self.second = Equal(inputs, inputs, 3, 3, gain=GAIN), Equal(outputs, inputs, 3, 3)
        self.shortcut = Equal(outputs, inputs, 1, 1, bias=None, gain=math.sqrt(0.5))

    def forward(self, x: Tensor) -> Tensor:
        h = halve(act(self.first(x)))
        return act(self.second(h)) + self.shortcut(halve(x))  # GAIN and the 1 / sqrt(2) of the sum cancel


class StyleTrunk(nn.Module):
    """images [N, C, H, W] -> features [N, out_features]."""

    def __init__(self, shape: tuple[int, int, int], width: int):
        super().__init__()
        channels, height, side = shape
        sizes = widths(width, levels(height, side), max(width, WIDEST))
        rows, columns = coarsest(height, side)
        self.out_features = sizes[-1]
        self.input = Equal(sizes[0], channels, 1, 1, gain=GAIN)
        self.blocks = nn.Sequential(*(Halving(a, b) for a, b in pairwise(sizes)))
        self.last = Equal(sizes[-1], sizes[-1], 3, 3, gain=GAIN)
        self.output = Equal(sizes[-1], sizes[-1] * rows * columns, gain=GAIN)

    def forward(self, images: Tensor) -> Tensor:
        x = self.blocks(act(self.input(images)))
        return act(self.output(act(self.last(x)).flatten(1)))
