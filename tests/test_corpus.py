import json
import os
import random
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
from PIL import Image
from standin import label_of, synthesizer
from torchvision.datasets import ImageFolder

from ganaug.corpus import balance_counts, check_corpus, directory_names, spread, write_corpus
from ganaug.corpus.card import SIZES
from ganaug.data import load
from ganaug.errors import CorpusError, DataError, DiskFullError, GanaugError, OutputError

FASHION = ("T-shirt/top", "Trouser", "Dress", "Coat")
VEHICLES = ("car", "test", "train", "tram")  # two of them are names of splits


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_corpus(synthesizer(), tmp_path / "corpus", [4, 3, 5], seed=2)


# ---- what is written


def test_a_corpus_holds_its_images_manifest_facts_and_card_and_nothing_else(corpus: Path):
    names = {path.relative_to(corpus).as_posix() for path in corpus.rglob("*") if path.is_file()}
    images = {f"{d}/{i:06d}.png" for d, n in (("ant", 4), ("bee", 3), ("cat", 5)) for i in range(n)}
    assert names == images | {"README.md", "corpus.json", "manifest.jsonl"}
    assert [path.name for path in corpus.parent.iterdir()] == ["corpus"]
    facts = json.loads((corpus / "corpus.json").read_text())
    assert facts["schema"] == 1 and facts["counts"] == [4, 3, 5] and facts["seed"] == 2
    assert facts["classes"] == facts["directories"] == ["ant", "bee", "cat"]
    assert facts["class_to_idx"] == {"ant": 0, "bee": 1, "cat": 2}
    assert facts["model"] == synthesizer().hash and facts["real_data"] == "f" * 64 and facts["copies"] == "not checked"


def test_every_image_is_the_one_its_manifest_line_describes(corpus: Path):
    synth, data = synthesizer(), load(corpus)
    lines = [json.loads(line) for line in (corpus / "manifest.jsonl").read_text().splitlines()]
    assert [(line["label"], line["index"]) for line in lines] == sorted(
        (y, i) for y in range(3) for i in range([4, 3, 5][y])
    )
    for line, image, name, hash_ in zip(lines, data.images, data.names, data.hashes, strict=True):
        again = synth.sample([line["label"]], line["seed"], [line["index"]])[0][0]
        assert (again == image).all() and line["file"] == name and line["pixel_sha256"] == hash_
        assert line["label_name"] == name.split("/")[0] and line["model_sha256"] == synth.hash


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 16, 24), (4, 16, 16)])
def test_gray_colour_and_alpha_survive_the_way_through_png(tmp_path: Path, shape: tuple[int, int, int]):
    synth = synthesizer(shape=shape)
    corpus = write_corpus(synth, tmp_path / "corpus", [2, 2, 2])
    data = load(corpus, channels=shape[0])
    assert data.shape == shape and (data.images[3] == synth.sample([1], indices=[1])[0][0]).all()
    assert check_corpus(corpus) == []


def test_every_image_says_that_a_trained_model_made_it(corpus: Path):
    for path in corpus.glob("*/*.png"):
        with Image.open(path) as image:
            packet = ElementTree.fromstring(image.info["XML:com.adobe.xmp"].strip())
        said = packet[0][0].attrib["{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"]
        assert said == "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def test_the_card_has_the_front_matter_and_escapes_class_names(tmp_path: Path):
    classes = ("<script>alert(1)</script>", "a|b", "c\nd")
    card = (write_corpus(synthesizer(classes), tmp_path / "corpus", [1, 1, 1]) / "README.md").read_text()
    front, body = card.split("---\n")[1:3]
    assert "- n<1K\n" in front and "- synthetic\n- ganaug\n" in front and "- image-classification\n" in front
    assert "<script>" not in body and "| 1 | a&#124;b | 1_a_b | 1 |\n" in body and "| 2 | c d | 2_c_d | 1 |" in body
    assert next(name for bound, name in SIZES if bound > 1000) == "1K<n<10K"


def test_a_rerun_gives_equal_bytes_and_other_seeds_other_pixels(tmp_path: Path):
    one, two, other = (
        content(write_corpus(synthesizer(), tmp_path / name, [300, 2, 3], seed))
        for name, seed in (("one", 0), ("two", 0), ("other", 1))
    )
    assert one == two
    assert not any(one[name] == other[name] for name in one if name.endswith(".png"))


def test_progress_counts_to_the_total(tmp_path: Path):
    seen: list[tuple[int, int]] = []
    write_corpus(
        synthesizer(), tmp_path / "corpus", [200, 100, 1], progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(256, 301), (301, 301)]


# ---- class order


@pytest.mark.parametrize(
    ("classes", "directories"),
    [
        (("ant", "bee", "cat"), ["ant", "bee", "cat"]),
        (("cat", "ant", "bee"), ["0_cat", "1_ant", "2_bee"]),
        (FASHION, ["0_T_shirt_top", "1_Trouser", "2_Dress", "3_Coat"]),
        (VEHICLES, ["0_car", "1_testclass", "2_trainclass", "3_tram"]),
        (("..", "CON", "x."), ["0_class", "1_CON", "2_x"]),
        (("A", "a"), ["0_A", "1_a"]),
        (tuple("0123456789"), list("0123456789")),
        (("übung", "日本"), ["übung", "日本"]),
    ],
)
def test_directory_names(classes: tuple[str, ...], directories: list[str]):
    assert directory_names(classes) == directories


def test_two_thousand_random_lists_of_names_give_safe_unique_sorted_directories():
    rng = random.Random(0)
    alphabet = 'aAbZé日 ._-/\\:*?"<>|\x00\x80\n0129\u0301ﬁSsß[]~'
    for _ in range(2000):
        classes = list({"".join(rng.choices(alphabet, k=rng.randint(1, 6))) for _ in range(rng.randint(2, 12))})
        names = directory_names(classes)
        assert names == sorted(names) and len({name.casefold() for name in names}) == len(classes)
        for name in names:
            assert not set(name) & set('/\\:*?"<>|\x00\n') and name == name.strip(" .") and 0 < len(name.encode()) < 255


@pytest.mark.parametrize("classes", [("ant", "bee", "cat", "dog"), ("dog", "ant", "bee", "cat"), FASHION, VEHICLES])
def test_image_folder_and_our_own_loader_number_the_classes_as_the_model_does(tmp_path: Path, classes: tuple[str, ...]):
    corpus = write_corpus(synthesizer(classes), tmp_path / "corpus", [2, 1, 3, 2])
    folder, data = ImageFolder(str(corpus)), load(corpus)
    assert folder.classes == directory_names(classes) and data.classes == classes
    assert folder.targets == data.targets == [0, 0, 1, 2, 2, 2, 3, 3]
    assert [label_of(image) for image, _ in folder] == folder.targets
    assert check_corpus(corpus) == []


def test_twelve_classes_stay_in_order(tmp_path: Path):
    classes = tuple(map(str, range(12)))
    folder = ImageFolder(str(write_corpus(synthesizer(classes, (1, 8, 8)), tmp_path / "corpus", [1] * 12)))
    assert folder.targets == list(range(12)) and folder.classes[10:] == ["10_10", "11_11"]


@pytest.mark.parametrize("classes", [("ant", "bee", "cat", "dog"), FASHION, VEHICLES])
def test_hugging_face_reads_the_same_labels(tmp_path: Path, classes: tuple[str, ...]):
    from datasets import load_dataset

    corpus = write_corpus(synthesizer(classes), tmp_path / "corpus", [2, 1, 3, 2])
    cache = str(tmp_path / "cache")
    as_images: Any = load_dataset("imagefolder", data_dir=str(corpus), cache_dir=cache)
    as_repository: Any = load_dataset(str(corpus), cache_dir=cache)
    for splits in (as_images, as_repository):
        assert list(splits) == ["train"] and splits["train"].features["label"].names == directory_names(classes)
        assert list(splits["train"]["label"]) == [0, 0, 1, 2, 2, 2, 3, 3]


# ---- counts


def test_spread_and_balance():
    assert spread(11, 4) == [3, 3, 3, 2] and sum(spread(1000, 7)) == 1000
    assert balance_counts([300, 15, 120]) == [1, 285, 180]
    with pytest.raises(DataError, match="got 3"):
        spread(3, 4)


@pytest.mark.parametrize(
    ("counts", "word"), [([1, 0, 2], "'bee'"), ([1, 2], "one number per class"), ([1, 1, -1], "'cat'")]
)
def test_counts_that_leave_a_class_empty_or_do_not_fit_are_refused(tmp_path: Path, counts: list[int], word: str):
    with pytest.raises(DataError, match=word):
        write_corpus(synthesizer(), tmp_path / "corpus", counts)
    assert list(tmp_path.iterdir()) == []


# ---- targets, interruptions, resuming


def test_a_target_that_holds_something_is_refused_untouched_and_an_empty_one_is_taken(tmp_path: Path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty").mkdir()
    for name in ("full", "file"):
        with pytest.raises(OutputError, match=name):
            write_corpus(synthesizer(), tmp_path / name, [1, 1, 1])
    with pytest.raises(CorpusError, match=r"corpus\.json"):
        write_corpus(synthesizer(), tmp_path / "full", [1, 1, 1], resume=True)
    assert content(tmp_path) == {"full/mine.txt": b"mine", "file": b"mine"}
    assert check_corpus(write_corpus(synthesizer(), tmp_path / "empty", [1, 1, 1])) == []


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("stopped"), RuntimeError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (OSError(28, "No space left on device"), DiskFullError),
    ],
)
def test_an_exception_in_the_middle_leaves_nothing(tmp_path: Path, error: BaseException, expected: type[BaseException]):
    synth = synthesizer()
    synth.fail_after, synth.error = 300, error
    with pytest.raises(expected):
        write_corpus(synth, tmp_path / "corpus", [200, 200, 200])
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_while_an_image_is_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_bytes = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        if self.name == "000003.png":
            raise OSError(28, "No space left on device")
        return write_bytes(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DiskFullError, match="corpus"):
        write_corpus(synthesizer(), tmp_path / "corpus", [5, 5, 5])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
def test_a_real_limit_of_the_system_ends_in_exit_code_75_and_nothing_stays(tmp_path: Path):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))  # an image is smaller, the manifest is not
    try:
        with pytest.raises(DiskFullError, match="corpus: the disk must have room, got 'File too large'") as caught:
            write_corpus(synthesizer(), tmp_path / "corpus", [20, 20, 20])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.exit_code == 75 and list(tmp_path.iterdir()) == []


def test_what_the_disk_cannot_hold_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=600_000))
    synth = synthesizer(shape=(3, 64, 64))
    with pytest.raises(DiskFullError, match=r"must have room for 714,400 bytes, got 600,000"):
        write_corpus(synth, tmp_path / "corpus", [40, 30, 30])
    assert synth.rendered == 0 and list(tmp_path.iterdir()) == []
    write_corpus(synth, tmp_path / "corpus", [20, 30, 30])


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(GanaugError, match="can be written"):
        write_corpus(synthesizer(), tmp_path / "file" / "corpus", [1, 1, 1])


def test_resuming_starts_verifies_and_changes_nothing(tmp_path: Path):
    out = tmp_path / "corpus"
    write_corpus(synthesizer(), out, [3, 3, 3], resume=True)
    before, times = content(out), {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    synth = synthesizer()
    assert write_corpus(synth, out, [3, 3, 3], resume=True) == out and synth.rendered == 0
    assert content(out) == before and {path: path.stat().st_mtime_ns for path in out.rglob("*")} == times
    for counts, seed in (([3, 3, 4], 0), ([3, 3, 3], 1)):
        with pytest.raises(OutputError, match="another"):
            write_corpus(synth, out, counts, seed, resume=True)
    with pytest.raises(OutputError, match="another model"):
        write_corpus(synthesizer(shape=(3, 16, 32)), out, [3, 3, 3], resume=True)
    (out / "ant" / "000000.png").unlink()
    with pytest.raises(CorpusError, match=r"ant/000000\.png"):
        write_corpus(synth, out, [3, 3, 3], resume=True)


def test_a_corpus_can_be_moved_and_checked_from_elsewhere(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    corpus.rename(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    assert check_corpus("elsewhere") == []
    assert write_corpus(synthesizer(), "relative", [1, 1, 1]) == Path("relative") and os.path.isdir("relative")
