"""The facts of a set as a page that fits a terminal."""

from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

CLASSES = 12  # rows of classes; of more, the largest and the smallest are shown
BAR = 28  # columns of the longest bar
SIZES = 3  # sizes and modes that are named
EXAMPLES = 2  # files that are named with a problem
MODES = {"L": "gray", "1": "1 bit", "P": "palette", "LA": "gray with alpha", "I;16": "16-bit gray", "F": "float gray"}


def show(facts: dict[str, Any]) -> RenderableType:
    """The page of a set, for `rich` to print.

    Args:
        facts: What `inspect` returns.

    Example:
        >>> from rich.console import Console
        >>> from ganaug.inspection import inspect
        >>> Console(width=90).print(show(inspect("sklearn:digits:test")))     # doctest: +ELLIPSIS
        sklearn:digits:test: 599 images, 10 classes, 8 x 8 px, gray
        ...
    """
    return Group(*_blocks(facts))


def _blocks(facts: dict[str, Any]) -> Iterator[RenderableType]:
    yield Text(_headline(facts), style="bold")
    yield _class_rows(facts["classes"])
    yield from _section("problems", [_problem(problem) for problem in facts["problems"]], none="none found")
    if facts["refused"]:
        yield from _section("`ganaug train` would refuse this", [Text(facts["refused"])])
        return
    rows = _grid()
    for choice in facts["choices"]:
        rows.add_row(Text(f"{choice['key']} = {_value(choice['value'])}"), Text(choice["why"], style="dim"))
    yield from _section("`ganaug train` would choose", [rows])
    yield Text(f"\n{facts['networks']}\n{cost(facts['cost'])}")


def cost(known: dict[str, Any]) -> str:
    """What a run would take, in words.

    >>> cost({"seconds": 420.0, "steps": 2000, "memory": 1.3e9, "device": "cpu", "tried": 40})
    'about 7 minutes for 2,000 steps (at the pace of 40 tried on this cpu) and 1.3 GB of memory'
    """
    source = (
        f"at the pace of {known['tried']} tried on this {known['device']}"
        if known["tried"]
        else "by arithmetic, on two cores"
    )
    return (
        f"about {duration(known['seconds'])} for {known['steps']:,} steps ({source}) "
        f"and {known['memory'] / 1e9:.1f} GB of memory"
    )


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them.

    >>> duration(41), duration(420), duration(9000)
    ('41 seconds', '7 minutes', '2.5 hours')
    """
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def _headline(facts: dict[str, Any]) -> str:
    parts = [f"{facts['images']:,} images", f"{len(facts['classes']):,} classes"]
    if facts["groups"]:
        parts.append(f"{facts['groups']:,} groups")
    if facts["sizes"]:
        parts.append(_most([(f"{h} x {w} px", n) for (h, w), n in facts["sizes"]]))
        parts.append(_most([(MODES.get(mode, mode), n) for mode, n in facts["modes"]]))
    return f"{facts['source']}: {', '.join(parts)}"


def _most(counts: list[Any]) -> str:
    """The commonest few; how many each, where there are several."""
    if len(counts) == 1:
        return str(counts[0][0])
    named = ", ".join(f"{what} ({n:,})" for what, n in counts[:SIZES])
    return f"{named} and {len(counts) - SIZES:,} more" if len(counts) > SIZES else named


def _class_rows(classes: list[dict[str, Any]]) -> Table:
    """A bar for each class; of many, the largest and the smallest."""
    largest = max(row["images"] for row in classes)
    rows = _grid()
    shown: list[dict[str, Any] | None] = list(classes)
    if len(classes) > CLASSES:
        ordered = sorted(classes, key=lambda row: -row["images"])
        shown = [*ordered[: CLASSES // 2], None, *ordered[-CLASSES // 2 :]]
    for row in shown:
        if row is None:
            rows.add_row(Text(f"... {len(classes) - CLASSES:,} more", style="dim"), Text(), Text())
        else:
            n = row["images"]
            bar = "█" * max(n > 0, round(BAR * n / max(largest, 1)))
            rows.add_row(Text(row["name"]), Text(f"{n:,}", justify="right"), Text(bar, style="cyan"))
    return rows


def _problem(problem: dict[str, Any]) -> Text:
    count = f" ({problem['count']:,})" if problem["count"] else ""
    text = Text(f"{problem['kind']}{count}", style="red" if problem["serious"] else "yellow")
    text.append(f": {problem['say']}", style="default")
    if problem["files"]:
        text.append(f"; {', '.join(problem['files'][:EXAMPLES])}", style="default dim")
        text.append(", ..." if problem["count"] > EXAMPLES else "", style="default dim")
    return text


def _section(title: str, lines: list[RenderableType], none: str = "") -> Iterator[RenderableType]:
    yield Text(f"\n{title}:" + (f" {none}" if not lines else ""), style="bold")
    yield from (Padding(line, (0, 0, 0, 2), expand=False) for line in lines)


def _grid() -> Table:
    return Table.grid(padding=(0, 2, 0, 0))


def _value(value: Any) -> str:
    return " x ".join(map(str, value)) if isinstance(value, list | tuple) else f"{value}"
