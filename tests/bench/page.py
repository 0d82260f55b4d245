"""What was measured, as Markdown: a table for each group of rows, and under what conditions they were taken."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any


def page(content: dict[str, Any]) -> str:
    """The whole page."""
    parts = [f"# {content['title']}"]
    for group, rows in groupby(content["rows"], key=lambda row: row["group"]):
        parts += [f"## {group}"] if group else []
        parts.append(table(list(rows)))
    versions = ", ".join(f"{name} {number}" for name, number in content["versions"].items())
    where = content["machine"] if content["device"] == "cpu" else f"{content['device']} ({content['machine']})"
    parts.append(
        f"Medians of interleaved repeats, and between which ends these lay. Written by `{content['command']}` at "
        f"{content['commit'] or 'no commit'} (code {content['code']}) on {where}; {versions}."
    )
    return "\n\n".join(parts) + "\n"


def table(rows: Sequence[dict[str, Any]]) -> str:
    """One group; a column that no row fills is left out."""
    more = list(dict.fromkeys(key for row in rows for key in row.get("beside", {})))
    heads = ["what", "against", "owed", "measured", "spread", *more]
    cells = [line(row, more) for row in rows]
    shown = [i for i in range(len(heads)) if any(row[i] not in ("", "–") for row in cells)]
    lines = [heads, ["---"] * len(heads), *cells]
    return "\n".join("| " + " | ".join(str(row[i]).replace("|", "\\|") for i in shown) + " |" for row in lines)


def line(row: dict[str, Any], more: Sequence[str]) -> list[str]:
    """The cells of one row; a failure says so in place of a number."""
    told, beside = row["told"], row.get("beside", {})
    measured = f"failed: {row['failed']}" if "failed" in row else f"**{told['measured']}**"
    found = [told["owed"], measured, told.get("spread", "–"), *(cell(beside.get(key)) for key in more)]
    return [row["name"], row["against"], *found]


def cell(value: Any) -> str:
    """A number or a word beside the measured one.

    >>> [cell(value) for value in (12345.6, 0.012345, 3, "8 %", None)]
    ['12,346', '0.0123', '3', '8 %', '–']
    """
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return "–" if value is None else str(value)
