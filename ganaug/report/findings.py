"""What the dictionary of `measure.json` says: the verdict in a sentence, and the rows that tables and figures share.

Any part may be missing or None (no model, no held-out images, a measure that could not be taken).
"""

import math
import statistics
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
from torch import Tensor

from ganaug.report.words import finite, interval, plain, points, size, synthetic_share

MIN_SEEDS = 6  # an exact sign-flip test over fewer cannot reach p < 0.05


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


def arms(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The arms of the study, in its order."""
    return [arm for arm in part(result, "gain").get("arms") or [] if isinstance(arm, dict)]


def is_baseline(result: dict[str, Any], arm: dict[str, Any]) -> bool:
    """Whether every other arm is compared against this one."""
    return arm.get("name") == part(result, "gain", "headline").get("against")


def is_headline(result: dict[str, Any], arm: dict[str, Any]) -> bool:
    """Whether this is the arm that the verdict is about."""
    headline = part(result, "gain", "headline")
    return headline.get("arm") is not None and all(
        arm.get(mine) == headline.get(theirs) for mine, theirs in (("name", "arm"), ("fraction", "fraction"))
    )


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
    base = next((a for a in arms(result) if is_baseline(result, a)), {})
    mine, theirs = arm.get("scores") or [], base.get("scores") or []
    if len(mine) != len(theirs):
        return []
    return [a - b for a, b in zip(mine, theirs, strict=True) if finite(a) is not None and finite(b) is not None]


def per_class(result: dict[str, Any]) -> list[dict[str, Any]]:
    """One row a class: name, training images, recall without and with synthetic images, change, coverage."""
    base = part(next((a for a in arms(result) if is_baseline(result, a)), {}), "per_class")
    head = part(next((a for a in arms(result) if is_headline(result, a)), {}), "per_class")
    counts, fidelity = part(result, "data", "per_class"), part(result, "fidelity", "per_class")
    names = part(result, "data").get("classes") or list(base or head)
    return [_class_row(str(name), counts, base, head, fidelity) for name in names if name is not None]


def _class_row(name: str, counts: dict, base: dict, head: dict, fidelity: dict) -> dict[str, Any]:
    before, after, count = finite(base.get(name)), finite(head.get(name)), counts.get(name)
    return {
        "name": name,
        "train": count.get("train") if isinstance(count, dict) else count,
        "before": before,
        "after": after,
        "delta": None if before is None or after is None else after - before,
        "coverage": part(fidelity, name).get("coverage"),
    }


def advised(result: dict[str, Any]) -> bool:
    """Whether to use the synthetic images: the study's recommendation, else its verdict; never copies, never harm."""
    verdict, use = part(result, "gain", "headline").get("verdict"), part(result, "recommendation").get("use")
    if verdict == "hurts" or part(result, "memorization").get("verdict") == "copying":
        return False
    return verdict == "helps" if use is None else bool(use)


def sentence(result: dict[str, Any]) -> str:
    """The verdict in one plain sentence.

    Args:
        result: The dictionary of `measure.json`.

    Example:
        >>> headline = {"delta": 0.018, "ci": [0.009, 0.027], "fraction": 0.25, "verdict": "helps"}
        >>> sentence({"gain": {"headline": headline}}).split(" (")[0]
        'Use it: accuracy on real test images rises by 1.8 points'
    """
    headline = part(result, "gain", "headline")
    if finite(headline.get("delta")) is None:
        return "No verdict: nothing was compared with and without synthetic images."
    return f"{_advice(result)}: {_reservation(result)}{_finding(result, headline)}."


def _advice(result: dict[str, Any]) -> str:
    verdict = part(result, "gain", "headline").get("verdict")
    if advised(result):
        return "Use it" if verdict == "helps" else "Use it with care"
    copying = part(result, "memorization").get("verdict") == "copying"
    return "Do not use it yet" if verdict == "inconclusive" and not copying else "Do not use it"


def _reservation(result: dict[str, Any]) -> str:
    """Where the advice and the test verdict point in different directions, the reason."""
    helps, memorization = part(result, "gain", "headline").get("verdict") == "helps", part(result, "memorization")
    if memorization.get("verdict") == "copying":
        copies = finite(memorization.get("copies"))
        return f"samples copy training images{f' ({plain(copies)} found)' if copies else ''}; "
    if helps == advised(result):
        return ""
    return "validation does not confirm the gain; " if helps else "validation shows a gain that the test does not; "


def _finding(result: dict[str, Any], headline: dict[str, Any]) -> str:
    verdict, delta = headline.get("verdict"), headline["delta"]
    metric = str(part(result, "gain").get("metric") or "accuracy").replace("_", " ")
    within = f"(95 % interval {interval(headline.get('ci'))})"
    if verdict in ("helps", "hurts"):
        share = finite(headline.get("fraction"))
        change = f"{'rises' if delta > 0 else 'falls'} by {size(delta)} points {within}"
        return f"{metric} on real test images {change}" + (f" with {synthetic_share(share)} synthetic" if share else "")
    change = f"{metric} on real test images changes by {points(delta)} points {within}"
    if verdict == "inconclusive":
        return f"inconclusive; {change}, {_why_unsure(result, headline)}"
    return f"no measurable gain; {change}, inside the margin of {size(part(result, 'gain').get('margin'))} points"


def _why_unsure(result: dict[str, Any], headline: dict[str, Any]) -> str:
    seeds = finite(part(result, "gain").get("seeds"))
    if seeds is not None and seeds < MIN_SEEDS:
        return f"from {seeds:g} seed{'s' * (seeds != 1)}, and a verdict needs {MIN_SEEDS}"
    return f"and a gain below {size(headline.get('minimum_detectable'))} points could not have been detected"
