"""Many classifiers, trained and graded side by side: what did each of them take each image for?"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from joblib import Parallel, delayed
from torch import Tensor, nn

from ganaug.measures.classifier import balancing_weights, fit_classifier, probabilities, require_mixable
from ganaug.measures.mixing import first_of_each_class, mixed_order
from ganaug.measures.networks import OWN, SMALL, Kind
from ganaug.measures.predictions import Graded, Predictions, pack, unpack
from ganaug.measures.stacking import fit_stack
from ganaug.ranks import gathered, jobs, rank, size

Labeled = tuple[Tensor, Tensor]  # uint8 [N, C, H, W], int64 [N]
Arrays = Mapping[str, tuple[np.ndarray, np.ndarray]]
Arm = TypeVar("Arm", bound=Hashable)
STACK = 16  # fits trained as one; what they need of a device's memory grows with it


@dataclass(frozen=True)
class Protocol:
    """What all classifiers of a study share.

    Attributes:
        num_classes: K.
        steps: Optimiser updates.
        batch_size: Images per update.
        device: Where to train; on any but "cpu", fits that differ in little more than the seed are trained as one.
        n_jobs: Processes on the CPU of a machine; -1: one per core, 1: none but this one. Results do not depend on it.
        classifier: "small", "airbench", "torchvision:NAME", or a callable that takes ((C, H, W), num_classes) and gives
            a network of float images in [-1, 1] to logits.
    """

    num_classes: int
    steps: int
    batch_size: int = 64
    device: str = "cpu"
    n_jobs: int = -1
    classifier: Kind = SMALL


@dataclass(frozen=True)
class Fit:
    """One classifier: what sets it apart from the others, and the sets on which it is graded.

    Attributes:
        seed: Decides initial weights, order and augmentation together, and which images `per_class` takes.
        augment: A name that `augment.policy` knows.
        graded: Names of the sets to predict on.
        fraction: Share of each batch that is synthetic.
        real: Name of the set to train on.
        synthetic: Name of the set that stands in where `fraction` is above 0.
        steps: Optimiser updates; None: as the protocol says.
        weighted: Classes count in the loss inversely to their number of training images.
        per_class: Train on at most so many images of each class; fewer are always among more.
    """

    seed: int
    augment: str
    graded: tuple[str, ...]
    fraction: float = 0.0
    real: str = "train"
    synthetic: str = "synthetic"
    steps: int | None = None
    weighted: bool = False
    per_class: int | None = None


Run = Callable[[Sequence[Fit], Mapping[str, Labeled], Protocol], list[Graded]]


def grade(arms: Mapping[Arm, Sequence[Fit]], sets: Mapping[str, Labeled], protocol: Protocol) -> dict[Arm, Graded]:
    """Train every classifier of every arm and let it predict once; equal ones are one.

    On the CPU each takes one torch thread, and the fan-out is joblib's: under `joblib.parallel_config` it takes another
    backend, for example a cluster's. Processes that work together take a share of the classifiers each.

    Args:
        arms: The classifiers of each arm.
        sets: (uint8 [N, C, H, W], int64 [N]) each, by the names that the fits use.
        protocol: What they share.

    Returns:
        For each arm and each set that its classifiers are graded on, their predictions in the order of the fits.

    Raises:
        DataError: What `fit_classifier` and `predict` refuse.

    Example:
        >>> images, labels = torch.zeros(8, 1, 8, 8, dtype=torch.uint8), torch.arange(8) % 2
        >>> arms, sets = {"real": [Fit(0, "none", ("train",))]}, {"train": (images, labels)}
        >>> grade(arms, sets, Protocol(num_classes=2, steps=1, n_jobs=1))["real"]["train"].predicted.shape
        (1, 8)
    """
    wanted: dict[Fit, dict[str, None]] = {}
    for fit in (fit for row in arms.values() for fit in row):
        wanted.setdefault(_training(fit), {}).update(dict.fromkeys(fit.graded))
    fits = [replace(fit, graded=tuple(names)) for fit, names in wanted.items()]
    found = _shared_out(_fan_out if protocol.device == "cpu" else side_by_side, fits, sets, protocol)
    done = dict(zip(wanted, found, strict=True))
    return {
        arm: _stack([{name: done[_training(fit)][name] for name in fit.graded} for fit in row])
        for arm, row in arms.items()
    }


def _training(fit: Fit) -> Fit:
    """What decides the classifier: equal ones are trained once, whatever they are graded on."""
    return replace(fit, graded=(), synthetic=fit.synthetic if fit.fraction else "")


def _longest_first(fits: Sequence[Fit], protocol: Protocol) -> list[int]:
    """The places of the fits in the order in which they are begun, so that all who share them end together."""
    return sorted(range(len(fits)), key=lambda i: -(fits[i].steps or protocol.steps))


def _shared_out(run: Run, fits: Sequence[Fit], sets: Mapping[str, Labeled], protocol: Protocol) -> list[Graded]:
    """Each of the processes that work together runs its share, the longest dealt out first; all learn of all."""
    if size() == 1:
        return run(fits, sets, protocol)
    order = _longest_first(fits, protocol)
    own = run([fits[i] for i in order[rank() :: size()]], sets, protocol)
    parts = [unpack(part) for part in gathered(pack(own))]
    done = {i: graded for r, part in enumerate(parts) for i, graded in zip(order[r :: size()], part, strict=True)}
    return [done[i] for i in range(len(fits))]


def _fan_out(fits: Sequence[Fit], sets: Mapping[str, Labeled], protocol: Protocol) -> list[Graded]:
    """Fits by several processes, the longest first and one at a time, so that all processes end together."""
    # Sets that share their images hand them over once.
    pixels = {id(images): images.cpu().numpy() for images, _ in sets.values()}
    arrays = {name: (pixels[id(images)], labels.cpu().numpy()) for name, (images, labels) in sets.items()}
    order = _longest_first(fits, protocol)
    # Arrays go to the processes memory-mapped; copy-on-write, because torch wants them writable.
    run = Parallel(n_jobs=jobs(protocol.n_jobs), batch_size=1, mmap_mode="c")  # type: ignore[arg-type]  # an int is allowed
    rows: Iterator[Any] = iter(run(delayed(_fit_and_grade)(fits[i], arrays, protocol) for i in order))
    done = dict(zip(order, rows, strict=True))
    return [done[i] for i in range(len(fits))]


def _fit_and_grade(fit: Fit, arrays: Arrays, protocol: Protocol) -> Graded:
    sets = {name: (torch.from_numpy(x), torch.from_numpy(y)) for name, (x, y) in arrays.items()}
    with _one_thread():
        return _alone(fit, sets, protocol)


def _alone(fit: Fit, sets: Mapping[str, Labeled], protocol: Protocol) -> Graded:
    """One fit, and what it predicts."""
    images, labels = sets[fit.real]
    if fit.per_class is not None:
        chosen = _taken(fit, labels)
        images, labels = images[chosen], labels[chosen]
    model = fit_classifier(
        images,
        labels,
        num_classes=protocol.num_classes,
        steps=fit.steps or protocol.steps,
        seed=fit.seed,
        batch_size=protocol.batch_size,
        augment=fit.augment,
        synthetic=sets[fit.synthetic] if fit.fraction else None,
        fraction=fit.fraction,
        device=protocol.device,
        classifier=protocol.classifier,
        class_weights=_class_weights(fit, labels, protocol),
    )
    return _predictions(model, fit, sets)


def side_by_side(fits: Sequence[Fit], sets: Mapping[str, Labeled], protocol: Protocol) -> list[Graded]:
    """Fits on the protocol's device: those of our own networks STACK at a time, of others one by one.

    Args:
        fits: The classifiers.
        sets: As `grade` takes them.
        protocol: What they share.

    Returns:
        The predictions of each fit.
    """
    if protocol.classifier not in OWN:
        return [_alone(fit, sets, protocol) for fit in fits]
    together: dict[Fit, list[int]] = {}
    for i, fit in enumerate(fits):
        together.setdefault(replace(fit, seed=0, graded=(), fraction=0.0, synthetic=""), []).append(i)
    done: dict[int, Graded] = {}
    for group in together.values():
        for part in (group[i : i + STACK] for i in range(0, len(group), STACK)):
            done |= zip(part, _stacked([fits[i] for i in part], sets, protocol), strict=True)
    return [done[i] for i in range(len(fits))]


def _stacked(fits: Sequence[Fit], sets: Mapping[str, Labeled], protocol: Protocol) -> list[Graded]:
    """Fits that differ in no more than seed, synthetic images and their share, trained as one network."""
    first = fits[0]
    names = list(dict.fromkeys([first.real, *(fit.synthetic for fit in fits if fit.fraction)]))
    for fit in fits:
        require_mixable(sets[first.real][0], sets[fit.synthetic] if fit.fraction else None, fit.fraction)
    labels = {name: sets[name][1].cpu() for name in names}
    ends = np.cumsum([len(labels[name]) for name in names]).tolist()
    places = {name: torch.arange(end - len(labels[name]), end) for name, end in zip(names, ends, strict=True)}
    models = fit_stack(
        torch.cat([sets[name][0].to(protocol.device) for name in names]),
        torch.cat([labels[name].to(protocol.device) for name in names]),
        torch.stack([_order(fit, labels, places, protocol) for fit in fits]),
        [fit.seed for fit in fits],
        num_classes=protocol.num_classes,
        augment=first.augment,
        classifier=str(protocol.classifier),
        class_weights=_class_weights(first, labels[first.real][_taken(first, labels[first.real])], protocol),
    )
    return [_predictions(model, fit, sets) for model, fit in zip(models, fits, strict=True)]


def _order(fit: Fit, labels: Mapping[str, Tensor], places: Mapping[str, Tensor], protocol: Protocol) -> Tensor:
    """Which of the pooled images make up the batches of one fit, int64 [T, B]; `places` says where each set lies."""
    chosen = _taken(fit, labels[fit.real])
    pool, other = places[fit.real][chosen], labels[fit.real][:0]
    if fit.fraction:
        pool, other = torch.cat([pool, places[fit.synthetic]]), labels[fit.synthetic]
    return pool[
        mixed_order(
            labels[fit.real][chosen],
            other,
            fit.fraction,
            steps=fit.steps or protocol.steps,
            batch_size=protocol.batch_size,
            seed=fit.seed,
        )
    ]


def _taken(fit: Fit, labels: Tensor) -> Tensor:
    """Positions of the training images that a fit takes."""
    return torch.arange(len(labels)) if fit.per_class is None else first_of_each_class(labels, fit.per_class, fit.seed)


def _class_weights(fit: Fit, labels: Tensor, protocol: Protocol) -> Tensor | None:
    return balancing_weights(labels, protocol.num_classes).to(protocol.device) if fit.weighted else None


def _predictions(model: nn.Module, fit: Fit, sets: Mapping[str, Labeled]) -> Graded:
    """What one classifier predicts on each set that it is graded on, a row each."""
    found = {name: probabilities(model, sets[name][0]).max(1) for name in fit.graded}
    return {name: Predictions(best.indices[None].numpy(), best.values[None].numpy()) for name, best in found.items()}


def _stack(rows: Sequence[Graded]) -> Graded:
    return {
        name: Predictions(
            np.concatenate([row[name].predicted for row in rows]),
            np.concatenate([row[name].confidence for row in rows]),
        )
        for name in rows[0]
    }


@contextmanager
def _one_thread() -> Iterator[None]:
    """Fits share the cores among them; and sums come out the same in every process."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
