"""Mutated files of every kind: taken, or refused in one sentence, within two seconds; a failure shows its seed."""

import io
import json
import os
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from standin import synthesizer

from ganaug.checkpoint import MANIFEST, read_checkpoint, read_sealed, save_checkpoint, write_sealed
from ganaug.corpus import check_corpus, read_counts, write_corpus
from ganaug.errors import GanaugError
from ganaug.files import sealed_json
from ganaug.images import Picture, read_header, read_image
from ganaug.recipe import dump_recipe, load_recipe, parse_recipe, shipped
from ganaug.synthesis import Architecture, Synthesizer
from ganaug.synthesis.pool import Pool

SECONDS = 2
COUNTS = [500, pytest.param(2000, marks=pytest.mark.slow)]
CARD, WEIGHTS = "generator.json", "generator.safetensors"
ODD = (
    None,
    True,
    -1,
    0,
    2**31,
    2**70,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "\0",
    "../x",
    "\ud800",
    [],
    {},
    [[]],
    "x" * 9999,
)


# ways to damage a file


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """One to four bytes flipped, runs cut out, put in, repeated, swapped or overwritten, or an end that is missing."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        a, b = sorted(rng.integers(0, len(data) + 1, 2).tolist())
        b = min(b, a + int(2 ** rng.uniform(0, 8)))
        match int(rng.integers(7)):
            case 0 if a < len(data):
                data[a] ^= 1 << int(rng.integers(8))
            case 1:
                del data[a:b]
            case 2:
                data[a:a] = rng.bytes(b - a)
            case 3:
                data[a:a] = data[a:b]
            case 4:
                data[a:b] = rng.choice([b"\0", b"\xff", b"9", b"["]) * (b - a)
            case 5:
                c = int(rng.integers(0, len(data) + 1))
                data[a:b], data[c : c + b - a] = data[c : c + b - a], data[a:b]
            case 6 if rng.random() < 0.3:
                del data[a:]
    return bytes(data)


def mutated_json(content: bytes, rng: np.random.Generator) -> bytes:
    """The same JSON with another value somewhere, or the bytes mutated."""
    if rng.random() < 0.3:
        return mutated(content, rng)
    facts = json.loads(content)
    place, key = facts, str(rng.choice(list(facts)))
    while isinstance(place[key], dict | list) and place[key] and rng.random() < 0.8:
        place = place[key]
        key = str(rng.choice(list(place))) if isinstance(place, dict) else int(rng.integers(len(place)))  # type: ignore[assignment]
    place[key] = ODD[rng.integers(len(ODD))]
    return json.dumps(facts).encode()


@contextmanager
def judged(*what: object) -> Iterator[None]:
    """Taken or refused by one of our own, in time."""
    start = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # in the user's hands a warning is no exception
            yield
    except GanaugError as error:
        assert 10 < len(str(error)) < 3000, (*what, str(error)[:200])
    except Exception as error:
        raise AssertionError(f"{what}: {error!r:.300}") from error
    assert time.perf_counter() - start < SECONDS, what


# images


def originals() -> dict[str, bytes]:
    """Small images in every format and in the modes that are rare."""
    rng = np.random.default_rng(0)
    rgb = Image.fromarray(rng.integers(0, 256, (16, 20, 3), np.uint8))
    gray = rgb.convert("L")
    deep = Image.fromarray(rng.integers(0, 65536, (16, 20), np.uint16))
    floats = Image.fromarray(rng.random((16, 20), np.float32))
    exif = Image.Exif()
    exif[0x0112] = 6
    ways: dict[str, tuple[Image.Image, dict[str, Any]]] = {
        "PNG": (rgb, {"exif": exif}),
        "PNG 16 bits": (deep, {}),
        "PNG palette": (rgb.quantize(16), {"transparency": 3}),
        "JPEG": (rgb, {"exif": exif}),
        "JPEG progressive": (rgb.convert("CMYK"), {"progressive": True}),
        "GIF": (rgb.quantize(8), {"save_all": True, "append_images": [rgb.quantize(4), rgb.quantize(8)]}),
        "TIFF": (rgb, {"compression": "tiff_lzw", "exif": exif}),
        "TIFF raw": (floats, {}),
        "TIFF jpeg": (rgb, {"compression": "jpeg"}),
        "BMP": (rgb, {}),
        "BMP palette": (gray.quantize(4), {}),
        "WEBP": (rgb.convert("RGBA"), {"lossless": True, "exif": exif}),
        "WEBP lossy": (rgb, {}),
        "PPM": (rgb, {}),
        "PPM gray": (deep, {}),
    }
    found = {}
    for name, (image, options) in ways.items():
        buffer = io.BytesIO()
        image.save(buffer, name.split()[0], **options)
        found[name] = buffer.getvalue()
    return found


@pytest.mark.parametrize("count", COUNTS)
def test_mutated_images_are_decoded_or_refused(tmp_path: Path, count: int):
    taken = 0
    for seed, (name, whole) in enumerate(islice(cycle(originals().items()), count)):
        rng = np.random.default_rng([count, seed])
        content = mutated(whole, rng)
        path = tmp_path / "odd.png"
        path.write_bytes(content)
        with judged(name, "seed", [count, seed]):
            for picture in (Picture.at(path), Picture("row 1", content)):
                read_header(picture)
                image = read_image(picture, int(rng.choice([1, 3, 4])), (8, 8))
            assert image.dtype == np.uint8 and image.shape[1:] == (8, 8)
            taken += 1
    assert count // 20 < taken < count, "the damage was too great or too small to show anything"


def test_the_unharmed_images_are_taken():
    for name, content in originals().items():
        assert read_image(Picture(name, content), 3).shape in ((3, 16, 20), (3, 20, 16)), name


# generators, checkpoints, recipes, corpora, pools


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One whole thing of each kind."""
    root = tmp_path_factory.mktemp("world")
    architecture = Architecture(name="residual", width=4, z_dim=6, shape=(1, 8, 8), classes=("ant", "bee"))
    with torch.random.fork_rng(devices=[]):
        G = architecture.build()
    splits = {"train": "0" * 64, "val": "1" * 64}
    Synthesizer(G, architecture, {"ganaug": "0.1.0", "splits": splits, "val": {}}, "cpu").save(root / "generator")
    save_checkpoint(root / "checkpoints", 7, {"state.json": b'{"step": 7}', "n.bin": bytes(99)})
    write_corpus(synthesizer(("ant", "bee"), (1, 8, 8)), root / "corpus", [1, 2])
    (root / "recipe.toml").write_text(dump_recipe(load_recipe("auto", ["train.steps=7", "data.resolution=[8, 9]"])))
    (root / "counts.json").write_text('{"ant": 3, "bee": 4}')
    return root


class Kinds:
    """How each kind of file is damaged and read; where a seal would hide the parser behind it, it is made anew."""

    def __init__(self, root: Path, scratch: Path, rng: np.random.Generator):
        self.root, self.scratch, self.rng = root, scratch, rng
        self.whole: dict[Path, bytes] = {}

    def restore(self) -> None:
        """Put back what was damaged."""
        for path, content in self.whole.items():
            path.write_bytes(content)

    def generator_card(self) -> None:
        self._reseal(CARD, mutated_json)

    def generator_weights(self) -> None:
        self._reseal(WEIGHTS, mutated)

    def generator_header(self) -> None:
        """The JSON inside the weights, of its old size where it can be."""

        def header(content: bytes, rng: np.random.Generator) -> bytes:
            end = 8 + int.from_bytes(content[:8], "little")
            text = mutated_json(content[8:end], rng).ljust(end - 8)
            return len(text).to_bytes(8, "little") + text + content[end:]

        self._reseal(WEIGHTS, header)

    def generator_unsealed(self) -> None:
        name = str(self.rng.choice([CARD, WEIGHTS, MANIFEST]))
        self._edit(f"generator/{name}", mutated)
        Synthesizer.load(self.root / "generator", "cpu")

    def generator_manifest(self) -> None:
        self._edit(f"generator/{MANIFEST}", mutated_json)
        Synthesizer.load(self.root / "generator", "cpu")

    def checkpoint(self) -> None:
        name = str(self.rng.choice([MANIFEST, "state.json", "n.bin"]))
        self._edit(f"checkpoints/step-000000007/{name}", mutated_json if name == MANIFEST else mutated)
        read_checkpoint(self.root / "checkpoints", 7)

    def recipe(self) -> None:
        self._edit("recipe.toml", mutated)
        load_recipe(self.root / "recipe.toml")

    def shipped_recipe(self) -> None:
        text = shipped()[str(self.rng.choice(list(shipped())))].read_bytes()
        parse_recipe(mutated(text, self.rng).decode(errors="replace"), "a recipe")

    def corpus_facts(self) -> None:
        def facts(content: bytes, rng: np.random.Generator) -> bytes:
            changed = mutated_json(content, rng)
            try:
                return sealed_json(json.loads(changed))
            except (ValueError, RecursionError, AttributeError):
                return changed

        self._edit("corpus/corpus.json", facts)
        check_corpus(self.root / "corpus")

    def corpus_unsealed(self) -> None:
        names = ["corpus.json", "README.md", "manifest.jsonl", "ant/000000.png"]
        path = self._edit(f"corpus/{self.rng.choice(names)}", mutated)
        assert bool(check_corpus(self.root / "corpus")) == (path.read_bytes() != self.whole[path]), path

    def corpus_line(self) -> None:
        def line(content: bytes, rng: np.random.Generator) -> bytes:
            lines = content.splitlines()
            lines[rng.integers(len(lines))] = mutated_json(lines[0], rng)
            return b"\n".join(lines) + b"\n"

        self._edit("corpus/manifest.jsonl", line)
        check_corpus(self.root / "corpus")

    def counts(self) -> None:
        self._edit("counts.json", mutated_json)
        counts = read_counts(self.root / "counts.json", ("ant", "bee"))
        assert len(counts) == 2 and min(counts) >= 0

    def pool(self) -> None:
        path = Pool.build(synthesizer(), [1, 1, 1]).path
        suffix = str(self.rng.choice([".json", ".npy"]))
        self._edit(str(path.with_suffix(suffix)), mutated_json if suffix == ".json" else mutated)
        assert Pool(path).images.shape == (3, 3, 16, 16)

    def _edit(self, name: str, damage: Callable[[bytes, np.random.Generator], bytes]) -> Path:
        path = self.root / name
        self.whole[path] = path.read_bytes()
        path.write_bytes(damage(self.whole[path], self.rng))
        return path

    def _reseal(self, name: str, damage: Callable[[bytes, np.random.Generator], bytes]) -> None:
        payload = read_sealed(self.root / "generator")
        payload[name] = damage(payload[name], self.rng)
        shutil.rmtree(self.scratch, ignore_errors=True)
        write_sealed(self.scratch, payload)
        Synthesizer.load(self.scratch, "cpu")


KINDS = [name for name in vars(Kinds) if not name.startswith("_") and name != "restore"]


@pytest.mark.parametrize("count", COUNTS)
def test_mutated_files_of_ours_are_read_or_refused(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
):
    monkeypatch.setattr(os, "fsync", lambda file: None)
    Synthesizer.load(world, "cpu")  # what torch imports when it first needs it takes time
    taken = 0
    for seed, kind in enumerate(islice(cycle(KINDS), count)):
        kinds = Kinds(world, tmp_path / "resealed", np.random.default_rng([count, seed]))
        with judged(kind, "seed", [count, seed]):
            getattr(kinds, kind)()
            taken += 1
        kinds.restore()
    assert count // 20 < taken < count, "the damage was too great or too small to show anything"
