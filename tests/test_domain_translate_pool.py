"""`DomainTranslate` out of a pool: translations made once, found by the pixels."""

import json
import logging
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from shell import pictures, write_folder
from test_domain_translate import Translated, arrays, batches, expected, picture, translator
from torch.utils.data import DataLoader

import ganaug
from ganaug.data import LabeledImages, UnlabeledImages, load_unlabeled
from ganaug.errors import DataError, DiskFullError, ModelError
from ganaug.files import cache_folder
from ganaug.images import pixel_sha256
from ganaug.synthesis.shelf import BUDGET
from ganaug.synthesis.translation_pool import TranslationPool, Way, noise_number
from ganaug.synthesis.translator import Translator

A = pytest.importorskip("albumentations")
AB = Way()
SIZES = [(16, 16, 3), (9, 20, 3), (16, 16, 3), (31, 8, 3)]
IMAGES = [picture(*size, seed=i) for i, size in enumerate(SIZES)]


@pytest.fixture(scope="module")
def colour(tmp_path_factory: pytest.TempPathFactory) -> Translator:
    return translator(tmp_path_factory.mktemp("model") / "colour")


@pytest.fixture(scope="module")
def gray(tmp_path_factory: pytest.TempPathFactory) -> Translator:
    return translator(tmp_path_factory.mktemp("model") / "gray", channels=(1, 3), side=8)


@pytest.fixture
def shelf() -> Path:
    return cache_folder() / "pools"


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each call of a translator translated, its probes aside."""
    calls: list[int] = []
    own = Translator.translate

    def translate(self: Translator, images: torch.Tensor, *rest: Any, **options: Any) -> torch.Tensor:
        if options.get("indices") is not None:
            calls.append(len(images))
        return own(self, images, *rest, **options)

    monkeypatch.setattr(Translator, "translate", translate)
    return calls


def channels_first(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.atleast_3d(image).transpose(2, 0, 1))


def variant(model: Translator, image: np.ndarray, number: int, **options: Any) -> np.ndarray:
    """What the translator itself makes of an array, with the noise that the pool's variant has."""
    return expected(model, image, noise_number(pixel_sha256(channels_first(image)), number), **options)


def build(model: Translator, images: list[np.ndarray], way: Way = AB, variants: int = 2) -> TranslationPool:
    return TranslationPool.build(model, [channels_first(image) for image in images], way, variants)


# ---- lookup


@pytest.mark.parametrize("direction", ["AB", "BA"])
def test_a_call_finds_a_variant_of_its_image_and_translates_nothing(
    colour: Translator, counted: list[int], direction: Any
):
    transform = arrays(colour, pool=IMAGES, variants=3, direction=direction, seed=4)
    assert sum(counted) == 4 * 3
    counted.clear()
    seen = set()
    for image in IMAGES * 8:
        result = transform(image=image)["image"]
        (number,) = transform.params["numbers"]
        seen.add(number)
        at_hand = variant(colour, image, number, direction=direction, seed=4)
        counted.clear()
        assert np.array_equal(result, at_hand) and result.flags.writeable
    transform(images=IMAGES[:1] * 5)
    assert seen == {0, 1, 2} and counted == []


def test_a_batch_finds_its_variants_and_what_is_unknown_looks_as_if_it_had_been_in_the_pool(
    colour: Translator, counted: list[int], caplog: pytest.LogCaptureFixture
):
    known, unknown = (picture(4, 3, 16, 16, seed=seed) for seed in (1, 2))
    transform = batches(colour, pool=torch.from_numpy(known), variants=3)
    counted.clear()
    images = torch.from_numpy(np.concatenate([known, unknown]))
    torch.manual_seed(0)
    with caplog.at_level(logging.WARNING, "ganaug"):
        result = transform(images)
        assert counted == [4]
        transform(images)
    torch.manual_seed(0)
    torch.rand(8)
    numbers = torch.randint(3, (8,))
    for image, new, number in zip(images, result, numbers.tolist(), strict=True):
        pixels = image.permute(1, 2, 0).numpy()
        assert np.array_equal(new.permute(1, 2, 0).numpy(), variant(colour, pixels, number))
    assert [r.message for r in caplog.records if "must stand first in its pipeline" in r.message] == [
        "an image of 16 x 16 is not in the pool of translations, and is translated now, which takes long; the "
        "transform must stand first in its pipeline, and the pool be of the images that come"
    ]


def test_floats_find_the_bytes_they_stand_for(colour: Translator, counted: list[int]):
    transform = arrays(colour, pool=IMAGES, variants=1)
    counted.clear()
    result = transform(image=IMAGES[1].astype(np.float32) / 255)["image"]
    assert result.dtype == np.float32 and counted == []
    assert np.array_equal(np.rint(result * 255), variant(colour, IMAGES[1], 0))


def test_without_noise_there_is_one_variant(tmp_path: Path):
    model = translator(tmp_path / "plain", noise_dim=0)
    transform = arrays(model, pool=IMAGES, variants=5)
    assert transform.translations.each == 1 and transform.translations.pool.each == 1  # type: ignore[union-attr]
    assert np.array_equal(transform(image=IMAGES[0])["image"], expected(model, IMAGES[0], 0))


def test_a_large_image_is_pooled_in_tiles(colour: Translator):
    image = picture(300, 260, 3)
    transform = arrays(colour, pool=[image], variants=1, tile=128)
    assert np.array_equal(transform(image=image)["image"], variant(colour, image, 0, tile=128))


# ---- what a pool is made of


def test_everything_that_shows_the_same_images_shares_one_pool(
    gray: Translator, tmp_path: Path, shelf: Path, counted: list[int]
):
    pixels = pictures(9)
    folder = write_folder(tmp_path / "data", pixels)
    np.savez(tmp_path / "data.npz", images=pixels, labels=np.arange(9) % 3)
    tensors, unlabeled = torch.from_numpy(pixels)[:, None], load_unlabeled(folder)
    assert isinstance(unlabeled, UnlabeledImages) and isinstance(ganaug.load(folder), LabeledImages)
    sets: list[Any] = [
        folder,
        str(tmp_path / "data.npz"),
        ganaug.load(folder),
        unlabeled,
        pixels,
        tensors,
        torch.utils.data.TensorDataset(tensors, torch.arange(9)),
        [(image, 1) for image in pixels[::-1]],
        [{"label": torch.zeros(3), "image": Image.fromarray(image)} for image in pixels],
        [(image / np.float32(255), np.zeros((4, 4))) for image in pixels],
        [*pixels, *pixels],
    ]
    for images in sets:
        for make in (arrays, batches):
            assert len(make(gray, pool=images, variants=2).translations.pool) == 9  # type: ignore[union-attr]
    assert sum(counted) == 18 and len([*shelf.glob("*.npy")]) == 1


def test_files_keep_their_own_sizes_and_take_the_channels_of_the_domain(colour: Translator, tmp_path: Path):
    for i, image in enumerate([*IMAGES, picture(10, 12)]):
        (tmp_path / "data").mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / "data" / f"{i}.png")
    transform = arrays(colour, pool=tmp_path / "data", variants=1)
    assert len(transform.translations.pool) == 5  # type: ignore[union-attr]
    for image in [*IMAGES, np.repeat(picture(10, 12)[..., None], 3, 2)]:
        assert np.array_equal(transform(image=image)["image"], variant(colour, image, 0))


def test_other_settings_make_another_pool(colour: Translator, gray: Translator, shelf: Path):
    ways = [AB, Way("BA"), Way(seed=1), Way(tile=128)]
    paths = {build(colour, IMAGES[:2], way).path for way in ways}
    paths |= {build(colour, IMAGES[:2], variants=3).path, build(colour, IMAGES[:3]).path}
    paths |= {build(gray, [picture(8, 8)]).path, build(colour, IMAGES[1::-1]).path}
    assert len(paths) == 7 == len([*shelf.glob("*.npy")])


def test_two_that_build_the_same_pool_at_once_translate_it_once(colour: Translator, shelf: Path, counted: list[int]):
    with ThreadPoolExecutor(4) as threads:
        pools = [*threads.map(lambda _: build(colour, IMAGES), range(4))]
    assert len({pool.path for pool in pools}) == 1 and sum(counted) == 8 and len([*shelf.iterdir()]) == 2


def test_images_of_a_size_are_translated_together(colour: Translator, counted: list[int]):
    build(colour, [picture(16, 16, 3, seed=i) for i in range(40)] + IMAGES[1:2])
    assert counted == [2, 64, 16]


# ---- on disk


def test_a_pool_is_its_file_and_pickles_as_its_path(colour: Translator):
    pool = build(colour, IMAGES)
    packed = pickle.dumps(pool)
    again, sha256 = pickle.loads(packed), pixel_sha256(channels_first(IMAGES[3]))
    assert len(packed) < 500 and (again.picture(sha256, 1) == pool.picture(sha256, 1)).all()
    assert pool.picture("f" * 64, 0) is None and len(pool) == 4
    with pytest.raises(IndexError):
        pool.picture(sha256, 2)
    with pytest.raises(ValueError, match="read-only"):
        pool.picture(sha256, 0)[:] = 0  # type: ignore[index]
    assert repr(pool) == f"TranslationPool(4 images, 2 of each, model {colour.hash[:12]})"


def test_a_truncated_foreign_or_missing_pool_is_refused_by_name_and_built_again(
    colour: Translator, caplog: pytest.LogCaptureFixture
):
    path = build(colour, IMAGES).path
    whole = path.read_bytes()
    for content in (whole[:-1], whole[:100], b"", whole + b"x"):
        path.write_bytes(content)
        with pytest.raises(ModelError, match=path.name):
            arrays(colour, pool=path)
    assert build(colour, IMAGES).path.read_bytes() == whole and "it is rendered again" in caplog.text
    path.with_suffix(".json").write_text(json.dumps({"schema": 1}))
    with pytest.raises(ModelError, match="got the description of another one"):
        TranslationPool(path)
    path.unlink()
    path.with_suffix(".json").unlink()
    with pytest.raises(ModelError, match="no description beside it"):
        arrays(colour, pool=str(path))


def test_the_pool_of_another_translator_or_way_is_refused(colour: Translator, tmp_path: Path):
    path = build(colour, IMAGES).path
    with pytest.raises(
        ModelError, match=r"translations BA with seed 0 in tiles of 128 px by model .*, got those AB with"
    ):
        arrays(colour, pool=path, direction="BA", tile=128)
    with pytest.raises(ModelError, match=f"got those AB with seed 0 by model {colour.hash[:12]}; make"):
        batches(translator(tmp_path / "other", seed=1), pool=path)


def test_a_full_disk_leaves_no_pixels_and_the_budget_counts(
    colour: Translator, shelf: Path, monkeypatch: pytest.MonkeyPatch
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Translator, "translate", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left")))
        with pytest.raises(DiskFullError):
            build(colour, IMAGES)
    assert [path.suffix for path in shelf.iterdir()] == [".json"]
    monkeypatch.setenv(BUDGET, "1e-6")
    with pytest.raises(DataError, match="take fewer variants, or leave the pool out, or set GANAUG_POOL_GB"):
        build(colour, IMAGES)


# ---- pipelines


def test_saved_pipelines_name_data_as_it_was_given_and_images_in_memory_by_their_pool(
    gray: Translator, tmp_path: Path, counted: list[int]
):
    folder = write_folder(tmp_path / "data", pictures(6))
    for pool in (folder, ganaug.load(folder)):
        first = A.Compose([arrays(gray, pool=pool, p=0.5)])
        second = A.from_dict(json.loads(json.dumps(A.to_dict(first))))
        named = first.transforms[0].pool
        assert named == str(folder) if pool is folder else named.endswith(".npy")
        for pipeline in (first, second):
            pipeline.set_random_seed(3)
        for image in pictures(6):
            one, two = (pipeline(image=image)["image"] for pipeline in (first, second))
            assert np.array_equal(one, two) and one.shape == (8, 8, 3)
        replayed = A.ReplayCompose([arrays(gray, pool=pool)])(image=pictures(1)[0])
        again = A.ReplayCompose.replay(replayed["replay"], image=pictures(1)[0])
        assert np.array_equal(again["image"], replayed["image"])
    assert sum(counted) == 6 * 4


@pytest.mark.parametrize("make", [arrays, batches])
@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_workers_share_the_pool_and_draw_their_own_variants(colour: Translator, make: Any, method: str):
    image = picture(3, 16, 16) if make is batches else picture(16, 16, 3)
    transform = make(colour, pool=[torch.from_numpy(image) if make is batches else image], variants=100)
    packed = pickle.dumps(transform)
    loader = DataLoader(Translated(transform), 4, num_workers=2, multiprocessing_context=method)
    seen = [shown.numpy().tobytes() for images in loader for shown in images]
    assert len(packed) < 12_000 and len(set(seen)) >= 7 and pickle.loads(packed).translations.each == 100


def test_a_pool_made_elsewhere_is_served_by_the_cpu(colour: Translator, monkeypatch: pytest.MonkeyPatch):
    live = batches(colour).translations
    live._reference.device = torch.device("cuda")  # type: ignore[union-attr]
    there = live.on_cpu()  # type: ignore[union-attr]
    monkeypatch.setattr("ganaug.synthesis.live.get_worker_info", lambda: object())
    images = torch.from_numpy(picture(2, 3, 16, 16))
    assert torch.equal(there.tensors(images, [1, 2]), colour.translate(images, indices=[1, 2]))
    assert there.on_cpu()._reference is there._reference and there._reference.model is not colour


# ---- bad input


def test_images_that_cannot_be_pooled_are_named(colour: Translator):
    with pytest.raises(DataError, match=r"3 channels, as the translator learned them.* got \[1, 16, 16\] at item 4"):
        arrays(colour, pool=[*IMAGES, picture(16, 16)])
    with pytest.raises(DataError, match=r"8 px or more, got \[3, 7, 16\] at item 0"):
        arrays(colour, pool=[picture(7, 16, 3)])
    for make in (arrays, batches):
        with pytest.raises(DataError, match="must have images, got none"):
            make(colour, pool=[])
        with pytest.raises(DataError, match="with a length, got list_iterator"):
            make(colour, pool=iter(IMAGES))
    for item, word in ((7, "one image"), ([Image.new("L", (9, 9))] * 2, "got 2"), (np.ones((9, 9, 3)) * 7, "put it")):
        with pytest.raises(DataError, match=word):
            arrays(colour, pool=[item])
    with pytest.raises(DataError, match="absent"):
        arrays(colour, pool="absent")
    for variants in (0, 1.5, 2000):
        with pytest.raises(ValueError, match="variants"):
            arrays(colour, pool=IMAGES, variants=variants)


def test_a_dataset_that_shows_another_image_each_time_is_refused(colour: Translator):
    class Random(torch.utils.data.Dataset[np.ndarray]):
        calls = 0

        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> np.ndarray:
            self.calls += 1
            return picture(16, 16, 3, seed=self.calls)

    with pytest.raises(DataError, match=r"got another one at item \d; leave random transforms out"):
        arrays(colour, pool=Random())
