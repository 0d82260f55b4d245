"""Three figures: arms against the baseline, training against test, recall by class. Drawn without pyplot."""

import base64
import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ganaug.report.findings import arm_name, arms, gap, is_baseline, is_headline, paired_differences, part, per_class
from ganaug.report.words import finite, interval, points, printable, typeset

WIDTH = 4.8  # in; 460 CSS px, so that 12 px letters stay legible on a telephone
ROW = 0.42  # in; height of an arm: its name above its interval
LINE = 0.25  # in; height of a class
MAX_CLASSES = 40
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


def charts(result: dict[str, Any]) -> dict[str, Chart]:
    """Name -> figure, for those that the result has numbers for."""
    drawn = {"arms": _arms(result), "gap": _gap(result), "per_class": _per_class(result)}
    return {name: chart for name, chart in drawn.items() if chart is not None}


def _arms(result: dict[str, Any]) -> Chart | None:
    """Dot and interval for each arm's difference to the baseline; each seed a faint dot; the margin a band."""
    rows = [arm for arm in arms(result) if not is_baseline(result, arm) and finite(arm.get("delta")) is not None]
    control = part(result, "gain", "controls", "a_a")
    if finite(control.get("delta")) is not None:
        rows.append({"name": "A/A control", **control, "control": True})
    if not rows:
        return None
    margin = finite(part(result, "gain").get("margin")) or 0.0
    reach = _reach(result, rows, margin)

    def draw(axes: Axes) -> None:
        axes.axvspan(-margin * 100, margin * 100, color=BAND, linewidth=0)
        axes.axvline(0, color=MUTED, linewidth=1)
        for y, arm in enumerate(reversed(rows)):
            colour = MUTED if arm.get("control") else ACCENT if is_headline(result, arm) else INK
            _row_text(axes, y, arm_name(arm), f"{points(arm['delta'])}  ({interval(arm.get('ci'))})", colour)
            _seeds(axes, y, [d for d in paired_differences(result, arm) if abs(d) < reach], colour)
            _dot_and_interval(axes, y, arm, reach, colour)
        axes.set_xlim(-reach * 100, reach * 100)
        axes.set_xlabel(f"points of {_metric(result)} against {_baseline(result)}", parse_math=False)

    alt = "; ".join(f"{arm_name(arm)} {points(arm['delta'])} ({interval(arm.get('ci'))})" for arm in rows)
    return _chart(draw, len(rows), ROW, f"Difference to the baseline in points: {alt}")


def _reach(result: dict[str, Any], rows: list[dict[str, Any]], margin: float) -> float:
    """Half the axis: what the headline needs to be seen well; an arm far beyond it gets an arrow instead."""
    near = [_extent(arm) for arm in rows if arm.get("control") or is_headline(result, arm)]
    needed = max([2 * margin, *near, 0.005])
    return 1.15 * min(max(needed, *map(_extent, rows)), 3 * needed)


def _extent(arm: dict[str, Any]) -> float:
    return max(abs(end) for end in [arm["delta"], *(arm.get("ci") or ())] if finite(end) is not None)


def _dot_and_interval(axes: Axes, y: int, arm: dict[str, Any], reach: float, colour: str) -> None:
    delta = arm["delta"]
    if abs(delta) > reach:
        sign = 1 if delta > 0 else -1
        axes.plot([sign * reach * 97], [y], marker=">" if sign > 0 else "<", color=colour, markersize=7)
        return
    ends = [end for end in arm.get("ci") or () if finite(end) is not None]
    if len(ends) == 2:
        axes.plot([max(ends[0], -reach) * 100, min(ends[1], reach) * 100], [y, y], color=colour, linewidth=2.2)
    axes.plot([delta * 100], [y], marker="o", color=colour, markersize=7, linestyle="none")


def _seeds(axes: Axes, y: int, differences: Sequence[float], colour: str) -> None:
    axes.plot(
        [d * 100 for d in differences],
        [y - 0.17] * len(differences),
        **{"marker": "|", "color": colour, "markersize": 4, "alpha": 0.55, "linestyle": "none"},
    )


def _gap(result: dict[str, Any]) -> Chart | None:
    """A line from the test score to the training score of each arm: its length is the classifier's own overfitting."""
    rows = [(arm, arm["mean"], gap(arm)) for arm in arms(result) if finite(arm.get("mean")) is not None]
    rows = [(arm, test, width) for arm, test, width in rows if width is not None]
    if not rows:
        return None

    def draw(axes: Axes) -> None:
        for y, (arm, test, width) in enumerate(reversed(rows)):
            colour = ACCENT if is_headline(result, arm) else INK
            _row_text(axes, y, arm_name(arm), f"gap {points(width)}", colour)
            _dumbbell(axes, y, test + width, test, colour)
        axes.set_xlabel(f"{_metric(result)}, %", parse_math=False)
        _key(axes, "training", "test")

    alt = "; ".join(f"{arm_name(arm)} {points(width)}" for arm, _, width in rows)
    return _chart(draw, len(rows), ROW, f"Training minus test score in points: {alt}")


def _per_class(result: dict[str, Any]) -> Chart | None:
    """Recall of each class without and with synthetic images, the largest gain first."""
    rows = [row for row in per_class(result) if row["delta"] is not None]
    rows.sort(key=lambda row: -row["delta"])
    if len(rows) > MAX_CLASSES:
        rows = rows[: MAX_CLASSES // 2] + rows[-MAX_CLASSES // 2 :]
    if not rows:
        return None

    def draw(axes: Axes) -> None:
        for y, row in enumerate(reversed(rows)):
            _dumbbell(axes, y, row["before"], row["after"], WARM if row["delta"] < 0 else ACCENT)
            _outside(axes, 1.02, y, points(row["delta"]), "left", WARM if row["delta"] < 0 else ACCENT)
            _outside(axes, -0.02, y, printable(row["name"], 16), "right", INK)
        axes.set_xlabel("recall on test images, %")
        _key(axes, "without", "with synthetic images")

    alt = "; ".join(f"{printable(row['name'], 40)} {points(row['delta'])}" for row in rows)
    widest = max(len(printable(row["name"], 16)) for row in rows)
    return _chart(draw, len(rows), LINE, f"Change in recall in points: {alt}", left=0.04 + 0.016 * widest, right=0.11)


def _dumbbell(axes: Axes, y: int, hollow: float, filled: float, colour: str) -> None:
    axes.plot([hollow * 100, filled * 100], [y, y], color=colour, linewidth=1.6, alpha=0.75, zorder=2)
    for value, inside in ((hollow, PAPER), (filled, colour)):
        axes.plot([value * 100], [y], marker="o", markersize=6.5, color=colour, markerfacecolor=inside, zorder=3)


def _row_text(axes: Axes, y: int, left: str, right: str, colour: str) -> None:
    """A row's name and its value above its line, so that long names cost no width."""
    _outside(axes, 0.0, y + 0.36, printable(left, 44), "left", colour)
    _outside(axes, 1.0, y + 0.36, right, "right", colour)


def _outside(axes: Axes, x: float, y: float, text: str, align: Any, colour: str) -> None:
    """Text at a share of the width; never parsed as mathematics, whatever the class is called."""
    transform = axes.get_yaxis_transform()
    axes.text(
        x, y, typeset(text), transform=transform, ha=align, va="center", color=colour, parse_math=False, fontsize=8.5
    )


def _key(axes: Axes, hollow: str, filled: str) -> None:
    style = {"marker": "o", "linestyle": "none", "color": MUTED, "markersize": 6}
    handles = [Line2D([], [], markerfacecolor=PAPER, **style), Line2D([], [], **style)]
    axes.legend(
        handles, [hollow, filled], loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, labelcolor=MUTED
    )


def _chart(
    draw: Callable[[Axes], None], rows: int, row: float, alt: str, *, left: float = 0.03, right: float = 0.03
) -> Chart:
    """Draw on one pair of axes with `rows` rows of `row` inches; `left` and `right`: margins, shares of the width."""
    height = rows * row + 0.85
    with matplotlib.rc_context(RC), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the reader's own fonts draw it in the SVG
        figure = Figure((WIDTH, height))
        FigureCanvasAgg(figure)
        axes = figure.add_axes((left, 0.5 / height, 1 - left - right, rows * row / height))
        draw(axes)
        _dress(axes, rows)
        svg, png = io.StringIO(), io.BytesIO()
        figure.savefig(svg, format="svg", transparent=True, metadata={"Date": None})
        figure.savefig(png, format="png", dpi=200, facecolor="white")
    return Chart(alt, svg.getvalue(), png.getvalue())


def _dress(axes: Axes, rows: int) -> None:
    axes.set_ylim(-0.5, rows - 0.4)
    axes.set_yticks([])
    axes.tick_params(axis="x", colors=MUTED, length=3)
    axes.grid(axis="x", color=RULE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.xaxis.label.set_color(MUTED)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(RULE)


def _metric(result: dict[str, Any]) -> str:
    return str(part(result, "gain").get("metric") or "accuracy").replace("_", " ")


def _baseline(result: dict[str, Any]) -> str:
    return printable(part(result, "gain", "headline").get("against") or "the baseline", 30).replace("+", " + ")
