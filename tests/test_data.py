"""Data in: sources, refusals that name file and fix, splits, fingerprints and batches."""

import json
import logging
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ganaug.data.memory
from ganaug.data import Batches, LabeledImages, align, first_per_class, hold_out, load, mix, require_disjoint
from ganaug.errors import DataError, DiskFullError
from ganaug.images import to_float

CPU = torch.device("cpu")


def write(folder: Path, name: str, value: int = 0, size: tuple[int, int] = (8, 8), mode: str = "L") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    color = value if mode == "L" else (value,) * len(mode)
    Image.new(mode, (size[1], size[0]), color).save(folder / name)
    return folder / name


def two_classes(root: Path, n: int = 3) -> Path:
    for label, name in enumerate(("bee", "ant")):
        for i in range(n):
            write(root / name, f"{i}.png", 100 * label + i)
    return root


def random_images(n: int = 60, classes: int = 3, seed: int = 0, name: str = "images") -> LabeledImages:
    pixels = torch.randint(0, 256, (n, 1, 8, 8), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    labels = torch.arange(n) % classes
    return LabeledImages(pixels, labels, tuple("abcdef"[:classes]), tuple(f"{name} {i}" for i in range(n)), name)


# folders


def test_a_folder_is_read_class_by_class_in_sorted_order(tmp_path: Path):
    data = load(two_classes(tmp_path))
    assert data.classes == ("ant", "bee") and data.class_to_idx == {"ant": 0, "bee": 1}
    assert data.names == ("ant/0.png", "ant/1.png", "ant/2.png", "bee/0.png", "bee/1.png", "bee/2.png")
    assert data.images[:, 0, 0, 0].tolist() == [100, 101, 102, 0, 1, 2]
    assert data.targets == [0, 0, 0, 1, 1, 1] and data.counts.tolist() == [3, 3]
    assert data.shape == (1, 8, 8) and data.images.dtype == torch.uint8
    assert data[-1][0].shape == (1, 8, 8) and data[-1][1] == 1 and len(data) == 6


def test_the_train_level_is_found_and_the_others_are_left_alone(tmp_path: Path):
    two_classes(tmp_path / "train")
    two_classes(tmp_path / "test", 1)
    assert len(load(tmp_path)) == 6 and load(tmp_path).source == str(tmp_path / "train")
    assert len(load(tmp_path / "test")) == 2


def test_a_class_may_be_called_train(tmp_path: Path):
    write(tmp_path / "train", "a.png")
    write(tmp_path / "bus", "a.png")
    assert load(tmp_path).classes == ("bus", "train")


def test_a_corpus_keeps_the_class_order_of_its_model(tmp_path: Path):
    write(tmp_path / "0_zebra", "a.png", 1)
    write(tmp_path / "1_ant", "a.png", 2)
    facts = {"classes": ["zebra", "ant"], "directories": ["0_zebra", "1_ant"]}
    (tmp_path / "corpus.json").write_text(json.dumps(facts))
    data = load(tmp_path)
    assert data.classes == ("zebra", "ant") and data.images[:, 0, 0, 0].tolist() == [1, 2]


@pytest.mark.parametrize(
    "facts",
    [
        "{",
        "[]",
        "{}",
        '{"classes": ["a"], "directories": ["ant", "bee"]}',
        '{"classes": ["a", "b"], "directories": ["../ant", "bee"]}',
        '{"classes": ["a", "b"], "directories": ["ant", "cow"]}',
        '{"classes": [["a"], "b"], "directories": ["ant", "bee"]}',
        '{"classes": 3, "directories": 4}',
    ],
)
def test_a_corpus_that_contradicts_itself_is_refused(tmp_path: Path, facts: str):
    (two_classes(tmp_path) / "corpus.json").write_text(facts)
    with pytest.raises(DataError, match=r"corpus.json: .*run `ganaug check"):
        load(tmp_path)


def test_mixed_sizes_are_refused_with_file_and_fix_and_fitted_on_request(tmp_path: Path, caplog):
    odd = write(two_classes(tmp_path) / "bee", "odd.png", 9, (16, 24))
    with pytest.raises(DataError) as caught:
        load(tmp_path)
    assert str(odd) in str(caught.value) and "16 x 24, most are 8 x 8" in str(caught.value)
    assert "--set data.resolution=8" in str(caught.value)
    with caplog.at_level(logging.INFO, "ganaug"):
        assert load(tmp_path, resolution=8).shape == (1, 8, 8)
    assert "1 of 7 images are cropped and resized to 8 x 8" in caplog.text


def test_resolution_crops_the_centre(tmp_path: Path):
    pixels = np.zeros((8, 24), np.uint8)
    pixels[:, 8:16] = 200
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.fromarray(pixels).save(tmp_path / name / "x.png")
    assert load(tmp_path, resolution=8).images.unique().tolist() == [200]
    assert load(tmp_path, resolution=(8, 12)).shape == (1, 8, 12)


@pytest.mark.parametrize(("gray", "expected"), [(4, 1), (2, 3)])
def test_channels_are_those_of_most_images(tmp_path: Path, gray: int, expected: int, caplog):
    for i in range(gray):
        write(tmp_path / "a", f"{i}.png", i)
    for i in range(3):
        write(tmp_path / "b", f"{i}.png", i, mode=("RGB", "RGB", "RGBA")[i])
    with caplog.at_level(logging.INFO, "ganaug"):
        data = load(tmp_path)
    assert data.shape[0] == expected and "images are converted to" in caplog.text
    assert load(tmp_path, channels=4).shape[0] == 4


def test_no_class_folders_one_class_and_nothing_are_told_apart(tmp_path: Path):
    with pytest.raises(DataError, match="got nothing there"):
        load(tmp_path / "absent")
    with pytest.raises(DataError, match="got a file"):
        load(write(tmp_path, "a.png"))
    with pytest.raises(DataError, match="got no sub-folder"):
        load(tmp_path)
    write(tmp_path / "only", "a.png")
    with pytest.raises(DataError, match=r"two classes or more, got \['only'\]"):
        load(tmp_path)


def test_large_sets_are_memory_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog):
    expected = load(two_classes(tmp_path))
    monkeypatch.setattr(ganaug.data.memory, "available_memory", lambda device: 100)
    with caplog.at_level(logging.INFO, "ganaug"):
        data = load(tmp_path)
    assert "memory-mapped from disk" in caplog.text
    assert torch.equal(data.images, expected.images) and data.fingerprint == expected.fingerprint
    assert torch.equal(data.subset([4, 1]).images, expected.images[[4, 1]])
    assert Batches(data, 4, 0, CPU)[0][0].shape == (4, 1, 8, 8)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="no reservation of disk space here")
def test_a_disk_without_room_for_the_map_is_an_error_and_not_a_signal(monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ganaug.data.memory, "available_memory", lambda device: 100)
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(DiskFullError, match=r"room for 6,400 bytes"):
        ganaug.data.memory.allocate((100, 1, 8, 8))


# LabeledImages


def test_tensors_of_the_wrong_kind_are_refused():
    data = random_images()
    for key, value, said in (
        ("images", data.images.float(), r"images must be torch.uint8 \[N, C, H, W\], got torch.float32"),
        ("images", data.images[0], "images must be"),
        ("labels", data.labels.int(), r"labels must be torch.int64 \[N\], got torch.int32"),
        ("labels", data.labels[:, None], "labels must be"),
        ("names", data.names[1:], "59 names"),
        ("classes", ("a", "b", "b"), "'b' twice"),
    ):
        with pytest.raises(DataError, match=said):
            replace(data, **{key: value})
    with pytest.raises(IndexError):
        data[60]


def test_the_fingerprint_knows_pixels_labels_and_classes_but_not_order_or_names():
    data = random_images()
    shuffled = data.subset(torch.randperm(60, generator=torch.Generator().manual_seed(1)))
    assert shuffled.fingerprint == data.fingerprint
    assert replace(data, names=("x",) * 60).fingerprint == data.fingerprint
    pixels = data.images.clone()
    pixels[7, 0, 3, 3] ^= 1
    others = [
        replace(data, images=pixels),
        replace(data, labels=(data.labels + 1) % 3),
        replace(data, classes=("a", "b", "z")),
        data.subset(range(59)),
        data.subset([*range(60), 0]),
    ]
    assert len({data.fingerprint, *(other.fingerprint for other in others)}) == 6
    reshaped = replace(data, images=data.images.view(60, 1, 4, 16))
    assert set(reshaped.hashes).isdisjoint(data.hashes)


def test_align_renumbers_the_labels_and_names_what_differs():
    data = random_images()
    aligned = align(data, ("c", "a", "b"))
    assert [aligned.classes[y] for y in aligned.targets] == [data.classes[y] for y in data.targets]
    assert align(data, data) is data
    with pytest.raises(DataError, match="'z' is missing there"):
        align(data, ("a", "b", "c", "z"))
    with pytest.raises(DataError, match="'c' is only there"):
        align(data, ("a", "b"))


# splits


def test_hold_out_is_stratified_complete_and_a_function_of_the_seed():
    data = random_images(300)
    rest, out = hold_out(data, 0.2, seed=3)
    assert rest.counts.tolist() == [80, 80, 80] and out.counts.tolist() == [20, 20, 20]
    assert sorted(rest.names + out.names) == sorted(data.names)
    assert hold_out(data, 0.2, seed=3)[1].names == out.names != hold_out(data, 0.2, seed=4)[1].names


def test_hold_out_keeps_equal_pixels_on_one_side():
    data = random_images(60)
    twice = data.subset([*range(60), *range(60), *range(0, 60, 2)])
    for seed in range(5):
        rest, out = hold_out(twice, 0.3, seed)
        require_disjoint(rest, out)
        assert set(rest.labels.tolist()) == set(out.labels.tolist()) == {0, 1, 2}


def test_hold_out_does_not_depend_on_the_order_of_the_files():
    data = random_images(90)
    labels = data.labels.clone()
    data = replace(data, images=torch.cat([data.images[:80], data.images[:10]]), labels=labels)  # some labels disagree
    for seed in range(5):
        order = torch.randperm(90, generator=torch.Generator().manual_seed(seed))
        assert set(hold_out(data.subset(order), 0.25)[1].names) == set(hold_out(data, 0.25)[1].names)


def test_hold_out_takes_one_of_two_and_none_of_one():
    data = random_images(5)  # classes of 2, 2 and 1
    rest, out = hold_out(data, 0.01)
    assert rest.counts.tolist() == [1, 1, 1] and out.counts.tolist() == [1, 1, 0]
    assert hold_out(data, 0.99)[0].counts.tolist() == [1, 1, 1]
    with pytest.raises(DataError, match="two images to hold one out"):
        hold_out(data.subset([0, 1, 2]), 0.5)
    for fraction in (0, 1, -0.1, 1.5):
        with pytest.raises(DataError, match=r"must lie in \(0, 1\)"):
            hold_out(data, fraction)


def test_require_disjoint_names_the_shared_image_on_both_sides():
    data, other = random_images(), random_images(seed=1, name="test")
    require_disjoint(data, other)
    images = other.images.clone()
    images[4] = data.images[17]
    with pytest.raises(DataError, match=r"got 1 that are \(test 4 equals images 17\)"):
        require_disjoint(data, replace(other, images=images))


def test_first_per_class_parts_the_set():
    data = random_images()
    few, rest = first_per_class(data, 4)
    assert few.counts.tolist() == [4, 4, 4] and sorted(few.names + rest.names) == sorted(data.names)
    assert first_per_class(data, 4)[0].names == few.names != first_per_class(data, 4, seed=1)[0].names


# batches


@pytest.mark.parametrize("size", [1, 7, 16, 60])
def test_every_image_comes_once_an_epoch_and_batches_span_epochs(size: int):
    batches = Batches(random_images(), size, seed=0, device=CPU)
    stream = torch.cat([batches.indices(b) for b in range(3 * 60 // size + 1)])
    for epoch in range(3):
        assert sorted(stream[60 * epoch : 60 * (epoch + 1)].tolist()) == list(range(60))
    assert not torch.equal(stream[:60], stream[60:120])


def test_a_batch_is_a_pure_function_of_seed_and_number():
    data = random_images()
    one, other = Batches(data, 16, seed=5, device=CPU), Batches(data, 16, seed=5, device=CPU)
    forward = [one.indices(b).tolist() for b in range(20)]
    backward = [other.indices(b).tolist() for b in reversed(range(20))]
    assert forward == backward[::-1]
    assert forward != [Batches(data, 16, seed=6, device=CPU).indices(b).tolist() for b in range(20)]


def test_a_batch_holds_the_images_and_their_labels():
    data = random_images()
    batches = Batches(data, 16, seed=0, device=CPU)
    images, labels, trust = batches[3]
    index = batches.indices(3)
    assert torch.equal(images, to_float(data.images[index])) and torch.equal(labels, data.labels[index])
    assert images.dtype == torch.float32 and labels.dtype == torch.int64 and trust.tolist() == [1.0] * 16


def test_each_label_goes_with_its_trust():
    data = random_images()
    batches = Batches(data, 16, seed=0, device=CPU, trust=torch.arange(len(data)) / len(data))
    assert torch.equal(batches[3][2], batches.indices(3) / len(data))


def test_balanced_batches_hold_every_class_alike_and_no_image_of_a_class_more_often_than_another():
    data = random_images(60)
    data = replace(data, labels=(torch.arange(60) >= 57).long() + (torch.arange(60) >= 50).long())
    batches = Batches(data, 20, seed=0, device=CPU, strata=data.labels)
    drawn = torch.cat([batches.indices(b) for b in range(30)])  # ten epochs of 3 x 20
    assert data.labels[drawn].bincount().tolist() == [200, 200, 200]
    for k in range(3):
        often = drawn.bincount(minlength=60)[data.labels == k]
        assert often.max() - often.min() <= 1
    again = Batches(data, 20, seed=0, device=CPU, strata=data.labels)
    assert [again.indices(b).tolist() for b in (7, 3)] == [batches.indices(b).tolist() for b in (7, 3)]


def test_a_batch_shrinks_to_the_set_with_one_warning(caplog):
    with caplog.at_level(logging.WARNING, "ganaug"):
        batches = Batches(random_images(10), 64, seed=0, device=CPU)
        for b in range(5):
            assert sorted(batches.indices(b).tolist()) == list(range(10))
    assert batches.size == 10 and len(caplog.records) == 1
    assert "10 images are fewer than a batch of 64" in caplog.text


def test_mixed_seeds_are_distinct_and_fixed():
    assert mix(0, 0) == mix(0, 0) and 0 <= mix(1, 2, 3) < 2**32
    assert len({mix(a, b) for a in range(30) for b in range(30)}) == 900
    assert mix(-1, 5) != mix(1, 5)
