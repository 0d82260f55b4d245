"""`write_report`: the page, the numbers and the figures, written together or not at all."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from ganaug.files import new_folder, require_new
from ganaug.report import words
from ganaug.report.figures import Chart, charts
from ganaug.report.findings import (
    advised,
    arms,
    gap,
    is_baseline,
    is_headline,
    part,
    per_class,
    sentence,
    spread,
    strict,
)
from ganaug.report.pictures import MAX_CLASSES, Pictures, pair_rows, sample_rows, sheets

NUMBERS = (words.points, words.interval, words.size, words.plain, words.percent, words.synthetic_share)
FIDELITY = {
    "kid": ("KID", "0 is the best; unbiased on small sets"),
    "precision": ("precision", "share of samples that look real"),
    "recall": ("recall", "share of real variety that samples reach"),
    "density": ("density", "about 1 where samples lie where real images are dense"),
    "coverage": ("coverage", "share of real images with a sample nearby"),
}
MEMORIZATION = {
    "copies": ("near copies", "samples with d1 / d2 below 1/3"),
    "nn_ratio": ("near copies, share", "the same over all samples"),
    "dcr": (
        "nearer to training",
        "share of samples nearer to a training than to a held-out image; 0.5 without copying",
    ),
    "dcr_p": ("p of that", "small: more than chance puts there"),
    "authpct": (
        "authentic, %",
        "further from its training image than that is from its own neighbour; low: copying or shrinkage",
    ),
    "ct": ("C_T", "0 is healthy; far below 0 copying or shrinkage, far above 0 underfit"),
}
CONTROLS = {
    "a_a": ("A/A", "the baseline against itself; must show nothing"),
    "copy": ("copies as synthetic", "training images again; should not help"),
    "wrong_label": ("wrong labels", "synthetic images with shuffled labels; should hurt"),
}


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
    template = resources.files("ganaug").joinpath("templates", "report.html.jinja").read_text(encoding="utf-8")
    return (
        _environment()
        .from_string(template)
        .render(
            r=result,
            sentence=sentence(result),
            tone=_tone(result),
            charts=drawn,
            arms=[_arm_row(result, arm) for arm in arms(result)],
            classes=per_class(result),
            controls=_rows(part(result, "gain", "controls"), CONTROLS),
            fidelity=_fidelity_rows(part(result, "fidelity")),
            memorization=_rows(part(result, "memorization"), MEMORIZATION, "null_{}"),
            samples=sample_rows(pictures),
            columns=pictures.columns,
            hidden=max(0, len(pictures.classes) - MAX_CLASSES),
            pairs=pair_rows(pictures),
            pixelated=pictures.synthetic.shape[-1] < 64,
            total_seconds=sum(s for s in map(words.finite, part(result, "seconds").values()) if s is not None),
        )
    )


def _environment() -> jinja2.Environment:
    """Everything escaped, since names of classes, files and commands are anybody's; nothing found is a dash."""
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.ChainableUndefined,
        finalize=lambda value: words.DASH if value is None or isinstance(value, jinja2.Undefined) else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for write in NUMBERS:
        environment.filters[write.__name__] = lambda value, write=write: words.typeset(write(value))
    for write in (words.p_value, words.duration, words.printable, words.typeset, words.as_sentence):
        environment.filters[write.__name__] = write
    return environment


def _tone(result: dict[str, Any]) -> str:
    """The colour of the verdict: good, bad, or neither."""
    verdict = part(result, "gain", "headline").get("verdict")
    if verdict == "hurts" or part(result, "memorization").get("verdict") == "copying":
        return "bad"
    return "good" if verdict == "helps" and advised(result) else "neutral"


def _arm_row(result: dict[str, Any], arm: dict[str, Any]) -> dict[str, Any]:
    shown = {"label": str(arm.get("name") or "?").replace("+", " + "), "sd": spread(arm)}
    return arm | shown | {"gap": gap(arm), "baseline": is_baseline(result, arm), "headline": is_headline(result, arm)}


def _rows(table: dict[str, Any], meanings: dict[str, tuple[str, str]], beside: str = "{}") -> list[dict[str, Any]]:
    """Label, meaning, value and what real images score, in a fixed order, missing ones included."""
    return [
        {"label": label, "meaning": meaning, "value": table.get(key), "real": table.get(beside.format(key))}
        for key, (label, meaning) in meanings.items()
    ]


def _fidelity_rows(table: dict[str, Any]) -> list[dict[str, Any]]:
    """The Frechet distance under its encoder's name (it is FID only with Inception features), then the others."""
    name = f"FD[{words.printable(table.get('encoder') or words.DASH, 40)}]"
    return _rows(
        table, {"fd": (name, "Fréchet distance to real images in this encoder's features")} | FIDELITY, "{}_floor"
    )
