"""Pictures in a shared folder of what its network draws, by which another machine can tell whether it agrees."""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from ganaug.checkpoint import ANOTHER
from ganaug.errors import ModelError
from ganaug.images import MODES, encode_png, from_pil

TOLERANCE = 1.0  # mean difference, in steps of 1/255, between a probe and its stored picture


def to_base64(picture: np.ndarray) -> str:
    """uint8 [C, H, W] as PNG, for a card."""
    return base64.b64encode(encode_png(picture)).decode()


def require_alike(rendered: np.ndarray, png: str, card: Path) -> None:
    """Refuse a network that draws other pictures, uint8 [C, H, W], than those in its card.

    Raises:
        ModelError: It does; or the card holds no picture, or one of another form.
    """
    difference = np.abs(rendered.astype(float) - _decode(png, rendered.shape, card)).mean()
    if difference > TOLERANCE:
        raise ModelError(
            f"{card.parent} must render its probes here as where it was made, got a mean difference of "
            f"{difference:.1f}/255; check the torch version and device"
        )


def _decode(png: str, shape: tuple[int, ...], card: Path) -> np.ndarray:
    """The probes' picture, uint8 of `shape` = (C, H, W); nothing else is decoded."""
    try:
        with Image.open(io.BytesIO(base64.b64decode(png, validate=True)), formats=["PNG"]) as image:
            fits = (image.mode, image.height, image.width) == (MODES[shape[0]], *shape[1:])
            picture = from_pil(image) if fits else None
    except Exception as error:  # Pillow's parser raises whatever it stumbles upon
        raise ModelError(f"{card}: the probes must be a picture, got none; {ANOTHER}") from error
    if picture is None:
        raise ModelError(f"{card}: the probes must be {list(shape)}, got others; {ANOTHER}")
    return picture
