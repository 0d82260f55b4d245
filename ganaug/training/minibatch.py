"""What one update of one player looks at: everything that was drawn for it, a row an image."""

from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from ganaug.data import Batches
from ganaug.diffaug import draw_chances


class Minibatch(NamedTuple):
    """Real images, and all chance that a loss needs: the losses themselves draw nothing.

    Attributes:
        images: Real, float32 [N, C, H, W] in [-1, 1].
        labels: int64 [N], of the real images and of the fakes beside them.
        trust: How much each label counts, float32 [N] in [0, 1].
        z: Latents of the fakes, [N, z_dim].
        on_real: Chances of the augmentation of the real images, as `draw_chances` draws them.
        on_fake: The same of the fakes.
    """

    images: Tensor
    labels: Tensor
    trust: Tensor
    z: Tensor
    on_real: Tensor
    on_fake: Tensor

    def rows(self, first: int, count: int) -> "Minibatch":
        """Some of it."""
        return Minibatch(*(tensor[first : first + count] for tensor in self))


def draw(
    batches: Batches,
    number: int,
    G: nn.Module,
    policy: str,
    augment_p: float,
    believed: float,
    rng: Generator,
    *,
    mirror: bool = False,
) -> Minibatch:
    """Batch `number` with its latents and chances.

    They are drawn for the whole batch, of which each of several processes keeps its own rows: together these see what
    one alone would see.

    Args:
        batches: The real images.
        number: Of the batch.
        G: Whose latents are drawn.
        policy: Of the augmentation.
        augment_p: Share of the images that it changes.
        believed: How much labels count at all so far.
        rng: Of latents and chances.
        mirror: Whether half of the real images are turned round.
    """
    images, labels, trust = batches[number]
    z = sample_latents(G, batches.size, rng)
    chances = [draw_chances(batches.size, policy, augment_p, rng) for _ in range(2)]
    if mirror:
        turned = draw_chances(batches.size, "none", 0.5, rng)[batches.own, :, None, None] > 0
        images = torch.where(turned, images.flip(3), images)
    return Minibatch(images, labels, believed * trust, *(tensor[batches.own] for tensor in (z, *chances)))


def sample_latents(G: nn.Module, n: int, rng: Generator) -> Tensor:
    """Draw z ~ N(0, I), [n, z_dim]."""
    return torch.randn(n, int(G.z_dim), generator=rng, device=rng.device)  # type: ignore[arg-type]
