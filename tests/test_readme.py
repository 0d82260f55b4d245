"""Every code block of the README runs, in order, in a folder that holds what it names."""

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from shell import learn_fast

import ganaug.auto
from ganaug.cli import main
from ganaug.data import LabeledImages, first_per_class
from ganaug.demo import write_folder

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_every_block_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digits: LabeledImages, test_digits: LabeledImages
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ganaug.auto, "_steps", lambda *_: (20, "enough to see the blocks run"))
    monkeypatch.setattr(ganaug.auto, "_width", lambda *_: (8, "the same"))
    monkeypatch.setattr("ganaug.measures.choosing.default_steps", lambda _: 2)
    monkeypatch.setattr("ganaug.run.translation.choices._steps", lambda *_: (8, "the same"))
    learn_fast(monkeypatch)
    write_folder(Path("data/train"), first_per_class(digits, 12)[0])
    write_folder(Path("data/test"), first_per_class(test_digits, 8)[0])
    write_folder(Path("day"), first_per_class(digits, 12)[0])
    for split, data in (("train", digits), ("test", test_digits)):
        part = first_per_class(data, 12, seed=1)[0]
        write_folder(Path("night") / split, replace(part, images=255 - part.images))
    names: dict[str, Any] = {}
    for language, code in BLOCKS:
        if language == "python":
            exec(compile(code, "README.md", "exec"), names)
        for line in code.splitlines() if language == "sh" else ():
            run(line)
    assert names["labels"].tolist() == [0, 1, 1]
    images, labels = next(iter(names["loader"]))  # ImageFolder makes all images RGB
    assert images.shape == (64, 3, 8, 8) and labels.shape == (64, 10) and float(labels.sum()) == pytest.approx(64)
    item = names["pipeline"](image=np.zeros((8, 8), np.uint8), label="3")
    assert item["image"].shape == (8, 8) and item["label"] == "3"
    assert names["to_night"](image=np.zeros((8, 8), np.uint8))["image"].shape == (8, 8)
    assert names["as_night"].shape == names["translator"].translate(torch.zeros(3, 1, 8, 8, dtype=torch.uint8)).shape
    assert (Path("report-night") / "report.html").is_file() and Path("as-night/manifest.jsonl").is_file()
    assert len(names["even_table"]) >= len(names["table"]) and names["even_table"].features == names["table"].features
    assert Path("report/report.html").is_file() and Path("corpus/manifest.jsonl").is_file()


def test_every_link_leads_somewhere():
    links = re.findall(r"\]\(([^)]+)\)", README.read_text(encoding="utf-8"))
    assert len(links) >= 4 and [link for link in links if not (README.parent / link).is_file()] == []


def run(line: str) -> None:
    command, *arguments = shlex.split(line, comments=True)
    if command == "make":
        assert f"\n{arguments[0]}:" in (README.parent / "Makefile").read_text(encoding="utf-8")
        return
    if command == "torchrun":  # how processes work together is tried elsewhere
        start = arguments.index("ganaug")
        command, arguments = arguments[start], [*arguments[start + 1 :], "--help"]
    assert command == "ganaug"
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert not ended.value.code
