"""One torch thread a worker, no network at import, small data that every test may share."""

import os

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

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
