"""The rows of the page's tables: a fixed order, a label and a meaning each; what is missing prints as a dash."""

from typing import Any

from ganaug.report.findings import (
    arm_name,
    baseline_arm,
    gap,
    headline_arm,
    is_baseline,
    is_headline,
    part,
    rows,
    spread,
)
from ganaug.report.words import DASH, finite, plain, printable

METRICS = {
    "accuracy": ("accuracy", "share of test images named rightly"),
    "balanced_accuracy": ("balanced accuracy", "mean recall of the classes, each counting the same"),
    "macro_f1": ("macro-F1", "mean F1 of the classes"),
    "worst_class": ("worst class", "recall of whichever class is worst"),
    "tail_third": ("tail third", "mean recall of the classes with the fewest training images"),
    "ece": ("calibration error", "ECE: stated confidence against the share that is right; lower is better"),
}
FIDELITY = {
    "fd": ("FD", "Fréchet distance to the test images; 0 is the best"),
    "kid": ("KID", "kernel distance; 0 is the best, unbiased on small sets"),
    "fid": ("FID", "Fréchet distance in Inception features"),
    "inception_score": ("Inception Score", "legacy: knows nothing of your images"),
    "precision": ("precision", "share of samples that look real"),
    "recall": ("recall", "share of real variety that samples reach"),
    "density": ("density", "about 1 where samples lie where real images are dense"),
    "coverage": ("coverage", "share of real images with a sample nearby"),
}
OPTIONAL = {"fid", "inception_score"}  # only with Inception weights of the user's own
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
    "variety": ("variety", "how far samples lie from each other, next to held-out images; near 0 they repeat"),
    "ct": ("C_T", "0 is healthy; far below 0 copying or shrinkage, far above 0 underfit"),
}
LADDER = {"noise": "noise", "blur": "blur", "collapse": "fewer different images", "labels": "shuffled labels"}
PRESERVATION = {
    "there_and_back": ("A’s classifier on A to B to A", "labels survive the way there and back"),
    "a_itself": ("A’s classifier on A itself", "what that can come to at best"),
    "b_classifier": ("B’s classifier on A to B", "who knows B’s labels reads A’s in the translations"),
    "fresh": ("a classifier of translations on others", "labels are kept in a way that can be learned, right or wrong"),
}
COSTS = {
    "gan": "training the generator",
    "translator": "training the translator",
    "rendering": "translating and adapting",
    "choosing": "choosing on validation",
    "classifiers": "reported classifiers",
    "curve": "learning curve",
    "fidelity": "fidelity",
    "memorization": "looking for copies",
}


def arm_row(result: dict[str, Any], arm: dict[str, Any]) -> dict[str, Any]:
    """An arm with what the table of arms adds to it; `longer`: its steps, where it took more than the others."""
    usual = finite(part(result, "gain").get("steps_per_arm"))
    steps = finite(arm.get("steps"))
    return arm | {
        "label": arm_name(arm),
        "sd": spread(arm),
        "gap": gap(arm),
        "longer": steps if None not in (steps, usual) and steps != usual else None,
        "baseline": is_baseline(result, arm),
        "headline": is_headline(result, arm),
    }


def metric_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Each metric without and with synthetic images, those that were measured."""
    base, head = baseline_arm(result), headline_arm(result)
    found = [
        {
            "label": label,
            "meaning": meaning,
            "before": finite(part(base, "metrics").get(key)),
            "after": finite(part(head, "metrics").get(key)),
            "better": -1 if key == "ece" else 1,
            **part(head, "metric_deltas", key),
        }
        for key, (label, meaning) in METRICS.items()
    ]
    return [row for row in found if row["before"] is not None or row["after"] is not None]


def fidelity_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The distances, each beside its floor: what real images score in the place of synthetic ones."""
    table = part(result, "fidelity")
    return [
        {
            "label": label,
            "meaning": meaning,
            "value": table.get(key),
            "ci": table.get(f"{key}_ci"),
            "floor": table.get(f"{key}_floor"),
            "floor_ci": table.get(f"{key}_floor_ci"),
        }
        for key, (label, meaning) in FIDELITY.items()
        if key not in OPTIONAL or finite(table.get(key)) is not None
    ]


def domain_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The distances of a translation: from A as it is to B's own images."""
    table = part(result, "fidelity")
    return [
        {"label": label, "meaning": meaning}
        | {at or "value": (table.get(key + at), table.get(f"{key}{at}_ci")) for at in ("", "_start", "_floor")}
        for key, (label, meaning) in FIDELITY.items()
        if key not in OPTIONAL
    ]


def preservation_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """What became of labels, those that could be looked at."""
    table = part(result, "label_preservation")
    found = [(key, part(table, key), *words) for key, words in PRESERVATION.items()]
    main = table.get("main")
    return [{"label": a, "meaning": b, "main": key == main, **row} for key, row, a, b in found if row]


def distance_name(result: dict[str, Any]) -> str:
    """The Frechet distance under its encoder's name: it is FID only with Inception features.

    >>> distance_name({"fidelity": {"encoder": "own:ab12cd"}})
    'FD[own:ab12cd]'
    """
    return f"FD[{printable(part(result, 'fidelity').get('encoder') or DASH, 40)}]"


def memorization_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The panel, each value beside what held-out real images score."""
    table = part(result, "memorization")
    return [
        {"label": label, "meaning": meaning, "value": table.get(key), "real": table.get(f"null_{key}")}
        for key, (label, meaning) in MEMORIZATION.items()
    ]


def ladder_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Each distortion of real images with its distances at rising strength."""
    ladder = part(result, "fidelity", "ladder")
    found = [(label, [finite(v) for v in ladder.get(key) or ()]) for key, label in LADDER.items()]
    return [{"label": label, "distances": distances} for label, distances in found if distances]


def cost_rows(result: dict[str, Any]) -> list[tuple[str, float]]:
    """(what, seconds), in the order of the study; what is not known is left out."""
    seconds = part(result, "seconds")
    named = [(COSTS.get(key, printable(key, 40).replace("_", " ")), finite(value)) for key, value in seconds.items()]
    return [(name, value) for name, value in named if value is not None]


def tried(result: dict[str, Any]) -> list[str]:
    """What was chosen on validation before any test image was looked at, a sentence each."""
    gain = part(result, "gain")
    selection, augmentation, steps = (part(gain, key) for key in ("selection", "augmentation", "steps"))
    said = []
    if augmentation.get("chosen"):
        said.append(f"Classical augmentation: {augmentation['chosen']}{_scores(augmentation, '')}.")
    if steps.get("chosen"):
        why = f": {steps['why']}" if steps.get("why") else ""
        said.append(f"Optimiser steps: {plain(steps['chosen'])}{why.rstrip('.')}{_scores(steps, ' steps')}.")
    if rows(selection, "arms"):
        said.append(
            f"Share of synthetic images: the best of {len(rows(selection, 'arms')) - 1} over "
            f"{plain(selection.get('seeds'))} seeds that are not among the reported ones."
        )
    if finite(selection.get("left_out")):
        said.append(f"{plain(selection['left_out'])} synthetic images copy a validation image and were left out of it.")
    return said


def _scores(table: dict[str, Any], unit: str) -> str:
    scores = [f"{name}{unit} {100 * s:.1f} %" for name, s in part(table, "scores").items() if finite(s) is not None]
    return f" ({', '.join(scores)})" if scores else ""
