"""Every batch holds its share of synthetic images, every real one comes once an epoch."""

from typing import Any

import pytest
import torch
from standin import synthesizer
from torch.utils.data import DataLoader, TensorDataset

from ganaug.datasets import AugmentedDataset, ShareBatchSampler
from ganaug.errors import DataError

REAL = 100


def augmented(mode: str = "append", per_class: int | None = 11) -> AugmentedDataset:
    real = TensorDataset(torch.full((REAL, 3, 16, 16), 200, dtype=torch.uint8), torch.arange(REAL) % 3)
    return AugmentedDataset(real, synthesizer(), mode, per_class=per_class)  # type: ignore[arg-type]


@pytest.mark.parametrize(("size", "share", "each"), [(16, 0.25, 4), (10, 0.5, 5), (30, 0.1, 3), (7, 0.9, 6)])
def test_each_batch_holds_the_share_and_an_epoch_every_real_item_once(size: int, share: float, each: int):
    sampler = ShareBatchSampler(augmented(), size, share)
    batches = list(sampler)
    assert len(batches) == len(sampler) == -(-REAL // (size - each))
    counts = [sum(i >= REAL for i in batch) for batch in batches]
    assert set(counts[:-1]) == {each} and {len(batch) for batch in batches[:-1]} == {size}
    last_real = len(batches[-1]) - counts[-1]
    assert abs(counts[-1] - each * last_real / (size - each)) <= 0.5
    assert sorted(i for batch in batches for i in batch if i < REAL) == list(range(REAL))


def test_every_synthetic_item_comes_before_any_comes_again_over_the_epochs():
    sampler = ShareBatchSampler(augmented(), 16, 0.25)
    drawn = [i for _ in range(3) for batch in sampler for i in batch if i >= REAL]
    assert len(drawn) == 3 * sum(1 for b in [*ShareBatchSampler(augmented(), 16, 0.25)] for i in b if i >= REAL)
    rounds = [drawn[k : k + 33] for k in range(0, len(drawn) - 32, 33)]
    assert len(rounds) == 3 and all(sorted(r) == list(range(REAL, REAL + 33)) for r in rounds)


def test_orders_differ_between_epochs_and_repeat_with_seed_and_epoch():
    sampler = ShareBatchSampler(augmented(), 16, 0.25, seed=5)
    first, second = list(sampler), list(sampler)
    assert first != second
    again = ShareBatchSampler(augmented(), 16, 0.25, seed=5)
    again.set_epoch(1)
    assert list(again) == second and list(ShareBatchSampler(augmented(), 16, 0.25, seed=6)) != first


def test_a_loader_takes_it():
    dataset = augmented("balance", 60)
    loader = DataLoader(dataset, batch_sampler=ShareBatchSampler(dataset, 20, 0.4), num_workers=2)
    synthetic = [int((images.float().mean((1, 2, 3)) < 150).sum()) for images, _ in loader]
    assert set(synthetic[:-1]) == {8} and len(synthetic) == 9


def test_what_cannot_hold_a_share_is_refused():
    with pytest.raises(DataError, match='take mode="append" or "balance"'):
        ShareBatchSampler(augmented("replace"), 16)
    wrong: Any
    for wrong in ({"share": float("nan")}, {"share": 1.5}, {"seed": -1}):
        with pytest.raises(DataError, match="share must lie"):
            ShareBatchSampler(augmented(), 16, **wrong)
    for size, share in ((16, 0.0), (16, 0.01), (16, 1.0), (1, 0.5)):
        with pytest.raises(DataError, match="real and synthetic items"):
            ShareBatchSampler(augmented(), size, share)
