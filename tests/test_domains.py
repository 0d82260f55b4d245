"""The two domains of a translation: what is read with labels, and what there must be on either side."""

import logging
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganaug.data import (
    LabeledImages,
    UnlabeledImages,
    held_out_by_hash,
    load,
    load_domain,
    load_domains,
    load_unlabeled,
    without_labels,
)
from ganaug.errors import DataError

HORSES = Path(os.environ.get("GANAUG_DATA", "data")) / "horse2zebra"


def pictures(folder: Path, count: int, *, seed: int = 0, size: tuple[int, int] = (12, 12), gray: bool = False) -> Path:
    """`folder` with so many random PNG of (height, width)."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for i in range(count):
        pixels = rng.integers(0, 256, size if gray else (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:03d}.png")
    return folder


def classes(root: Path, names: str, count: int = 8, **about: object) -> Path:
    for k, name in enumerate(names.split()):
        pictures(root / name, count, seed=hash_of(root.name) + k, **about)  # type: ignore[arg-type]
    return root


def hash_of(text: str) -> int:
    return sum(map(ord, text)) * 100


def test_class_folders_are_read_with_labels_and_plain_folders_without(tmp_path: Path):
    labelled = load_domain(classes(tmp_path / "a", "ant bee"))
    assert isinstance(labelled, LabeledImages) and labelled.counts.tolist() == [8, 8]
    plain = load_domain(pictures(tmp_path / "b", 3))
    assert isinstance(plain, UnlabeledImages) and plain.names == ("000.png", "001.png", "002.png")


def test_one_sub_folder_is_no_class(tmp_path: Path):
    pictures(tmp_path / "b" / "images", 3)
    assert isinstance(load_domain(tmp_path / "b"), UnlabeledImages)
    pictures(tmp_path / "c" / "train" / "images", 4)
    found = load_domain(tmp_path / "c")
    assert isinstance(found, UnlabeledImages) and len(found) == 4


def test_the_train_level_is_entered_with_classes_in_it_or_without(tmp_path: Path):
    classes(tmp_path / "a" / "train", "ant bee")
    classes(tmp_path / "a" / "test", "ant bee", 2)
    labelled = load_domain(tmp_path / "a")
    assert isinstance(labelled, LabeledImages) and len(labelled) == 16
    pictures(tmp_path / "b" / "train", 5)
    pictures(tmp_path / "b" / "test", 2)
    plain = load_domain(tmp_path / "b")
    assert isinstance(plain, UnlabeledImages) and len(plain) == 5


def test_a_folder_of_two_domains_must_be_narrowed_to_one(tmp_path: Path):
    for name in ("trainA", "trainB", "testA", "testB"):
        pictures(tmp_path / name, 2)
    with pytest.raises(DataError, match=r"must hold images to learn from, got testA.*; name the folder that is meant"):
        load_domain(tmp_path)
    assert len(load_domain(tmp_path / "trainA")) == 2


def test_faults_of_labels_are_told_and_not_read_around(tmp_path: Path):
    classes(tmp_path / "a", "ant bee")
    (tmp_path / "a" / "cat").mkdir()
    with pytest.raises(DataError, match="class 'cat' must have an image, got none"):
        load_domain(tmp_path / "a")
    np.savez(tmp_path / "a.npz", images=np.zeros((4, 8, 8), np.uint8), labels=np.array([0, 1, -1, 0]))
    with pytest.raises(DataError, match="labels must be 0 or more, got -1 for 1 images"):
        load_domain(tmp_path / "a.npz")


def test_an_archive_without_labels_is_read_plain(tmp_path: Path):
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "b.npz", images=images)
    plain = load_domain(tmp_path / "b.npz", resolution=16, channels=1)
    assert isinstance(plain, UnlabeledImages) and plain.shape == (1, 16, 16) and len(plain) == 5
    np.savez(tmp_path / "a.npz", images=images, labels=np.array([0, 1, 0, 1, 1]))
    assert isinstance(load_domain(tmp_path / "a.npz"), LabeledImages)


def test_a_table_is_read_with_labels_where_it_has_a_column_of_them(tmp_path: Path):
    import io

    from datasets import Dataset

    def png(value: int) -> dict[str, object]:
        buffer = io.BytesIO()
        Image.new("L", (8, 8), value).save(buffer, format="PNG")
        return {"bytes": buffer.getvalue(), "path": None}

    from datasets import Features, Value
    from datasets import Image as ImageFeature

    rows = {"image": [png(v) for v in range(4)]}
    Dataset.from_dict(rows, Features({"image": ImageFeature()})).to_parquet(str(tmp_path / "b.parquet"))
    features = Features({"image": ImageFeature(), "label": Value("string")})
    labelled = Dataset.from_dict({**rows, "label": ["x", "y", "x", "y"]}, features)
    labelled.to_parquet(str(tmp_path / "a.parquet"))
    assert isinstance(load_domain(f"hf:{tmp_path / 'b.parquet'}"), UnlabeledImages)
    assert isinstance(load_domain(f"hf:{tmp_path / 'a.parquet'}"), LabeledImages)


def test_what_is_no_source_is_named(tmp_path: Path):
    with pytest.raises(DataError, match="must be a folder of images, got nothing there"):
        load_domain(tmp_path / "nowhere")
    with pytest.raises(DataError, match="did you mean 'torchvision:MNIST'"):
        load_domain("torchvison:MNIST")


def test_images_in_memory_are_used_as_they_are_or_scaled(digits: LabeledImages):
    assert load_domain(digits) is digits
    assert load_domain(digits, resolution=16, channels=3).shape == (3, 16, 16)
    plain = without_labels(digits)
    assert load_domain(plain) is plain
    assert torch.equal(load_domain(plain, resolution=16).images, load("sklearn:digits", resolution=16).images)


def test_each_side_keeps_its_own_channels(tmp_path: Path):
    a, b = classes(tmp_path / "a", "ant bee", gray=True), pictures(tmp_path / "b", 16)
    domains = load_domains(a, b, resolution=8)
    assert (domains.a.shape, domains.b.shape, domains.paired) == ((1, 8, 8), (3, 8, 8), False)


def test_sides_of_different_sizes_are_refused_unless_a_resolution_is_set(tmp_path: Path):
    a, b = pictures(tmp_path / "a", 16, size=(16, 16)), pictures(tmp_path / "b", 16, size=(12, 12))
    with pytest.raises(DataError, match=r"must have one size, got 16 x 16 and 12 x 12; set one with .*resolution=12$"):
        load_domains(a, b)
    assert load_domains(a, b, resolution=12).a.shape == (3, 12, 12)
    wide = pictures(tmp_path / "c", 16, size=(8, 20))
    with pytest.raises(DataError, match=r"data.resolution=\[8, 20\]$"):
        load_domains(a, wide)


def test_fewer_than_16_images_are_refused_on_either_side(tmp_path: Path):
    few, enough = pictures(tmp_path / "few", 15), pictures(tmp_path / "enough", 16, seed=1)
    for pair in ((few, enough), (enough, few)):
        with pytest.raises(DataError, match=r"few: a domain must have 16 images or more, got 15; add some"):
            load_domains(*pair)
    pictures(few, 16)
    assert len(load_domains(few, enough).a) == 16


def test_identical_domains_are_refused_whatever_their_labels_and_channels(tmp_path: Path, digits: LabeledImages):
    with pytest.raises(DataError, match=r"A and B must be different images, got the same 119[0-9] on both sides"):
        load_domains(digits, digits)
    gray = digits.subset(range(40))
    coloured = UnlabeledImages(gray.images.expand(-1, 3, -1, -1).flip(0), gray.names[::-1], "coloured")
    for pair in ((gray, coloured), (coloured, without_labels(gray))):
        with pytest.raises(DataError, match="got the same 40 on both sides"):
            load_domains(*pair)


def test_some_shared_images_are_a_warning_with_a_count_and_an_example(
    digits: LabeledImages, caplog: pytest.LogCaptureFixture
):
    a, b = digits.subset(range(40), "old"), without_labels(digits.subset(range(37, 80), "new"))
    load_domains(a, b)
    assert "old: 3 of 40 images of A are among those of B in new (row " in caplog.text
    caplog.clear()
    load_domains(digits.subset(range(40)), digits.subset(range(40, 80)))
    assert not caplog.text


def test_a_class_of_b_that_a_lacks_is_refused_by_name(tmp_path: Path):
    a, b = classes(tmp_path / "a", "ant bee"), classes(tmp_path / "b", "ant dog eel")
    with pytest.raises(
        DataError, match=r"b: classes of B must be among A's \('ant', 'bee'\), got 'dog', which .*a lack"
    ):
        load_domains(a, b)


def test_labels_of_b_are_kept_in_the_numbering_of_a(tmp_path: Path):
    a, b = classes(tmp_path / "a", "ant bee cat"), classes(tmp_path / "b", "bee cat")
    found = load_domains(a, b).b
    assert isinstance(found, LabeledImages) and found.classes == ("ant", "bee", "cat")
    assert found.counts.tolist() == [0, 8, 8]
    assert all(name.startswith(found.classes[y]) for name, y in zip(found.names, found.targets, strict=True))


def test_folders_of_b_that_are_no_classes_of_a_are_no_labels(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    a, b = classes(tmp_path / "a", "ant bee"), classes(tmp_path / "b", "2023 2024")
    with caplog.at_level(logging.INFO, "ganaug"):
        domains = load_domains(a, b)
    assert isinstance(domains.a, LabeledImages) and isinstance(domains.b, UnlabeledImages) and len(domains.b) == 16
    assert "'2023', '2024' are no classes of" in caplog.text


def test_a_may_have_no_labels(tmp_path: Path):
    domains = load_domains(pictures(tmp_path / "a", 16), classes(tmp_path / "b", "ant bee"))
    assert isinstance(domains.a, UnlabeledImages) and isinstance(domains.b, UnlabeledImages)


def test_a_file_that_cannot_be_read_is_named_or_skipped(tmp_path: Path):
    a, b = pictures(tmp_path / "a", 120), pictures(tmp_path / "b", 16, seed=1)
    (a / "007.png").write_bytes((a / "007.png").read_bytes()[:200])
    with pytest.raises(DataError, match=r"007\.png: must "):
        load_domains(a, b)
    assert len(load_domains(a, b, skip_bad=True).a) == 119


def test_what_is_held_out_depends_on_the_image_alone(digits: LabeledImages):
    rest, held = held_out_by_hash(without_labels(digits), 0.2)
    assert len(rest) + len(held) == len(digits) and 0.16 < len(held) / len(digits) < 0.24
    assert not set(rest.hashes) & set(held.hashes) and held.source == "sklearn:digits:train (held out)"
    some = torch.randperm(len(digits), generator=torch.Generator().manual_seed(0))[:300]
    _, fewer = held_out_by_hash(load_unlabeled("sklearn:digits").subset(some), 0.2)
    assert set(fewer.hashes) == {digits.hashes[i] for i in some.tolist()} & set(held.hashes)


@pytest.mark.parametrize("fraction", [0.001, 0.2, 0.999])
def test_two_at_least_are_held_out_and_two_left(digits: LabeledImages, fraction: float):
    rest, held = held_out_by_hash(without_labels(digits.subset([0, 1, 2, 3, 4])), fraction)
    assert len(rest) >= 2 and len(held) >= 2 and len(rest) + len(held) == 5


def test_equal_images_fall_on_one_side(digits: LabeledImages):
    copies = without_labels(digits.subset([0, 1] * 5))
    rest, held = held_out_by_hash(copies, 0.5)
    assert len(rest) == len(held) == 5 and len(set(rest.hashes)) == len(set(held.hashes)) == 1
    for rows in ([0] * 8, [0, 1, 2]):
        with pytest.raises(DataError, match="must have two images to hold out and two to keep"):
            held_out_by_hash(without_labels(digits.subset(rows)), 0.5)
    with pytest.raises(DataError, match=r"fraction must lie in \(0, 1\), got 1"):
        held_out_by_hash(copies, 1)


@pytest.mark.skipif(not HORSES.is_dir(), reason="needs horse2zebra in $GANAUG_DATA")
def test_horses_and_zebras_are_150_photographs_each():
    domains = load_domains(HORSES / "trainA", HORSES / "trainB", resolution=32)
    assert (len(domains.a), len(domains.b), domains.a.shape) == (150, 150, (3, 32, 32))
    assert isinstance(domains.a, UnlabeledImages) and isinstance(domains.b, UnlabeledImages)
