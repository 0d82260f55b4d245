"""Pixels in memory: conversion between uint8 and [-1, 1], PIL images, PNG bytes and grids."""

import hashlib
import io

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

SLACK = 1e-3  # of floats beyond their range, for the rounding of earlier transforms
MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # of PIL, by channels


def pixel_sha256(image: np.ndarray) -> str:
    """sha256 of the shape and pixels of uint8 [C, H, W]: equal for equal images, wherever they came from."""
    return hashlib.sha256(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes()).hexdigest()


def to_float(images: Tensor) -> Tensor:
    """uint8 [N, C, H, W] to float32 in [-1, 1].

    >>> to_float(torch.tensor([0, 255], dtype=torch.uint8)).tolist()
    [-1.0, 1.0]
    """
    return images.float() / 127.5 - 1


def to_uint8(images: Tensor) -> Tensor:
    """Float [N, C, H, W] in [-1, 1] to uint8, rounded and clamped, one image after the other whatever layout they had.

    >>> to_uint8(torch.tensor([-2.0, 0.0, 1.0])).tolist()
    [0, 128, 255]
    """
    steps = (images.float() + 1).mul_(127.5).round_().clamp_(0, 255)
    return steps.to(torch.uint8, memory_format=torch.contiguous_format)


def fit(image: Image.Image, size: tuple[int, int] | None) -> np.ndarray:
    """Centre-crop to the aspect of `size` = (height, width), resize with antialiasing, return uint8 [C, H, W]."""
    if size is not None and image.size != (size[1], size[0]):
        image = ImageOps.fit(image, (size[1], size[0]), method=Image.Resampling.LANCZOS)
    return from_pil(image)


def from_pil(image: Image.Image) -> np.ndarray:
    """A PIL image in mode L, RGB or RGBA to uint8 [C, H, W]."""
    pixels = np.array(image, dtype=np.uint8)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def to_pil(image: np.ndarray) -> Image.Image:
    """uint8 [C, H, W] to a PIL image in mode L, RGB or RGBA."""
    return Image.fromarray(image[0] if image.shape[0] == 1 else np.ascontiguousarray(image.transpose(1, 2, 0)))


def encode_png(image: np.ndarray, xmp: str | None = None) -> bytes:
    """uint8 [C, H, W] to PNG bytes, with an XMP packet where one is given; equal pixels give equal bytes."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    if xmp is not None:
        info.add_itxt("XML:com.adobe.xmp", xmp)
    buffer = io.BytesIO()
    to_pil(image).save(buffer, format="PNG", pnginfo=info)
    return buffer.getvalue()


def grid(images: Tensor, columns: int, gap: int = 1, min_side: int = 0) -> np.ndarray:
    """Tile uint8 [N, C, H, W] row by row on white into one uint8 [C, H', W'], small images enlarged by whole pixels.

    >>> grid(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), columns=2).shape
    (1, 19, 19)
    """
    scale = max(1, -(-min_side // images.shape[-1]))
    images = images.cpu().repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    n, channels, height, width = images.shape
    rows = -(-n // columns)
    sheet = np.full((channels, gap + rows * (height + gap), gap + columns * (width + gap)), 255, np.uint8)
    for i, image in enumerate(images.numpy()):
        y, x = gap + i // columns * (height + gap), gap + i % columns * (width + gap)
        sheet[:, y : y + height, x : x + width] = image
    return sheet
