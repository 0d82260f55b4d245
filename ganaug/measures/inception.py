"""Inception's features through torch-fidelity, with weights that the user has: the only ones under which FD is FID."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from ganaug.errors import DataError, GanaugError

PREFIX = "inception:"
BATCH = 32  # images of 299 px at once
ONLY_WEIGHTS = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"  # torch then runs no code that a file brings along


def inception_encoding(
    file: str, device: torch.device | str = "cpu"
) -> tuple[Callable[[Tensor], Tensor], str, Callable[[Tensor], Tensor]]:
    """What an `Encoder` is made of: features [n, 2048] of uint8 [n, C, H, W], its id, and logits [n, 1008] of features.

    Args:
        file: The weights of torch-fidelity's release, weights-inception-2015-12-05-6726825d.pth, or others in its form.
        device: Where to encode.

    Raises:
        DataError: The file cannot be read or does not hold Inception's weights.
        GanaugError: torch-fidelity is not installed.
    """
    model = _load(Path(file)).to(device)
    digest = hashlib.sha256(Path(file).read_bytes()).hexdigest()[:6]

    def encode(images: Tensor) -> Tensor:
        return torch.cat([model(_as_rgb(batch).to(device))[0] for batch in images.split(BATCH)])

    weights: Tensor = model.fc.weight  # type: ignore[assignment]
    return encode, PREFIX + digest, lambda x: (x.to(weights) @ weights.T).cpu()  # without the bias, as the score has it


def inception_score(logits: Tensor) -> float:
    """Inception Score, the mean over 10 parts (Salimans et al. 2016, arXiv:1606.03498).

    Legacy: it looks at no real image, and rewards whatever Inception takes for one of its own classes.

    Args:
        logits: Of synthetic images, [N, K].

    Returns:
        In [1, K].
    """
    from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, isc_features_to_metric  # pyright: ignore[reportMissingImports]

    return isc_features_to_metric(logits, splits=min(10, len(logits)))[KEY_METRIC_ISC_MEAN]


def _load(file: Path) -> nn.Module:
    try:
        from torch_fidelity import FeatureExtractorInceptionV3  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise GanaugError(
            f"{PREFIX}{file} must have torch-fidelity to run, got {error}; pip install 'ganaug[bench]'"
        ) from error
    if not file.is_file():
        raise DataError(f"{PREFIX}FILE must be a file of weights, got {str(file)!r}; take that of torch-fidelity")
    try:
        with _only_weights():
            return FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=str(file))
    except Exception as error:  # a foreign file can fail in any way
        raise DataError(
            f"{file}: must hold the weights of torch-fidelity's Inception, got {str(error).splitlines()[0][:120]!r}; "
            "take the file of its release"
        ) from error


@contextmanager
def _only_weights() -> Iterator[None]:
    """The package unpickles whatever the file says; for as long as this lasts, tensors are all that a file may hold."""
    before = os.environ.get(ONLY_WEIGHTS)
    os.environ[ONLY_WEIGHTS] = "1"
    try:
        yield
    finally:
        os.environ.pop(ONLY_WEIGHTS) if before is None else os.environ.__setitem__(ONLY_WEIGHTS, before)


def _as_rgb(images: Tensor) -> Tensor:
    if images.shape[1] not in (1, 3):
        raise DataError(f"Inception must see 1 or 3 channels, got {images.shape[1]}; set data.channels")
    return images.expand(-1, 3, -1, -1)
