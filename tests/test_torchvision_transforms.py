"""The torchvision transforms: batches and single samples, in every structure that a loader hands out."""

import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from generators import saved
from PIL import Image
from shown import EACH, Shown
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset, default_collate
from torchvision import tv_tensors
from torchvision.transforms import v2

from ganaug.errors import DataError, ModelError
from ganaug.images import fit, to_pil
from ganaug.synthesis import Synthesizer
from ganaug.transforms.mixing import NOWHERE, blend, blend_label, blend_labels, cut_box, mix_batch, paste
from ganaug.transforms.torchvision import SyntheticMix, SyntheticReplace

N = 24
LABELS = torch.arange(N) % 3


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def replace(source: Any, **options: Any) -> SyntheticReplace:
    return SyntheticReplace(source, **{"p": 1.0, "per_class": EACH, **options})


def mix(source: Any, **options: Any) -> SyntheticMix:
    return SyntheticMix(source, **{"num_classes": 3, "per_class": EACH, **options})


def batch(n: int = N, size: tuple[int, int] = (16, 16), channels: int = 3) -> Tensor:
    return torch.full((n, channels, *size), 128, dtype=torch.uint8)


# ---- batches


def test_replace_shows_the_class_of_each_label_and_draws_each_image(source: str, shown: Shown):
    images, labels = replace(source)(batch(), LABELS)
    places = [shown(image) for image in images]
    assert [place[0] for place in places] == LABELS.tolist() == labels.tolist() and len(set(places)) > 12


def test_a_drawn_class_becomes_the_label(source: str, shown: Shown):
    images, labels = replace(source, labels="draw", p=0.5)(batch(300), torch.ones(300, dtype=torch.int32))
    places = [shown(image) for image in images]
    assert labels.dtype == torch.int32 and 120 < sum(place != (-1, -1) for place in places) < 180
    assert all(int(label) == (1 if place[0] < 0 else place[0]) for label, place in zip(labels, places, strict=True))
    assert all(count > 25 for count in Counter(place[0] for place in places).values())


def test_soft_labels_draw_the_class_by_weight_and_become_one_hot(source: str, shown: Shown):
    soft = torch.tensor([[0.75, 0.0, 0.25]]).repeat(200, 1)
    images, labels = replace(source)(batch(200), soft)
    assert [shown(image)[0] for image in images] == labels.argmax(1).tolist()
    assert labels.max(1).values.tolist() == [1.0] * 200 and 30 < int(labels[:, 2].sum()) < 70 and not labels[:, 1].any()


@pytest.mark.parametrize("method", ["mixup", "cutmix", "either"])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float16])
def test_each_image_has_a_share_of_its_own_and_label_mass_one(source: str, method: Any, dtype: torch.dtype):
    images = batch(200) if dtype == torch.uint8 else torch.full((200, 3, 16, 16), 0.5, dtype=dtype)
    mixed, soft = mix(source, method=method)(images, torch.zeros(200, dtype=torch.int64))
    assert mixed.shape == images.shape and mixed.dtype == dtype
    assert soft.shape == (200, 3) and soft.dtype == torch.float32 and (soft.sum(1) - 1).abs().max() < 1e-6
    others = soft[:, 1:].sum(1)  # 1 - share, where the partner's class is another
    assert len(others[others > 0].unique()) > {"mixup": 120, "either": 80, "cutmix": 40}[method]
    assert abs(float((soft[:, 0] == 1).float().mean()) - 1 / 3) < 0.1 and 0.6 < float(soft[:, 0].mean()) < 0.82


def test_the_label_mass_of_a_cutmix_is_the_area_that_is_left(source: str):
    images = torch.full((100, 3, 16, 16), 255, dtype=torch.uint8)
    mixed, soft = mix(source, method="cutmix", classes=["bee"], num_classes=None)(
        images, torch.zeros(100, dtype=torch.int64)
    )
    assert soft.tolist() == [[1.0]] * 100
    mixed, soft = mix(source, method="cutmix")(images, torch.zeros(100, dtype=torch.int64))
    pasted = (mixed != 255).any(1).float().mean((1, 2))
    differing = soft[:, 0] < 1
    assert (pasted - (1 - soft[:, 0]))[differing].abs().max() < 1e-6 and differing.sum() > 40


def test_batches_are_mixed_as_arrays_are_one_by_one():
    generator = torch.Generator().manual_seed(1)
    for dtype in (torch.uint8, torch.float32):
        own, partners = (torch.randint(0, 256, (6, 3, 9, 7), generator=generator) for _ in range(2))
        own, partners = (x.to(dtype) if dtype == torch.uint8 else x.to(dtype) / 255 for x in (own, partners))
        shares = torch.tensor([0.2, 0.7, 1.0, 1.0, 0.0, 1.0])
        boxes = [NOWHERE, NOWHERE, cut_box(9, 7, 0.5, 0.2, 0.9), cut_box(9, 7, 0.0, 0.5, 0.5), NOWHERE, NOWHERE]
        mixed = mix_batch(own, partners, shares, boxes)
        for i in range(6):
            one, other = own[i].permute(1, 2, 0).numpy(), partners[i].permute(1, 2, 0).numpy()
            alone = paste(blend(one, other, float(shares[i])), other, boxes[i])
            assert np.allclose(mixed[i].permute(1, 2, 0).numpy(), alone, atol=1e-6)
    soft = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    together = blend_labels(soft, torch.tensor([2, 0]), torch.tensor([0.7, 0.1]))
    assert np.allclose(together[0], blend_label(soft[0].numpy(), 2, 0.7))
    assert np.allclose(together.numpy(), [[0.35, 0.35, 0.3], [0.9, 0.0, 0.1]])


def test_images_that_are_not_chosen_stay_as_they_are_with_one_hot_labels(source: str):
    black = torch.zeros(200, 3, 16, 16, dtype=torch.uint8)
    images, soft = mix(source, p=0.5, alpha=8.0)(black, torch.ones(200, dtype=torch.int64))
    same = (images == 0).flatten(1).all(1)
    assert 70 < int(same.sum()) < 130 and soft[same].tolist() == [[0.0, 1.0, 0.0]] * int(same.sum())
    images, soft = mix(source, p=0.0)(batch(), LABELS)
    assert torch.equal(images, batch()) and torch.equal(soft.argmax(1), LABELS)
    own, labels = batch(), LABELS.clone()
    for transform in (replace(source), mix(source, method="cutmix")):
        transform(own, labels)
    assert torch.equal(own, batch()) and torch.equal(labels, LABELS)


def test_soft_labels_compose_after_torchvisions_own_and_after_each_other(source: str):
    images, soft = v2.MixUp(num_classes=3)(batch().float() / 255, LABELS)
    images, soft = mix(source, num_classes=None)(*mix(source)(images, soft))
    assert soft.shape == (N, 3) and (soft.sum(1) - 1).abs().max() < 1e-5 and images.dtype == torch.float32
    images, soft = v2.CutMix()(images, soft)
    assert (soft.sum(1) - 1).abs().max() < 1e-5


@pytest.mark.parametrize("size, channels", [((16, 16), 1), ((24, 12), 3), ((10, 10), 4)])
def test_another_size_or_colour_is_matched_nearly_as_pil_does(source: str, shown: Shown, size: Any, channels: int):
    images, _ = replace(source, classes=["bee"])(batch(8, size, channels), torch.zeros(8, dtype=torch.int64))
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[channels]
    forms = [fit(to_pil(shown.pixels[1, index]).convert(mode), size).astype(int) for index in range(EACH)]
    assert images.shape == (8, channels, *size)
    for image in images.numpy():
        assert min(np.abs(form - image).mean() for form in forms) < (1 if size == (16, 16) else 4)


# ---- structures


@pytest.mark.parametrize("kind", ["mix", "replace"])
def test_a_collate_function_in_a_loader(source: str, kind: str):
    transform: Any = {"mix": mix, "replace": replace}[kind](source)
    data = TensorDataset(batch(), LABELS)
    for workers in (0, 2):
        loader = DataLoader(data, 8, num_workers=workers, collate_fn=lambda rows: transform(*default_collate(rows)))
        images, labels = (torch.cat(column) for column in zip(*loader, strict=True))
        assert images.shape == (N, 3, 16, 16) and not torch.equal(images, batch())
        assert labels.shape == ((N, 3) if kind == "mix" else (N,))


def test_what_default_collate_and_torchvision_return_is_understood(source: str, shown: Shown):
    transform = replace(source)
    rows = [
        {"pixel": image, "Target": int(label), "name": f"{i}.png"}
        for i, (image, label) in enumerate(zip(batch(), LABELS, strict=True))
    ]
    given = default_collate(rows)
    result = transform(given)
    assert list(result) == ["pixel", "Target", "name"] and result["name"] == given["name"]
    assert [shown(image)[0] for image in result["pixel"]] == LABELS.tolist()
    listed = transform([batch(), LABELS])
    assert isinstance(listed, list) and shown(listed[0][0])[0] == 0
    image, target, index = transform(batch(), {"labels": LABELS, "area": torch.ones(N)}, torch.arange(N))
    assert (
        shown(image[4])[0] == 1 and torch.equal(target["area"], torch.ones(N)) and torch.equal(index, torch.arange(N))
    )
    picked = replace(source, labels_getter=lambda sample: sample["meta"][1])
    result = picked({"x": batch(), "meta": (torch.zeros(N), LABELS), "label": "other"})
    assert shown(result["x"][5])[0] == 2 and result["label"] == "other"


@pytest.mark.parametrize("label", [2, np.int64(2), torch.tensor(2), torch.tensor(2, dtype=torch.int16)])
def test_single_samples_in_a_compose_keep_their_types(source: str, shown: Shown, label: Any):
    for image in (batch()[0], tv_tensors.Image(batch()[0]), to_pil(batch()[0].numpy())):
        new, same = v2.Compose([replace(source)])(image, label)
        assert type(new) is type(image) and type(same) is type(label) and int(same) == 2
        assert getattr(same, "dtype", 0) == getattr(label, "dtype", 0)
        assert shown(np.asarray(new).transpose(2, 0, 1) if isinstance(new, Image.Image) else new)[0] == 2
        both = v2.Compose([v2.RandomHorizontalFlip(), mix(source), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
        mixed, soft = both(image, label)
        assert mixed.shape == (3, 16, 16) and soft.shape == (3,) and abs(float(soft.sum()) - 1) < 1e-6
    result = mix(source)({"image": batch()[0], "label": label, "id": "a"})
    assert result["id"] == "a" and result["label"].dtype == torch.float32


def test_grey_pil_images_stay_grey(source: str):
    image, label = mix(source)(Image.new("L", (20, 10)), 1)
    assert image.mode == "L" and image.size == (20, 10) and label.shape == (3,)


def test_tensor_subclasses_come_back_as_they_came(source: str):
    images, _ = mix(source)(tv_tensors.Image(batch()), LABELS)
    assert isinstance(images, tv_tensors.Image) and images.shape == (N, 3, 16, 16)


# ---- serving and randomness


def test_batch_serving_renders_an_endless_sequence_where_the_generator_is(
    source: str, synth: Synthesizer, shown: Shown
):
    images, labels = replace(source, serving="batch")(batch(), LABELS)
    assert len({image.numpy().tobytes() for image in images}) == N and all(shown(image) == (-1, -1) for image in images)
    images, soft = mix(source, serving="batch", method="either")(images, labels)
    assert images.shape == (N, 3, 16, 16) and (soft.sum(1) - 1).abs().max() < 1e-6


def test_torchs_seed_decides_everything(source: str):
    def drawn(seed: int) -> tuple[Tensor, Tensor]:
        torch.manual_seed(seed)
        return mix(source, method="either", p=0.7)(batch(), LABELS)

    (one, first), (two, second), (other, _) = drawn(1), drawn(1), drawn(2)
    assert torch.equal(one, two) and torch.equal(first, second) and not torch.equal(one, other)


@pytest.mark.parametrize("serving", ["pool", "batch"])
def test_a_pickle_carries_neither_pixels_nor_weights(source: str, serving: str):
    transform = mix(source, serving=serving, per_class=200)
    packed = pickle.dumps(transform)
    torch.manual_seed(3)
    images, labels = transform(batch(), LABELS)
    torch.manual_seed(3)
    again, same = pickle.loads(packed)(batch(), LABELS)
    assert len(packed) < 3_000 and torch.equal(images, again) and torch.equal(labels, same)


def test_it_says_what_it_is(source: str):
    assert "method=mixup" in repr(mix(source)) and "p=1.0" in repr(replace(source))


# ---- bad input


def test_what_shows_where_things_are_is_refused(source: str):
    image = tv_tensors.Image(batch()[0])
    mask = tv_tensors.Mask(torch.zeros(16, 16, dtype=torch.uint8))
    boxes = tv_tensors.BoundingBoxes([[0, 0, 4, 4]], format="XYXY", canvas_size=(16, 16))  # type: ignore[call-arg]
    points = tv_tensors.KeyPoints([[1, 1]], canvas_size=(16, 16))  # type: ignore[call-arg]
    for thing in (mask, boxes, points):
        with pytest.raises(DataError, match=f"got {type(thing).__name__};"):
            mix(source)(image, {"labels": torch.tensor(1), "thing": thing})


@pytest.mark.parametrize("low, high", [(-2.0, 2.0), (0.0, 1.5), (0.0, float("nan"))])
def test_floats_out_of_range_are_refused_with_the_way_out(source: str, low: float, high: float):
    images = torch.full((2, 3, 16, 16), low)
    images[1, 0, 3, 3] = high
    for transform in (replace(source), mix(source)):
        with pytest.raises(DataError, match="put it before Normalize"):
            transform(images, torch.tensor([0, 1]))


@pytest.mark.parametrize("label", [3, -1])
def test_labels_out_of_range_are_refused(source: str, label: int):
    for transform in (replace(source), mix(source)):
        with pytest.raises(DataError, match=rf"\[0, 3\), the classes being \['ant', 'bee', 'cat'\], got {label};"):
            transform(batch(2), torch.tensor([0, label]))


def test_numbers_need_num_classes_and_soft_labels_tell_their_own(source: str):
    with pytest.raises(DataError, match="num_classes=3 is what"):
        mix(source, num_classes=None)(batch(), LABELS)
    assert mix(source, num_classes=None)(batch(), torch.eye(3)[LABELS])[1].shape == (N, 3)
    assert mix(source, num_classes=7)(batch(), LABELS + 4)[1].shape == (N, 7)
    with pytest.raises(DataError, match="got 5;"):
        mix(source, num_classes=4)(batch(), torch.zeros(N, 5))
    with pytest.raises(DataError, match="weights of 0 or more"):
        mix(source, labels="keep")(batch(), torch.zeros(N, 3))


@pytest.mark.parametrize(
    ("inputs", "word"),
    [
        ((batch(),), "must find one label"),
        ((batch(), {"name": LABELS}), "must find one label"),
        ((batch(), ["a", "b"]), "must find one label"),
        ((batch(), LABELS[:5]), r"one label per image \(24\).* got shape \[5\]"),
        ((batch(), LABELS.float()), "got shape"),
        ((batch()[0], "bee"), "got 'bee'"),
        ((batch()[0], 1.0), "got 1.0"),
        (("photo.png", LABELS), "one image or batch of images, got 0"),
        ((tv_tensors.Image(batch()), LABELS, tv_tensors.Image(batch())), "got 2"),
        ((batch()[None], LABELS), "1, 3 or 4 channels"),
        ((batch(channels=2), LABELS), "1, 3 or 4 channels"),
        ((batch().int(), LABELS), "uint8 or floats, got torch.int32"),
        ((Image.new("P", (16, 16)), 1), "'P'"),
    ],
)
def test_samples_that_cannot_be_used_are_refused_in_a_sentence(source: str, inputs: Any, word: str):
    for transform in (replace(source), mix(source)):
        with pytest.raises(DataError, match=word):
            transform(*inputs)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"labels": "swap"}, "labels must be one of"),
        ({"serving": "worker"}, "serving must be one of pool, batch"),
        ({"p": 1.5}, "p must lie"),
        ({"per_class": 0}, "per_class"),
        ({"classes": ["dog"]}, "'dog'"),
    ],
)
def test_arguments_out_of_range_are_refused(source: str, options: dict[str, Any], word: str):
    for make in (replace, mix):
        with pytest.raises(DataError, match=word):
            make(source, **options)


def test_a_live_generator_that_changed_is_refused(source: str, tmp_path: Path):
    synth = saved(tmp_path / "generator")
    packed = pickle.dumps(mix(synth, serving="batch"))
    for file in (tmp_path / "generator").iterdir():
        file.unlink()
    (tmp_path / "generator").rmdir()
    saved(tmp_path / "generator", seed=1)
    with pytest.raises(ModelError, match="must hold the generator"):
        pickle.loads(packed)(batch(), LABELS)
