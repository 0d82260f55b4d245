"""Class by class: what synthetic images do for each, which class is worst, which are rare."""

from typing import Any

import numpy as np

from ganaug.measures.metrics import tail_third
from ganaug.report.findings import baseline_arm, headline_arm, part
from ganaug.report.words import finite

FEWEST = 10  # test images below which one image moves a recall by over 10 points


def per_class(result: dict[str, Any]) -> list[dict[str, Any]]:
    """A row a class: recall without and with synthetic images and its change, beside fidelity and memorisation.

    `train` counts the images that the reported classifiers learned from: validation images too, if they were retrained.
    """
    names = part(result, "data").get("classes") or list(part(baseline_arm(result) or headline_arm(result), "per_class"))
    return [_row(result, str(name)) for name in names if name is not None]


def worst(classes: list[dict[str, Any]], when: str) -> dict[str, Any]:
    """The class of the lowest recall "before" or "after" synthetic images; empty where none is known.

    >>> worst([{"name": "cat", "before": 0.9}, {"name": "dog", "before": 0.7}], "before")["name"]
    'dog'
    """
    return min((row for row in classes if row[when] is not None), key=lambda row: row[when], default={})


def tail(classes: list[dict[str, Any]]) -> list[str]:
    """The third of the classes with the fewest training images; none where all have as many, or nothing is known.

    >>> tail([{"name": "cat", "train": 9}, {"name": "dog", "train": 3}, {"name": "cow", "train": 8}])
    ['dog']
    """
    counts = [row["train"] for row in classes]
    if len(counts) < 3 or None in counts or len(set(counts)) == 1:
        return []
    return [classes[k]["name"] for k in sorted(tail_third(np.array(counts)))]


def _row(result: dict[str, Any], name: str) -> dict[str, Any]:
    base, head = baseline_arm(result), headline_arm(result)
    before, after = (finite(part(arm, "per_class").get(name)) for arm in (base, head))
    counts = part(result, "data", "per_class").get(name)
    counts = counts if isinstance(counts, dict) else {"train": counts}
    delta = finite(part(head, "recall_deltas", name).get("delta"))
    if delta is None and before is not None and after is not None:
        delta = after - before
    learned = ("train", "val") if part(result, "gain").get("retrained") else ("train",)
    images, test = [finite(counts.get(key)) for key in learned], finite(counts.get("test"))
    return {
        "name": name,
        "train": None if None in images else sum(n for n in images if n is not None),
        "test": test,
        "few": test is not None and test < FEWEST,
        "before": before,
        "before_ci": part(base, "recall_ci").get(name),
        "after": after,
        "after_ci": part(head, "recall_ci").get(name),
        "delta": delta,
        "delta_ci": part(head, "recall_deltas", name).get("ci"),
        "fidelity": part(result, "fidelity", "per_class", name),
        "memorization": part(result, "memorization", "per_class", name),
    }
