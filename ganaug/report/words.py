"""Numbers as words: one way to write a share, a difference in points, an interval, a duration; nothing is a dash."""

import math
import re
from collections.abc import Callable
from typing import Any

DASH = "–"


def finite(value: Any) -> float | None:
    """The number, or None for whatever is not a finite one.

    >>> finite(0.5), finite(float("nan")), finite(None), finite("0.5")
    (0.5, None, None, None)
    """
    return value if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) else None


def points(share: Any) -> str:
    """A difference of two shares in signed percentage points.

    >>> points(0.0184), points(-0.2), points(-0.0001), points(None)
    ('+1.8', '-20.0', '0.0', '–')
    """
    number = finite(share)
    return DASH if number is None else _signed(number * 100)


def size(share: Any) -> str:
    """A difference of two shares in percentage points, without its sign.

    >>> size(-0.0184)
    '1.8'
    """
    number = finite(share)
    return DASH if number is None else f"{abs(number) * 100:.1f}"


def percent(share: Any, digits: int = 1) -> str:
    """A share in percent.

    >>> percent(0.9123), percent(0.25, 0), percent(None)
    ('91.2 %', '25 %', '–')
    """
    number = finite(share)
    return DASH if number is None else f"{number * 100:.{digits}f} %"


def synthetic_share(fraction: Any) -> str:
    """How much of each batch is synthetic, with as many digits as it needs.

    >>> synthetic_share(0.25), synthetic_share(0.125), synthetic_share(0.0)
    ('25 %', '12.5 %', 'none')
    """
    number = finite(fraction)
    return DASH if number is None else f"{number * 100:g} %" if number else "none"


def interval(ci: Any) -> str:
    """The two ends of an interval of differences, in points.

    >>> interval([0.009, 0.027]), interval([None, None])
    ('+0.9 to +2.7', '–')
    """
    return _ends(ci, points)


def shares(ci: Any) -> str:
    """The two ends of an interval of shares, in percent.

    >>> shares([0.881, 0.97])
    '88.1–97.0'
    """
    return _ends(ci, size, DASH)


def span(ci: Any) -> str:
    """The two ends of an interval of any other number.

    >>> span([11.24, 13.5]), span(None)
    ('11.2 to 13.5', '–')
    """
    return _ends(ci, plain)


def p_value(p: Any) -> str:
    """Three decimals, and never a p of zero.

    >>> p_value(0.03125), p_value(0.00001)
    ('0.031', '< 0.001')
    """
    number = finite(p)
    return DASH if number is None else "< 0.001" if number < 0.001 else f"{number:.3f}"


def images(number: Any) -> str:
    """A number of images that something is worth, signed.

    >>> images(36.7), images(-0.4), images(-12.0)
    ('+37', '0', '-12')
    """
    found = finite(number)
    return DASH if found is None else f"{round(found):+,}" if round(found) else "0"


def plain(value: Any) -> str:
    """Three significant digits, without an exponent where that stays readable.

    >>> plain(12.3456), plain(0.00123), plain(1797), plain(True), plain(None)
    ('12.3', '0.00123', '1,797', 'yes', '–')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value or DASH
    number = finite(value)
    if number is None:
        return DASH
    return f"{number:,.0f}" if isinstance(number, int) or abs(number) >= 1000 else f"{number:.3g}"


def duration(seconds: Any) -> str:
    """Seconds as a person says them.

    >>> duration(4.21), duration(125), duration(7260)
    ('4.2 s', '2 min 5 s', '2 h 1 min')
    """
    number = finite(seconds)
    if number is None:
        return DASH
    if number < 60:
        return f"{number:.1f} s"
    minutes, rest = divmod(round(number), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def printable(name: Any, length: int = 1000) -> str:
    """A name without control characters, at most `length` characters long.

    >>> printable("a" + chr(10) + "bcdefgh", 5)
    'a bc…'
    """
    text = "".join(c if c.isprintable() else " " for c in str(name))
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def typeset(text: Any) -> str:
    """For the page: minus signs in front of numbers (a terminal may not have them), and no break before a percent sign.

    >>> typeset("-1.2 to -0.4, real+held-out")
    '−1.2 to −0.4, real+held-out'
    """
    return re.sub(r"(?<=\d) (?=%)", "\N{NO-BREAK SPACE}", re.sub(r"(?<![\w-])-(?=\d)", "−", str(text)))


def as_sentence(text: Any) -> str:
    """A clause with a capital and a full stop, whether it came with them or not.

    >>> as_sentence("the synthetic images copy training images")
    'The synthetic images copy training images.'
    """
    text = str(text).strip()
    return text[:1].upper() + text[1:] + "." * (text[-1:] not in (".", "!", "?", ""))


def _ends(ci: Any, write: Callable[[Any], str], between: str = " to ") -> str:
    ends = [finite(end) for end in ci] if isinstance(ci, list | tuple) else []
    return DASH if len(ends) != 2 or None in ends else f"{write(ends[0])}{between}{write(ends[1])}"


def _signed(number: float) -> str:
    """One decimal and a sign; what rounds to zero has none."""
    text = f"{number:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text
