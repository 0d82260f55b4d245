"""The headline of a gain study for the terminal."""

from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from ganaug.report.findings import arm_name, arms, is_baseline, is_headline, part, spread
from ganaug.report.words import DASH, as_sentence, interval, p_value, percent, points, printable, size

COLOURS = {"helps": "bold blue", "hurts": "bold red", "inconclusive": "yellow"}


def summary_table(result: dict[str, Any]) -> Table:
    """A row for each arm, the headline in bold, and the reason of the recommendation beneath, for `rich` to print.

    Args:
        result: The dictionary of `measure.json`.

    Example:
        >>> summary_table({"gain": {"arms": [{"name": "real", "mean": 0.9}]}}).row_count
        1
    """
    why = part(result, "recommendation").get("why")
    caption = Text(as_sentence(why), style="default not italic") if why else None
    table = Table(
        box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, caption=caption, caption_justify="left"
    )  # all columns fit into 80
    table.add_column("arm", overflow="fold", min_width=17)
    metric = str(part(result, "gain").get("metric") or "accuracy").replace("_", " ")
    for heading in (metric, "sd", "points", "95 % interval", "p"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", overflow="fold", min_width=12)
    for arm in arms(result):
        table.add_row(*_cells(result, arm), style="bold" if is_headline(result, arm) else None)
    return table


def _cells(result: dict[str, Any], arm: dict[str, Any]) -> list[Text]:
    """Text, not markup: a class or arm called `[red]` stays what it is."""
    cells = [printable(arm_name(arm)), percent(arm.get("mean")), size(spread(arm))]
    if is_baseline(result, arm):
        return [Text(cell) for cell in [*cells, DASH, DASH, DASH, "baseline"]]
    cells += [points(arm.get("delta")), interval(arm.get("ci")), p_value(arm.get("p"))]
    verdict = str(arm.get("verdict") or DASH)
    return [*map(Text, cells), Text(verdict, style=COLOURS.get(verdict, ""))]
