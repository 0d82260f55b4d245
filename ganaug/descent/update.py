"""One update of one player, and the average of its weights."""

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

Losses = dict[str, Tensor]


def descend(loss: Tensor, player: nn.Module, optimizer: Optimizer) -> None:
    """One update of one player, differentiating with respect to its own parameters only."""
    parameters = list(player.parameters())
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = gradient
    optimizer.step()


def means(losses: Losses) -> Losses:
    """What is reported of losses per sample."""
    return {name: per_sample.detach().mean() for name, per_sample in losses.items()}


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
