"""Our images in augmentation pipelines: `ganaug.transforms.albumentations` and `ganaug.transforms.torchvision`.

Each of the two imports its library, when it is first asked for.
"""

from importlib import import_module
from typing import Any

_ROOMS = ("albumentations", "torchvision")


def __getattr__(name: str) -> Any:
    """Load the one that is asked for."""
    if name in _ROOMS:
        return import_module(f"ganaug.transforms.{name}")
    raise AttributeError(f"module 'ganaug.transforms' has no attribute {name!r}")
