"""Runs so small that a test may make one, and looks into their folders."""

import json
import random
from pathlib import Path

import pytest
import torch
from shell import learn_fast
from torch import Generator

from ganaug.data import LabeledImages
from ganaug.files import sealed_json
from ganaug.recipe import load_recipe
from ganaug.run import Plan, execute, plan

NETS = ("nets.width=4", "nets.z_dim=8", "train.batch_size=8")
SETTINGS = (*NETS, "train.steps=30", "train.checkpoint_every=10")
CLASSES = ("ant", "bee", "cat")


def noise(n: int = 60, shape: tuple[int, int, int] = (1, 8, 8), seed: int = 0) -> LabeledImages:
    pixels = torch.randint(0, 256, (n, *shape), generator=Generator().manual_seed(seed), dtype=torch.uint8)
    names = tuple(f"{i:03d}.png" for i in range(n))
    return LabeledImages(pixels, torch.arange(n) % 3, CLASSES, names, "noise")


def planned(*settings: str, data: LabeledImages | None = None) -> Plan:
    return plan(data or noise(), load_recipe("auto", [*SETTINGS, *settings]), device="cpu")


def finished(out: Path, *settings: str) -> Path:
    """A run that nothing disturbed."""
    with pytest.MonkeyPatch.context() as patch:
        learn_fast(patch)
        execute(planned(*settings), out, quiet=True)
    return out


def weights(out: Path) -> bytes:
    return (out / "generator/generator.safetensors").read_bytes()


def steps_of(out: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (out / "progress.jsonl").read_text().splitlines()]


def checkpoints(out: Path) -> list[int]:
    return sorted(int(path.name.removeprefix("step-")) for path in (out / "checkpoints").glob("step-*"))


def unfinish(out: Path) -> Path:
    """As if the process had been killed just before the run was complete."""
    facts = json.loads((out / "run.json").read_text())
    (out / "run.json").write_bytes(sealed_json({**facts, "status": "training", "files": {}}))
    return out


def flip(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)
