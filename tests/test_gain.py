"""The gain study: planted gains are found, choices see validation only, and the numbers agree with themselves."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from ganaug.data import LabeledImages, first_per_class, load, mix
from ganaug.errors import DataError
from ganaug.measures.advice import recommend
from ganaug.measures.arms import SECOND_STREAM
from ganaug.measures.choosing import baseline_seeds, choose_augmentation, choose_steps, fraction_seeds, rung
from ganaug.measures.copies import near_copies
from ganaug.measures.design import Design, Sets, jittered, made_by
from ganaug.measures.gain import covers, measure_gain
from ganaug.measures.grading import Labeled, Protocol

CLASSES = tuple("0123456789")
QUICK = Design(CLASSES, seeds=tuple(range(6)), augment="shift", steps=40, fractions=(0.5,), n_jobs=1)


def pair(data: LabeledImages) -> Labeled:
    return data.images, data.labels


@pytest.fixture(scope="module")
def sets() -> Sets:
    """Two images a class to train on; held-out real images play the synthetic ones."""
    few, rest = first_per_class(load("sklearn:digits:train"), 2)
    val, held_out = first_per_class(rest, 40)
    return Sets(pair(few), pair(val), pair(load("sklearn:digits:test")), (pair(held_out),))


@pytest.fixture(scope="module")
def planted(sets: Sets) -> dict[str, Any]:
    return measure_gain(sets, QUICK)


@pytest.fixture(scope="module")
def full(sets: Sets) -> dict[str, Any]:
    """Everything, for two generators, with validation images cut from the training images."""
    images, labels = sets.synthetic[0]
    half = len(labels) // 2
    two = ((images[:half], labels[:half]), (images[half:], labels[half:]))
    design = replace(QUICK, seeds=(0, 1), full=True, steps=10, gan_seconds=1e9)
    return measure_gain(replace(sets, synthetic=two, retrain=True), design)


# --- the whole study


def test_planted_help_is_found_and_recommended(planted):
    headline = planted["gain"]["headline"]
    assert headline["verdict"] == "helps" and headline["ci"][0] > 0 and headline["delta"] > 0.05
    assert headline["p"] == pytest.approx(2 / 2**6)
    advice = planted["recommendation"]
    assert advice["use"] and advice["fraction"] == 0.5 and advice["classes"] == list(CLASSES)
    assert advice["why"].endswith("and the test images agree: helps"), "four seeds on validation may say so"


def test_a_gain_is_worth_a_number_of_real_images_or_none_with_the_reason(planted):
    """Ten times the images are synthetic: that is beyond twice the two real ones a class."""
    worth = planted["gain"]["real_equivalents"]
    assert worth["per_class"] is None and "a curve needs 3 points" in worth["why"]


def test_arms_bear_the_promised_names_and_fractions(planted):
    arms = [(arm["name"], arm["fraction"]) for arm in planted["gain"]["arms"]]
    assert arms == [("real", 0.0), ("real+classical", 0.0), ("real+classical+synthetic", 0.5), ("synthetic", 1.0)]
    assert planted["gain"]["headline"]["against"] == "real+classical"
    assert planted["gain"]["steps_per_arm"] == 40 and planted["gain"]["seeds"] == 6


def test_the_full_study_has_every_promised_arm_and_control(full):
    gain = full["gain"]
    assert [arm["name"] for arm in gain["arms"]] == [
        "real", "real+classical", "real+synthetic", "real+classical+synthetic", "synthetic", "real+classical+longer"
    ]  # fmt: skip
    assert set(gain["left_out"]) == {"real+held-out"} and gain["retrained"] and gain["images"] == 420
    assert all(set(gain["controls"][name]) >= {"delta", "ci", "passed"} for name in ("a_a", "copy", "wrong_label"))
    assert gain["arms"][-1]["steps"] == 3 * gain["steps_per_arm"], (
        "the cap, for no GAN costs a thousand million seconds"
    )
    assert gain["longer"] == {"steps": 30, "most": 3, "capped": True}
    assert gain["models"] == 2 and "these 2 generators (one for each seed)" in gain["covers"]
    assert [point["per_class"] for point in gain["curve"]] == [5.0, 10.0, 20.0, 42.0]
    assert gain["curve"][-1]["scores"] == gain["arms"][1]["scores"], "the last point is the baseline"


def test_unused_real_images_are_the_upper_bound(sets: Sets):
    design = replace(QUICK, seeds=(0,), full=True, steps=5)
    gain = measure_gain(sets, design)["gain"]
    assert [arm["name"] for arm in gain["arms"]][-1] == "real+held-out"
    assert set(gain["left_out"]) == {"real+classical+longer"} and not gain["retrained"] and gain["images"] == 20


def test_unbalanced_classes_get_an_arm_with_weights_and_the_balanced_metric(sets: Sets):
    images, labels = sets.synthetic[0]
    kept = (labels > 4) | (torch.arange(len(labels)) % 8 == 0)
    rare = replace(sets, train=(images[kept], labels[kept]))
    gain = measure_gain(rare, replace(QUICK, seeds=(0,), steps=5))["gain"]
    assert gain["metric"] == "balanced_accuracy"
    assert [arm["name"] for arm in gain["arms"]][2] == "real+classical+weights"


def test_controls_pass_or_fail_by_what_they_must_show(sets: Sets):
    """Ten times the real images: wrong labels at half of each batch hurt; and a control that helps has failed."""
    found = measure_gain(sets, replace(QUICK, full=True))["gain"]["controls"]
    assert found["wrong_label"]["verdict"] == "hurts" and found["wrong_label"]["passed"]
    assert found["a_a"]["passed"] and found["copy"]["passed"] == (found["copy"]["ci"][0] <= 0)
    images, labels = sets.synthetic[0]
    helpful = replace(sets, synthetic=((images, (labels + 9) % 10),))
    wrong = measure_gain(helpful, replace(QUICK, full=True))["gain"]["controls"]["wrong_label"]
    assert wrong["verdict"] == "helps" and not wrong["passed"], "labels that are right once they are turned around"


def test_the_study_is_json_and_agrees_with_itself(planted):
    found = json.loads(json.dumps(planted["gain"]))
    _, base, mixed, _ = arms = found["arms"]
    assert base["delta"] == 0.0 and base["ci"] == [0.0, 0.0] and base["verdict"] == "baseline"
    assert mixed["delta"] == pytest.approx(mixed["mean"] - base["mean"])
    assert mixed["validation"]["delta"] == pytest.approx(mixed["validation"]["mean"] - base["validation"]["mean"])
    assert found["headline"]["delta"] == mixed["delta"] and mixed["p_holm"] is None
    for arm in arms:
        assert len(arm["scores"]) == 6
        assert arm["mean"] == pytest.approx(np.mean(arm["scores"])) == arm["metrics"]["accuracy"]
        assert arm["gap"] == pytest.approx(arm["train_mean"] - arm["mean"])
        assert set(arm["per_class"]) == set(CLASSES)


def test_gan_train_gan_test_and_real_stand_side_by_side(planted):
    _, base, _, synthetic = planted["gain"]["arms"]
    assert planted["cas"]["gan_train"] == synthetic["mean"]
    assert planted["cas"]["real"] == base["mean"]
    assert planted["cas"]["gan_test"] == pytest.approx(base["mean"], abs=0.1), "held-out images are as hard as test"


def test_controls_that_the_short_study_does_not_run_are_empty(planted):
    assert planted["gain"]["controls"] == {"a_a": {}, "copy": {}, "wrong_label": {}}


def test_the_study_is_a_function_of_its_images_and_seeds(sets: Sets):
    design = replace(QUICK, seeds=(0, 1), steps=5, classifier="small")
    once, again = (measure_gain(sets, design) for _ in range(2))
    for result in (once, again):
        del result["seconds"]
    assert once == again


# --- the design


@pytest.mark.parametrize("seeds", [(), (1, 1)])
def test_no_seed_or_one_twice_is_refused(seeds):
    with pytest.raises(DataError, match="seeds must be one or more, each once, got"):
        Design(CLASSES, seeds=seeds)


@pytest.mark.parametrize("fractions", [(), (0.0,), (0.5, 1.0)])
def test_fractions_outside_the_open_unit_interval_are_refused(fractions):
    with pytest.raises(DataError, match=r"fractions must be one or more numbers in \(0, 1\), got"):
        Design(CLASSES, fractions=fractions)


def test_no_synthetic_image_is_refused(sets: Sets):
    with pytest.raises(DataError, match="synthetic must be one set of images or more, got none"):
        replace(sets, synthetic=())


def test_reported_arms_learn_from_validation_images_that_were_cut_from_training(sets: Sets):
    assert len(sets.whole[1]) == 20 and sets.unused is not None
    cut = replace(sets, retrain=True)
    assert len(cut.whole[1]) == 420 and cut.unused is None
    assert len(cut.to_choose()["train"][1]) == 20, "while choosing they do not"


def test_what_copies_validation_images_is_not_there_while_choosing(sets: Sets):
    images, labels = sets.synthetic[0]
    fewer = replace(sets, choosing=((images[:100], labels[:100]),))
    assert len(fewer.to_choose()[made_by(0)][1]) == 100
    assert len(fewer.to_report(0)[made_by(0)][1]) == len(labels)


def test_wrong_labels_are_all_wrong_and_cover_every_class(sets: Sets):
    planted = sets.to_report(0)
    assert not (planted["wrong"][1] == sets.synthetic[0][1]).any()
    assert planted["wrong"][1].unique().tolist() == list(range(10))


def test_copies_are_near_and_never_equal(sets: Sets):
    images, labels = jittered(sets.train, 0)
    assert torch.equal(labels, sets.train[1]) and images.dtype == torch.uint8
    assert not (images == sets.train[0]).flatten(1).all(1).any()
    found = near_copies(images, sets.train[0])
    assert found.is_copy.double().mean() > 0.8 and (found.nearest == torch.arange(20)).double().mean() > 0.9


@pytest.mark.parametrize(("models", "words"), [(1, "not another GAN"), (3, "10 seeds take them in turn")])
def test_the_report_says_what_the_interval_covers(models, words):
    assert words in covers(models, 10)


# --- choices


def test_the_test_images_change_no_choice(sets: Sets):
    """Test images whose labels are turned around choose the same augmentation, steps and share."""
    images, labels = sets.test
    design = replace(QUICK, seeds=(0,), augment=None, steps=None, fractions=(0.25, 0.7))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ganaug.measures.choosing.default_steps", lambda _: 4)
        one, other = (
            measure_gain(replace(sets, test=(images, y)), design)["gain"] for y in (labels, (labels + 3) % 10)
        )
    for part in ("augmentation", "steps", "selection"):
        assert one[part] == other[part]
    assert one["headline"]["fraction"] == other["headline"]["fraction"] and len(one["augmentation"]["scores"]) == 6
    assert one["headline"]["delta"] != other["headline"]["delta"]
    assert "test" not in sets.to_choose()


def test_no_seed_that_chooses_is_reported():
    reported = {mix(0, i) for i in range(100)}
    again = {mix(seed, SECOND_STREAM) for seed in reported}
    assert len(fraction_seeds(0)) == 4
    assert not {*fraction_seeds(0), *baseline_seeds(0)} & (reported | again)


def test_augmentation_is_chosen_greedily_on_validation_and_every_score_is_shown(sets: Sets):
    name, scores = choose_augmentation(sets.train, sets.val, Protocol(10, 20, n_jobs=1), "accuracy", seeds=1)
    base = next(iter(name.split("+")))
    assert list(scores)[:3] == ["none", "affine", "trivial"] and len(scores) == 6
    assert f"{base}+flip" in scores and scores[name] >= max(scores[b] for b in ("none", "affine", "trivial"))


def test_equal_validation_scores_give_the_simplest_augmentation(sets: Sets):
    images, labels = sets.train
    name, scores = choose_augmentation(
        (images, labels * 0), (images, labels * 0), Protocol(2, 20, n_jobs=1), "accuracy", seeds=1
    )
    assert set(scores.values()) == {1.0} and name == "none"


def test_steps_stop_where_doubling_adds_less_than_half_a_point():
    assert rung({400: 0.9, 800: 0.95, 1600: 0.954}) == 800
    assert rung({400: 0.95, 800: 0.94}) == 400
    assert rung({400: 0.8, 800: 0.85, 1600: 0.9}) == 1600


def test_the_augmentation_already_gives_the_first_rung(sets: Sets):
    protocol = Protocol(10, 5, n_jobs=1)
    name, tried = choose_augmentation(sets.train, sets.val, protocol, "accuracy")
    alone = choose_steps(sets.train, sets.val, protocol, "accuracy", name)
    assert choose_steps(sets.train, sets.val, protocol, "accuracy", name, known=tried[name]) == alone


def test_steps_go_on_while_the_baseline_learns(sets: Sets):
    steps, scores = choose_steps(sets.train, sets.val, Protocol(10, 5, n_jobs=1), "accuracy", "none")
    assert set(scores) <= {5, 10, 20} and scores[10] - scores[5] > 0.005 and steps == rung(scores)


# --- recommendation


def chosen(on_val: str, on_test: str) -> dict:
    low = 0.004 if on_val == "helps" else -0.004
    return {
        "fraction": 0.25,
        "verdict": on_test,
        "validation": {"verdict": on_val, "delta": 0.0123, "ci": [low, 0.02]},
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
    assert "25 %" in advice["why"] and "+1.2 points (" in advice["why"] and "to +2.0)" in advice["why"]
    if on_val == on_test:
        assert advice["why"].endswith(f", and the test images agree: {on_test}")
    else:
        assert advice["why"].endswith(f", while the test images say: {on_test}")


def test_two_studies_that_know_nothing_do_not_contradict_each_other():
    why = recommend(chosen("inconclusive", "no measurable difference"), ["cat"], copying=False)["why"]
    assert why.endswith("; on the test images: no measurable difference")


def test_copying_is_never_recommended_and_says_so_first():
    advice = recommend(chosen("helps", "hurts"), ["cat"], copying=True)
    assert not advice["use"] and advice["why"].startswith("the synthetic images copy training images; with 25 %")
    assert advice["why"].endswith("while the test images say: hurts")


def test_fewer_than_six_seeds_recommend_nothing():
    advice = recommend(chosen("helps", "inconclusive"), ["cat"], copying=False, seeds=5)
    assert not advice["use"] and advice["why"].startswith("fewer than 6 seeds decide nothing")
