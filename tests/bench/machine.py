"""Where and with what numbers were taken: machine, versions, and the code itself."""

import hashlib
import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import ganaug

HERE = Path(__file__).parent
CHECKOUT = HERE.parent.parent
VERSIONS = ("ganaug", "torch", "numpy", "scipy", "scikit-learn", "torch-fidelity", "prdc", "albumentations", "pillow")


def conditions(device: torch.device) -> dict[str, Any]:
    """What two rows must have in common to stand in one table."""
    return {"device": device_name(device), "machine": machine(), "versions": versions(device), "code": code()}


def device_name(device: torch.device) -> str:
    """Of the GPU; "cpu" for the processor."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def slug(name: str) -> str:
    """A name that a file can have.

    >>> slug("NVIDIA H100 80GB HBM3")
    'nvidia-h100-80gb-hbm3'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def machine() -> str:
    """Processor, cores and threads."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{(models or [platform.machine()])[0]}, {os.cpu_count()} cores, {torch.get_num_threads()} threads"


def versions(device: torch.device) -> dict[str, str]:
    """Of what is measured and of the peers, as far as they are there."""
    found = {"python": platform.python_version()}
    for name in VERSIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    if device.type == "cuda":
        found |= {"cuda": str(torch.version.cuda), "cudnn": str(torch.backends.cudnn.version())}
    return found


def code() -> str:
    """A hash of the package and of the bench: the same at commits between which neither changed, and without git."""
    files = [*Path(ganaug.__file__).parent.rglob("*.py"), *HERE.glob("*.py"), *(CHECKOUT / "recipes").glob("*.toml")]
    sums = hashlib.sha256()
    for file in sorted(files):
        sums.update(file.name.encode() + file.read_bytes())
    return sums.hexdigest()[:12]


def commit() -> str | None:
    """The commit; None where there is no repository."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, cwd=HERE, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()
