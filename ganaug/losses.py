"""Adversarial objectives and gradient penalties: one number per sample, the caller reduces.

A row of ADVERSARIAL or PENALTIES is all it takes to add one; the recipe names it, the tests loop over the tables.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

PerSample = Callable[[Tensor, Tensor], Tensor]  # (logits on real [N], logits on fake [N]) -> loss [N]


@dataclass(frozen=True)
class Adversarial:
    """What each player minimises, given D's logits on real and fake images paired by position.

    Attributes:
        discriminator: Of D.
        generator: Of G.
        paired: Whether `generator` looks at real images at all.
    """

    discriminator: PerSample
    generator: PerSample
    paired: bool = False


ADVERSARIAL = {
    # Jolicoeur-Martineau 2018, arXiv:1807.00734; as paired by Huang et al. 2024 (R3GAN), arXiv:2501.05441, eq. 2:
    # D need only rank each real image above the fake beside it, which leaves G no reason to drop modes.
    "relativistic": Adversarial(
        discriminator=lambda real, fake: softplus(fake - real),
        generator=lambda real, fake: softplus(real - fake),
        paired=True,
    ),
    # Goodfellow et al. 2014, arXiv:1406.2661, section 3.
    "nonsaturating": Adversarial(
        discriminator=lambda real, fake: softplus(-real) + softplus(fake),
        generator=lambda real, fake: softplus(-fake),
    ),
    # Lim and Ye 2017, arXiv:1705.02894.
    "hinge": Adversarial(
        discriminator=lambda real, fake: relu(1 - real) + relu(1 + fake),
        generator=lambda real, fake: -fake,
    ),
    # Mao et al. 2017, arXiv:1611.04076, eq. 9 (fakes to 0, reals to 1), without its halves.
    "least_squares": Adversarial(
        discriminator=lambda real, fake: (real - 1).square() + fake.square(),
        generator=lambda real, fake: (fake - 1).square(),
    ),
}


def gradient_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """Squared norm of D's gradient at each image, differentiable, [N].

    `images` [N, C, H, W] must require grad, and each of `logits` [N] depend on its own image.

    Example:
        >>> images = torch.zeros(2, 1, 8, 8, requires_grad=True)
        >>> gradient_penalty((3 * images).sum(dim=(1, 2, 3)), images).tolist()
        [576.0, 576.0]
    """
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3))


# Where D is kept smooth by `gradient_penalty`; each row takes what belongs to (real, fake) and picks its own.
PENALTIES = {
    # At real images (Mescheder et al. 2018, arXiv:1801.04406, eq. 9, without gamma / 2).
    "r1": lambda real, fake: real,
    # At fakes (eq. 10); with the relativistic loss neither is enough alone (Huang et al. 2024, arXiv:2501.05441, 2.2).
    "r2": lambda real, fake: fake,
}
