"""Processes that work together: equal corpora and studies, differences refused, a loss noticed, one voice."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from generators import saved
from processes import launch, launched, process, said
from shell import ganaug, one_sentence, tree, write_folder

from ganaug.auto import pick_device
from ganaug.errors import DeviceError, GanaugError
from ganaug.ranks import agreed, any_rank, average, gathered, rank, require_alike, shared, size, together


def as_torchrun(monkeypatch: pytest.MonkeyPatch, number: int, of: int) -> None:
    """As if this were one of several processes on one machine."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RUN_ID")
    for name, value in zip(names, (number, of, number, of, "none"), strict=True):
        monkeypatch.setenv(name, str(value))


# ---- alone


def test_one_alone_hears_itself_and_starts_nothing():
    mean = [torch.tensor([1.0, 2.0])]
    with together():
        average(mean)
        require_alike({"images": "some"})
        assert (rank(), size(), agreed(0.1), any_rank(True), any_rank(False)) == (0, 1, 0.1, True, False)
        assert shared(b"a") == b"a" and gathered(b"b") == [b"b"] and mean[0].tolist() == [1.0, 2.0]
        assert not torch.distributed.is_initialized()


def test_variables_of_a_cluster_are_not_torchruns(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert ganaug("recipes") == 0 and "auto" in capsys.readouterr().out


# ---- places


def test_each_process_of_a_machine_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch):
    chosen: list[torch.device] = []
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.cuda.set_device", chosen.append)
    assert pick_device("auto") == torch.device("cuda") and not chosen
    as_torchrun(monkeypatch, 1, of=2)
    assert pick_device("auto") == pick_device("cuda") == torch.device("cuda", 1) == chosen[-1]
    assert pick_device("cpu") == torch.device("cpu")
    as_torchrun(monkeypatch, 1, of=3)
    with pytest.raises(DeviceError, match="--nproc_per_node must be at most 2, the GPUs of this machine, got 3"):
        pick_device("auto")


@pytest.mark.parametrize(
    "command",
    [("recipes",), ("demo",), ("inspect", "data"), ("check", "corpus"), ("translate", "fit", "a", "b", "-o", "run")],
)
def test_what_processes_cannot_share_is_refused_by_the_first_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
):
    as_torchrun(monkeypatch, 0, of=2)
    assert ganaug(*command) == 2
    name = " ".join(command[: 2 if command[0] == "translate" else 1])
    assert one_sentence(capsys) == f"`ganaug {name}` must be run by one process, got 2; start it without torchrun"
    as_torchrun(monkeypatch, 1, of=2)
    assert ganaug(*command) == 2 and capsys.readouterr() == ("", "")


def test_an_error_that_another_process_speaks_of_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    as_torchrun(monkeypatch, 3, of=4)
    error = GanaugError("images must be there, got none; add some")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("ganaug.cli.commands.require_one_process", fail)
    assert ganaug("recipes") == 2
    assert capsys.readouterr().err == f"ganaug (process 3): {error}\n"
    error.told = True
    assert ganaug("recipes") == 2 and capsys.readouterr().err == ""


# ---- generate


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    saved(folder := tmp_path_factory.mktemp("model") / "generator")
    return folder


@pytest.mark.parametrize("n", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_processes_write_the_corpus_that_one_alone_writes(model: Path, tmp_path: Path, n: int):
    options = ("generate", model, "-n", 301, "--device", "cpu", "-o")
    assert ganaug(*options, tmp_path / "one") == 0
    done = launch(n, *options, tmp_path / "all")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'all'}: 301 images of 3 classes\n"
    assert tree(tmp_path / "all") == tree(tmp_path / "one")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all", "one"]


@pytest.mark.slow
def test_processes_find_a_corpus_complete_or_in_their_way(model: Path, tmp_path: Path):
    options = ("generate", model, "-n", 30, "--device", "cpu", "-o", tmp_path / "corpus")
    assert ganaug(*options) == 0
    before = tree(tmp_path / "corpus")
    assert launch(2, *options, "--resume").returncode == 0
    refused = launch(2, *options)
    assert refused.returncode == 1
    assert said(refused) == [
        f"ganaug: {tmp_path / 'corpus'}: must be a new or empty folder, got a folder with content; choose another"
    ]
    assert tree(tmp_path / "corpus") == before


@pytest.mark.slow
def test_where_a_process_is_killed_the_others_end_and_nothing_stays(model: Path, tmp_path: Path):
    out = tmp_path / "corpus"
    with launched(3, "generate", model, "-n", 300_000, "--device", "cpu", "-o", out) as running:
        while len([*tmp_path.glob(".corpus.*/*/*.png")]) < 500:
            time.sleep(0.1)
            assert running.poll() is None
        process(running, 1).kill()
        start = time.monotonic()
        _, err = running.communicate(timeout=60)
        assert running.returncode == 1 and time.monotonic() - start < 45, err
    assert [*tmp_path.iterdir()] == []
    assert "Traceback" not in err.split("torch/distributed")[0]


# ---- words


EXAM = """
import os, signal, sys, time
import torch
from ganaug.errors import GanaugError, UnlikeError
from ganaug.ranks import agreed, any_rank, average, gathered, rank, require_alike, shared, size, together

with together(), together():
    r, large = rank(), os.urandom(100_000)
    tensors = [torch.full((3,), 2.0 * r), torch.eye(2) * r, torch.zeros(())]
    average(tensors)
    assert [t.tolist() for t in tensors] == [[1.0] * 3, [[0.5, 0.0], [0.0, 0.5]], 0.0], tensors
    assert size() == 2 and gathered(b"ab" * r) == [b"", b"abab"[:2]] and gathered(b"") == [b"", b""]
    assert gathered(large)[r] == large and shared(large) == gathered(large)[0]
    assert shared(None if r == 0 else b"x") is None and shared(b"" if r == 0 else b"x") == b""
    assert agreed(r + 0.1) == 0.1
    assert any_rank(r == 1) and not any_rank(False)
    try:
        require_alike({"images": "same", "recipe": f"r{r}"})
    except UnlikeError as error:
        assert str(error).startswith("process 1 must have the same recipe as process 0, 'r0', got 'r1'; start"), error
    else:
        raise AssertionError
assert size() == 1
with together():
    assert gathered(b"again")[1] == b"again"
torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
try:
    with together():
        raise AssertionError
except GanaugError as error:
    assert "processes must be free to join, got a process group of torch.distributed" in str(error), error
print("passed")
"""


def test_words_and_means_of_two_processes_as_often_as_they_join(tmp_path: Path):
    (exam := tmp_path / "exam.py").write_text(EXAM)
    done = launch(2, program=(exam,))
    assert done.returncode == 0 and done.stdout.count("passed") == 2, done.stderr


SIGNALLED = """
import signal, sys, time
from ganaug.ranks import rank, together, wait

signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
with together():
    wait()
    print("begun", flush=True)
    if rank() == 1:
        time.sleep(600)
    wait()
"""


@pytest.mark.slow
def test_who_waits_for_another_hears_a_signal_and_ends_at_once(tmp_path: Path):
    (script := tmp_path / "signalled.py").write_text(SIGNALLED)
    with launched(2, program=(script,)) as running:
        assert running.stdout and running.stdout.readline() + running.stdout.readline() == "begun\n" * 2
        process(running, 0).terminate()
        running.communicate(timeout=60)
        assert running.returncode == 1


UNLIKE = """
import os, sys
from ganaug.cli import main

main([*sys.argv[1:], "--seed", os.environ["RANK"]])
"""


@pytest.mark.slow
def test_processes_with_different_options_are_refused_in_one_sentence(model: Path, tmp_path: Path):
    (program := tmp_path / "unlike.py").write_text(UNLIKE)
    options = ("generate", model, "-n", 30, "--device", "cpu", "-o", tmp_path / "corpus")
    done = launch(2, *options, program=(program,))
    assert done.returncode == 1
    assert said(done) == [
        "ganaug: process 1 must have the same seed as process 0, '0', got '1'; "
        "start all of them with one command, on the same files"
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["unlike.py"]


# ---- measure


def hard(n: int) -> np.ndarray:
    """Images whose classes few updates do not tell apart, uint8 [n, 8, 8]."""
    noise = np.random.default_rng(n).integers(0, 200, (n, 8, 8))
    return (noise + np.arange(n)[:, None, None] % 3 * 10).astype(np.uint8)


@pytest.mark.slow
def test_processes_measure_what_one_alone_measures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    train, test, made = (write_folder(tmp_path / str(n), hard(n)) for n in (60, 45, 30))
    quick = ("--set", "measure.steps=5", "--set", "measure.fractions=[0.5]", "--seeds", 3, "--device", "cpu", "-q")
    options = ("measure", made, "--train", train, "--test", test, *quick, "--arms", "full", "-o")
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    assert ganaug(*options, tmp_path / "one") == 0
    done = launch(2, *options, tmp_path / "two")
    assert done.returncode == 0, done.stderr
    one, two = (json.loads((tmp_path / name / "measure.json").read_text()) for name in ("one", "two"))
    for found in (one, two):
        assert found.pop("seconds") and found.pop("command")
    assert one == two
    scores = [score for arm in one["gain"]["arms"] for score in arm["scores"]]
    assert len(set(scores)) > 5  # so that none could be another's
    assert done.stdout.count("report: ") == 1
