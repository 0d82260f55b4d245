"""The script that times pools, at a toy size."""

import importlib
import json
from pathlib import Path
from types import ModuleType

import pytest
import torch

RECIPES = Path(__file__).parent.parent / "recipes"


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    monkeypatch.syspath_prepend(RECIPES)
    monkeypatch.setenv("GANAUG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(importlib.import_module("record"), "RESULTS", tmp_path)
    return importlib.import_module("pool_rate")


def test_both_rates_and_the_memory_are_written_down(recipe: ModuleType, tmp_path: Path):
    recipe.main(["dcgan-4", "style-4"], images=600, rounds=2)
    result = json.loads((tmp_path / "pools" / "pools.json").read_text())
    assert [row["generator"] for row in result["rows"]] == ["dcgan-4", "style-4"] and result["images"] == 600
    for row in result["rows"]:
        low, high = row["ratio, lowest to highest"]
        assert 0 < low <= row["ratio"] <= high and row["of the loop"] in recipe.BATCHES
        assert row["pool, images/s"] > 0 and row["forward, images/s"] > 0
        assert len(row["MiB at 10, 50, 100 %"]) == 3 and row["MiB at 10, 50, 100 %"][0] > 50
    assert "| dcgan-4 |" in (tmp_path / "pools" / "pools.md").read_text()


def test_the_pool_that_is_timed_is_removed_and_the_generator_left_as_it_was(recipe: ModuleType):
    synth = recipe.generator("dcgan-4")
    rate, peaks = recipe.pool_rate(synth, 105, seed=1)
    assert rate > 0 and len(peaks) == 3 and peaks == sorted(peaks) and "sample" not in vars(synth)
    assert torch.equal(synth.sample([0])[0], recipe.generator("dcgan-4").sample([0])[0])
