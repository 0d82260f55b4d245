"""The losses of the two players, pure functions of a minibatch, and the two steps: one update of each player."""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ganaug.conditioning import Discriminator
from ganaug.descent import Losses, descend, means
from ganaug.diffaug import augment
from ganaug.losses import judged, penalties_due
from ganaug.training.evaluation import Evaluation
from ganaug.training.minibatch import Minibatch
from ganaug.training.state import GanState, Objective


def discriminator_loss(
    seen: Minibatch, G: nn.Module, D: Discriminator, objective: Objective, gammas: dict[str, float]
) -> tuple[Tensor, Losses]:
    """What D pays for not ranking real above fake, smoothly around both, and for not knowing the classes.

    Args:
        seen: What it looks at.
        G: Draws the fakes, and learns nothing.
        D: The player.
        objective: What it optimises.
        gammas: The weight of each penalty that is due.

    Returns:
        The loss, and the mean of each of its parts with `watch/accuracy`: how often real is ranked above the fake
        beside it.
    """
    with torch.no_grad(), objective.arithmetic(seen.z.device):
        fake = G(seen.z, seen.labels).float()
    real = augment(seen.images, objective.policy, seen.on_real)
    fake = augment(fake, objective.policy, seen.on_fake)
    with objective.arithmetic(seen.z.device):
        if gammas:
            judge = lambda x, statistics: functional_call(D, statistics, (x, seen.labels, seen.trust))  # noqa: E731
            on_real, on_fake, penalties = judged(judge, real, fake, gammas, dict(D.named_buffers()))
        else:
            (on_real, on_fake), penalties = D.judge(real, fake, seen.labels, seen.trust), {}

    losses = {"D/adversarial": objective.adversarial.discriminator(on_real.logits, on_fake.logits)}
    loss = losses["D/adversarial"]
    for name, penalty in penalties.items():
        losses[f"D/{name}"] = penalty
        loss = loss + gammas[name] / 2 * penalty
    if objective.class_head and D.head is not None:
        named = objective.class_head.discriminator(D.head, on_real.features, on_fake.features, seen.labels)
        losses["D/class"] = seen.trust * named
        loss = loss + objective.class_weight * losses["D/class"]
    losses["watch/accuracy"] = (on_real.logits > on_fake.logits).float()
    return loss.mean(), means(losses)


def generator_loss(
    seen: Minibatch, G: nn.Module, D: Discriminator, objective: Objective, gammas: dict[str, float]
) -> tuple[Tensor, Losses]:
    """What G pays for fakes that D does not rank above the real images, or not as examples of their class.

    Arguments and result as above; the weights of D are constants here, and there are no penalties.
    """
    with objective.arithmetic(seen.z.device):
        fake = G(seen.z, seen.labels).float()
    beside = torch.zeros_like(seen.trust)
    if objective.adversarial.paired:
        real = augment(seen.images, objective.policy, seen.on_real)
        with torch.no_grad(), objective.arithmetic(seen.z.device):  # what D says of real images does not depend on G
            beside = D(real, seen.labels, seen.trust).logits
    fake = augment(fake, objective.policy, seen.on_fake)
    with objective.arithmetic(seen.z.device):
        on_fake = D(fake, seen.labels, seen.trust)

    losses = {"G/adversarial": objective.adversarial.generator(beside, on_fake.logits)}
    loss = losses["G/adversarial"]
    if objective.class_head and D.head is not None:
        losses["G/class"] = seen.trust * objective.class_head.generator(D.head, on_fake.features, seen.labels)
        loss = loss + objective.class_weight * losses["G/class"]
    return loss.mean(), means(losses)


def discriminator_step(state: GanState, seen: Minibatch, objective: Objective, evaluate: Evaluation) -> Losses:
    """One update of D; the mean of each part of its loss."""
    gammas = penalties_due(objective.gammas, objective.penalty_every, state.step)
    gradients, losses = evaluate(discriminator_loss, state.D, seen, state.G, state.D, objective, gammas)
    descend(state.D, gradients, state.opt_D)
    return losses


def generator_step(state: GanState, seen: Minibatch, objective: Objective, evaluate: Evaluation) -> Losses:
    """One update of G; the mean of each part of its loss."""
    judge = evaluate.constant(state.D)
    gradients, losses = evaluate(generator_loss, state.G, seen, state.G, judge, objective, {})
    descend(state.G, gradients, state.opt_G)
    return losses
