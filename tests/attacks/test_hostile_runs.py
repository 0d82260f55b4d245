"""A run folder from a stranger: what deviates is named, and resuming it is refused in a sentence."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cage import ODD_FILES, Refused, canary_of, put, refusal
from shell import TINY, ganaug, learn_fast, pictures, write_folder

from ganaug.cli.commands import app
from ganaug.run import check_run, recorded_val
from ganaug.synthesis import Synthesizer

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the cage is Linux's")
FILES = (
    "run.json",
    "recipe.toml",
    "progress.jsonl",
    "checkpoints/step-000000020/state.json",
    "checkpoints/step-000000020/G.safetensors",
    "checkpoints/step-000000020/manifest.json",
    "generator/generator.json",
)
MARKED = ("run.json", "recipe.toml")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        learn_fast(patch)
        assert ganaug("train", write_folder(root / "data", pictures(60)), "-o", root / "run", "-q", *TINY) == 0
    assert check_run(root / "run") == []
    Synthesizer.load(root / "run", "cpu")
    return root


@pytest.fixture
def run(world: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(world / "run", tmp_path / "run"))


def check(run: Path) -> Callable[[], object]:
    def all_deviations() -> None:
        found = check_run(run)
        if found:
            raise Refused("; ".join(found))

    return all_deviations


def command(*words: object) -> Callable[[], object]:
    return lambda: app([str(word) for word in words], standalone_mode=False)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("odd", ODD_FILES)
def test_an_odd_file_in_place_of_one_is_named(run: Path, name: str, odd: str):
    path = put(run / name, odd)
    assert name in refusal(check(run))
    assert not canary_of(path).exists()


@pytest.mark.parametrize("name", MARKED)
@pytest.mark.parametrize("odd", ODD_FILES)
def test_an_odd_file_is_not_resumed_from(world: Path, run: Path, name: str, odd: str):
    path = put(run / name, odd)
    refusal(command("train", world / "data", "-o", run, "--resume", "-q"), "run")
    assert not canary_of(path).exists()


@pytest.mark.parametrize("odd", ODD_FILES)
def test_a_validation_split_is_not_read_from_an_odd_file(run: Path, odd: str):
    put(run / "run.json", odd)
    assert recorded_val(run) is None
    assert Synthesizer.load(run, "cpu").classes == ("ant", "bee", "cat")  # the generator is sealed by itself


@pytest.mark.parametrize(
    "text",
    [b"[" * 500_000, b'{"a":' * 200_000, b'{"status": ' + b"9" * 10**6 + b"}", b"\xff\xfe", b"[]", b'{"files": 3}'],
)
def test_a_run_that_is_described_by_no_json_of_ours_is_refused(world: Path, run: Path, text: bytes):
    (run / "run.json").write_bytes(text)
    assert "run.json" in refusal(check(run))
    refusal(command("train", world / "data", "-o", run, "--resume", "-q"), "run")
    assert recorded_val(run) is None
