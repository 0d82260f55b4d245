"""The command line, driven in process, and small image sets to drive it with."""

import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganaug.cli import main

CLASSES = ("ant", "bee", "cat")
TINY = ("--set", "nets.width=8", "--set", "train.steps=20", "--set", "train.batch_size=16")


def ganaug(*arguments: object) -> int:
    """The exit code of a command; the signal handler that it sets is put back."""
    former = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
    finally:
        signal.signal(signal.SIGTERM, former)
    return int(end.value.code or 0)


def pictures(n: int, *, size: tuple[int, int] = (8, 8), channels: int = 1, seed: int = 0) -> np.ndarray:
    """`n` different images, uint8 [n, H, W] or [n, H, W, C]; image i is of class i mod 3, the brighter, the higher."""
    shape = (n, *size, channels) if channels > 1 else (n, *size)
    noise = np.random.default_rng(seed).integers(0, 60, shape)
    level = (np.arange(n) % len(CLASSES) * 90).reshape(-1, *[1] * (len(shape) - 1))
    return (noise + level).astype(np.uint8)


def write_folder(root: Path, images: np.ndarray, classes: tuple[str, ...] = CLASSES) -> Path:
    """Image i as a PNG of class i mod K."""
    for i, image in enumerate(images):
        path = root / classes[i % len(classes)] / f"{i:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return root


def learn_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge checkpoints, and guess labels, by what 10 updates learned, and take no process but this one."""
    for room in ("features", "selftraining"):
        monkeypatch.setattr(f"ganaug.measures.{room}.default_steps", lambda n: 10)
    monkeypatch.setattr("ganaug.run.judge.PROBE_STEPS", 10)
    monkeypatch.setattr("ganaug.run.translation.judge.default_steps", lambda n: 10)
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")


def tree(root: Path) -> dict[str, bytes]:
    """Every file below `root` with its content."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def one_sentence(capsys: pytest.CaptureFixture[str]) -> str:
    """What stood on stderr, which must be one line of ours; nothing stood on stdout."""
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("ganaug: ") and "Traceback" not in err, out + err
    return err.removeprefix("ganaug: ").rstrip()
