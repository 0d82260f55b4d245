"""Images without labels: from where they are read, which are left out, and that no test image is ever among them."""

import json
import logging
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from shell import TINY, ganaug, learn_fast, pictures, tree, write_folder
from tiny_run import SETTINGS, noise, unfinish

from ganaug.data import UnlabeledImages, load, load_unlabeled, without_labels
from ganaug.errors import DataError, ModelError
from ganaug.recipe import load_recipe
from ganaug.run import Plan, execute, plan
from ganaug.run.folder import recorded_unlabeled
from ganaug.run.planning import Unlabeled
from ganaug.study import gather

QUICK = load_recipe("auto", ["measure.steps=100", "measure.fractions=[0.7]"])


def write_flat(root: Path, images: np.ndarray) -> Path:
    """Image i as a PNG, every other one two folders further down."""
    for i, image in enumerate(images):
        path = root / ("deep/er" if i % 2 else ".") / f"{i:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return root


def with_more(unlabeled: Unlabeled | None, *settings: str) -> Plan:
    return plan(noise(), load_recipe("auto", [*SETTINGS, *settings]), device="cpu", unlabeled=unlabeled)


# From where they are read


def test_a_folder_is_read_to_its_depths_and_what_is_left_out_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    images = pictures(9)
    root = write_flat(tmp_path / "pile", images)
    (root / "notes.txt").write_text("no image")
    (root / "deep/.DS_Store").write_text("")
    (root / "link").symlink_to(tmp_path)
    (root / "twice.png").hardlink_to(root / "000.png")
    with caplog.at_level(logging.INFO, "ganaug"):
        found = load_unlabeled(root)
    assert set(found.names) == {f"deep/er/{i:03d}.png" if i % 2 else f"{i:03d}.png" for i in range(9)}
    assert found.shape == (1, 8, 8) and found.images.dtype == torch.uint8
    by_name = {name.split("/")[-1]: image for name, image in zip(found.names, found.images, strict=True)}
    assert all(torch.equal(by_name[f"{i:03d}.png"][0], torch.from_numpy(images[i])) for i in range(9))
    said = caplog.text
    assert "without the suffix of an image and not read: notes.txt" in said and "deep/.DS_Store" in said
    assert "links to folders are not followed: link" in said and "under another name too: twice.png" in said
    assert said.count("9 images, read without labels") == 1


def test_whatever_data_can_be_is_read_without_its_labels(tmp_path: Path):
    images = pictures(30)
    labelled = write_folder(tmp_path / "labelled", images)
    np.savez(tmp_path / "with.npz", images=images, labels=np.arange(30) % 3)
    np.savez(tmp_path / "without.npz", images=images)
    expected = load(labelled)
    for source in (labelled, tmp_path / "with.npz", tmp_path / "without.npz"):
        assert sorted(load_unlabeled(source).hashes) == sorted(expected.hashes)
    assert load_unlabeled(labelled).fingerprint == load_unlabeled(tmp_path / "without.npz").fingerprint
    assert load_unlabeled("sklearn:digits").hashes == load("sklearn:digits").hashes
    assert load_unlabeled("sklearn:digits:test", resolution=16, channels=3).images.shape == (599, 3, 16, 16)


@pytest.mark.slow
def test_tables_need_no_column_of_classes_and_torchvision_no_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from datasets import Dataset, Features
    from datasets import Image as ImageColumn

    rows = {"image": [Image.fromarray(image) for image in pictures(5)]}
    Dataset.from_dict(rows, features=Features({"image": ImageColumn()})).to_parquet(str(tmp_path / "set.parquet"))
    found = load_unlabeled(f"hf:{tmp_path / 'set.parquet'}")
    assert np.array_equal(found.images[:, 0].numpy(), pictures(5))
    binary = tmp_path / "stl10_binary"
    binary.mkdir()
    for name, values in (("unlabeled_X", pictures(4, size=(96, 96), channels=3).transpose(0, 3, 2, 1)),):
        values.tofile(binary / f"{name}.bin")
    monkeypatch.setenv("GANAUG_DATA", str(tmp_path))
    monkeypatch.setattr("torchvision.datasets.STL10._check_integrity", lambda self: True)
    assert load_unlabeled("torchvision:STL10:unlabeled").images.shape == (4, 3, 96, 96)


@pytest.mark.parametrize("inside", ["ant/", ""])
def test_of_splits_train_alone_is_read(tmp_path: Path, inside: str):
    for seed, split in enumerate(("train", "test")):
        write_flat(tmp_path / split / inside, pictures(4, seed=seed))
    assert load_unlabeled(tmp_path).hashes == load_unlabeled(tmp_path / "train").hashes
    shutil.rmtree(tmp_path / "train")
    with pytest.raises(DataError, match=r"got test, which seems to be another split; name the folder"):
        load_unlabeled(tmp_path)
    assert len(load_unlabeled(tmp_path / "test")) == 4


def test_a_class_of_trains_is_no_split(tmp_path: Path):
    for seed, name in enumerate(("car", "plane", "train")):
        for i, image in enumerate(pictures(2, seed=seed)):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(image).save(tmp_path / name / f"{i}.png")
    assert len(load_unlabeled(tmp_path)) == 6


def test_bad_sources_are_named(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").mkdir()
    (tmp_path / "text/a.txt").write_text("words")
    (tmp_path / "file").write_text("")
    np.savez(tmp_path / "other.npz", pixels=pictures(3))
    bad = write_flat(tmp_path / "bad", pictures(3))
    (bad / "odd.png").write_text("words")
    mixed = write_flat(tmp_path / "mixed", pictures(3))
    Image.new("L", (9, 11)).save(mixed / "odd.png")
    for name, sentence in (
        ("nowhere", "nowhere: must be a folder of images, got nothing there"),
        ("file", "file: must be a folder of images, got a file"),
        ("empty", r"empty: must hold images \(.*\.png.*\), got none"),
        ("text", "text: must hold images"),
        ("other.npz", r"other.npz: must hold the array 'images', got \['pixels'\]"),
        ("bad", r"odd\.png: must be an image"),
        ("mixed", r"odd\.png is 11 x 9.*--set data.resolution=8"),
    ):
        with pytest.raises(DataError, match=sentence):
            load_unlabeled(tmp_path / name)
    assert len(load_unlabeled(mixed, resolution=8)) == 4
    with pytest.raises(DataError, match=r"torch.uint8 \[N, C, H, W\] with a name each, got torch.float32"):
        UnlabeledImages(torch.zeros(1, 1, 8, 8), ("a",))


def test_one_bad_file_in_a_hundred_may_be_skipped(tmp_path: Path):
    root = write_flat(tmp_path, pictures(99))
    (root / "odd.png").write_text("words")
    assert len(load_unlabeled(root, skip_bad=True)) == 99


# Which are learned from


def test_known_images_are_left_out_and_counted(caplog: pytest.LogCaptureFixture):
    before = with_more(None)
    more, data = noise(40, seed=5), noise()
    mixed = UnlabeledImages(
        torch.cat([more.images, before.val.images[:3], before.train.images[:7]]),
        tuple(f"row {i}" for i in range(50)),
        "pile",
    )
    with caplog.at_level(logging.INFO, "ganaug"):
        todo = with_more(mixed)
    assert todo.unlabeled is not None and len(todo.unlabeled) == 40
    assert sorted(todo.unlabeled.hashes) == sorted(more.hashes) and not set(todo.unlabeled.hashes) & set(data.hashes)
    assert "pile: 3 of 50 images are left out: they equal validation images" in caplog.text
    assert "pile: 7 of 50 images are left out: they equal training images" in caplog.text
    levels = {record.levelname for record in caplog.records if "validation images, which" in record.getMessage()}
    assert levels == {"WARNING"}
    assert before.train.fingerprint == todo.train.fingerprint and before.val.fingerprint == todo.val.fingerprint


def test_the_order_of_the_files_has_no_influence():
    more = noise(40, seed=5)
    one, two = with_more(more).unlabeled, with_more(more.subset(list(range(39, -1, -1)))).unlabeled
    assert one and two and torch.equal(one.images, two.images) and one.fingerprint == two.fingerprint


def test_the_labelled_set_again_is_refused_and_so_is_one_new_image():
    with pytest.raises(DataError, match=r"noise: --unlabeled must hold 2 images or more .*, got 0 of 60; add some"):
        with_more(noise())
    one_more = torch.cat([noise().images, noise(1, seed=5).images])
    with pytest.raises(DataError, match="got 1 of 61"):
        with_more(UnlabeledImages(one_more, tuple(map(str, range(61)))))


def test_another_form_is_refused_with_the_setting_that_helps_and_read_with_it(tmp_path: Path):
    large = write_flat(tmp_path / "large", pictures(6, size=(16, 16), channels=3))
    with pytest.raises(DataError, match=r"must be 1x8x8 .*, got 3x16x16; .*--set data.channels=1 and --set data.res"):
        with_more(large)
    todo = with_more(large, "data.resolution=8", "data.channels=1")
    assert todo.unlabeled and todo.unlabeled.shape == (1, 8, 8)
    with pytest.raises(DataError, match=r"bring both to one form with --set data.channels=1$"):
        with_more(load_unlabeled(large, resolution=8))


def test_fifty_thousand_images_take_seconds():
    pixels = torch.randint(0, 256, (50_000, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    start = time.process_time()
    data = noise(60, (1, 28, 28), seed=1)
    todo = plan(
        data,
        load_recipe("auto", SETTINGS),
        device="cpu",
        unlabeled=UnlabeledImages(pixels, tuple(map(str, range(50_000)))),
    )
    assert todo.facts()["unlabeled"]["images"] == 50_000 and time.process_time() - start < 10


# What is remembered of them


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labelled images, others without labels of which one will be a test image, test images, and a run."""
    root = tmp_path_factory.mktemp("world")
    write_folder(root / "train", pictures(60, size=(16, 16)))
    write_folder(root / "test", pictures(30, size=(16, 16), seed=1))
    write_flat(root / "more", pictures(20, size=(16, 16), seed=2))
    with pytest.MonkeyPatch.context() as patch:
        learn_fast(patch)
        arguments = ("train", root / "train", "-o", root / "run", "-q", *TINY, "--unlabeled", root / "more")
        assert ganaug(*arguments) == 0
    return root


def test_the_generator_keeps_their_fingerprint_and_the_run_where_they_lie(world: Path):
    expected = {"images": 20, "fingerprint": load_unlabeled(world / "more").fingerprint}
    card = (world / "run/generator/generator.json").read_text()
    assert json.loads(card)["provenance"]["unlabeled"] == expected and str(world) not in card
    facts = json.loads((world / "run/run.json").read_text())
    assert facts["unlabeled"] == {**expected, "source": str(world / "more")}
    assert recorded_unlabeled(world / "run") == str(world / "more") and recorded_unlabeled(world) is None
    assert "unlabeled" not in with_more(None).facts() and "unlabeled" not in with_more(None).sources()


def test_a_run_is_resumed_without_the_option_and_not_with_other_images(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    learn_fast(monkeypatch)
    monkeypatch.chdir(tmp_path)
    run = unfinish(Path(shutil.copytree(world / "run", tmp_path / "run")))
    before = tree(run)
    other = write_flat(tmp_path / "other", pictures(20, size=(16, 16), seed=3))
    assert ganaug("train", world / "train", "-o", run, "-q", "--resume", "--unlabeled", other) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "must be resumed with the same images without labels, got 20 in" in error and "where there were 20" in error
    assert tree(run) == before
    assert ganaug("train", world / "train", "-o", run, "-q", "--resume") == 0
    assert (run / "generator/generator.safetensors").read_bytes() == (
        world / "run/generator/generator.safetensors"
    ).read_bytes()


def test_a_run_that_had_them_is_not_resumed_without_nor_the_other_way_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    learn_fast(monkeypatch)
    execute(with_more(noise(20, seed=5)), tmp_path / "with", quiet=True)
    with pytest.raises(ModelError, match=r"got none where there were 20; pass the first command's --unlabeled"):
        execute(with_more(None), tmp_path / "with", resume=True, quiet=True)
    execute(with_more(None), tmp_path / "without", quiet=True)
    with pytest.raises(ModelError, match=r"got 20 in noise where there were none"):
        execute(with_more(noise(20, seed=5)), tmp_path / "without", resume=True, quiet=True)


def test_a_dry_run_says_how_many_and_makes_nothing(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "run"
    assert ganaug("train", world / "train", "-o", out, "--dry-run", "--unlabeled", world / "more") == 0
    assert "20 images, read without labels" in capsys.readouterr().err and not out.exists()


# That no test image is among them


def test_measure_refuses_a_test_image_that_was_learned_from_without_its_label(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    test = Path(shutil.copytree(world / "test", tmp_path / "test"))
    assert gather(world / "run", world / "train", None, test, QUICK).overlap["exact"] == 0
    shutil.copy(world / "more/000.png", test / "bee/leak.png")
    for model in (world / "run", world / "run/generator"):
        arguments = ("--train", world / "train", "--test", test, "-o", tmp_path / "report", "-q")
        assert ganaug("measure", model, *arguments) == 2
        assert f"bee/leak.png equals 000.png of {world / 'more'}" in capsys.readouterr().err
    evidence = gather(world / "run", world / "train", None, test, QUICK, drop_overlap=True)
    assert len(evidence.test) == 30 and evidence.overlap["dropped"] == {"from": "test", "images": 1}


def test_where_they_cannot_be_looked_at_the_report_says_so(world: Path, tmp_path: Path):
    note = "learned from images without labels that cannot be looked at any more"
    alone = shutil.copytree(world / "run/generator", tmp_path / "alone")
    [said] = gather(alone, world / "train", 0.2, world / "test", QUICK).notes
    assert note in said
    changed = Path(shutil.copytree(world, tmp_path / "world"))
    facts = (changed / "run/run.json").read_text()
    assert gather(changed / "run", world / "train", None, world / "test", QUICK).notes == ()
    (world / "more").rename(world / "gone")
    try:
        assert facts and note in gather(changed / "run", world / "train", None, world / "test", QUICK).notes[0]
    finally:
        (world / "gone").rename(world / "more")


def test_a_set_passed_in_memory_keeps_no_source():
    todo = with_more(without_labels(noise(20, seed=5)))
    assert set(todo.sources()["unlabeled"]) == {"images", "fingerprint"}
