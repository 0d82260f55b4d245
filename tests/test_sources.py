"""Sources of labelled images: what `load` takes, by which rules, and what it refuses in a sentence."""

import io
import logging
import os
import struct
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ganaug.data.memory
from ganaug.data import LabeledImages, load, require_disjoint
from ganaug.data.groups import groups_by_column, groups_by_name
from ganaug.data.labels import number
from ganaug.data.sources import list_pictures
from ganaug.errors import DataError, RecipeError


def npz(path: Path, **arrays: object) -> Path:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


PIXELS = np.arange(6 * 8 * 9, dtype=np.uint32).astype(np.uint8).reshape(6, 8, 9)
TWO = [0, 1] * 3


# the door


def test_unknown_sources_get_a_suggestion():
    with pytest.raises(DataError, match=r"got 'sklearn:digit'; did you mean 'sklearn:digits'\?"):
        load("sklearn:digit")
    with pytest.raises(DataError, match=r"did you mean 'torchvision:MNIST:test'\?"):
        load("torchvison:MNIST:test")
    with pytest.raises(DataError, match="check the spelling"):
        load("s3:bucket")
    with pytest.raises(DataError, match=":train or :test, got 'sklearn:digits:val'"):
        load("sklearn:digits:val")


@pytest.mark.parametrize(("key", "value"), [("resolution", 4), ("resolution", (8, 0)), ("channels", 2)])
def test_a_form_that_no_image_can_have_is_refused(key: str, value: object):
    with pytest.raises(DataError, match=f"{key} must be"):
        load("sklearn:digits", **{key: value})  # type: ignore[arg-type]


def test_arrays_are_listed_as_pictures_too(tmp_path: Path):
    color = np.stack([PIXELS] * 3, -1)
    listing = list_pictures(npz(tmp_path / "a.npz", images=color, labels=TWO))
    assert listing.classes == ("0", "1") and list(listing.labels) == TWO and listing.names[5] == "row 5"
    picture = listing.pictures[4]
    assert picture.name == f"{tmp_path / 'a.npz'}, row 4" and isinstance(picture.content, Image.Image)
    assert np.array_equal(np.asarray(picture.content), color[4])
    with pytest.raises(IndexError):
        listing.pictures[6]


# .npz


def test_npz_with_and_without_channels_and_names(tmp_path: Path):
    path = npz(tmp_path / "a.npz", images=PIXELS, labels=[7, 7, 3, 3, 7, 3])
    data = load(path)
    assert data.shape == (1, 8, 9) and data.classes == ("3", "7") and data.targets == [1, 1, 0, 0, 1, 0]
    assert np.array_equal(data.images[:, 0].numpy(), PIXELS)
    color = np.stack([PIXELS, PIXELS // 2, PIXELS // 3], -1)
    data = load(npz(path, images=color, labels=np.array(TWO, np.uint8), classes=["zebra", "ant"]))
    assert data.shape == (3, 8, 9) and data.classes == ("zebra", "ant") and data.targets == TWO
    assert np.array_equal(data.images.numpy(), color.transpose(0, 3, 1, 2)) and data.names[5] == "row 5"


@pytest.mark.parametrize(
    "stored",
    [
        PIXELS.astype(np.int16),
        PIXELS.astype(">i8"),
        PIXELS.astype(np.uint16) * 257,
        (PIXELS.astype(np.uint16) * 257).astype(">u2"),
        PIXELS / 255,
        (PIXELS / 255).astype(np.float32),
        np.asfortranarray(PIXELS),
        np.asfortranarray(PIXELS[..., None]),
    ],
    ids=lambda a: f"{a.dtype.str}{'F' if np.isfortran(a) else ''}{a.ndim}",
)
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_every_dtype_that_makes_sense_gives_the_same_pixels(tmp_path: Path, stored: np.ndarray, save):
    save(tmp_path / "a.npz", images=stored, labels=TWO)
    assert np.array_equal(load(tmp_path / "a.npz").images[:, 0].numpy(), PIXELS)


def test_bool_is_black_and_white_and_rounding_is_to_the_nearest(tmp_path: Path):
    data = load(npz(tmp_path / "a.npz", images=PIXELS > 99, labels=TWO))
    assert np.array_equal(data.images[:, 0].numpy(), (PIXELS > 99) * np.uint8(255))
    levels = np.linspace(0, 1, 6 * 64).reshape(6, 8, 8)
    data = load(npz(tmp_path / "b.npz", images=levels, labels=TWO))
    assert np.abs(data.images[:, 0].numpy() - levels * 255).max() <= 0.5 + 1e-4
    data = load(npz(tmp_path / "c.npz", images=levels.astype(np.float16), labels=TWO))
    assert np.abs(data.images[:, 0].numpy() - levels * 255).max() <= 0.6


def test_labels_may_be_strings_with_or_without_an_order_of_their_own(tmp_path: Path):
    labels = ["T-shirt/top", "../x", "CON"] * 2
    data = load(npz(tmp_path / "a.npz", images=PIXELS, labels=labels))
    assert data.classes == ("../x", "CON", "T-shirt/top") and [data.classes[y] for y in data.targets] == labels
    data = load(npz(tmp_path / "b.npz", images=PIXELS, labels=labels, classes=["T-shirt/top", "CON", "../x"]))
    assert data.classes == ("T-shirt/top", "CON", "../x") and data.targets == [0, 2, 1] * 2
    with pytest.raises(DataError, match=r"labels must be among its classes \['CON', 'x'\], got '../x'"):
        load(npz(tmp_path / "c.npz", images=PIXELS, labels=labels, classes=["CON", "x"]))


def test_a_thousand_classes_and_one_image_each(tmp_path: Path):
    images = np.random.default_rng(0).integers(0, 256, (1000, 8, 8), dtype=np.uint8)
    data = load(npz(tmp_path / "a.npz", images=images, labels=np.arange(1000)[::-1]))
    assert data.num_classes == 1000 and data.classes[999] == "999" and data.targets[0] == 999
    assert (data.counts == 1).all()


RANGE = "images must be uint8, bool, uint16 that goes beyond 255"


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"images": PIXELS}, r"must hold the arrays 'images' and 'labels', got \['images'\]"),
        ({"images": PIXELS[0], "labels": TWO}, r"\[N, H, W\] or \[N, H, W, C\], got uint8 \[8, 9\]"),
        ({"images": PIXELS[:, :7], "labels": TWO}, r"sides of 8 px or more.*got \[6, 7, 9, 1\]"),
        ({"images": PIXELS.reshape(6, 1, 8, 9), "labels": TWO}, "check the axes"),
        ({"images": PIXELS[:0], "labels": np.zeros(0, int)}, r"got \[0, 8, 9, 1\]"),
        (
            {"images": PIXELS.astype(float), "labels": TWO},
            rf"{RANGE}.*got float64 in \[0, 255\]; scale them to \[0, 1\]",
        ),
        ({"images": PIXELS / 127.5 - 1, "labels": TWO}, r"got float64 in \[-1, 1\]; add 1 and halve them"),
        (
            {"images": np.where(PIXELS == 7, np.nan, 0.5), "labels": TWO},
            r"got float64 in \[nan, nan\]; replace what is",
        ),
        ({"images": np.where(PIXELS == 7, np.inf, 0.5), "labels": TWO}, r"in \[0.5, inf\]; replace what is not finite"),
        ({"images": PIXELS.astype(np.int32) - 128, "labels": TWO}, r"got int32 in \[-128, 127\]; scale them"),
        ({"images": PIXELS.astype(np.int64) * 300, "labels": TWO}, r"got int64 in \[0, 76500\]; scale them"),
        ({"images": PIXELS.astype(np.uint16), "labels": TWO}, "would be black: save them as uint8"),
        ({"images": PIXELS % 2, "labels": TWO}, r"got uint8 in \[0, 1\]; they would be black: save them as bool"),
        ({"images": PIXELS.astype(complex), "labels": TWO}, f"{RANGE}.*got complex128"),
        ({"images": PIXELS.astype(str), "labels": TWO}, f"{RANGE}.*got <U3"),
        ({"images": PIXELS.astype(object), "labels": TWO}, "plain arrays, got: images.npy of object"),
        ({"images": PIXELS, "labels": [0, 1]}, "one label and one name per image, got 6 images, 2 labels"),
        ({"images": PIXELS, "labels": [0.0, 1.0] * 3}, r"labels must be one integer or string per image, got float64"),
        ({"images": PIXELS, "labels": np.eye(6, dtype=int)}, r"one integer or string per image, got int64 \[6, 6\]"),
        ({"images": PIXELS, "labels": np.array(TWO, object)}, "plain arrays, got: labels.npy of object"),
        ({"images": PIXELS, "labels": [0] * 6}, "two classes or more"),
        ({"images": PIXELS, "labels": [0, 2] * 3, "classes": ["a", "b"]}, r"labels must lie in \[0, 2\), got 0 to 2"),
        ({"images": PIXELS, "labels": [0, -1] * 3}, "labels must be 0 or more, got -1 for 3 images; where that means"),
        ({"images": PIXELS, "labels": TWO, "classes": ["a", "b", "c"]}, "got none for 'c'"),
        ({"images": PIXELS, "labels": TWO, "classes": ["a", "a"]}, "class names must differ, got 'a' twice"),
        ({"images": PIXELS, "labels": TWO, "classes": "ab"}, r"classes must be names \[K\], got <U2, shape \[\]"),
        ({"images": PIXELS, "labels": TWO, "classes": [0.5, 1.5]}, r"classes must be names \[K\], got float64"),
        ({"images": PIXELS, "labels": TWO, "classes": ["a", "\udc80"]}, "text on one line, got '.udc80'"),
    ],
)
def test_npz_faults_are_named_each(tmp_path: Path, arrays: dict[str, object], said: str):
    with pytest.raises(DataError, match=said) as caught:
        load(npz(tmp_path / "a.npz", **arrays))
    assert str(caught.value).count("a.npz") == 1 and "\n" not in str(caught.value)


def test_files_that_are_no_npz_are_refused(tmp_path: Path):
    path = tmp_path / "a.npz"
    with pytest.raises(DataError, match="got nothing there"):
        load(path)
    whole = npz(tmp_path / "b.npz", images=PIXELS, labels=TWO).read_bytes()
    flipped = bytearray(whole)
    flipped[300] ^= 1
    for content in (b"", b"text", b"\x80\x04K\x01.", whole[:200], bytes(flipped)):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"a.npz: must be an .npz of plain arrays"):
            load(path)
    np.save(tmp_path / "c.npy", PIXELS)
    path.write_bytes((tmp_path / "c.npy").read_bytes())
    with pytest.raises(DataError, match=r"must be an .npz of plain arrays"):
        load(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_called_npz_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "a.npz")
    with pytest.raises(DataError, match="got something else"):
        load(tmp_path / "a.npz")


def header(shape: tuple[int, ...], dtype: str = "|u1") -> bytes:
    """The beginning of an .npy that claims this shape."""
    said = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(said)) + said


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((2**40, 8, 8), "|u1"),
        ((2**62, 2**62), "|u1"),
        ((-6, -72), "|u1"),
        ((6, 8, 9), "<f8"),
        ((6, 8, 10), "|u1"),
        ((6, 8, 8), "|u1"),
        ((6, 8, 9), "|O"),
        ((6, 8, 9), "|V1"),
        ((6, 8, 9), "|S0"),
    ],
)
def test_a_header_that_lies_is_refused_before_there_is_room_for_it(tmp_path: Path, shape: tuple[int, ...], dtype: str):
    path, start = tmp_path / "a.npz", time.perf_counter()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", header(shape, dtype) + PIXELS.tobytes())
    with pytest.raises(DataError, match=r"must be an .npz of plain arrays, got: images.npy"):
        load(path)
    assert time.perf_counter() - start < 1


def test_a_zip_bomb_is_refused_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path, size = tmp_path / "a.npz", 2**31
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", header((size // 64, 8, 8)) + bytes(2**20))
    content = path.read_bytes()
    told, lie = (struct.pack("<L", len(header((size // 64, 8, 8))) + n) for n in (2**20, size))
    assert content.count(told) == 2  # the local and the central directory
    path.write_bytes(content.replace(told, lie))
    monkeypatch.setattr("ganaug.data.npz.allocate", lambda shape: pytest.fail("made room for a bomb"))
    with pytest.raises(DataError, match=r"images.npy of 2,147,483,648 bytes packed into 1,"):
        load(path)


def test_large_arrays_are_memory_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog):
    color = np.stack([PIXELS, PIXELS // 2, PIXELS // 3], -1)
    path = npz(tmp_path / "a.npz", images=color, labels=TWO)
    expected = load(path, resolution=16)
    monkeypatch.setattr(ganaug.data.memory, "available_memory", lambda device: 100)
    with caplog.at_level(logging.INFO, "ganaug"):
        assert np.array_equal(load(path).images.numpy(), color.transpose(0, 3, 1, 2))
        assert torch.equal(load(path, resolution=16).images, expected.images)
    assert "memory-mapped from disk" in caplog.text


def test_arrays_are_fitted_by_the_rule_for_files(tmp_path: Path, caplog):
    clear = np.zeros((4, 8, 8, 4), np.uint8)
    with caplog.at_level(logging.INFO, "ganaug"):
        data = load(npz(tmp_path / "a.npz", images=clear, labels=[0, 1] * 2), channels=3, resolution=16)
    assert data.shape == (3, 16, 16) and (data.images == 255).all()  # transparent is white, not what lay under it
    assert "4 of 4 images are cropped and resized to 16 x 16" in caplog.text
    assert load(tmp_path / "a.npz").shape == (4, 8, 8)
    assert load("sklearn:digits:test", resolution=(16, 8), channels=3).shape == (3, 16, 8)


def test_mutated_archives_give_sentences_or_images(tmp_path: Path):
    buffer = io.BytesIO()
    np.savez(buffer, images=PIXELS, labels=TWO)
    whole, path, refused = buffer.getvalue(), tmp_path / "a.npz", 0
    rng = np.random.default_rng(0)
    for _ in range(200):
        mutant = bytearray(whole)
        for position in rng.integers(0, len(whole), rng.integers(1, 4)):
            mutant[position] = rng.integers(0, 256)
        path.write_bytes(mutant[: rng.integers(1, len(whole) + 1)] if rng.random() < 0.2 else mutant)
        try:
            load(path)
        except DataError:
            refused += 1
    assert refused > 100


# labels


def test_numbers_of_any_integer_kind_become_int64():
    for dtype in (np.int8, np.uint8, np.uint64, ">i4"):
        classes, numbers = number("set", np.array([3, 0, 3], dtype))
        assert classes == ("0", "3") and numbers.dtype == np.int64 and numbers.tolist() == [1, 0, 1]
    assert number("set", torch.tensor([10, 9]))[0] == ("9", "10")
    assert number("set", [np.int32(1), np.int64(0)], ["b", "a"])[1].tolist() == [1, 0]


def test_missing_labels_are_counted():
    with pytest.raises(DataError, match="every image must have a label, got 2 without"):
        number("set", ["a", None, "b", None])


# groups


@pytest.mark.parametrize(
    ("expression", "groups"),
    [
        ("p[0-9]+", ("p1", "p1", "p2")),
        ("p([0-9]+)", ("1", "1", "2")),
        (r"(?P<patient>[a-z]\d)_(?P<eye>\w)", ("p1", "p1", "p2")),
        (r"^[^_]*", ("p1", "p1", "p2")),
    ],
)
def test_groups_come_from_the_file_name_and_not_from_its_folders(expression: str, groups: tuple[str, ...]):
    assert groups_by_name("set", ["p7/p1_l.png", "p8/p1_r.png", "p9/p2_l.png"], expression) == groups
    assert groups_by_name("set", ["p7/p1_l.png"], "") is None


def test_a_folder_has_groups(tmp_path: Path, caplog):
    for i, name in enumerate(("ant/p1_0", "ant/p1_1", "bee/p2_0", "bee/p3_0")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (8, 8), i).save(tmp_path / f"{name}.png")
    with caplog.at_level(logging.INFO, "ganaug"):
        data = load(tmp_path, groups="p[0-9]")
    assert data.groups == ("p1", "p1", "p2", "p3") and "4 images show 3 objects (data.groups)" in caplog.text
    assert data.subset([3, 0]).groups == ("p3", "p1") and load(tmp_path).groups is None
    assert list_pictures(tmp_path, "p([0-9])").groups == ("1", "1", "2", "3")
    with pytest.raises(DataError, match=r"got none with 'p1' in 2 of 4 \(bee/p2_0.png\)"):
        load(tmp_path, groups="p1")
    with pytest.raises(DataError, match=r"got none with '\(x\)\?' in 4 of 4"):
        load(tmp_path, groups="(x)?")
    with pytest.raises(RecipeError, match=r"got 'p\(' \(missing \), unterminated subpattern at position 1\)"):
        load(tmp_path, groups="p(")


def test_an_npz_has_groups_in_an_array_of_any_name(tmp_path: Path):
    path = npz(tmp_path / "a.npz", images=PIXELS, labels=TWO, patient=[4, 4, 5, 5, 6, 6], track=list("aabbcc"))
    assert load(path, groups="patient").groups == ("4", "4", "5", "5", "6", "6")
    assert load(path, groups="track", resolution=16).groups == tuple("aabbcc")
    with pytest.raises(DataError, match=r"must name an array there, got 'patients', not one of \['images', 'labels', "):
        load(path, groups="patients")
    with pytest.raises(
        DataError, match=r"groups in 'images' must be one integer or string per image, got uint8 \[6, 8"
    ):
        load(path, groups="images")
    with pytest.raises(DataError, match=r"got object \[2\] with gaps"):
        groups_by_column("set", "patient", ["a", None])


def test_digits_have_nothing_to_group_by():
    with pytest.raises(DataError, match=r"data.groups must be left out, got 'x'"):
        load("sklearn:digits", groups="x")


# digits


def test_the_digits_split_is_fixed_and_disjoint(digits: LabeledImages, test_digits: LabeledImages):
    assert (len(digits), len(test_digits)) == (1198, 599)
    assert digits.fingerprint == "6710626a4b27bd9b042833ff86333ed0fb83b529e2466e6bc0bdf079ee8b95d9"
    assert test_digits.fingerprint == "11c5d8e21a5deb345e02e44d17bf1232f30d7bca6c9354d2074fd7c3cba23938"
    assert (digits.counts / len(digits) - test_digits.counts / len(test_digits)).abs().max() < 0.002
    assert set(digits.names).isdisjoint(test_digits.names)
    require_disjoint(digits, test_digits)
    assert int(digits.images.max()) == 255 and digits.images.unique().numel() == 17


def test_a_size_that_no_network_has_is_refused_before_anything_is_made():
    with pytest.raises(DataError, match="resolution must be 4096 px or less, got 10000000"):
        load("sklearn:digits", resolution=10**7)
