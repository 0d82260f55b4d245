"""Which of the processes that torchrun started this is, and what it may take of its machine."""

import os
from typing import TYPE_CHECKING

from ganaug.errors import DeviceError

if TYPE_CHECKING:
    import torch


def started() -> tuple[int, int]:
    """Rank of this process and number of processes, as torchrun started them; (0, 1) where it did not."""
    return _told("RANK", "WORLD_SIZE")


def neighbours() -> tuple[int, int]:
    """The same among the processes of this machine."""
    return _told("LOCAL_RANK", "LOCAL_WORLD_SIZE")


def speaks() -> bool:
    """Whether this is the first of the processes, which speaks for all."""
    return started()[0] == 0


def own(device: "torch.device") -> "torch.device":
    """A GPU of its own for each process of a machine, which is made torch's current one; other devices as they are.

    Raises:
        DeviceError: There are more processes than GPUs.

    Example:
        >>> import torch
        >>> own(torch.device("cpu"))
        device(type='cpu')
    """
    import torch

    if device.type != "cuda" or started()[1] == 1:
        return device
    (local, here), gpus = neighbours(), torch.cuda.device_count()
    if here > gpus:
        raise DeviceError(
            f"--nproc_per_node must be at most {gpus}, the GPUs of this machine, got {here}; "
            "start fewer processes, or work on --device cpu"
        )
    device = torch.device("cuda", local)
    torch.cuda.set_device(device)
    return device


def _told(number: str, of: str) -> tuple[int, int]:
    """Two numbers of torchrun's; clusters set variables of these names, too, with another meaning."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return 0, 1
    return int(os.environ[number]), int(os.environ[of])
