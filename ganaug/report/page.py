"""`write_report`: the page, the numbers and the figures, written together or not at all."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import jinja2

from ganaug.files import new_folder, require_new
from ganaug.report import tables, words
from ganaug.report.classes import per_class, tail, worst
from ganaug.report.figures import Chart, charts
from ganaug.report.findings import (
    arms,
    baseline_arm,
    best_baseline,
    controls,
    failed_controls,
    headline_arm,
    is_translation,
    kind,
    metric,
    part,
    rows,
    strict,
)
from ganaug.report.pictures import MAX_CLASSES, Pictures, pair_rows, sample_rows, sheets
from ganaug.report.verdict import sentence, tone

NUMBERS = (
    words.points, words.interval, words.size, words.shares, words.span, words.plain, words.percent, words.images,
    words.synthetic_share,
)  # fmt: skip


def write_report(out: Path, result: dict[str, Any], pictures: Pictures) -> Path:
    """Write REPORT/{report.html, measure.json, figures/*.png}; nothing half-written stays.

    Args:
        out: The folder to make; must be new or empty.
        result: The dictionary of `measure.json`. Any part may be None or missing; NaN is written as null.
        pictures: Samples by class and the closest pairs.

    Returns:
        The path of report.html: one file, nothing loaded from elsewhere.

    Raises:
        OutputError: `out` is a file, or a folder that holds something.

    Example:
        >>> import tempfile, torch
        >>> pictures = Pictures(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), ("cat", "dog"))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_report(Path(folder) / "report", {"schema": 1, "gain": None}, pictures).name
        'report.html'
    """
    result = strict(result)
    out = Path(out).resolve()
    require_new(out)  # before anything is drawn
    drawn = charts(result)
    files = {f"{name}.png": chart.png for name, chart in drawn.items()} | sheets(pictures)
    with new_folder(out) as folder:
        (folder / "figures").mkdir()
        for name, png in files.items():
            (folder / "figures" / name).write_bytes(png)
        (folder / "measure.json").write_text(json.dumps(result, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        (folder / "report.html").write_text(_render(result, drawn, pictures), encoding="utf-8", errors="replace")
    return out / "report.html"


def _render(result: dict[str, Any], drawn: dict[str, Chart], pictures: Pictures) -> str:
    page = _environment().get_template(f"{'translation' if is_translation(result) else 'report'}.html.jinja")
    return page.render(r=result, charts=drawn, **_answers(result), **_tables(result), **_pictures(pictures))


def _answers(result: dict[str, Any]) -> dict[str, Any]:
    costs = tables.cost_rows(result)
    return {
        "sentence": sentence(result),
        "tone": tone(result),
        "metric": metric(result),
        "kind": kind(result),
        "head": part(result, "gain", "headline"),
        "headline": headline_arm(result),
        "baseline": baseline_arm(result),
        "best": best_baseline(result),
        "failed": failed_controls(result),
        "costs": costs,
        "total_seconds": sum(seconds for _, seconds in costs),
    }


def _tables(result: dict[str, Any]) -> dict[str, Any]:
    classes = per_class(result)
    return {
        "arms": [tables.arm_row(result, arm) for arm in arms(result)],
        "metrics": tables.metric_rows(result),
        "controls": controls(result),
        "curve": rows(part(result, "gain"), "curve"),
        "tried": tables.tried(result),
        "classes": classes,
        "worst_before": worst(classes, "before"),
        "worst_after": worst(classes, "after"),
        "tail": tail(classes),
        "memorization": tables.memorization_rows(result),
        "judged": Counter(v for row in classes if isinstance(v := row["memorization"].get("verdict"), str)),
        "fidelity": tables.fidelity_rows(result),
        "domains": tables.domain_rows(result),
        "preserved": tables.preservation_rows(result),
        "distance": tables.distance_name(result),
        "ladder": tables.ladder_rows(result),
    }


def _pictures(pictures: Pictures) -> dict[str, Any]:
    return {
        "samples": sample_rows(pictures),
        "columns": pictures.columns,
        "hidden": max(0, len(pictures.classes) - MAX_CLASSES),
        "pairs": pair_rows(pictures),
        "pixelated": pictures.synthetic.shape[-1] < 64,
    }


def _environment() -> jinja2.Environment:
    """Everything escaped, since names of classes, files and commands are anybody's; nothing found is a dash."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ganaug"),
        autoescape=True,
        undefined=jinja2.ChainableUndefined,
        finalize=lambda value: words.DASH if _unknown(value) else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for write in NUMBERS:
        environment.filters[write.__name__] = lambda *given, write=write: words.typeset(write(*given))
    for write in (words.p_value, words.duration, words.printable, words.typeset, words.as_sentence):
        environment.filters[write.__name__] = lambda value, *given, write=write: (
            None if _unknown(value) else write(value, *given)
        )
    return environment


def _unknown(value: Any) -> bool:
    return value is None or isinstance(value, jinja2.Undefined)
