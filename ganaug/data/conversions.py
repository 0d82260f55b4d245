"""What happens to pictures on their way to one form, said once each with a count: nothing is changed in silence."""

import logging
from collections.abc import Sequence

from ganaug.data.scan import Facts
from ganaug.images import Header

log = logging.getLogger("ganaug")
STRIP = 4  # times as long as wide


def say_conversions(
    source: str, names: Sequence[str], facts: Sequence[Facts], size: tuple[int, int], channels: int
) -> None:
    """Log what decoding to `size` = (height, width) and `channels` does to the pictures that need it."""
    headers = [fact.header for fact in facts]
    for level, concerned, what in (
        (logging.INFO, [h.size != size for h in headers], f"are cropped and resized to {size[0]} x {size[1]}"),
        (logging.INFO, [h.channels != channels for h in headers], f"are converted to {channels} channel(s)"),
        (logging.INFO, [h.deep for h in headers], "have more than 8 bits a channel and are scaled to 8"),
        (logging.INFO, [h.channels == 4 > channels for h in headers], "have transparency and are put on white"),
        (logging.INFO, [h.mode == "CMYK" for h in headers], "are CMYK and converted without a colour profile"),
        (logging.INFO, [h.turned for h in headers], "are turned as their EXIF orientation says"),
        (logging.WARNING, [h.frames > 1 for h in headers], "have several frames, of which the first is used"),
    ):
        if any(concerned):
            log.log(level, "%s: %d of %d images %s", source, sum(concerned), len(facts), what)
    _say_strips(source, names, headers, size)


def _say_strips(source: str, names: Sequence[str], headers: Sequence[Header], size: tuple[int, int]) -> None:
    strips = {i: kept(h.size, size) for i, h in enumerate(headers) if max(h.size) > STRIP * min(h.size)}
    if strips:
        worst = min(strips, key=strips.__getitem__)
        share = "all" if strips[worst] == 1 else f"the middle {100 * strips[worst]:.0f} %"
        log.warning(
            "%s: %d of %d images are over %d times as long as wide: fitted to %d x %d, %s of the longest stays (%s)",
            *(source, len(strips), len(headers), STRIP, *size, share, names[worst]),
        )


def kept(picture: tuple[int, int], size: tuple[int, int]) -> float:
    """The share of a picture that stays when its centre is cropped to the aspect of `size`, both (height, width).

    >>> kept((8, 80), (8, 8))
    0.1
    """
    ratio = picture[0] * size[1] / (picture[1] * size[0])
    return min(ratio, 1 / ratio)
