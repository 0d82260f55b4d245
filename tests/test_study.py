"""Studies of planted corpora: what the whole path says where the answer is known beforehand; and on which images."""

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import planted
import pytest
import torch
from PIL import Image
from shell import learn_fast
from torch import Tensor, nn

from ganaug.data import LabeledImages, first_per_class, load, shared, straddling
from ganaug.demo import write_folder
from ganaug.errors import DataError, ModelError
from ganaug.measures.design import jittered, joined
from ganaug.recipe import load_recipe
from ganaug.run import execute, plan, split
from ganaug.study import gather, measure

QUICK = load_recipe("auto", ["measure.steps=100", "measure.fractions=[0.7]"])
PROMISED = {
    "schema",
    "ganaug",
    "model",
    "splits",
    "seconds",
    "gain",
    "cas",
    "fidelity",
    "memorization",
    "recommendation",
}


@pytest.fixture(scope="module")
def parts(digits: LabeledImages) -> tuple[LabeledImages, LabeledImages, LabeledImages]:
    """Few training images, validation images, and others that stand in for synthetic ones."""
    train, rest = first_per_class(digits, 20)
    val, spare = first_per_class(rest, 50)
    return train, val, spare


@pytest.fixture(scope="module", params=planted.PLANTS)
def verdict(request: pytest.FixtureRequest) -> tuple[dict[str, Any], dict[str, Any]]:
    """(what measure.json says of a planted corpus, its line in the table of planted corpora)."""
    plant = planted.PLANTS[request.param]
    result = planted.judge(load("sklearn:digits"), plant, per_class=30, seeds=6, steps=100)
    return result, planted.row("digits", request.param, result)


@pytest.mark.slow
def test_planted_corpora_get_the_verdict_that_is_known(verdict):
    result, row = verdict
    assert row["right"], row
    assert set(result) >= PROMISED and result["fidelity"]["usable"]
    assert result["gain"]["selection"]["seeds"] == 4 and result["gain"]["seeds"] == 6


def test_a_report_of_two_seeds_decides_nothing(tmp_path: Path, parts, test_digits: LabeledImages):
    """The whole path, short: an RGB corpus of real images that nothing else holds, and a classifier of one's own."""
    colour = [replace(part, images=part.images.expand(-1, 3, -1, -1)) for part in (*parts, test_digits)]
    train, val, spare, test = colour
    recipe = load_recipe("auto", ["measure.steps=5", "measure.fractions=[0.5]", "measure.encoder=pixels"])
    result = measure(
        spare,
        train=train,
        val=val,
        test=test,
        out=tmp_path / "report",
        seeds=2,
        recipe=recipe,
        n_jobs=1,
        classifier=lambda shape, classes: nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * 64, classes)),
    )
    assert set(result) >= PROMISED and result["gain"]["headline"]["verdict"] == "inconclusive"
    assert result["recommendation"]["use"] is False and "fewer than 6 seeds" in result["recommendation"]["why"]
    assert result["fidelity"]["encoder"] == "pixels" and result["memorization"]["cas_gap_ci"][0] < 0.2
    assert json.loads((tmp_path / "report/measure.json").read_text()) == result


@pytest.mark.slow
def test_a_minute_of_training_teaches_a_classifier(
    tmp_path: Path, digits: LabeledImages, test_digits: LabeledImages, capsys: pytest.CaptureFixture[str]
):
    """Synthetic digits alone give 93 % on the real test digits; what real ones give stands beside it."""
    execute(plan(digits, load_recipe("auto", ["train.steps=2000"])), tmp_path / "run", quiet=True)
    result = measure(tmp_path / "run", train=digits, test=test_digits, out=tmp_path / "report", n_jobs=1)
    with capsys.disabled():
        print(
            f"\nGAN-train {result['cas']['gan_train']:.3f}, real {result['cas']['real']:.3f}, 599 test images, 10 seeds"
        )
    assert result["cas"]["gan_train"] >= 0.93


def test_a_corpus_of_another_split_is_judged_with_a_note(tmp_path: Path, parts, test_digits: LabeledImages):
    train, val, spare = parts
    write_folder(tmp_path / "corpus", spare)
    facts = {"classes": list(spare.classes), "directories": list(spare.classes), "real_data": "0" * 64}
    (tmp_path / "corpus/corpus.json").write_text(json.dumps(facts))
    evidence = gather(tmp_path / "corpus", train, val, test_digits, QUICK)
    assert len(evidence.notes) == 1 and "another training split" in evidence.notes[0]
    facts["real_data"] = train.fingerprint
    (tmp_path / "corpus/corpus.json").write_text(json.dumps(facts))
    assert gather(tmp_path / "corpus", train, val, test_digits, QUICK).notes == ()


# which images a study rests on


def noise(n: int, seed: int, name: str) -> LabeledImages:
    """Different images of two classes, no two of which are alike."""
    pixels = torch.randint(0, 256, (n, 1, 16, 16), generator=torch.Generator().manual_seed(seed)).to(torch.uint8)
    return LabeledImages(pixels, torch.arange(n) % 2, ("ant", "bee"), tuple(f"{name} {i}" for i in range(n)), name)


def with_images(data: LabeledImages, at: list[int], images: Tensor) -> LabeledImages:
    return replace(data, images=data.images.index_copy(0, torch.tensor(at), images))


def nearly(images: Tensor) -> Tensor:
    """Mirrored, and each pixel up to two levels off."""
    return (images.flip(3).int() + torch.randint(-2, 3, images.shape)).clamp(0, 255).to(torch.uint8)


TRAIN, TEST, CORPUS = noise(200, 0, "train"), noise(300, 1, "test"), noise(40, 2, "corpus")


def test_test_images_among_the_training_images_are_refused_and_listed(caplog: pytest.LogCaptureFixture):
    shared = with_images(TEST, list(range(60)), TRAIN.images[100:160])
    with caplog.at_level(logging.INFO, "ganaug"), pytest.raises(DataError) as caught:
        gather(CORPUS, TRAIN, None, shared, QUICK)
    assert str(caught.value) == (
        "test: images must not be among the training images, got 60 that are (test 0 equals train 100, test 1 equals "
        "train 101, test 2 equals train 102); remove them from one side, or pass --drop-overlap"
    )
    lines = [record.getMessage() for record in caplog.records]
    assert lines[49:] == ["test: test 49 equals train 149", "test: and 10 pairs more"]
    val = with_images(noise(50, 3, "val"), [7], TEST.images[9:10])
    with pytest.raises(DataError, match=r"got 1 that are \(test 9 equals val 7\)"):
        gather(CORPUS, TRAIN, val, TEST, QUICK)


def test_for_a_corpus_shared_images_are_dropped_from_training_with_their_copies(caplog: pytest.LogCaptureFixture):
    test = with_images(TEST, [4, 5], torch.cat([TRAIN.images[10:11], nearly(TRAIN.images[21:22])]))
    train = TRAIN.subset([*range(200), 10, 10])
    with caplog.at_level(logging.WARNING, "ganaug"):
        evidence = gather(CORPUS, train, None, test, QUICK, drop_overlap=True)
    assert len(evidence.train) + len(evidence.val) == 198 and len(evidence.test) == 300
    assert not {"train 10", "train 21"} & {*evidence.train.names, *evidence.val.names}
    overlap = evidence.overlap
    assert (overlap["exact"], overlap["near"], overlap["dropped"]) == (1, 1, {"from": "training", "images": 4})
    (exact, near), note = overlap["pairs"], evidence.notes[0]
    assert exact == ["test 4", "train 10", 1.0] and near[:2] == ["test 5", "train 21"] and 0.99 < near[2] < 1
    assert note.startswith("4 training images were dropped (--drop-overlap): they equal test images, or nearly do")
    assert note in caplog.text
    val = with_images(noise(50, 3, "val"), [7], TEST.images[9:10])
    assert len(gather(CORPUS, TRAIN, val, TEST, QUICK, drop_overlap=True).val) == 49


def test_near_duplicates_are_listed_and_refused_above_one_in_a_hundred(caplog: pytest.LogCaptureFixture):
    three = with_images(TEST, [0, 1, 2], nearly(TRAIN.images[50:53]))
    with caplog.at_level(logging.INFO, "ganaug"):
        overlap = gather(CORPUS, TRAIN, None, three, QUICK).overlap
    assert (overlap["exact"], overlap["near"], overlap["share"], overlap["dropped"]) == (0, 3, 0.01, None)
    assert {(a, b) for a, b, _ in overlap["pairs"]} == {(f"test {i}", f"train {50 + i}") for i in range(3)}
    assert "test: test 1 nearly equals train 51" in caplog.text
    assert "test: 3 images nearly equal training images (1.00 %)" in caplog.text
    many = with_images(TEST, list(range(30)), nearly(TRAIN.images[50:80]))
    caplog.clear()
    with caplog.at_level(logging.INFO, "ganaug"), pytest.raises(DataError) as caught:
        gather(CORPUS, TRAIN, None, many, QUICK)
    assert "at most 1% of the images may nearly equal a training image, got 30 (10.0%), the first test" in str(
        caught.value
    )
    assert "which nearly equals train" in str(caught.value) and "pass --drop-overlap" in str(caught.value)
    assert len(caplog.records) == 21 and "and 10 pairs more" in caplog.text
    evidence = gather(CORPUS, TRAIN, None, many, QUICK, drop_overlap=True)
    assert len(evidence.train) + len(evidence.val) == 170 and evidence.overlap["share"] == 0.1


def test_a_corpus_of_test_images_stays_refused():
    corpus = with_images(CORPUS, [3], TEST.images[8:9])
    for drop in (False, True):
        with pytest.raises(DataError, match=r"not be among those of test, got 1 .*corpus 3 equals test 8"):
            gather(corpus, TRAIN, None, TEST, QUICK, drop_overlap=drop)


def test_a_class_of_which_nothing_is_left_is_refused():
    train = TRAIN.subset([*range(0, 200, 2), 1])
    with pytest.raises(DataError, match="every class must have an image, got none for 'bee'"):
        gather(CORPUS, train, None, with_images(TEST, [0], TRAIN.images[1:2]), QUICK, drop_overlap=True)


def test_copies_of_validation_images_do_not_choose():
    val, train = noise(50, 3, "val"), noise(100, 4, "train")
    corpus = with_images(CORPUS, [0, 1, 2], torch.cat([nearly(val.images[:2]), nearly(train.images[:1])]))
    evidence = gather(corpus, train, val, TEST, QUICK)
    [(images, _)] = evidence.choosing
    assert evidence.left_out == 2 and torch.equal(images, corpus.images[2:]), "a copy of a training image may stay"
    assert "2 synthetic images copy validation images, and were left out while choosing." in evidence.notes
    assert torch.equal(evidence.pools[0][0], corpus.images), "the reported arms take all"
    assert not evidence.cut and gather(CORPUS, TRAIN, 0.2, TEST, QUICK).cut


def test_a_corpus_of_validation_images_is_copying_and_never_recommended(tmp_path: Path):
    """Validation was cut from the training images; jittered copies of it do not choose, and forbid the use."""
    train, _ = first_per_class(load("sklearn:digits"), 24)
    _, held_out, _ = split(train, 0.5, QUICK.data)
    made = [jittered((held_out.images, held_out.labels), seed) for seed in range(4)]
    images, labels = joined(made)
    corpus = LabeledImages(images, labels, train.classes, tuple(map(str, range(len(labels)))), "copies")
    recipe = load_recipe("auto", ["measure.steps=10", "measure.fractions=[0.5]", "measure.encoder=pixels"])
    test = load("sklearn:digits:test").subset(range(100))
    known = shared(test, train)
    test = test.subset([i for i in range(100) if i not in {j for j, _ in known}])
    result = measure(corpus, train=train, val=0.5, test=test, out=tmp_path / "report", seeds=6, recipe=recipe, n_jobs=1)
    found = result["memorization"]
    assert found["verdict"] == "copying" and "near copies of validation images" in found["why"]
    assert found["copies"] > 0.9 * len(labels) and result["gain"]["selection"]["left_out"] > 0.9 * len(labels)
    assert result["recommendation"]["use"] is False


def test_a_corpus_of_near_duplicates_of_test_images_is_refused():
    few = with_images(CORPUS, [0, 1], nearly(TEST.images[:2]))
    assert "2 test images nearly equal synthetic ones (0.67 %)." in gather(few, TRAIN, None, TEST, QUICK).notes
    many = with_images(CORPUS, list(range(20)), nearly(TEST.images[:20]))
    with pytest.raises(DataError, match="at most 1% of the test images may have a near duplicate there, got 20 of 300"):
        gather(many, TRAIN, None, TEST, QUICK)


def test_a_class_without_test_images_is_said():
    ants = TEST.subset(range(0, 300, 2))
    notes = gather(CORPUS, TRAIN, None, ants, QUICK).notes
    assert "'bee': no image in test, so its recall is not measured." in notes


@pytest.mark.parametrize("sources", [[], [CORPUS, TEST]])
def test_several_corpora_or_none_are_refused(sources: list[LabeledImages]):
    with pytest.raises(
        DataError, match=rf"one corpus, or one model or several, got 0 models and {len(sources)} others"
    ):
        gather(sources, TRAIN, None, TEST, QUICK)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Pictures named <track>_<number>, a run that learned from them by tracks, and a test set of other tracks."""
    root = tmp_path_factory.mktemp("world")
    data = noise(120, 5, "track")
    for part, chosen in (("train", range(80)), ("test", range(80, 120))):
        for i in chosen:
            path = root / part / data.classes[data.targets[i]] / f"t{i // 8}_{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(data.images[i, 0].numpy()).save(path)
    settings = ["data.groups=(.+)_", "train.steps=4", "train.batch_size=8", "nets.width=4", "data.resolution=16"]
    recipe = load_recipe("auto", settings)
    with pytest.MonkeyPatch.context() as patch:
        learn_fast(patch)
        for seed, name in enumerate(("run", "other")):
            own = recipe.model_copy(update={"train": recipe.train.model_copy(update={"seed": seed})})
            execute(plan(load(root / "train", **dict(recipe.data)), own), root / name, quiet=True)
        yield root


def test_several_models_of_one_split_take_turns(world: Path):
    evidence = gather([world / "run", world / "other"], world / "train", None, world / "test", QUICK)
    (one, _), (two, _) = evidence.pools
    assert len(evidence.models) == 2 and one.shape == two.shape and not torch.equal(one, two)
    assert evidence.origin == ", ".join(model.hash for model in evidence.models)
    with pytest.raises(DataError, match="got 1 models and 1 others; measure them one at a time"):
        gather([world / "run", world / "test"], world / "train", None, world / "test", QUICK)


def test_a_models_split_is_cut_again_by_the_groups_of_its_own_run(world: Path):
    evidence = gather(world / "run", world / "train", None, world / "test", QUICK)
    [model] = evidence.models
    assert evidence.cut and straddling(evidence.train, evidence.val) == []
    splits = model.provenance["splits"]
    assert splits == {"train": evidence.train.fingerprint, "val": evidence.val.fingerprint}
    assert evidence.notes == () and len(evidence.val) == 16
    with pytest.raises(ModelError, match="got other training images"):
        gather(world / "run", load(world / "train"), None, world / "test", QUICK)  # without groups another split


def test_for_a_model_shared_images_are_dropped_from_the_test_set(world: Path, caplog: pytest.LogCaptureFixture):
    train, test = load(world / "train"), load(world / "test")
    mixed = with_images(test, [0, 1], torch.cat([train.images[30:31], nearly(train.images[5:6])]))
    with pytest.raises(DataError, match="got 1 that are"):
        gather(world / "run", world / "train", None, mixed, QUICK)
    with caplog.at_level(logging.WARNING, "ganaug"):
        evidence = gather(world / "run", world / "train", None, mixed, QUICK, drop_overlap=True)
    assert len(evidence.train) + len(evidence.val) == 80 and evidence.test.names == test.names[2:]
    assert evidence.overlap["dropped"] == {"from": "test", "images": 2}
    [note] = evidence.notes
    assert note.startswith("2 test images were dropped (--drop-overlap): the generator has learned") and (
        note in caplog.text
    )


def test_groups_in_training_and_test_are_noted(world: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    other = noise(8, 9, "test")
    for i in range(8):
        path = tmp_path / "test" / other.classes[i % 2] / f"t{i}_.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(other.images[i, 0].numpy()).save(path)
    with caplog.at_level(logging.WARNING, "ganaug"):
        evidence = gather(world / "run", world / "train", None, tmp_path / "test", QUICK)
    [note] = evidence.notes
    assert note.startswith("8 groups are among both") and "as 't0'" in note and note in caplog.text
