"""What a pair of networks costs, counted before anything is allocated."""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ganaug.nets.pairs import NETS, Shape

CPU_RATE = {"fp32": 1.7e11, "bf16": 3.2e11}  # FLOP/s that the convolutions of these networks reach on two cores
CPU_OVERHEAD = 0.015  # s a step, whatever its size
ACTIVATIONS = 6  # times what one forward pass of D keeps, at the peak of a step with both penalties
COPIES = 5, 4  # of the parameters of G and of D: weights, gradients, two moments, and G's average
PASSES = 4, 9  # forward passes' worth of arithmetic of G and of D in a step, lazy penalties included


def step_seconds(
    name: str, shape: Shape, num_classes: int, width: int, z_dim: int, batch_size: int, precision: str = "fp32"
) -> float:
    """What one step may take on two CPU cores.

    >>> 0.01 < step_seconds("residual", (1, 8, 8), 10, 32, 64, batch_size=64) < 0.1
    True
    """
    with torch.device("meta"):
        G, D = NETS[name].generator(shape, num_classes, width, z_dim), NETS[name].trunk(shape, width)
        z, labels, images = torch.zeros(2, z_dim), torch.zeros(2, dtype=torch.int64), torch.zeros(2, *shape)
    total = PASSES[0] * flops(G, z, labels) + PASSES[1] * flops(D, images)
    return CPU_OVERHEAD + batch_size * total / 2 / CPU_RATE[precision]


def step_bytes(
    name: str, shape: Shape, num_classes: int, width: int, z_dim: int, batch_size: int, precision: str = "fp32"
) -> int:
    """What training may take at its peak beyond the images and the libraries, in bytes.

    >>> 1e7 < step_bytes("residual", (1, 8, 8), 10, 32, 64, batch_size=64) < 1e8
    True
    """
    with torch.device("meta"):
        G, D = NETS[name].generator(shape, num_classes, width, z_dim), NETS[name].trunk(shape, width)
        images = torch.zeros(batch_size, *shape, requires_grad=True)
    static = 4 * (COPIES[0] * parameters(G) + COPIES[1] * parameters(D))
    return static + ACTIVATIONS * _kept(D, images) // (2 if precision == "bf16" else 1)


def _kept(net: nn.Module, *inputs: torch.Tensor) -> int:
    """Bytes that a forward pass keeps for the backward pass, parameters apart."""
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        if not isinstance(tensor, nn.Parameter):
            kept[tensor.untyped_storage()._cdata] = tensor.numel() * tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        result = net(*inputs)
    del result  # until here, so that no storage is freed and its place counted once for two
    return sum(kept.values())


def describe(
    name: str,
    shape: Shape,
    num_classes: int,
    width: int,
    z_dim: int,
    batch_size: int | None = None,
    precision: str = "fp32",
) -> str:
    """The networks' sizes in one line, and with a batch size what training them takes."""
    with torch.device("meta"):
        G, D = NETS[name].generator(shape, num_classes, width, z_dim), NETS[name].trunk(shape, width)
    sizes = f"{name} networks: generator {parameters(G):,} parameters, discriminator {parameters(D):,}"
    if batch_size is None:
        return sizes
    needed = step_bytes(name, shape, num_classes, width, z_dim, batch_size, precision)
    return f"{sizes}; a step of {batch_size} images takes about {needed / 1e9:.1g} GB beside the images"


def parameters(net: nn.Module) -> int:
    """Numbers that a network learns."""
    return sum(p.numel() for p in net.parameters())


def flops(net: nn.Module, *inputs: torch.Tensor) -> int:
    """Arithmetic of a forward pass; also on the meta device."""
    net.requires_grad_(False)  # what the counter hooks into would miss views of parameters
    with FlopCounterMode(display=False) as counter:
        net(*inputs)
    return counter.get_total_flops()
