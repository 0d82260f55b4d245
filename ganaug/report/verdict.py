"""The verdict of a study in one plain sentence, and the colour it deserves."""

from typing import Any

from ganaug.measures.statistics import MIN_SEEDS
from ganaug.report.findings import best_baseline, failed_controls, is_translation, kind, metric, part
from ganaug.report.words import finite, interval, plain, points, size, synthetic_share


def advised(result: dict[str, Any]) -> bool:
    """Whether to use what is judged: the study's recommendation, else its verdict; never copies, never harm."""
    verdict, use = part(result, "gain", "headline").get("verdict"), part(result, "recommendation").get("use")
    if verdict == "hurts" or copies(result):
        return False
    return verdict == "helps" if use is None else bool(use)


def copies(result: dict[str, Any]) -> bool:
    """Whether the samples copy training images."""
    return part(result, "memorization").get("verdict") == "copying"


def tone(result: dict[str, Any]) -> str:
    """The colour of the verdict: "good", "bad", or "neutral"."""
    verdict = part(result, "gain", "headline").get("verdict")
    if verdict == "hurts" or copies(result):
        return "bad"
    return "good" if verdict == "helps" and advised(result) and not failed_controls(result) else "neutral"


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
        return f"No verdict: nothing was compared with and without {kind(result)} images."
    return f"{_advice(result)}: {_failure(result)}{_reservation(result)}{_finding(result, headline)}."


def _advice(result: dict[str, Any]) -> str:
    verdict = part(result, "gain", "headline").get("verdict")
    if advised(result):
        return "Use it" if verdict == "helps" and not failed_controls(result) else "Use it with care"
    return "Do not use it yet" if verdict == "inconclusive" and not copies(result) else "Do not use it"


def _failure(result: dict[str, Any]) -> str:
    """Controls that failed: they put every number of the study in doubt, the verdict included."""
    failed = ", ".join(row["label"] for row in failed_controls(result))
    return f"a control failed ({failed}); " if failed else ""


def _reservation(result: dict[str, Any]) -> str:
    """Where the advice and the test verdict point in different directions, the reason."""
    helps = part(result, "gain", "headline").get("verdict") == "helps"
    if copies(result):
        found = finite(part(result, "memorization").get("copies"))
        return f"samples copy training images{f' ({plain(found)} found)' if found else ''}; "
    if helps == advised(result):
        return ""
    if is_translation(result):
        return _cheaper(best_baseline(result))
    return "validation does not confirm the gain; " if helps else "validation shows a gain that the test does not; "


def _cheaper(best: dict[str, Any]) -> str:
    """What a baseline that needs no training does, where it speaks against the translation."""
    said = {"hurts": "does better", "no measurable difference": "does as well"}
    return f"{best['name']} {said.get(str(best.get('verdict')), 'may do as well')} at no cost; " if best else ""


def _finding(result: dict[str, Any], headline: dict[str, Any]) -> str:
    verdict, delta = headline.get("verdict"), headline["delta"]
    score, within = metric(result), f"(95 % interval {interval(headline.get('ci'))})"
    if verdict in ("helps", "hurts"):
        share = finite(headline.get("fraction"))
        change = f"{'rises' if delta > 0 else 'falls'} by {size(delta)} points {within}"
        return f"{score} on real test images {change}" + (
            f" with {synthetic_share(share)} {kind(result)}" if share else ""
        )
    change = f"{score} on real test images changes by {points(delta)} points {within}"
    if verdict == "inconclusive":
        return f"inconclusive; {change}, {_why_unsure(result, headline)}"
    return f"no measurable gain; {change}, inside the margin of {size(part(result, 'gain').get('margin'))} points"


def _why_unsure(result: dict[str, Any], headline: dict[str, Any]) -> str:
    seeds = finite(part(result, "gain").get("seeds"))
    if seeds is not None and seeds < MIN_SEEDS:
        return f"from {seeds:g} seed{'s' * (seeds != 1)}, and a verdict needs {MIN_SEEDS}"
    return f"and a gain below {size(headline.get('minimum_detectable'))} points could not have been detected"
