"""Hostile input is met in a process of its own, where what it costs and what it runs can be seen."""

import json
import os
import resource
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ganaug.errors import GanaugError
from ganaug.synthesis import Architecture, Synthesizer

CLASSES = ("ant", "bee", "cat")
PATIENCE = 30  # s on the clock, after which it hangs
SECONDS = 1  # of processor time
GROWTH = 200 * 2**20  # bytes of memory
ROOM = 2**30  # bytes that may be reserved beyond what is there, whether used or not

ODD_FILES: dict[str, Callable[[Path], Any]] = {
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a link to what never ends": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path),
    "10 GB of nothing": lambda path: (path.touch(), os.truncate(path, 10**10)),
    "an empty file": Path.touch,
    "one byte": lambda path: path.write_bytes(b"{"),
    "a pickle": lambda path: path.write_bytes(pickled(path)),
}


class Trap:
    """Runs code when it is unpickled: it makes a folder, the canary."""

    def __init__(self, canary: Path):
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.canary),)


def canary_of(path: Path) -> Path:
    """The folder that appears where code in the file at `path` was run."""
    return path.with_name(f"{path.name}-has-run")


def pickled(path: Path) -> bytes:
    """A pickle that leaves the canary of `path`."""
    import pickle

    return pickle.dumps(Trap(canary_of(path)))


def put(path: Path, odd: str) -> Path:
    """Replace the file at `path` by an odd one."""
    path.unlink(missing_ok=True)
    ODD_FILES[odd](path)
    return path


def refusal(act: Callable[[], object], name: str = "") -> str:
    """The sentence with which `act` is refused, at little cost of time and memory; it must hold `name`."""
    met = _in_a_child(act)
    assert "GanaugError" in met["kinds"], met
    assert met["seconds"] < SECONDS and met["growth"] < GROWTH, met
    assert name in met["said"] and len(met["said"]) < 2000, met
    return met["said"]


def _in_a_child(act: Callable[[], object]) -> dict[str, Any]:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, json.dumps(_meet(act)).encode()[:60_000])
        os._exit(0)
    os.close(writer)
    try:
        ready, _, _ = select.select([reader], [], [], PATIENCE)
        with os.fdopen(reader) as answer:
            told = answer.read() if ready else ""
        assert ready, f"it hangs for {PATIENCE} s"
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert told, "it crashed"
    return json.loads(told)


def _meet(act: Callable[[], object]) -> dict[str, Any]:
    reserved = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (reserved + ROOM, resource.RLIM_INFINITY))
    before, start, said, kinds = _peak(), time.process_time(), "it was taken", []
    try:
        act()
    except BaseException as error:
        said, kinds = str(error)[:5000], [kind.__name__ for kind in type(error).__mro__]
    return {"said": said, "kinds": kinds, "seconds": time.process_time() - start, "growth": _peak() - before}


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def save_generator(folder: Path) -> Path:
    """A small generator folder."""
    architecture = Architecture(name="residual", width=4, z_dim=6, shape=(1, 8, 8), classes=CLASSES)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        G = architecture.build()
    Synthesizer(G, architecture, {"ganaug": "0.1.0"}, "cpu").save(folder)
    return folder


class Refused(GanaugError):
    """What a check that lists deviations comes to."""
