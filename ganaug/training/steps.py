"""The two steps: one update of each player, and of the average of G."""

import torch
from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from ganaug.diffaug import augment
from ganaug.losses import gradient_penalty
from ganaug.training.state import GanState, Objective


def discriminator_step(
    state: GanState, images: Tensor, labels: Tensor, objective: Objective, rng: Generator
) -> dict[str, Tensor]:
    """Rank real above fake, smoothly around both (R1, R2), and learn the classes."""
    with torch.no_grad():
        fake = state.G(sample_latents(state.G, len(labels), rng), labels)
    # Lazy penalties (Karras et al. 2020, arXiv:1912.04958, section 3.1).
    lazy = objective.penalty_every * (state.step % objective.penalty_every == 0)
    r1_weight, r2_weight = lazy * objective.r1_gamma / 2, lazy * objective.r2_gamma / 2
    real = augment(images, objective.policy, objective.augment_p, rng).requires_grad_(r1_weight > 0)
    fake = augment(fake, objective.policy, objective.augment_p, rng).requires_grad_(r2_weight > 0)
    on_real, on_fake = state.D.judge(real, fake, labels)

    losses = {"D/adversarial": objective.adversarial.discriminator(on_real.logits, on_fake.logits)}
    loss = losses["D/adversarial"]
    if r1_weight:
        losses["D/r1"] = gradient_penalty(on_real.logits, real)
        loss = loss + r1_weight * losses["D/r1"]
    if r2_weight:
        losses["D/r2"] = gradient_penalty(on_fake.logits, fake)
        loss = loss + r2_weight * losses["D/r2"]
    if objective.class_head and on_real.class_logits is not None and on_fake.class_logits is not None:
        losses["D/class"] = objective.class_head.discriminator(on_real.class_logits, on_fake.class_logits, labels)
        loss = loss + objective.class_weight * losses["D/class"]
    descend(loss.mean(), state.D, state.opt_D)
    return {name: per_sample.detach().mean() for name, per_sample in losses.items()}


def generator_step(
    state: GanState, images: Tensor, labels: Tensor, objective: Objective, rng: Generator
) -> dict[str, Tensor]:
    """Draw fakes that D ranks above the real images, as examples of their class."""
    fake = state.G(sample_latents(state.G, len(labels), rng), labels)
    real = augment(images, objective.policy, objective.augment_p, rng)
    fake = augment(fake, objective.policy, objective.augment_p, rng)
    with torch.no_grad():  # what D says of real images does not depend on G
        on_real = state.D(real, labels)
    on_fake = state.D(fake, labels)

    losses = {"G/adversarial": objective.adversarial.generator(on_real.logits, on_fake.logits)}
    loss = losses["G/adversarial"]
    if objective.class_head and on_fake.class_logits is not None:
        losses["G/class"] = objective.class_head.generator(on_fake.class_logits, labels)
        loss = loss + objective.class_weight * losses["G/class"]
    descend(loss.mean(), state.G, state.opt_G)
    return {name: per_sample.detach().mean() for name, per_sample in losses.items()}


def sample_latents(G: nn.Module, n: int, rng: Generator) -> Tensor:
    """Draw z ~ N(0, I), [n, z_dim]."""
    return torch.randn(n, int(G.z_dim), generator=rng, device=rng.device)  # type: ignore[arg-type]


def descend(loss: Tensor, player: nn.Module, optimizer: Optimizer) -> None:
    """One update of one player, differentiating with respect to its own parameters only."""
    parameters = list(player.parameters())
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = gradient
    optimizer.step()


@torch.no_grad()
def update_ema(average: nn.Module, current: nn.Module, beta: float) -> None:
    """Let average <- beta * average + (1 - beta) * current; buffers are copied."""
    for kept, new in zip(average.parameters(), current.parameters(), strict=True):
        kept.lerp_(new, 1 - beta)
    for kept, new in zip(average.buffers(), current.buffers(), strict=True):
        kept.copy_(new)


def ema_beta(step: int, batch_size: int, half_life: float) -> float:
    """Decay per step for a half-life in images, at most a twentieth of those shown so far.

    The ramp is that of the authors' code for Karras et al. 2020 (arXiv:2006.06676, `ema_rampup`).
    """
    shown = (step + 1) * batch_size
    return 0.5 ** (batch_size / min(half_life, max(shown / 20, 1e-8)))
