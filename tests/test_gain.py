"""The gain study: planted gains are found, choices see validation only, and the numbers agree with themselves."""

import inspect
import json

import numpy as np
import pytest

from ganaug.data import LabeledImages, first_per_class, load
from ganaug.errors import DataError
from ganaug.measures.gain import (
    BASELINE,
    MIXED,
    Metric,
    Study,
    choose_augmentation,
    choose_fraction,
    measure_gain,
    recommend,
)
from ganaug.measures.grading import Fit, Labeled, Protocol, grade

CLASSES = tuple("0123456789")


def pair(data: LabeledImages) -> Labeled:
    return data.images, data.labels


@pytest.fixture(scope="module")
def sets() -> dict[str, Labeled]:
    """Two images a class to train on; held-out real images play the synthetic ones."""
    few, rest = first_per_class(load("sklearn:digits:train"), 2)
    val, held_out = first_per_class(rest, 40)
    return {
        "train": pair(few),
        "val": pair(val),
        "test": pair(load("sklearn:digits:test")),
        "synthetic": pair(held_out),
    }


@pytest.fixture(scope="module")
def planted(sets):
    return measure_gain(**sets, classes=CLASSES, augment="shift", seeds=6, fractions=(0.5,), steps=40, n_jobs=1)


# --- the whole study


def test_planted_help_is_found_and_recommended(planted):
    headline = planted["gain"]["headline"]
    assert headline["verdict"] == "helps" and headline["ci"][0] > 0 and headline["delta"] > 0.05
    assert headline["p"] == pytest.approx(2 / 2**6)
    assert planted["recommendation"] == {
        "use": True,
        "fraction": 0.5,
        "classes": list(CLASSES),
        "why": planted["recommendation"]["why"],
    }


def test_arms_bear_the_promised_names_and_fractions(planted):
    arms = [(arm["name"], arm["fraction"]) for arm in planted["gain"]["arms"]]
    assert arms == [("real+classical", 0.0), ("real+classical+synthetic", 0.5), ("synthetic", 1.0)]
    assert planted["gain"]["headline"]["against"] == "real+classical"
    assert planted["gain"]["steps_per_arm"] == 40 and planted["gain"]["seeds"] == 6


def test_the_study_is_json_and_agrees_with_itself(planted):
    base, mixed, synthetic = json.loads(json.dumps(planted))["gain"]["arms"]
    assert base["delta"] == 0.0 and base["ci"] == [0.0, 0.0] and base["verdict"] == "baseline"
    assert mixed["delta"] == pytest.approx(mixed["mean"] - base["mean"])
    assert mixed["validation"]["delta"] == pytest.approx(mixed["validation"]["mean"] - base["validation"]["mean"])
    for arm in (base, mixed, synthetic):
        assert len(arm["scores"]) == 6
        assert arm["mean"] == pytest.approx(np.mean(arm["scores"]))
        assert arm["gap"] == pytest.approx(arm["train_mean"] - arm["mean"])
        assert set(arm["per_class"]) == set(CLASSES)


def test_gan_train_gan_test_and_real_stand_side_by_side(planted):
    base, _, synthetic = planted["gain"]["arms"]
    assert planted["cas"]["gan_train"] == synthetic["mean"]
    assert planted["cas"]["real"] == base["mean"]
    assert planted["cas"]["gan_test"] == pytest.approx(base["mean"], abs=0.1), (
        "held-out real images are as hard as test"
    )


def test_the_baseline_against_itself_under_other_seeds_shows_no_gain(planted):
    low, high = planted["gain"]["controls"]["a_a"]["ci"]
    assert low < 0 < high


def test_controls_that_the_short_protocol_does_not_run_are_empty(planted):
    controls = planted["gain"]["controls"]
    assert set(controls) == {"a_a", "copy", "wrong_label"}
    assert controls["copy"] == controls["wrong_label"] == {}


def test_copies_are_never_recommended(planted):
    mixed = planted["gain"]["arms"][1]
    advice = recommend(mixed, CLASSES, copying=True)
    assert not advice["use"] and advice["fraction"] == 0.0 and "copy training images" in advice["why"]


@pytest.mark.parametrize("seeds", [0, [1, 1]])
def test_no_seed_or_one_twice_is_refused(sets, seeds):
    with pytest.raises(DataError, match="seeds must be one or more, each once, got"):
        measure_gain(**sets, classes=CLASSES, augment="none", seeds=seeds)


@pytest.mark.parametrize("fractions", [(), (0.0,), (0.5, 1.0)])
def test_fractions_outside_the_open_unit_interval_are_refused(sets, fractions):
    with pytest.raises(DataError, match=r"fractions must be one or more numbers in \(0, 1\), got"):
        measure_gain(**sets, classes=CLASSES, augment="none", fractions=fractions)


# --- choices


def test_what_is_chosen_is_chosen_without_the_test_images():
    assert "test" not in inspect.signature(choose_augmentation).parameters
    assert list(inspect.signature(choose_fraction).parameters) == ["val_scores"]


def test_the_headline_is_the_fraction_best_on_validation_not_on_test():
    study = handmade(val={0.25: 0.9, 0.5: 0.7}, test={0.25: 0.6, 0.5: 0.95})
    assert choose_fraction({f: study.scores((MIXED, f), "val") for f in (0.25, 0.5)}) == 0.25


def test_augmentation_is_chosen_on_validation_and_every_score_is_shown(sets):
    policies = ("none", "shift")
    name, scores = choose_augmentation(
        sets["train"], sets["val"], num_classes=10, policies=policies, seeds=1, steps=40, n_jobs=1
    )
    assert tuple(scores) == policies
    assert scores[name] == max(scores.values())


def test_equal_validation_scores_give_the_simplest_augmentation(sets):
    images, labels = sets["train"]
    name, scores = choose_augmentation(
        (images, labels * 0),
        (images, labels * 0),
        num_classes=2,
        policies=("none", "shift"),
        seeds=1,
        steps=20,
        n_jobs=1,
    )
    assert scores == {"none": 1.0, "shift": 1.0} and name == "none"


# --- recommendation


def chosen(on_val: str, on_test: str) -> dict:
    return {
        "fraction": 0.25,
        "verdict": on_test,
        "validation": {"verdict": on_val, "delta": 0.0123, "ci": [0.004, 0.02]},
    }


@pytest.mark.parametrize(
    ("on_val", "on_test", "use"),
    [
        ("helps", "helps", True),
        ("helps", "inconclusive", True),
        ("helps", "hurts", False),
        ("inconclusive", "helps", False),
        ("no measurable difference", "no measurable difference", False),
    ],
)
def test_validation_recommends_and_harm_on_test_forbids(on_val, on_test, use):
    advice = recommend(chosen(on_val, on_test), ["cat"], copying=False)
    assert advice["use"] is use
    assert advice["classes"] == (["cat"] if use else [])
    assert "25 %" in advice["why"] and "+1.2 points (+0.4 to +2.0: " in advice["why"]
    assert ("agree" in advice["why"]) == (on_val == on_test)
    assert (f"test images say: {on_test}" in advice["why"]) == (on_val != on_test)


def test_copying_says_so_first_and_adds_where_validation_and_test_disagree():
    copies = "the synthetic images copy training images"
    assert recommend(chosen("helps", "helps"), ["cat"], copying=True)["why"] == copies
    why = recommend(chosen("helps", "hurts"), ["cat"], copying=True)["why"]
    assert why.startswith(f"{copies}; with 25 %") and why.endswith("while the test images say: hurts")


# --- from rows of right and wrong to numbers


def handmade(val: dict[float, float], test: dict[float, float], metric: Metric = "accuracy") -> Study:
    """Six seeds a set of 100 images, right as often as said; the baseline is right on half of them."""

    def right(share: float) -> np.ndarray:
        return np.tile(np.arange(100) < round(100 * share), (6, 1))

    arms = {(MIXED, f): {"val": right(val[f]), "test": right(test[f])} for f in val}
    base = {BASELINE: {"val": right(0.5), "test": right(0.5)}}
    labels = (np.arange(100) >= 80).astype(np.int64)
    return Study(base | arms, {"val": labels, "test": labels}, ("big", "small"), metric, 0.01)


def test_accuracy_and_balanced_accuracy_weigh_classes_differently():
    arm = (MIXED, 0.5)  # right on all 80 images of the big class and half of the 20 of the small one
    assert handmade({0.5: 0.9}, {0.5: 0.9}).scores(arm, "test") == pytest.approx([0.9] * 6)
    assert handmade({0.5: 0.9}, {0.5: 0.9}, "balanced_accuracy").scores(arm, "test") == pytest.approx([0.75] * 6)


def test_balanced_difference_is_the_difference_of_balanced_scores():
    study = handmade({0.5: 0.9}, {0.5: 0.9}, "balanced_accuracy")
    scores = study.scores((MIXED, 0.5), "test") - study.scores(BASELINE, "test")
    assert study.difference((MIXED, 0.5), "test")["delta"] == pytest.approx(scores.mean())


def test_recall_is_per_class_on_the_test_images():
    assert handmade({0.5: 0.2}, {0.5: 0.9}).recalls((MIXED, 0.5)) == {"big": 1.0, "small": 0.5}


# --- fan-out


def test_processes_do_not_change_the_grades(sets):
    arms = {name: [Fit(s, name, ("val",)) for s in (0, 1)] for name in ("none", "affine+mixup")}
    alone, beside = (
        grade(arms, {"train": sets["train"], "val": sets["val"]}, Protocol(10, steps=10, n_jobs=n)) for n in (1, 2)
    )
    assert all(np.array_equal(alone[name]["val"], beside[name]["val"]) for name in arms)
    assert alone["none"]["val"].shape == (2, 400) and alone["none"]["val"].dtype == bool
