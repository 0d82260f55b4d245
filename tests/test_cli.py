"""Every command does what its help says, at a tiny scale."""

import hashlib
import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from shell import TINY, ganaug, learn_fast, pictures, tree, write_folder
from torchvision.datasets import ImageFolder

from ganaug import Synthesizer, load
from ganaug.recipe import shipped

COUNTS = {"ant": 3, "bee": 1, "cat": 2}


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    learn_fast(monkeypatch)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("data"), pictures(60))


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch:
        learn_fast(patch)
        assert ganaug("train", data, "-o", out, "-q", *TINY) == 0
    return out


def files_per_class(corpus: Path) -> dict[str, int]:
    return dict(Counter(path.parent.name for path in corpus.glob("*/*.png")))


def test_train_makes_the_whole_run_folder(run: Path) -> None:
    made = {entry.name for entry in run.iterdir()}
    assert made == {"recipe.toml", "run.json", "progress.jsonl", "samples", "checkpoints", "generator"}
    assert json.loads((run / "run.json").read_text())["status"] == "complete"
    steps = [json.loads(line)["step"] for line in (run / "progress.jsonl").read_text().splitlines()]
    assert steps == list(range(2, 21, 2))


def test_train_on_the_shipped_digits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ganaug("train", "sklearn:digits", "-o", tmp_path / "run", *TINY) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{tmp_path / 'run'}: done in ") and out.count("\n") == 1
    assert "train.adapt = held-out: augmentation grows where" in err  # why
    assert "train 20 of 20, D " in err and "images/s" in err and "GiB at most" in err  # how far
    assert Synthesizer.load(tmp_path / "run", "cpu").classes == tuple("0123456789")


def test_quiet_leaves_the_result_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_folder(tmp_path / "data", pictures(240))  # so many that nothing is warned of
    assert ganaug("train", data, "-o", tmp_path / "run", "-q", *TINY) == 0
    out, err = capsys.readouterr()
    assert err == "" and out.count("\n") == 1


def test_equal_seeds_give_equal_weights_and_others_do_not(data: Path, run: Path, tmp_path: Path) -> None:
    for name, seed in (("same", 0), ("other", 1)):
        assert ganaug("train", data, "-o", tmp_path / name, "--seed", seed, "-q", *TINY) == 0
    weights = [
        hashlib.sha256((folder / "generator/generator.safetensors").read_bytes()).hexdigest()
        for folder in (run, tmp_path / "same", tmp_path / "other")
    ]
    assert weights[0] == weights[1] != weights[2]


def test_dry_run_shows_the_recipe_and_writes_nothing(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(data)
    assert ganaug("train", data, "-o", tmp_path / "run", "--dry-run", *TINY) == 0
    shown = capsys.readouterr().out
    assert "train.augment = translation,cutout: one channel" in shown and "[train]\nsteps = 20\n" in shown
    assert list(tmp_path.iterdir()) == [] and tree(data) == before


def test_dry_run_shows_a_recipe_that_train_accepts(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ganaug("train", data, "-o", tmp_path / "run", "--dry-run", *TINY) == 0
    shown = capsys.readouterr().out
    (tmp_path / "mine.toml").write_text(shown[shown.index("\n\n") :])
    assert ganaug("train", data, "-o", tmp_path / "run", "--dry-run", "-r", tmp_path / "mine.toml") == 0
    again = capsys.readouterr().out
    assert again[again.index("\n\n") :] == shown[shown.index("\n\n") :]


def test_colour_images_that_are_not_square(tmp_path: Path) -> None:
    data = write_folder(tmp_path / "data", pictures(30, size=(12, 20), channels=3))
    assert ganaug("train", data, "-o", tmp_path / "run", "-q", *TINY) == 0
    assert ganaug("generate", tmp_path / "run", "-o", tmp_path / "corpus", "-n", 6, "-q") == 0
    assert load(tmp_path / "corpus").shape == (3, 12, 20)


def test_classes_that_are_not_sorted_keep_their_numbers(tmp_path: Path) -> None:
    classes = ("zebra", "ant", "moth")
    np.savez(tmp_path / "data.npz", images=pictures(30), labels=np.arange(30) % 3, classes=np.array(classes))
    assert ganaug("train", tmp_path / "data.npz", "-o", tmp_path / "run", "-q", *TINY) == 0
    assert ganaug("generate", tmp_path / "run", "-o", tmp_path / "corpus", "-n", 7, "-q") == 0
    synth = Synthesizer.load(tmp_path / "run", "cpu")
    folder = ImageFolder(str(tmp_path / "corpus"))
    assert synth.classes == classes
    assert [name.split("_")[-1] for name in folder.classes] == list(classes)
    assert Counter(folder.targets) == {0: 3, 1: 2, 2: 2}
    assert load(tmp_path / "corpus").classes == classes


def test_image_folder_numbers_a_corpus_as_the_model_does(run: Path, tmp_path: Path) -> None:
    assert ganaug("generate", run, "-o", tmp_path / "corpus", "-n", 3, "-q") == 0
    synth = Synthesizer.load(run, "cpu")
    assert ImageFolder(str(tmp_path / "corpus")).class_to_idx == {name: k for k, name in enumerate(synth.classes)}


@pytest.mark.parametrize(("val", "held_out"), [("0.3", 18), ("DATA", 12)])
def test_validation_is_a_share_or_a_set(data: Path, tmp_path: Path, val: str, held_out: int) -> None:
    other = write_folder(tmp_path / "val", pictures(12, seed=1))
    chosen = other if val == "DATA" else val
    assert ganaug("train", data, "-o", tmp_path / "run", "--val", chosen, "-q", *TINY) == 0
    facts = json.loads((tmp_path / "run/run.json").read_text())
    assert facts["images"] == (60 if val == "DATA" else 60 - held_out)
    assert facts["splits"]["train"] != facts["splits"]["val"]


def test_generate_spreads_n_over_the_classes(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ganaug("generate", run, "-o", tmp_path / "corpus", "-n", 8) == 0
    assert files_per_class(tmp_path / "corpus") == {"ant": 3, "bee": 3, "cat": 2}
    out, err = capsys.readouterr()
    assert out == f"{tmp_path / 'corpus'}: 8 images of 3 classes\n"
    assert "generate 8 of 8" in err


def test_generate_takes_counts_from_a_file(run: Path, tmp_path: Path) -> None:
    (tmp_path / "counts.json").write_text(json.dumps(COUNTS))
    assert ganaug("generate", run, "-o", tmp_path / "corpus", "--counts", tmp_path / "counts.json", "-q") == 0
    assert files_per_class(tmp_path / "corpus") == COUNTS


def test_generate_fills_every_class_to_the_largest(run: Path, tmp_path: Path) -> None:
    for name, n in COUNTS.items():
        write_folder(tmp_path / "uneven", pictures(n, seed=n), (name,))
    assert ganaug("generate", run, "-o", tmp_path / "corpus", "--balance", tmp_path / "uneven", "-q") == 0
    assert files_per_class(tmp_path / "corpus") == {"ant": 1, "bee": 2, "cat": 1}  # no class may be empty


def test_generate_gives_equal_bytes_for_equal_seeds(run: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        assert ganaug("generate", run, "-o", tmp_path / name, "--per-class", 2, "--seed", seed, "-q") == 0
    assert tree(tmp_path / "a") == tree(tmp_path / "b") != tree(tmp_path / "c")


def test_generate_again_with_resume_changes_nothing(run: Path, tmp_path: Path) -> None:
    command = ("generate", run, "-o", tmp_path / "corpus", "-n", 6, "--resume", "-q")
    assert ganaug(*command) == 0
    before = tree(tmp_path / "corpus")
    assert ganaug(*command) == 0 and tree(tmp_path / "corpus") == before


def test_check_names_every_deviation(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = tmp_path / "corpus"
    assert ganaug("generate", run, "-o", corpus, "-n", 6, "-q") == 0
    assert ganaug("check", corpus) == 0
    assert "as it was written" in capsys.readouterr().out
    (corpus / "ant/000000.png").write_bytes((corpus / "bee/000000.png").read_bytes())
    (corpus / "cat/000001.png").unlink()
    assert ganaug("check", corpus) == 2
    *named, last = capsys.readouterr().err.splitlines()
    assert any("ant/000000.png" in line and "bee/000000.png" in line for line in named)
    assert any("cat/000001.png" in line for line in named)
    fact = f"{corpus} must be as it was written, got {len(named)} deviations"
    assert last == f"ganaug: {fact}; make it again or use another copy"


@pytest.mark.parametrize("name", ["generator.safetensors", "generator.json"])
def test_check_verifies_runs_and_generators(run: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]):
    assert ganaug("check", run) == ganaug("check", run / "generator") == 0
    assert ganaug("check", run, "-q") == 0
    shutil.copytree(run, tmp_path / "run")
    content = bytearray((tmp_path / "run/generator" / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "run/generator" / name).write_bytes(content)
    capsys.readouterr()
    for folder in (tmp_path / "run", tmp_path / "run/generator"):
        assert ganaug("check", folder) == 2
        assert f"{name}: must have the sha256" in capsys.readouterr().err


def test_measure_writes_a_report(data: Path, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    test = write_folder(tmp_path / "test", pictures(30, seed=2))
    command = ("measure", run, "--train", data, "--test", test, "-o", tmp_path / "report", "--seeds", 2)
    assert ganaug(*command, "--set", "measure.steps=20") == 0
    out, err = capsys.readouterr()
    result = json.loads((tmp_path / "report/measure.json").read_text())
    assert result["schema"] == 1 and result["gain"]["seeds"] == 2 and result["gain"]["steps_per_arm"] == 20
    assert result["gain"]["headline"]["verdict"] == "inconclusive"  # two seeds decide nothing
    assert "baseline" in out and out.endswith(f"report: {tmp_path / 'report/report.html'}\n")
    assert max(map(len, out.splitlines()[:6])) <= 120 and "\x1b" not in out + err


def test_measure_judges_any_images(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    test = write_folder(tmp_path / "test", pictures(30, seed=2))
    made = write_folder(tmp_path / "made", pictures(30, seed=3))
    command = ("measure", made, "--train", data, "--test", test, "-o", tmp_path / "report", "--seeds", 1, "-q")
    assert ganaug(*command, "--set", "measure.steps=5") == 0
    out, err = capsys.readouterr()
    assert err == "" and out.count("\n") == 2  # the sentence, and where the report is


def test_recipes_take_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert ganaug("recipes") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(shipped()) and "auto" in shipped()


def test_help_without_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert ganaug() == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("demo", "inspect", "train", "generate", "check", "measure", "recipes"))
