"""Checkpoints as directories: written to a temporary name, synced, sealed by a manifest of sums, renamed.

Neither safetensors nor torch notices a flipped bit in a weight; the manifest is what does. No pickle is written
or read.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as dump_tensors
from torch import Tensor, nn
from torch.optim import Optimizer

from ganaug.errors import ModelError
from ganaug.files import new_folder, read_file, require_room, write_synced

MANIFEST = "manifest.json"
SCHEMA = 1
ANOTHER = "use another copy"
SPARE = 1.2  # of the size of what is written must be free


def save_checkpoint(
    root: Path, step: int, payload: dict[str, bytes], keep: tuple[int, ...] = (), last: int = 3
) -> Path:
    """Write `payload` (file name -> bytes) as `root`/step-NNNNNNNNN; of the others the `last` newest and `keep` stay.

    A kill at any moment leaves every earlier checkpoint whole and this one either whole or absent.

    Raises:
        DiskFullError: There is no room; nothing of this checkpoint stays.
    """
    clean(root)
    target = folder_of(root, step)
    if target.exists():
        _remove(target)  # damaged, or it would have been resumed from
    write_sealed(target, payload, {"step": step})
    for old in _checkpoints(root)[:-last]:
        if step_of(old) not in keep:
            _remove(old)
    return target


def write_sealed(target: Path, payload: dict[str, bytes], facts: dict[str, Any] | None = None) -> None:
    """Write a directory atomically: files, then the manifest with their sha256 sums, then the rename.

    Raises:
        OutputError: `target` holds something already.
        DiskFullError: There is no room; nothing stays.
        GanaugError: Nothing can be written there.
    """
    with new_folder(target) as folder:
        require_room(folder, int(SPARE * sum(map(len, payload.values()))))
        for name, content in payload.items():
            write_synced(folder / name, content)
        write_synced(folder / MANIFEST, _manifest(payload, facts or {}))


def read_sealed(folder: Path, facts: dict[str, Any] | None = None) -> dict[str, bytes]:
    """Every file of a sealed directory, after all sums agreed and the manifest is what `write_sealed` makes of them.

    Raises:
        ModelError: A file is missing, cut or altered; it is named.
    """
    manifest = _read(folder / MANIFEST)
    try:
        sums = {str(name): str(entry["sha256"]) for name, entry in json.loads(manifest)["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{folder / MANIFEST} must list the files and their sums, got {error!r}; {ANOTHER}") from error
    payload = {}
    for name, expected in sums.items():
        if Path(name).name != name:
            raise ModelError(f"{folder / MANIFEST} must list plain file names, got {name!r}; {ANOTHER}")
        payload[name] = _read(folder / name)
        if hashlib.sha256(payload[name]).hexdigest() != expected:
            raise ModelError(f"{folder / name} must have the sha256 in {MANIFEST}, got another: altered; {ANOTHER}")
    if manifest != _manifest(payload, facts or {}):
        raise ModelError(f"{folder / MANIFEST} must be as it was written, got an altered one; {ANOTHER}")
    return payload


def read_checkpoint(root: Path, step: int) -> dict[str, bytes]:
    """The files of one checkpoint.

    Raises:
        ModelError: It is missing or damaged; the file is named.
    """
    return read_sealed(folder_of(root, step), {"step": step})


def latest_checkpoint(root: Path) -> tuple[int, dict[str, bytes]] | None:
    """(step, files) of the newest checkpoint; None where there is none.

    Raises:
        ModelError: It is damaged; the file is named. A kill cannot do that, so nothing older is taken unasked.
    """
    checkpoints = _checkpoints(root)
    if not checkpoints:
        return None
    newest = checkpoints[-1]
    try:
        return step_of(newest), read_checkpoint(root, step_of(newest))
    except ModelError as error:
        raise ModelError(f"{error}, or remove {newest} to go on from the checkpoint before it") from error


def folder_of(root: Path, step: int) -> Path:
    """Where the checkpoint of `step` lies."""
    return root / f"step-{step:09d}"


def step_of(folder: Path) -> int:
    """The step in a checkpoint's name."""
    return int(folder.name.removeprefix("step-"))


def clean(root: Path) -> None:
    """Make `root` and remove what killed writers left in it."""
    root.mkdir(parents=True, exist_ok=True)
    for left in (*root.glob(".*.tmp"), *root.glob(".del-*")):
        shutil.rmtree(left, ignore_errors=True)


def dump_module(module: nn.Module) -> bytes:
    """A module's parameters and buffers as safetensors."""
    return dump_tensors({name: t.detach().contiguous().cpu() for name, t in module.state_dict().items()})


def load_module(module: nn.Module, content: bytes, name: str) -> None:
    """Fill `module`, which must have exactly the tensors in `content`; one on the meta device takes them as its own.

    Raises:
        ModelError: The bytes are no safetensors, or a tensor is missing, surplus, or of another shape or dtype.
    """
    tensors, expected = parse_tensors(content, name), module.state_dict()
    odd = sorted(set(tensors) ^ set(expected)) or [
        k for k, t in expected.items() if (t.shape, t.dtype) != (tensors[k].shape, tensors[k].dtype)
    ]
    if odd:
        raise ModelError(f"{name} must fit the architecture, got a difference in {odd[0]!r}; it is another model's")
    module.load_state_dict(tensors, assign=any(t.is_meta for t in expected.values()))


def dump_optimizer(optimizer: Optimizer) -> bytes:
    """An optimiser's state tensors as safetensors, named `<parameter>.<quantity>`."""
    state = optimizer.state_dict()["state"]
    return dump_tensors({f"{i}.{k}": t.detach().contiguous().cpu() for i, row in state.items() for k, t in row.items()})


def load_optimizer(optimizer: Optimizer, content: bytes, name: str) -> None:
    """Fill a fresh optimiser from `dump_optimizer`; its hyperparameters stay as they were built.

    Raises:
        ModelError: The bytes are no safetensors, or no optimiser's.
    """
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in parse_tensors(content, name).items():
        index, _, quantity = key.partition(".")
        if not index.isdecimal() or not quantity:
            raise ModelError(f"{name} must be an optimiser's state, got a tensor {key!r}; {ANOTHER}")
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
        raise ModelError(f"{name} must be safetensors, got {_fact(error)}; {ANOTHER}") from error


def parameters_finite(module: nn.Module) -> bool:
    """Whether every parameter and buffer is a finite number."""
    return all(bool(torch.isfinite(t).all()) for t in module.state_dict().values())


def _manifest(payload: dict[str, bytes], facts: dict[str, Any]) -> bytes:
    """What seals a directory: nothing in it can change unnoticed, for the reader writes it again and compares."""
    files = {name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in payload.items()}
    return json.dumps({"schema": SCHEMA, **facts, "files": files}).encode()


def _checkpoints(root: Path) -> list[Path]:
    """The checkpoints, oldest first."""
    return sorted(path for path in root.glob("step-*") if path.name.removeprefix("step-").isdecimal())


def _read(path: Path) -> bytes:
    try:
        return read_file(path)
    except OSError as error:
        raise ModelError(f"{path} must be readable, got {_fact(error)}; {ANOTHER}") from error


def _remove(folder: Path) -> None:
    """Rename first, so that no half-deleted checkpoint is ever seen."""
    gone = folder.parent / f".del-{folder.name}"
    folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _fact(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
