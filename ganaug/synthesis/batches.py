"""How many images are rendered at once, and what memory that takes.

The last bit of a pixel may depend on the size of the batch, so it follows from the architecture and the kind of device
alone, never from a machine's caches or load.
"""

from pathlib import Path

import torch

from ganaug.data.memory import available_memory
from ganaug.errors import ModelError
from ganaug.synthesis.card import Architecture

# Bytes that the finest feature maps of a batch fill, and the fewest and most images. A core renders fastest while its
# maps stay in the cache; below 8 images wide networks wait for their weights, and beyond 64 small ones gain little, but
# a single image, which costs a whole batch, costs more.
ON_CPU = 2**22, 8, 64
ON_ACCELERATOR = 2**28, 32, 512
LIVE_MAPS = 2  # feature maps at the finest level that are alive at a time, at least


def batch_size(architecture: Architecture, device: torch.device) -> int:
    """Images in every batch of that generator on such a device, a power of two.

    Example:
        >>> small = Architecture(name="dcgan", width=16, z_dim=64, shape=(3, 32, 32), classes=("a", "b"))
        >>> batch_size(small, torch.device("cpu")), batch_size(small, torch.device("cuda"))
        (64, 512)
    """
    filled, fewest, most = ON_CPU if device.type == "cpu" else ON_ACCELERATOR
    fitting = max(filled // _map_bytes(architecture), 1)
    return min(max(1 << fitting.bit_length() - 1, fewest), most)


def require_memory(folder: Path, architecture: Architecture, device: torch.device) -> None:
    """Refuse a generator whose batch cannot fit into what is free.

    Raises:
        ModelError: It cannot; `folder` is named.
    """
    needed = LIVE_MAPS * batch_size(architecture, device) * _map_bytes(architecture)
    free = available_memory(device)
    if needed > free:
        _, height, width = architecture.shape
        raise ModelError(
            f"{folder}: images of {height} x {width} must fit into memory, got {free:,} bytes free for about "
            f"{needed:,}; use a larger machine"
        )


def _map_bytes(architecture: Architecture) -> int:
    """Of the finest feature map of an image, float32."""
    channels, height, width = architecture.shape
    return max(architecture.width, channels) * height * width * 4
