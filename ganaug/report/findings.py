"""What the dictionary of `measure.json` says of the arms and controls: the rows that words, tables and figures share.

Any part may be missing or None (no model, no held-out images, a measure that could not be taken).
"""

import math
import statistics
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
from torch import Tensor

from ganaug.report.words import finite, synthetic_share

CONTROLS = {
    "a_a": ("A/A", "the baseline against itself with other seeds", "no difference"),
    "copy": ("copies", "training images again, slightly changed, in place of synthetic ones", "no help"),
    "wrong_label": (
        "wrong labels",
        "synthetic images under the next class's name",
        "no help; harm where the share is large",
    ),
}


def strict(value: Any) -> Any:
    """`value` as strict JSON has it: text keys, no NaN or infinity (null instead), arrays as lists.

    >>> strict({1: (float("nan"), np.float32(0.5))})
    {'1': [None, 0.5]}
    """
    if isinstance(value, Mapping):
        return {str(key): strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [strict(item) for item in value]
    if isinstance(value, np.ndarray | np.generic | Tensor):
        return strict(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, PurePath) else value


def part(result: Any, *keys: str) -> dict[str, Any]:
    """The table at `keys`, empty where anything on the way is missing or None.

    >>> part({"gain": {"headline": None}}, "gain", "headline")
    {}
    """
    for key in keys:
        result = result.get(key) if isinstance(result, dict) else None
    return result if isinstance(result, dict) else {}


def rows(table: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The tables listed under `key`.

    >>> rows({"arms": [{"name": "real"}, None]}, "arms"), rows({"arms": None}, "arms")
    ([{'name': 'real'}], [])
    """
    return [row for row in table.get(key) or [] if isinstance(row, dict)]


def arms(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The arms of the study, in its order."""
    return rows(part(result, "gain"), "arms")


def is_translation(result: dict[str, Any]) -> bool:
    """Whether the images that are judged were translated, and not made.

    >>> is_translation({"study": "translation"}), is_translation({})
    (True, False)
    """
    return result.get("study") == "translation"


def kind(result: dict[str, Any]) -> str:
    """What the images that are judged are called.

    >>> kind({})
    'synthetic'
    """
    return "translated" if is_translation(result) else "synthetic"


def best_baseline(result: dict[str, Any]) -> dict[str, Any]:
    """The best arm that needs no translator, where it is another than the baseline; empty where it is not.

    >>> best_baseline({"gain": {"headline": {"against": "a", "best_baseline": {"name": "a"}}}})
    {}
    """
    headline = part(result, "gain", "headline")
    best = part(headline, "best_baseline")
    return best if best.get("name") != headline.get("against") else {}


def is_baseline(result: dict[str, Any], arm: dict[str, Any]) -> bool:
    """Whether every other arm is compared against this one."""
    return arm.get("name") == part(result, "gain", "headline").get("against")


def is_headline(result: dict[str, Any], arm: dict[str, Any]) -> bool:
    """Whether this is the arm that the verdict is about."""
    headline = part(result, "gain", "headline")
    return headline.get("arm") is not None and all(
        arm.get(mine) == headline.get(theirs) for mine, theirs in (("name", "arm"), ("fraction", "fraction"))
    )


def baseline_arm(result: dict[str, Any]) -> dict[str, Any]:
    """The arm that the others are compared against; empty where there is none."""
    return next((arm for arm in arms(result) if is_baseline(result, arm)), {})


def headline_arm(result: dict[str, Any]) -> dict[str, Any]:
    """The arm that the verdict is about; empty where there is none."""
    return next((arm for arm in arms(result) if is_headline(result, arm)), {})


def metric(result: dict[str, Any]) -> str:
    """The score that decides, in words.

    >>> metric({"gain": {"metric": "balanced_accuracy"}}), metric({})
    ('balanced accuracy', 'accuracy')
    """
    return str(part(result, "gain").get("metric") or "accuracy").replace("_", " ")


def arm_name(arm: dict[str, Any]) -> str:
    """The arm with its share of synthetic images, where it has one beside real images.

    >>> arm_name({"name": "real+synthetic", "fraction": 0.25})
    'real + synthetic, 25 %'
    """
    name = str(arm.get("name") or "?").replace("+", " + ")
    share = finite(arm.get("fraction"))
    return f"{name}, {synthetic_share(share)}" if share and share < 1 else name


def spread(arm: dict[str, Any]) -> float | None:
    """Standard deviation of the test scores over the seeds."""
    scores = [score for score in arm.get("scores") or [] if finite(score) is not None]
    return statistics.stdev(scores) if len(scores) > 1 else None


def gap(arm: dict[str, Any]) -> float | None:
    """Training minus test score."""
    stated, train, test = (finite(arm.get(key)) for key in ("gap", "train_mean", "mean"))
    return stated if stated is not None or train is None or test is None else train - test


def paired_differences(result: dict[str, Any], arm: dict[str, Any]) -> list[float]:
    """Score minus the baseline's score of the same seed, where both have one."""
    mine, theirs = arm.get("scores") or [], baseline_arm(result).get("scores") or []
    if len(mine) != len(theirs):
        return []
    return [a - b for a, b in zip(mine, theirs, strict=True) if finite(a) is not None and finite(b) is not None]


def controls(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The comparisons whose answer is known beforehand, those that were run: label, meaning, expected, result."""
    found = part(result, "gain", "controls")
    named = [
        {"label": label, "meaning": meaning, "expected": expected, **part(found, key)}
        for key, (label, meaning, expected) in CONTROLS.items()
    ]
    return [row for row in named if finite(row.get("delta")) is not None]


def failed_controls(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Those that did not come out as they must."""
    return [row for row in controls(result) if row.get("passed") is False]
