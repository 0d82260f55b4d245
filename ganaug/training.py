"""The training loop of a conditional GAN: two players, two steps, one generator of Progress.

Nothing here knows of files, recipes or measures; the caller logs, samples, scores and saves between yields. Every draw
is a function of (seed, step), so that a run resumed at any step goes on as if it had never stopped.
"""

import math
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.optim import Adam, Optimizer

from ganaug.checkpoint import parameters_finite
from ganaug.conditioning import ClassHead, Discriminator
from ganaug.data import Batches, mix
from ganaug.diffaug import augment
from ganaug.errors import DivergedError
from ganaug.losses import Adversarial, gradient_penalty


@dataclass(frozen=True)
class Objective:
    """What the players optimise, and how fast."""

    adversarial: Adversarial
    class_head: ClassHead | None
    class_weight: float
    r1_gamma: float
    r2_gamma: float
    penalty_every: int  # steps between penalties; each then weighs as many times more
    policy: str  # DiffAugment
    augment_p: float  # share of the images that D sees augmented
    lr: float
    betas: tuple[float, float]
    final_lr: float  # share of lr left at the end
    ema_images: float  # half-life of G_ema, in images shown
    seed: int


@dataclass
class GanState:
    """Everything that training changes."""

    G: nn.Module
    D: Discriminator
    G_ema: nn.Module
    opt_G: Optimizer
    opt_D: Optimizer
    step: int = 0

    @classmethod
    def start(cls, G: nn.Module, D: Discriminator, objective: Objective) -> "GanState":
        """A state at step 0, G_ema equal to G."""
        G_ema = deepcopy(G).eval().requires_grad_(False)
        opt_G, opt_D = (Adam(m.parameters(), objective.lr, objective.betas) for m in (G, D))
        return cls(G, D, G_ema, opt_G, opt_D)


@dataclass(frozen=True)
class Progress:
    """A report from the loop: the step just finished, and the last value of each loss."""

    step: int
    losses: dict[str, float]


def train(state: GanState, batches: Batches, objective: Objective, *, steps: int, tick: int = 50) -> Iterator[Progress]:
    """Train until `state.step` is `steps`, yielding every `tick` steps and at the end.

    Raises:
        DivergedError: A loss or a weight is not finite.
    """
    latest: dict[str, Tensor] = {}  # the penalties are not taken in every step
    while state.step < steps:
        rng = Generator(batches.device).manual_seed(mix(objective.seed, state.step))
        set_lr(state, cosine(state.step / steps, objective.final_lr) * objective.lr)
        d_losses = discriminator_step(state, *batches[2 * state.step], objective, rng)
        g_losses = generator_step(state, *batches[2 * state.step + 1], objective, rng)
        latest |= d_losses | g_losses
        update_ema(state.G_ema, state.G, ema_beta(state.step, batches.size, objective.ema_images))
        state.step += 1
        if state.step % tick == 0 or state.step == steps:
            require_finite_weights(state)
            yield Progress(state.step, require_finite(latest, state.step))


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


def cosine(progress: float, final: float) -> float:
    """From 1 to `final` along half a cosine (Loshchilov and Hutter 2017, arXiv:1608.03983, eq. 5)."""
    return final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2


def set_lr(state: GanState, lr: float) -> None:
    """The same rate for both players."""
    for group in (*state.opt_G.param_groups, *state.opt_D.param_groups):
        group["lr"] = lr


def require_finite_weights(state: GanState) -> None:
    """Refuse a state that must never become a checkpoint.

    Raises:
        DivergedError: A weight of G or D is not finite.
    """
    for name, player in (("G", state.G), ("D", state.D)):
        if not parameters_finite(player):
            raise DivergedError(
                f"the weights of {name} must stay finite, got others at step {state.step}; "
                "lower train.lr or raise train.r1_gamma"
            )


def require_finite(losses: dict[str, Tensor], step: int) -> dict[str, float]:
    """The losses as numbers.

    Raises:
        DivergedError: One is not finite; it is named.
    """
    values = {name: float(loss) for name, loss in losses.items()}
    for name, value in values.items():
        if not math.isfinite(value):
            raise DivergedError(
                f"{name} must stay finite, got {value} at step {step}; lower train.lr or raise train.r1_gamma"
            )
    return values
