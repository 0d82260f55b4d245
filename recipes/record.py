"""What a recorded result says of itself: command, commit, versions, machine; as JSON and as Markdown."""

import json
import os
import platform
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
NOTHING = 1e-12  # what rounding leaves of 0


def record(name: str, title: str, rows: list[dict[str, Any]], *, room: str = "", note: str = "", **facts: Any) -> Path:
    """Write results/NAME/NAME.json and NAME.md, and print the table; returns the folder.

    Args:
        name: Of the folder and the files.
        title: A sentence that says what the rows show.
        rows: The table; all rows have the keys of the first.
        room: The folder, where it is not called as the files.
        note: What the table rests on, in sentences.
        facts: What else the JSON holds.
    """
    folder = RESULTS / (room or name)
    folder.mkdir(parents=True, exist_ok=True)
    content = {"title": title, **origin(), **facts, "rows": rows}
    (folder / f"{name}.json").write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    page = "\n\n".join(filter(None, (f"# {title}", table(content["rows"]), note, made(content)))) + "\n"
    (folder / f"{name}.md").write_text(page, encoding="utf-8")
    print(table(content["rows"]))
    return folder


def origin() -> dict[str, Any]:
    """Command, commit, versions and machine; folders by their last names only."""
    words = [Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:]]
    return {
        "command": shlex.join(["python", f"recipes/{Path(sys.argv[0]).name}", *words]),
        "commit": _commit(),
        "versions": {name: version(name) for name in ("ganaug", "torch", "numpy")}
        | {"python": platform.python_version()},
        "machine": {"processor": _processor(), "cores": os.cpu_count(), "system": platform.system()},
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Rows as a Markdown table."""
    keys = list(rows[0])
    lines = [keys, ["---"] * len(keys), *([_cell(row[key]) for key in keys] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def made(content: dict[str, Any]) -> str:
    """How it was made, in a sentence."""
    versions = ", ".join(f"{name} {number}" for name, number in content["versions"].items())
    machine = f"{content['machine']['processor']}, {content['machine']['cores']} cores"
    return f"Written by `{content['command']}` at {content['commit']} ({versions}; {machine})."


def number(value: float, digits: int = 4) -> str:
    """A number as a table has it.

    >>> [number(x) for x in (42510.0, 0.97361, 3.7e-19)]
    ['42,510', '0.9736', '0']
    """
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return "0" if abs(value) < NOTHING else f"{value:.{digits}g}"


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return number(value)
    if isinstance(value, list):
        return " to ".join(map(_cell, value))
    return "–" if value is None else str(value).replace("|", "\\|")


def _commit() -> str:
    """The commit, and whether files differ from it."""
    try:
        return _git("rev-parse", "--short", "HEAD") + (
            " with changes" if _git("status", "--porcelain", "ganaug", "recipes/*.py") else ""
        )
    except (OSError, subprocess.CalledProcessError):
        return "no commit"


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", *words], check=True, capture_output=True, text=True, cwd=Path(__file__).parent.parent
    ).stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
