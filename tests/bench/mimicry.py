"""A plain training step of the cGAN with projection discriminator at 32 px, as one writes it from the papers.

Networks of Miyato and Koyama 2018 (arXiv:1802.05637) in the sizes for 32 px (Miyato et al. 2018, arXiv:1802.05957,
table 4), and the step of the library mimicry (Lee and Town 2020, arXiv:2005.02494): eager, float32, D sees real and
fake images one after the other, and the fakes of its step are drawn with a graph that nobody uses.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, relu
from torch.nn.utils.parametrizations import spectral_norm

Z_DIM, BOTTOM = 128, 4  # numbers in the latent vector; px that G begins with


class Norm(nn.Module):
    """Batch normalisation with gain and bias of a class."""

    def __init__(self, channels: int, classes: int):
        super().__init__()
        self.norm, self.table = nn.BatchNorm2d(channels, affine=False), nn.Embedding(classes, 2 * channels)
        nn.init.ones_(self.table.weight[:, :channels])
        nn.init.zeros_(self.table.weight[:, channels:])

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        gain, bias = self.table(labels)[:, :, None, None].chunk(2, 1)
        return gain * self.norm(x) + bias


class Up(nn.Module):
    """A block of G."""

    def __init__(self, channels: int, classes: int):
        super().__init__()
        self.norms = nn.ModuleList(Norm(channels, classes) for _ in range(2))
        self.first, self.second = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        self.shortcut = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        h = self.first(larger(relu(self.norms[0](x, labels))))
        h = self.second(relu(self.norms[1](h, labels)))
        return h + self.shortcut(larger(x))


class Generator(nn.Module):
    """z, labels -> images, in three blocks of equal width."""

    def __init__(self, width: int, classes: int):
        super().__init__()
        self.width, self.input = width, nn.Linear(Z_DIM, BOTTOM**2 * width)
        self.blocks = nn.ModuleList(Up(width, classes) for _ in range(3))
        self.norm, self.output = nn.BatchNorm2d(width), nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        x = self.input(z).view(-1, self.width, BOTTOM, BOTTOM)
        for block in self.blocks:
            x = block(x, labels)
        return self.output(relu(self.norm(x))).tanh()


class Down(nn.Module):
    """A block of D."""

    def __init__(self, inputs: int, outputs: int, *, halves: bool):
        super().__init__()
        self.halves, self.pixels = halves, inputs == 3
        self.first = spectral_norm(nn.Conv2d(inputs, outputs, 3, padding=1))
        self.second = spectral_norm(nn.Conv2d(outputs, outputs, 3, padding=1))
        self.shortcut = spectral_norm(nn.Conv2d(inputs, outputs, 1)) if halves else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        h = self.second(relu(self.first(x if self.pixels else relu(x))))
        if not self.halves:
            return h + x
        if self.pixels:
            return avg_pool2d(h, 2) + self.shortcut(avg_pool2d(x, 2))
        return avg_pool2d(h, 2) + avg_pool2d(self.shortcut(x), 2)


class Discriminator(nn.Module):
    """images, labels -> logits, in four blocks of equal width, of which two halve the sides."""

    def __init__(self, width: int, classes: int):
        super().__init__()
        first = Down(3, width, halves=True)
        self.blocks = nn.Sequential(first, *(Down(width, width, halves=i == 0) for i in range(3)))
        self.real, self.label = spectral_norm(nn.Linear(width, 1)), spectral_norm(nn.Embedding(classes, width))

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        features = relu(self.blocks(images)).sum((2, 3))
        return self.real(features).squeeze(1) + (self.label(labels) * features).sum(1)


def larger(x: Tensor) -> Tensor:
    """Twice the sides."""
    return interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def steps(G: Generator, D: Discriminator, images: Tensor, labels: Tensor, batch: int, classes: int) -> Iterator[None]:
    """One update of D and one of G at each `next`, with the hinge loss.

    Args:
        G: Whose images D learns to tell.
        D: Its judge.
        images: Real, float32 [N, 3, 32, 32].
        labels: int64 [N].
        batch: Images of each update.
        classes: K.
    """
    opt_G, opt_D = (torch.optim.Adam(net.parameters(), 2e-4, (0.0, 0.9)) for net in (G, D))

    def fake() -> tuple[Tensor, Tensor]:
        wanted = torch.randint(classes, (batch,))
        return G(torch.randn(batch, Z_DIM), wanted), wanted

    while True:
        chosen = torch.randperm(len(images))[:batch]
        opt_D.zero_grad()
        on_real = D(images[chosen], labels[chosen])
        made, wanted = fake()
        on_fake = D(made.detach(), wanted)
        (relu(1 - on_real).mean() + relu(1 + on_fake).mean()).backward()
        opt_D.step()
        opt_G.zero_grad()
        made, wanted = fake()
        (-D(made, wanted).mean()).backward()
        opt_G.step()
        yield
