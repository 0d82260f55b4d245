"""The decode policy: what a file shows is what is learned from, whatever the file's form."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from ganaug.errors import DataError
from ganaug.files import read_file
from ganaug.images.pixels import MODES, fit, to_pil

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM")  # the parsers Pillow may use on a user's file
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".pgm", ".ppm"}
MIN_SIDE = 8  # px; below it no network here has a layer to work with
MAX_PIXELS = 50_000_000  # refused from the header, before anything is decoded
MAX_BYTES = 10 * MAX_PIXELS  # of a file: more than the deepest pixels need
ORIENTATION = 0x0112  # the EXIF tag
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # what each EXIF orientation asks for
EIGHT_BITS = (np.arange(65536) / 257).round().astype(np.uint8)  # of sixteen


class PictureError(DataError):
    """A picture that cannot be used; `problem` is the sentence without its name and without the way out."""

    def __init__(self, name: str, problem: str):
        super().__init__(f"{name}: {problem}; remove or replace the file")
        self.problem = problem


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
        return cls(printable(str(path)), path)

    @contextmanager
    def open(self) -> Iterator[Image.Image]:
        """The image with its header read and its pixels not yet decoded; only a regular file is opened."""
        if isinstance(self.content, Image.Image):
            yield self.content
            return
        content = self.content if isinstance(self.content, bytes) else read_file(self.content, MAX_BYTES)
        if content.startswith(b"\x89PNG") and b"IEND" not in content:  # the last chunk, which Pillow does not miss
            raise OSError("image file is truncated")
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            yield image


@dataclass(frozen=True)
class Header:
    """What a picture says of itself, before its pixels are used.

    Attributes:
        size: (height, width) in px as displayed; (0, 0) where nothing could be read.
        channels: 1 gray, 3 colour, 4 with transparency: what keeps everything.
        mode: How it is stored, in Pillow's words: `L`, `RGB`, `P` (palette), `1` (bits), `I;16`, `F` (floats), `CMYK`.
        frames: More than 1 for an animation or a file of many pages, of which the first is used.
        turned: Whether its EXIF orientation turns or mirrors it.
    """

    size: tuple[int, int] = (0, 0)
    channels: int = 0
    mode: str = ""
    frames: int = 1
    turned: bool = False

    @property
    def deep(self) -> bool:
        """Whether there are more than 8 bits a channel, to be scaled to 8."""
        return _is_deep(self.mode)

    @classmethod
    def of(cls, image: Image.Image) -> "Header":
        """The facts of an opened image; a PNG may tell its orientation after its pixels, which are decoded then."""
        turn = _orientation(image)
        swapped = turn >= 5 and image.format != "TIFF"  # whose size Pillow swaps by itself
        size = (image.width, image.height) if swapped else (image.height, image.width)
        return cls(size, _natural_channels(image), image.mode, getattr(image, "n_frames", 1), turn > 1)


@contextmanager
def reading(picture: Picture) -> Iterator[Image.Image]:
    """A picture opened, not yet decoded and of a size that may be; what goes wrong in the block names the picture.

    Raises:
        PictureError: It is no image that can be read, too large or too small, or anything failed in the block.
    """
    try:
        with picture.open() as image:
            _require_size(image)
            yield image
    except Exception as error:  # on damaged files Pillow's parsers raise whatever they stumble upon
        raise PictureError(picture.name, _problem(error)) from error


def read_header(picture: Picture) -> Header:
    """What a picture says of itself; too large an image is refused undecoded.

    Raises:
        PictureError: The file is not an image that can be read, or is too large or too small.
    """
    with reading(picture) as image:
        return Header.of(image)


def read_image(picture: Picture, channels: int, size: tuple[int, int] | None = None) -> np.ndarray:
    """Decode one file to uint8 [C, H, W]: EXIF turned, 16 bits scaled, alpha composited on white, fitted to `size`.

    Raises:
        PictureError: The file is truncated or otherwise unreadable, too large or too small.
    """
    with reading(picture) as image:
        return fit(convert(upright(image), channels), size)


def upright(image: Image.Image) -> Image.Image:
    """The image decoded, and turned as its EXIF orientation says; Pillow turns a TIFF by itself."""
    image.load()
    turn = TURNS.get(_orientation(image))
    return image if turn is None else image.transpose(turn)


def convert(image: Image.Image, channels: int) -> Image.Image:
    """To L, RGB or RGBA without clipping 16 bits and without letting hidden colours through a transparent pixel.

    Raises:
        ValueError: Integer pixels do not fit 16 bits, or float pixels lie outside [0, 1].
    """
    if _is_deep(image.mode):
        image = _to_eight_bits(image)
    if channels != 4 and image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image.convert(MODES[channels])


def matched(pixels: np.ndarray, channels: int, size: tuple[int, int]) -> np.ndarray:
    """uint8 [C, H, W] with so many channels, 1, 3 or 4, and of `size` = (height, width): recoloured, cropped, resized.

    >>> matched(np.zeros((1, 8, 8), np.uint8), channels=3, size=(16, 8)).shape
    (3, 16, 8)
    """
    if pixels.shape == (channels, *size):
        return pixels
    return fit(convert(to_pil(pixels), channels), size)


def printable(name: str) -> str:
    r"""A name that fits a line of text: what no terminal should be sent, and bytes that are no text, are escaped.

    >>> printable("two\nlines")
    'two\\nlines'
    """
    return name if name.isprintable() else repr(name)[1:-1]


class _RuleError(ValueError):
    """A rule that a picture breaks, in the words of the refusal."""


def _require_size(image: Image.Image) -> None:
    size = f"{image.height} x {image.width}"
    if image.height * image.width > MAX_PIXELS:
        raise _RuleError(f"must have at most {MAX_PIXELS:,} pixels, got {size}")
    if min(image.size) < MIN_SIDE:
        raise _RuleError(f"sides must be {MIN_SIDE} px or more, got {size}")


def _is_deep(mode: str) -> bool:
    return mode == "F" or mode.startswith("I")


def _natural_channels(image: Image.Image) -> int:
    if image.has_transparency_data:
        return 4
    return 1 if image.mode in ("1", "L") or _is_deep(image.mode) else 3


def _orientation(image: Image.Image) -> int:
    """1 to 8 as EXIF counts; 1 where it is not told, or told by damaged EXIF data beside good pixels."""
    if image.format == "PNG":
        image.load()  # the orientation may follow the pixels; what is wrong with those must be heard
    try:
        orientation = image.getexif().get(ORIENTATION)
    except Exception:  # as in `reading`
        return 1
    return orientation if orientation in TURNS else 1


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Gray integers in [0, 65535] or floats in [0, 1] to L, or to LA where one value stands for transparency."""
    values, white = np.asarray(image), 1 if image.mode == "F" else 65535
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= white):
        raise _RuleError(f"pixels must lie in [0, {white}], got [{low:g}, {high:g}]")
    gray = Image.fromarray((values * 255).round().astype(np.uint8) if white == 1 else EIGHT_BITS[values])
    clear = image.info.get("transparency")
    if clear is not None:
        gray.putalpha(Image.fromarray(values != clear))
    return gray


def _problem(error: Exception) -> str:
    """What is wrong with a picture, by the library's own words."""
    if isinstance(error, _RuleError):
        return str(error)
    if isinstance(error, UnidentifiedImageError):
        return f"must be an image in one of {', '.join(FORMATS)}, got an unknown format"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"must have at most {MAX_PIXELS:,} pixels, got far more"
    if isinstance(error, OSError) and error.strerror:
        return f"must be a file that can be read, got {error.strerror.lower()}"
    return f"must decode to the end, got {_words(error)}"


def _words(error: Exception) -> str:
    return " ".join(str(error).partition(" <")[0].lower().split()) or type(error).__name__
