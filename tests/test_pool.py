import json
import os
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, count
from pathlib import Path

import numpy as np
import pytest
import torch
from generators import generator
from standin import synthesizer

from ganaug.errors import DataError, DiskFullError, GanaugError, ModelError
from ganaug.synthesis.pool import Pool
from ganaug.synthesis.rendering import ahead, render


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GANAUG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_every_image_is_the_one_the_synthesizer_gives_for_its_label_and_index():
    synth = synthesizer()
    pool = Pool.build(synth, [4, 0, 3], seed=7)
    assert len(pool) == 7 and pool.offsets == [0, 4, 4, 7]
    for label, index in [(0, 0), (0, 3), (2, 2)]:
        expected = synth.sample([label], seed=7, indices=[index])[0][0].numpy()
        assert np.array_equal(pool.pictures([label], [index])[0], expected)
        origin = pool.origin(label, index)
        again = synth.sample([origin.label], origin.seed, [origin.index])[0][0].numpy()
        assert np.array_equal(again, expected) and origin.model == synth.hash


def test_an_index_beyond_its_class_is_refused():
    pool = Pool.build(synthesizer(), [4, 0, 3])
    for label, index in [(0, 4), (1, 0), (2, -1)]:
        with pytest.raises(IndexError):
            pool.pictures([label], [index])[0]


def test_a_pool_is_rendered_once_per_model_counts_and_seed():
    synth = synthesizer()
    paths = {Pool.build(synth, [2, 2, 2]).path, Pool.build(synth, [2, 2, 2]).path}
    assert len(paths) == 1 and synth.rendered == 6
    others = [Pool.build(synth, [2, 2, 3]), Pool.build(synth, [2, 2, 2], seed=1)]
    others.append(Pool.build(synthesizer(("ant", "bee", "dog")), [2, 2, 2]))
    assert len(paths | {pool.path for pool in others}) == 4


def test_rendering_goes_in_chunks_of_four_batches_that_cross_classes():
    chunks = [chunk for chunk, _ in render(synthesizer(), [300, 1, 100])]
    assert [len(chunk) for chunk in chunks] == [256, 145]
    assert [*chain(*chunks)] == [(0, i) for i in range(300)] + [(1, 0)] + [(2, i) for i in range(100)]


def test_threads_render_what_one_call_does_and_leave_torch_its_own():
    torch.set_num_threads(3)
    try:
        pool = Pool.build(generator(), [700, 0, 800], seed=7)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(1)
    images, _ = generator().sample([0] * 700 + [2] * 800, seed=7, indices=[*range(700), *range(800)])
    assert torch.equal(torch.tensor(pool.images), images)


def test_threads_are_ahead_by_one_each_and_stop_when_nobody_listens():
    taken, working, most, before = [], 0, 0, threading.active_count()

    def square(number: int) -> int:
        nonlocal working, most
        working += 1
        most = max(most, working)
        assert torch.get_num_threads() == 1
        time.sleep(0.01)
        working -= 1
        return number**2

    results = ahead(square, iter(map(lambda n: taken.append(n) or n, count())), threads=2)
    assert [next(results) for _ in range(20)] == [n**2 for n in range(20)] and most == 2
    results.close()
    assert len(taken) == 23 and threading.active_count() == before


def test_an_empty_pool_can_be_opened():
    assert len(Pool.build(synthesizer(), [0, 0, 0])) == 0


def test_a_pool_pickles_as_its_path():
    pool = Pool.build(synthesizer(shape=(3, 64, 64)), [20, 20, 20])
    packed = pickle.dumps(pool)
    assert len(packed) < 500
    assert np.array_equal(pickle.loads(packed).images, pool.images)


def test_images_are_read_only_and_the_repr_is_one_line():
    pool = Pool.build(synthesizer(), [1, 1, 1])
    with pytest.raises(ValueError, match="read-only"):
        pool.images[0] = 0
    assert repr(pool) == f"Pool(3 images of 3x16x16, 3 classes, model {pool.model[:12]})"


def test_a_truncated_lengthened_or_foreign_file_is_refused_by_name():
    pool = Pool.build(synthesizer(), [3, 3, 3])
    whole = pool.path.read_bytes()
    for content in (whole[:-1], whole[:100], b"", whole + b"x", b"\x89PNG" + whole[4:]):
        pool.path.write_bytes(content)
        with pytest.raises(ModelError, match=pool.path.name):
            Pool(pool.path)
    foreign = pool.path.with_name("images.npy")
    np.save(foreign, np.zeros((9, 3, 16, 16), np.uint8))
    with pytest.raises(ModelError, match=r"images\.npy"):
        Pool(foreign)


def test_the_description_of_another_pool_is_refused():
    a, b = Pool.build(synthesizer(), [3, 3, 3]), Pool.build(synthesizer(), [3, 3, 3], seed=1)
    a.path.with_suffix(".json").write_bytes(b.path.with_suffix(".json").read_bytes())
    with pytest.raises(ModelError, match="another"):
        Pool(a.path)
    for content in ("", "[]", "{}", json.dumps({"model": 1, "counts": [3], "seed": 0})):
        a.path.with_suffix(".json").write_text(content)
        with pytest.raises(ModelError):
            Pool(a.path)


def test_a_damaged_pool_in_the_cache_is_rendered_again():
    synth = synthesizer()
    pool = Pool.build(synth, [3, 3, 3])
    pool.path.write_bytes(pool.path.read_bytes()[:-5])
    assert np.array_equal(
        Pool.build(synth, [3, 3, 3]).pictures([2], [2])[0], synth.sample([2], indices=[2])[0][0].numpy()
    )


def test_two_that_build_the_same_pool_at_once_both_get_it_whole(cache: Path):
    def build(_: int) -> bytes:
        return Pool.build(synthesizer(), [50, 50, 50]).images.tobytes()

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(build, range(8)))) == 1
    assert len(list((cache / "pools").iterdir())) == 2


def test_an_interrupted_or_failed_rendering_leaves_no_pixels(cache: Path):
    for error, expected in [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (OSError(28, "No space left on device"), DiskFullError),
    ]:
        synth = synthesizer()
        synth.fail_after, synth.error = 300, error
        with pytest.raises(expected):
            Pool.build(synth, [200, 200, 200])
        assert [path.suffix for path in (cache / "pools").iterdir()] == [".json"]


def test_counts_that_do_not_fit_the_classes_are_refused():
    with pytest.raises(DataError, match="one number per class"):
        Pool.build(synthesizer(), [1, 2])
    with pytest.raises(DataError, match="'bee'"):
        Pool.build(synthesizer(), [1, -1, 2])


def test_a_cache_folder_that_cannot_be_made_is_one_sentence(cache: Path):
    cache.parent.mkdir(exist_ok=True)
    cache.write_text("a file")
    with pytest.raises(GanaugError, match="GANAUG_CACHE"):
        Pool.build(synthesizer(), [1, 1, 1])


def test_without_the_variable_the_cache_lies_in_the_home_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    from ganaug.files import cache_folder

    monkeypatch.delenv("GANAUG_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder().name == "ganaug" and os.path.isabs(cache_folder())
