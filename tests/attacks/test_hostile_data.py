"""Images from a stranger: what cannot be used is refused by name, at once, and nothing in it is run."""

import io
import json
import os
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cage import ODD_FILES, canary_of, pickled, put, refusal
from PIL import Image
from shell import pictures, write_folder
from test_hostile_corpora import BOMBS

from ganaug.data import load
from ganaug.images import Picture, read_header, read_image

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the cage is Linux's")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "data", pictures(6, size=(16, 16)))


def looked_at(path: Path) -> Callable[[], object]:
    def look() -> None:
        read_header(Picture.at(path))
        read_image(Picture.at(path), 3)

    return look


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize("odd", ODD_FILES)
def test_an_odd_file_in_place_of_an_image_is_refused(folder: Path, odd: str, suffix: str):
    path = put(folder / f"bee/odd{suffix}", odd)
    refusal(looked_at(path), path.name)
    refusal(lambda: load(str(folder)), "odd")
    assert not canary_of(path).exists()


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_among_the_images_is_refused(folder: Path, bomb: str):
    (folder / "bee/odd.png").write_bytes(BOMBS[bomb]())
    refusal(lambda: load(str(folder)), "odd.png")


def test_a_tiff_whose_pages_are_linked_in_a_circle_is_read_or_refused(folder: Path):
    image = io.BytesIO()
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(image, "TIFF")
    content = bytearray(image.getvalue())
    first = struct.unpack("<I", content[4:8])[0]
    after = first + 2 + 12 * struct.unpack("<H", content[first : first + 2])[0]
    content[after : after + 4] = struct.pack("<I", first)
    (folder / "bee/odd.tif").write_bytes(content)
    (folder / "bee/odd.png").write_text("so that there is a refusal")
    refusal(lambda: load(str(folder)), "odd")


@pytest.mark.parametrize("odd", ODD_FILES)
def test_an_odd_file_in_place_of_an_archive_is_refused(tmp_path: Path, odd: str):
    path = put(tmp_path / "data.npz", odd)
    refusal(lambda: load(str(path)), "data.npz")
    assert not canary_of(path).exists()


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def npy(header: str, body: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    text = header.encode() + b"\n"
    size = struct.pack("<H", len(text)) if version == b"\x01\x00" else struct.pack("<I", len(text))
    return b"\x93NUMPY" + version + size + text + body


def plain(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


LABELS = plain(np.arange(6) % 3)
IMAGES = plain(np.zeros((6, 16, 16), np.uint8) + np.arange(6, dtype=np.uint8)[:, None, None])
HEADER = "{{'descr': {}, 'fortran_order': {}, 'shape': {}, }}"
ARRAYS = {
    "objects": npy(HEADER.format("'|O'", False, (6,)), b"PICKLE"),
    "a structure of objects": npy(HEADER.format("[('a', '|O')]", False, (6,)), b"PICKLE"),
    "a petabyte": npy(HEADER.format("'|u1'", False, (10**9, 1000, 1000)), b"x" * 100),
    "a shape that overflows": npy(HEADER.format("'|u1'", False, (2**62, 4, 16)), b"x" * 100),
    "a negative shape": npy(HEADER.format("'|u1'", False, (-6, -16, -16)), b"x" * 1536),
    "a shape of True": npy(HEADER.format("'|u1'", False, "(True, 16, 16)"), b"x" * 256),
    "a shape without size": npy(HEADER.format("'|u1'", False, (0, 10**18, 10**18))),
    "a header of code": npy("__import__('os').mkdir('canary')"),
    "a header nested without end": npy("(" * 60_000),
    "a header of 2 GB": b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31 - 1) + b"{",
    "a version of the future": npy(HEADER.format("'|u1'", False, (6,)), b"", b"\x09\x00"),
}


@pytest.mark.parametrize("array", ARRAYS)
def test_an_array_that_lies_is_refused(tmp_path: Path, array: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    content = ARRAYS[array].replace(b"PICKLE", pickled(tmp_path / "array"))
    for name, members in (
        ("a.npz", {"images.npy": content, "labels.npy": LABELS}),
        ("b.npz", {"images.npy": IMAGES, "labels.npy": content}),
        ("c.npz", {"images.npy": IMAGES, "labels.npy": LABELS, "classes.npy": content}),
    ):
        path = archive(tmp_path / name, members)
        refusal(lambda path=path: load(str(path)), name)
    assert not canary_of(tmp_path / "array").exists() and not Path("canary").exists()


def test_an_archive_that_is_a_bomb_is_refused_unpacked(tmp_path: Path):
    """3 GiB of zeros in 6 MB: the same block of compressed zeros again and again."""
    size, step = 3 * 2**30, 2**24
    array = npy(HEADER.format("'|u1'", False, (6, size // 6 // 64, 64)))
    size = len(array) + size // 6 // 64 * 6 * 64
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = packer.compress(array) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(step)) + packer.flush(zlib.Z_FULL_FLUSH)
    path = tmp_path / "data.npz"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("labels.npy", LABELS)
        file.writestr("images.npy", first + block * (size // step) + packer.flush())
    content = bytearray(path.read_bytes())
    for mark, method, unpacked in ((b"PK\1\2", 10, 24), (b"PK\3\4", 8, 22)):
        at = content.rindex(mark)
        content[at + method : at + method + 2] = struct.pack("<H", zipfile.ZIP_DEFLATED)
        content[at + unpacked : at + unpacked + 4] = struct.pack("<I", size)
    path.write_bytes(content)
    refusal(lambda: load(str(path)), "data.npz")


def test_an_archive_whose_members_lead_outside_writes_nothing(tmp_path: Path):
    (tmp_path / "in").mkdir()
    path = archive(tmp_path / "in/data.npz", {"../images.npy": IMAGES, "/tmp/labels.npy": LABELS})
    refusal(lambda: load(str(path)), "data.npz")
    assert os.listdir(tmp_path) == ["in"] and os.listdir(tmp_path / "in") == ["data.npz"]


def test_a_member_whose_size_or_sum_lies_is_refused(tmp_path: Path):
    whole = archive(tmp_path / "a.npz", {"images.npy": IMAGES, "labels.npy": LABELS}).read_bytes()
    size = struct.pack("<I", len(IMAGES))
    sum_ = struct.pack("<I", zlib.crc32(IMAGES))
    for old, new in ((size, struct.pack("<I", 2**31)), (size, b"\xff" * 4), (sum_, b"\0" * 4)):
        assert whole.count(old) >= 2
        (tmp_path / "a.npz").write_bytes(whole.replace(old, new))
        refusal(lambda: load(str(tmp_path / "a.npz")), "a.npz")


def test_folders_that_lead_in_circles_or_nowhere_are_refused_or_not_followed(folder: Path, tmp_path: Path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    for path in (tmp_path / "a", tmp_path / "a\0b", "/dev/zero"):
        refusal(lambda path=path: load(str(path)))
    (folder / "bee/again").symlink_to(folder)
    (folder / "again").symlink_to(folder)
    assert len(load(str(folder))) == 6


@pytest.mark.parametrize("odd", [odd for odd in ODD_FILES])
def test_an_odd_corpus_json_among_class_folders_is_refused(folder: Path, odd: str):
    path = put(folder / "corpus.json", odd)
    refusal(lambda: load(str(folder)), "corpus.json")
    assert not canary_of(path).exists()


@pytest.mark.parametrize(
    "facts",
    [
        {"classes": ["ant", "bee", "cat"], "directories": ["../outside", "bee", "cat"]},
        {"classes": ["ant", "bee", "cat"], "directories": ["/etc", "bee", "cat"]},
        {"classes": ["ant", "bee", "cat"], "directories": ["ant", "bee", {}]},
        {"classes": ["ant", ["bee"], "cat"], "directories": ["ant", "bee", "cat"]},
        {"classes": ["ant", "bee", "cat"], "directories": 3},
        {"classes": ["ant", "a\0t", "cat"], "directories": ["ant", "bee", "cat"]},
        {"classes": ["ant", "\ud800", "cat"], "directories": ["ant", "bee", "cat"]},
        {"classes": ["ant"] * 3, "directories": ["ant", "bee", "cat"]},
        [],
        3,
    ],
    ids=repr,
)
def test_a_corpus_json_that_lies_about_the_class_folders_is_refused(folder: Path, facts: object):
    (folder / "corpus.json").write_text(json.dumps(facts))
    refusal(lambda: load(str(folder)), "data")


@pytest.mark.parametrize("text", [b"[" * 500_000, b'{"classes": ' + b"9" * 10**5 + b"}", b"\xff\xfe"])
def test_a_corpus_json_that_is_no_json_is_refused(folder: Path, text: bytes):
    (folder / "corpus.json").write_bytes(text)
    refusal(lambda: load(str(folder)), "corpus.json")


@pytest.mark.parametrize("classes", [["a\0t", "bee", "cat"], ["\ud800", "bee", "cat"]])
def test_classes_that_no_generator_could_be_saved_with_are_refused(tmp_path: Path, classes: list[str]):
    members = {"images.npy": IMAGES, "labels.npy": LABELS, "classes.npy": plain(np.array(classes))}
    refusal(lambda: load(str(archive(tmp_path / "data.npz", members))), "data.npz")
