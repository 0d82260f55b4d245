"""The steps: one update of the discriminators, of the task network, and of the generators."""

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy

from ganaug.descent import Losses, descend, gradients_of, means
from ganaug.losses import judged, penalties_due
from ganaug.nets.translation import as_channels
from ganaug.translation.objective import Terms
from ganaug.translation.pool import from_pool
from ganaug.translation.state import CycleState
from ganaug.translation.ways import Way
from ganaug.translation.wishes import wished


def discriminator_step(state: CycleState, ways: list[Way], objective: Terms, rng: Generator) -> Losses:
    """Tell images of a domain from translations into it, the newest and some of the pool; arguments as below.

    Returns:
        The mean of each part of the loss.
    """
    gammas = penalties_due(objective.gammas, objective.penalty_every, state.step)
    losses, loss = {}, torch.zeros(())
    for way in ways:
        D, real = f"D_{way.name[1]}", way.shown(way.target, objective).detach()
        fake = way.shown(way.fake, objective).detach()
        if objective.pool:
            pool = state.pools.get(way.name, fake[:0])
            fake, state.pools[way.name] = from_pool(pool, fake, objective.pool, rng)
        with objective.arithmetic(rng.device):
            if gammas:
                (_, on_real), (_, on_fake), penalties = judged(lambda x, D=way.D: _judge(D, x), real, fake, gammas)
            else:
                (on_real, on_fake), penalties = way.D(torch.cat([real, fake])).chunk(2), {}

        losses[f"{D}/adversarial"] = objective.game.discriminator(on_real, on_fake).mean(1)
        loss = loss + losses[f"{D}/adversarial"].mean()
        for name, penalty in penalties.items():
            losses[f"{D}/{name}"] = penalty
            loss = loss + gammas[name] / 2 * penalty.mean()
    descend(state.discriminators, gradients_of(loss, state.discriminators), state.opt_D)
    return means(losses)


def _judge(D: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """The mean logit of each image [N], and those of its patches [N, P]."""
    logits = D(images)
    return logits.mean(1), logits


def task_step(state: CycleState, way: Way, labels: Tensor, trust: Tensor, objective: Terms, rng: Generator) -> Losses:
    """Learn the labels from images of A and from their translations (Bousmalis et al. 2017, arXiv:1612.05424, eq. 3).

    Both in one batch, so that a batch norm of the task network knows one mixture.
    """
    if state.task is None or state.opt_task is None:
        return {}
    images = torch.cat([as_channels(way.source, way.target.shape[1]), way.fake.detach()])
    with objective.arithmetic(rng.device):
        class_logits = state.task.train()(images).float()
    losses = {"task/class": trust.repeat(2) * cross_entropy(class_logits, labels.repeat(2), reduction="none")}
    descend(state.task, gradients_of(losses["task/class"].mean(), state.task), state.opt_task)
    return means(losses)


def generator_step(
    state: CycleState, ways: list[Way], labels: Tensor, trust: Tensor, objective: Terms, rng: Generator
) -> Losses:
    """Translate so that D takes it for its own, and so that all wishes of the objective come true.

    Args:
        state: Whose generators are updated, together.
        ways: What they translated.
        labels: Of the images of A, int64 [N].
        trust: How much each label counts, float32 [N] in [0, 1].
        objective: What they optimise.
        rng: Of noise and places.
    """
    losses, loss = {}, torch.zeros(())
    with objective.arithmetic(rng.device):
        for way in ways:
            parts = {"adversarial": (1.0, deceive(way, objective))}
            parts |= {name: (w, wish(state, way, objective, rng)) for name, (w, wish) in wished(way, objective).items()}
            if way.name == "AB" and state.task is not None:
                class_logits = state.task.eval()(way.fake).float()
                parts["task"] = objective.task, trust * cross_entropy(class_logits, labels, reduction="none")
            for name, (weight, part) in parts.items():
                losses[f"G_{way.name}/{name}"] = part
                loss = loss + weight * part.mean()
    descend(state.generators, gradients_of(loss, state.generators), state.opt_G)
    return means(losses)


def deceive(way: Way, objective: Terms) -> Tensor:
    """What G pays for patches that D does not take for its own, [N]."""
    on_fake = way.D(way.shown(way.fake, objective))
    beside = torch.zeros_like(on_fake)
    if objective.game.paired:
        with torch.no_grad():  # what D says of real images does not depend on G
            beside = way.D(way.shown(way.target, objective))
    return objective.game.generator(beside, on_fake).mean(1)
