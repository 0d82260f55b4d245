"""How noise enters a translator that must work at any sides: as waves, as the style of a norm, as thrown coins."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import instance_norm

SHORTEST, LONGEST = 3.0, 48.0  # px, wavelengths of the noise
STYLE = 0.5  # standard deviation of what the noise adds to a gain or bias at birth
GOLDEN = math.pi * (3 - math.sqrt(5))  # an angle whose multiples spread evenly


class Waves(nn.Module):
    """z [N, noise_dim] as planes [N, noise_dim / 2, H, W]: each pair of numbers is a plane wave's amplitude and phase.

    A random texture of any extent that is a function of z (as the periodic part of Bergmann et al. 2017, PSGAN,
    arXiv:1705.06566). The wavelengths lie evenly between a fine and a coarse one, the directions all around.
    """

    waves: Tensor

    def __init__(self, noise_dim: int):
        super().__init__()
        self.planes = noise_dim // 2
        number = torch.arange(self.planes)
        length = SHORTEST * (LONGEST / SHORTEST) ** (number / max(self.planes - 1, 1))
        angle = GOLDEN * number
        waves = torch.stack([angle.sin(), angle.cos()]) * 2 * math.pi / length
        self.register_buffer("waves", waves)  # radians a pixel, [2, planes]

    def forward(self, z: Tensor, beside: Tensor, origin: tuple[int, int] = (0, 0)) -> list[Tensor]:
        """The planes for images [N, C, H, W], in a list that is empty where there are none.

        `origin` is where in a larger image, in px from the top and from the left, the images begin.
        """
        if not self.planes:
            return []
        rows, columns = (
            first + torch.arange(side, device=z.device) for first, side in zip(origin, beside.shape[2:], strict=True)
        )
        down, across = self.waves[:, :, None, None]
        phase = down * rows[:, None] + across * columns
        amplitudes = z[:, : 2 * self.planes, None, None]
        return [amplitudes[:, : self.planes] * phase.sin() + amplitudes[:, self.planes :] * phase.cos()]


class StyledNorm(nn.Module):
    """Instance normalisation with a gain and a bias that the noise moves (Almahairi et al. 2018, arXiv:1802.10151)."""

    def __init__(self, channels: int, noise_dim: int, gain: float = 1.0):
        super().__init__()
        self.gain, self.bias = nn.Parameter(torch.full((channels,), gain)), nn.Parameter(torch.zeros(channels))
        self.style = nn.Linear(noise_dim, 2 * channels, bias=False) if noise_dim else None
        if self.style is not None:
            nn.init.normal_(self.style.weight, std=STYLE / math.sqrt(noise_dim))

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        if self.style is None or z is None:
            return instance_norm(x, weight=self.gain, bias=self.bias)
        gain, bias = self.style(z).float().chunk(2, dim=1)
        gain, bias = (moved[:, :, None, None].to(x.dtype) for moved in (self.gain + gain, self.bias + bias))
        return torch.addcmul(bias, instance_norm(x), gain)


class Coins(nn.Module):
    """Dropout of whole channels as a function of z: a coin for each, which falls as z lies on one side of a plane.

    Every coin is fair, its channel doubled or dropped; z = 0 leaves all as they are. Without noise nothing is dropped.
    """

    planes: Tensor

    def __init__(self, noise_dim: int, channels: int):
        super().__init__()
        drawn = torch.randn(noise_dim, channels, generator=torch.Generator().manual_seed(0))
        self.register_buffer("planes", drawn)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        if not len(self.planes):
            return x
        coins = 1 + (z.float()[:, :, None] * self.planes).sum(1).sign()
        return x * coins[:, :, None, None].to(x.dtype)
