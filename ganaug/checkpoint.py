"""Checkpoints as directories: written to a temporary name, synced, sealed by a manifest of sha256 sums, renamed.

Neither safetensors nor torch notices a flipped bit in a weight; the manifest is what does. No pickle is written or read.
"""

import contextlib
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as dump_tensors
from torch import Tensor, nn
from torch.optim import Optimizer

from ganaug.errors import DiskFullError, ModelError

log = logging.getLogger("ganaug")
MANIFEST = "manifest.json"
SCHEMA = 1


def save_checkpoint(root: Path, step: int, payload: dict[str, bytes], keep: tuple[int, ...] = (), last: int = 3) -> Path:
    """Write `payload` (file name -> bytes) as `root`/step-NNNNNNNNN, then drop all but the `last` newest and those in `keep`.

    A kill at any moment leaves every earlier checkpoint whole and this one either whole or absent.

    Raises:
        DiskFullError: There is no room; nothing of this checkpoint stays.
    """
    clean(root)
    target = root / f"step-{step:09d}"
    if not target.exists():
        write_sealed(target, payload, {"step": step})
    for old in sorted(root.glob("step-*"))[:-last]:
        if step_of(old) not in keep:
            _remove(old)
    return target


def write_sealed(target: Path, payload: dict[str, bytes], facts: dict[str, Any] | None = None) -> None:
    """Write a directory atomically: files, then the manifest with their sha256 sums, then the rename."""
    temporary = target.parent / f".tmp-{os.getpid()}-{target.name}"
    with _cleared(temporary):
        files = {}
        for name, content in payload.items():
            _write(temporary / name, content)
            files[name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        _write(temporary / MANIFEST, json.dumps({"schema": SCHEMA, **(facts or {}), "files": files}).encode())
        _sync(temporary)
        temporary.rename(target)
        _sync(target.parent)


def read_sealed(folder: Path) -> dict[str, bytes]:
    """Every file of a sealed directory, after all sums agreed.

    Raises:
        ModelError: A file is missing, cut or altered; it is named.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        sums = {str(name): str(entry["sha256"]) for name, entry in manifest["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{folder / MANIFEST} must list the files and their sums, got {_fact(error)}; use another copy") from error
    payload = {}
    for name, expected in sums.items():
        if Path(name).name != name:
            raise ModelError(f"{folder / MANIFEST} must list plain file names, got {name!r}; use another copy")
        payload[name] = _read(folder / name)
        if hashlib.sha256(payload[name]).hexdigest() != expected:
            raise ModelError(f"{folder / name} must have the sha256 of its manifest, got another: it was altered; use another copy")
    return payload


def latest_checkpoint(root: Path) -> tuple[int, dict[str, bytes]] | None:
    """(step, files) of the newest checkpoint that verifies; damaged ones are named in a warning and passed over."""
    for folder in sorted(root.glob("step-*"), reverse=True):
        try:
            return step_of(folder), read_sealed(folder)
        except ModelError as error:
            log.warning("%s", error)
    return None


def step_of(folder: Path) -> int:
    """The step in a checkpoint's name."""
    return int(folder.name.removeprefix("step-"))


def clean(root: Path) -> None:
    """Make `root` and remove what killed writers left in it."""
    root.mkdir(parents=True, exist_ok=True)
    for left in (*root.glob(".tmp-*"), *root.glob(".del-*")):
        shutil.rmtree(left, ignore_errors=True)


def dump_module(module: nn.Module) -> bytes:
    """A module's parameters and buffers as safetensors."""
    return dump_tensors({name: t.detach().contiguous().cpu() for name, t in module.state_dict().items()})


def load_module(module: nn.Module, content: bytes, name: str) -> None:
    """Fill `module`, which must have exactly the tensors in `content`.

    Raises:
        ModelError: The bytes are no safetensors, or a tensor is missing, surplus or of another shape.
    """
    tensors = parse_tensors(content, name)
    expected = module.state_dict()
    odd = sorted(set(tensors) ^ set(expected)) or [k for k in expected if tensors[k].shape != expected[k].shape]
    if odd:
        raise ModelError(f"{name} must fit the architecture, got a difference in {odd[0]!r}; it belongs to another recipe")
    module.load_state_dict(tensors)


def dump_optimizer(optimizer: Optimizer) -> bytes:
    """An optimiser's state tensors as safetensors, named `<parameter>.<quantity>`."""
    state = optimizer.state_dict()["state"]
    return dump_tensors({f"{i}.{k}": t.detach().contiguous().cpu() for i, row in state.items() for k, t in row.items()})


def load_optimizer(optimizer: Optimizer, content: bytes, name: str) -> None:
    """Fill a fresh optimiser from `dump_optimizer`; its hyperparameters stay as they were built."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in parse_tensors(content, name).items():
        index, _, quantity = key.partition(".")
        state.setdefault(int(index), {})[quantity] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def parse_tensors(content: bytes, name: str) -> dict[str, Tensor]:
    """Safetensors bytes as tensors on the CPU.

    Raises:
        ModelError: They are none.
    """
    try:
        return load_tensors(content)
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(f"{name} must be safetensors, got {_fact(error)}; use another copy") from error


def parameters_finite(module: nn.Module) -> bool:
    """Whether every parameter and buffer is a finite number."""
    return all(bool(torch.isfinite(t).all()) for t in module.state_dict().values())


@contextlib.contextmanager
def _cleared(temporary: Path) -> Iterator[None]:
    """A fresh folder, gone again if what fills it fails."""
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise DiskFullError(f"{temporary.parent} must have room to write, got {error.strerror}; free some and resume") from error
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} must be readable, got {_fact(error)}; use another copy") from error


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(folder: Path) -> None:
    """Rename first, so that no half-deleted checkpoint is ever seen."""
    gone = folder.parent / f".del-{folder.name}"
    folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _fact(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
