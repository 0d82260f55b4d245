"""The bench tells ratios with their spread, goes on where it was stopped, and every row of it works at toy size."""

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import bench
import gradients
import mimicry
import pytest
import steps
import torch
from ledger import Ledger, entry, missed
from page import page
from rows import OVERHEAD, SHARE, SPEED, Duel, Measured, Row, duel
from stepping import flops

WHERE = {"device": "cpu", "machine": "one", "versions": {"torch": "2"}, "code": "abc"}


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Callable[[], Duel]]:
    """Two calls that take as long as they are told, on a clock of their own: this machine's may be busy."""
    now = [0.0]
    monkeypatch.setattr("measuring.time.perf_counter", lambda: now[0])

    def take(seconds: float, number: float) -> float:
        now[0] += seconds
        return number

    def prepare(ours: list[float], theirs: float, **how: Any) -> Callable[[], Duel]:
        times = iter([ours[0], *ours])  # the first warms up
        return lambda: Duel(lambda: take(next(times), 1.0), lambda: take(theirs, 1.5), **how)

    return prepare


def row(name: str = "nap", measure: Callable[[int], Measured] = lambda n: Measured([1.0, 3.0, 2.0])) -> Row:
    return Row(name, "peer", 2.0, SPEED, measure)


def kept(path: Path, **how: Any) -> Ledger:
    return Ledger(path, "Title", "command", WHERE, (row("a"), row("b")), **{"resume": True, **how})


def test_a_ratio_is_that_of_speeds_and_comes_with_its_spread(naps):
    found = entry(row(), duel(naps([1.0, 2.0, 4.0], 6.0))(3))
    assert (found["median"], found["spread"], found["met"]) == (3.0, [1.5, 6.0], True)
    assert found["values"] == [6.0, 3.0, 1.5] and found["beside"]["ours, s"] == 2.0


def test_work_and_unit_turn_speeds_into_shares_and_overheads(naps):
    assert duel(naps([1.0], 1.0, work=(1.0, 4.0)), SHARE)(1).values == [0.25]
    assert duel(naps([3.0], 2.0), OVERHEAD)(1).values == [0.5]


def test_a_row_whose_numbers_disagree_is_not_what_was_owed_however_fast(naps):
    found = entry(row(), duel(naps([1.0], 20.0, agrees=0.1))(1))
    assert found["median"] == 20 and found["beside"]["differ by"] == pytest.approx(1 / 3) and not found["met"]


def test_median_and_ends_stand_on_the_page(tmp_path: Path):
    ledger = kept(tmp_path / "bench-cpu.json")
    ledger.measure(row("a"), 3)
    text = (tmp_path / "bench-cpu.md").read_text()
    assert "| a | peer | 2x | **2x** | 1x to 3x |" in text and "code abc" in text
    assert json.loads((tmp_path / "bench-cpu.json").read_text())["rows"][0]["spread"] == [1.0, 3.0]


def test_a_bench_goes_on_with_what_is_missing_and_forgets_what_other_code_measured(tmp_path: Path):
    path = tmp_path / "bench-cpu.json"
    kept(path).measure(row("b"), 3)
    again = kept(path)
    assert again.holds(row("b"), 3) and not again.holds(row("b"), 4) and not again.holds(row("a"), 1)
    again.measure(row("a"), 3)
    assert [found["name"] for found in json.loads(path.read_text())["rows"]] == ["a", "b"], "in the order of the table"
    assert not kept(path, resume=False).entries
    other = Ledger(path, "Title", "command", {**WHERE, "code": "other"}, (row("a"),), resume=True)
    assert not other.entries


def test_a_row_that_fails_costs_no_other_and_is_tried_again(tmp_path: Path):
    def fail(repeats: int) -> Measured:
        raise RuntimeError("no such kernel")

    path = tmp_path / "bench-cpu.json"
    ledger = kept(path)
    ledger.measure(row("a", fail), 3)
    assert "failed: RuntimeError: no such kernel" in path.with_suffix(".md").read_text()
    assert missed(ledger.entries.values()) == ["a | peer"] and not kept(path).holds(row("a"), 3)


def test_flops_of_a_training_step_are_those_of_its_products():
    layer, x = torch.nn.Linear(3, 5), torch.randn(7, 3)
    assert flops(lambda: layer(x).sum().backward()) == 2 * 2 * 7 * 3 * 5, "forward, and the weights' gradient"


def test_both_sides_of_the_step_train_equal_networks():
    count = lambda net: sum(p.numel() for p in net.parameters())  # noqa: E731
    assert count(mimicry.Generator(256, 10)) == count(steps.Generator(256)) == 4_304_387
    assert count(mimicry.Discriminator(128, 10)) == count(steps.Trunk(128)) + 11 * 128 + 1


def test_every_row_of_a_cpu_works_at_toy_size(tmp_path: Path):
    bench.cpu(repeats=1, toy=True, out=tmp_path)
    rows = json.loads((tmp_path / "bench-cpu.json").read_text())["rows"]
    peers = {"torch-fidelity": find_spec("torch_fidelity"), "prdc": find_spec("prdc")}
    failed = {found["name"]: found["failed"] for found in rows if "failed" in found and peers.get(found["against"], 1)}
    assert len(rows) >= 14 and failed == {}


@pytest.mark.slow
def test_every_row_of_a_gpu_works_at_toy_size_and_is_resumed(tmp_path: Path):
    torch.compiler.set_stance("force_eager")  # compiled, it takes minutes here
    try:
        bench.gpu(repeats=1, toy=True, device="cpu", minutes=1e-9, out=tmp_path)
        first = json.loads((tmp_path / "bench-gpu-rows.json").read_text())
        assert len(first["measured"]) == 1, "the time is used up at once; one row is always taken"
        bench.gpu(repeats=1, toy=True, device="cpu", minutes=0, resume=True, out=tmp_path)
    finally:
        torch.compiler.set_stance("default")
    found = json.loads((tmp_path / "bench-gpu-rows.json").read_text())
    assert found["measured"][0] == first["measured"][0] and [r["name"] for r in found["rows"] if "failed" in r] == []
    owed = {claim["name"]: claim["owed"] for claim in found["rows"] if claim["group"] == "What is owed"}
    assert sorted(owed.values()) == [0.15, 0.2, 4.0]
    exact = [r for r in found["rows"] if "fp32" in r["name"] and r["name"].startswith("gradients")]
    assert len(exact) == 6 and all(r["median"] < 1e-3 and r["beside"]["missing"] == 0 for r in exact)


def test_a_gradient_that_is_missing_is_found(monkeypatch: pytest.MonkeyPatch):
    whole = {"D": {"a": torch.ones(3), "b": torch.ones(2)}}
    lost = {"D": {"a": torch.ones(3), "b": torch.zeros(2)}}
    monkeypatch.setattr(gradients, "moments", lambda pair, batch, device, settings: lost if settings else whole)
    found = gradients.errors(None, 4, "cpu", ("train.execution=eager",), "D")(1)  # type: ignore[arg-type]
    assert found.values == [1.0] and found.beside["of"] == "b" and found.beside["missing"] == 1 and not found.sound


def test_the_page_leaves_out_columns_that_nobody_fills():
    about = {"title": "T", "command": "c", "commit": None, **WHERE}
    found = {**entry(row(), Measured([2.0], {"ours, s": 0.5})), "group": ""}
    assert "| what | against | owed | measured | spread | ours, s |" in page({**about, "rows": [found]})
