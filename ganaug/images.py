"""The one place that knows pixels: decoding, conversion between uint8 and [-1, 1], encoding and grids.

Inside ganaug an image batch is uint8 [N, C, H, W] (stored, served) or float32 [N, C, H, W] in [-1, 1] (trained on).
"""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from ganaug.errors import DataError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM")  # the parsers Pillow may use on a user's file
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".pgm", ".ppm"}
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
MIN_SIDE = 8  # px; below it no network here has a layer to work with
MAX_PIXELS = 50_000_000  # refused from the header, before anything is decoded


@dataclass(frozen=True)
class Picture:
    """An image before it is decoded: a file, the bytes of one, or what somebody else's loader decoded.

    Attributes:
        name: What messages call it: the path of a file, `row 7` of a table.
        content: A path, encoded bytes, or a PIL image of any mode.
    """

    name: str
    content: Path | bytes | Image.Image

    @classmethod
    def at(cls, path: Path) -> "Picture":
        """The file at `path`, under its own name."""
        return cls(str(path), path)

    def open(self) -> Image.Image:
        """The image with its header read and its pixels not yet decoded; closed by `with`."""
        if isinstance(self.content, Image.Image):
            return self.content.copy()
        return Image.open(
            io.BytesIO(self.content) if isinstance(self.content, bytes) else self.content, formats=FORMATS
        )


def to_float(images: Tensor) -> Tensor:
    """uint8 [N, C, H, W] to float32 in [-1, 1].

    >>> to_float(torch.tensor([0, 255], dtype=torch.uint8)).tolist()
    [-1.0, 1.0]
    """
    return images.float() / 127.5 - 1


def to_uint8(images: Tensor) -> Tensor:
    """Float [N, C, H, W] in [-1, 1] to uint8, rounded and clamped.

    >>> to_uint8(torch.tensor([-2.0, 0.0, 1.0])).tolist()
    [0, 128, 255]
    """
    return ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def read_header(picture: Picture) -> tuple[tuple[int, int], int]:
    """(height, width) as displayed and the natural number of channels; too large an image is refused undecoded.

    Raises:
        DataError: The file is not an image that can be read, or is too large or too small.
    """
    path = picture.name
    try:
        with picture.open() as image:
            _refuse_bomb(path, image)
            height, width = _displayed_size(image)
            channels = _natural_channels(image)
    except DataError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{path}: must have at most {MAX_PIXELS:,} pixels, got far more; make it smaller") from error
    except Exception as error:  # on damaged files Pillow's parsers raise whatever they stumble upon
        raise DataError(
            f"{path}: must be an image in one of {', '.join(FORMATS)}, got {_fact(error)}; remove or replace the file"
        ) from error
    if min(height, width) < MIN_SIDE:
        raise DataError(f"{path}: sides must be {MIN_SIDE} px or more, got {height} x {width}; remove the file")
    return (height, width), channels


def read_image(picture: Picture, channels: int, size: tuple[int, int] | None = None) -> np.ndarray:
    """Decode one file to uint8 [C, H, W]: EXIF turned, 16 bits scaled, alpha composited on white, fitted to `size`.

    Raises:
        DataError: The file is truncated or otherwise unreadable.
    """
    try:
        with picture.open() as image:
            image.load()
            return fit(convert(ImageOps.exif_transpose(image), channels), size)
    except Exception as error:  # as above
        raise DataError(
            f"{picture.name}: must decode to the end, got {_fact(error)}; remove or replace the file"
        ) from error


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


def _natural_channels(image: Image.Image) -> int:
    if "A" in image.getbands() or "transparency" in image.info:
        return 4
    return 1 if image.mode in ("1", "L", "F") or image.mode.startswith("I") else 3


def convert(image: Image.Image, channels: int) -> Image.Image:
    """To L, RGB or RGBA without clipping 16 bits and without letting hidden colours through a transparent pixel.

    Raises:
        ValueError: Integer pixels do not fit 16 bits, or float pixels lie outside [0, 1].
    """
    if image.mode.startswith("I"):
        image = _from_range(image, 65535)
    elif image.mode == "F":
        image = _from_range(image, 1)
    if channels != 4 and _natural_channels(image) == 4:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image.convert(MODES[channels])


def _refuse_bomb(path: str, image: Image.Image) -> None:
    if image.height * image.width > MAX_PIXELS:
        size = f"{image.height} x {image.width}"
        raise DataError(f"{path}: must have at most {MAX_PIXELS:,} pixels, got {size}; make it smaller")


def _displayed_size(image: Image.Image) -> tuple[int, int]:
    """(height, width) once the orientation is applied, which a PNG may tell after its pixels: they are decoded then.

    Pillow applies the orientation of a TIFF by itself.
    """
    turned = image.format != "TIFF" and image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    return (image.width, image.height) if turned else (image.height, image.width)


def _from_range(image: Image.Image, white: int) -> Image.Image:
    """Gray pixels in [0, white] to 8 bits."""
    values = np.asarray(image).astype(np.float64)
    if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= white):
        raise ValueError(f"pixels in [{values.min():g}, {values.max():g}], not in [0, {white}]")
    return Image.fromarray((values * (255 / white)).round().astype(np.uint8))


def _fact(error: BaseException) -> str:
    """The library's own words, without the path that stands in front of the sentence already."""
    if isinstance(error, UnidentifiedImageError):
        return "an unknown format"
    return (getattr(error, "strerror", None) or str(error).split(" '")[0]).lower() or type(error).__name__
