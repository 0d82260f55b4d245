"""One torch thread a worker, no network at import, small data that every test may share."""

import ipaddress
import logging
import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import pytest
import torch
from generators import saved
from shown import Shown

import ganaug
from ganaug.data import LabeledImages
from ganaug.synthesis import Synthesizer

torch.set_num_threads(1)


class NetworkUsed(BaseException):
    """A test went out into the world; no library's `except Exception` hides that."""


def is_local(host: Any) -> bool:
    """Whether a name or address is this machine's own."""
    name = host.decode() if isinstance(host, bytes) else host or "localhost"
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    """Connections and look-ups go no further than this machine; processes may talk to each other."""

    def guarded(call: Callable[..., Any]) -> Callable[..., Any]:
        def local(self: socket.socket, *arguments: Any) -> Any:
            address = arguments[-1]
            if self.family in (socket.AF_INET, socket.AF_INET6) and not is_local(address[0]):
                raise NetworkUsed(f"a test must stay on this machine, got a connection to {address!r}")
            return call(self, *arguments)

        return local

    look_up = socket.getaddrinfo

    def local_names(host: Any, *arguments: Any, **options: Any) -> Any:
        if not is_local(host):
            raise NetworkUsed(f"a test must stay on this machine, got a look-up of {host!r}")
        return look_up(host, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex", "sendto"):
            patch.setattr(socket.socket, name, guarded(getattr(socket.socket, name)))
        patch.setattr(socket, "getaddrinfo", local_names)
        yield


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pools go to a folder of the test's own."""
    monkeypatch.setenv("GANAUG_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(autouse=True)
def log() -> Iterator[None]:
    """What a command sets of the log is its own; the next test begins as a program does."""
    yield
    ours = logging.getLogger("ganaug")
    ours.handlers.clear()
    ours.setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def digits() -> LabeledImages:
    """The training split of scikit-learn's digits."""
    return ganaug.load("sklearn:digits")


@pytest.fixture(scope="session")
def test_digits() -> LabeledImages:
    """The test split of scikit-learn's digits."""
    return ganaug.load("sklearn:digits:test")


@pytest.fixture(scope="module")
def synth(tmp_path_factory: pytest.TempPathFactory) -> Synthesizer:
    """A small untrained generator, loaded from a folder."""
    return saved(tmp_path_factory.mktemp("model") / "generator")


@pytest.fixture(scope="module")
def source(synth: Synthesizer) -> str:
    """The folder of that generator."""
    return str(synth.folder)


@pytest.fixture(scope="module")
def shown(synth: Synthesizer) -> Shown:
    """Tells which of its images one is."""
    return Shown(synth)


@pytest.fixture(scope="session")
def golden() -> dict[str, torch.Tensor]:
    """Two real samples of 200 and four generators: honest, copying, half copying, shrunken."""
    rs = np.random.RandomState(0)
    train, test, good = rs.randn(200, 8), rs.randn(200, 8), rs.randn(200, 8)
    copy = train + 0.01 * rs.randn(200, 8)
    half = np.concatenate([copy[:100], good[:100]])
    shrunk = 0.3 * rs.randn(200, 8)
    sets = {"train": train, "test": test, "good": good, "copy": copy, "half": half, "shrunk": shrunk}
    return {name: torch.from_numpy(x) for name, x in sets.items()}
