"""Splits: what belongs together stays together, an old split stays what it was, and what is doubtful is said."""

import logging
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganaug.data import LabeledImages, first_per_class, hold_out, listed, load, straddling
from ganaug.errors import DataError, RecipeError
from ganaug.recipe import load_recipe
from ganaug.run import plan


def images(labels: list[int], groups: list[str] | None = None, seed: int = 0) -> LabeledImages:
    """Different images of these classes and groups."""
    pixels = torch.randint(0, 256, (len(labels), 1, 8, 8), generator=torch.Generator().manual_seed(seed))
    classes = tuple(f"class {k}" for k in range(max(labels) + 1))
    names = tuple(f"image {i}" for i in range(len(labels)))
    marks = None if groups is None else tuple(groups)
    return LabeledImages(pixels.to(torch.uint8), torch.tensor(labels), classes, names, groups=marks)


def patients(n: int, classes: int, seed: int) -> LabeledImages:
    """Groups of 1 to 12 images, some of several classes."""
    rng = random.Random(seed)
    labels, groups = [], []
    for group in range(n):
        usual = rng.randrange(classes)
        for _ in range(rng.randint(1, 12)):
            labels.append(usual if rng.random() < 0.8 else rng.randrange(classes))
            groups.append(f"patient {group}")
    return images([*range(classes), *labels], [*(f"own {k}" for k in range(classes)), *groups], seed)


def shares(part: LabeledImages, whole: LabeledImages) -> list[float]:
    return (part.counts / whole.counts).tolist()


# without groups


def test_a_split_without_groups_is_what_it_always_was(digits: LabeledImages):
    """Stored models hold these hashes: another split would make them unmeasurable."""
    few = digits.subset([*range(40), *range(10)])
    labels = few.labels.clone()
    labels[40:45] = 9  # five images are of two classes
    parts = (
        *hold_out(digits, 0.2),
        *hold_out(replace(few, labels=labels), 0.3, seed=4),
        first_per_class(digits, 5, seed=2)[0],
    )
    assert [part.fingerprint[:16] for part in parts] == [
        "18918db4ef43f818",
        "3e96941ca9bd94ff",
        "b450557bd4438508",
        "8dd96f3736f565f9",
        "489793909b371342",
    ]


def test_a_thousand_classes_and_an_imbalance_of_a_thousand_are_split_at_once():
    labels = [*range(1000), *[0] * 999, *range(1, 400)]
    for groups in (None, [f"group {i // 2}" for i in range(len(labels))]):
        data = images(labels, groups)
        start = time.monotonic()
        rest, out = hold_out(data, 0.2)
        assert time.monotonic() - start < 2
        assert int(rest.counts.min()) == 1 and rest.counts[0] + out.counts[0] == 1000
        assert abs(int(out.counts[0]) - 200) <= 2
    assert plan(images([0] * 1000 + [1]), load_recipe("auto", ["train.steps=10"])).train.counts.tolist() == [800, 1]


# groups


def test_no_group_and_no_picture_is_on_both_sides():
    for seed in range(30):
        data = patients(40, 4, seed)
        again = data.subset([*range(len(data)), 0, 5, 9])
        groups = (*(data.groups or ()), "patient 3", "patient 7", "new")  # equal pixels tie groups together
        data = replace(again, groups=groups)
        rest, out = hold_out(data, 0.25, seed)
        assert straddling(rest, out) == [] and set(rest.hashes).isdisjoint(out.hashes)
        assert sorted(rest.names + out.names) == sorted(data.names)
        assert int(rest.counts.min()) > 0 and int(out.counts.min()) > 0


def test_the_share_of_each_class_is_near_the_fraction():
    for fraction in (0.1, 0.2, 0.5):
        for seed in range(10):
            data = patients(200, 3, seed)
            assert all(abs(share - fraction) < 0.03 for share in shares(hold_out(data, fraction, seed)[1], data))


def test_a_large_group_is_not_taken_where_small_ones_meet_the_share():
    labels = [0] * 39 + [0] * 61 + [1] * 100
    groups = ["large"] * 39 + [f"single {i}" for i in range(161)]
    for seed in range(20):
        assert hold_out(images(labels, groups), 0.2, seed)[1].counts.tolist() == [20, 20]


def test_groups_of_one_are_as_stratified_as_images():
    data = images([0] * 50 + [1] * 10 + [2] * 2, [str(i) for i in range(62)])
    assert hold_out(data, 0.2)[1].counts.tolist() == [10, 2, 1]


def test_a_split_by_groups_is_a_function_of_the_seed_and_not_of_the_order():
    data = patients(60, 3, 0)
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(1))
    held = [set(hold_out(d, 0.2, s)[1].names) for d, s in ((data, 5), (data.subset(order), 5), (data, 6))]
    assert held[0] == held[1] != held[2]


def test_every_class_of_two_groups_gives_the_smaller_one():
    data = images([0] * 90 + [1] * 9 + [1], [f"g{i}" for i in range(90)] + ["many"] * 9 + ["one"])
    out = hold_out(data, 0.1)[1]
    assert out.counts.tolist() == [9, 1] and (out.groups or ()).count("one") == 1
    data = images([0, 0, 0, 0, 1, 1, 1, 1, 1], [*"abcd", *"xxxyy"])
    assert hold_out(data, 0.01)[1].counts.tolist() == [1, 2]


def test_a_class_that_is_one_group_stays_in_training_and_is_named(caplog: pytest.LogCaptureFixture):
    data = images([0] * 10 + [1] * 5, [*"abcdefghij", *"zzzzz"])
    with caplog.at_level(logging.WARNING, "ganaug"):
        rest, out = hold_out(data, 0.2)
    assert rest.counts.tolist() == [8, 5] and out.counts.tolist() == [2, 0]
    assert len(caplog.records) == 1 and "no image of 'class 1' is held out" in caplog.text


def test_nothing_to_hold_out_is_refused_with_the_key_that_did_it():
    with pytest.raises(DataError, match=r"two groups \(data.groups says which .* to hold one out, got none"):
        hold_out(images([0, 0, 1, 1], [*"aabb"]), 0.5)
    with pytest.raises(DataError, match="two groups"):
        hold_out(images([0, 1, 1], [*"abb"]), 0.5)


def test_the_first_of_each_class_come_as_whole_groups():
    data = patients(80, 3, 0)
    few, rest = first_per_class(data, 20)
    assert straddling(few, rest) == [] and sorted(few.names + rest.names) == sorted(data.names)
    assert all(12 <= n <= 20 for n in few.counts.tolist())
    assert few.names != first_per_class(data, 20, seed=1)[0].names


def test_straddling_groups_are_named_and_none_without_groups():
    data = images([0, 1, 0, 1], [*"abcd"])
    assert straddling(data.subset([0, 1]), data.subset([1, 2, 3])) == ["b"]
    assert straddling(data, replace(data, groups=None)) == []


# what a set must be


def test_groups_are_one_for_each_image():
    data = images([0, 1, 0], [*"abc"])
    with pytest.raises(DataError, match="got 2 groups for 3 images"):
        replace(data, groups=("a", "b"))
    with pytest.raises(DataError, match="got 0 groups for 3 images"):
        replace(data, groups=())
    assert data.subset([2, 0]).groups == ("c", "a") and data.sorted().groups is not None


@pytest.mark.parametrize("name", ["\ud800", "caf\udce9"])
def test_a_class_name_that_no_file_could_hold_is_refused_by_name(name: str):
    with pytest.raises(DataError) as caught:
        replace(images([0, 1]), classes=("ant", name))
    assert ascii(name) in str(caught.value) and "must be text" in str(caught.value)
    str(caught.value).encode()
    assert replace(images([0, 1]), classes=("", "\U0001f41d")).num_classes == 2


# what `train` says before it begins


def said(caplog: pytest.LogCaptureFixture, data: LabeledImages, *settings: str) -> list[str]:
    caplog.clear()
    with caplog.at_level(logging.WARNING, "ganaug"):
        plan(data, load_recipe("auto", ["train.steps=10", *settings]))
    return [record.getMessage() for record in caplog.records]


def test_few_images_of_a_class_are_warned_of_in_one_line(caplog: pytest.LogCaptureFixture):
    assert said(caplog, images([0] * 63 + [1] * 63)) == []  # of which 50 are learned from
    [line] = said(caplog, images([0] * 63 + [1] * 19))
    assert line == "'class 1' has under 20 images: the generator will know them by heart"
    single, few, scarce = said(caplog, images([0] * 63 + [1] + [2] * 5 + [3, 4, 5, 6] + [7] * 61 + [8] * 20))
    assert single.startswith("'class 1', 'class 3', 'class 4' and 2 more have one image: none is held out")
    assert few.startswith("'class 2' has under 20")
    assert scarce.startswith("'class 7', 'class 8' have under 50 training images: ") and "2603.16134" in scarce


def test_equal_images_and_labels_that_disagree_are_warned_of_in_one_line(caplog: pytest.LogCaptureFixture):
    data = images([0] * 70 + [1] * 70)
    within = replace(data, images=data.images.index_copy(0, torch.tensor([3]), data.images[5:6]))
    [line] = said(caplog, within)
    assert line == "1 image is there more than once (image 3 equals image 5), none of them in several classes"
    across = replace(within, images=within.images.index_copy(0, torch.tensor([80, 81]), within.images[[7, 8]]))
    [line] = said(caplog, across)
    assert line.startswith("3 images are there more than once (image 3 equals image 5), ")
    assert line.endswith("2 of them in several classes (image 7 equals image 80)")


def test_groups_that_were_not_loaded_are_not_taken_for_granted():
    recipe = load_recipe("auto", ["train.steps=10", "data.groups=(.+)_"])
    with pytest.raises(RecipeError, match=r"data.groups must have been used to load images, .*groups='\(\.\+\)_'"):
        plan(images([0, 1] * 20), recipe)


def film(root: Path, tracks: Sequence[str], per_class: int = 4, seed: int = 0) -> Path:
    """A folder of two classes whose files are called <track>_<number>.png."""
    rng = np.random.default_rng(seed)
    for name in ("ant", "bee"):
        (root / name).mkdir(parents=True)
        for i in range(per_class):
            picture = Image.fromarray(rng.integers(0, 256, (16, 16), dtype=np.uint8))
            picture.save(root / name / f"{tracks[i % len(tracks)]}_{i}.png")
    return root


def test_groups_on_both_sides_of_a_cut_of_the_users_own_are_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    settings = ["train.steps=10", "data.groups=(.+)_", "data.resolution=8"]
    recipe = load_recipe("auto", settings)
    data = load(film(tmp_path / "train", "abc", 60), **dict(recipe.data))
    val = film(tmp_path / "val", "cdb", 3, seed=1)
    with caplog.at_level(logging.WARNING, "ganaug"):
        todo = plan(data, recipe, val=val)
    assert todo.val.shape == (1, 8, 8) and Counter(todo.val.groups) == {"b": 2, "c": 2, "d": 2}
    [line] = [record.getMessage() for record in caplog.records]
    assert f"2 groups are among both {tmp_path / 'train'} and {val}, as 'b': unless each numbers" in line


def test_validation_images_whose_names_tell_no_groups_are_read_all_the_same(tmp_path: Path):
    recipe = load_recipe("auto", ["train.steps=10", "data.groups=^t(.+)_"])
    data = load(film(tmp_path / "train", ["t1", "t2"]), **dict(recipe.data))
    todo = plan(data, recipe, val=film(tmp_path / "val", "x", seed=1))
    assert todo.val.groups is None and len(todo.val) == 8
    with pytest.raises(DataError, match="nothing there"):
        plan(data, recipe, val=tmp_path / "absent")


def test_validation_images_are_read_as_the_training_images_are(tmp_path: Path):
    val = film(tmp_path / "val", "x", 60, seed=1)
    (val / "ant/x_0.png").write_bytes(b"no image")
    data = load(film(tmp_path / "train", "x", 30))
    with pytest.raises(DataError, match=r"x_0\.png"):
        plan(data, load_recipe("auto", ["train.steps=10"]), val=val)
    todo = plan(data, load_recipe("auto", ["train.steps=10", "data.skip_bad=true"]), val=val)
    assert len(todo.val) == 119


def test_a_few_names_stand_for_many():
    assert listed(["a"]) == "'a'" and listed(["a", "b", "c"]) == "'a', 'b', 'c'"
    assert listed(list("abcde")) == "'a', 'b', 'c' and 2 more"


def test_where_every_class_is_one_image_over_and_over_copies_are_held_out(caplog: pytest.LogCaptureFixture):
    data = images([0] * 10 + [1] * 10)
    pixels = data.images.clone()
    pixels[:10], pixels[10:] = 40, 200
    rest, out = hold_out(replace(data, images=pixels), 0.2)
    assert rest.counts.tolist() == [8, 8] and out.counts.tolist() == [2, 2]
    assert "copies of it are held out" in caplog.text
