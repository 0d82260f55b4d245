"""The headline of a gain study for the terminal."""

from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from ganaug.report.findings import advised, arm_name, arms, is_baseline, is_headline, part, sentence, spread
from ganaug.report.words import DASH, interval, p_value, percent, points, printable

COLOURS = {"helps": "bold blue", "hurts": "bold red", "inconclusive": "yellow"}


def summary_table(result: dict[str, Any]) -> Group:
    """The verdict, a row for each arm, and the reason of the recommendation, for `rich` to print.

    Args:
        result: The dictionary of `measure.json`.

    Example:
        >>> from rich.console import Console
        >>> Console(width=80).print(summary_table({}).renderables[0])
        No verdict: nothing was compared with and without synthetic images.
    """
    why = part(result, "recommendation").get("why")
    verdict = Text(sentence(result), style="bold blue" if advised(result) else "bold")
    return Group(verdict, _table(result), *([Text(str(why))] if why else []))


def _table(result: dict[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("arm", overflow="fold")
    metric = str(part(result, "gain").get("metric") or "accuracy").replace("_", " ")
    for heading in (metric, "sd", "points", "95 % interval", "p"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict")
    for arm in arms(result):
        table.add_row(*_cells(result, arm), style="bold" if is_headline(result, arm) else None)
    return table


def _cells(result: dict[str, Any], arm: dict[str, Any]) -> list[Text]:
    """Text, not markup: a class or arm called `[red]` stays what it is."""
    cells = [printable(arm_name(arm)), percent(arm.get("mean")), percent(spread(arm))]
    if is_baseline(result, arm):
        return [Text(cell) for cell in [*cells, DASH, DASH, DASH, "baseline"]]
    cells += [points(arm.get("delta")), interval(arm.get("ci")), p_value(arm.get("p"))]
    verdict = str(arm.get("verdict") or DASH)
    return [*map(Text, cells), Text(verdict, style=COLOURS.get(verdict, ""))]
