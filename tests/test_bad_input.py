"""What the user got wrong is named in one sentence, with exit code 2, and nothing half-written stays."""

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from shell import TINY, ganaug, learn_fast, one_sentence, pictures, tree, write_folder

import ganaug.run as run_room
from ganaug.errors import DivergedError


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good and bad data, and a run with its corpus; nothing in it is ever changed."""
    root = tmp_path_factory.mktemp("world")
    good = write_folder(root / "good", pictures(240))  # so many that nothing is warned of
    write_folder(root / "fresh", pictures(30, seed=2))
    write_folder(root / "others", pictures(30, seed=3), ("ant", "bee", "cow"))
    write_folder(root / "changed", pictures(240, seed=4))
    write_folder(root / "one", pictures(4), ("ant",))
    write_folder(root / "mixed", pictures(6))
    write_folder(root / "mixed", pictures(1, size=(9, 11)), ("bee",))
    shutil.copytree(good, root / "hollow")
    (root / "hollow/dog").mkdir()
    (root / "empty").mkdir()
    (root / "flat").mkdir()
    shutil.copy(good / "ant/000.png", root / "flat/000.png")
    for name, content in (("text", b"not an image"), ("cut", (good / "ant/000.png").read_bytes()[:60])):
        shutil.copytree(good, root / name)
        (root / name / "cat/odd.png").write_bytes(content)
    np.savez(root / "nolabels.npz", images=pictures(6))
    (root / "unknown.json").write_text(json.dumps({"ant": 1, "bee": 1, "cow": 1}))
    (root / "short.json").write_text(json.dumps({"ant": 1, "bee": 1}))
    (root / "words.json").write_text(json.dumps({"ant": "many", "bee": 1, "cat": 1}))
    (root / "mine.toml").write_text("[train]\nstepz = 3\n")
    (root / "broken.toml").write_text("[train\n")
    with pytest.MonkeyPatch.context() as patch:
        learn_fast(patch)
        assert ganaug("train", good, "-o", root / "run", "-q", *TINY) == 0
    assert ganaug("generate", root / "run", "-o", root / "corpus", "-n", 6, "-q") == 0
    for name in ("flipped", "garbled"):
        shutil.copytree(root / "run/generator", root / name)
    weights = bytearray((root / "flipped/generator.safetensors").read_bytes())
    weights[-7] ^= 1
    (root / "flipped/generator.safetensors").write_bytes(weights)
    (root / "garbled/generator.json").write_text("{")
    return root


TRAIN, RUN = "train {w}/good -o {o} ", "generate {w}/run -o {o} "
MEASURE = "measure {w}/run --train {w}/good --test {w}/fresh -o {o} "
RESUME = "train {w}/good -o {w}/run --resume "
TABLE = {
    # the data
    "missing folder": ("train {w}/nowhere -o {o}", "nowhere: must be a folder", "nothing there"),
    "a file": ("train {w}/good/ant/000.png -o {o}", "000.png: must be a folder", "a file"),
    "empty folder": ("train {w}/empty -o {o}", "empty: must have one sub-folder per class", "got no sub-folder"),
    "no class folders": ("train {w}/flat -o {o}", "flat: must have one sub-folder per class"),
    "class without images": ("train {w}/hollow -o {o}", "class 'dog' must have an image, got none"),
    "one class": ("train {w}/one -o {o}", "one: must have two classes or more, got ['ant']"),
    "unreadable image": ("train {w}/text -o {o}", "cat/odd.png: must be an image", "unknown format"),
    "truncated image": ("train {w}/cut -o {o}", "cat/odd.png: must", "remove or replace the file"),
    "mixed sizes": ("train {w}/mixed -o {o}", "bee/000.png is 9 x 11", "--set data.resolution=8"),
    "unknown source": ("train sklearn:digitz -o {o}", "got 'sklearn:digitz'; did you mean 'sklearn:digits'?"),
    "unknown split": ("train sklearn:digits:val -o {o}", ":train or :test", "'sklearn:digits:val'"),
    "npz without labels": ("train {w}/nolabels.npz -o {o}", "nolabels.npz: must hold", "'labels'"),
    "too small a resolution": (TRAIN + "--set data.resolution=4", "data.resolution", "got 4"),
    "fraction above 1": (TRAIN + "--val 1.5", "fraction must lie in (0, 1), got 1.5"),
    "fraction of 0": (TRAIN + "--val 0", "fraction must lie in (0, 1), got 0.0"),
    "fraction that is none": (TRAIN + "--val nan", "fraction must lie in (0, 1), got nan"),
    "validation elsewhere": (TRAIN + "--val {w}/nowhere", "nowhere: must be a folder"),
    "validation of other classes": (TRAIN + "--val {w}/others", "'cat' is missing there"),
    "validation in training": (TRAIN + "--val {w}/good", "must not be among", "000.png equals"),
    # the recipe
    "unknown recipe": (TRAIN + "-r dcgam", "got 'dcgam'; did you mean 'dcgan'?"),
    "no TOML": (TRAIN + "-r {w}/broken.toml", "broken.toml: must be TOML"),
    "unknown key": (TRAIN + "--set train.step=3", "train.step must be a known key", "did you mean 'train.steps'?"),
    "unknown key in a file": (TRAIN + "-r {w}/mine.toml", "mine.toml: train.stepz", "did you mean 'train.steps'?"),
    "unknown table": (TRAIN + "--set tarin.steps=3", "tarin", "did you mean"),
    "no setting": (TRAIN + "--set train.steps", "table.key=value, got 'train.steps'"),
    "no steps": (TRAIN + "--set train.steps=0", "train.steps must be greater than 0, got 0"),
    "negative steps": (TRAIN + "--set train.steps=-5", "train.steps must be greater than 0, got -5"),
    "steps in words": (TRAIN + "--set train.steps=many", "train.steps must be", "got 'many'"),
    "unknown augmentation": (TRAIN + "--set train.augment=blur", "train.augment must be", "got 'blur'"),
    "unknown network": (TRAIN + "--set nets.name=vae", "nets.name must be", "got 'vae'"),
    "unknown device": (TRAIN + "--device tpu", "--device must be auto, cpu, cuda, mps, got 'tpu'"),
    # resuming
    "nothing to resume": (TRAIN + "--resume", "must hold a run to resume, got none"),
    "resume with other data": ("train {w}/changed -o {w}/run --resume", "the same training images", "changed"),
    "resume with another recipe": (RESUME + "--set nets.width=16", "nets.width = 8, got 16"),
    "resume with more steps": (RESUME + "--set train.steps=30", "train.steps = 20, got 30"),
    "resume with another split": (RESUME + "--val 0.3", "the same training images"),
    # generate and check
    "foreign folder": ("generate {w}/good -o {o} -n 6", "good must be a run folder or a generator folder"),
    "no model": ("generate {w}/nowhere -o {o} -n 6", "nowhere must be a run folder", "nothing there"),
    "flipped byte": ("generate {w}/flipped -o {o} -n 6", "flipped/generator.safetensors must have the sha256"),
    "garbled card": ("generate {w}/garbled -o {o} -n 6", "garbled/generator.json"),
    "no count": (RUN, "one of -n, --per-class, --counts, --balance, got none"),
    "two counts": (RUN + "-n 6 --per-class 2", "got -n and --per-class"),
    "fewer than classes": (RUN + "-n 2", "the 3 classes or more, got 2"),
    "none of a class": (RUN + "--per-class 0", "got 0 for 'ant'"),
    "negative count": (RUN + "--per-class -1", "-1"),
    "unknown class": (RUN + "--counts {w}/unknown.json", "unknown.json: ", "the unknown 'cow'"),
    "class left out": (RUN + "--counts {w}/short.json", "short.json: ", "none for 'cat'"),
    "counts in words": (RUN + "--counts {w}/words.json", "words.json: ", "'many'"),
    "no counts": (RUN + "--counts {w}/nowhere.json", "nowhere.json: ", "No such file"),
    "balance of other classes": (RUN + "--balance {w}/others", "'cat' is missing there"),
    "no corpus": ("check {w}/good", "good must be a corpus, a run or a generator", "another folder"),
    "corpus elsewhere": ("check {w}/nowhere", "nowhere must be a corpus", "nothing there"),
    # measure
    "test in training": (
        MEASURE.replace("fresh", "good") + "-q",
        "must not be among the training images",
        "equals ant/",
    ),
    "model of other data": (MEASURE.replace("{w}/good", "{w}/changed"), "run/generator was trained", "changed"),
    "test of other classes": (MEASURE.replace("fresh", "others"), "others: classes must be", "'cat' is missing"),
    "no test": (MEASURE.replace("fresh", "nowhere"), "nowhere: must be a folder"),
    "damaged model": (MEASURE.replace("run", "flipped"), "flipped/generator.safetensors must have the sha256"),
    "other groups": (MEASURE + "--set data.groups=a+", "data.groups = '' as in its run, got 'a+'"),
    "other size": (MEASURE + "--set data.resolution=9", "data.resolution = (8, 8) as in its run, got (9, 9)"),
    "no seeds": (MEASURE + "--seeds 0", "--seeds must be 1 or more, got 0"),
    "unknown classifier": (
        MEASURE + "--set measure.classifier=resnet18",
        "must be small, airbench or torchvision:NAME",
    ),
    "unknown encoder": (MEASURE + "--set measure.encoder=vgg", "'vgg'"),
    "a model and a corpus": (MEASURE.replace("{w}/run", "{w}/run {w}/fresh"), "one corpus, or one model or several"),
    "corpus of other classes": (
        MEASURE.replace("{w}/run", "{w}/others"),
        "others: classes must be",
        "'cat' is missing",
    ),
    "unknown arms": (MEASURE + "--arms long", "'--arms'", "ganaug measure --help"),
    "unknown metric": (MEASURE + "--set measure.metric=f1", "measure.metric must be", "got 'f1'"),
    # the command itself
    "unknown command": ("trian {w}/good", "no such command 'trian'; did you mean 'train'; see `ganaug --help`"),
    "unknown option": (TRAIN + "--step 3", "no such option: --step", "ganaug train --help"),
    "no output": ("train {w}/good", "missing option '-o' / '--out'; see `ganaug train --help`"),
    "seed in words": (TRAIN + "--seed x", "'--seed'", "ganaug train --help"),
    "output below a file": ("train {w}/good -o {w}/mine.toml/x", "mine.toml/x", "Not a directory"),
    "corpus below a file": ("generate {w}/run -o {w}/mine.toml/x -n 6", "mine.toml/x", "Not a directory"),
}


@pytest.mark.parametrize("row", TABLE)
def test_one_sentence_names_it(row: str, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command, *named = TABLE[row]
    before = tree(world)
    assert ganaug(*command.format(w=world, o=tmp_path / "out").split()) == 2
    sentence = one_sentence(capsys)
    assert all(fragment in sentence for fragment in named), sentence
    assert list(tmp_path.iterdir()) == [] and tree(world) == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has one")
def test_a_device_that_is_not_there(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ganaug("train", world / "good", "-o", tmp_path / "out", "--device", "cuda") == 2
    assert "got 'cuda'; use --device auto" in one_sentence(capsys)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [TRAIN, RUN + "-n 6", MEASURE])
def test_a_folder_with_content_is_refused_untouched(
    command: str, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out/sub").mkdir(parents=True)
    (tmp_path / "out/sub/thesis.txt").write_text("mine")
    assert ganaug(*command.format(w=world, o=tmp_path / "out").split()) == 2
    assert str(tmp_path / "out") in one_sentence(capsys)
    assert tree(tmp_path) == {"out/sub/thesis.txt": b"mine"}


def test_a_file_is_no_output_folder(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").write_text("mine")
    assert ganaug("train", world / "good", "-o", tmp_path / "out") == 2
    assert str(tmp_path / "out") in one_sentence(capsys)
    assert tree(tmp_path) == {"out": b"mine"}


def test_fewer_images_than_a_batch_shrink_it_and_say_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    learn_fast(monkeypatch)
    data = write_folder(tmp_path / "data", pictures(12))
    assert ganaug("train", data, "-o", tmp_path / "out", *TINY[:4], "--set", "train.batch_size=64") == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "fewer than a batch" in line]
    assert len(said) == 1 and "9" in said[0] and "64" in said[0]


def test_gray_among_colour_is_converted_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    learn_fast(monkeypatch)
    data = write_folder(tmp_path / "data", pictures(15, channels=3))
    write_folder(tmp_path / "data", pictures(3))  # in place of the first three
    assert ganaug("train", data, "-o", tmp_path / "out", *TINY) == 0
    assert "3 of 15 images are converted to 3 channel(s)" in capsys.readouterr().err


def test_a_class_of_one_image_beside_one_of_a_thousand_goes_all_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    learn_fast(monkeypatch)
    images = np.random.default_rng(0).integers(0, 256, (1002, 8, 8), np.uint8)
    np.savez(tmp_path / "data.npz", images=images, labels=np.arange(1002) // 1001, classes=["many", "one"])
    assert ganaug("train", tmp_path / "data.npz", "-o", tmp_path / "run", *TINY) == 0
    assert "'one' has one image: none is held out" in capsys.readouterr().err
    assert ganaug("generate", tmp_path / "run", "-o", tmp_path / "corpus", "--per-class", 3, "-q") == 0
    assert len(list((tmp_path / "corpus/one").glob("*.png"))) == 3


def test_images_that_must_be_enlarged_are_warned_of_with_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_folder(write_folder(tmp_path, pictures(15)), pictures(3, size=(20, 20), seed=1), ("dog",))
    assert ganaug("train", data, "-o", tmp_path / "run", "--dry-run", *TINY, "--set", "data.resolution=16") == 0
    said = "15 of 18 images are smaller than 16 x 16 and are upsampled, the smallest from 8 x 8: no detail is gained"
    assert said in capsys.readouterr().err


def stop_with(error: BaseException) -> Any:
    def stop(*_: object, **__: object) -> None:
        raise error

    return stop


@pytest.mark.parametrize(
    ("error", "code", "named"),
    [
        (ZeroDivisionError("division by zero"), 70, "this is a bug in ganaug; please report it with the lines above"),
        (OSError(errno.EIO, os.strerror(errno.EIO)), 70, "this is a bug in ganaug"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/disk"), 75, "/disk must have room, got 'No space left"),
        (PermissionError(errno.EACCES, "Permission denied", "/locked"), 2, "/locked must be a place to read and write"),
        (DivergedError("D/adversarial must stay finite, got nan"), 3, "D/adversarial must stay finite"),
        (KeyboardInterrupt(), 130, "stopped by a signal"),
    ],
)
def test_each_end_has_its_exit_code(
    error: BaseException,
    code: int,
    named: str,
    world: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(run_room, "plan", stop_with(error))
    assert ganaug("train", world / "good", "-o", tmp_path / "out") == code
    *above, last = capsys.readouterr().err.splitlines()
    assert last.startswith(f"ganaug: {named}")
    assert (above[:1] == ["Traceback (most recent call last):"]) == (code == 70)
    assert code == 70 or above == []


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (OSError(errno.ENOSPC, "full"), 75)])
def test_generate_leaves_nothing_behind(
    error: BaseException,
    code: int,
    world: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("ganaug.corpus.writer.data_card", stop_with(error))  # when all images are written
    assert ganaug("generate", world / "run", "-o", tmp_path / "out", "-n", 6, "-q") == code
    one_sentence(capsys)
    assert list(tmp_path.iterdir()) == []
