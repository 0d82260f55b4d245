"""What each arm changes: dot and interval of its difference to the baseline, each seed a tick, the margin a band."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from ganaug.report.figures.chart import ACCENT, BAND, INK, MUTED, Chart
from ganaug.report.figures.rows import ROW, row_text, rows_chart
from ganaug.report.findings import arm_name, arms, is_baseline, is_headline, metric, paired_differences, part
from ganaug.report.words import finite, interval, points, printable


def arms_chart(result: dict[str, Any]) -> Chart | None:
    """A row for each arm but the baseline, and one for the control of the baseline against itself."""
    rows = [arm for arm in arms(result) if not is_baseline(result, arm) and finite(arm.get("delta")) is not None]
    control = part(result, "gain", "controls", "a_a")
    if finite(control.get("delta")) is not None:
        rows.append({"name": "A/A control", **control, "control": True})
    if not rows:
        return None
    margin = finite(part(result, "gain").get("margin")) or 0.0
    reach = _reach(result, rows, margin)
    baseline = printable(part(result, "gain", "headline").get("against") or "the baseline", 30).replace("+", " + ")

    def draw(axes: Axes) -> None:
        axes.axvspan(-margin * 100, margin * 100, color=BAND, linewidth=0)
        axes.axvline(0, color=MUTED, linewidth=1)
        for y, arm in enumerate(reversed(rows)):
            colour = MUTED if arm.get("control") else ACCENT if is_headline(result, arm) else INK
            row_text(axes, y, arm_name(arm), f"{points(arm['delta'])}  ({interval(arm.get('ci'))})", colour)
            _seeds(axes, y, [d for d in paired_differences(result, arm) if abs(d) < reach], colour)
            _dot_and_interval(axes, y, arm, reach, colour)
        axes.set_xlim(-reach * 100, reach * 100)
        axes.set_xlabel(f"points of {metric(result)} against {baseline}", parse_math=False)

    alt = "; ".join(f"{arm_name(arm)} {points(arm['delta'])} ({interval(arm.get('ci'))})" for arm in rows)
    return rows_chart(draw, len(rows), ROW, f"Difference to the baseline in points: {alt}")


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
