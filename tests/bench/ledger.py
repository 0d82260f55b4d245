"""Rows that are measured already, in a file that is written after each of them: a bench can be stopped and go on."""

import json
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from machine import commit
from page import page
from rows import Measured, Row

from ganaug.files import replace_file

Entry = dict[str, Any]
Derive = Callable[[list[Entry]], list[Entry]]  # columns and rows that follow from others


class Ledger:
    """The results of one bench.

    Args:
        path: Of the JSON file; the Markdown page lies beside it.
        title: Of the page.
        command: How the bench was called.
        conditions: Machine, versions and code: rows that were taken under others are not kept.
        table: All rows there are, in the order of the page.
        resume: Whether to keep rows that are there.
        derive: What follows from the rows, for the page.
    """

    def __init__(
        self,
        path: Path,
        title: str,
        command: str,
        conditions: dict[str, Any],
        table: Sequence[Row],
        *,
        resume: bool,
        derive: Derive = list,
    ):
        self.path, self.order, self.derive = path, [row.key for row in table], derive
        self.about = {"title": title, "command": command, "commit": commit(), **conditions}
        former = json.loads(path.read_text(encoding="utf-8")) if resume and path.exists() else {}
        same = all(former.get(key) == value for key, value in conditions.items())
        self.entries: dict[str, Entry] = {entry["key"]: entry for entry in former.get("measured", []) if same}

    def holds(self, row: Row, repeats: int) -> bool:
        """Whether a row was measured so often already."""
        kept = self.entries.get(row.key, {"failed": ""})
        return "failed" not in kept and kept["repeats"] >= repeats

    def measure(self, row: Row, repeats: int) -> Entry:
        """Measure a row and write it down; a failure is written down, too, and tried again when the bench goes on."""
        start = time.monotonic()
        try:
            found = entry(row, row.measure(repeats))
        except Exception as error:  # whatever breaks one row must not cost the others
            found = {**about(row), "met": False, "failed": f"{type(error).__name__}: {error}"[:500]}
        self.entries[row.key] = {**found, "repeats": repeats, "took": round(time.monotonic() - start, 1)}
        self.write()
        return self.entries[row.key]

    def longest(self) -> float:
        """Seconds that the slowest row took."""
        return max((entry["took"] for entry in self.entries.values()), default=0.0)

    def write(self) -> None:
        """Both files, each replaced whole."""
        measured = [self.entries[key] for key in self.order if key in self.entries]
        content = {**self.about, "rows": self.derive(measured), "measured": measured}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(self.path, (json.dumps(content, indent=1) + "\n").encode())
        replace_file(self.path.with_suffix(".md"), page(content).encode())


def about(row: Row) -> Entry:
    """What is known of a row before it is measured."""
    return {
        "key": row.key,
        "group": row.group,
        "name": row.name,
        "against": row.against,
        "owed": row.owed,
        "told": {"owed": row.unit.told(row.owed)},
    }


def entry(row: Row, found: Measured) -> Entry:
    """A row with what it came to: median and ends of its repeats, as numbers and in words."""
    middle, ends = statistics.median(found.values), (min(found.values), max(found.values))
    return {
        **about(row),
        "median": middle,
        "spread": list(ends),
        "values": found.values,
        "met": found.sound and (row.owed is None or row.unit.holds(middle, row.owed)),
        "told": {
            "owed": row.unit.told(row.owed),
            "measured": row.unit.told(middle),
            "spread": " to ".join(map(row.unit.told, ends)),
        },
        "beside": found.beside,
    }


def missed(entries: Iterable[Entry]) -> list[str]:
    """The rows that failed, are not what was owed, or do not agree with what they should."""
    return [entry["key"] for entry in entries if not entry.get("met")]
