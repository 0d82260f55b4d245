"""`ganaug generate` killed at any moment: no half corpus, nothing beside it, the same bytes when it is run again."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from shell import tree

from ganaug.corpus import spread, write_corpus
from ganaug.synthesis import Architecture, Synthesizer

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
KILLS = [1, pytest.param(10, marks=pytest.mark.slow)]
IMAGES = 900  # written a few hundred at a time
PATIENCE = 120  # s until a process that shows nothing has failed
PROGRAM = "from ganaug.cli import main; main()"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "generator"
    architecture = Architecture(name="residual", width=4, z_dim=6, shape=(3, 16, 16), classes=("ant", "bee", "cat"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        Synthesizer(architecture.build(), architecture, {"ganaug": "0.1.0"}, "cpu").save(folder)
    return folder


def start(model: Path, out: Path, *more: str) -> subprocess.Popen[str]:
    """The command in a process of its own, on one thread as the tests are."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "generate", str(model), "-o", str(out), "-n", str(IMAGES), "-q", *more],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    """What it said; it must have ended well."""
    said = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 0, said
    return said


def once_written(images: int, out: Path, process: subprocess.Popen[str]) -> None:
    """Wait until so many images lie under the temporary name, or the corpus is there."""
    end = time.monotonic() + PATIENCE
    while not out.exists() and written(out) < images:
        assert process.poll() is None and time.monotonic() < end, finish(process)
        time.sleep(0.002)


def written(out: Path) -> int:
    """Images under the temporary name; what is renamed or removed at this moment is counted at the next."""
    try:
        return len(list(out.parent.glob(f".{out.name}.*.tmp/*/*.png")))
    except FileNotFoundError:
        return 0


@pytest.mark.parametrize("kills", KILLS)
def test_what_is_killed_leaves_no_half_corpus_and_is_made_equal_by_the_same_command(
    model: Path, tmp_path: Path, kills: int
):
    rng, out = random.Random(kills), tmp_path / "killed/corpus"
    out.parent.mkdir()
    expected = tree(write_corpus(Synthesizer.load(model, "cpu"), tmp_path / "whole", spread(IMAGES, 3)))
    torn = 0
    for _ in range(kills):
        process = start(model, out, "--resume")
        once_written(rng.randrange(IMAGES), out, process)
        time.sleep(rng.random() * 0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        (left,) = os.listdir(out.parent)
        torn += left != out.name
        assert tree(out) == (expected if left == out.name else {})
        finish(start(model, out, "--resume"))
        assert os.listdir(out.parent) == [out.name] and tree(out) == expected
        shutil.rmtree(out)
    assert torn >= kills * 0.7, f"{torn} of {kills} kills hit a writer at work: the test shows little"
