"""A figure as a page, a dark page and a file want it, and the hand that all figures are drawn in."""

import base64
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ganaug.report.words import typeset

WIDTH = 4.8  # in; 460 CSS px, so that letters stay legible on a telephone
LETTERS = 8.5  # pt
INK, MUTED, RULE, BAND, PAPER, ACCENT, WARM = (
    "#1c2430", "#5d6878", "#d3d9e2", "#e6eaf0", "#fdfdfe", "#0067b1", "#c04a00",
)  # fmt: skip
DARK = {
    INK: "#e9edf3", MUTED: "#a3aebd", RULE: "#3c4654", BAND: "#2a333f", PAPER: "#12171e",
    ACCENT: "#6db7ff", WARM: "#ff9d5c",
}  # fmt: skip
RC: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "ganaug", "font.family": "DejaVu Sans", "font.size": 9}


@dataclass(frozen=True)
class Chart:
    """A figure on a light ground, on a dark one, and as a file.

    Attributes:
        alt: What it shows, for those who do not see it.
        svg: The figure in SVG, transparent, in light-ground colours.
        png: The same on white.
    """

    alt: str
    svg: str
    png: bytes

    @property
    def light(self) -> str:
        """Data URI for a light page. An image, not inline markup: a class name in it cannot become code."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg.encode("utf-8", "replace")).decode()

    @cached_property
    def dark(self) -> str:
        """Data URI for a dark page."""
        svg = self.svg
        for light, dark in DARK.items():
            svg = svg.replace(light, dark)
        return Chart(self.alt, svg, b"").light


def draw_chart(
    draw: Callable[[Axes], None],
    height: float,
    alt: str,
    *,
    left: float = 0.03,
    right: float = 0.03,
    above: float = 0.35,
    below: float = 0.5,
) -> Chart:
    """Draw on one pair of axes `height` inches high; beside it shares of the width, above and below it inches."""
    total = height + above + below
    with matplotlib.rc_context(RC), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the reader's own fonts draw it in the SVG
        figure = Figure((WIDTH, total))
        FigureCanvasAgg(figure)
        axes = figure.add_axes((left, below / total, 1 - left - right, height / total))
        _dress(axes)
        draw(axes)
        svg, png = io.StringIO(), io.BytesIO()
        figure.savefig(svg, format="svg", transparent=True, metadata={"Date": None})
        figure.savefig(png, format="png", dpi=200, facecolor="white")
    return Chart(alt, svg.getvalue(), png.getvalue())


def write(axes: Axes, x: float, y: float, text: str, colour: str = INK, **style: Any) -> None:
    """Text at a point of the axes; never parsed as mathematics, whatever a class is called."""
    style = {"fontsize": LETTERS, "va": "center", **style}
    axes.text(x, y, typeset(text), color=colour, parse_math=False, **style)


def note(axes: Axes, at: tuple[float, float], aside: tuple[float, float], text: str, colour: str, **style: Any) -> None:
    """Text `aside` points away from a point of the axes."""
    style = {"fontsize": LETTERS, "textcoords": "offset points", **style}
    axes.annotate(typeset(text), at, aside, color=colour, parse_math=False, **style)


def legend(axes: Axes, handles: list[Any], labels: list[str]) -> None:
    """A key above the axes, on the right."""
    axes.legend(
        handles, labels, loc="lower right", bbox_to_anchor=(1, 1), ncols=len(labels), frameon=False, labelcolor=MUTED,
        fontsize=LETTERS, borderaxespad=0.2, handletextpad=0.4, columnspacing=1.2, borderpad=0.2,
    )  # fmt: skip


def _dress(axes: Axes) -> None:
    axes.tick_params(colors=MUTED, length=3)
    axes.grid(color=RULE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.xaxis.label.set_color(MUTED)
    axes.yaxis.label.set_color(MUTED)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(RULE)
