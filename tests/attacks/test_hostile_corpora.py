"""A corpus from a stranger: what deviates is named at once, and nothing outside is read or written."""

import json
import os
import shutil
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cage import ODD_FILES, Refused, canary_of, pickled, put, refusal
from PIL import Image
from standin import synthesizer
from test_images import png_header

from ganaug.corpus import check_corpus, read_counts, write_corpus
from ganaug.files import sealed_json
from ganaug.synthesis.pool import Pool

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the cage is Linux's")
FILES = ("corpus.json", "manifest.jsonl", "README.md", "bee/000001.png")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    corpus = write_corpus(synthesizer(), tmp_path_factory.mktemp("written") / "corpus", [2, 2, 2])
    assert check_corpus(corpus) == []
    return corpus


@pytest.fixture
def corpus(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "corpus"))


def check(corpus: Path) -> Callable[[], object]:
    def all_deviations() -> None:
        found = check_corpus(corpus)
        if found:
            raise Refused("; ".join(found))

    return all_deviations


def forge(corpus: Path, **changes: Any) -> None:
    """Other facts in corpus.json, under a seal that is right about them."""
    facts = json.loads((corpus / "corpus.json").read_text())
    (corpus / "corpus.json").write_bytes(sealed_json(facts | changes))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("odd", ODD_FILES)
def test_an_odd_file_in_place_of_one_is_named(corpus: Path, name: str, odd: str):
    path = put(corpus / name, odd)
    assert f"{name}: " in refusal(check(corpus))
    assert not canary_of(path).exists()


FACTS: dict[str, tuple[dict[str, Any], str]] = {
    "directories that lead outside": ({"directories": ["../outside", "bee", "cat"]}, "corpus.json: directories must"),
    "directories of the root": ({"directories": ["/etc", "bee", "cat"]}, "corpus.json: directories must"),
    "billions of images": ({"counts": [10**7] * 3}, "corpus.json: counts must be those of the images there"),
    "more than may be": ({"counts": [10**30, 1, 1]}, "corpus.json: the file must be"),
    "fewer than none": ({"counts": [-1, 2, 2]}, "corpus.json: the file must be"),
    "a hundred thousand empty classes": (
        {"classes": [f"{i:06d}" for i in range(100_000)], "counts": [0] * 100_000},
        "corpus.json: directories must",
    ),
    "a class name with a NUL": ({"classes": ["a\0t", "bee", "cat"]}, "class names must be text"),
    "a class twice": ({"classes": ["ant", "ant", "cat"]}, "class names must differ"),
    "images of 2^40 px": ({"shape": [3, 2**40, 2**40]}, "corpus.json: the file must be"),
    "images of another size": ({"shape": [3, 4096, 4096]}, "must be 4096 x 4096 px, got 16 x 16"),
    "a name of a megabyte": ({"class_to_idx": {"x" * 10**6: "y"}}, "corpus.json: the file must be"),
    "a seed that is none": ({"seed": float("nan")}, "corpus.json: the file must be"),
}


@pytest.mark.parametrize("fact", FACTS)
def test_facts_that_lie_under_a_right_seal_are_named(corpus: Path, fact: str):
    changes, said = FACTS[fact]
    forge(corpus, **changes)
    assert said in refusal(check(corpus))


@pytest.mark.parametrize(
    "text", [b"[" * 500_000, b'{"a":' * 200_000, b'{"schema": ' + b"9" * 10**6 + b"}", b"\xff\xfe", b"[]", bytes(99)]
)
def test_a_text_that_is_no_json_of_ours_is_named(corpus: Path, text: bytes):
    line = text.replace(b"\n", b"")
    manifest = (corpus / "manifest.jsonl").read_bytes()
    (corpus / "manifest.jsonl").write_bytes(line + b"\n" + manifest)
    assert "manifest.jsonl line 1: must name an image of this corpus" in refusal(check(corpus))
    (corpus / "corpus.json").write_bytes(text)
    assert "corpus.json: the file must be as it was written" in refusal(check(corpus))


def test_a_line_whose_values_are_nested_as_deep_as_can_be_is_named(corpus: Path):
    line = json.loads((corpus / "manifest.jsonl").read_bytes().splitlines()[0])
    for depth in range(700, 1000, 20):
        nested = json.dumps(line).replace('"label": 0', f'"label": {"[" * depth + "]" * depth}')
        (corpus / "manifest.jsonl").write_text(nested + "\n")
        assert "manifest.jsonl line 1" in refusal(check(corpus))


def gif(frames: int) -> bytes:
    """One pixel a frame, and very many frames."""
    frame = b"\x21\xf9\x04\x00\x01\x00\x00\x00,\0\0\0\0\x10\0\x10\0\0\x02\x02L\x01\0"
    return b"GIF89a\x10\0\x10\0\x80\0\0\0\0\0\xff\xff\xff" + frame * frames + b";"


BOMBS = {
    "a PNG of 60,000 x 60,000": lambda: png_header(60_000, 60_000),
    "a PNG of 2^31 - 1 x 2^31 - 1": lambda: png_header(2**31 - 1, 2**31 - 1),
    "a PNG of 7,000 x 7,000": lambda: png_header(7_000, 7_000),
    "a PNG with 100 MB of text": lambda: (
        png_header(16, 16)[:33] + chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8))) + png_header(16, 16)[33:]
    ),
    "a GIF of 100,000 frames": lambda: gif(100_000),
    "a TIFF of 2^31 x 2^31": lambda: (
        b"II*\0\x08\0\0\0\x02\0"
        + struct.pack("<HHII", 256, 4, 1, 2**31 - 1)
        + struct.pack("<HHII", 257, 4, 1, 2**31 - 1)
        + bytes(4)
    ),
    "a PPM of 10^9 x 10^9": lambda: b"P6 1000000000 1000000000 255\n",
}


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_in_place_of_an_image_is_named(corpus: Path, bomb: str):
    (corpus / "bee/000001.png").write_bytes(BOMBS[bomb]())
    assert "bee/000001.png: " in refusal(check(corpus))


def test_links_out_of_the_corpus_show_what_they_lead_to_and_nothing_is_written(corpus: Path, tmp_path: Path):
    outside = tmp_path / "outside"
    shutil.move(corpus / "bee", outside)
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(outside / "000000.png")
    (corpus / "bee").symlink_to(outside)
    (corpus / "cat/loop").symlink_to(corpus / "cat")
    said = refusal(check(corpus))
    assert "bee/000000.png: must show the pixels" in said and "cat/loop: must not be there" in said
    assert len(list(outside.iterdir())) == 2


# the pool and the counts


@pytest.mark.parametrize("suffix", [".npy", ".json"])
@pytest.mark.parametrize("odd", ODD_FILES)
def test_an_odd_file_in_place_of_a_pool_is_refused(suffix: str, odd: str):
    pool = Pool.build(synthesizer(), [2, 2, 2])
    path = put(pool.path.with_suffix(suffix), odd)
    refusal(lambda: Pool(pool.path), pool.path.name)
    assert not canary_of(path).exists()


@pytest.mark.parametrize("content", ["zip", "objects", "claims"])
def test_a_pool_that_is_another_kind_of_array_is_refused(content: str, tmp_path: Path):
    pool = Pool.build(synthesizer(), [2, 2, 2])
    if content == "zip":
        with pool.path.open("wb") as file:
            np.savez(file, np.zeros(3))
    elif content == "objects":
        with pool.path.open("wb") as file:
            np.save(file, np.array([Path]), allow_pickle=True)
    else:
        whole = pool.path.read_bytes()
        pool.path.write_bytes(whole.replace(b"(6, 3, 16, 16)", b"(6, 3, 99, 16)"))
    refusal(lambda: Pool(pool.path), pool.path.name)


@pytest.mark.parametrize("odd", ODD_FILES)
def test_an_odd_file_of_counts_is_refused(tmp_path: Path, odd: str):
    path = put(tmp_path / "counts.json", odd)
    refusal(lambda: read_counts(path, ("ant", "bee")), "counts.json: ")
    assert not canary_of(path).exists()


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 500_000,
        b'{"ant": ' + b"[" * 500_000,
        b'{"ant": NaN, "bee": 1}',
        b'{"ant": 1e400, "bee": 1}',
        b'{"ant": true, "bee": 1}',
        b'{"ant": 1, "ant": 2, "bee": 3}',
        b'{"ant": ' + b"9" * 5000 + b', "bee": 1}',
        b'{"ant": ' + b"[" * 900 + b"]" * 900 + b', "bee": 1}',
        b'{"ant": 1, "bee": 1, "%s": 1}' % (b"x" * 10**6),
    ],
)
def test_counts_that_are_none_are_refused(tmp_path: Path, text: bytes):
    (tmp_path / "counts.json").write_bytes(text)
    refusal(lambda: read_counts(tmp_path / "counts.json", ("ant", "bee")), "counts.json: ")


def test_more_images_than_any_corpus_holds_are_refused(tmp_path: Path):
    (tmp_path / "counts.json").write_text(json.dumps({"ant": 10**4000, "bee": 1, "cat": 1}))
    counts = read_counts(tmp_path / "counts.json", ("ant", "bee", "cat"))
    refusal(lambda: write_corpus(synthesizer(), tmp_path / "corpus", counts), "must number 0 to 10,000,000")
    assert os.listdir(tmp_path) == ["counts.json"]


def test_a_pickle_under_a_right_sum_is_named_and_not_run(corpus: Path):
    for name in ("README.md", "manifest.jsonl"):
        (corpus / name).write_bytes(pickled(corpus / name))
        assert f"{name}" in refusal(check(corpus))
        assert not canary_of(corpus / name).exists()
