import hashlib
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from standin import synthesizer

from ganaug.corpus import check_corpus, write_corpus
from ganaug.corpus.card import describe
from ganaug.errors import CorpusError
from ganaug.images import encode_png


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_corpus(synthesizer(), tmp_path / "corpus", [4, 3, 5], seed=2)


def change_pixel(corpus: Path) -> None:
    path = corpus / "ant" / "000001.png"
    with Image.open(path) as image:
        pixels = np.array(image)
    pixels[3, 4, 1] ^= 1
    path.write_bytes(encode_png(pixels.transpose(2, 0, 1)))


def save_again(path: Path) -> None:
    """The same pixels, without the mark."""
    with Image.open(path) as image:
        pixels = np.array(image)
    path.write_bytes(encode_png(pixels.transpose(2, 0, 1)))


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


def edit_json(corpus: Path, **changes: Any) -> None:
    facts = json.loads((corpus / "corpus.json").read_text())
    (corpus / "corpus.json").write_text(json.dumps(facts | changes, indent=1) + "\n")


def edit_manifest(corpus: Path, number: int, **changes: Any) -> None:
    lines = (corpus / "manifest.jsonl").read_text().splitlines()
    lines[number - 1] = json.dumps(json.loads(lines[number - 1]) | changes)
    (corpus / "manifest.jsonl").write_text("\n".join(lines) + "\n")


def swap(corpus: Path) -> None:
    a, b, c = corpus / "ant" / "000002.png", corpus / "bee" / "000002.png", corpus / "c"
    for source, target in ((a, c), (b, a), (c, b)):
        source.rename(target)


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


DAMAGE: dict[str, tuple[Callable[[Path], Any], list[str]]] = {
    "missing image": (
        lambda c: (c / "bee" / "000001.png").unlink(),
        ["bee/000001.png: must be there, got no such file", "class 'bee': must have 3 images, got 2 files in bee/"],
    ),
    "surplus image": (
        lambda c: shutil.copy(c / "bee" / "000001.png", c / "bee" / "000009.png"),
        ["bee/000009.png: must not be there, got a file", "class 'bee': must have 3 images, got 4 files"],
    ),
    "surplus metadata.csv": (lambda c: (c / "metadata.csv").write_text("x"), ["metadata.csv: must not be there"]),
    "surplus folder": (lambda c: (c / "dog").mkdir(), ["dog: must not be there, got a folder"]),
    "hidden file among the images": (
        lambda c: (c / "bee" / ".hidden").write_bytes(b"x"),
        ["bee/.hidden: must not be there, got a file", "class 'bee': must have 3 images, got 4 files"],
    ),
    "counts edited, sum unchanged": (lambda c: edit_json(c, counts=[4, 3, 6]), ["corpus.json: altered"]),
    "changed pixel": (change_pixel, ["ant/000001.png: must show the pixels that its manifest line names, got others"]),
    "truncated image": (lambda c: cut(c / "cat" / "000004.png", 300), ["cat/000004.png: must "]),
    "empty image": (lambda c: cut(c / "cat" / "000004.png", 0), ["cat/000004.png: must "]),
    "swapped images": (
        swap,
        [
            "ant/000002.png: must show the pixels that its manifest line names, got those of bee/000002.png",
            "bee/000002.png: must show the pixels that its manifest line names, got those of ant/000002.png",
        ],
    ),
    "moved to another class": (
        lambda c: (c / "ant" / "000003.png").rename(c / "bee" / "000003.png"),
        [
            "ant/000003.png: must be there",
            "bee/000003.png: must not be there",
            "class 'ant': must have 4 images, got 3",
            "class 'bee': must have 3 images, got 4",
        ],
    ),
    "label edited": (lambda c: edit_manifest(c, 5, label=2), ["manifest.jsonl line 5: label must be 1", ", got 2"]),
    "class name edited": (lambda c: edit_manifest(c, 1, label_name="dog"), ["line 1: label_name must be 'ant'"]),
    "seed edited": (lambda c: edit_manifest(c, 1, seed=3), ["line 1: seed must be 2"]),
    "pixel sum edited": (
        lambda c: edit_manifest(c, 12, pixel_sha256="0" * 64),
        ["manifest.jsonl: must have the sha256", "cat/000004.png: must show the pixels"],
    ),
    "model edited in one line": (lambda c: edit_manifest(c, 7, model_sha256="0"), ["line 7: model_sha256 must be"]),
    "file edited": (
        lambda c: edit_manifest(c, 1, file="../../etc/passwd"),
        ["line 1: must name an image of this corpus", "must have a line for ant/000000.png"],
    ),
    "key added": (lambda c: edit_manifest(c, 1, extra=1), ["manifest.jsonl: must have the sha256"]),
    "line that is no JSON": (
        lambda c: (c / "manifest.jsonl").write_bytes(b"\xff{\n" + (c / "manifest.jsonl").read_bytes()),
        ["line 1: must name an image of this corpus"],
    ),
    "line twice": (
        lambda c: (c / "manifest.jsonl").write_text((c / "manifest.jsonl").read_text().splitlines()[0] + "\n"),
        ["must have a line for ant/000001.png", "must have a line for cat/000004.png"],
    ),
    "manifest missing": (lambda c: (c / "manifest.jsonl").unlink(), ["manifest.jsonl: must be there"]),
    "card missing": (lambda c: (c / "README.md").unlink(), ["README.md: must be there"]),
    "model hash edited": (
        lambda c: edit_json(c, model="0" * 64),
        ["manifest.jsonl lines 1 to 12 (12 lines): model_sha256 must be '0000"],
    ),
    "class renamed in corpus.json": (
        lambda c: edit_json(c, classes=["ant", "bug", "cat"]),
        ["corpus.json: directories must be ['ant', 'bug', 'cat']", "corpus.json: class_to_idx must be"],
    ),
    "class renamed on disk": (
        lambda c: (c / "bee").rename(c / "bug"),
        ["bee/: must be there", "bug: must not be there", "class 'bee': must have 3 images, got 0"],
    ),
    "count edited": (
        lambda c: edit_json(c, counts=[4, 3, 4]),
        ["line 12: must name an image", "cat/000004.png: must not be there", "class 'cat': must have 4 images, got 5"],
    ),
    "counts too few": (lambda c: edit_json(c, counts=[4, 3]), ["corpus.json: counts must be 3 numbers, got 2"]),
    "corpus.json of another schema": (lambda c: edit_json(c, schema=2), ["corpus.json: the file must be", "schema"]),
    "corpus.json cut": (lambda c: cut(c / "corpus.json", 50), ["corpus.json: the file must be as it was written"]),
    "corpus.json missing": (lambda c: (c / "corpus.json").unlink(), ["corpus.json: must be there"]),
    "directories that lead outside": (
        lambda c: edit_json(c, directories=["../ant", "bee", "cat"]),
        ["corpus.json: directories must be ['ant', 'bee', 'cat'] for its classes"],
    ),
    "folder in place of an image": (
        lambda c: folder_instead(c / "bee" / "000001.png"),
        ["bee/000001.png: must be there, got no such file"],
    ),
}
ALONE: dict[str, tuple[Callable[[Path], Any], str]] = {  # damage -> the one sentence about it
    "card rewritten": (lambda c: (c / "README.md").write_text("# Real photographs\n"), "README.md: altered"),
    "card cut": (lambda c: cut(c / "README.md", 900), "README.md: altered"),
    "card with other line ends": (
        lambda c: (c / "README.md").write_bytes((c / "README.md").read_bytes().replace(b"\n", b"\r\n")),
        "README.md: altered",
    ),
    "copies edited": (lambda c: edit_json(c, copies="none"), "corpus.json: altered"),
    "training data edited": (lambda c: edit_json(c, real_data="0" * 64), "corpus.json: altered"),
    "version edited": (lambda c: edit_json(c, ganaug="99"), "corpus.json: altered"),
    "key added to corpus.json": (lambda c: edit_json(c, licence="CC0"), "corpus.json: altered"),
    "own sum edited": (lambda c: edit_json(c, sha256="0" * 64), "corpus.json: altered"),
    "corpus.json written anew with equal facts": (
        lambda c: (c / "corpus.json").write_text(json.dumps(json.loads((c / "corpus.json").read_text()))),
        "corpus.json: altered",
    ),
    "mark removed": (
        lambda c: save_again(c / "cat" / "000002.png"),
        "cat/000002.png: bytes differ from the manifest (pixels equal)",
    ),
    "bytes appended to an image": (
        lambda c: (c / "cat" / "000002.png").write_bytes((c / "cat" / "000002.png").read_bytes() + b"x"),
        "cat/000002.png: bytes differ from the manifest (pixels equal)",
    ),
    "hidden file": (lambda c: (c / ".hidden").write_text("x"), ".hidden: must not be there, got a file without a line"),
    "hidden folder": (lambda c: (c / ".git").mkdir(), ".git: must not be there, got a folder without a line"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_planted_damage_is_found_and_named(corpus: Path, damage: str):
    assert check_corpus(corpus) == []
    plant, expected = DAMAGE[damage]
    plant(corpus)
    found = check_corpus(corpus)
    assert found and all(any(words in sentence for sentence in found) for words in expected), found
    assert len(found) <= max(len(expected), 12)


@pytest.mark.parametrize("damage", ALONE)
def test_damage_that_changes_no_label_and_no_pixel_is_named_in_one_sentence(corpus: Path, damage: str):
    plant, sentence = ALONE[damage]
    plant(corpus)
    assert check_corpus(corpus) == [sentence]
    with pytest.raises(CorpusError, match="must be whole"):
        write_corpus(synthesizer(), corpus, [4, 3, 5], seed=2, resume=True)


def test_what_operating_systems_leave_behind_is_no_deviation(corpus: Path):
    for name in (".DS_Store", "bee/.DS_Store", "Thumbs.db", "cat/desktop.ini", "._README.md", "ant/._000000.png"):
        (corpus / name).write_bytes(b"x")
    assert check_corpus(corpus) == []
    assert write_corpus(synthesizer(), corpus, [4, 3, 5], seed=2, resume=True) == corpus
    for name in (".DS_Store.png", "bee/thumbs", "dog/.DS_Store"):
        (corpus / name).parent.mkdir(exist_ok=True)
        (corpus / name).write_bytes(b"x")
    assert [sentence.partition(":")[0] for sentence in check_corpus(corpus)] == [
        ".DS_Store.png", "bee/thumbs", "dog", "class 'bee'",
    ]  # fmt: skip


def test_every_one_of_120_flipped_bits_in_any_file_is_found_and_the_file_named(corpus: Path):
    rng = random.Random(0)
    for name in ("manifest.jsonl", "corpus.json", "README.md", "ant/000000.png"):
        whole = (corpus / name).read_bytes()
        for _ in range(30):
            at = rng.randrange(len(whole))
            (corpus / name).write_bytes(whole[:at] + bytes([whole[at] ^ 1 << rng.randrange(8)]) + whole[at + 1 :])
            assert any(sentence.startswith(name) for sentence in check_corpus(corpus)), (name, at)
        (corpus / name).write_bytes(whole)
    assert check_corpus(corpus) == []


def test_the_sums_are_those_of_the_bytes_and_of_the_facts_without_their_own(corpus: Path):
    def sha256(content: bytes) -> str:
        return hashlib.sha256(content).hexdigest()

    facts = json.loads((corpus / "corpus.json").read_text())
    own = facts.pop("sha256")
    assert own == sha256(json.dumps(facts, sort_keys=True).encode())
    assert facts["card_sha256"] == sha256((corpus / "README.md").read_bytes())
    manifest = (corpus / "manifest.jsonl").read_bytes()
    assert facts["manifest_sha256"] == sha256(manifest)
    for line in map(json.loads, manifest.splitlines()):
        assert line["sha256"] == sha256((corpus / line["file"]).read_bytes()) != line["pixel_sha256"]


@pytest.mark.parametrize("key", [*describe(synthesizer(), [1, 1, 1], 0), "manifest_sha256", "card_sha256", "sha256"])
def test_every_field_of_corpus_json_is_guarded_against_edits_and_removal(corpus: Path, key: str):
    facts = json.loads((corpus / "corpus.json").read_text())
    assert key in facts
    for changed in ({**facts, key: "x"}, {name: value for name, value in facts.items() if name != key}):
        (corpus / "corpus.json").write_text(json.dumps(changed, indent=1) + "\n")
        assert check_corpus(corpus)[0].startswith("corpus.json: ")
