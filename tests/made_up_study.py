"""A made-up gain study with every part that a report shows; no measurement stands behind any number."""

import copy
from typing import Any

import numpy as np
import torch

from ganaug.data import load
from ganaug.report import Pictures

CLASSES = tuple(map(str, range(10)))
RECALL = np.array((0.97, 0.86, 0.95, 0.88, 0.93, 0.91, 0.97, 0.94, 0.82, 0.87))
SEEDS = 10
BASE, BOTH = "real+classical", "real+classical+synthetic"
NONE = "no measurable difference"
METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "worst_class", "tail_third", "ece")
BESIDE = {  # what an arm holds beside the keys of the first reports
    "steps", "recall_ci", "metrics", "metric_deltas", "recall_deltas", "gap_delta", "p_holm", "minimum_detectable",
}  # fmt: skip


def around(value, width):
    return [round(value - width, 4), round(value + width, 4)]


def example_arm(name, fraction, delta, width, p, verdict, gap=0.084, steps=400, mean=0.910):
    """An arm whose scores and recalls scatter around the baseline's 91 % plus `delta`."""
    rng = np.random.default_rng(round(1e4 * (1 + delta)) + len(name))
    noise, mean = rng.normal(0, 0.004, SEEDS), round(mean + delta, 4)
    changes = np.zeros(10) if name == BASE else rng.normal(delta, 0.012, 10)
    recalls = np.clip(RECALL + changes, 0, 0.995).round(4)
    metrics = {metric: round(mean - 0.01 * k, 4) for k, metric in enumerate(METRICS[:-1])} | {"ece": 0.041 - delta}
    arm: dict[str, Any] = {
        "name": name, "fraction": fraction, "steps": steps, "scores": (mean + noise - noise.mean()).tolist(),
        "mean": mean, "train_mean": round(mean + gap, 4), "gap": gap,
        "per_class": dict(zip(CLASSES, recalls, strict=True)),
        "recall_ci": {c: around(r, 0.0305 * (1.01 - r) ** 0.5) for c, r in zip(CLASSES, recalls, strict=True)},
        "metrics": metrics,
        "delta": delta, "ci": around(delta, width), "p": p, "p_holm": None, "verdict": verdict,
    }  # fmt: skip
    if name == BASE:
        return arm
    return arm | {
        "minimum_detectable": round(1.4 * width, 4),
        "p_holm": None if (name, fraction) == (BOTH, 0.25) else min(1.0, 6 * p),
        "metric_deltas": {
            m: {"delta": d, "ci": around(d, width)} for m in METRICS for d in [-delta if m == "ece" else delta]
        },
        "recall_deltas": {
            c: {"delta": d, "ci": around(d, 0.02)} for c, d in zip(CLASSES, changes.tolist(), strict=True)
        },
        "gap_delta": {"delta": gap - 0.084, "ci": around(gap - 0.084, 0.008)},
    }


def example_arms():
    mixed = [
        example_arm(BOTH, 0.1, 0.009, 0.008, 0.0215, "helps", gap=0.071),
        example_arm(BOTH, 0.25, 0.018, 0.009, 0.00195, "helps", gap=0.053),
        example_arm(BOTH, 0.5, 0.011, 0.012, 0.0938, "inconclusive", gap=0.048),
        example_arm(BOTH, 0.7, -0.004, 0.013, 0.55, "inconclusive", gap=0.041),
    ]
    base = example_arm(BASE, 0.0, 0.0, 0.0, 1.0, "baseline")
    base["validation"] = {"mean": 0.915, "delta": 0.0, "ci": [0.0, 0.0], "verdict": "baseline"}
    for arm in mixed:
        delta = arm["delta"] - 0.002
        arm["validation"] = {"mean": 0.915 + delta, "delta": delta, "ci": around(delta, 0.013), "verdict": "helps"}
    return [
        example_arm("real", 0.0, -0.038, 0.011, 0.00195, "hurts", gap=0.124),
        base,
        example_arm("real+classical+weights", 0.0, 0.001, 0.006, 0.73, NONE),
        example_arm("real+synthetic", 0.25, -0.006, 0.011, 0.22, "inconclusive", gap=0.081),
        *mixed,
        example_arm("synthetic", 1.0, -0.106, 0.015, 0.00195, "hurts", gap=0.038),
        example_arm("real+held-out", 0.25, 0.031, 0.008, 0.00195, "helps", gap=0.049),
        example_arm("real+classical+longer", 0.0, 0.002, 0.007, 0.47, NONE, gap=0.086, steps=1600),
    ]


def example_gain():
    arms = example_arms()
    selection = [{"name": a["name"], "fraction": a["fraction"], **a["validation"]} for a in arms if "validation" in a]
    rng = np.random.default_rng(0)
    passed = {"passed": True, "fraction": 0.25}
    sizes = {5: 0.742, 10: 0.812, 20: 0.861, 50: 0.890, 100: 0.905, 120: 0.910}
    return {
        "metric": "accuracy", "seeds": SEEDS, "steps_per_arm": 400, "margin": 0.01, "augment": "affine+mixup",
        "classifier": "small residual network",
        "augmentation": {"chosen": "affine+mixup", "scores": {"none": 0.871, "affine": 0.902, "affine+mixup": 0.913}},
        "steps": {
            "chosen": 400,
            "scores": {"100": 0.86, "200": 0.89, "400": 0.913, "800": 0.914},
            "why": "the baseline's validation accuracy rises by less than half a point beyond",
        },
        "models": 1, "retrained": True, "images": 1198,
        "covers": "the interval covers retraining the classifier and new test images, not another GAN or another "
        "training set",
        "selection": {"seeds": 4, "left_out": 3, "arms": selection},
        "arms": arms,
        "left_out": {"real+held-out+longer": "no real image is unused"},
        "headline": {
            "against": BASE, "arm": BOTH, "fraction": 0.25, "delta": 0.018, "ci": [0.009, 0.027], "p": 0.00195,
            "minimum_detectable": 0.011, "verdict": "helps",
        },
        "curve": [
            {
                "per_class": float(n), "images": 10 * n, "scores": (m + rng.normal(0, 0.03 / n**0.5, SEEDS)).tolist(),
                "mean": m, "sd": 0.03 / n**0.5, "fitted": m + 0.001,
            }
            for n, m in sizes.items()
        ],
        "real_equivalents": {
            "per_class": 93.0, "ci": [41.0, 118.0],
            "why": "120 images a class and the gain teach as much as 213 images a class without it",
        },
        "controls": {
            "a_a": {"delta": -0.001, "ci": [-0.008, 0.006], "p": 0.84, "verdict": NONE, "passed": True},
            "copy": {"delta": -0.003, "ci": [-0.01, 0.004], "p": 0.4, "verdict": NONE} | passed,
            "wrong_label": {"delta": -0.041, "ci": [-0.052, -0.03], "p": 0.00195, "verdict": "hurts"} | passed,
        },
    }  # fmt: skip


def example_fidelity():
    values = {
        "fd": (12.31, 8.07), "kid": (0.0041, 0.0007), "precision": (0.83, 0.9), "recall": (0.71, 0.89),
        "density": (0.92, 1.01), "coverage": (0.88, 0.96),
    }  # fmt: skip
    table: dict[str, Any] = {"encoder": "own:ab12cd", "images": 239, "floor": "held-out real images"}
    for key, (value, floor) in values.items():
        table |= {key: value, f"{key}_ci": around(value, 0.07 * value)}
        table |= {f"{key}_floor": floor, f"{key}_floor_ci": around(floor, 0.06 * floor)}
    own = {"images": 24, "precision": 0.8, "recall": 0.7, "density": 0.9}
    ladder = {"noise": [8.1, 14.2, 31.0, 77.5], "blur": [8.1, 9.9, 18.4, 40.2]}
    ladder |= {"collapse": [8.1, 11.0, 19.7, 58.0], "labels": [8.1, 12.6, 25.3, 49.9]}
    return table | {
        "per_class": {name: own | {"coverage": 0.8 + k / 100} for k, name in enumerate(CLASSES)},
        "ladder": ladder,
        "usable": True,
        "why": "",
    }


def example_memorization():
    own = {"verdict": "healthy", "images": 24, "copies": 0, "nn_ratio": 0.0, "authpct": 57.0, "dcr": 0.5, "dcr_p": 0.5}
    return {
        "verdict": "healthy", "images": 5000, "copies": 0, "ct": -0.8, "variety": 0.94,
        "authpct": 58.2, "null_authpct": 55.1,
        "dcr": 0.51, "null_dcr": 0.49, "dcr_p": 0.41, "nn_ratio": 0.0, "null_nn_ratio": 0.005,
        "cas_gap": 0.004, "cas_gap_ci": [-0.006, 0.014], "discriminator_auc": 0.58, "encoder": "pixels",
        "why": "samples lie no nearer to training than to held-out images",
        "per_class": {name: own | ({"verdict": "not testable"} if name == "8" else {}) for name in CLASSES},
    }  # fmt: skip


def example_result() -> dict[str, Any]:
    """A study that helps, with every part."""
    return {
        "schema": 1,
        "ganaug": "0.1.0",
        "model": "runs/digits",
        "command": "ganaug measure runs/digits --train sklearn:digits:train --test sklearn:digits:test -o report",
        "splits": {"train": "3f9a1c2b77d0e4", "val": "b81d0e55aa3412", "test": "0c77e1f29b5d60"},
        "seconds": {
            "gan": 312.4, "choosing": 21.9, "classifiers": 96.0, "curve": 14.2, "fidelity": 8.1, "memorization": 4.7,
        },
        "data": {
            "classes": list(CLASSES), "train": 959, "val": 239, "test": 599,
            "per_class": {c: {"train": 96 - k, "val": 24, "test": 60} for k, c in enumerate(CLASSES)},
        },
        "versions": {"python": "3.11.9", "torch": "2.14.1"},
        "gain": example_gain(),
        "cas": {"gan_train": 0.804, "gan_test": 0.931, "real": 0.910},
        "fidelity": example_fidelity(),
        "memorization": example_memorization(),
        "recommendation": {
            "use": True, "fraction": 0.25, "classes": [],
            "why": "on validation a quarter of synthetic images gained 1.6 points, and the test images agree",
        },
        "notes": ["One generator was trained, once."],
    }  # fmt: skip


def first_result() -> dict[str, Any]:
    """The same as the first reports had it: fewer arms, and of each only what was promised."""
    result = example_result()
    gain = result["gain"]
    kept = [{k: v for k, v in arm.items() if k not in BESIDE} for arm in gain["arms"] if arm["name"] != "real+held-out"]
    for key in ("steps", "models", "retrained", "images", "covers", "selection", "left_out", "curve"):
        del gain[key]
    gain["arms"] = [arm for arm in kept if "weights" not in arm["name"] and "longer" not in arm["name"]]
    gain["real_equivalents"] = {"per_class": None, "ci": None, "why": "no learning curve was measured"}
    gain["controls"] = {"a_a": {"delta": -0.001, "ci": [-0.008, 0.006], "p": 0.84, "verdict": NONE}}
    result["fidelity"] = {"encoder": "own:ab12cd", "images": 239, "fd": 12.31, "fd_floor": 8.07, "per_class": {}}
    result["memorization"] = {"verdict": "healthy", "copies": 0, "ct": -0.8, "encoder": "pixels", "per_class": {}}
    result["data"]["per_class"] = dict.fromkeys(CLASSES, 96)
    return result


def with_headline(verdict, delta, ci, **parts):
    result = example_result()
    result["gain"]["headline"] |= {"verdict": verdict, "delta": delta, "ci": ci}
    result["gain"] |= {key: parts.pop(key) for key in list(parts) if key in result["gain"]}
    return result | {key: result[key] | value for key, value in parts.items()}


def renamed(result, names):
    """The same study with other class names, of as many classes as there are names."""
    result = copy.deepcopy(result)
    old = result["data"]["classes"]

    def table(by_class):
        return {name: by_class[old[k % len(old)]] for k, name in enumerate(names)} if by_class else by_class

    result["data"] |= {"classes": list(names), "per_class": table(result["data"]["per_class"])}
    for arm in result["gain"]["arms"]:
        arm |= {key: table(arm[key]) for key in ("per_class", "recall_ci", "recall_deltas") if key in arm}
    for part in ("fidelity", "memorization"):
        result[part]["per_class"] = table(result[part]["per_class"])
    return result


def example_pictures(classes=CLASSES):
    """Scans stand in for samples: what is tested is the page, not a generator."""
    digits = load("sklearn:digits")
    rows = torch.cat([(digits.labels == k % 10).nonzero()[:8, 0] for k in range(len(classes))])
    pairs = [(digits.images[i], digits.images[i + 40], 0.31 + 0.06 * i) for i in range(8)]
    return Pictures(digits.images[rows], tuple(classes), pairs)
