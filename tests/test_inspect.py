"""`ganaug inspect`: planted problems are on the page by name, what train would choose has its reasons and its cost."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from shell import CLASSES, ganaug, pictures, tree, write_folder

from ganaug.inspection import inspect, show
from ganaug.recipe import load_recipe


def text(facts: dict[str, Any], width: int = 100) -> str:
    """The page as it would stand in a terminal of that width."""
    console = Console(width=width, no_color=True)
    with console.capture() as captured:
        console.print(show(facts))
    return captured.get()


def found(facts: dict[str, Any]) -> dict[str, tuple[int, list[str], bool]]:
    """kind -> (count, files, serious)."""
    return {p["kind"]: (p["count"], list(p["files"]), p["serious"]) for p in facts["problems"]}


@pytest.fixture
def messy(tmp_path: Path) -> Path:
    """30 images of 16 px in three classes, and one of each of many oddities."""
    root = write_folder(tmp_path / "messy", pictures(30, size=(16, 16)))
    (root / "ant/cut.png").write_bytes((root / "ant/000.png").read_bytes()[:-20])
    (root / "ant/page.png").write_text("<html>")
    (root / "bee/twin.png").write_bytes((root / "ant/003.png").read_bytes())  # of an ant
    (root / "cat/again.png").write_bytes((root / "cat/002.png").read_bytes())
    Image.new("L", (16, 16), 77).save(root / "cat/plain.png")
    frames = [Image.fromarray(np.full((16, 16, 3), (v, 0, v), np.uint8)) for v in (10, 200)]
    frames[0].save(root / "cat/moving.gif", save_all=True, append_images=frames[1:])
    Image.fromarray(np.arange(256, dtype=np.uint16).reshape(16, 16) * 257).save(root / "cat/deep.png")
    Image.fromarray(np.arange(256, dtype=np.uint16).reshape(16, 16) * 16).save(root / "cat/dim.png")  # 12 bits of 16
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (16, 16, 4), np.uint8)).save(root / "cat/clear.png")
    (root / ".DS_Store").write_bytes(b"")
    (root / "dog").mkdir()
    Image.fromarray(pictures(1, size=(90, 16))[0]).save(root / "dog/strip.png")
    return root


def test_every_planted_problem_is_on_the_page_with_its_file(messy: Path):
    facts = inspect(messy)
    kinds = found(facts)
    assert kinds["unusable files"][0] == 2 and kinds["unusable files"][2]
    assert "ant/cut.png" in kinds["unusable files"][1][0] and "ant/page.png" in kinds["unusable files"][1][1]
    assert kinds["the same image in several classes"] == (1, ["ant/003.png = bee/twin.png"], True)
    assert kinds["copies within a class"] == (1, ["cat/002.png = cat/again.png"], False)
    assert kinds["several frames"][1] == ["cat/moving.gif"] and kinds["more than 8 bits"][0] == 2
    assert kinds["dark for 16 bits"] == (1, ["cat/dim.png"], False)
    assert kinds["transparency"][1] == ["cat/clear.png"] and kinds["long strips"][1] == ["dog/strip.png"]
    assert "cat/plain.png" in kinds["one colour"][1]
    assert kinds["classes of fewer than 20 images"][1][0] == "dog: 1"
    assert kinds["imbalance"][1] == ["cat: 16", "dog: 1"]
    assert facts["refused"] and "--set data.skip_bad" not in facts["refused"]  # 2 of 40 are too many to skip
    page = text(facts)
    assert all(kind in page for kind in kinds) and "would refuse this" in page and "cut.png" in page
    assert facts["problems"][0]["serious"] and not facts["problems"][-1]["serious"]


def test_a_sound_set_has_no_problem_and_a_recipe_with_reasons_and_cost(tmp_path: Path):
    facts = inspect(write_folder(tmp_path / "data", pictures(240)), device="cpu")
    assert facts["problems"] == [] and facts["refused"] is None
    assert facts["classes"] == [{"name": name, "images": 80} for name in CLASSES]
    assert facts["sizes"] == [[[8, 8], 240]] and facts["modes"] == [["L", 240]]
    chosen = {choice["key"]: choice["why"] for choice in facts["choices"]}
    assert {"nets.width", "train.steps", "train.lr", "train.augment"} <= set(chosen) and all(chosen.values())
    cost = facts["cost"]
    assert cost["steps"] == 5600 and cost["tried"] >= 4 and 0.5 < cost["seconds"] / 60 < 120
    assert 0.5e9 < cost["memory"] < 1.5e9
    page = text(facts)
    assert "problems: none found" in page and "about " in page and page.count("█" * 28) == 3


def test_scarce_classes_and_enlarged_images_are_on_the_page(tmp_path: Path):
    data = write_folder(tmp_path / "data", pictures(60))
    kinds = found(inspect(data, load_recipe("auto", ["data.resolution=16", "nets.width=4"]), device="cpu"))
    assert kinds["classes of fewer than 50 training images"] == (3, ["ant: 16", "bee: 16", "cat: 16"], False)
    assert kinds["smaller than data.resolution"][0] == 60
    assert "smaller than data.resolution" not in found(inspect(data, device="cpu"))


def test_the_page_fits_a_terminal(tmp_path: Path):
    rows = 1000
    np.savez(tmp_path / "many.npz", images=np.zeros((rows, 8, 8), np.uint8), labels=np.arange(rows))
    with_many = text(inspect(tmp_path / "many.npz"), width=80)
    lines = with_many.splitlines()
    assert len(lines) < 45 and max(map(len, lines)) <= 80 and "... 988 more" in with_many


def test_gray_stored_as_colour_and_classes_of_one_image_are_found(tmp_path: Path):
    gray = np.repeat(pictures(60)[..., None], 3, axis=3)
    gray[1::3] = gray[1]
    kinds = found(inspect(write_folder(tmp_path / "data", gray)))
    assert "gray stored as colour" in kinds
    assert kinds["classes of one image over and over"] == (1, ["bee"], True)


def test_json_is_the_same_as_data_and_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    data = write_folder(tmp_path / "[bold]", pictures(60))
    before = tree(tmp_path)
    assert ganaug("inspect", data, "--json", "--set", "nets.width=8") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["images"] == 60 and not [c for c in facts["choices"] if c["key"] == "nets.width"]
    assert ganaug("inspect", data) == 0
    assert capsys.readouterr().out.startswith(f"{data}: 60 images, 3 classes, 8 x 8 px, gray\n")
    assert tree(tmp_path) == before


def test_what_train_would_refuse_is_shown_and_ends_with_the_same_sentence(
    messy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert ganaug("inspect", messy) == 2
    out, err = capsys.readouterr()
    assert " ".join(out.split()).startswith(f"{messy}: 40 images, 4 classes, 16 x 16 px (37), 90 x 16 px (1), gray (3")
    assert err.startswith("ganaug: ") and err.count("\n") == 1
    assert ganaug("train", messy, "-o", tmp_path / "run") == 2
    assert capsys.readouterr().err.splitlines()[-1] == err.strip()
    assert ganaug("inspect", tmp_path / "nowhere") == 2
    assert "nothing there" in capsys.readouterr().err
