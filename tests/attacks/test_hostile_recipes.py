"""A recipe from a stranger: refused in a sentence, at once."""

import sys
from pathlib import Path

import pytest
from cage import ODD_FILES, canary_of, put, refusal

from ganaug.recipe import load_recipe, parse_recipe

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the cage is Linux's")
TEXTS = {
    "arrays nested without end": "a = " + "[" * 900,
    "arrays nested over many lines": "a = " + "[\n" * 30_000,
    "tables nested without end": "a = " + "{a = " * 150,
    "a dotted key of 30,000 parts": "a." * 30_000 + "a = 1",
    "dotted keys nested in arrays": "train.steps = " + "".join(f"[{{{'a.' * 450}a =\n" for _ in range(60)),
    "many dotted keys": "\n".join(f"a{i}.{'a.' * 450}a = 1" for i in range(60)),
    "a deep value": "\n".join(f"train.steps{'.a' * 450}.b{i} = 1" for i in range(60)),
    "a table header of 30,000 parts": "[" + "a." * 30_000 + "a]",
    "a number of 60,000 digits": "train.steps = " + "9" * 60_000,
    "a number of 900 digits": "train.steps = " + "9" * 900,
    "a hexadecimal number of 900 digits": "train.batch_size = 0x" + "f" * 900,
    "an infinite rate": "train.lr = inf",
    "a rate that is none": "train.lr = nan",
    "a key twice": "train.lr = 1\ntrain.lr = 2",
    "a megabyte": "# " + "x" * 2**20,
    "a description that fits no line": 'description = """' + "short\n" * 200 + '"""',
    "NULs": "\0" * 1000,
    "escapes for a terminal": "train.augment = '\x1b[2J'",
    "escapes for a terminal in a key": '[train]\n"\\u001b[2J" = 1',
    "a date": "train.steps = 1979-05-27T07:32:00Z",
    "a class path": "[nets]\nname = 'os.system'",
}


@pytest.mark.parametrize("odd", ODD_FILES)
def test_an_odd_file_in_place_of_a_recipe_is_refused(tmp_path: Path, odd: str):
    path = put(tmp_path / "mine.toml", odd)
    if odd == "an empty file":
        assert load_recipe(path).train.steps is None  # a recipe that leaves all to auto
        return
    refusal(lambda: load_recipe(path), "mine.toml")
    assert not canary_of(path).exists()


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_that_is_no_recipe_is_refused(tmp_path: Path, text: str):
    (tmp_path / "mine.toml").write_text(TEXTS[text])
    for read in (lambda: load_recipe(tmp_path / "mine.toml"), lambda: parse_recipe(TEXTS[text], "mine.toml")):
        assert "\x1b" not in refusal(read, "mine.toml")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path):
    (tmp_path / "mine.toml").write_bytes(b"description = '\xff\xfe'")
    refusal(lambda: load_recipe(tmp_path / "mine.toml"), "mine.toml")


@pytest.mark.parametrize(
    "setting", ["train.steps=" + "[" * 10_000, "train.steps=" + "9" * 5000, "a\0.b=1", "train.x\x1b=1"]
)
def test_a_setting_that_is_none_is_refused(setting: str):
    assert "\x1b" not in refusal(lambda: load_recipe("auto", [setting]))
