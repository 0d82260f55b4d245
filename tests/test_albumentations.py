"""The albumentations transforms: labels in every type, images in every form, saved and replayed pipelines."""

import io
import json
import logging
import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from generators import saved
from shown import EACH, Shown
from torch.utils.data import default_collate

from ganaug.errors import DataError, ModelError
from ganaug.images import fit, to_pil
from ganaug.synthesis import Synthesizer
from ganaug.synthesis.origin import Origin
from ganaug.transforms.albumentations import SyntheticMix, SyntheticReplace
from ganaug.transforms.mixing import blend, blend_label, cut_box, paste, share_left

A = pytest.importorskip("albumentations")
GREY = np.full((16, 16, 3), 128, np.uint8)
NAMES = ["ant", "bee", "cat"]


def seeded(transform: Any) -> Any:
    """The transform, or a whole pipeline, with numbers that are the same in each run of the tests."""
    transform.set_random_seed(0)
    return transform


def replace(source: Any, **options: Any) -> SyntheticReplace:
    return seeded(SyntheticReplace(source, **{"p": 1.0, "per_class": EACH, **options}))


def mix(source: Any, **options: Any) -> SyntheticMix:
    return seeded(SyntheticMix(source, **{"num_classes": 3, "p": 1.0, "per_class": EACH, **options}))


LABELS = {
    "int": 1,
    "numpy": np.int16(1),
    "array": np.array(1),
    "array of one": np.array([1]),
    "tensor": torch.tensor(1),
    "name": "bee",
    "numpy name": np.str_("bee"),
}


# ---- labels


@pytest.mark.parametrize("label", LABELS.values(), ids=LABELS)
def test_replace_keeps_the_label_and_shows_its_class(source: str, shown: Shown, label: Any):
    pipeline = A.Compose([replace(source)])
    for _ in range(20):
        result = pipeline(image=GREY, label=label)
        assert result["label"] is label and shown(result["image"])[0] == 1


@pytest.mark.parametrize("label", LABELS.values(), ids=LABELS)
def test_a_drawn_class_becomes_the_label_in_its_own_type(source: str, shown: Shown, label: Any):
    pipeline = seeded(A.Compose([replace(source, labels="draw")]))
    seen = Counter()
    for _ in range(60):
        result = pipeline(image=GREY, label=label)
        new = result["label"]
        assert type(new) is type(label) and getattr(new, "shape", 0) == getattr(label, "shape", 0)
        assert getattr(new, "dtype", 0) == getattr(label, "dtype", 0) or isinstance(label, str)
        number = NAMES.index(new) if isinstance(new, str) else int(np.asarray(new).item())
        assert shown(result["image"])[0] == number
        seen[number] += 1
    assert len(seen) == 3 and max(seen.values()) < 40


@pytest.mark.parametrize("method", ["mixup", "cutmix", "either"])
@pytest.mark.parametrize("label", LABELS.values(), ids=LABELS)
def test_mix_gives_soft_labels_of_mass_one_that_the_share_and_partner_explain(source: str, label: Any, method: Any):
    pipeline = A.Compose([mix(source, method=method)])
    for _ in range(10):
        result = pipeline(image=GREY, label=label)
        soft, share, origin = result["label"], result["mix_coef"], Origin.parse(result["mix_source"])
        assert isinstance(soft, torch.Tensor if isinstance(label, torch.Tensor) else np.ndarray)
        soft = np.asarray(soft)
        expected = np.zeros(3)
        expected[1] += share
        expected[origin.label] += 1 - share
        assert soft.dtype == np.float32 and np.abs(soft - expected).max() < 1e-6 and abs(soft.sum() - 1) < 1e-6


def test_where_nothing_is_mixed_the_label_is_one_hot_and_batches_collate(source: str):
    pipeline = A.Compose([mix(source, p=0.5)], seed=1)
    items = [pipeline(image=GREY, label=i % 3) for i in range(30)]
    batch = default_collate(items)
    assert batch["label"].shape == (30, 3) and batch["label"].dtype == torch.float32
    alone = [item for item in items if item["mix_source"] == ""]
    assert 5 < len(alone) < 25 and all(item["mix_coef"] == 1.0 and item["label"].max() == 1 for item in alone)
    assert all(np.array_equal(item["image"], GREY) for item in alone)


def test_two_mixes_compose(source: str):
    pipeline = A.Compose([mix(source), mix(source, num_classes=None, method="cutmix")])
    first, second = pipeline.transforms
    for _ in range(10):
        label = pipeline(image=GREY, label="ant")["label"]
        (one, _), (two, _) = first.params["picks"][0], second.params["picks"][0]
        a, b = first.params["shares"][0], second.params["shares"][0]
        expected = np.zeros(3)
        expected[0] += a * b
        expected[one] += (1 - a) * b
        expected[two] += 1 - b
        assert np.abs(label - expected).max() < 1e-6


def test_a_partner_of_the_own_class_leaves_the_label_and_is_drawn_by_the_weights_of_a_soft_one(source: str):
    keep = mix(source, labels="keep")
    assert all(keep(image=GREY, label=2)["label"].tolist() == [0, 0, 1] for _ in range(10))
    partners = Counter(Origin.parse(keep(image=GREY, label=[0.75, 0.0, 0.25])["mix_source"]).label for _ in range(200))
    assert set(partners) == {0, 2} and 30 < partners[2] < 75


def test_lists_and_arrays_of_images_each_get_a_partner_of_their_own(source: str, shown: Shown):
    images, labels = [GREY] * 6, [0, 1, 2, 0, 1, 2]
    for given in (images, np.stack(images)):
        for numbers in (labels, np.array(labels), torch.tensor(labels), [NAMES[i] for i in labels]):
            result = A.Compose([replace(source)])(images=given, label=numbers)
            places = [shown(image) for image in result["images"]]
            assert type(result["images"]) is type(given) and result["label"] is numbers
            assert [place[0] for place in places] == labels and len(set(places)) > 3


def test_labels_of_images_come_back_in_their_container(source: str, shown: Shown):
    images = [GREY] * 4
    drawn, mixed = replace(source, labels="draw"), mix(source)
    for labels in ([0, 1, 2, 0], (0, 1, 2, 0), np.array([0, 1, 2, 0], np.int8), torch.tensor([0, 1, 2, 0])):
        result = A.Compose([drawn])(images=images, label=labels)
        assert type(result["label"]) is type(labels)
        assert [shown(image)[0] for image in result["images"]] == [int(x) for x in result["label"]]
        result = A.Compose([mixed])(images=images, label=labels)
        assert type(result["label"]) is type(labels) and np.shape(result["label"]) == (4, 3)
        assert len(set(result["mix_coef"])) == len(result["mix_source"]) == 4
    names = np.array(["ant", "bee", "cat", "ant"])
    assert set(A.Compose([drawn])(images=images, label=names)["label"]) <= set(NAMES)
    again = A.Compose([mixed])(images=images, label=np.eye(3, dtype=np.float64)[[0, 1, 2, 0]])["label"]
    assert again.dtype == np.float32 and np.abs(again.sum(1) - 1).max() < 1e-6


def test_classes_in_another_order_are_the_users_numbers(source: str, shown: Shown):
    mine = ["cat", "ant"]
    assert shown(replace(source, classes=mine)(image=GREY, label=0)["image"])[0] == 2
    assert shown(replace(source, classes=mine)(image=GREY, label="ant")["image"])[0] == 0
    mixed = mix(source, classes=mine, num_classes=None)
    partners = set()
    for _ in range(30):
        result = mixed(image=GREY, label=0)
        partner = Origin.parse(result["mix_source"]).label
        partners.add(partner)
        expected = 1.0 if partner == 2 else result["mix_coef"]
        assert result["label"].shape == (2,) and abs(result["label"][0] - expected) < 1e-6
    assert partners == {0, 2}


def test_more_classes_than_the_generator_knows_can_be_mixed_with(source: str):
    result = mix(source, num_classes=5)(image=GREY, label=4)
    assert result["label"].shape == (5,) and abs(result["label"][4] - result["mix_coef"]) < 1e-6


# ---- images


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("shape", [(16, 16), (16, 16, 1), (16, 16, 3), (16, 16, 4), (24, 12, 3), (9, 11)])
def test_size_channels_and_dtype_stay_and_the_pixels_are_the_generators(
    source: str, shown: Shown, shape: tuple[int, ...], dtype: Any
):
    image = np.full(shape, 128, np.uint8) if dtype == np.uint8 else np.full(shape, 0.5, dtype)
    transform = replace(source)
    result = A.Compose([transform])(image=image, label=2)["image"]
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[shape[2] if len(shape) == 3 else 1]
    pixels = fit(to_pil(shown.pixels[transform.params["picks"][0]]).convert(mode), (shape[0], shape[1]))
    expected = pixels.transpose(1, 2, 0).reshape(shape)
    assert result.shape == shape and result.dtype == dtype and result.flags.c_contiguous and result.flags.writeable
    assert np.allclose(result * (1 if dtype == np.uint8 else 255), expected, atol=1e-4)
    mixed = A.Compose([mix(source, method="either")])(image=image, label=0)["image"]
    assert mixed.shape == shape and mixed.dtype == dtype


def test_the_log_says_once_that_images_are_resized(source: str, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO, "ganaug"):
        transform = replace(source)
        for _ in range(3):
            transform(image=np.zeros((20, 20), np.uint8), label=0)
            transform(image=GREY, label=0)
    assert [r.message.partition(" are ")[2] for r in caplog.records if "resized" in r.message] == [
        "cropped and resized to (1, 20, 20)"
    ]


def test_the_own_image_is_left_as_it_was(source: str):
    image = GREY.copy()
    for method in ("mixup", "cutmix"):
        mix(source, method=method)(image=image, label=0)
    assert np.array_equal(image, GREY)


def test_the_equations_agree_with_a_hand_computation():
    own, partner = np.array([[10, 255], [0, 7]], np.uint8), np.array([[20, 0], [255, 8]], np.uint8)
    assert blend(own, partner, 0.7).tolist() == [[13, 178], [76, 7]]  # 13.0, 178.5 to even, 76.5 to even, 7.3
    assert np.allclose(blend(own / np.float32(255), partner / np.float32(255), 0.7) * 255, [[13, 178.5], [76.5, 7.3]])
    assert cut_box(10, 20, 0.75, 0.5, 0.5) == (2, 8, 5, 15) and share_left((2, 8, 5, 15), 10, 20) == 0.7
    assert cut_box(10, 20, 0.0, 0.0, 0.0) == (0, 5, 0, 10) and cut_box(10, 20, 1.0, 0.3, 0.3)[0] == 3
    assert paste(own, partner, (0, 2, 1, 2)).tolist() == [[10, 0], [0, 8]]
    assert np.allclose(blend_label(np.array([0, 1, 0], np.float32), 2, 0.7), [0, 0.7, 0.3])


def test_the_label_mass_of_a_cutmix_is_the_area_that_is_left(source: str, shown: Shown):
    transform = mix(source, method="cutmix")
    for _ in range(30):
        result = transform(image=np.full((16, 16, 3), 0, np.uint8), label=0)
        top, bottom, left, right = transform.params["boxes"][0]
        partner = shown.pixels[transform.params["picks"][0]].transpose(1, 2, 0)
        inside = np.zeros((16, 16), bool)
        inside[top:bottom, left:right] = True
        assert np.array_equal(result["image"], np.where(inside[..., None], partner, 0))
        assert abs(result["mix_coef"] - (1 - inside.mean())) < 1e-12


def test_a_mixup_is_the_blend_and_shares_spread_as_the_beta_distribution(source: str, shown: Shown):
    transform = mix(source, alpha=4.0)
    results = [transform(image=GREY, label=0) for _ in range(400)]
    shares = [result["mix_coef"] for result in results]
    partner = shown.pixels[transform.params["picks"][0]].transpose(1, 2, 0)
    assert np.abs(results[-1]["image"] - (shares[-1] * GREY + (1 - shares[-1]) * partner)).max() <= 0.501
    assert abs(np.mean(shares) - 0.5) < 0.03 and abs(np.std(shares) - 1 / 6) < 0.02  # 1 / (2 sqrt(2 alpha + 1))


# ---- pipelines


def test_strict_pipelines_choices_and_sequences_take_both(source: str, shown: Shown):
    strict = A.Compose([replace(source), A.HorizontalFlip(), mix(source)], strict=True)
    assert strict(image=GREY, label=1)["label"].shape == (3,)
    choice = A.Compose([A.OneOf([replace(source, labels="draw"), A.Sequential([replace(source)], p=1.0)], p=1.0)])
    assert all(shown(choice(image=GREY, label="bee")["image"]) != (-1, -1) for _ in range(10))
    tensors = A.Compose([replace(source), A.ToTensorV2()])(image=GREY, label=torch.tensor(2))
    assert tensors["image"].shape == (3, 16, 16) and shown(tensors["image"])[0] == 2
    named = A.Compose([mix(source, label_key="target")], strict=True)
    assert named(image=GREY, target=1)["target"].shape == (3,)


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_saved_pipelines_hold_path_and_sha256_and_do_the_same_when_loaded(
    synth: Synthesizer, tmp_path: Path, form: Any
):
    first = A.Compose(
        [
            replace(synth, p=0.4, labels="draw", seed=5),
            mix(Path(str(synth.folder)), method="either", alpha=0.3, classes=("cat", "bee")),
        ]
    )
    A.save(first, tmp_path / "pipeline", data_format=form)
    text = (tmp_path / "pipeline").read_text()
    assert "ganaug.SyntheticReplace" in text and text.count(synth.hash) == 2 and text.count(str(synth.folder)) == 2
    second = A.load(tmp_path / "pipeline", data_format=form)
    assert repr(second) == repr(first) == repr(A.from_dict(A.to_dict(first)))
    for pipeline in (first, second):
        pipeline.set_random_seed(3)
    for label in ("bee", "cat") * 5:
        one, two = (pipeline(image=GREY, label=label) for pipeline in (first, second))
        assert np.array_equal(one["image"], two["image"]) and np.array_equal(one["label"], two["label"])
    buffer = io.StringIO()
    A.save(first, buffer, data_format="json")
    assert json.loads(buffer.getvalue())["transform"]["transforms"][0]["seed"] == 5


def test_a_replay_gives_the_same_picture_and_label(source: str):
    pipeline = seeded(A.ReplayCompose([replace(source, p=0.5, labels="draw"), mix(source, p=0.5, method="either")]))
    applied = Counter()
    for label in [0, 1, 2] * 8:
        first = pipeline(image=GREY, label=label)
        second = A.ReplayCompose.replay(first["replay"], image=GREY, label=label)
        for key in ("image", "label", "mix_coef", "mix_source"):
            assert np.array_equal(first[key], second[key])
        applied[tuple(t["applied"] for t in first["replay"]["transforms"])] += 1
        assert np.array_equal(A.ReplayCompose.replay(first["replay"], image=GREY)["image"], first["image"])
    assert len(applied) == 4


def test_applied_params_name_the_image(source: str, shown: Shown):
    pipeline = A.Compose([replace(source, labels="draw")], save_applied_params=True)
    result = pipeline(image=GREY, label=0)
    ((name, params),) = result["applied_transforms"]
    assert name == "SyntheticReplace" and params["picks"] == [shown(result["image"])]


@pytest.mark.parametrize("serving", ["pool", "worker"])
def test_a_pickle_carries_neither_pixels_nor_weights(source: str, serving: str):
    pipeline = A.Compose([replace(source, per_class=100, serving=serving), mix(source, serving=serving)], seed=2)
    before = pipeline(image=GREY, label=1)
    pipeline.set_random_seed(9)
    packed = pickle.dumps(pipeline)
    assert len(packed) < 25_000  # of which 2 x 7,000 are albumentations' own two random states
    again, same = pickle.loads(packed)(image=GREY, label=1), pipeline(image=GREY, label=1)
    assert np.array_equal(again["image"], same["image"]) and before["image"].shape == (16, 16, 3)


def test_a_live_generator_serves_more_than_a_pool_would_hold(source: str, synth: Synthesizer):
    transform = replace(source, serving="worker")
    places = set()
    for _ in range(6):
        image = transform(image=GREY, label=1)["image"]
        label, index = transform.params["picks"][0]
        places.add(index)
        assert np.array_equal(image.transpose(2, 0, 1), synth.sample([label], 0, [index])[0][0].numpy())
    assert max(places) > 10_000


def test_one_seed_for_a_compose_does_not_tie_its_transforms_together(source: str):
    pipeline = A.Compose([replace(source, p=0.5), A.HorizontalFlip(p=0.5), mix(source, p=0.5)], seed=137)
    seen = Counter()
    for _ in range(200):
        pipeline(image=GREY, label=0)
        seen[tuple(bool(t.params) for t in pipeline.transforms)] += 1
    assert len(seen) == 8 and max(seen.values()) < 50
    pipeline.set_random_seed(137)
    assert len({transform.py_random.random() for transform in pipeline.transforms}) == 3
    pipeline.set_random_seed(137)
    first = [pipeline(image=GREY, label=0)["mix_coef"] for _ in range(20)]
    pipeline.set_random_seed(137)
    assert [pipeline(image=GREY, label=0)["mix_coef"] for _ in range(20)] == first


# ---- bad input


@pytest.mark.parametrize("label", [3, -1, "dog", 1.5, None, [0], np.array([0, 1]), torch.tensor(0.0)])
def test_unknown_labels_are_named_with_the_known_classes(source: str, label: Any):
    for transform in (replace(source), mix(source, labels="keep")):
        with pytest.raises(DataError, match=r"3 classes \['ant', 'bee', 'cat'\] or its number, got"):
            transform(image=GREY, label=label)


@pytest.mark.parametrize(
    "beside",
    [
        {"mask": GREY[..., 0]},
        {"masks": [GREY[..., 0]]},
        {"bboxes": [[0, 0, 4, 4, 1]]},
        {"keypoints": [[1, 1]]},
        {"volume": GREY[None]},
        {"mask3d": GREY},
    ],
    ids=lambda beside: next(iter(beside)),
)
def test_what_shows_where_things_are_is_refused_beside_the_image(source: str, beside: dict[str, Any]):
    for transform in (replace(source), mix(source)):
        with pytest.raises(ValueError, match=f"got {next(iter(beside))};"):
            transform(image=GREY, label=0, **beside)
    assert replace(source)(image=GREY, label=0, mask=None, bboxes=[])["bboxes"] == []


def test_additional_targets_are_refused_too_where_they_are_given(source: str):
    pipeline = A.Compose([replace(source)], additional_targets={"depth": "mask", "other": "image"})
    assert pipeline(image=GREY, label=0)["label"] == 0
    for name in ("depth", "other"):
        with pytest.raises(DataError, match=f"got {name};"):
            pipeline(image=GREY, label=0, **{name: GREY})


@pytest.mark.parametrize("low, high", [(-0.5, 0.5), (0.0, 255.0), (0.0, float("nan"))])
def test_floats_out_of_range_are_refused_with_the_way_out(source: str, low: float, high: float):
    image = np.full((16, 16, 3), low, np.float32)
    image[0, 0] = high
    for transform in (replace(source), mix(source)):
        with pytest.raises(DataError, match="put it before Normalize"):
            transform(image=image, label=0)


@pytest.mark.parametrize(
    ("image", "word"), [(np.zeros((16, 16, 2), np.uint8), "channels"), (np.zeros((16, 16), np.uint16), "uint16")]
)
def test_images_that_nothing_can_be_matched_to_are_refused(source: str, image: np.ndarray, word: str):
    with pytest.raises(DataError, match=word):
        replace(source)(image=image, label=0)


def test_a_number_for_a_label_needs_num_classes_and_names_do_not(source: str):
    transform = mix(source, num_classes=None)
    with pytest.raises(DataError, match="num_classes=3"):
        transform(image=GREY, label=1)
    assert transform(image=GREY, label="bee")["label"].shape == (3,)
    with pytest.raises(DataError, match="num_classes=2 and of the 3 classes"):
        mix(source, num_classes=2)
    with pytest.raises(DataError, match="got 2;"):
        transform(image=GREY, label=[0.5, 0.5])
    with pytest.raises(DataError, match="num_classes=4 and of the 3 classes that partners come from, got 3"):
        mix(source, num_classes=4)(image=GREY, label=[0.5, 0.5, 0.0])


def test_missing_labels_and_images_are_said(source: str):
    for transform in (replace(source), mix(source, p=0.0)):
        with pytest.raises(DataError, match=r"give label=\.\.\."):
            transform(image=GREY)
        with pytest.raises(DataError, match="either image or images"):
            transform(image=GREY, images=[GREY], label=[0])
        with pytest.raises(DataError, match=r"one label per image \(2\)"):
            transform(images=[GREY, GREY], label=1)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"labels": "swap"}, "labels must be one of keep, draw"),
        ({"serving": "batch"}, "serving must be one of pool, worker"),
        ({"per_class": 0}, "per_class"),
        ({"classes": ["ant", "dog"]}, "'dog'"),
        ({"classes": ["ant", "ant"]}, "twice"),
        ({"p": 2.0}, "less than or equal to 1"),
        ({"p": "often"}, "p"),
    ],
)
def test_arguments_out_of_range_are_refused(source: str, options: dict[str, Any], word: str):
    for make in (replace, mix):
        with pytest.raises(ValueError, match=word):
            make(source, **options)


def test_methods_and_alphas_out_of_range_are_refused(source: str):
    for options, word in ({"method": "paste"}, "method"), ({"alpha": 0.0}, "alpha"), ({"alpha": float("nan")}, "alpha"):
        with pytest.raises(DataError, match=word):
            mix(source, **options)


def test_another_generator_than_the_named_one_is_refused(source: str, tmp_path: Path):
    other = saved(tmp_path / "other", seed=1)
    with pytest.raises(ModelError, match=f"{other.folder} must hold the generator {replace(source).sha256[:12]}"):
        replace(str(other.folder), sha256=replace(source).sha256)
    with pytest.raises(ModelError, match="got nothing there"):
        replace(tmp_path / "absent")
    other.folder = None
    with pytest.raises(ModelError, match="in memory"):
        replace(other)


def test_a_replaced_image_with_a_soft_label_has_the_label_of_the_class_that_was_drawn(source: str):
    for soft in (np.array([0.7, 0.3, 0], np.float32), torch.tensor([0.7, 0.3, 0])):
        for labels in ("keep", "draw"):
            result = replace(source, labels=labels)(image=GREY, label=soft)
            assert type(result["label"]) is type(soft) and sorted(result["label"].tolist()) == [0, 0, 1]
    mixed = A.Compose([mix(source, num_classes=3), replace(source)])(image=GREY, label=0)
    assert sorted(mixed["label"].tolist()) == [0, 0, 1]
