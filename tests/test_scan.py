"""The pre-scan: every picture is looked at once, whole, and again only when its file has changed."""

import os
import random
import tracemalloc
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from PIL import Image
from shell import pictures, write_folder

from ganaug.data import load
from ganaug.data.folder import list_folder
from ganaug.data.listing import Listing
from ganaug.data.scan import Facts, look, scan
from ganaug.files import cache_folder
from ganaug.images import Header, Picture

NOISE = np.random.default_rng(0).integers(0, 256, (9, 11, 3), dtype=np.uint8)


def facts_of(folder: Path) -> dict[str, Facts]:
    """Name -> facts of every picture in a folder."""
    listing = list_folder(folder)
    return dict(zip(listing.names, scan(listing), strict=True))


def remembered() -> list[Path]:
    return list((cache_folder() / "scans").glob("*"))


def swap(path: Path, content: bytes) -> None:
    """Another content under the same name, of the same length and from the same time."""
    facts = path.stat()
    assert len(content) == facts.st_size
    path.write_bytes(content)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def test_the_facts_are_those_of_the_picture(tmp_path: Path):
    def saved(pixels: np.ndarray, name: str) -> Facts:
        Image.fromarray(pixels).save(tmp_path / name)
        return look(Picture.at(tmp_path / name))

    facts = saved(NOISE, "a.png")
    assert facts.header == Header((9, 11), 3, "RGB") and not facts.plain and facts.problem is None
    assert (facts.low, facts.high) == (NOISE.min(), NOISE.max())
    dim = (NOISE[..., 0].astype(np.uint16) * 16).clip(20)  # 12 bits, as many cameras and scanners store them
    facts = saved(dim, "a.tif")
    assert facts.header.deep and (facts.low, facts.high) == (20, dim.max()) and dim.max() > 4000
    assert saved(np.full((8, 8), 0.25, np.float32), "b.tif").high == 0.25
    colour = np.zeros((8, 9, 3), np.uint8) + np.array([1, 2, 3], np.uint8)
    assert saved(colour, "c.png").plain
    colour[5, 5, 1] += 1
    assert not saved(colour, "c.png").plain


def test_equal_pixels_have_equal_hashes_whatever_the_file(tmp_path: Path):
    hashes = []
    for name, pixels in (
        *(("a.png", NOISE), ("b.bmp", NOISE), ("c.tif", NOISE)),
        *(("d.png", NOISE[:, ::-1]), ("e.png", np.ascontiguousarray(NOISE.reshape(11, 9, 3)))),
    ):
        Image.fromarray(pixels).save(tmp_path / name)
        hashes.append(look(Picture.at(tmp_path / name)).sha256)
    assert len(set(hashes[:3])) == 1 and len(set(hashes)) == 3


def test_the_hashes_are_those_of_the_labeled_images(tmp_path: Path):
    for channels in (1, 3):
        root = write_folder(tmp_path / str(channels), pictures(9, channels=channels))
        data = load(root)
        assert {name: fact.sha256 for name, fact in facts_of(root).items()} == dict(
            zip(data.names, data.hashes, strict=True)
        )


def test_what_cannot_be_used_is_told_in_its_place_and_nothing_is_raised(tmp_path: Path):
    root = write_folder(tmp_path, pictures(9))
    (root / "bee" / "004.png").write_bytes(b"")
    cut = root / "cat" / "005.png"
    cut.write_bytes(cut.read_bytes()[:-30])
    facts = facts_of(root)
    assert [name for name, fact in facts.items() if fact.problem] == ["bee/004.png", "cat/005.png"]
    assert facts["bee/004.png"] == Facts(problem=facts["bee/004.png"].problem)
    assert str(facts["bee/004.png"].problem).startswith("must be an image in one of PNG")
    assert facts["cat/005.png"].problem == "must decode to the end, got image file is truncated"
    assert all(str(tmp_path) not in str(fact.problem) for fact in facts.values())


def test_the_facts_are_plain_data(tmp_path: Path):
    facts = asdict(next(iter(facts_of(write_folder(tmp_path, pictures(3))).values())))
    kinds = {type(value) for value in [*facts.pop("header").values(), *facts.values()]}
    assert kinds <= {str, int, float, bool, tuple, type(None)}


def test_one_thread_and_many_see_the_same(tmp_path: Path):
    listing = list_folder(write_folder(tmp_path, pictures(150)))
    many = scan(listing)
    for file in remembered():
        file.unlink()
    with joblib.parallel_config(n_jobs=1):
        assert scan(listing) == many


def test_a_picture_is_let_go_when_it_was_seen(tmp_path: Path):
    for i in range(24):
        Image.new("RGB", (1000, 1000), (i, 0, 0)).save(tmp_path / f"{i}.png", compress_level=1)
    paths = [tmp_path / f"{i}.png" for i in range(24)]
    listing = Listing("set", ("a",), [Picture.at(p) for p in paths], [p.name for p in paths], [0] * 24)
    tracemalloc.start()
    with joblib.parallel_config(n_jobs=2):
        scan(listing)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * 5 * 3_000_000  # two at a time, and a few copies of each; all of them are 72 MB


# what is remembered


def test_unchanged_files_are_not_opened_again(tmp_path: Path):
    root = write_folder(tmp_path, pictures(9))
    before = facts_of(root)
    (file,) = remembered()
    os.utime(file, ns=(0, 0))
    path = root / "ant" / "003.png"
    swap(path, bytes(path.stat().st_size))
    assert facts_of(root) == before
    assert file.stat().st_mtime_ns == 0  # nor is anything written
    os.utime(path)
    assert facts_of(root)["ant/003.png"].problem


def test_changed_and_new_files_are_seen_and_vanished_ones_forgotten(tmp_path: Path):
    root = write_folder(tmp_path, pictures(9))
    before = facts_of(root)
    Image.new("L", (30, 20)).save(root / "ant" / "003.png")
    Image.new("L", (8, 8)).save(root / "ant" / "new.png")
    (root / "bee" / "004.png").unlink()
    after = facts_of(root)
    assert after.pop("ant/003.png").header.size == (20, 30) and after.pop("ant/new.png").plain
    assert after.items() <= before.items() and len(after) == 7
    text = remembered()[0].read_text()
    assert "new.png" in text and "004.png" not in text


def test_a_bad_file_is_looked_at_each_time(tmp_path: Path):
    root = write_folder(tmp_path, pictures(9))
    path = root / "ant" / "003.png"
    good = path.read_bytes()
    swap(path, bytes(len(good)))
    assert facts_of(root)["ant/003.png"].problem
    swap(path, good)
    assert facts_of(root)["ant/003.png"].problem is None


def test_sets_do_not_share_what_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("one", "two"):
        write_folder(tmp_path / name / "set", pictures(3, seed=len(remembered())))
        monkeypatch.chdir(tmp_path / name)
        facts_of(Path("set"))  # the same words from another place
    assert len(remembered()) == 2


def test_another_decoder_looks_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root = write_folder(tmp_path, pictures(3))
    facts_of(root)
    path = root / "ant" / "000.png"
    swap(path, bytes(path.stat().st_size))
    monkeypatch.setattr("ganaug.data.scan.FORM", "scan 1, Pillow 99")
    assert facts_of(root)["ant/000.png"].problem


@pytest.mark.parametrize("seed", range(20))
def test_damage_to_what_is_remembered_is_noticed_and_mended(seed: int, tmp_path: Path):
    root = write_folder(tmp_path, pictures(3))
    before = facts_of(root)
    (file,) = remembered()
    whole = file.read_bytes()
    rng = random.Random(seed)
    damaged = bytearray(whole)
    damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    for content in (bytes(damaged), whole[: rng.randrange(len(whole))]):
        file.write_bytes(content)
        assert facts_of(root) == before
        assert file.read_bytes() == whole


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"a": 1}', b'{"a": {"size": "x"}}', b"[" * 100_000, b"\xff"])
def test_what_is_remembered_in_another_form_is_ignored(body: bytes, tmp_path: Path):
    from ganaug.data.scan import _head

    root = write_folder(tmp_path, pictures(3))
    before = facts_of(root)
    remembered()[0].write_bytes(_head(body) + b"\n" + body)
    assert facts_of(root) == before


@pytest.mark.parametrize("obstacle", ["no cache folder", "a folder in place of the file", "a pipe in its place"])
def test_a_cache_that_cannot_be_used_is_no_error(obstacle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root = write_folder(tmp_path / "set", pictures(3))
    before = facts_of(root)
    (file,) = remembered()
    if obstacle == "no cache folder":
        monkeypatch.setenv("GANAUG_CACHE", str(root / "ant" / "000.png" / "below"))
    else:
        file.unlink()
        (file.mkdir if "folder" in obstacle else lambda: os.mkfifo(file))()
    assert facts_of(root) == before and len(load(root)) == 3


def test_only_files_are_remembered(tmp_path: Path):
    path = write_folder(tmp_path, pictures(3)) / "ant" / "000.png"
    contents = [path.read_bytes(), Image.open(path)]
    listing = Listing("rows", ("a",), [Picture("row", content) for content in contents], ["0", "1"], [0, 0])
    assert scan(listing)[0] == scan(listing)[1] == look(Picture.at(path))
    assert remembered() == []


def test_a_subset_fetches_only_what_it_has():
    class Lazy(Sequence):
        asked: list[int] = []  # noqa: RUF012

        def __len__(self) -> int:
            return 4

        def __getitem__(self, i: Any) -> Any:
            self.asked.append(i)
            return Picture(f"row {i}", b"")

    listing = Listing("rows", ("a", "b"), Lazy(), ["p", "q", "r", "s"], [0, 1, 0, 1], groups=("g", "g", "h", "h"))
    chosen = listing.subset([3, 0])
    assert (chosen.names, chosen.labels, chosen.groups) == (["s", "p"], [1, 0], ("h", "g"))
    assert Lazy.asked == [] and [picture.name for picture in chosen.pictures] == ["row 3", "row 0"]
    assert Lazy.asked == [3, 0]
