"""`DomainTranslate`: pixels are the translator's, everything else stays, in both libraries."""

import json
import pickle
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, default_collate
from torchvision import tv_tensors
from torchvision.transforms import v2

from ganaug.errors import DataError, DeviceError, ModelError
from ganaug.synthesis.translator import Architecture, Translator
from ganaug.transforms.albumentations import DomainTranslate
from ganaug.transforms.torchvision import DomainTranslate as BatchTranslate

A = pytest.importorskip("albumentations")


def translator(
    folder: Path, channels: tuple[int, int] = (3, 3), noise_dim: int = 6, seed: int = 0, side: int = 16
) -> Translator:
    """A small untrained translator whose noise shows, loaded from a folder."""
    architecture = Architecture(
        name="resnet",
        width=4,
        noise_dim=noise_dim,
        downs=1,
        blocks=1,
        channels=channels,
        sides=(side, side),
        directions=("AB", "BA"),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        G = architecture.build()
        for parameter in G.parameters():
            if not parameter.any():
                nn.init.normal_(parameter, std=0.3)
    Translator(G, architecture, {"splits": {}}).save(folder)
    return Translator.load(folder, device="cpu")


def picture(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def batch(n: int = 6, channels: int = 3, side: int = 16) -> Tensor:
    return torch.from_numpy(picture(n, channels, side, side))


@pytest.fixture(scope="module")
def colour(tmp_path_factory: pytest.TempPathFactory) -> Translator:
    return translator(tmp_path_factory.mktemp("model") / "colour")


@pytest.fixture(scope="module")
def gray(tmp_path_factory: pytest.TempPathFactory) -> Translator:
    """From gray images to colour ones."""
    return translator(tmp_path_factory.mktemp("model") / "gray", channels=(1, 3))


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def arrays(model: Any, **options: Any) -> DomainTranslate:
    """For albumentations, with numbers that are the same in each run of the tests."""
    transform = DomainTranslate(getattr(model, "folder", model), **{"p": 1.0, **options})
    transform.set_random_seed(0)
    return transform


def batches(model: Any, **options: Any) -> BatchTranslate:
    """For torchvision."""
    return BatchTranslate(model, **{"p": 1.0, **options})


def expected(model: Translator, image: np.ndarray, number: int, direction: str = "AB", **options: Any) -> np.ndarray:
    """An array [H, W, C] as the translator itself translates it."""
    pixels = torch.from_numpy(np.atleast_3d(image).transpose(2, 0, 1).copy())[None]
    return model.translate(pixels, direction, indices=[number], **options)[0].numpy().transpose(1, 2, 0)


def on_coins(coins: list[bool]) -> Callable[..., Tensor]:
    return lambda *shape: torch.tensor([0.0 if yes else 1.0 for yes in coins])


# ---- pixels


@pytest.mark.parametrize("shape", [(16, 16, 3), (37, 53, 3), (8, 100, 3)])
@pytest.mark.parametrize("direction", ["AB", "BA"])
def test_arrays_are_what_the_translator_makes_of_them(colour: Translator, shape: tuple[int, ...], direction: str):
    image, transform = picture(*shape), arrays(colour, direction=direction, seed=7)
    result = A.Compose([transform])(image=image)["image"]
    (number,) = transform.params["numbers"]
    assert np.array_equal(result, expected(colour, image, number, direction, seed=7)) and number > 1000
    assert result.flags.c_contiguous and result.flags.writeable and not np.array_equal(result, image)


@pytest.mark.parametrize("shape", [(37, 53), (37, 53, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_gray_image_becomes_one_in_colour_and_back_of_the_shape_it_has(
    gray: Translator, shape: tuple[int, ...], dtype: Any
):
    image = picture(*shape) if dtype == np.uint8 else (picture(*shape) / 255).astype(dtype)
    there = arrays(gray)(image=image)["image"]
    assert there.shape == (37, 53, 3) and there.dtype == dtype
    back = arrays(gray, direction="BA")(image=there)["image"]
    assert back.shape == (37, 53, 1) and back.dtype == dtype


def test_floats_are_translated_as_the_bytes_they_stand_for(colour: Translator):
    image = picture(12, 16, 3)
    whole, floats = (arrays(colour)(image=one)["image"] for one in (image, (image / 255).astype(np.float32)))
    assert floats.dtype == np.float32 and np.array_equal(np.float32(whole / 255), floats)
    images = torch.from_numpy(picture(4, 3, 12, 16))
    for dtype in (torch.float32, torch.float64, torch.float16):
        torch.manual_seed(1)
        one = batches(colour)(images)
        torch.manual_seed(1)
        other = batches(colour)((images / 255).to(dtype))
        assert other.dtype == dtype and torch.equal((one / 255).to(dtype), other)


def test_batches_are_what_the_translator_makes_of_them_each_with_its_own_noise(colour: Translator):
    images = batch()[:1].repeat(6, 1, 1, 1)
    result = batches(colour, seed=5)(images)
    torch.manual_seed(0)
    torch.rand(6)
    numbers = torch.randint(2**31, (6,))
    assert torch.equal(result, colour.translate(images, seed=5, indices=numbers))
    assert len({image.numpy().tobytes() for image in result}) == 6


def test_lists_and_arrays_of_images_come_back_as_such_each_with_its_own_noise(colour: Translator):
    same = [picture(16, 16, 3)] * 4
    for given in (same, np.stack(same)):
        transform = arrays(colour)
        images = A.Compose([transform])(images=given)["images"]
        assert type(images) is type(given) and len(images) == 4
        for image, number in zip(images, transform.params["numbers"], strict=True):
            assert np.array_equal(image, expected(colour, same[0], number))
        assert len({image.tobytes() for image in images}) == 4
    sizes = [(16, 16, 3), (9, 20, 3)]
    mixed = arrays(colour)(images=[picture(*size) for size in sizes])["images"]
    assert [image.shape for image in mixed] == sizes


def test_without_noise_an_image_has_one_translation(tmp_path: Path):
    model, image = translator(tmp_path / "plain", noise_dim=0), picture(16, 16, 3)
    transform = arrays(model)
    results = {transform(image=image)["image"].tobytes() for _ in range(4)}
    assert results == {expected(model, image, 0).tobytes()} and transform.params["numbers"] == [0]


def test_a_large_image_is_translated_in_tiles(colour: Translator):
    image = picture(700, 900, 3)
    transform = arrays(colour, tile=256)
    result = transform(image=image)["image"]
    (number,) = transform.params["numbers"]
    assert result.shape == image.shape and np.array_equal(result, expected(colour, image, number, tile=256))
    assert not np.array_equal(result, expected(colour, image, number))
    assert batches(colour, tile=256)(torch.zeros(1, 3, 300, 260, dtype=torch.uint8)).shape == (1, 3, 300, 260)


# ---- what stays


def test_what_shows_where_things_are_stays_beside_an_array(gray: Translator):
    image = picture(37, 53)
    beside: dict[str, Any] = {
        "mask": picture(37, 53, seed=1),
        "masks": [picture(37, 53, seed=2)],
        "bboxes": np.array([[1.0, 2.0, 30.0, 20.0]]),
        "keypoints": np.array([[3.0, 4.0]]),
        "label": "bee",
    }
    result = arrays(gray)(image=image, **beside)
    assert result["image"].shape == (37, 53, 3) and all(result[key] is value for key, value in beside.items())
    pipeline = A.Compose(
        [arrays(gray), A.HorizontalFlip(p=0.0)],
        bbox_params=A.BboxParams("coco", label_fields=["kinds"]),
        keypoint_params=A.KeypointParams("xy"),
    )
    result = pipeline(image=image, kinds=[5], **beside)
    assert result["image"].shape == (37, 53, 3) and result["kinds"] == [5] and result["label"] == "bee"
    for key in ("mask", "bboxes", "keypoints"):
        assert np.allclose(result[key], beside[key], atol=1e-5)  # boxes: what albumentations' own arithmetic leaves
    assert np.array_equal(result["masks"][0], beside["masks"][0])


def test_what_shows_where_things_are_stays_beside_a_tensor(gray: Translator):
    image = tv_tensors.Image(torch.from_numpy(picture(1, 37, 53)))
    target = {
        "masks": tv_tensors.Mask(torch.from_numpy(picture(2, 37, 53))),
        "boxes": tv_tensors.BoundingBoxes([[1, 2, 30, 20]], format="XYWH", canvas_size=(37, 53)),  # type: ignore[call-arg]
        "labels": torch.tensor([3]),
        "id": "a",
    }
    new, same = v2.Compose([batches(gray)])(image, target)
    assert isinstance(new, tv_tensors.Image) and new.shape == (3, 37, 53) and list(same) == list(target)
    assert all(same[key] is value for key, value in target.items())


def test_a_batch_with_labels_before_its_images_is_understood(colour: Translator):
    given = {"label": torch.arange(6), "soft": torch.rand(6, 3), "image": batch(), "name": [*"abcdef"]}
    result = batches(colour)(given)
    assert not torch.equal(result["image"], given["image"])
    assert result["label"] is given["label"] and result["soft"] is given["soft"] and result["name"] == given["name"]
    images, labels, index = batches(colour)(batch(), torch.arange(6), torch.ones(6))
    assert torch.equal(labels, torch.arange(6)) and torch.equal(index, torch.ones(6)) and images.shape == (6, 3, 16, 16)
    listed = batches(colour)([batch(), torch.arange(6)])
    assert isinstance(listed, list) and isinstance(batches(colour)(batch()), Tensor)


def test_single_samples_keep_their_types(colour: Translator, gray: Translator):
    image: Any = batch()[0]
    for given in (image, tv_tensors.Image(image), Image.fromarray(image.permute(1, 2, 0).numpy())):
        new, label = batches(colour)(given, 2)
        assert type(new) is type(given if not isinstance(given, Image.Image) else Image.new("RGB", (1, 1)))
        assert label == 2 and v2.functional.get_size(new) == [16, 16]
    turned, _ = batches(gray)(Image.new("L", (20, 10)), 1)
    assert turned.mode == "RGB" and turned.size == (20, 10)


def test_where_p_says_no_the_image_is_bit_equal(colour: Translator):
    for image in (picture(9, 11, 3), picture(9, 11, 3).astype(np.float32) / 255):
        assert arrays(colour, p=0.0)(image=image)["image"] is image
        assert np.array_equal(A.Compose([arrays(colour, p=0.0)])(images=[image] * 2)["images"], [image] * 2)
    for images in (batch(), torch.rand(6, 3, 16, 16)):
        assert torch.equal(batches(colour, p=0.0)(images), images)


def test_where_p_says_no_a_gray_image_has_the_colours_of_the_others_so_that_batches_collate(gray: Translator):
    images = [picture(16, 16), np.float32(picture(16, 16, 1) / 3e3)]
    for image in images:
        transform = arrays(gray, p=0.5)
        results = [transform(image=image)["image"] for _ in range(20)]
        left = [result for result in results if (result == np.atleast_3d(image)).all()]
        assert default_collate(results).shape == (20, 16, 16, 3) and 3 < len(left) < 17
    many = arrays(gray, p=0.0)(images=np.stack([images[0]] * 2))["images"]
    assert many.shape == (2, 16, 16, 3) and (many == images[0][..., None]).all()
    result = batches(gray, p=0.5)(batch(40, 1))
    left = (result == batch(40, 1)).flatten(1).all(1)
    assert result.shape == (40, 3, 16, 16) and 8 < int(left.sum()) < 32
    assert arrays(gray, direction="BA", p=0.0)(image=picture(16, 16, 3))["image"].shape == (16, 16, 1)


def test_each_image_of_a_batch_has_a_coin_of_its_own_and_the_given_ones_stay(
    colour: Translator, monkeypatch: pytest.MonkeyPatch
):
    images, coins = batch(), [True, False, False, True, True, False]
    own = images.clone()
    monkeypatch.setattr(torch, "rand", on_coins(coins))
    result = batches(colour, p=0.5)(images)
    assert [not torch.equal(new, old) for new, old in zip(result, own, strict=True)] == coins
    assert torch.equal(images, own)


def test_additional_images_have_the_noise_of_the_image(colour: Translator):
    image = picture(16, 16, 3)
    pipeline = A.Compose([arrays(colour)], additional_targets={"left": "image", "depth": "mask"})
    result = pipeline(image=image, left=image, depth=image[..., 0])
    assert np.array_equal(result["image"], result["left"]) and np.array_equal(result["depth"], image[..., 0])


# ---- random numbers


def test_torchs_seed_decides_everything(colour: Translator):
    def drawn(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return batches(colour, p=0.5)(batch())

    assert torch.equal(drawn(1), drawn(1)) and not torch.equal(drawn(1), drawn(2))


def test_a_seeded_compose_repeats_and_its_transforms_are_not_tied_together(colour: Translator):
    pipeline = A.Compose([arrays(colour, p=0.5), A.HorizontalFlip(p=0.5), arrays(colour, p=0.5, seed=1)], seed=137)
    image, seen = picture(16, 16, 3), Counter()
    first = [pipeline(image=image)["image"].tobytes() for _ in range(40)]
    for _ in range(40):
        pipeline(image=image)
        seen[tuple(bool(t.params) for t in pipeline.transforms)] += 1
    assert len(seen) >= 6 and max(seen.values()) < 20
    pipeline.set_random_seed(137)
    assert [pipeline(image=image)["image"].tobytes() for _ in range(40)] == first


class Translated(Dataset[Tensor]):
    """The same picture, again and again."""

    def __init__(self, transform: Any):
        self.transform = transform

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> Tensor:
        if isinstance(self.transform, BatchTranslate):
            return self.transform(torch.from_numpy(picture(3, 16, 16)))
        return torch.from_numpy(self.transform(image=picture(16, 16, 3))["image"])


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["arrays", "batches"])
def test_every_worker_and_epoch_draws_its_own_noise_and_a_rerun_the_same(colour: Translator, kind: str, method: str):
    def epochs() -> list[bytes]:
        torch.manual_seed(5)
        transform = arrays(colour) if kind == "arrays" else batches(colour)
        loader = DataLoader(Translated(transform), 4, num_workers=2, multiprocessing_context=method)
        return [image.numpy().tobytes() for _ in range(2) for images in loader for image in images]

    one = epochs()
    assert len(set(one)) == len(one) == 16 and (method == "spawn" or epochs() == one)


# ---- saved pipelines


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_saved_pipelines_hold_path_and_sha256_and_do_the_same_when_loaded(
    colour: Translator, tmp_path: Path, form: Any
):
    first = A.Compose([arrays(colour, p=0.5, direction="BA", seed=5, tile=128)])
    A.save(first, tmp_path / "pipeline", data_format=form)
    text = (tmp_path / "pipeline").read_text()
    assert "ganaug.DomainTranslate" in text and colour.hash in text and str(colour.folder) in text
    second = A.load(tmp_path / "pipeline", data_format=form)
    assert repr(second) == repr(first) == repr(A.from_dict(json.loads(json.dumps(A.to_dict(first)))))
    for pipeline in (first, second):
        pipeline.set_random_seed(3)
    for i in range(6):
        one, two = (pipeline(image=picture(16, 16, 3, seed=i))["image"] for pipeline in (first, second))
        assert np.array_equal(one, two)


def test_a_replay_gives_the_same_pixels(gray: Translator):
    pipeline = A.ReplayCompose([arrays(gray, p=0.5)])
    pipeline.set_random_seed(0)
    applied = Counter()
    for i in range(10):
        first = pipeline(image=picture(16, 16, seed=i))
        second = A.ReplayCompose.replay(first["replay"], image=picture(16, 16, seed=i))
        assert np.array_equal(first["image"], second["image"]) and first["image"].shape == (16, 16, 3)
        applied[first["replay"]["transforms"][0]["applied"]] += 1
    assert len(applied) == 2


def test_a_pickle_carries_no_weights(colour: Translator, tmp_path: Path):
    pipeline = A.Compose([arrays(colour)])
    packed = pickle.dumps(pipeline)
    image = picture(16, 16, 3)
    assert len(packed) < 20_000  # of which 2 x 7,000 are albumentations' own two random states
    assert np.array_equal(pickle.loads(packed)(image=image)["image"], pipeline(image=image)["image"])
    packed = pickle.dumps(batches(colour))
    torch.manual_seed(3)
    one = batches(colour)(batch())
    torch.manual_seed(3)
    assert len(packed) < 2_000 and torch.equal(pickle.loads(packed)(batch()), one)


def test_it_says_what_it_is(colour: Translator):
    assert "p=1.0" in repr(batches(colour)) and "direction=AB" in repr(batches(colour))
    assert repr(arrays(colour).translations) == f"Translations(AB, model {colour.hash[:12]} on cpu)"


# ---- bad input


def test_another_translator_than_the_named_one_is_refused(colour: Translator, tmp_path: Path):
    other = translator(tmp_path / "other", seed=1)
    for make in (arrays, batches):
        with pytest.raises(ModelError, match=f"other must hold the translator {colour.hash[:12]}, got"):
            make(other.folder, sha256=colour.hash)
        with pytest.raises(ModelError, match="got nothing there"):
            make(tmp_path / "absent")
        with pytest.raises(ModelError, match="got int; that command makes one"):
            make(3)
    assert arrays(colour).sha256 == colour.hash


def test_a_damaged_or_exchanged_translator_is_refused(tmp_path: Path):
    model = translator(tmp_path / "model")
    packed = pickle.dumps(batches(model))
    shutil.rmtree(tmp_path / "model")
    translator(tmp_path / "model", seed=1)
    with pytest.raises(ModelError, match=f"must hold the translator {model.hash[:12]}, got"):
        pickle.loads(packed)(batch())
    weights = tmp_path / "model" / "translator.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    for make in (arrays, batches):
        with pytest.raises(ModelError):
            make(tmp_path / "model")


def test_a_translator_in_memory_is_refused_where_a_pipeline_must_name_it(colour: Translator):
    memory = Translator(colour.G, colour.architecture, {"splits": {}})
    with pytest.raises(ModelError, match=r"got one in memory; `translator.save\(folder\)`"):
        DomainTranslate(memory)
    there = batches(memory)
    assert there(batch()).shape == (6, 3, 16, 16)
    with pytest.raises(ModelError, match="to reach another process"):
        pickle.loads(pickle.dumps(there))(batch())


def test_cuda_in_a_worker_is_refused_in_one_sentence(colour: Translator, monkeypatch: pytest.MonkeyPatch):
    transform = batches(colour)
    transform.translations._reference.device = torch.device("cuda")  # type: ignore[union-attr]
    assert transform(batch()).shape == (6, 3, 16, 16)  # in the main process it may
    monkeypatch.setattr("ganaug.synthesis.live.get_worker_info", lambda: object())
    with pytest.raises(DeviceError, match="translators must run on the CPU inside loader workers, got one on cuda"):
        transform(batch())


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_images_of_other_channels_are_refused_with_both_numbers(gray: Translator, p: float):
    said = "images of A with 1 channel, as the translator learned them, got 3"
    with pytest.raises(DataError, match=said):
        arrays(gray, p=p)(image=picture(16, 16, 3))
    with pytest.raises(DataError, match=said):
        arrays(gray, p=p)(images=[picture(16, 16), picture(16, 16, 3)])
    with pytest.raises(DataError, match=said):
        batches(gray, p=p)(batch(), torch.arange(6))
    with pytest.raises(DataError, match="images of B with 3 channels, as the translator learned them, got 1"):
        arrays(gray, p=p, direction="BA")(image=picture(16, 16))
    with pytest.raises(DataError, match="got 1; convert them"):
        batches(gray, p=p, direction="BA")(Image.new("L", (16, 16)), 0)


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"image": np.full((16, 16, 3), 2, np.float32)}, "put it before Normalize"),
        ({"image": np.zeros((16, 16, 3), np.uint16)}, "uint16"),
        ({"image": np.zeros((7, 16, 3), np.uint8)}, "8 px or more"),
        ({"mask": np.zeros((16, 16), np.uint8)}, "image or images"),
        ({"image": np.zeros((16, 16, 3), np.uint8), "volume": np.zeros((2, 16, 16, 3), np.uint8)}, "no volumes"),
    ],
)
def test_arrays_that_cannot_be_used_are_refused(colour: Translator, given: dict[str, Any], word: str):
    with pytest.raises(DataError, match=word):
        arrays(colour)(**given)


@pytest.mark.parametrize(
    ("inputs", "word"),
    [
        ((torch.full((2, 3, 16, 16), 2.0),), "put it before Normalize"),
        ((batch().int(),), "torch.int32"),
        ((torch.arange(6),), "one image or batch of images, got 0"),
        ((tv_tensors.Image(batch()), tv_tensors.Image(batch())), "got 2; take them apart"),
        ((torch.zeros(2, 3, 7, 16, dtype=torch.uint8),), "8 px or more"),
        ((Image.new("P", (16, 16)), 1), "'P'"),
    ],
)
def test_tensors_that_cannot_be_used_are_refused(colour: Translator, inputs: Any, word: str):
    with pytest.raises(DataError, match=word):
        batches(colour)(*inputs)


@pytest.mark.parametrize(
    ("options", "word"),
    [({"direction": "AC"}, "'AC'"), ({"p": 1.5}, "1"), ({"tile": 64}, "tile must be 128 px or more")],
)
def test_arguments_out_of_range_are_refused(colour: Translator, options: dict[str, Any], word: str):
    for make in (arrays, batches):
        with pytest.raises(ValueError, match=word):
            make(colour, **options)
