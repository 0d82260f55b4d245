"""What the networks share: the geometry of any H x W, resampling, and residual blocks without normalisation."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu

SLOPE = 0.2
GAIN = math.sqrt(2 / (1 + SLOPE**2))  # keeps the variance through conv and leaky ReLU (He 2015, arXiv:1502.01852)


def levels(height: int, width: int) -> int:
    """How often the sides are halved: until the shorter one lies between 4 and 7.

    >>> levels(8, 8), levels(28, 28), levels(64, 100)
    (1, 2, 4)
    """
    return int(math.log2(min(height, width) / 4))


def coarsest(height: int, width: int) -> tuple[int, int]:
    """The sides after `levels` halvings, rounded up: G starts here and crops at the end.

    >>> coarsest(28, 28), coarsest(9, 100)
    ((7, 7), (5, 50))
    """
    scale = 2 ** levels(height, width)
    return -(-height // scale), -(-width // scale)


def widths(width: int, count: int, widest: int = 512) -> list[int]:
    """Channels from the finest to the coarsest of `count` + 1 levels: doubled at each, up to `widest`.

    >>> widths(32, 2)
    [32, 64, 128]
    """
    return [min(width * 2**level, max(width, widest)) for level in range(count + 1)]


def crop(x: Tensor, height: int, width: int) -> Tensor:
    """The central height x width of x."""
    top, left = (x.shape[2] - height) // 2, (x.shape[3] - width) // 2
    return x[:, :, top : top + height, left : left + width]


def double(x: Tensor) -> Tensor:
    """Twice the sides: each pixel repeated, then blurred by [1, 2, 1] along both (Zhang 2019, arXiv:1904.11486).

    That is bilinear interpolation. On a GPU its gradients differ from run to run, so it is done in two pools there.
    """
    if x.device.type in ("cpu", "meta"):
        return interpolate(x, scale_factor=2.0, mode="bilinear")
    return double_in_pools(x)


def double_in_pools(x: Tensor) -> Tensor:
    """The same, in steps whose gradients are the same in every run, also on a GPU."""
    repeated = interpolate(x, scale_factor=2.0)
    return avg_pool2d(avg_pool2d(repeated, 2, 1, padding=1, count_include_pad=False), 2, 1)


def halve(x: Tensor) -> Tensor:
    """Half the sides by averaging, rounded up."""
    return avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)


def unrounded(x: Tensor) -> torch.autocast:
    """A context in which nothing on the device of x is done in half precision."""
    return torch.autocast("cpu" if x.is_meta else x.device.type, enabled=False)


def act(x: Tensor) -> Tensor:
    """Leaky ReLU with slope 0.2."""
    return leaky_relu(x, SLOPE)


def conv(
    inputs: int, outputs: int, kernel: int = 3, gain: float = GAIN, *, stride: int = 1, padding: int | None = None
) -> nn.Conv2d:
    """A convolution drawn so that the variance is multiplied by gain squared; by default it keeps the sides."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2 if padding is None else padding)
    nn.init.normal_(layer.weight, std=gain / math.sqrt(inputs * kernel**2))
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


class Residual(nn.Module):
    """x + conv(act(conv(act(x)))), its last convolution born zero (Zhang et al. 2019, Fixup, arXiv:1901.09321)."""

    def __init__(self, width: int):
        super().__init__()
        self.first, self.second = conv(width, width), conv(width, width, gain=0.0)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(act(self.first(act(x))))
