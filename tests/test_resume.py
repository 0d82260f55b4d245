"""A run that is killed or stopped and then resumed ends with the weights of one that was left alone."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from shell import ganaug, learn_fast, pictures, tree, write_folder

from ganaug.files import sealed_json

PROGRAM = """
import ganaug.measures.features
ganaug.measures.features.default_steps = lambda n: 10  # a quick judge, the same in every process
from ganaug.cli import main
main()
"""
DYING = """
import os, signal
calls, fsync = iter(range(12)), os.fsync  # the thirteenth comes in the midst of the second checkpoint
os.fsync = lambda file: os.kill(os.getpid(), signal.SIGKILL) if next(calls, None) is None else fsync(file)
"""
POISON = """
import ganaug.run.streams as streams
class Poisoned(streams.Batches):  # a pixel that is no number, at step 33 and before any fault
    def __getitem__(self, batch):
        images, *said = super().__getitem__(batch)
        return (images * float("nan") if batch == 2 * 32 else images), *said
streams.Batches = Poisoned
"""
SLOW = """
import time
from ganaug.run.gan import GanJob
status = GanJob.status
GanJob.status = lambda *said: time.sleep(0.5) or status(*said)
"""
FULL = """
import resource
from ganaug.run import saving
save, calls = saving.save_checkpoint, iter(range(99))
def save_with_little_room(*arguments, **options):
    limit = resource.RLIM_INFINITY if next(calls) < {room} else 3000
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        return save(*arguments, **options)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
saving.save_checkpoint = save_with_little_room
"""
STEPS, EVERY = 100, 10
SETTINGS = ("nets.width=4", "train.batch_size=8", f"train.steps={STEPS}", f"train.checkpoint_every={EVERY}")
RECIPE = [f"--set={key}" for key in (*SETTINGS, "train.choose_by=distance")]  # the quicker of the two judges
PATIENCE = 120  # s until a process that shows nothing has failed


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("data"), pictures(30))


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert finish(start(data, out)) == 0
    return out


def start(data: Path, out: Path, *more: str, program: str = PROGRAM) -> subprocess.Popen[str]:
    """`ganaug train` in a process of its own, on one thread as the tests are."""
    return subprocess.Popen(
        [sys.executable, "-c", program, "train", str(data), "-o", str(out), *more, *([] if more else RECIPE)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "LOKY_MAX_CPU_COUNT": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> int:
    """Its exit code; what it said is shown where a test fails."""
    print(*process.communicate(timeout=PATIENCE))
    return process.returncode


def once(ready: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait for a moment in the life of a process."""
    end = time.monotonic() + PATIENCE
    while not ready():
        assert process.poll() is None and time.monotonic() < end, finish(process)
        time.sleep(0.002)


def steps_of(run: Path) -> list[int]:
    """The steps in progress.jsonl, without a line that is cut."""
    log = run / "progress.jsonl"
    lines = log.read_text().splitlines(keepends=True) if log.exists() else []
    return [json.loads(line)["step"] for line in lines if line.endswith("\n")]


def stop_at(step: int, data: Path, out: Path, number: signal.Signals) -> subprocess.Popen[str]:
    """A run that got a signal once it had logged `step`."""
    process = start(data, out)
    once(lambda: max(steps_of(out), default=0) >= step, process)
    process.send_signal(number)
    return process


def weights(run: Path) -> str:
    return hashlib.sha256((run / "generator/generator.safetensors").read_bytes()).hexdigest()


def scores(run: Path) -> dict[str, float]:
    return json.loads((run / "run.json").read_text())["scores"]


def assert_resumes_as_if_nothing_had_happened(data: Path, out: Path, whole: Path) -> None:
    assert finish(start(data, out, "--resume")) == 0
    assert weights(out) == weights(whole)
    assert steps_of(out) == list(range(EVERY, STEPS + 1, EVERY))  # each once
    assert scores(out) == scores(whole)
    assert not [path for path in out.rglob(".*")]  # nothing half-written


@pytest.mark.parametrize(
    "step", [40, pytest.param(10, marks=pytest.mark.slow), pytest.param(70, marks=pytest.mark.slow)]
)
def test_killed_and_resumed_the_weights_are_the_same(step: int, data: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert finish(stop_at(step, data, out, signal.SIGKILL)) == -signal.SIGKILL
    assert_resumes_as_if_nothing_had_happened(data, out, whole)


@pytest.mark.slow
def test_killed_again_and_again(data: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert finish(stop_at(20, data, out, signal.SIGKILL)) == -signal.SIGKILL
    for step in (40, 60):
        process = start(data, out, "--resume")
        once(lambda step=step: max(steps_of(out), default=0) >= step, process)
        process.kill()
        assert finish(process) == -signal.SIGKILL
    assert_resumes_as_if_nothing_had_happened(data, out, whole)


@pytest.mark.slow
def test_killed_while_a_checkpoint_is_written(data: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert finish(start(data, out, program=DYING + PROGRAM)) == -signal.SIGKILL
    assert list((out / "checkpoints").glob(".*"))
    assert_resumes_as_if_nothing_had_happened(data, out, whole)


@pytest.mark.slow
def test_killed_before_the_first_checkpoint_it_starts_from_zero(data: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = start(data, out)
    once((out / "run.json").exists, process)
    process.kill()
    assert finish(process) == -signal.SIGKILL and steps_of(out) == []
    assert_resumes_as_if_nothing_had_happened(data, out, whole)


@pytest.mark.slow
def test_ten_kills_at_random_moments(data: Path, whole: Path, tmp_path: Path) -> None:
    rng, seconds, killed = random.Random(0), json.loads((whole / "run.json").read_text())["seconds"], []
    for i in range(10):
        out = tmp_path / f"run-{i}"
        process = start(data, out)
        once((out / "run.json").exists, process)
        time.sleep(rng.random() * (seconds + 1))  # the encoder of the judge comes before the first step
        process.kill()
        killed.append((finish(process), steps_of(out)[-1:]))
        assert_resumes_as_if_nothing_had_happened(data, out, whole)
    assert sum(code == -signal.SIGKILL for code, _ in killed) >= 8
    assert len({str(last) for _, last in killed}) > 1


@pytest.mark.slow
def test_killed_around_a_fault_the_weights_are_the_same(data: Path, tmp_path: Path) -> None:
    runs = [tmp_path / "left alone", tmp_path / "killed"]
    assert finish(start(data, runs[0], program=POISON + PROGRAM)) == 0
    for step in (20, 30, 30):  # before the fault, and twice on the way back up
        process = start(data, runs[1], *(["--resume"] if runs[1].exists() else []), program=POISON + PROGRAM)
        once(lambda step=step: max(steps_of(runs[1]), default=0) >= step, process)
        process.kill()
        assert finish(process) == -signal.SIGKILL
    assert finish(start(data, runs[1], "--resume", program=POISON + PROGRAM)) == 0
    facts = [json.loads((run / "run.json").read_text()) for run in runs]
    assert facts[0]["faults"] == facts[1]["faults"] == [40] and facts[0]["scores"] == facts[1]["scores"]
    assert weights(runs[0]) == weights(runs[1])


@pytest.mark.slow
def test_of_two_starts_into_one_folder_the_second_is_refused(data: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    processes = [start(data, out), start(data, out)]
    codes = [finish(process) for process in processes]
    assert sorted(codes) == [0, 2]
    assert weights(out) == weights(whole) and not list(tmp_path.glob(".*"))


@pytest.mark.slow
def test_a_second_process_is_refused_while_the_first_is_at_work(data: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    first = start(data, out, program=SLOW + PROGRAM)
    once(lambda: steps_of(out) != [], first)
    second = start(data, out, "--resume")
    _, err = second.communicate(timeout=PATIENCE)
    assert second.returncode == 2 and first.poll() is None
    assert err.splitlines()[-1].startswith(f"ganaug: {out}: must have one writer, got a second one")
    assert finish(first) == 0 and weights(out) == weights(whole)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("room", "said"), [(0, "there is no checkpoint yet"), (2, "the checkpoint of step 20 is whole")]
)
def test_a_disk_that_stays_full_ends_a_run_that_goes_on_later(
    room: int, said: str, data: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    process = start(data, out, program=FULL.format(room=room) + PROGRAM)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 75, err
    *lines, last = err.splitlines()
    assert sum("no room to save step" in line for line in lines) == 2  # the third time in a row is the last
    assert last.startswith("ganaug: ") and f"{said}: free some room and go on with --resume" in last
    assert not list(out.rglob(".*"))
    assert_resumes_as_if_nothing_had_happened(data, out, whole)


@pytest.mark.parametrize(
    ("number", "code"), [pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow), (signal.SIGINT, 130)]
)
def test_a_signal_saves_everything(number: signal.Signals, code: int, data: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = stop_at(20, data, out, number)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == code
    last = err.splitlines()[-1]
    stopped = int(last.partition("stopped after step ")[2].partition(",")[0])
    assert last.startswith(f"ganaug: {out}: stopped") and last.endswith("go on with --resume")
    assert (out / f"checkpoints/step-{stopped:09d}/manifest.json").is_file()
    assert_resumes_as_if_nothing_had_happened(data, out, whole)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_before_the_first_step_is_no_harm(
    number: signal.Signals, code: int, data: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    process = start(data, out)
    once((out / "run.json").exists, process)
    process.send_signal(number)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == code and "with --resume" in err.splitlines()[-1]
    assert_resumes_as_if_nothing_had_happened(data, out, whole)


def test_resuming_a_complete_run_changes_no_byte(
    data: Path, whole: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    learn_fast(monkeypatch)
    before = tree(whole)
    assert ganaug("train", data, "-o", whole, "--resume") == 0
    assert "complete already; nothing was changed" in capsys.readouterr().err
    assert tree(whole) == before


def test_resuming_keeps_the_split_that_the_run_began_with(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn_fast(monkeypatch)
    out = tmp_path / "run"
    assert ganaug("train", data, "-o", out, "--val", "0.4", "-q", *RECIPE[:2], "--set=train.steps=10") == 0
    facts = json.loads((out / "run.json").read_text())
    (out / "run.json").write_bytes(sealed_json({**facts, "status": "training"}))
    assert ganaug("train", data, "-o", out, "--resume", "-q") == 0
    assert json.loads((out / "run.json").read_text())["val"] == facts["val"] == {"fraction": 0.4}
