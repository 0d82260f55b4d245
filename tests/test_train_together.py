"""`train` by several processes: what is learned is what one alone would learn, and nothing is lost where one dies."""

import hashlib
import json
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from launching import ended_well, launch

TINY = [
    *("--set", "train.steps=60", "--set", "train.checkpoint_every=20", "--set", "nets.width=4", "--device", "cpu"),
    *("--set", "train.batch_size=32", "--set", "train.choose_by=distance"),
]
SOON = 60  # s in which all end where one has died


def command(out: Path, *more: str) -> list[object]:
    return ["train", "sklearn:digits:train", "-o", out, *TINY, *more]


def last_line(run: Path) -> dict[str, object]:
    line = json.loads((run / "progress.jsonl").read_text().splitlines()[-1])
    return {name: value for name, value in line.items() if name not in ("seconds", "images_per_second")}


def weights(run: Path) -> str:
    return hashlib.sha256((run / "generator" / "generator.safetensors").read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "nets", ["residual", *(pytest.param(nets, marks=pytest.mark.slow) for nets in ("style", "dcgan"))]
)
def test_gradients_of_two_processes_are_those_of_one_at_the_double_batch(nets: str, tmp_path: Path):
    script = (str(Path(__file__).parent / "mean_gradients.py"),)
    found = []
    for count in (1, 2):
        out = tmp_path / f"{count}.npy"
        ended_well(launch(*[[nets, out]] * count, command=script))
        found.append(np.load(out))
    alone, together = found
    norms = [np.linalg.norm(x) for x in (together - alone, alone)]
    mixes = nets == "dcgan"  # batch statistics are those of each process's share
    assert norms[0] / norms[1] < (0.6 if mixes else 1e-5)
    assert len(alone) > 1000 and norms[1] > 0


@pytest.mark.slow
def test_two_processes_learn_what_one_learns_and_one_of_them_speaks(tmp_path: Path):
    alone, together = tmp_path / "alone", tmp_path / "together"
    ended_well(launch(command(alone)))
    found = launch(command(together), command(together)).ended()
    assert [code for code, _ in found] == [0, 0] and "done in" in found[0][1] and found[1][1] == ""
    one, two = last_line(alone), last_line(together)
    assert one.pop("variety") == pytest.approx(two.pop("variety"), abs=0.05)
    of_shares = two.pop("watch/overfitting")  # a ratio, whose mean over shares is not that of the batch
    assert of_shares == pytest.approx(one.pop("watch/overfitting"), abs=0.5)
    assert two == pytest.approx(one, rel=0.02, abs=0.02)
    assert json.loads((together / "run.json").read_bytes())["processes"] == 2


@pytest.mark.slow
def test_a_killed_process_ends_the_others_soon_and_the_run_resumes_to_the_same_bytes(tmp_path: Path):
    unbroken, run = tmp_path / "unbroken", tmp_path / "run"
    ended_well(launch(command(unbroken), command(unbroken)))
    launched = launch(command(run), command(run))
    wait_for(run / "checkpoints" / "step-000000020")
    launched.processes[1].kill()
    start = time.monotonic()
    codes = [code for code, _ in launched.ended(SOON)]
    assert codes == [75, -signal.SIGKILL] and time.monotonic() - start < SOON
    refused = launch(command(run, "--resume")).ended()
    assert refused[0][0] == 2 and "must be resumed with as many processes, 2, got 1" in refused[0][1]
    ended_well(launch(command(run, "--resume"), command(run, "--resume")))
    assert weights(run) == weights(unbroken)


@pytest.mark.slow
def test_a_signal_to_any_process_stops_all_of_them_once_everything_is_saved(tmp_path: Path):
    unbroken, run = tmp_path / "unbroken", tmp_path / "run"
    ended_well(launch(command(unbroken), command(unbroken)))
    launched = launch(command(run), command(run))
    wait_for(run / "checkpoints" / "step-000000020")
    launched.processes[1].send_signal(signal.SIGTERM)
    (code, said), (other, _) = launched.ended(SOON)
    assert (code, other) == (143, 143) and "all is saved; go on with --resume" in said
    ended_well(launch(command(run, "--resume"), command(run, "--resume")))
    assert weights(run) == weights(unbroken)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (["--set", "train.lr=0.5"], "must have the same train.lr as process 0"),
        pytest.param(["--val", "0.3"], "must have the same train images as process 0", marks=pytest.mark.slow),
    ],
)
def test_processes_with_other_recipes_or_images_are_refused_before_anything_is_written(
    other: list[str], told: str, tmp_path: Path
):
    found = launch(command(tmp_path / "run"), command(tmp_path / "run", *other)).ended()
    assert [code for code, _ in found] == [2, 2] and told in found[0][1]
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_batch_that_does_not_fall_into_equal_shares_is_refused(tmp_path: Path):
    odd = command(tmp_path / "run", "--set", "train.batch_size=33")
    found = launch(odd, odd).ended()
    assert [code for code, _ in found] == [2, 2]
    assert "train.batch_size must be a multiple of the 2 processes" in found[0][1]


def wait_for(path: Path, seconds: float = 60) -> None:
    for _ in range(int(20 * seconds)):
        if path.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} did not appear")
