"""A run that diverges is taken back to its last checkpoint, the same way however often it is stopped in between."""

import json
import logging
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from shell import ganaug, learn_fast, tree
from test_divergence import Poisoned
from tiny_run import SETTINGS, noise, steps_of
from torch import Tensor

from ganaug.checkpoint import parse_tensors, read_checkpoint
from ganaug.data import Batches, LabeledImages
from ganaug.errors import DivergedError, InterruptedRun
from ganaug.recipe import load_recipe
from ganaug.run import execute, plan
from ganaug.run.saving import Keeper
from ganaug.training import cosine

CPU = torch.device("cpu")


class Killed(BaseException):
    """The process is gone: nothing is saved, nothing caught."""


class Eventful(Poisoned):
    """Poisoned batches, at some of which the process gets a signal or dies, each once."""

    bad = (2 * 13,)  # of the first stream alone
    stops: set[int]
    kills: set[int]

    def __getitem__(self, batch: int) -> tuple[Tensor, Tensor, Tensor]:
        if batch in self.kills:
            self.kills.remove(batch)
            raise Killed
        if batch in self.stops:
            self.stops.remove(batch)
            signal.raise_signal(signal.SIGTERM)
        return super().__getitem__(batch)


STEPS = 30


def run(
    out: Path,
    *settings: str,
    stops: tuple[int, ...] = (),
    kills: tuple[int, ...] = (),
    bad: tuple[int, ...] | None = None,
    unlabeled: LabeledImages | None = None,
) -> list[str]:
    """Train with events at some batches, resumed as often as needed; how it went in between."""
    happened = {"stops": set(stops), "kills": set(kills), **({} if bad is None else {"bad": bad})}
    todo, ends = plan(noise(), load_recipe("auto", [*SETTINGS, *settings]), device="cpu", unlabeled=unlabeled), []
    with pytest.MonkeyPatch.context() as patch:
        learn_fast(patch)
        patch.setattr("ganaug.run.streams.Batches", type("", (Eventful,), happened))
        for _ in range(1 + len(stops) + len(kills)):
            try:
                execute(todo, out, resume=out.exists(), quiet=True)
                return ends
            except InterruptedRun as error:
                ends.append(str(error))
            except Killed:
                ends.append("killed")
    raise AssertionError(f"it never came to its end: {ends}")


def facts(out: Path) -> dict[str, object]:
    whole = json.loads((out / "run.json").read_text())
    return {name: whole[name] for name in ("faults", "scores", "best_step")}


@pytest.fixture(scope="module")
def rescued(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that met a bad image at step 14, and went on from step 10."""
    out = tmp_path_factory.mktemp("rescued") / "run"
    assert run(out) == []
    return out


def test_a_transient_fault_is_survived(rescued: Path):
    assert facts(rescued)["faults"] == [20]
    assert steps_of(rescued) == [10, 20, 30]  # each once
    for step in (10, 20, 30):
        payload = read_checkpoint(rescued / "checkpoints", step)
        for name in payload.keys() - {"state.json"}:
            assert all(bool(t.isfinite().all()) for t in parse_tensors(payload[name], name).values())
        assert json.loads(payload["state.json"])["faults"] == ([] if step == 10 else [20])


def test_a_rescue_is_told_in_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    out = tmp_path / "run"
    with caplog.at_level(logging.WARNING, "ganaug"):
        run(out)
    assert [r.getMessage() for r in caplog.records if "taken back" in r.getMessage()] == [
        f"{out}: step 14: its images must be finite, got others; taken back to step 10, "
        "from where it goes on with half the rates"
    ]


FIRST, SECOND = 0, 2 * STEPS  # the first batch of the stream before the fault, and of that after it


@pytest.mark.parametrize(
    ("stops", "kills"),
    [
        ((FIRST + 2 * 11,), ()),  # saved at step 12, which is not where it is taken back to
        ((FIRST + 2 * 16,), ()),  # after the fault and before it is noticed: nothing to save
        ((FIRST + 2 * 11, SECOND + 2 * 10), ()),  # a checkpoint of step 12 before, and of step 11 after the fault
        ((SECOND + 2 * 12,), (SECOND + 2 * 14,)),
        ((), (FIRST + 2 * 4, FIRST + 2 * 15, SECOND + 2 * 11, SECOND + 2 * 25)),
        ((FIRST + 2 * 10, FIRST + 2 * 11, FIRST + 2 * 12, SECOND + 2 * 10, SECOND + 2 * 11, SECOND + 2 * 12), ()),
    ],
    ids=str,
)
def test_stopped_and_killed_around_a_fault_the_weights_are_the_same(
    stops: tuple[int, ...], kills: tuple[int, ...], rescued: Path, tmp_path: Path
):
    out = tmp_path / "run"
    ends = run(out, stops=stops, kills=kills)
    assert len(ends) == len(stops) + len(kills)
    assert (out / "generator/generator.safetensors").read_bytes() == (
        rescued / "generator/generator.safetensors"
    ).read_bytes()
    assert facts(out) == facts(rescued) and steps_of(out) == steps_of(rescued)


def test_what_is_not_sound_is_not_saved_on_a_signal(tmp_path: Path):
    out = tmp_path / "run"
    (end,) = run(out, stops=(2 * 16,))
    assert end == (
        f"{out}: stopped after step 17, which is not saved, for training had diverged; "
        "all up to step 10 is: go on with --resume"
    )
    assert not (out / "checkpoints/step-000000017").exists()


def test_what_came_after_the_fault_does_not_outlive_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Else the run would be resumed from there again and again, and never get beyond the fault."""
    kept, take_back = [], Keeper.take_back

    def taking_back(self: Keeper, faults: list[int]) -> None:
        kept.append(self.kept())
        take_back(self, faults)
        kept.append(self.kept())

    monkeypatch.setattr(Keeper, "take_back", taking_back)
    run(tmp_path / "run", stops=(2 * 11,))
    assert kept == [[10, 12], [10]]


def test_a_fault_before_the_first_checkpoint_goes_back_to_the_start(tmp_path: Path):
    out = tmp_path / "run"
    run(out, bad=(2 * 3,))
    assert facts(out)["faults"] == [10] and steps_of(out) == [10, 20, 30]


def test_three_rescues_and_no_more(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    out, bad = tmp_path / "run", tuple(2 * (STEPS * stream + 12) for stream in range(4))
    with caplog.at_level(logging.WARNING, "ganaug"), pytest.raises(DivergedError) as caught:
        run(out, bad=bad)
    assert sum("taken back to step 10" in r.getMessage() for r in caplog.records) == 3
    found, before = json.loads((out / "diagnosis.json").read_text()), tree(out)
    assert str(caught.value) == (
        f"{out}: step 13: its images must be finite, got others, though training was taken back 3 times with half the "
        "rate each time; leave the damaged ones out in another run (train.lr was down to 0.00019); "
        f"{out}/diagnosis.json has what was found"
    )
    assert (found["step"], found["faults"], found["max_input"]["D"]) == (13, [20, 20, 20], "nan")
    todo = plan(noise(), load_recipe("auto", SETTINGS), device="cpu")
    batches = Batches(todo.train, 8, 0, CPU)
    assert found["files"]["D"] == [todo.train.names[i] for i in batches.indices(bad[3])]
    assert set(found["losses"].values()) >= {"nan"} and "D.real.weight" in found["tensors"]
    assert found["learning_rate"] == pytest.approx(1.5e-3 / 8 * cosine(19 / 30, 0.05))  # of the last step taken
    assert (out / "checkpoints/step-000000010/manifest.json").is_file()
    with pytest.raises(DivergedError) as again:
        run(out, bad=bad)
    assert str(again.value) == str(caught.value) and tree(out) == before


def test_a_diagnosis_names_images_without_labels_too(tmp_path: Path):
    bad = tuple(2 * (STEPS * stream + 12) for stream in range(4))
    more = noise(200, seed=5)
    more = replace(more, names=tuple(f"pile/{i}.png" for i in range(200)))
    with pytest.raises(DivergedError, match="taken back 3 times"):
        run(tmp_path / "run", bad=bad, unlabeled=more)
    seen = json.loads((tmp_path / "run/diagnosis.json").read_text())["files"]["D"]
    assert len(seen) == 8 and any(name.startswith("pile/") for name in seen)


def test_three_rescues_in_two_thousand_steps_may_come_again_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ganaug.run.rescue.WITHIN", 5)
    out = tmp_path / "run"
    run(out, bad=(2 * 3, 2 * (STEPS + 3), 2 * (2 * STEPS + 3), 2 * (3 * STEPS + 22)))
    assert facts(out)["faults"] == [10, 10, 10, 30]


def test_a_rate_far_too_high_ends_with_exit_code_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    learn_fast(monkeypatch)
    out = tmp_path / "run"
    settings = [f"--set={key}" for key in (*SETTINGS, "train.lr=15.0")]
    assert ganaug("train", "sklearn:digits", "-o", out, "-q", *settings) == 3
    *warnings, last = capsys.readouterr().err.splitlines()
    assert len([line for line in warnings if "taken back to step 0" in line]) == 3
    assert last.startswith(f"ganaug: {out}: step ") and "lower train.lr or raise train.r1_gamma in another run" in last
    assert json.loads((out / "diagnosis.json").read_text())["learning_rate"] == pytest.approx(
        15 / 8 * cosine(9 / 30, 0.05)
    )
    assert ganaug("train", "sklearn:digits", "-o", out, "-q", "--resume") == 3


def test_a_rate_somewhat_too_high_is_mended(tmp_path: Path):
    out = tmp_path / "run"
    run(out, "train.lr=0.2", bad=())
    assert facts(out)["faults"] and steps_of(out) == [10, 20, 30]


def test_classes_of_equal_images_are_named_and_trained(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    data = noise()
    data.images[data.labels == 1] = 77
    with caplog.at_level(logging.WARNING, "ganaug"), pytest.MonkeyPatch.context() as patch:
        learn_fast(patch)
        execute(plan(data, load_recipe("auto", SETTINGS), device="cpu"), tmp_path / "run", quiet=True)
    warned = [r.getMessage() for r in caplog.records if "all images are equal" in r.getMessage()]
    assert warned == ["noise: all images are equal in class 'bee'; its synthetic images will be so, too"]
    assert facts(tmp_path / "run")["faults"] == []
