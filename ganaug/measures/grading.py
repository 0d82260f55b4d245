"""Many classifiers, trained and graded side by side: which image did each of them name rightly?"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from joblib import Parallel, delayed
from torch import Tensor

from ganaug.measures.classifier import fit_classifier, predict

Labeled = tuple[Tensor, Tensor]  # uint8 [N, C, H, W], int64 [N]
Arrays = Mapping[str, tuple[np.ndarray, np.ndarray]]
Graded = dict[str, np.ndarray]  # name of a set -> which of its images were named rightly
Arm = TypeVar("Arm", bound=Hashable)


@dataclass(frozen=True)
class Protocol:
    """What all classifiers of a study share.

    Attributes:
        num_classes: K.
        steps: Optimiser updates.
        batch_size: Images per update.
        device: Where to train.
        n_jobs: Processes; -1: one per core, 1: none but this one. Results do not depend on it.
    """

    num_classes: int
    steps: int
    batch_size: int = 64
    device: str = "cpu"
    n_jobs: int = -1


@dataclass(frozen=True)
class Fit:
    """One classifier: what sets it apart from the others, and the sets on which it is graded."""

    seed: int
    augment: str
    graded: tuple[str, ...]
    fraction: float = 0.0


def grade(arms: Mapping[Arm, Sequence[Fit]], sets: Mapping[str, Labeled], protocol: Protocol) -> dict[Arm, Graded]:
    """Train every classifier of every arm, one torch thread each, and grade it once.

    The fan-out is joblib's: under `joblib.parallel_config` it takes another backend, for example a cluster's.

    Args:
        arms: The classifiers of each arm.
        sets: (uint8 [N, C, H, W], int64 [N]) each: "train" and, for fractions above 0, "synthetic" are trained on.
        protocol: What they share.

    Returns:
        For each arm and each set that its classifiers are graded on, bool [S, N]: row s is its s-th classifier.
    """
    arrays = {name: (images.cpu().numpy(), labels.cpu().numpy()) for name, (images, labels) in sets.items()}
    # Arrays go to the processes memory-mapped; copy-on-write, because torch wants them writable.
    run = Parallel(n_jobs=protocol.n_jobs, mmap_mode="c")
    rows: Iterator[Any] = iter(
        run(delayed(_fit_and_grade)(fit, arrays, protocol) for fits in arms.values() for fit in fits)
    )
    return {arm: _stack([next(rows) for _ in fits]) for arm, fits in arms.items()}


def _fit_and_grade(fit: Fit, arrays: Arrays, protocol: Protocol) -> Graded:
    sets = {name: (torch.from_numpy(x), torch.from_numpy(y)) for name, (x, y) in arrays.items()}
    with _one_thread():
        model = fit_classifier(
            *sets["train"],
            num_classes=protocol.num_classes,
            steps=protocol.steps,
            seed=fit.seed,
            batch_size=protocol.batch_size,
            augment=fit.augment,
            synthetic=sets["synthetic"] if fit.fraction else None,
            fraction=fit.fraction,
            device=protocol.device,
        )
        return {name: (predict(model, sets[name][0]) == sets[name][1]).numpy() for name in fit.graded}


def _stack(rows: Sequence[Graded]) -> Graded:
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


@contextmanager
def _one_thread() -> Iterator[None]:
    """Fits share the cores among them; and sums come out the same in every process."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
