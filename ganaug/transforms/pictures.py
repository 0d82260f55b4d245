"""Images in the form of others, whose place they take: size, channels, dtype, axes."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganaug.errors import DataError
from ganaug.images import MODES, SLACK

LUMA = torch.tensor([0.299, 0.587, 0.114])  # of red, green and blue: ITU-R BT.601, as PIL has it


def require_image(image: Any, channels: int, dims: tuple[int, ...], name: str) -> None:
    """Refuse what no other image can be matched to; `image` is an array or tensor.

    Raises:
        DataError: Its number of dimensions, channels, dtype or range of values is another; `name` is the transform's.
    """
    if image.ndim not in dims or channels not in MODES:
        raise DataError(
            f"{name} must see images with 1, 3 or 4 channels, got shape {list(image.shape)}; check the axes"
        )
    if image.dtype in (np.uint8, torch.uint8):
        return
    if not (image.dtype.is_floating_point if isinstance(image, Tensor) else image.dtype.kind == "f"):
        raise DataError(f"{name} must see images of uint8 or floats, got {image.dtype}; convert them first")
    low, high = (image.min(), image.max()) if isinstance(image, np.ndarray) else torch.aminmax(image)
    if not bool((low >= -SLACK) & (high <= 1 + SLACK)):
        raise DataError(
            f"{name} must see float images in [0, 1], got {float(low):.3g} to {float(high):.3g}; put it before "
            "Normalize, and clamp what a resize has overshot"
        )


def matched_batch(pixels: Tensor, images: Tensor) -> Tensor:
    """uint8 [N, C, H, W] in the size, channels, dtype and on the device of `images` [.., C, H, W].

    Where sizes differ it is cropped at the centre and resized there (bicubic, antialiased), not on the CPU.

    Example:
        >>> matched_batch(torch.full((1, 3, 4, 8), 51, dtype=torch.uint8), torch.zeros(5, 1, 2, 2))[0, 0, 0].tolist()
        [0.20000000298023224, 0.20000000298023224]
    """
    channels, *size = images.shape[-3:]
    pixels = _resized(pixels.to(images.device), size) if list(pixels.shape[-2:]) != size else pixels.to(images.device)
    return from_bytes(recoloured(pixels, channels), images.dtype)


def to_bytes(images: Tensor) -> Tensor:
    """uint8 or floats in [0, 1] to uint8, rounded.

    Example:
        >>> to_bytes(torch.tensor([0.0, 0.2, 1.0])).tolist()
        [0, 51, 255]
    """
    return images if images.dtype == torch.uint8 else (images.float().clamp(0, 1) * 255).round().to(torch.uint8)


def from_bytes(pixels: Tensor, dtype: torch.dtype) -> Tensor:
    """uint8 to uint8, or to floats in [0, 1]."""
    return pixels if dtype == torch.uint8 else (pixels.float() / 255).to(dtype)


def recoloured(images: Tensor, channels: int) -> Tensor:
    """uint8 or floats in [0, 1], [N, C, H, W], to 1, 3 or 4 channels, as PIL converts between L, RGB and RGBA.

    Alpha is dropped or full; images of so many channels are returned as they are.

    Example:
        >>> recoloured(torch.tensor([[[[0.25]]]]), 3).flatten().tolist()
        [0.25, 0.25, 0.25]
    """
    if images.shape[1] == channels:
        return images
    whole, colours = images.dtype == torch.uint8, images[:, :3]
    if channels == 1:
        gray = torch.einsum("nchw,c->nhw", colours.float(), LUMA.to(colours.device))[:, None]
        return (gray.round() if whole else gray).to(images.dtype)
    colours = colours.expand(-1, 3, -1, -1)
    return colours if channels == 3 else torch.cat([colours, torch.full_like(colours[:, :1], 255 if whole else 1)], 1)


def take(batch: Tensor, chosen: Tensor) -> Tensor:
    """The rows that are chosen, bool [N], without a copy where all are."""
    return batch if bool(chosen.all()) else batch[chosen.to(batch.device)]


def put(batch: Tensor, chosen: Tensor, rows: Tensor) -> Tensor:
    """A batch with other rows where they are chosen, bool [N]."""
    if bool(chosen.all()):
        return rows
    batch = batch.clone()
    batch[chosen.to(batch.device)] = rows
    return batch


def _resized(pixels: Tensor, size: list[int]) -> Tensor:
    from torchvision.transforms.v2 import InterpolationMode, functional

    (height, width), (tall, wide) = pixels.shape[-2:], size
    crop = [min(height, max(1, round(width * tall / wide))), min(width, max(1, round(height * wide / tall)))]
    return functional.resize(functional.center_crop(pixels, crop), size, InterpolationMode.BICUBIC, antialias=True)
