"""Synthetic images as arrays in the form of the arrays they join."""

from typing import Any

import cv2
import numpy as np

from ganaug.images import matched


def array_like(pixels: np.ndarray, image: np.ndarray) -> np.ndarray:
    """A new array with the pixels of uint8 [C, H, W] in the shape ([H, W] or [H, W, C]) and dtype of `image`.

    Example:
        >>> array_like(np.full((1, 2, 2), 51, np.uint8), np.zeros((2, 2, 3), np.float16))[0, 0].tolist()
        [0.199951171875, 0.199951171875, 0.199951171875]
    """
    channels = 1 if image.ndim == 2 else image.shape[2]
    pixels = matched(pixels, channels, (image.shape[0], image.shape[1]))
    planes: Any = pixels
    interleaved = cv2.merge(planes) if channels > 1 else pixels.reshape(image.shape).copy()  # thrice numpy's speed
    if image.dtype == np.uint8:
        return interleaved
    return np.divide(interleaved, 255, dtype=np.float32).astype(image.dtype, copy=False)
