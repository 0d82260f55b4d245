"""One torch thread a worker, no network at import, small data that every test may share."""

import os

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import pytest
import torch

import ganaug
from ganaug.data import LabeledImages

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pools go to a folder of the test's own."""
    monkeypatch.setenv("GANAUG_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def digits() -> LabeledImages:
    """The training split of scikit-learn's digits."""
    return ganaug.load("sklearn:digits")


@pytest.fixture(scope="session")
def test_digits() -> LabeledImages:
    """The test split of scikit-learn's digits."""
    return ganaug.load("sklearn:digits:test")


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
