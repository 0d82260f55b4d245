"""Which images make up each batch: real ones in shuffled epochs, of which a stated share is replaced by synthetic ones.

Everything is a function of the seed. Fits with one seed share the order of the real images, whatever their share of
synthetic ones: those take the place of real images of their own class.
"""

import math

import torch
from torch import Tensor

from ganaug.data.batches import mix
from ganaug.errors import DataError

REAL, SYNTHETIC = 1, 2  # streams of a seed, beside those of the network and the augmentation


def mixed_order(
    labels: Tensor, synthetic: Tensor, fraction: float, *, steps: int, batch_size: int, seed: int
) -> Tensor:
    """Positions of the images of each batch among the real ones followed by the synthetic ones.

    Over the first t batches the synthetic images are floor(t * batch_size * fraction) exactly, first in their batches,
    and the classes keep the real proportions: what is measured is synthesis, not rebalancing.

    Args:
        labels: Of the real images, int64 [N].
        synthetic: Labels of the synthetic images, int64 [M].
        fraction: Share of the batches that is synthetic, in [0, 1].
        steps: Batches.
        batch_size: Images in each.
        seed: Decides the order of both kinds.

    Returns:
        int64 [steps, batch_size] in [0, N + M).

    Raises:
        DataError: A class has no synthetic image to stand in.

    Example:
        >>> mixed_order(torch.tensor([0]), torch.tensor([0]), 0.5, steps=2, batch_size=4, seed=0)
        tensor([[1, 1, 0, 0],
                [1, 1, 0, 0]])
    """
    order = shuffled(len(labels), steps * batch_size, mix(seed, REAL)).view(steps, batch_size)
    if fraction == 0:
        return order
    until = (torch.arange(steps + 1, dtype=torch.float64) * batch_size * fraction).floor().long()
    replaced = torch.arange(batch_size) < until.diff()[:, None]
    order[replaced] = len(labels) + same_class(labels[order[replaced]], synthetic, mix(seed, SYNTHETIC))
    return order


def same_class(wanted: Tensor, labels: Tensor, seed: int) -> Tensor:
    """For each of the `wanted` labels the position of an item of that class, int64; all serve before one does twice.

    Raises:
        DataError: A wanted class has no item.
    """
    positions = torch.zeros_like(wanted)
    for k in wanted.unique().tolist():
        pool, places = (labels == k).nonzero().squeeze(1), (wanted == k).nonzero().squeeze(1)
        if not len(pool):
            raise DataError(
                f"synthetic images must cover every class of the real ones, got none of class {k}; add some"
            )
        positions[places] = pool[shuffled(len(pool), len(places), mix(seed, k))]
    return positions


def shuffled(total: int, count: int, seed: int) -> Tensor:
    """The first `count` positions of an endless stream of shuffled epochs over `total` items, int64 [count]."""
    epochs = range(math.ceil(count / total) if count else 0)
    orders = [torch.randperm(total, generator=torch.Generator().manual_seed(mix(seed, e))) for e in epochs]
    return torch.cat([torch.zeros(0, dtype=torch.int64), *orders])[:count]


def first_of_each_class(labels: Tensor, n: int, seed: int) -> Tensor:
    """Positions of at most n items of each class, int64, ascending; those for a smaller n are among those for a larger.

    >>> first_of_each_class(torch.tensor([0, 0, 0, 1]), 2, seed=0).shape
    torch.Size([3])
    """
    chosen = []
    for k in labels.unique().tolist():
        own = (labels == k).nonzero().squeeze(1)
        chosen.append(own[shuffled(len(own), min(n, len(own)), mix(seed, k))])
    return torch.cat(chosen).sort().values
