"""What a pair of networks costs, counted before anything is allocated."""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ganaug.nets.pairs import NETS, Shape

CPU_RATE = 1.7e11  # FLOP/s that the convolutions of these networks reach on two cores
CPU_OVERHEAD = 0.015  # s a step, whatever its size
PASSES = 4, 9  # forward passes' worth of arithmetic of G and of D in a step, lazy penalties included


def step_seconds(name: str, shape: Shape, num_classes: int, width: int, z_dim: int, batch_size: int) -> float:
    """What one step may take on two CPU cores.

    >>> 0.01 < step_seconds("residual", (1, 8, 8), 10, 32, 64, batch_size=64) < 0.1
    True
    """
    with torch.device("meta"):
        G, D = NETS[name].generator(shape, num_classes, width, z_dim), NETS[name].trunk(shape, width)
        z, labels, images = torch.zeros(2, z_dim), torch.zeros(2, dtype=torch.int64), torch.zeros(2, *shape)
    flops = PASSES[0] * _flops(G, z, labels) + PASSES[1] * _flops(D, images)
    return CPU_OVERHEAD + batch_size * flops / 2 / CPU_RATE


def describe(name: str, shape: Shape, num_classes: int, width: int, z_dim: int) -> str:
    """The networks' sizes in one line."""
    with torch.device("meta"):
        G, D = NETS[name].generator(shape, num_classes, width, z_dim), NETS[name].trunk(shape, width)
    return f"{name} networks: generator {_parameters(G):,} parameters, discriminator {_parameters(D):,}"


def _parameters(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def _flops(net: nn.Module, *inputs: torch.Tensor) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(*inputs)
    return counter.get_total_flops()
