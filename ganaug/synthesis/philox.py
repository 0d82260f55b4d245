"""Latents out of a counter: Philox4x32-10 (Salmon et al. 2011, doi:10.1145/2063384.2063405), on any device.

A keyed bijection of 128-bit counters. The seed is the key; label, index and the place in z are the counter, so that no
two of them share a number, and each is found without drawing those before it.
"""

import math

import torch
from torch import Tensor

ROUNDS = 10
MULTIPLIERS = 0xD2511F53, 0xCD9E8D57  # of words 0 and 2 (table 2)
KEY_STEPS = 0x9E3779B9, 0xBB67AE85  # from round to round: of the golden ratio and of the root of 3 (section 3.2)
WORD = 2**32 - 1
AT_ONCE = 1024  # rows that are drawn together: of more, the counters would fill caches and memory


def latents(z_dim: int, seed: int, labels: Tensor, indices: Tensor) -> Tensor:
    """Draw z ~ N(0, I), each row a function of (seed, label, index) alone.

    Args:
        z_dim: Numbers in a row.
        seed: Any integer; it counts modulo 2^64.
        labels: int64 [N] in [0, 2^32).
        indices: int64 [N] in [0, 2^63).

    Returns:
        float32 [N, z_dim], where the labels and indices are; devices agree up to rounding.

    Example:
        >>> z = latents(6, 7, torch.tensor([0, 1]), torch.tensor([5, 5]))
        >>> torch.equal(z[1:], latents(6, 7, torch.tensor([1]), torch.tensor([5])))
        True
    """
    z = torch.empty(len(indices), z_dim, device=indices.device)
    parts = (x.split(AT_ONCE) for x in (z, labels[:, None], indices[:, None]))
    for rows, label, index in zip(*parts, strict=True):
        blocks = torch.arange(-(-z_dim // 4), device=z.device)
        counter = torch.stack(torch.broadcast_tensors(blocks, label, index & WORD, index >> 32))
        rows[:] = normals(philox(counter, int(seed) % 2**64)).movedim(0, 2).flatten(1)[:, :z_dim]
    return z


def philox(counter: Tensor, key: int) -> Tensor:
    """The words [4, ...] that four words [4, ...] become under a key of 64 bits; words are int64 in [0, 2^32).

    Example:
        >>> [hex(word) for word in philox(torch.zeros(4, dtype=torch.int64), key=0).tolist()]
        ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    rows = (-1, 2, *[1] * (counter.ndim - 1))
    multipliers = counter.new_tensor(MULTIPLIERS).view(rows)[0]
    even, odd = counter[0::2], counter[1::2]
    for round_key in counter.new_tensor(_round_keys(key)).view(rows):
        product = (multipliers * even).flip(0)  # wraps beyond 2^63, and holds the right 64 bits
        even, odd = (product >> 32 & WORD) ^ odd ^ round_key, product & WORD
    return torch.stack([even, odd], 1).flatten(0, 1)


def normals(words: Tensor) -> Tensor:
    """As many numbers from N(0, 1) as there are words [4, ...] of 32 random bits, float32 (Box and Muller 1958).

    In double precision until the end: a logarithm whose last bit depends on where in memory a number stands, as
    vectorised ones have it, then makes no difference.
    """
    uniform = (words.double() + 0.5) / 2**32
    radius, angle = (-2 * uniform[:2].log()).sqrt(), 2 * math.pi * uniform[2:]
    return torch.cat([radius * angle.cos(), radius * angle.sin()]).float()


def _round_keys(key: int) -> list[list[int]]:
    words = key & WORD, key >> 32
    return [[word + i * step & WORD for word, step in zip(words, KEY_STEPS, strict=True)] for i in range(ROUNDS)]
