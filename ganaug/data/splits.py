"""Splits that are functions of (images, fraction, seed), and the proof that two sets share no image."""

import random
from collections import defaultdict

import torch
from torch import Tensor

from ganaug.data.labeled import LabeledImages
from ganaug.errors import DataError


def hold_out(data: LabeledImages, fraction: float, seed: int = 0) -> tuple[LabeledImages, LabeledImages]:
    """Cut a stratified share off: (rest, held out). Images with equal pixels stay on one side.

    Every class of two images or more gives at least one to either side.

    Raises:
        DataError: `fraction` is not inside (0, 1), or no class has two different images.
    """
    if not 0 < fraction < 1:
        raise DataError(f"the held-out fraction must lie in (0, 1), got {fraction}; one fifth is usual")
    rng = random.Random(seed)
    held: list[int] = []
    left = data.counts
    for groups in _groups_by_class(data):
        rng.shuffle(groups)
        held += _first_share(groups, fraction, data.labels, left)
    if not held:
        raise DataError(
            f"{data.source}: a class must have two different images to hold one out, got none; "
            "add images or pass --val DATA"
        )
    mask = torch.zeros(len(data), dtype=torch.bool)
    mask[torch.tensor(held)] = True
    rest, out = (~mask).nonzero().squeeze(1), mask.nonzero().squeeze(1)
    return data.subset(rest), data.subset(out, f"{data.source} (held out)")


def first_per_class(data: LabeledImages, n: int, seed: int = 0) -> tuple[LabeledImages, LabeledImages]:
    """(n random images of each class, the rest)."""
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    labels = data.labels[order]
    chosen = torch.cat([order[labels == k][:n] for k in range(data.num_classes)])
    rest = torch.ones(len(data), dtype=torch.bool)
    rest[chosen] = False
    return data.subset(chosen), data.subset(rest.nonzero().squeeze(1))


def require_disjoint(train: LabeledImages, test: LabeledImages) -> None:
    """Refuse a test set that shares an image with the training set, pixel for pixel.

    Raises:
        DataError: Names the first shared image on both sides.
    """
    where = dict(zip(train.hashes, train.names, strict=True))
    shared = [(where[h], name) for h, name in zip(test.hashes, test.names, strict=True) if h in where]
    if shared:
        raise DataError(
            f"{test.source}: images must not be among the training images, got {len(shared)} that are "
            f"({shared[0][1]} equals {shared[0][0]}); remove them from one side"
        )


def _groups_by_class(data: LabeledImages) -> list[list[list[int]]]:
    """For each class its groups of equal images, in an order that does not depend on the files' order."""
    groups: dict[str, list[int]] = defaultdict(list)
    for i, h in enumerate(data.hashes):
        groups[h].append(i)
    labels = data.targets
    by_class: list[list[list[int]]] = [[] for _ in data.classes]
    for h in sorted(groups):
        by_class[min(labels[i] for i in groups[h])].append(groups[h])
    return by_class


def _first_share(groups: list[list[int]], fraction: float, labels: Tensor, left: Tensor) -> list[int]:
    """Groups of one class up to `fraction`, none of which takes the last image `left` to any class; counts it down."""
    quota = max(1, round(fraction * sum(map(len, groups))))
    held: list[int] = []
    for group in groups:
        taken = torch.bincount(labels[group], minlength=len(left))
        if len(held) < quota and (left - taken)[taken > 0].min() > 0:
            left -= taken
            held += group
    return held
