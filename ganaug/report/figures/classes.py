"""Recall of each class without and with synthetic images."""

from typing import Any

from matplotlib.axes import Axes

from ganaug.report.classes import per_class
from ganaug.report.figures.chart import ACCENT, MUTED, WARM, Chart
from ganaug.report.figures.rows import LINE, beside, dumbbell, dumbbell_key, rows_chart
from ganaug.report.findings import kind
from ganaug.report.words import points, printable

MAX_CLASSES = 40  # the most improved and the most harmed
LONGEST = 16  # letters of a class name


def classes_chart(result: dict[str, Any]) -> Chart | None:
    """A row a class, the largest gain first; grey where too few test images speak."""
    rows = [row for row in per_class(result) if row["delta"] is not None and None not in (row["before"], row["after"])]
    rows.sort(key=lambda row: -row["delta"])
    if len(rows) > MAX_CLASSES:
        rows = rows[: MAX_CLASSES // 2] + rows[-MAX_CLASSES // 2 :]
    if not rows:
        return None

    def draw(axes: Axes) -> None:
        for y, row in enumerate(reversed(rows)):
            colour = MUTED if row["few"] else WARM if row["delta"] < 0 else ACCENT
            dumbbell(axes, y, row["before"], row["after"], colour)
            beside(axes, 1.02, y, points(row["delta"]), "left", colour)
            beside(axes, -0.02, y, printable(row["name"], LONGEST), "right")
        axes.set_xlabel("recall on test images, %")
        dumbbell_key(axes, "without", f"with {kind(result)} images")

    alt = "; ".join(f"{printable(row['name'], 40)} {points(row['delta'])}" for row in rows)
    widest = max(len(printable(row["name"], LONGEST)) for row in rows)
    left = 0.04 + 0.016 * widest
    return rows_chart(draw, len(rows), LINE, f"Change in recall in points: {alt}", left=left, right=0.11)
