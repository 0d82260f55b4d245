"""The classifier's own overfitting: a line from the test score to the training score of each arm."""

from typing import Any

from matplotlib.axes import Axes

from ganaug.report.figures.chart import ACCENT, INK, Chart
from ganaug.report.figures.rows import ROW, dumbbell, dumbbell_key, row_text, rows_chart
from ganaug.report.findings import arm_name, arms, gap, is_headline, metric
from ganaug.report.words import finite, points


def gaps_chart(result: dict[str, Any]) -> Chart | None:
    """A row for each arm that learns from real images: the length of its line is the gap."""
    rows = [(arm, arm["mean"], gap(arm)) for arm in arms(result) if finite(arm.get("mean")) is not None]
    rows = [(arm, test, width) for arm, test, width in rows if width is not None and finite(arm.get("fraction")) != 1]
    if not rows:
        return None

    def draw(axes: Axes) -> None:
        for y, (arm, test, width) in enumerate(reversed(rows)):
            colour = ACCENT if is_headline(result, arm) else INK
            row_text(axes, y, arm_name(arm), f"gap {points(width)}", colour)
            dumbbell(axes, y, test + width, test, colour)
        axes.set_xlabel(f"{metric(result)}, %", parse_math=False)
        dumbbell_key(axes, "training", "test")

    alt = "; ".join(f"{arm_name(arm)} {points(width)}" for arm, _, width in rows)
    return rows_chart(draw, len(rows), ROW, f"Training minus test score in points: {alt}")
