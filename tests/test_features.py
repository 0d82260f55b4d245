"""Encoders: what each is called, what it gives, what is refused; Inception from made-up weights."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from ganaug.errors import DataError, GanaugError
from ganaug.measures import features
from ganaug.measures.features import Encoder, encoder_of


def of(spec, images: Tensor, seed: int = 0) -> Encoder:
    return encoder_of(spec, images, torch.arange(len(images)) % 2, num_classes=2, seed=seed)


@pytest.fixture
def images() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (40, 3, 12, 20), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize(("spec", "width"), [("own", 64), ("pixels", 720), ("random", 64)])
def test_every_encoder_gives_float64_rows_whatever_the_batch(monkeypatch, images: Tensor, spec: str, width: int):
    monkeypatch.setattr(features, "default_steps", lambda n: 3)
    encoder = of(spec, images)
    whole = encoder(images)
    assert whole.dtype == torch.float64 and whole.shape == (40, width)
    assert torch.allclose(whole[7:8], encoder(images[7:8]), atol=1e-4)
    assert encoder(images[:0]).shape == (0, width) or spec != "pixels"


def test_ids_hash_what_decides_the_features(monkeypatch, images: Tensor):
    monkeypatch.setattr(features, "default_steps", lambda n: 3)
    for spec in ("own", "random"):
        first, again, other = (of(spec, images, seed).id for seed in (0, 0, 1))
        assert first == again != other and len(first) == len(spec) + 7
    assert of("pixels", images).id == "pixels"

    def mean(x: Tensor) -> Tensor:
        return x.double().mean((2, 3))

    assert of(mean, images).id == of(mean, images[:5]).id
    assert of(mean, images).id.startswith("callable:mean:")
    assert of(mean, images).id != of(lambda x: 2 * mean(x), images).id.replace("<lambda>", "mean")


def test_a_callable_may_return_an_array(images: Tensor):
    def brightness(x: Tensor) -> np.ndarray:
        return x.numpy().mean((2, 3))

    assert of(brightness, images)(images).shape == (40, 3)


@pytest.mark.parametrize(
    ("callable_", "words"),
    [
        (lambda x: torch.full((len(x), 4), torch.nan), r"callable:<lambda> features must be finite, got nan"),
        (lambda x: torch.zeros(3, 4), r"callable:<lambda> must give one row of features for each image"),
        (lambda x: x.float(), r"must be \[N, D\]"),
    ],
)
def test_features_that_cannot_be_used_are_refused_by_name(images: Tensor, callable_, words: str):
    with pytest.raises(DataError, match=words):
        of(callable_, images)


def test_nan_that_comes_late_is_refused_too(images: Tensor):
    encoder = of(lambda x: torch.where(x.amin((1, 2, 3), keepdim=True) == 255, torch.nan, 1.0)[:, 0, 0], images)
    with pytest.raises(DataError, match=r"callable:<lambda>:\w{6} features must be finite"):
        encoder(torch.full_like(images, 255))


def test_an_unknown_encoder_is_refused(images: Tensor):
    with pytest.raises(DataError, match="encoder must be own, pixels, random, inception:FILE or a callable, got 'vgg'"):
        of("vgg", images)


# --- Inception


def test_inception_without_the_package_says_what_to_install(monkeypatch, images: Tensor):
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(GanaugError, match=r"must have torch-fidelity to run, got .*; pip install 'ganaug\[bench\]'"):
        of("inception:weights.pth", images)


def test_inception_needs_its_own_weights(tmp_path: Path, images: Tensor):
    pytest.importorskip("torch_fidelity")
    with pytest.raises(DataError, match=r"inception:FILE must be a file of weights, got '.*none.pth'"):
        of(f"inception:{tmp_path / 'none.pth'}", images)
    (tmp_path / "text.pth").write_text("no weights")
    torch.save({"fc.weight": torch.zeros(2, 2)}, tmp_path / "foreign.pth")
    for name in ("text.pth", "foreign.pth"):
        with pytest.raises(DataError, match=f"{name}: must hold the weights of torch-fidelity's Inception"):
            of(f"inception:{tmp_path / name}", images)


class Trap:
    """Leaves a mark where it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_no_code_in_the_weights_is_run(tmp_path: Path, images: Tensor):
    pytest.importorskip("torch_fidelity")
    torch.save({"fc.weight": Trap(tmp_path / "sprung")}, tmp_path / "trap.pth")
    with pytest.raises(DataError, match="must hold the weights"):
        of(f"inception:{tmp_path / 'trap.pth'}", images)
    assert not (tmp_path / "sprung").exists()
    torch.load(tmp_path / "trap.pth", weights_only=False)
    assert (tmp_path / "sprung").exists(), "the trap works where nothing guards against it"


@pytest.mark.slow
def test_inception_gives_what_torch_fidelity_gives(tmp_path: Path, monkeypatch, images: Tensor):
    """Random weights in the package's own form: features, FID and Inception Score as the package has them."""
    package = pytest.importorskip("torch_fidelity")
    extractor = package.FeatureExtractorInceptionV3
    with monkeypatch.context() as patch:
        patch.setattr(extractor, "load_state_dict", lambda self, state: None)
        torch.save({}, tmp_path / "empty.pth")
        torch.manual_seed(0)
        made = extractor("inception", ["2048"], feature_extractor_weights_path=str(tmp_path / "empty.pth"))
    torch.save(made.state_dict(), tmp_path / "weights.pth")
    encoder = of(f"inception:{tmp_path / 'weights.pth'}", images)
    grey = of(f"inception:{tmp_path / 'weights.pth'}", images[:, :1])
    assert encoder.id == grey.id and len(encoder.id) == len("inception:") + 6
    assert torch.equal(encoder(images[:2]).float(), made(images[:2])[0])
    assert torch.equal(grey(images[:2, :1]), encoder(images[:2, :1].repeat(1, 3, 1, 1)))
    assert encoder.logits is not None and encoder.logits(encoder(images[:2])).shape == (2, 1008)
    with pytest.raises(DataError, match="Inception must see 1 or 3 channels, got 4"):
        grey(torch.zeros(1, 4, 8, 8, dtype=torch.uint8))
