"""Pool, worker, refreshed pool: the same images by whichever way, and nothing that grows."""

import logging
import os
import pickle
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from generators import generator, saved
from standin import label_of, synthesizer
from torch.utils.data import DataLoader, TensorDataset, get_worker_info

from ganaug.datasets import AugmentedDataset, SyntheticDataset
from ganaug.errors import DataError, DeviceError, ModelError
from ganaug.synthesis.live import Live
from ganaug.synthesis.pool import Pool
from ganaug.synthesis.shelf import BUDGET


def real(n: int = 20) -> TensorDataset:
    return TensorDataset(torch.full((n, 3, 16, 16), 200, dtype=torch.uint8), torch.arange(n) % 3)


def images(dataset: Any) -> torch.Tensor:
    return torch.stack([torch.tensor(np.asarray(dataset[i][0])) for i in range(len(dataset))])


# ---- worker


@pytest.mark.parametrize("mode", ["append", "balance"])
def test_a_worker_serves_what_a_pool_serves(mode: Any):
    uneven = torch.utils.data.Subset(real(), [0, 1, 3, 4, 6])
    by_pool, live = (AugmentedDataset(uneven, generator(), mode, 0.8, serving=how) for how in ("pool", "worker"))
    assert torch.equal(images(by_pool), images(live)) and by_pool.targets == live.targets
    alone, alive = (SyntheticDataset(generator(), 3, serving=how) for how in ("pool", "worker"))
    assert torch.equal(images(alone), images(alive)) and alone.samples == alive.samples


def test_a_worker_that_replaces_never_shows_an_image_twice():
    augmented = AugmentedDataset(real(3), synthesizer(), fraction=1.0, serving="worker")
    seen = {augmented[i][0].numpy().tobytes() for _ in range(40) for i in range(3)}
    assert len(seen) == 120


def test_a_batch_is_rendered_in_one_go_and_a_real_one_not_at_all():
    synth = synthesizer()
    calls: list[int] = []
    sample = synth.sample
    synth.sample = lambda labels, *rest: calls.append(len(labels)) or sample(labels, *rest)
    augmented = AugmentedDataset(real(60), synth, fraction=0.5, serving="worker")
    batch = augmented.__getitems__(range(60))
    synthetic = sum(float(image.float().mean()) < 150 for image, _ in batch)
    assert calls == [synthetic] and 20 < synthetic < 40
    assert all(label_of(image) == int(label) for image, label in batch if float(image.float().mean()) < 150)
    none = AugmentedDataset(real(), synth, fraction=0.0, serving="worker")
    none.__getitems__([1, 2])
    assert len(calls) == 1


@pytest.mark.parametrize("serving", ["pool", "worker"])
@pytest.mark.parametrize("context", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_two_workers_serve_what_none_serve_by_path_and_hash(serving: str, context: str, tmp_path: Path):
    synth = saved(tmp_path / "generator")

    def epochs(workers: int) -> list[torch.Tensor]:
        augmented = AugmentedDataset(real(), synth, fraction=0.5, per_class=9, serving=serving)
        loader = DataLoader(augmented, 4, num_workers=workers, multiprocessing_context=context if workers else None)
        return [image for _ in range(2) for image, _ in loader]

    assert all(torch.equal(a, b) for a, b in zip(epochs(0), epochs(2), strict=True))


def test_a_pickle_is_small_and_loads_the_same_generator_or_says_that_it_is_another(tmp_path: Path):
    synth = saved(tmp_path / "generator")
    packed = pickle.dumps(Live(synth))
    assert len(packed) < 1000
    there = pickle.loads(packed)
    assert np.array_equal(there.pictures([1, 2], [0, 5]), Live(synth).pictures([1, 2], [0, 5]))
    shutil.rmtree(tmp_path / "generator")
    saved(tmp_path / "generator", seed=1)
    with pytest.raises(ModelError, match=synth.hash[:12]):
        pickle.loads(packed).pictures([0], [0])


def test_a_generator_in_memory_cannot_reach_another_process_and_says_so():
    there = pickle.loads(pickle.dumps(AugmentedDataset(real(), generator(), "append", serving="worker")))
    with pytest.raises(ModelError, match=r"got one in memory; `synth.save\(folder\)`"):
        there[len(there) - 1]
    pooled = pickle.loads(pickle.dumps(AugmentedDataset(real(), generator(), "append")))
    assert pooled[len(pooled) - 1][0].shape == (3, 16, 16)


def test_cuda_in_a_worker_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch):
    synth = synthesizer()
    synth.device = "cuda:0"
    augmented = AugmentedDataset(real(), synth, fraction=1.0, serving="worker")
    assert label_of(augmented[1][0]) == 1  # in the main process it may
    monkeypatch.setattr("ganaug.synthesis.live.get_worker_info", lambda: object())
    with pytest.raises(DeviceError, match='CPU inside loader workers, got one on cuda:0; take serving="pool"'):
        augmented[1]
    assert get_worker_info() is None


def test_an_unknown_way_of_serving_is_refused():
    for serving in ("batch", "lazy"):
        with pytest.raises(DataError, match="serving must be one of pool, worker"):
            AugmentedDataset(real(), synthesizer(), serving=serving)


# ---- refreshed


@pytest.mark.parametrize("serving", ["pool", "worker"])
@pytest.mark.parametrize("mode", ["append", "replace"])
def test_a_refreshed_epoch_shows_other_images_of_the_same_classes_and_can_come_back(mode: Any, serving: str):
    def shown(epoch: int) -> list[bytes]:
        augmented = AugmentedDataset(real(), synthesizer(), mode, 1.0, per_class=9, serving=serving)
        augmented.refresh(epoch)
        items = [augmented[i] for i in range(len(augmented))]
        assert all(label_of(x) == int(y) for x, y in items if float(x.float().mean()) < 150)
        return [x.numpy().tobytes() for x, _ in items if float(x.float().mean()) < 150]

    first, second = shown(0), shown(1)
    assert len(first) >= 20 and not set(first) & set(second) and shown(0) == first


def test_the_source_of_a_refreshed_item_gives_its_pixels_again():
    synth = synthesizer()
    for serving in ("pool", "worker"):
        augmented = AugmentedDataset(real(), synth, "append", per_class=4, serving=serving)
        augmented.refresh(3)
        origin = augmented.source_of(-1)
        assert origin is not None and origin.index == 3 * 4 + 3
        assert torch.equal(synth.sample([origin.label], origin.seed, [origin.index])[0][0], augmented[-1][0])


def test_workers_that_persist_follow_a_refresh():
    augmented = AugmentedDataset(real(), synthesizer(), "append", per_class=4)
    loader = DataLoader(augmented, 8, num_workers=2, persistent_workers=True)
    epochs = []
    for epoch in (0, 1, 0):
        augmented.refresh(epoch)
        epochs.append(torch.cat([x for x, _ in loader])[20:])
    assert torch.equal(epochs[0], epochs[2]) and not any(torch.equal(a, b) for a, b in zip(*epochs[:2], strict=True))


def test_a_negative_epoch_is_refused():
    with pytest.raises(DataError, match="epoch must be 0 or more, got -1"):
        AugmentedDataset(real(), synthesizer()).refresh(-1)


# ---- the shelf


def build_pools(n: int, images_each: int = 100) -> list[Path]:
    paths = [Pool.build(synthesizer(), [images_each, 0, 0], seed=seed).path for seed in range(n)]
    for age, path in enumerate(paths):
        os.utime(path, (time.time() - 1000 + age, time.time() - 1000 + age))
    return paths


def test_pools_keep_within_the_budget_and_the_one_not_opened_for_longest_makes_way(monkeypatch: pytest.MonkeyPatch):
    paths = build_pools(3)
    size = paths[0].stat().st_size
    monkeypatch.setenv(BUDGET, str(3.5 * size / 1e9))
    Pool(paths[0])  # opened again: the second is the oldest now
    Pool.build(synthesizer(), [100, 0, 0], seed=9)
    assert [path.exists() for path in paths] == [True, False, True] and not paths[1].with_suffix(".json").exists()


def test_a_pool_that_is_open_stays_and_serves(monkeypatch: pytest.MonkeyPatch):
    paths = build_pools(2)
    held = Pool(paths[0])
    os.utime(paths[0], (0, 0))
    monkeypatch.setenv(BUDGET, str(2.1 * paths[0].stat().st_size / 1e9))
    Pool.build(synthesizer(), [100, 0, 0], seed=9)
    assert [path.exists() for path in paths] == [True, False]
    del held
    Pool.build(synthesizer(), [100, 0, 0], seed=10)
    assert not paths[0].exists()


def test_a_pool_beyond_the_budget_is_refused_before_anything_is_removed(monkeypatch: pytest.MonkeyPatch):
    paths = build_pools(1)
    monkeypatch.setenv(BUDGET, "0.0001")
    with pytest.raises(
        DataError, match=r'must fit into 0.0001 GB, got 0.000154 GB; .*serving="worker".*GANAUG_POOL_GB'
    ):
        Pool.build(synthesizer(), [200, 0, 0])
    assert paths[0].exists()
    monkeypatch.setenv(BUDGET, "plenty")
    with pytest.raises(DataError, match="number of gigabytes, got 'plenty'"):
        Pool.build(synthesizer(), [200, 0, 0])


def test_the_log_says_what_a_pool_takes(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO, "ganaug"):
        Pool.build(synthesizer(), [100, 0, 0])
    assert "100 synthetic images (0.0768 MB)" in caplog.text and "of 10 GB in" in caplog.text


def test_of_two_that_ask_at_once_one_renders():
    synths = [synthesizer() for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        pools = [*threads.map(lambda synth: Pool.build(synth, [60, 60, 60]), synths)]
    assert sum(synth.rendered for synth in synths) == 180 and len({pool.path for pool in pools}) == 1


def test_a_pool_that_was_deleted_is_named_when_a_pickle_wants_it():
    augmented = AugmentedDataset(real(), synthesizer(), "append")
    packed = pickle.dumps(augmented)
    assert isinstance(augmented.source, Pool)
    augmented.source.path.unlink()
    with pytest.raises(ModelError, match="make the dataset or transform again"):
        pickle.loads(packed)


# ---- nothing grows


def slope(serve: Callable[[int], Any], items: int) -> tuple[float, int]:
    """(MB per 1,000 items, files left open) over the second half of so many items."""
    process = psutil.Process()
    for i in range(items // 2):
        serve(i)
    memory, files = process.memory_info().rss, process.num_fds()
    for i in range(items // 2, items):
        serve(i)
    return (process.memory_info().rss - memory) / 1e6 / (items / 2000), process.num_fds() - files


@pytest.mark.parametrize("mode", ["replace", "append", "balance"])
@pytest.mark.parametrize("serving", ["pool", "worker"])
def test_2000_items_take_no_memory_and_no_files(mode: Any, serving: str):
    uneven = torch.utils.data.Subset(real(60), [*range(0, 60, 3), 1, 2])
    augmented = AugmentedDataset(uneven, generator(shape=(3, 8, 8)), mode, 0.5, serving=serving)
    grown, opened = slope(lambda i: augmented[i % len(augmented)], 2000)
    assert grown < 1 and opened == 0


def test_40_refreshed_pools_leave_no_file_open():
    augmented = AugmentedDataset(real(), synthesizer(), "append", per_class=4)

    def serve(epoch: int) -> None:
        augmented.refresh(epoch)
        augmented[-1]

    _, opened = slope(serve, 40)
    assert opened == 0


def test_2000_items_through_the_transforms_take_no_memory_and_no_files(tmp_path: Path):
    from ganaug.transforms.albumentations import SyntheticReplace
    from ganaug.transforms.torchvision import SyntheticMix

    saved(tmp_path / "generator", shape=(3, 8, 8))
    replace = SyntheticReplace(str(tmp_path / "generator"), p=1.0)
    image, images = np.zeros((8, 8, 3), np.uint8), torch.zeros(50, 3, 8, 8)
    grown, opened = slope(lambda i: replace(image=image, label=i % 3), 2000)
    assert grown < 1 and opened == 0
    for serving in ("pool", "batch"):
        mix = SyntheticMix(tmp_path / "generator", num_classes=3, serving=serving)
        grown, opened = slope(lambda i, mix=mix: mix(images, torch.arange(50) % 3), 80)  # each takes 50 images
        assert grown / 50 < 1 and opened == 0
