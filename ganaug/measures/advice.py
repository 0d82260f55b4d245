"""Whether to use synthetic or translated images: what must speak for them, and what may veto; copies are never used."""

from collections.abc import Mapping, Sequence
from typing import Any

from ganaug.measures.statistics import MIN_SEEDS


def recommend(
    chosen: Mapping[str, Any], classes: Sequence[str], *, copying: bool, seeds: int = MIN_SEEDS
) -> dict[str, Any]:
    """Use it only if validation shows a gain, the test images show no harm, and nothing is copied.

    Args:
        chosen: The arm of the chosen share, as `measure.json` has it, with its `validation`.
        classes: The classes that the synthetic images cover.
        copying: The synthetic images copy training images.
        seeds: Reported classifiers per arm; with fewer than 6 nothing is recommended.
    """
    gains = chosen["validation"]["ci"][0] > 0
    use = gains and chosen["verdict"] != "hurts" and not copying and seeds >= MIN_SEEDS
    return {
        "use": use,
        "fraction": chosen["fraction"] if use else 0.0,
        "classes": [*classes] if use else [],
        "why": _why(chosen, copying, seeds),
    }


def recommend_translation(
    headline: Mapping[str, Any], classes: Sequence[str], *, copying: bool, seeds: int = MIN_SEEDS
) -> dict[str, Any]:
    """Use it only if it helps on B's test images, beats what costs nothing, and copies nothing.

    Args:
        headline: As `measure.json` has it, with its `best_baseline`.
        classes: The classes that are translated.
        copying: Translations copy images of B.
        seeds: Reported classifiers per arm; with fewer than 6 nothing is recommended.
    """
    beaten = headline["best_baseline"]["ci"][0] >= 0
    use = headline["verdict"] == "helps" and beaten and not copying and seeds >= MIN_SEEDS
    return {
        "use": use,
        "fraction": headline["fraction"] if use else 0.0,
        "classes": [*classes] if use else [],
        "why": _why_translation(headline, copying, seeds),
    }


def _why_translation(headline: Mapping[str, Any], copying: bool, seeds: int) -> str:
    found = f"against {headline['against']} the score on B changes by {_points(headline)}"
    if seeds < MIN_SEEDS:
        return f"fewer than {MIN_SEEDS} seeds decide nothing; {found}"
    if copying:
        return f"the translations copy images of B; {found}"
    best = headline["best_baseline"]
    if best["name"] == headline["against"]:
        return f"{found}, and nothing that costs less does better"
    return f"{found}, against {best['name']}, which needs no training, by {_points(best)}{_cheaper(best)}"


def _cheaper(best: Mapping[str, Any]) -> str:
    """What the difference from the best of the arms that cost nothing comes to."""
    said = {
        "helps": "",
        "hurts": f": {best['name']} does better at no cost",
        "no measurable difference": f": {best['name']} does as well at no cost",
    }
    return said.get(best["verdict"], f": {best['name']} may do as well at no cost")


def _points(found: Mapping[str, Any]) -> str:
    low, high = (100 * end for end in found["ci"])
    return f"{100 * found['delta']:+.1f} points ({low:+.1f} to {high:+.1f})"


def _why(chosen: Mapping[str, Any], copying: bool, seeds: int) -> str:
    validation = chosen["validation"]
    low, high = (100 * end for end in validation["ci"])
    found = (
        f"with {100 * chosen['fraction']:g} % synthetic images the score on validation changes by "
        f"{100 * validation['delta']:+.1f} points ({low:+.1f} to {high:+.1f})"
    )
    if seeds < MIN_SEEDS:
        return f"fewer than {MIN_SEEDS} seeds decide nothing; {found}"
    found += _beside(validation["verdict"], chosen["verdict"])
    return f"the synthetic images copy training images; {found}" if copying else found


def _beside(on_validation: str, on_test: str) -> str:
    """What the test images say beside validation: only a gain or a loss can be contradicted."""
    if on_validation == on_test != "inconclusive":
        return f", and the test images agree: {on_test}"
    contrast = {on_validation, on_test} & {"helps", "hurts"}
    return f", while the test images say: {on_test}" if contrast else f"; on the test images: {on_test}"
