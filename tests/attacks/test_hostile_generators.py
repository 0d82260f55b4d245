"""A generator folder from a stranger: refused in a sentence, at once, and nothing in it is run."""

import json
import shutil
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from cage import ODD_FILES, canary_of, pickled, put, refusal, save_generator
from test_images import png_header

from ganaug.checkpoint import MANIFEST, load_module, parse_tensors, read_sealed, write_sealed
from ganaug.synthesis import Synthesizer

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the cage is Linux's")
CARD, WEIGHTS = "generator.json", "generator.safetensors"
DEEP = b"[" * 500_000


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save_generator(tmp_path_factory.mktemp("saved") / "generator")
    Synthesizer.load(folder, "cpu")  # what torch imports when it first needs it is not the attack's cost
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "generator"))


def load(folder: Path) -> Callable[[], object]:
    return lambda: Synthesizer.load(folder, "cpu")


def seal(folder: Path, **changed: bytes) -> Path:
    """The folder with other files, under a manifest that is right about them."""
    payload = read_sealed(folder) | {name.replace("_", "."): content for name, content in changed.items()}
    shutil.rmtree(folder)
    write_sealed(folder, payload)
    return folder


def card_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / CARD).read_text())


# files that are none


@pytest.mark.parametrize("name", [CARD, WEIGHTS, MANIFEST])
@pytest.mark.parametrize("odd", ODD_FILES)
def test_an_odd_file_in_place_of_one_is_refused(folder: Path, name: str, odd: str):
    path = put(folder / name, odd)
    refusal(load(folder), "generator")
    assert not canary_of(path).exists()


@pytest.mark.parametrize("name", [CARD, WEIGHTS])
def test_a_pickle_under_a_right_manifest_is_refused_and_not_run(folder: Path, name: str):
    canary = canary_of(folder / name)
    seal(folder, **{name.replace(".", "_"): pickled(folder / name)})
    refusal(load(folder), name)
    assert not canary.exists()


def test_a_model_that_torch_saved_is_refused_and_not_run(folder: Path, tmp_path: Path):
    torch.save({"label.weight": torch.zeros(2), "trap": pickled(tmp_path / "torch")}, tmp_path / "model.pt")
    seal(folder, generator_safetensors=(tmp_path / "model.pt").read_bytes())
    refusal(load(folder), WEIGHTS)


# tensors that lie


def tensors(header: dict[str, Any] | bytes, body: bytes = b"", claimed: int | None = None) -> bytes:
    """A safetensors file with any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if claimed is None else claimed) + text + body


def entry(shape: list[int], begin: int, end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


BODY = bytes(64)
LIES = {
    "a header of 101 MB that is not there": tensors(b"{}", BODY, 101 * 10**6),
    "a header of 2^63 bytes": tensors(b"{}", BODY, 2**63),
    "a header of 2^64 - 1 bytes": tensors(b"{}", BODY, 2**64 - 1),
    "a header of spaces": tensors(b" " * 10**6, BODY),
    "a header without end": tensors(b'{"a":' + DEEP, BODY),
    "overlapping offsets": tensors({"a": entry([16], 0, 64), "b": entry([8], 32, 64)}, BODY),
    "equal offsets": tensors({"a": entry([16], 0, 64), "b": entry([16], 0, 64)}, BODY),
    "offsets beyond the file": tensors({"a": entry([10**9], 0, 4 * 10**9)}, BODY),
    "offsets that run backwards": tensors({"a": entry([16], 64, 0)}, BODY),
    "negative offsets": tensors({"a": entry([16], -64, 0)}, BODY),
    "a gap": tensors({"a": entry([8], 32, 64)}, BODY),
    "a shape beyond 64 bits": tensors({"a": entry([2**32, 2**32, 2], 0, 64)}, BODY),
    "a shape that overflows to fit": tensors({"a": entry([2**62, 4, 16], 0, 64)}, BODY),
    "a negative shape": tensors({"a": entry([-16], 0, 64)}, BODY),
    "a shape of another size": tensors({"a": entry([17], 0, 64)}, BODY),
    "an unknown dtype": tensors({"a": entry([16], 0, 64, "PICKLE")}, BODY),
    "a dtype of another size": tensors({"a": entry([16], 0, 64, "F64")}, BODY),
    "a tensor twice": tensors(b'{"a":%b,"a":%b}' % ((json.dumps(entry([16], 0, 64)).encode(),) * 2), BODY),
    "a header that is a list": tensors(b"[]", BODY),
    "a header that is no text": tensors(b"\xff" * 40, BODY),
    "nothing but a length": struct.pack("<Q", 40),
}


@pytest.mark.parametrize("lie", LIES)
def test_tensors_that_lie_are_refused(folder: Path, lie: str):
    refusal(lambda: load_module(torch.nn.Linear(4, 4), LIES[lie], "w.safetensors"), "w.safetensors")
    seal(folder, generator_safetensors=LIES[lie])
    refusal(load(folder), WEIGHTS)


def test_a_lie_of_the_right_size_is_refused_by_its_parser(folder: Path):
    content = (folder / WEIGHTS).read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    first, second = [name for name in header if name != "__metadata__"][:2]
    for change in (
        {"dtype": "I32"},
        {"shape": [2**63, 2]},
        {"shape": [*header[first]["shape"], 1]},
        {"data_offsets": header[second]["data_offsets"]},
    ):
        seal(folder, generator_safetensors=tensors({**header, first: header[first] | change}, content[start:]))
        refusal(load(folder), WEIGHTS)
    seal(folder, generator_safetensors=content)
    assert Synthesizer.load(folder, "cpu").classes


def test_a_header_of_100_000_tensors_is_refused_unread(folder: Path):
    many = tensors({f"t{i}": entry([0], 0, 0) for i in range(100_000)})
    seal(folder, generator_safetensors=many)
    refusal(load(folder), f"{WEIGHTS} must fit the architecture")


# cards and manifests that lie


CLAIMS: dict[str, tuple[dict[str, Any], str]] = {
    "the moon": (
        {"shape": [4, 4096, 8], "classes": [f"c{i}" for i in range(100_000)], "width": 1024, "z_dim": 4096},
        "must ask for at most 2,000,000,000 weights",
    ),
    "no more than may be": (
        {"shape": [4, 4096, 4096], "classes": [f"c{i}" for i in range(100_000)], "width": 1024, "z_dim": 4096},
        "must fit the architecture in generator.json",
    ),
    "a million classes": ({"classes": [f"c{i}" for i in range(10**6)]}, "architecture.classes must be valid"),
    "a class twice": ({"classes": ["ant", "ant", "cat"]}, "class names must differ"),
    "a class name with a NUL": ({"classes": ["ant", "b\0e", "cat"]}, "class names must be text"),
    "half a character": ({"classes": ["ant", "\ud800", "cat"]}, "class names must be text"),
    "a side of 2^70": ({"shape": [1, 8, 2**70]}, "architecture.shape.2 must be valid"),
    "a width of 10^4000": ({"width": 10**4000}, "architecture.width must be valid"),
    "code for a name": ({"name": "__import__('os').system('true')"}, "must be one of residual"),
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_card_that_claims_too_much_is_refused_before_anything_is_allocated(folder: Path, claim: str):
    changes, said = CLAIMS[claim]
    card = card_of(folder)
    card["architecture"] |= changes
    seal(folder, generator_json=json.dumps(card).encode())
    refusal(load(folder), said)


def test_images_that_would_fill_the_memory_are_refused_before_one_is_rendered(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("ganaug.synthesis.batches.available_memory", lambda device: 50_000)
    refusal(load(folder), "images of 8 x 8 must fit into memory, got 50,000 bytes free for about 131,072")


TEXTS = {
    "nested without end": DEEP,
    "objects nested without end": b'{"a":' * 200_000,
    "a number of a million digits": b'{"schema": ' + b"9" * 10**6 + b"}",
    "NaN": b'{"schema": NaN}',
    "infinity": b'{"schema": -Infinity}',
    "a name twice": b'{"schema": 1, "schema": 1}',
    "no UTF-8": b'{"a": "\xff\xfe"}',
    "a list": b"[]",
    "a word": b'"generator"',
    "NULs": bytes(1000),
    "UTF-16": '{"schema": 1}'.encode("utf-16"),
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_card_that_is_no_json_of_ours_is_refused(folder: Path, text: str):
    seal(folder, generator_json=TEXTS[text])
    refusal(load(folder), CARD)


@pytest.mark.parametrize("text", TEXTS)
def test_a_manifest_that_is_no_json_of_ours_is_refused(folder: Path, text: str):
    (folder / MANIFEST).write_bytes(TEXTS[text])
    refusal(load(folder), MANIFEST)


def test_a_card_with_a_name_twice_or_a_number_that_is_none_is_refused(folder: Path):
    whole = (folder / CARD).read_bytes()
    for changed in (whole.replace(b'"width": 4', b'"width": 1024, "width": 4'), whole.replace(b'"0.1.0"', b"NaN")):
        assert changed != whole
        seal(folder, generator_json=changed)
        refusal(load(folder), CARD)


@pytest.mark.parametrize("provenance", [{"splits": 3}, {"splits": {"train": {}}}, {"val": []}])
def test_what_the_card_says_of_its_making_is_what_others_will_read(folder: Path, provenance: dict[str, Any]):
    seal(folder, generator_json=json.dumps(card_of(folder) | {"provenance": provenance}).encode())
    refusal(load(folder), "splits must be a table of hashes")


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "..", "", "a/b", "a\0b", "\ud800", "x" * 300])
def test_a_manifest_that_leads_elsewhere_is_refused(folder: Path, name: str):
    said = {"sha256": "0" * 64, "bytes": 10}
    for files in ({name: said}, {CARD: said, WEIGHTS: said, name: said}):
        (folder / MANIFEST).write_text(json.dumps({"schema": 1, "files": files}))
        refusal(load(folder), MANIFEST)
        refusal(lambda: read_sealed(folder))


@pytest.mark.parametrize("size", [-1, 10**12, 2**80, 1.5, "10", None, True, [1]])
def test_a_manifest_with_impossible_sizes_is_refused(folder: Path, size: Any):
    facts = json.loads((folder / MANIFEST).read_text())
    for name in (CARD, WEIGHTS):
        changed = facts["files"] | {name: facts["files"][name] | {"bytes": size}}
        (folder / MANIFEST).write_text(json.dumps(facts | {"files": changed}))
        refusal(load(folder), str(folder / (name if type(size) is int else MANIFEST)))
        refusal(lambda: read_sealed(folder))


def test_probes_that_are_a_bomb_are_refused_undecoded(folder: Path):
    import base64
    import zlib

    bomb = png_header(60_000, 60_000)
    packed = zlib.compress(bytes(10**8), 9)
    text = png_header(64, 8).replace(b"IDAT", b"zTXt") + packed
    for picture in (bomb, text, b"\x89PNG\r\n\x1a\n" + packed, pickled(folder / "probes")):
        card = card_of(folder)
        card["probes"]["png"] = base64.b64encode(picture).decode()
        seal(folder, generator_json=json.dumps(card).encode())
        refusal(load(folder), "the probes must be")
    assert not canary_of(folder / "probes").exists()


def test_links_that_lead_in_circles_are_refused(tmp_path: Path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    refusal(load(tmp_path / "a"), "must be a run folder or a generator folder")
    (tmp_path / "generator").symlink_to(tmp_path)
    refusal(load(tmp_path), "must be a run folder or a generator folder")
    refusal(load(tmp_path / "a\0b"), "must be a run folder or a generator folder")


def test_harmless_tensors_are_read():
    assert parse_tensors(tensors({"a": entry([16], 0, 64)}, BODY), "w")["a"].shape == (16,)
