"""What happens to pictures on their way to one form, said once each with a count: nothing is changed in silence."""

import logging
import math
from collections.abc import Callable, Sequence

from ganaug.data.scan import Facts

log = logging.getLogger("ganaug")
STRIP = 4  # times as long as wide
DARK = 1 / 8  # of the range of 16 bits: as bright as such an image is anywhere
TRAITS: dict[str, Callable[[Facts], bool]] = {
    "more than 8 bits": lambda f: f.header.deep,
    "dark for 16 bits": lambda f: f.header.deep and 0 < f.high < DARK * (1 if f.header.mode == "F" else 65535),
    "transparency": lambda f: f.header.channels == 4,
    "CMYK": lambda f: f.header.mode == "CMYK",
    "turned": lambda f: f.header.turned,
    "several frames": lambda f: f.header.frames > 1,
    "long strips": lambda f: max(f.header.size) > STRIP * min(f.header.size),
    "one colour": lambda f: f.plain,
}  # what is particular about some pictures


def say_conversions(
    source: str, names: Sequence[str], facts: Sequence[Facts], size: tuple[int, int] | None, channels: int
) -> None:
    """Log what decoding to `channels`, and to `size` = (height, width) if there is one, does to the pictures."""
    headers = [fact.header for fact in facts]

    def which(trait: str) -> list[bool]:
        return [TRAITS[trait](fact) for fact in facts]

    for level, concerned, what in (
        (
            logging.INFO,
            [bool(size) and h.size != size for h in headers],
            f"are cropped and resized to {' x '.join(map(str, size or ()))}",
        ),
        (logging.INFO, [h.channels != channels for h in headers], f"are converted to {channels} channel(s)"),
        (logging.INFO, which("more than 8 bits"), "have more than 8 bits a channel and are scaled to 8"),
        (logging.WARNING, which("dark for 16 bits"), "use less than an eighth of 16 bits and come out nearly black"),
        (logging.INFO, which("transparency") if channels < 4 else [], "have transparency and are put on white"),
        (logging.INFO, which("CMYK"), "are CMYK and converted without a colour profile"),
        (logging.INFO, which("turned"), "are turned as their EXIF orientation says"),
        (logging.WARNING, which("several frames"), "have several frames, of which the first is used"),
    ):
        if any(concerned):
            log.log(level, "%s: %d of %d images %s", source, sum(concerned), len(facts), what)
    if size:
        _say_upsampled(source, facts, size)
        _say_strips(source, names, facts, size)


def _say_upsampled(source: str, facts: Sequence[Facts], size: tuple[int, int]) -> None:
    small = smaller([fact.header.size for fact in facts], size)
    if small:
        log.warning(
            "%s: %d of %d images are smaller than %d x %d and are upsampled, the smallest from %d x %d: "
            "no detail is gained by that, and every step takes longer",
            *(source, len(small), len(facts), *size, *min(small, key=math.prod)),
        )


def smaller(pictures: Sequence[tuple[int, int]], size: tuple[int, int]) -> list[tuple[int, int]]:
    """The (height, width) of the pictures that must be enlarged to fill `size`.

    >>> smaller([(8, 8), (64, 64), (8, 200)], (32, 32))
    [(8, 8), (8, 200)]
    """
    return [picture for picture in pictures if picture[0] < size[0] or picture[1] < size[1]]


def _say_strips(source: str, names: Sequence[str], facts: Sequence[Facts], size: tuple[int, int]) -> None:
    headers = [fact.header for fact in facts]
    strips = {i: kept(headers[i].size, size) for i, fact in enumerate(facts) if TRAITS["long strips"](fact)}
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
