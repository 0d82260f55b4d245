"""Means over processes, as of gradients."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ganaug.ranks.ties import Ties, naming_loss, size, tied
from ganaug.ranks.words import wait

if TYPE_CHECKING:
    from torch import Tensor

SUMS = timedelta(minutes=10)  # over NCCL, which does not notice a loss; one may compile for minutes longer than others


def average(tensors: "Sequence[Tensor]") -> None:
    """Replace float32 tensors by their mean over all processes, in place: one sum of all of them, as StyleGAN3 does.

    All lie on one device. On GPUs the processes must come here within ten minutes of each other.

    Raises:
        LostProcessError: Another process has ended.
    """
    ties = tied()
    if not ties or not tensors:
        return
    import torch
    import torch.distributed as dist

    flat = torch.cat([tensor.flatten() for tensor in tensors])
    flat = flat if flat.device.type == "cuda" else flat.cpu()
    with naming_loss():
        dist.all_reduce(flat, group=_sums(ties, flat))
    flat /= size()
    means = flat.split([tensor.numel() for tensor in tensors])
    means = [mean.view_as(tensor) for tensor, mean in zip(tensors, means, strict=True)]
    torch._foreach_copy_(list(tensors), means)  # type: ignore[attr-defined]  # on a GPU all in one kernel


def _sums(ties: Ties, tensor: "Tensor") -> Any:
    """The group that adds tensors of that device up; None: the default one."""
    import torch.distributed as dist

    if tensor.device.type == "cuda" and ties.sums is None:
        wait()  # or who comes early finds the ten minutes over
        ties.sums = dist.new_group(backend="nccl", timeout=SUMS)
    return ties.sums
