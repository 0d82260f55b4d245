"""Translators: images of one domain and noise in, images of another out, for any sides from 16 px.

A row of TRANSLATORS is all it takes to add one; every row obeys one signature.
Translator(inputs, outputs, width, noise_dim, downs, blocks): images [N, inputs, H, W] in [-1, 1], z [N, noise_dim] ->
images float32 [N, outputs, H, W] in [-1, 1]. `downs` says how often the sides are halved inside, `blocks` how many
residual blocks work on the coarsest level. What the noise may change depends on nothing else: one z, one image. Given
the `origin` of a tile in px from the top and the left of its image, textures go on from tile to tile.
`encode(images)` gives the features, without noise, of the layers whose channels are `encoded`; PatchNCE compares them.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from ganaug.nets.blocks import act, conv, crop, double, widths
from ganaug.nets.noise import Coins, StyledNorm, Waves

WIDEST_UNET = 8  # times the width
FLIPPED = 3  # levels of the U-Net, from the coarsest, whose channels are dropped at random (Isola et al. 2017)


class ResnetTranslator(nn.Module):
    """Convolutions down, residual blocks, convolutions up (Johnson 2016, arXiv:1603.08155; Zhu 2017, arXiv:1703.10593).

    Noise comes in twice: as waves beside the image, which become texture, and through the norms of blocks and ups,
    which set colours: an instance norm that came after without it would take them away. Sides are doubled by
    interpolation before a convolution, which draws no checkerboards (Odena 2016).
    """

    def __init__(self, inputs: int, outputs: int, width: int, noise_dim: int = 0, downs: int = 2, blocks: int = 6):
        super().__init__()
        self.inputs, self.outputs, self.noise_dim = inputs, outputs, noise_dim
        self.multiple, self.margin = 2**downs, 3 if downs > 1 else 1  # small images have no room for 7 x 7 pixels
        sizes = widths(width, downs)
        self.waves = Waves(noise_dim)
        self.stem = Layer(inputs + self.waves.planes, width, 2 * self.margin + 1, padding=0)
        self.downs = nn.ModuleList(Layer(a, b, 3, stride=2) for a, b in pairwise(sizes))
        self.blocks = nn.ModuleList(Block(sizes[-1], noise_dim) for _ in range(blocks))
        self.ups = nn.ModuleList(Layer(b, a, 3, noise_dim=noise_dim) for a, b in reversed([*pairwise(sizes)]))
        self.output = conv(width, outputs, 2 * self.margin + 1, gain=0.5)
        self.encoded = (inputs, *sizes, sizes[-1])

    def forward(self, images: Tensor, z: Tensor, origin: tuple[int, int] = (0, 0)) -> Tensor:
        x = self._layers(images, z, origin)[-1]
        for block in self.blocks[len(self.blocks) // 2 :]:
            x = block(x, z)
        for up in self.ups:
            x = up(double(x), z)
        return crop(self.output(x).float().tanh(), *images.shape[2:])

    def encode(self, images: Tensor) -> list[Tensor]:
        """The image itself, what every level up to the coarsest sees in it, and half of the blocks."""
        return self._layers(images, images.new_zeros(len(images), self.noise_dim))

    def _layers(self, images: Tensor, z: Tensor, origin: tuple[int, int] = (0, 0)) -> list[Tensor]:
        framed = mirrored(images, self.multiple, self.margin)
        layers = [framed, self.stem(torch.cat([framed, *self.waves(z, framed, origin)], dim=1))]
        for down in self.downs:
            layers.append(down(layers[-1]))
        x = layers[-1]
        for block in self.blocks[: len(self.blocks) // 2]:
            x = block(x, z)
        return [*layers, x]


class UnetTranslator(nn.Module):
    """Convolutions down and up, with every level of the way down beside its like on the way up (Isola 2017,
    arXiv:1611.07004, section 6.1.1).

    Noise drops half of the channels of the coarsest levels; which ones is a function of z. Unlike the paper's, the
    finest level has the sides of the image, and its features go to the output directly.
    """

    def __init__(self, inputs: int, outputs: int, width: int, noise_dim: int = 0, downs: int = 4, blocks: int = 0):
        super().__init__()
        self.inputs, self.outputs, self.noise_dim = inputs, outputs, noise_dim
        self.multiple, self.margin = 2**downs, 1
        sizes = widths(width, downs, WIDEST_UNET * width)
        self.stem = conv(inputs, width, 3, padding=0)
        self.downs = nn.ModuleList(
            Layer(a, b, 4, stride=2, norm=level + 1 < downs) for level, (a, b) in enumerate(pairwise(sizes))
        )
        self.blocks = nn.ModuleList(Block(sizes[-1], noise_dim) for _ in range(blocks))
        below = [sizes[-1], *(2 * size for size in sizes[-2:0:-1])]  # from the second on beside what came down
        self.ups = nn.ModuleList(Layer(b, a, 3) for b, a in zip(below, sizes[-2::-1], strict=True))
        self.coins = nn.ModuleList(
            Coins(noise_dim if level < FLIPPED else 0, size) for level, size in enumerate(sizes[-2::-1])
        )
        self.output = conv(2 * width, outputs, 3, gain=0.5)
        self.encoded = (inputs, *sizes)

    def forward(self, images: Tensor, z: Tensor, origin: tuple[int, int] = (0, 0)) -> Tensor:
        _, *beside, x = self.encode(images)
        for block in self.blocks:
            x = block(x, z)
        for up, coins in zip(self.ups, self.coins, strict=True):
            x = torch.cat([coins(up(double(x)), z), beside.pop()], dim=1)
        return crop(self.output(x).float().tanh(), *images.shape[2:])

    def encode(self, images: Tensor) -> list[Tensor]:
        """The image itself, and what every level up to the coarsest sees in it."""
        layers = [mirrored(images, self.multiple, self.margin)]
        layers.append(act(self.stem(layers[0])))
        for down in self.downs:
            layers.append(down(layers[-1]))
        return layers


class Layer(nn.Module):
    """A convolution, instance normalisation that the noise may style, ReLU."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: int = 1,
        norm: bool = True,
        noise_dim: int = 0,
    ):
        super().__init__()
        self.conv = conv(inputs, outputs, kernel, stride=stride, padding=padding)
        self.norm = StyledNorm(outputs, noise_dim) if norm else None
        if norm:
            self.conv.bias = None  # the norm has its own, and takes any other away

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        x = self.conv(x)
        return relu(x if self.norm is None else self.norm(x, z))


class Block(nn.Module):
    """x + norm(conv(relu(norm(conv(x))))), nothing but x at birth; the noise sets the gains and biases of the norms."""

    def __init__(self, width: int, noise_dim: int):
        super().__init__()
        self.first, self.second = conv(width, width), conv(width, width)
        self.first.bias = self.second.bias = None
        self.norms = nn.ModuleList([StyledNorm(width, noise_dim), StyledNorm(width, noise_dim, gain=0.0)])

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        first, second = self.norms
        return x + second(self.second(relu(first(self.first(x), z))), z)


def mirrored(x: Tensor, multiple: int, margin: int) -> Tensor:
    """x, mirrored at its borders until both sides are multiples, and by `margin` pixels more all around.

    Done in slices, whose gradients are the same in every run, also on a GPU; those of ReflectionPad2d are not.

    >>> mirrored(torch.arange(3.0).expand(1, 1, 3, 3), 4, 1)[0, 0, 0].tolist()
    [1.0, 0.0, 1.0, 2.0, 1.0, 0.0]
    """
    for axis in (2, 3):
        spare = -x.shape[axis] % multiple
        before, after = spare // 2 + margin, spare - spare // 2 + margin
        while before or after:  # one pass gives no more than the image less its border
            size = x.shape[axis]
            a, b = min(before, size - 1), min(after, size - 1)
            left, right = x.narrow(axis, 1, a).flip(axis), x.narrow(axis, size - 1 - b, b).flip(axis)
            x, before, after = torch.cat([left, x, right], dim=axis), before - a, after - b
    return x


def as_channels(images: Tensor, channels: int) -> Tensor:
    """The images [N, C, H, W] with so many channels: as they are, or the mean of theirs in each, rounded for uint8.

    >>> as_channels(torch.tensor([0.0, 0.0, 0.6]).view(1, 3, 1, 1), 1).item()
    0.20000000298023224
    """
    if images.shape[1] == channels:
        return images
    mean = images.float().mean(1, keepdim=True)
    mean = mean if images.is_floating_point() else mean.round().to(images.dtype)
    return mean.expand(-1, channels, -1, -1)


TRANSLATORS = {"resnet": ResnetTranslator, "unet": UnetTranslator}
