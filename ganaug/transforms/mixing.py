"""MixUp and CutMix as equations: an own image, a partner, and the share of the own one that is left.

MixUp (Zhang et al. 2018, arXiv:1710.09412) blends the two; CutMix (Yun et al. 2019, arXiv:1905.04899) pastes a box of
the partner. In both the label is blended as the pixels are: share * own + (1 - share) * partner.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

Box = tuple[int, int, int, int]  # top, bottom, left, right in px: rows top to bottom - 1, columns left to right - 1
NOWHERE: Box = (0, 0, 0, 0)


def cut_box(height: int, width: int, share: float, y: float, x: float) -> Box:
    """The box that CutMix takes from the partner: sides sqrt(1 - share) of the image's, clipped at its edges.

    Args:
        height: Of the image, in px.
        width: Of the image, in px.
        share: What shall be left of the own image, in [0, 1], before clipping and whole pixels.
        y: The box's centre as a part of the height, in [0, 1).
        x: The same of the width.

    Example:
        >>> cut_box(8, 8, share=0.75, y=0.5, x=0.0)
        (2, 6, 0, 2)
    """
    side = (1 - share) ** 0.5
    tall, wide = side * height / 2, side * width / 2
    top, bottom = max(round(y * height - tall), 0), min(round(y * height + tall), height)
    left, right = max(round(x * width - wide), 0), min(round(x * width + wide), width)
    return top, bottom, left, right


def share_left(box: Box, height: int, width: int) -> float:
    """The part of the image's area that lies outside the box.

    Example:
        >>> share_left((2, 6, 0, 2), 8, 8)
        0.875
    """
    top, bottom, left, right = box
    return 1 - (bottom - top) * (right - left) / (height * width)


def blend(own: np.ndarray, partner: np.ndarray, share: float) -> np.ndarray:
    """MixUp of two arrays of one shape and dtype, uint8 (rounded) or floating.

    Example:
        >>> blend(np.array([10, 20], np.uint8), np.array([20, 20], np.uint8), share=0.75).tolist()
        [12, 20]
    """
    mixed = own * np.float32(share) + partner * np.float32(1 - share)
    return np.rint(mixed).astype(np.uint8) if own.dtype == np.uint8 else mixed.astype(own.dtype, copy=False)


def paste(own: np.ndarray, partner: np.ndarray, box: Box) -> np.ndarray:
    """CutMix of two arrays [H, W] or [H, W, C] of one shape and dtype.

    Example:
        >>> paste(np.zeros((2, 2), np.uint8), np.ones((2, 2), np.uint8), (0, 1, 0, 2)).tolist()
        [[1, 1], [0, 0]]
    """
    top, bottom, left, right = box
    mixed = own.copy()
    mixed[top:bottom, left:right] = partner[top:bottom, left:right]
    return mixed


def blend_label(own: np.ndarray, partner: int, share: float) -> np.ndarray:
    """The soft label [K] of an image with that soft label, mixed with a partner of one class.

    Example:
        >>> blend_label(np.array([0.5, 0.5, 0.0], np.float32), partner=2, share=0.5).tolist()
        [0.25, 0.25, 0.5]
    """
    mixed = own * np.float32(share)
    mixed[partner] += np.float32(1 - share)
    return mixed


def mix_batch(own: Tensor, partners: Tensor, shares: Tensor, boxes: Sequence[Box]) -> Tensor:
    """MixUp and CutMix of a batch, each image with its own share and box.

    Args:
        own: uint8 (rounded) or floating [N, C, H, W].
        partners: The same.
        shares: Of the blend, float32 [N] on the CPU; 1 for images that are only pasted into.
        boxes: Taken from the partner, one per image; `NOWHERE` for images that are only blended.

    Returns:
        [N, C, H, W], in the dtype and on the device of `own`.

    Example:
        >>> own, partners = torch.zeros(2, 1, 1, 2), torch.ones(2, 1, 1, 2)
        >>> mix_batch(own, partners, torch.tensor([0.75, 1.0]), [NOWHERE, (0, 1, 1, 2)]).tolist()
        [[[[0.25, 0.25]]], [[[0.0, 1.0]]]]
    """
    mixed = _blend_batch(own, partners, shares) if bool((shares < 1).any()) else own
    corners = torch.tensor(boxes, device=own.device)
    return torch.where(_inside(corners, *own.shape[-2:]), partners, mixed) if any(map(any, boxes)) else mixed


def blend_labels(own: Tensor, partners: Tensor, shares: Tensor) -> Tensor:
    """Soft labels float32 [N, K] of images with soft labels `own` [N, K] and partners of classes `partners` [N].

    Example:
        >>> blend_labels(torch.tensor([[1.0, 0.0]]), torch.tensor([1]), torch.tensor([0.75])).tolist()
        [[0.75, 0.25]]
    """
    one_hot = torch.nn.functional.one_hot(partners, own.shape[1])
    return own * shares[:, None] + one_hot * (1 - shares[:, None])


def _blend_batch(own: Tensor, partners: Tensor, shares: Tensor) -> Tensor:
    whole = own.dtype == torch.uint8
    working = torch.float32 if whole else own.dtype
    weights = shares.to(own.device, working)[:, None, None, None]
    mixed = torch.lerp(partners.to(working), own.to(working), weights)
    return mixed.round().to(torch.uint8) if whole else mixed


def _inside(corners: Tensor, height: int, width: int) -> Tensor:
    """Which pixels lie in the boxes [N, 4]: bool [N, 1, H, W]."""
    top, bottom, left, right = corners[:, :, None, None].unbind(1)
    rows = torch.arange(height, device=corners.device)[:, None]
    columns = torch.arange(width, device=corners.device)
    return ((rows >= top) & (rows < bottom) & (columns >= left) & (columns < right))[:, None]
