"""A run against the clock, on digits: it stops, goes on, and is scored each time."""

import json
from pathlib import Path
from typing import Any

import cifar
import pytest
from shell import learn_fast

TINY = [
    "nets.width=4",
    "nets.z_dim=4",
    "train.batch_size=8",
    "train.checkpoint_every=100000",
    "train.choose_by=distance",
]


@pytest.fixture
def race(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Trains for so many minutes in all; gives the rows that are recorded."""
    learn_fast(monkeypatch)
    monkeypatch.setattr("record.RESULTS", tmp_path / "results")
    monkeypatch.setattr(cifar, "TRIAL", 5)

    def call(minutes: float, **how: Any) -> list[dict[str, Any]]:
        small = {"updates": 10, "seeds": 2, "each": 12, "source": "sklearn:digits", "work": tmp_path / "work"}
        cifar.main(minutes=minutes, **{"total": 25, "steps": 0, "settings": TINY, "device": "cpu", **small, **how})
        return json.loads((tmp_path / "results/cifar/cifar.json").read_text())["rows"]

    return call


def test_a_run_stops_when_its_minutes_are_used_and_goes_on_later(race, tmp_path: Path):
    (first,) = race(0.05, classifier="small")
    assert 0 < first["steps"] < first["of"] and first["of them in the loop"] <= 0.1
    again, second = race(0.1, classifier="small")
    assert again == first, "what is scored is not scored again"
    assert second["steps"] > first["steps"] and second["of"] == first["of"], "the schedule is that of the first start"
    assert second["ratio"] == pytest.approx(second["GAN-train"] / second["real"], rel=0.2)
    page = (tmp_path / "results/cifar/cifar.md").read_text()
    assert page.startswith("# sklearn:digits: accuracy of classifiers") and "not the best" in page


def test_a_schedule_may_be_given_and_a_run_that_is_complete_is_scored_as_it_is(race):
    (row,) = race(5, steps=4, classifier="small")
    assert (row["steps"], row["of"], row["owed"]) == (4, 4, None)
