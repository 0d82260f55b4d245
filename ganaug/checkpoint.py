"""Checkpoints as directories: written to a temporary name, synced, sealed by a manifest of sums, renamed.

Neither safetensors nor torch notices a flipped bit in a weight; the manifest is what does. No pickle is written
or read.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as dump_tensors
from torch import Tensor, nn
from torch.optim import Optimizer

from ganaug.errors import ModelError
from ganaug.files import new_folder, parse_json, read_file, require_room, write_synced
from ganaug.images import printable

MANIFEST = "manifest.json"
SCHEMA = 1
ANOTHER = "use another copy"
SPARE = 1.2  # of the size of what is written must be free
MANIFEST_LIMIT = 2**20  # bytes: it lists a handful of files


class Entry(NamedTuple):
    """What a manifest says of one file."""

    sha256: str
    size: int  # bytes

    @classmethod
    def of(cls, content: bytes) -> "Entry":
        """What it says of a file with this content."""
        return cls(hashlib.sha256(content).hexdigest(), len(content))


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
        remove_checkpoint(root, step)  # damaged, or it would have been resumed from
    write_sealed(target, payload, {"step": step})
    for old in checkpoint_steps(root)[:-last]:
        if old not in keep:
            remove_checkpoint(root, old)
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
        listed = {name: Entry.of(content) for name, content in payload.items()}
        write_synced(folder / MANIFEST, _manifest(listed, facts or {}))


def read_sealed(folder: Path, facts: dict[str, Any] | None = None) -> dict[str, bytes]:
    """Every file of a sealed directory, after all sums agreed and the manifest is what `write_sealed` makes of them.

    Raises:
        ModelError: A file is missing, cut or altered, or they are more than fits into memory; it is named.
    """
    listed = read_manifest(folder, facts)
    size, free = sum(entry.size for entry in listed.values()), psutil.virtual_memory().available
    if size > free:
        raise ModelError(f"{folder} must fit into memory, got {size:,} bytes for {free:,}; use a larger machine")
    return {name: read_listed(folder, name, entry) for name, entry in listed.items()}


def read_manifest(folder: Path, facts: dict[str, Any] | None = None) -> dict[str, Entry]:
    """File name -> what the manifest of a sealed directory says of it, once it is one that `write_sealed` could write.

    Raises:
        ModelError: It is missing, altered, or no such manifest.
    """
    place = folder / MANIFEST
    content = _read(place, MANIFEST_LIMIT)
    try:
        listed = {name: _entry(said) for name, said in parse_json(content)["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{place} must list the files and their sums, got {error!r:.80}; {ANOTHER}") from error
    odd = [name for name in listed if Path(name).name != name]
    if odd:
        raise ModelError(f"{place} must list plain file names, got {odd[0]!r:.80}; {ANOTHER}")
    if content != _manifest(listed, facts or {}):
        raise ModelError(f"{place} must be as it was written, got an altered one; {ANOTHER}")
    return listed


def read_listed(folder: Path, name: str, entry: Entry) -> bytes:
    """One file of a sealed directory, compared with what the manifest says of it; never more bytes than it says.

    Raises:
        ModelError: It is missing, cut or altered.
    """
    content = _read(folder / name, entry.size, f", though {MANIFEST} lists it")
    if Entry.of(content) != entry:
        raise ModelError(f"{folder / name} must have the sha256 and size in {MANIFEST}, got others: altered; {ANOTHER}")
    return content


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
    steps = checkpoint_steps(root)
    if not steps:
        return None
    try:
        return steps[-1], read_checkpoint(root, steps[-1])
    except ModelError as error:
        newest = folder_of(root, steps[-1])
        raise ModelError(f"{error}, or remove {newest} to go on from the checkpoint before it") from error


def folder_of(root: Path, step: int) -> Path:
    """Where the checkpoint of `step` lies."""
    return root / f"step-{step:09d}"


def checkpoint_steps(root: Path) -> list[int]:
    """The steps of the checkpoints below `root`, oldest first."""
    names = (path.name.removeprefix("step-") for path in root.glob("step-*"))
    return sorted(int(name) for name in names if name.isdecimal())


def remove_checkpoint(root: Path, step: int) -> None:
    """Rename first, so that no half-deleted checkpoint is ever seen."""
    folder = folder_of(root, step)
    shutil.rmtree(folder.rename(root / f".del-{folder.name}"), ignore_errors=True)


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
        raise ModelError(f"{name} must fit the architecture, got a difference in {odd[0]!r:.80}; it is another model's")
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
    tensors, state = parse_tensors(content, name), {}
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for key, tensor in tensors.items():
        index, _, quantity = key.partition(".")
        i = int(index) if index.isdecimal() and len(index) < 9 and quantity else len(parameters)
        number = tensor.shape == torch.Size()  # such as Adam's count of steps
        if i >= len(parameters) or not (number or tensor.shape == parameters[i].shape):
            raise ModelError(f"{name} must be an optimiser's state that fits, got a tensor {key!r:.80}; {ANOTHER}")
        # In the parameter's own layout, as it was before it was written: the order of operations may depend on it.
        state.setdefault(i, {})[quantity] = tensor if number else torch.empty_like(parameters[i]).copy_(tensor)
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


def _manifest(listed: dict[str, Entry], facts: dict[str, Any]) -> bytes:
    """What seals a directory: nothing in it can change unnoticed, for the reader writes it again and compares."""
    files = {name: {"sha256": entry.sha256, "bytes": entry.size} for name, entry in listed.items()}
    return json.dumps({"schema": SCHEMA, **facts, "files": files}).encode()


def _entry(said: dict[str, Any]) -> Entry:
    if not isinstance(said["sha256"], str) or type(said["bytes"]) is not int:
        raise TypeError("a sum or a size of another type")
    return Entry(said["sha256"], said["bytes"])


def _read(path: Path, limit: int, more: str = "") -> bytes:
    try:
        return read_file(path, limit)
    except OSError as error:
        raise ModelError(f"{path} must be readable, got {_fact(error)}{more}; {ANOTHER}") from error


def _fact(error: BaseException) -> str:
    return printable(getattr(error, "strerror", None) or str(error)[:200] or type(error).__name__)
