"""One update of one player, and the average of its weights."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from ganaug.ranks import average

Losses = dict[str, Tensor]


def gradients_of(loss: Tensor, player: nn.Module) -> list[Tensor]:
    """Of a loss with respect to one player alone, in the order of its parameters and each laid out as its own."""
    parameters = list(player.parameters())
    return list(map(laid_out, torch.autograd.grad(loss, parameters), parameters))


def descend(player: nn.Module, gradients: Sequence[Tensor], optimizer: Optimizer) -> None:
    """One update of one player, by the mean of the gradients of all processes: each has them of its share of a batch.

    They are such as `gradients_of` gives, and do not go through torch's DistributedDataParallel, whose hooks do not see
    the second derivatives of a gradient penalty.
    """
    average(gradients)
    for parameter, gradient in zip(player.parameters(), gradients, strict=True):
        parameter.grad = gradient
    optimizer.step()


def laid_out(gradient: Tensor, parameter: Tensor) -> Tensor:
    """The gradient in its parameter's memory layout: a fused optimiser goes through both as they lie in memory.

    `Tensor.backward` sees to that, `torch.autograd.grad` does not (torch 2.14), and the optimiser does not look.
    """
    same = gradient.stride() == parameter.stride()
    return gradient if same else torch.empty_like(parameter).copy_(gradient)


def adam(player: nn.Module, lr: float, betas: tuple[float, float]) -> Adam:
    """Kingma and Ba 2015, arXiv:1412.6980; on a GPU all in one kernel, which waits for no number."""
    return Adam(player.parameters(), lr, betas, fused=True)


def means(losses: Losses) -> Losses:
    """What is reported of losses per sample."""
    return {name: per_sample.detach().mean() for name, per_sample in losses.items()}


def batch_statistics(*players: nn.Module) -> list[Tensor]:
    """The running statistics of batch normalisation, which each process takes of its own share of a batch."""
    norms = [m for player in players for m in player.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    return [tensor for norm in norms for tensor in (norm.running_mean, norm.running_var) if tensor is not None]


@torch.no_grad()
def update_ema(average: nn.Module, current: nn.Module, beta: float) -> None:
    """Let average <- beta * average + (1 - beta) * current; buffers are copied."""
    pairs = [*average.parameters()], [*current.parameters()]
    torch._foreach_lerp_(*pairs, 1 - beta)  # type: ignore[attr-defined]  # on a GPU all in one kernel
    for kept, new in zip(average.buffers(), current.buffers(), strict=True):
        kept.copy_(new)


def ema_beta(step: int, batch_size: int, half_life: float) -> float:
    """Decay per step for a half-life in images, at most a twentieth of those shown so far.

    The ramp is that of the authors' code for Karras et al. 2020 (arXiv:2006.06676, `ema_rampup`).
    """
    shown = (step + 1) * batch_size
    return 0.5 ** (batch_size / min(half_life, max(shown / 20, 1e-8)))
