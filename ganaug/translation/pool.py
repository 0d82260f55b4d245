"""The pool of former translations: D does not forget what G drew before."""

import torch
from torch import Generator, Tensor


def from_pool(pool: Tensor, fakes: Tensor, size: int, rng: Generator) -> tuple[Tensor, Tensor]:
    """What D is shown in place of `fakes`, and the pool from then on.

    While the pool has room an image is kept and shown; then half of the images are shown as they are, and half change
    places with a kept one, which is shown (Shrivastava et al. 2017, arXiv:1612.07828, section 2.3, as in Zhu 2017).

    Args:
        pool: Kept images, [M, C, H, W], M <= size.
        fakes: New ones, [N, C, H, W].
        size: What the pool may hold.
        rng: Of the choice.

    Example:
        >>> shown, pool = from_pool(torch.zeros(0, 1, 1, 1), torch.ones(3, 1, 1, 1), 2, Generator())
        >>> len(shown), len(pool)
        (3, 2)
    """
    room = size - len(pool)
    kept, shown = torch.cat([pool, fakes[:room]]), fakes.clone()
    swaps = (torch.rand(len(fakes), generator=rng, device=rng.device) < 0.5).tolist()
    places = torch.randint(size, (len(fakes),), generator=rng, device=rng.device).tolist()
    for i in range(room, len(fakes)):
        if swaps[i]:
            shown[i], kept[places[i]] = kept[places[i]].clone(), fakes[i]
    return shown, kept
