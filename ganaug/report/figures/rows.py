"""Charts of one thing a row: its name and value above or beside a line of dots."""

from collections.abc import Callable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ganaug.report.figures.chart import INK, MUTED, PAPER, Chart, draw_chart, legend, write
from ganaug.report.words import printable

ROW = 0.42  # in; height of a row with its name above its line
LINE = 0.25  # in; height of one with its name beside it


def rows_chart(
    draw: Callable[[Axes], None], rows: int, row: float, alt: str, *, left: float = 0.03, right: float = 0.03
) -> Chart:
    """Draw `rows` rows of `row` inches, the first at 0, below."""

    def dressed(axes: Axes) -> None:
        axes.set_ylim(-0.5, rows - 0.4)
        axes.set_yticks([])
        draw(axes)

    return draw_chart(dressed, rows * row, alt, left=left, right=right)


def row_text(axes: Axes, y: int, left: str, right: str, colour: str) -> None:
    """A row's name and its value above its line, so that long names cost no width."""
    beside(axes, 0.0, y + 0.36, printable(left, 44), "left", colour)
    beside(axes, 1.0, y + 0.36, right, "right", colour)


def beside(axes: Axes, x: float, y: float, text: str, align: Any, colour: str = INK) -> None:
    """Text at a share of the width, at the height of a row."""
    write(axes, x, y, text, colour, transform=axes.get_yaxis_transform(), ha=align)


def dumbbell(axes: Axes, y: int, hollow: float, filled: float, colour: str) -> None:
    """A line between two shares."""
    axes.plot([hollow * 100, filled * 100], [y, y], color=colour, linewidth=1.6, alpha=0.75, zorder=2)
    for value, inside in ((hollow, PAPER), (filled, colour)):
        axes.plot([value * 100], [y], marker="o", markersize=6.5, color=colour, markerfacecolor=inside, zorder=3)


def dumbbell_key(axes: Axes, hollow: str, filled: str) -> None:
    """What the two ends of each line are."""
    style = {"marker": "o", "linestyle": "none", "color": MUTED, "markersize": 6}
    legend(axes, [Line2D([], [], markerfacecolor=PAPER, **style), Line2D([], [], **style)], [hollow, filled])
