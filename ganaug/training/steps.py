"""The two steps: one update of each player."""

import torch
from torch import Generator, Tensor, nn

from ganaug.descent import Losses, descend, means
from ganaug.diffaug import augment
from ganaug.losses import PENALTIES, gradient_penalty, penalties_due
from ganaug.training.state import GanState, Objective


def discriminator_step(
    state: GanState, images: Tensor, labels: Tensor, trust: Tensor, objective: Objective, rng: Generator
) -> Losses:
    """Rank real above fake, smoothly around both, and learn the classes.

    Args:
        state: Whose D is updated.
        images: Real, float32 [N, C, H, W] in [-1, 1].
        labels: int64 [N].
        trust: How much each label counts, float32 [N] in [0, 1].
        objective: What D optimises.
        rng: Of latents and augmentation.

    Returns:
        The mean of each part of the loss, and `watch/accuracy`: how often real is ranked above the fake beside it.
    """
    with torch.no_grad(), objective.arithmetic(rng.device):
        fake = state.G(sample_latents(state.G, len(labels), rng), labels).float()
    gammas = penalties_due(objective.gammas, objective.penalty_every, state.step)
    real = augment(images, objective.policy, state.augment_p, rng).requires_grad_("r1" in gammas)
    fake = augment(fake, objective.policy, state.augment_p, rng).requires_grad_("r2" in gammas)
    with objective.arithmetic(rng.device):
        on_real, on_fake = state.D.judge(real, fake, labels, trust)

    losses = {"D/adversarial": objective.adversarial.discriminator(on_real.logits, on_fake.logits)}
    loss = losses["D/adversarial"]
    for name, gamma in gammas.items():
        pick = PENALTIES[name]
        losses[f"D/{name}"] = gradient_penalty(pick(on_real, on_fake).logits, pick(real, fake))
        loss = loss + gamma / 2 * losses[f"D/{name}"]
    if objective.class_head and state.D.head is not None:
        named = objective.class_head.discriminator(state.D.head, on_real.features, on_fake.features, labels)
        losses["D/class"] = trust * named
        loss = loss + objective.class_weight * losses["D/class"]
    descend(loss.mean(), state.D, state.opt_D)
    losses["watch/accuracy"] = (on_real.logits > on_fake.logits).float()
    return means(losses)


def generator_step(
    state: GanState, images: Tensor, labels: Tensor, trust: Tensor, objective: Objective, rng: Generator
) -> Losses:
    """Draw fakes that D ranks above the real images, as examples of their class; arguments as above."""
    with objective.arithmetic(rng.device):
        fake = state.G(sample_latents(state.G, len(labels), rng), labels).float()
    beside = torch.zeros(len(labels), device=rng.device)
    if objective.adversarial.paired:
        real = augment(images, objective.policy, state.augment_p, rng)
        with torch.no_grad(), objective.arithmetic(rng.device):  # what D says of real images does not depend on G
            beside = state.D(real, labels, trust).logits
    fake = augment(fake, objective.policy, state.augment_p, rng)
    with objective.arithmetic(rng.device):
        on_fake = state.D(fake, labels, trust)

    losses = {"G/adversarial": objective.adversarial.generator(beside, on_fake.logits)}
    loss = losses["G/adversarial"]
    if objective.class_head and state.D.head is not None:
        losses["G/class"] = trust * objective.class_head.generator(state.D.head, on_fake.features, labels)
        loss = loss + objective.class_weight * losses["G/class"]
    descend(loss.mean(), state.G, state.opt_G)
    return means(losses)


def sample_latents(G: nn.Module, n: int, rng: Generator) -> Tensor:
    """Draw z ~ N(0, I), [n, z_dim]."""
    return torch.randn(n, int(G.z_dim), generator=rng, device=rng.device)  # type: ignore[arg-type]
