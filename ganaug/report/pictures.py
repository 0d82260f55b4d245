"""The pictures that go into a report: samples by class, and the closest pairs of a sample and a training image."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ganaug.errors import DataError
from ganaug.images import encode_png, fit, grid, to_pil

LARGEST = 128  # px; what a page needs of an image
SHEET_SIDE = 48  # px; smaller images are enlarged by whole pixels on the sheets
MAX_CLASSES = 50  # rows of samples on the page


@dataclass(frozen=True)
class Pictures:
    """Images to show, all of one shape.

    Attributes:
        synthetic: Samples class by class, m of each, uint8 [K * m, C, H, W]; may be empty.
        classes: The K class names, in the order of `synthetic`.
        pairs: (sample uint8 [C, H, W], its nearest training image, d1 / d2), closest first.

    Raises:
        DataError: The samples do not divide evenly among the classes, or are not uint8.
    """

    synthetic: Tensor
    classes: tuple[str, ...]
    pairs: Sequence[tuple[Tensor, Tensor, float | None]] = ()

    def __post_init__(self) -> None:
        n, k = len(self.synthetic), len(self.classes)
        if n and (k == 0 or n % k):
            raise DataError(
                f"pictures must hold as many samples of each class, got {n} for {k} classes; pass m of each"
            )
        if self.synthetic.dtype != torch.uint8:
            raise DataError(f"pictures must be uint8, got {self.synthetic.dtype}; convert them with to_uint8")

    @property
    def columns(self) -> int:
        """m, the samples of each class."""
        return len(self.synthetic) // len(self.classes) if self.classes else 0


def sample_rows(pictures: Pictures) -> list[tuple[str, list[str]]]:
    """(class, data URIs of its samples), for the first classes."""
    m = pictures.columns
    return [
        (name, [data_uri(image) for image in pictures.synthetic[k * m : (k + 1) * m]])
        for k, name in enumerate(pictures.classes[:MAX_CLASSES] if m else ())
    ]


def pair_rows(pictures: Pictures) -> list[tuple[str, str, float | None]]:
    """(data URI of the sample, of its nearest training image, ratio)."""
    return [(data_uri(sample), data_uri(nearest), ratio) for sample, nearest, ratio in pictures.pairs]


def data_uri(image: Tensor) -> str:
    """uint8 [C, H, W] as a PNG that needs no file, reduced to what a page needs."""
    return "data:image/png;base64," + base64.b64encode(encode_png(_reduced(image))).decode()


def sheets(pictures: Pictures) -> dict[str, bytes]:
    """File name -> PNG bytes: samples (a row a class) and pairs (sample beside training image), where there are any."""
    found = {}
    if len(pictures.synthetic):
        rows = min(len(pictures.classes), MAX_CLASSES) * pictures.columns
        found["samples.png"] = _sheet(list(pictures.synthetic[:rows]), pictures.columns)
    if pictures.pairs:
        found["pairs.png"] = _sheet([image for sample, nearest, _ in pictures.pairs for image in (sample, nearest)], 2)
    return found


def _sheet(images: list[Tensor], columns: int) -> bytes:
    small = torch.from_numpy(np.stack([_reduced(image) for image in images]))
    return encode_png(grid(small, columns, gap=2, min_side=SHEET_SIDE))


def _reduced(image: Tensor) -> np.ndarray:
    """uint8 [C, H, W], the longer side at most LARGEST."""
    height, width = image.shape[-2:]
    scale = min(1.0, LARGEST / max(height, width))
    return fit(to_pil(image.cpu().numpy()), (max(1, round(height * scale)), max(1, round(width * scale))))
