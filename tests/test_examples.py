"""The examples run as they stand, shortened, and print accuracy without and with."""

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from shell import learn_fast

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
SHORT: dict[str, tuple[int, int]] = {"hugging_face": (20, 5)}


def loaded(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_there_are_four_of_under_60_lines():
    assert {path.stem for path in EXAMPLES} == {
        "torch_loop",
        "torchvision_recipe",
        "albumentations_pipeline",
        "hugging_face",
    }
    assert max(len(path.read_text().splitlines()) for path in EXAMPLES) < 60


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_prints_accuracy_without_and_with(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    learn_fast(monkeypatch)
    monkeypatch.chdir(tmp_path)
    gan_steps, length = SHORT.get(path.stem, (20, 1))
    loaded(path).main(gan_steps, length)
    shares = [float(share) for share in re.findall(r"([\d.]+)%", capsys.readouterr().out)]
    assert len(shares) == 2 and all(5 < share <= 100 for share in shares)
