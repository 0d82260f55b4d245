"""The counter-based source of latents: the published bijection, normal numbers, and no stream that two share."""

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from torch import Tensor

from ganaug.synthesis.philox import AT_ONCE, latents, normals, philox

WORD = 2**32 - 1


def drawn(n: int = 4000, z_dim: int = 16, seed: int = 3, label: int = 0, start: int = 0) -> Tensor:
    return latents(z_dim, seed, torch.full((n,), label), torch.arange(start, start + n)).double()


def by_definition(counter: list[int], key: int) -> list[int]:
    """Salmon et al. 2011, section 3.3, a word at a time in Python's own integers."""
    k = [key & WORD, key >> 32]
    for _ in range(10):
        a, b = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [b >> 32 ^ counter[1] ^ k[0], b & WORD, a >> 32 ^ counter[3] ^ k[1], a & WORD]
        k = [k[0] + 0x9E3779B9 & WORD, k[1] + 0xBB67AE85 & WORD]
    return counter


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ("00000000 00000000 00000000 00000000", 0, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", 2**64 - 1, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", 0x299F31D0A4093822, "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_the_known_answers_of_random123(counter: str, key: int, words: str):
    counted = torch.tensor([int(word, 16) for word in counter.split()])
    assert " ".join(f"{word:08x}" for word in philox(counted, key).tolist()) == words


def test_any_counters_and_keys_are_as_defined():
    rng = np.random.default_rng(0)
    for key in rng.integers(0, 2**64, 20, np.uint64).tolist():
        counters = torch.from_numpy(rng.integers(0, 2**32, (4, 5, 2)))
        words = philox(counters, key).flatten(1).T.tolist()
        assert words == [by_definition(counter, key) for counter in counters.flatten(1).T.tolist()]


def test_the_numbers_are_standard_normal():
    z = drawn(n=20_000).flatten()
    assert kstest(z.numpy(), "norm").pvalue > 0.01
    moments = [float(z.pow(k).mean()) for k in (1, 2, 3, 4)]
    assert moments == pytest.approx([0, 1, 0, 3], abs=0.07)  # four standard deviations of the fourth
    extremes = normals(torch.tensor([0, WORD, 0, WORD])[:, None])
    assert extremes.isfinite().all() and 6.7 < extremes.abs().max() < 6.8


@pytest.mark.parametrize("z_dim", [1, 3, 4, 7])
def test_rows_of_any_length_begin_alike(z_dim: int):
    assert torch.equal(drawn(9, z_dim), drawn(9, 16)[:, :z_dim])


def neighbours() -> Iterator[tuple[str, Tensor, Tensor]]:
    z = drawn()
    yield "index", z, drawn(start=1)
    yield "index, high word", z, drawn(start=2**32)
    yield "label", z, drawn(label=1)
    yield "seed", z, drawn(seed=4)
    yield "seed, high word", z, drawn(seed=3 + 2**32)
    yield "place", z[:, :8], z[:, 8:]


@pytest.mark.parametrize(("part", "one", "other"), [*neighbours()], ids=lambda x: x if isinstance(x, str) else "")
def test_neighbours_in_every_part_of_the_address_do_not_correlate(part: str, one: Tensor, other: Tensor):
    correlation = float((one * other).mean())
    assert abs(correlation) < 4 / one.numel() ** 0.5
    assert abs(float((one.square() * other.square()).mean()) - 1) < 4 * 8**0.5 / one.numel() ** 0.5


def test_no_two_addresses_share_a_number_up_to_the_last_one():
    seeds, labels, indices = (0, 1, 2**32, 2**64 - 1), (0, 1, 2**31 - 1), (0, 1, 2**32, 2**63 - 1)
    rows = [latents(9, s, torch.tensor([y]), torch.tensor([i])) for s, y, i in product(seeds, labels, indices)]
    assert len(torch.cat(rows).flatten().unique()) == 9 * 4 * 3 * 4


def test_seeds_count_modulo_2_to_the_64():
    assert torch.equal(drawn(3, seed=-1), drawn(3, seed=2**64 - 1)) and torch.equal(
        drawn(3, seed=2**64), drawn(3, seed=0)
    )


def test_a_row_does_not_depend_on_its_company():
    n = 2 * AT_ONCE + 77
    whole = drawn(n, 6)
    assert all(torch.equal(drawn(1, 6, start=i)[0], whole[i]) for i in (0, 1, 500, AT_ONCE - 1, AT_ONCE, n - 1))
    assert torch.equal(drawn(100, 6, start=AT_ONCE - 50), whole[AT_ONCE - 50 : AT_ONCE + 50])
    assert drawn(0).shape == (0, 16)
