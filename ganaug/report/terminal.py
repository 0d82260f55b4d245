"""The headline of a gain study for the terminal."""

from collections.abc import Iterator
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from ganaug.report.findings import arm_name, arms, controls, is_baseline, is_headline, metric, part, spread
from ganaug.report.tables import distance_name, preservation_rows
from ganaug.report.words import (
    DASH,
    as_sentence,
    finite,
    images,
    interval,
    p_value,
    percent,
    plain,
    points,
    printable,
    size,
    span,
)

COLOURS = {"helps": "bold blue", "hurts": "bold red", "inconclusive": "yellow"}


def summary_table(result: dict[str, Any]) -> Table:
    """A row for each arm, the headline in bold; beneath, the reason of the recommendation and what else was found.

    Args:
        result: The dictionary of `measure.json`.

    Example:
        >>> summary_table({"gain": {"arms": [{"name": "real", "mean": 0.9}]}}).row_count
        1
    """
    lines = Text("\n", style="default not italic").join(_lines(result))
    table = Table(
        box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, caption=lines or None, caption_justify="left"
    )  # all columns fit into 80
    table.add_column("arm", overflow="fold", min_width=16)
    for heading in (metric(result).replace(" ", "\n"), "sd", "points", "95 % interval", "p"):
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
    cells += [points(arm.get("delta")), interval(arm.get("ci")), p_value(_p(arm))]
    verdict = str(arm.get("verdict") or DASH)
    return [*map(Text, cells), Text(verdict, style=COLOURS.get(verdict, ""))]


def _p(arm: dict[str, Any]) -> float | None:
    """Holm's where there is one: among many arms one small p is no surprise."""
    return finite(arm.get("p_holm")) if finite(arm.get("p_holm")) is not None else finite(arm.get("p"))


def _lines(result: dict[str, Any]) -> Iterator[Text]:
    """What a reader of the table must know beside it; nothing where nothing was measured."""
    why, worth = part(result, "recommendation").get("why"), part(result, "gain", "real_equivalents")
    copying, fidelity = part(result, "memorization"), part(result, "fidelity")
    if any(finite(arm.get("p_holm")) is not None for arm in arms(result)):
        yield Text("p: training randomness only; Holm-corrected but for the headline.", style="dim")
    if why:
        yield Text(as_sentence(why))
    if kept := [f"{row['label']} {percent(row.get('accuracy'))}" for row in preservation_rows(result)]:
        yield Text(f"Labels kept: {', '.join(kept)}.")
    if controls(result):
        yield Text("Controls: ").append_text(Text(", ").join(map(_control, controls(result)))).append(".")
    if worth.get("per_class") is not None or worth.get("why"):
        yield Text(f"Real-equivalents: {_worth(worth)}")
    if copying.get("verdict"):
        yield _copies(copying)
    if finite(fidelity.get("fd")) is not None:
        yield _distance(result, fidelity)


def _control(row: dict[str, Any]) -> Text:
    label = f"{row['label']} {points(row['delta'])}"
    if row.get("passed") is None:
        return Text(label)
    return Text(f"{label} passed") if row["passed"] else Text(f"{label} FAILED", style="bold red")


def _worth(worth: dict[str, Any]) -> str:
    number = finite(worth.get("per_class"))
    if number is None:
        return as_sentence(worth.get("why") or DASH)
    ends = " to ".join(images(end) for end in worth.get("ci") or ())
    return f"{images(number)} a class" + (f" ({ends})." if ends else ".")


def _copies(copying: dict[str, Any]) -> Text:
    verdict = str(copying["verdict"])
    number = finite(copying.get("copies"))
    near = "" if number is None else f", {plain(number)} near {'copy' if number == 1 else 'copies'}"
    return Text(f"Memorisation: {verdict}{near}.", style="bold red" if verdict == "copying" else "")


def _distance(result: dict[str, Any], fidelity: dict[str, Any]) -> Text:
    own = f" ({span(fidelity.get('fd_ci'))})" if fidelity.get("fd_ci") else ""
    start = f"{plain(fidelity['fd_start'])} before, " if finite(fidelity.get("fd_start")) is not None else ""
    floor = plain(fidelity.get("fd_floor"))
    line = Text(f"{distance_name(result)}: {start}{plain(fidelity['fd'])}{own}, floor {floor}.")
    if fidelity.get("usable") is False:
        line.append(f" Encoder unusable: {as_sentence(printable(fidelity.get('why') or DASH, 200))}", style="bold red")
    return line
