"""Whether to use the synthetic images: validation proposes, test images may veto, and copies are never used."""

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
