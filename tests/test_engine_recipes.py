"""The studies of the engine at toy size, and their tables by hand."""

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import engine
import engine_exam
import engine_runs
import numpy as np
import pytest
from engine_images import everything, long_tailed, per_class, read, tenth
from engine_runs import REAL, Arm, Budget, at_the_end, equal, health, steps_within
from engine_tables import Claim, Truth, accuracy_ratio, distance_ratio, shown, summary
from shell import learn_fast, pictures, write_folder
from tiny_run import unfinish

import ganaug
from ganaug.checkpoint import folder_of
from ganaug.data import LabeledImages, shared
from ganaug.measures import crossed_bootstrap

TINY = ("nets.width=4", "nets.z_dim=4", "train.batch_size=8", "train.choose_by=distance")
HAND = Truth(np.array([0, 0, 1, 1, 2, 2]), np.array([50, 40, 3]))  # class 2 is the tail


def mark(*said: list[int], **facts: Any) -> dict[str, Any]:
    distances = {"fd": 1.0, "class_fd": 2.0, "precision": 0.5, "recall": 0.25}
    return {"said": list(said), "collapsed": False, **distances, **facts}


RIGHT, HALF = [0, 0, 1, 1, 2, 2], [0, 1, 1, 0, 2, 0]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stand-ins for the sets: three classes, 8 px, told apart by their brightness."""
    root = tmp_path_factory.mktemp("data")
    for name in ("MNIST", "FashionMNIST", "CIFAR10"):
        write_folder(root / name / "train", pictures(240))
        write_folder(root / name / "test", pictures(30, seed=1))
    return root


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch, folders: Path, tmp_path: Path) -> Any:
    """Runs a study with small networks, few images and classifiers that hardly learn."""
    learn_fast(monkeypatch)
    monkeypatch.setattr("ganaug.run.judge.IMAGES", 30)
    monkeypatch.setattr("ganaug.measures.selftraining.default_steps", lambda n: 10)
    monkeypatch.setattr(engine_runs, "choices", lambda real, device, n_jobs: {"augment": "shift", "steps": 10})

    def run(name: str, **options: Any) -> dict[str, Any]:
        study = engine.STUDIES[name]
        arms = {arm: replace(how, settings=(*how.settings, *TINY)) for arm, how in study.arms.items()}
        monkeypatch.setitem(engine.STUDIES, name, replace(study, arms=arms, each=12, device="cpu"))
        places = {"data": folders, "work": tmp_path / "work", "out": tmp_path / "out"}
        engine.main(name, **{"steps": 3, "seeds": 1, "workers": 1, **places, **options})
        monkeypatch.setitem(engine.STUDIES, name, study)
        return json.loads((tmp_path / "out" / f"{name}.json").read_text())

    return run


def runs(tmp_path: Path) -> dict[str, bytes]:
    """Every mark that is kept."""
    return {path.name: path.read_bytes() for path in (tmp_path / "work").glob("*/*-*.json")}


@pytest.mark.parametrize("name", engine.STUDIES)
def test_every_study_says_what_each_arm_came_to_and_what_was_owed(toy, tmp_path: Path, name: str):
    study = engine.STUDIES[name]
    found = toy(name)
    assert [row["images of"] for row in found["rows"]] == [*study.arms, REAL]
    assert all(0 <= row["GAN-train"] <= 1 and row["FD"] >= 0 for row in found["rows"])
    assert all((row["tail recall"] is None) == (name != "tail") for row in found["rows"])
    assert [claim["owed"] for claim in found["claims"]] == [f"{c.sign} {c.owed:g}" for c in study.claims]
    assert all(claim["found"] is not None and claim["seeds"] == 1 for claim in found["claims"])
    assert {"command", "commit", "versions", "machine", "device", "covers", "trained_at"} <= found.keys()
    assert {run["steps"] for arm in study.arms for run in found["runs"][arm]} == {3}
    page = (tmp_path / "out" / f"{name}.md").read_text()
    assert page.startswith(f"# {study.title}\n\n| images of |") and "3 steps on cpu" in page


def test_a_finished_run_is_never_trained_again_and_other_seeds_are_added(toy, tmp_path: Path, monkeypatch):
    toy("mnist")
    kept = runs(tmp_path)
    found = toy("mnist", seeds=2)
    assert kept.items() < runs(tmp_path).items() and len(runs(tmp_path)) == 2 * len(kept) == 4
    assert [run["seed"] for run in found["runs"]["default"]] == [0, 1]
    assert found["rows"][0]["GAN-train, sd"] is not None

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(engine_runs, "train", never)
    assert toy("mnist", seeds=2)["rows"] == found["rows"]


def test_an_interrupted_run_goes_on_to_the_same_mark(toy, tmp_path: Path):
    toy("mnist")
    before = runs(tmp_path)
    (path,) = (tmp_path / "work").glob("*/default-0.json")
    path.unlink()
    unfinish(path.with_suffix(""))
    toy("mnist")
    ours, theirs = (json.loads(found["default-0.json"]) for found in (before, runs(tmp_path)))
    assert ours.pop("seconds") > 0 and theirs.pop("seconds") > 0
    assert ours == theirs


def test_a_run_that_diverges_for_good_is_a_collapse_without_images(toy, monkeypatch):
    def diverge(*_: Any, **__: Any) -> None:
        raise ganaug.errors.DivergedError("step 7: went wrong", step=7)

    monkeypatch.setattr(engine_runs, "train", diverge)
    found = toy("mnist")
    assert found["rows"][0] | {"runs": 1, "collapsed": 1, "GAN-train": None, "FD": None} == found["rows"][0]
    assert found["claims"][0]["found"] is None and not found["claims"][0]["met"]
    assert found["runs"]["default"][0]["diverged"] == "step 7: went wrong"


def test_an_unknown_study_is_refused():
    with pytest.raises(engine.typer.BadParameter, match="one of digits, mnist"):
        engine.main("mnits")


@pytest.mark.slow
def test_minutes_and_two_processes_come_to_the_same_marks_as_one(toy, tmp_path: Path, monkeypatch):
    toy("tenth", workers=1, seeds=2)
    alone = {name: json.loads(content)["said"] for name, content in runs(tmp_path).items()}
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")
    found = toy("tenth", workers=2, seeds=2, work=tmp_path / "other")
    assert found["runs_at_a_time"] == 2 and len(alone) == 6
    two = {path.name: json.loads(path.read_text()) for path in (tmp_path / "other").glob("*/*-*.json")}
    assert {name: mark["said"] for name, mark in two.items()} == alone
    assert {mark["threads"] for mark in two.values() if "threads" in mark} == {1}
    timed = toy("tenth", workers=1, minutes=0.3, steps=0, work=tmp_path / "timed")
    (steps,) = {run["steps"] for arm in timed["arms"] for run in timed["runs"][arm]}
    assert steps > 3 and all(row["minutes"] < 1 for row in timed["rows"] if row["minutes"])


def test_the_classical_augmentation_and_the_steps_are_chosen_on_real_images(digits: LabeledImages, monkeypatch):
    learn_fast(monkeypatch)
    monkeypatch.setattr(engine_exam, "default_steps", lambda n: 5)
    monkeypatch.setattr("ganaug.measures.choosing.BASELINE_SEEDS", 1)
    found = engine_exam.choices(engine_exam.up_to(4, digits), "cpu", 1)
    assert found["augment"].split("+")[0] in ("none", "affine", "trivial") and found["steps"] in (5, 10, 20)


def test_generators_learn_from_the_same_few_images_and_from_no_test_image():
    few, again = (read("sklearn:digits", per_class(20), Path()) for _ in range(2))
    assert few.train.counts.tolist() == [20] * 10 and len(few.test) == 599 and len(few.whole) == 1198
    assert few.train.fingerprint == again.train.fingerprint
    assert few.rest and len(few.rest) == 998 and not shared(few.rest, few.train) and not shared(few.test, few.train)


def test_a_tail_falls_from_most_to_a_hundredth_of_it(digits: LabeledImages):
    taken, rest = long_tailed(most=100, imbalance=100)(digits)
    assert taken.counts.tolist() == [100, 60, 36, 22, 13, 8, 5, 3, 2, 1]
    assert rest and len(taken) + len(rest) == len(digits) and not shared(rest, taken)


def test_a_tenth_is_stratified_and_everything_is_everything(digits: LabeledImages):
    part, rest = tenth(digits)
    assert all(abs(n - whole / 10) < 1 for n, whole in zip(part.counts.tolist(), digits.counts.tolist(), strict=True))
    assert len(part) + len(rest) == len(digits)
    assert everything(digits) == (digits, None)


def test_minutes_become_steps():
    """0.1 s a step; 3 s before and after the loop; each of ten checkpoints takes 2 s."""
    log = [{"step": step, "seconds": 5 + step / 10} for step in range(10, 100, 10)] + [{"step": 100, "seconds": 99}]
    assert steps_within(60, whole=15, loop=12, log=log) == (60 - 3 - 10 * 2) * 10
    assert steps_within(1, whole=15, loop=12, log=log) == 1


def test_arms_of_one_recipe_take_equal_steps():
    arms = {"a": Arm(), "b": Arm(settings=("train.augment=none",)), "c": Arm("dcgan")}
    assert equal(arms, {"a": 700, "b": 500, "c": 900}) == {"a": 500, "b": 500, "c": 900}


def test_a_budget_names_its_unit():
    assert [str(b) for b in (Budget(3), Budget(images=200_000), Budget(steps=10))] == [
        "3 minutes",
        "200,000 images",
        "10 steps",
    ]


@pytest.mark.parametrize(
    ("last", "alarms", "collapsed"),
    [
        (1.9, {}, False),
        (2.1, {}, True),
        (1.0, {"3000": {"collapse": "collapse: ..."}}, True),
        (1.0, {"3000": {"D wins": "the discriminator wins: ..."}}, False),
    ],
)
def test_a_run_has_collapsed_where_its_end_is_twice_its_best_or_a_class_lost_its_variety(
    tmp_path: Path, last: float, alarms: dict[str, Any], collapsed: bool
):
    facts = {"scores": {"1000": 2.0, "3000": 3.0}, "seconds": 6.0, "best_step": 1000, "faults": [], "alarms": alarms}
    (tmp_path / "run.json").write_text(json.dumps(facts))
    found = health(tmp_path, last)
    assert found["collapsed"] is collapsed and found["last_over_best"] == last
    for kind, where in (("collapse", found["shrunken_at"]), ("D wins", found["d_won_at"])):
        assert where == ([3000] if kind in alarms.get("3000", {}) else [])


def test_the_end_of_a_run_is_its_last_checkpoint_whichever_was_shipped(tmp_path: Path):
    recipe = ganaug.load_recipe("auto", [*TINY, "train.steps=4", "train.checkpoint_every=2"])
    with pytest.MonkeyPatch.context() as patch:
        learn_fast(patch)
        shipped = ganaug.train(read("sklearn:digits", per_class(20), tmp_path).train, tmp_path / "run", recipe)
    end = at_the_end(tmp_path / "run", shipped)
    weights = (folder_of(tmp_path / "run/checkpoints", 4) / "G_ema.safetensors").read_bytes()
    assert end.hash == hashlib.sha256(weights).hexdigest()
    assert (end.hash == shipped.hash) == (shipped.provenance["best_step"] == 4)


def test_what_an_arm_came_to_is_a_mean_over_seeds_with_its_deviation():
    marks = [mark(RIGHT, HALF, fd=1.0, steps=9), mark(HALF, HALF, fd=3.0, steps=9), {"diverged": "", "collapsed": True}]
    row = summary("default", marks, HAND)
    assert (row["runs"], row["collapsed"], row["FD"], row["FD, sd"]) == (3, 1, 2.0, pytest.approx(math.sqrt(2)))
    assert row["GAN-train"] == pytest.approx((0.75 + 0.5) / 2) and row["tail recall"] == pytest.approx(0.625)
    assert row["minutes"] is None and row["steps"] == 9
    (cells,) = shown([row])
    assert cells["FD"] == "2 ± 1.4" and cells["steps"] == 9 and "minutes" not in cells and "FD, sd" not in cells


def test_differences_are_paired_over_seeds_and_test_images():
    ours, theirs = [mark(RIGHT, RIGHT), mark(RIGHT, HALF)], [mark(HALF, HALF), mark(RIGHT, HALF)]
    marks = {"a": [*ours, mark(RIGHT)], "b": [*theirs, {"diverged": "", "collapsed": True}]}
    row = Claim("GAN-train accuracy, difference", "b", ">", 0.2).row("a", marks, HAND)
    expected = crossed_bootstrap([[0, 1, 0, 1, 0, 1], [0] * 6])
    assert (row["found"], row["95 %"], row["seeds"]) == (0.25, [expected.low, expected.high], 2)
    assert row["each"] == "0.5, 0" and row["met"] and not row["surely"]
    tail = Claim("GAN-train recall of the tail, difference", "b", ">=", 0.25).row("a", marks, HAND)
    assert tail["found"] == 0.25 and tail["met"] and tail["each"] == "0.5, 0"


def test_a_lone_generator_is_judged_by_its_classifiers():
    row = Claim("GAN-train accuracy, difference", "b", ">", 0).row(
        "a", {"a": [mark(RIGHT, RIGHT, HALF)], "b": [mark(HALF, HALF, HALF)]}, HAND
    )
    assert row["found"] == pytest.approx(1 / 3) and row["each"] == "0.5, 0.5, 0" and row["seeds"] == 1


def test_the_ratio_of_equal_accuracies_is_one_beyond_doubt():
    many = Truth(np.tile(HAND.labels, 20), HAND.counts)
    half, whole = mark(20 * HALF, 20 * HALF), mark(20 * RIGHT, 20 * RIGHT)
    found = accuracy_ratio([half, whole], [half, whole], many)
    assert (found.estimate, found.ends, found.each) == (1.0, [1.0, 1.0], [1.0, 1.0])
    found = accuracy_ratio([half, half], [whole, whole], many)
    assert found.estimate == 0.5 and found.ends and found.ends[0] < 0.5 < found.ends[1]


def test_the_ratio_of_distances_has_an_interval_over_the_logarithms_of_its_seeds():
    ours, theirs = [mark(RIGHT, fd=1.0), mark(RIGHT, fd=2.0)], [mark(RIGHT, fd=4.0), mark(RIGHT, fd=4.0)]
    found = distance_ratio(ours, theirs, HAND)
    centre, half = math.log(math.sqrt(1 / 8)), 12.7062 * (math.log(2) / 2)  # t of 1 degree of freedom; |a - b| / 2
    assert found.estimate == 3 / 8 and found.each == [0.25, 0.5]
    assert found.ends == pytest.approx([math.exp(centre - half), math.exp(centre + half)], rel=1e-4)
    assert distance_ratio(ours[:1], theirs[:1], HAND).ends is None
    row = Claim("FD, ratio", "b", "<=", 0.65).row("a", {"a": ours, "b": theirs}, HAND)
    assert row["met"] and not row["surely"] and row["owed"] == "<= 0.65"


def test_features_of_copies_lie_at_no_distance_within_any_class(digits: LabeledImages):
    pixels = engine_exam.Encoder(lambda images: images.flatten(1).float(), "pixels")
    exam = engine_exam.Exam(digits, pixels, "none", 1, "cpu")
    found = exam.distances(digits.images, digits.labels)
    assert found["fd"] == pytest.approx(0, abs=1e-3) == found["class_fd"]
    assert found["precision"] == found["recall"] == 1 and list(found["per_class_fd"]) == list(digits.classes)
    swapped = exam.distances(digits.images, (digits.labels + 1) % 10)
    assert swapped["fd"] == found["fd"] and swapped["class_fd"] > 1000
