"""Images of albumentations pipelines: arrays as tensors, and pixels as arrays in the form of others."""

from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from ganaug.images import matched


def channels_of(image: Any) -> int:
    """Of an array [H, W] or [H, W, C]."""
    return 1 if image.ndim == 2 else image.shape[-1]


def to_tensor(image: np.ndarray) -> Tensor:
    """An array [H, W] or [H, W, C] as a batch of one, [1, C, H, W].

    Example:
        >>> to_tensor(np.zeros((9, 8, 3), np.uint8)).shape
        torch.Size([1, 3, 9, 8])
    """
    pixels = image[..., None] if image.ndim == 2 else image
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None]


def array_like(pixels: np.ndarray, image: np.ndarray) -> np.ndarray:
    """A new array with the pixels of uint8 [C, H, W] in the shape ([H, W] or [H, W, C]) and dtype of `image`.

    Example:
        >>> array_like(np.full((1, 2, 2), 51, np.uint8), np.zeros((2, 2, 3), np.float16))[0, 0].tolist()
        [0.199951171875, 0.199951171875, 0.199951171875]
    """
    return to_array(matched(pixels, channels_of(image), (image.shape[0], image.shape[1])), image.ndim, image.dtype)


def to_array(pixels: np.ndarray, ndim: int, dtype: Any) -> np.ndarray:
    """A new array of that dtype with the pixels of uint8 [C, H, W]: [H, W] if one channel and `ndim` 2, or [H, W, C].

    Example:
        >>> [to_array(np.zeros((channels, 9, 8), np.uint8), 2, np.uint8).shape for channels in (1, 3)]
        [(9, 8), (9, 8, 3)]
    """
    channels, *size = pixels.shape
    planes: Any = pixels
    flat = channels == 1 and ndim == 2
    interleaved = cv2.merge(planes) if channels > 1 else pixels.reshape(size if flat else (*size, 1)).copy()
    if dtype == np.uint8:
        return interleaved
    return np.divide(interleaved, 255, dtype=np.float32).astype(dtype, copy=False)


def stacked(images: list[np.ndarray], like: Any) -> Any:
    """Images in the container that `like` is: an array or a list."""
    return np.stack(images) if isinstance(like, np.ndarray) else images
