"""The form in which a dataset hands out its images and labels, so that synthetic ones can come in the same."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image

from ganaug.datasets.labels import class_number
from ganaug.errors import DataError
from ganaug.images import MODES, SLACK, matched, to_pil


@dataclass(frozen=True)
class Form:
    """Kind, channels, size and axes of an image, before the dataset's own transform.

    Attributes:
        kind: "pil", "tensor" or "numpy".
        channels: 1, 3 or 4.
        size: (height, width) in px.
        axes: "HW", "CHW" or "HWC"; "" for PIL images.
        dtype: Of tensors and arrays: uint8, or floats in [low, 1].
        low: 0 or -1, of floats.
        label: A label of the dataset, for its type.
        cls: Of tensors: torch.Tensor, or one of torchvision's tv_tensors.
    """

    kind: Literal["pil", "tensor", "numpy"]
    channels: int
    size: tuple[int, int]
    axes: str = ""
    dtype: Any = None
    low: float = field(default=0.0, compare=False)
    label: Any = field(default=0, compare=False)
    cls: Any = None

    def image(self, pixels: np.ndarray) -> Any:
        """uint8 [C, H, W] of any size in this form: cropped and resized to `size`, recoloured to `channels`."""
        pixels = matched(pixels, self.channels, self.size)
        if self.kind == "pil":
            return to_pil(pixels)
        array = {"HW": pixels[0], "CHW": pixels, "HWC": np.moveaxis(pixels, 0, -1)}[self.axes]
        values = torch.tensor(np.ascontiguousarray(array)) if self.kind == "tensor" else np.array(array)
        values = values if self.dtype in (torch.uint8, np.uint8) else self._as_floats(values)
        return values if self.cls in (None, torch.Tensor) else self.cls(values)

    def label_like(self, label: int) -> Any:
        """`label` in the dataset's own type: int, numpy or tensor."""
        if isinstance(self.label, torch.Tensor):
            return torch.full_like(self.label, label)
        if isinstance(self.label, np.ndarray):
            return np.full_like(self.label, label)
        return type(self.label)(label)

    def _as_floats(self, values: Any) -> Any:
        floats = values.to(self.dtype) if self.kind == "tensor" else values.astype(self.dtype)
        return floats / 255 * (1 - self.low) + self.low


def form_of(items: Iterable[tuple[Any, Any]]) -> Form:
    """The most usual form among a few (image, label) items, as they are before the dataset's own transforms.

    Raises:
        DataError: An image is of a kind, shape or number range that cannot be matched, a label is no integer, or all
            images are in a mode that no synthetic image can have.
    """
    items = [*items]
    for _, label in items:
        class_number(label)
    known = [image for image, _ in items if not isinstance(image, Image.Image) or image.mode in MODES.values()]
    if not known:
        raise DataError(
            f"PIL images must be in mode L, RGB or RGBA, got {items[0][0].mode!r}; convert them where they are loaded"
        )
    usual = Counter(map(_form, known)).most_common(1)[0][0]
    return replace(usual, low=-1.0 if min(map(_lowest, known)) < -SLACK else 0.0, label=items[0][1])


def _form(image: Any) -> Form:
    if isinstance(image, Image.Image):
        return _pil_form(image)
    if isinstance(image, torch.Tensor):
        return replace(_array_form("tensor", tuple(image.shape), image.dtype, ("CHW", "HWC")), cls=type(image))
    if isinstance(image, np.ndarray):
        return _array_form("numpy", image.shape, image.dtype.type, ("HWC", "CHW"))
    raise DataError(
        f"images must be PIL images, tensors or numpy arrays, got {type(image).__name__}; convert them first"
    )


def _pil_form(image: Image.Image) -> Form:
    channels = {mode: n for n, mode in MODES.items()}[image.mode]
    return Form("pil", channels, (image.height, image.width))


def _array_form(kind: Literal["tensor", "numpy"], shape: tuple[int, ...], dtype: Any, orders: tuple[str, str]) -> Form:
    if dtype not in (
        torch.uint8,
        np.uint8,
        torch.float16,
        torch.float32,
        torch.float64,
        np.float16,
        np.float32,
        np.float64,
    ):
        raise DataError(f"images must be uint8 or floating-point, got {dtype}; convert them first")
    if len(shape) == 2:
        return Form(kind, 1, (shape[0], shape[1]), "HW", dtype)
    for axes in orders if len(shape) == 3 else ():
        sides = dict(zip(axes, shape, strict=True))
        if sides["C"] in MODES:
            return Form(kind, sides["C"], (sides["H"], sides["W"]), axes, dtype)
    raise DataError(
        f"images must be [C, H, W], [H, W, C] or [H, W] with 1, 3 or 4 channels, got {list(shape)}; check the axes"
    )


def _lowest(image: Any) -> float:
    """The smallest value of an image, once it is known to span [0, 1] or [-1, 1] if it holds floats."""
    if isinstance(image, Image.Image) or image.dtype in (torch.uint8, np.uint8):
        return 0.0
    low, high = float(image.min()), float(image.max())
    if low < -1 - SLACK or high > 1 + SLACK or not low <= high:
        raise DataError(
            f"float images must lie in [0, 1] or [-1, 1], got [{low:g}, {high:g}]; wrap the dataset before it "
            "normalises, and set `.transform` on the wrapper"
        )
    return low
