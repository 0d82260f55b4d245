"""The figures of a study, each where the result has numbers for it; drawn without pyplot."""

from typing import Any

from ganaug.report.figures.arms import arms_chart
from ganaug.report.figures.chart import Chart
from ganaug.report.figures.classes import classes_chart
from ganaug.report.figures.curve import curve_chart
from ganaug.report.figures.gaps import gaps_chart
from ganaug.report.figures.sweep import sweep_chart
from ganaug.report.findings import is_translation

__all__ = ["Chart", "charts"]


def charts(result: dict[str, Any]) -> dict[str, Chart]:
    """Name -> figure, for those that the result has numbers for."""
    drawn = {
        "arms": arms_chart(result),
        "sweep": sweep_chart(result),
        "curve": curve_chart(result),
        # A translation's training images are of another domain than the test images: their scores have no gap.
        "gap": None if is_translation(result) else gaps_chart(result),
        "per_class": classes_chart(result),
    }
    return {name: chart for name, chart in drawn.items() if chart is not None}
