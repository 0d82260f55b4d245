"""Adversarial objectives and gradient penalties: one number per sample, the caller reduces.

A row of ADVERSARIAL or PENALTIES is all it takes to add one; the recipe names it, the tests loop over the tables.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.func import grad
from torch.nn.functional import cross_entropy, normalize, relu, softplus

Judged = TypeVar("Judged", bound=tuple[Tensor, ...])
PerSample = Callable[[Tensor, Tensor], Tensor]  # (logits on real, logits on fake) -> loss, all [N] or all [N, P]


@dataclass(frozen=True)
class Adversarial:
    """What each player minimises, given D's logits on real and fake images paired by position.

    Logits are [N], or [N, P] where D judges each of P patches; the loss has their shape.

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


def gradient_penalty(judge: Callable[..., Judged], images: Tensor, *inputs: Any) -> tuple[Tensor, Judged]:
    """Squared norm of D's gradient at each image, differentiable, [N]; and what D says of them.

    Through `torch.func.grad`, of which a compiler can make one graph with what follows; a second derivative through
    autograd it cannot.

    Args:
        judge: Images, inputs -> a tuple of tensors, the first of them logits [N], each of which depends on its own
            image.
        images: [N, C, H, W].
        inputs: What else it takes; what it writes to, such as batch statistics, must be among them.

    Example:
        >>> gradient_penalty(lambda x: ((3 * x).sum(dim=(1, 2, 3)),), torch.zeros(2, 1, 8, 8))[0].tolist()
        [576.0, 576.0]
    """

    def total(x: Tensor, *inputs: Any) -> tuple[Tensor, Judged]:
        said = judge(x, *inputs)
        return said[0].sum(), said

    gradient, said = grad(total, has_aux=True)(images, *inputs)
    return gradient.square().sum(dim=(1, 2, 3)), said


# Where D is kept smooth by `gradient_penalty`: at the real images or at the fakes.
PENALTIES = {
    # Mescheder et al. 2018, arXiv:1801.04406, eq. 9, without gamma / 2.
    "r1": "real",
    # Eq. 10; with the relativistic loss neither is enough alone (Huang et al. 2024, arXiv:2501.05441, 2.2).
    "r2": "fake",
}


def judged(
    judge: Callable[..., Judged], real: Tensor, fake: Tensor, gammas: Mapping[str, float], *inputs: Any
) -> tuple[Judged, Judged, dict[str, Tensor]]:
    """What D says of real and of fake images, each in a pass of its own, and every penalty that has a gamma, [N].

    `judge` and `inputs` as `gradient_penalty` takes them.
    """
    said, penalties, images = {}, {}, {"real": real, "fake": fake}
    for name in gammas:
        penalties[name], said[PENALTIES[name]] = gradient_penalty(judge, images[PENALTIES[name]], *inputs)
    on_real, on_fake = (said[which] if which in said else judge(images[which], *inputs) for which in ("real", "fake"))
    return on_real, on_fake, penalties


def penalties_due(gammas: Mapping[str, float], every: int, step: int) -> dict[str, float]:
    """The weight of each penalty that is taken in this step.

    Lazy (Karras et al. 2020, arXiv:1912.04958, section 3.1): every so many steps, and weighing as many times more.

    >>> penalties_due({"r1": 0.5, "r2": 0.0}, every=4, step=8), penalties_due({"r1": 0.5}, every=4, step=9)
    ({'r1': 2.0}, {})
    """
    return {} if step % every else {name: gamma * every for name, gamma in gammas.items() if gamma}


def patch_nce(queries: Tensor, keys: Tensor, temperature: float = 0.07) -> Tensor:
    """How well each patch of a translated image can be told to come from its own place in the source (PatchNCE), [N].

    Of all P places of an image the patch must pick its own, by the cosine of their features: the mean over places of
    the cross-entropy (Park et al. 2020, arXiv:2007.15651, eq. 3 and 4, with negatives from the same image).

    Args:
        queries: Features of patches of the translated images, float [N, P, C].
        keys: Of the same places of the source images, [N, P, C].
        temperature: tau; the smaller, the more the nearest wrong place counts.

    Example:
        >>> places = torch.eye(3)[None]
        >>> patch_nce(places, places).item() < 1e-5, round(patch_nce(places, places.flip(1)).item(), 1)
        (True, 9.5)
    """
    with torch.autocast(queries.device.type, enabled=False):  # near places differ by less than bfloat16 can tell
        likeness = normalize(keys.float(), dim=2) @ normalize(queries.float(), dim=2).transpose(1, 2)  # keys, queries
    own = torch.arange(queries.shape[1], device=queries.device).expand(len(queries), -1)
    return cross_entropy(likeness / temperature, own, reduction="none").mean(1)
