"""Translations of a set: names and labels kept, whole or not at all, and every later change found."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image

from ganaug.cli.commands import deviations
from ganaug.corpus import check_corpus, write_translations
from ganaug.corpus.translation_card import SETTINGS
from ganaug.data import LabeledImages, UnlabeledImages, load, load_domain, without_labels
from ganaug.errors import CorpusError, DataError, GanaugError, OutputError
from ganaug.images import Picture, encode_png, read_image
from ganaug.synthesis.translator import Architecture, Translator

SIZES = ((16, 16), (37, 53), (16, 24), (37, 53), (8, 40))


def translator(
    channels: tuple[int, int] = (3, 3), directions: tuple[Any, ...] = ("AB",), noise_dim: int = 4, seed: int = 0
) -> Translator:
    architecture = Architecture(
        name="resnet", width=4, noise_dim=noise_dim, downs=1, blocks=1, channels=channels, sides=(16, 16),
        directions=directions,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        G = architecture.build()
    return Translator(G, architecture, {"splits": {"train": "a" * 64, "b_train": "b" * 64}})


def save(path: Path, size: tuple[int, int] = (16, 16), mode: str = "RGB", seed: int = 0, **about: Any) -> None:
    channels = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
    pixels = np.random.default_rng([*path.name.encode(), seed]).integers(0, 256, (*size, *channels), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **about)


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Two classes of five pictures in sizes of their own, PNG and JPEG."""
    for k, name in enumerate(("ant", "bee")):
        for i, size in enumerate(SIZES):
            save(tmp_path / "in" / name / f"IMG_{k}{i}{'.jpeg' if i % 2 else '.png'}", size)
    return tmp_path / "in"


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """Five pictures in a folder and below it."""
    for i, size in enumerate(SIZES):
        save(tmp_path / "in" / ("" if i < 2 else "more/deep") / f"{i}.v2.png", size)
    return tmp_path / "in"


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]


def facts(out: Path) -> dict[str, Any]:
    return json.loads((out / "corpus.json").read_text())


# What is written


def test_class_folders_and_names_are_kept_and_sizes_too(labelled: Path, tmp_path: Path):
    out = write_translations(translator(), labelled, tmp_path / "out")
    images = {f"{name}/IMG_{k}{i}.png": SIZES[i] for k, name in enumerate(("ant", "bee")) for i in range(5)}
    assert set(content(out)) == {*images, "README.md", "corpus.json", "manifest.jsonl"}
    for file, (height, width) in images.items():
        with Image.open(out / file) as image:
            assert image.size == (width, height) and image.mode == "RGB"
    assert check_corpus(out) == deviations(out) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


def test_every_line_names_the_source_and_the_label_of_its_image(labelled: Path, tmp_path: Path):
    model = translator()
    out = write_translations(model, labelled, tmp_path / "out", seed=3)
    whole = facts(out)
    assert (whole["model"], whole["direction"], whole["seed"]) == (model.hash, "AB", 3)
    assert whole["classes"] == whole["directories"] == ["ant", "bee"] and whole["counts"] == [5, 5]
    assert (whole["real_data"], whole["real_data_b"]) == ("a" * 64, "b" * 64) and whole["shape"] == [3, None, None]
    for i, line in enumerate(lines(out)):
        assert line["index"] == i and line["label_name"] == line["file"].split("/")[0] == ["ant", "bee"][line["label"]]
        assert line["source"].rpartition(".")[0] == line["file"].removesuffix(".png")
        source = torch.from_numpy(read_image(Picture.at(labelled / line["source"]), 3))
        made = torch.from_numpy(read_image(Picture.at(out / line["file"]), 3))
        assert torch.equal(model.translate(source[None], seed=3, indices=[i])[0], made)
        single = UnlabeledImages(source[None], ("one",))
        assert line["source_pixel_sha256"] == single.hashes[0]


def test_translations_are_a_labelled_set_like_any_corpus(digits: LabeledImages, tmp_path: Path):
    few = digits.subset(range(60))
    out = write_translations(translator((1, 3)), few, tmp_path / "out")
    made = load(out)
    assert made.shape == (3, 8, 8) and made.classes == few.classes
    labels = dict(zip(few.names, few.targets, strict=True))
    assert {Path(name).stem: y for name, y in zip(made.names, made.targets, strict=True)} == labels
    assert facts(out)["shape"] == [3, 8, 8] and isinstance(load_domain(out), LabeledImages)


def test_images_of_a_plain_folder_keep_their_places(plain: Path, tmp_path: Path):
    out = write_translations(translator(), plain, tmp_path / "out")
    images = {"0.v2.png", "1.v2.png", "more/deep/2.v2.png", "more/deep/3.v2.png", "more/deep/4.v2.png"}
    assert set(content(out)) == {*images, "README.md", "corpus.json", "manifest.jsonl"}
    assert check_corpus(out) == [] and "label" not in lines(out)[0] and facts(out)["counts"] == [5]
    assert {line["source"] for line in lines(out)} == images


def test_a_plain_corpus_is_read_as_a_plain_domain_whatever_its_folders(tmp_path: Path):
    for name in ("2023", "2024"):
        save(tmp_path / "loose" / "all" / name / "x.png")
    out = write_translations(translator(), tmp_path / "loose", tmp_path / "out")
    shutil.move(out / "all" / "2023", out / "2023")  # two folders, which would be classes elsewhere
    assert isinstance(load_domain(out), UnlabeledImages)


def test_equal_arguments_give_equal_bytes_and_another_seed_others(labelled: Path, tmp_path: Path):
    first, again, other = (
        content(write_translations(translator(), labelled, tmp_path / name, seed=seed))
        for name, seed in (("first", 1), ("again", 1), ("other", 2))
    )
    assert first == again
    assert all(first[file] != other[file] for file in first if file.endswith(".png"))


def test_gray_becomes_colour_and_back(digits: LabeledImages, tmp_path: Path):
    both = translator((1, 3), ("AB", "BA"))
    there = write_translations(both, without_labels(digits.subset(range(20))), tmp_path / "there")
    back = write_translations(both, there, tmp_path / "back", direction="BA")
    assert load_domain(there).shape == (3, 8, 8) and load_domain(back).shape == (1, 8, 8)
    assert check_corpus(there) == check_corpus(back) == []
    assert "into the look of domain A" in (back / "README.md").read_text()


def test_transparent_images_are_put_on_white(tmp_path: Path):
    save(tmp_path / "in" / "a.png", mode="RGBA")
    save(tmp_path / "in" / "b.png")
    out = write_translations(translator(), tmp_path / "in", tmp_path / "out")
    shown = torch.from_numpy(read_image(Picture.at(tmp_path / "in" / "a.png"), 3))
    made = read_image(Picture.at(out / "a.png"), 3)
    assert (translator().translate(shown[None])[0].numpy() == made).all()


def test_turned_images_are_translated_as_they_are_shown(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "in" / "a.jpg", (16, 40), exif=exif)
    out = write_translations(translator(), tmp_path / "in", tmp_path / "out")
    with Image.open(out / "a.png") as image:
        assert image.size == (16, 40)


def test_a_thin_image_of_5000_px_is_translated_in_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ganaug.synthesis.translator.MEMORY", 2**20)
    save(tmp_path / "in" / "long.png", (40, 5000), "L")
    out = write_translations(translator((1, 1)), tmp_path / "in", tmp_path / "out")
    with Image.open(out / "long.png") as image:
        assert image.size == (5000, 40)
    assert check_corpus(out) == []


def test_each_png_says_that_a_model_changed_an_image(labelled: Path, tmp_path: Path):
    out = write_translations(translator(), labelled, tmp_path / "out")
    with Image.open(out / "bee" / "IMG_13.png") as image:
        packet = ElementTree.fromstring(image.info["XML:com.adobe.xmp"].strip())
    said = packet[0][0].attrib["{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"]
    assert said == "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"


@pytest.mark.parametrize(("labels", "task"), [(True, "image-classification"), (False, "image-to-image")])
def test_hugging_face_loads_what_was_written(digits: LabeledImages, tmp_path: Path, labels: bool, task: str):
    from datasets import load_dataset

    few = digits.subset(range(100))
    out = write_translations(translator((1, 1)), few if labels else without_labels(few), tmp_path / "out")
    assert f"- {task}\n" in (out / "README.md").read_text()
    table: Any = load_dataset(str(out), split="train", cache_dir=str(tmp_path / "cache"))
    assert len(table) == 100
    if labels:
        assert table.features["label"].names == list(few.classes)


def test_progress_counts_to_the_end(labelled: Path, tmp_path: Path):
    told: list[tuple[int, int]] = []
    write_translations(translator(), labelled, tmp_path / "out", progress=lambda *pair: told.append(pair))
    assert told[-1] == (10, 10) and told == sorted(told) and len(told) == 4  # sizes


# What is found later


def flip(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[-40] ^= 1
    path.write_bytes(whole)


def edit(out: Path, number: int, **changes: Any) -> None:
    rows = lines(out)
    rows[number - 1] |= changes
    (out / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def paint(path: Path) -> None:
    with Image.open(path) as image:
        path.write_bytes(encode_png(255 - np.array(image).transpose(2, 0, 1)))


LABELLED: dict[str, tuple[Callable[[Path], Any], list[str]]] = {
    "flipped byte": (lambda c: flip(c / "ant/IMG_00.png"), ["ant/IMG_00.png: "]),
    "other pixels": (lambda c: paint(c / "ant/IMG_01.png"), ["ant/IMG_01.png: must show the pixels"]),
    "renamed file": (
        lambda c: (c / "ant/IMG_00.png").rename(c / "ant/IMG_99.png"),
        ["ant/IMG_00.png: must be there", "ant/IMG_99.png: must not be there"],
    ),
    "added file": (
        lambda c: shutil.copy(c / "ant/IMG_00.png", c / "ant/x.png"),
        ["ant/x.png: must not be there", "class 'ant': must have 5 images, got 6 files"],
    ),
    "moved to another class": (
        lambda c: (c / "ant/IMG_00.png").rename(c / "bee/IMG_00.png"),
        ["ant/IMG_00.png: must be there", "bee/IMG_00.png: must not be there"],
    ),
    "removed file": (lambda c: (c / "bee/IMG_13.png").unlink(), ["bee/IMG_13.png: must be there"]),
    "renamed class": (lambda c: (c / "bee").rename(c / "bug"), ["bee/: must be there", "bug: must not be there"]),
    "label edited": (lambda c: edit(c, 1, label=1), ["line 1: label must be 0 as corpus.json implies, got 1"]),
    "source edited": (lambda c: edit(c, 1, source="x"), ["manifest.jsonl: must have the sha256"]),
    "file edited": (
        lambda c: edit(c, 1, file="ant/y.png"),
        ["manifest.jsonl: must have the sha256", "ant/y.png: must be there", "ant/IMG_00.png: must not be there"],
    ),
    "file that leads outside": (
        lambda c: edit(c, 2, file="ant/../../in/ant/IMG_01.png"),
        ["line 2: must name an image of this corpus", "a line for each of 5 images of class 'ant', got 4"],
    ),
    "line twice": (lambda c: edit(c, 2, file="ant/IMG_00.png"), ["line 2: must name an image", "a second line of"]),
    "lines lost": (
        lambda c: (c / "manifest.jsonl").write_text(json.dumps(lines(c)[0]) + "\n"),
        ["a line for each of 5 images of class 'ant', got 1", "a line for each of 5 images of class 'bee', got 0"],
    ),
    "direction edited": (
        lambda c: (c / "corpus.json").write_text((c / "corpus.json").read_text().replace('"AB"', '"BA"')),
        ["corpus.json: altered"],
    ),
    "card edited": (lambda c: flip(c / "README.md"), ["README.md: altered"]),
}
PLAIN: dict[str, tuple[Callable[[Path], Any], list[str]]] = {
    "flipped byte": (lambda c: flip(c / "more/deep/2.v2.png"), ["more/deep/2.v2.png: "]),
    "renamed file": (
        lambda c: (c / "0.v2.png").rename(c / "0.png"),
        ["0.v2.png: must be there", "0.png: must not be there"],
    ),
    "added file": (lambda c: (c / "more/x.txt").write_text("x"), ["more/x.txt: must not be there"]),
    "added folder": (lambda c: (c / "more/dog").mkdir(), ["more/dog: must not be there, got a folder"]),
    "moved folder": (
        lambda c: (c / "more/deep").rename(c / "deep"),
        ["more/deep/: must be there", "more/deep/2.v2.png: must be there", "deep: must not be there"],
    ),
    "file that leads outside": (lambda c: edit(c, 1, file="/etc/x.png"), ["line 1: must name an image", "5 images"]),
    "label added": (lambda c: edit(c, 1, label=0), ["line 1: label must be None as corpus.json implies, got 0"]),
}


def named(out: Path, plant: Callable[[Path], Any], expected: list[str]) -> None:
    assert check_corpus(out) == []
    plant(out)
    found = check_corpus(out)
    assert found and all(any(words in sentence for sentence in found) for words in expected), found
    assert len(found) <= 12


@pytest.mark.parametrize("damage", LABELLED)
def test_damage_to_labelled_translations_is_named(labelled: Path, tmp_path: Path, damage: str):
    named(write_translations(translator(), labelled, tmp_path / "out"), *LABELLED[damage])


@pytest.mark.parametrize("damage", PLAIN)
def test_damage_to_plain_translations_is_named(plain: Path, tmp_path: Path, damage: str):
    named(write_translations(translator(), plain, tmp_path / "out"), *PLAIN[damage])


def test_every_field_of_corpus_json_is_guarded_against_edits_and_removal(plain: Path, tmp_path: Path):
    out = write_translations(translator(), plain, tmp_path / "out")
    whole = facts(out)
    for key in whole:
        for changed in ({**whole, key: "x"}, {name: value for name, value in whole.items() if name != key}):
            (out / "corpus.json").write_text(json.dumps(changed, indent=1) + "\n")
            assert check_corpus(out)[0].startswith("corpus.json: "), key


# Again


def test_without_resume_what_holds_something_is_refused_untouched(labelled: Path, tmp_path: Path):
    out = write_translations(translator(), labelled, tmp_path / "out")
    before = content(out)
    with pytest.raises(OutputError, match="must be a new or empty folder"):
        write_translations(translator(), labelled, out)
    assert content(out) == before


def test_resume_verifies_what_is_complete_and_changes_nothing(labelled: Path, tmp_path: Path):
    assert write_translations(translator(), labelled, tmp_path / "out", resume=True) == tmp_path / "out"
    out, before = tmp_path / "out", content(tmp_path / "out")
    assert write_translations(translator(), labelled, out, resume=True) == out and content(out) == before
    flip(out / "ant/IMG_00.png")
    with pytest.raises(CorpusError, match=r"must be whole, got ant/IMG_00.png"):
        write_translations(translator(), labelled, out, resume=True)


def test_resume_refuses_translations_of_something_else(labelled: Path, tmp_path: Path):
    both = translator(directions=("AB", "BA"))
    out = write_translations(both, labelled, tmp_path / "out")
    save(tmp_path / "more" / "x.png", seed=1)
    others: dict[str, Callable[[], Path]] = {
        "seed": lambda: write_translations(both, labelled, out, seed=1, resume=True),
        "direction": lambda: write_translations(both, labelled, out, direction="BA", resume=True),
        "model": lambda: write_translations(translator(seed=1), labelled, out, resume=True),
        "classes": lambda: write_translations(both, tmp_path / "more", out, resume=True),
    }
    save(labelled / "ant" / "IMG_00.png", seed=9)
    others["source_data"] = lambda: write_translations(both, labelled, out, resume=True)
    (labelled / "bee" / "IMG_10.png").unlink()
    for key, call in others.items():
        with pytest.raises(OutputError, match="must be the one asked for, got another"):
            call()
        assert key in SETTINGS
    assert check_corpus(out) == []


# What is refused leaves nothing


def refused(out: Path, words: str, model: Translator, source: Any, direction: str = "AB") -> None:
    there = sorted(path.name for path in out.parent.iterdir())
    with pytest.raises(DataError, match=words):
        write_translations(model, source, out, direction=direction)
    assert sorted(path.name for path in out.parent.iterdir()) == there


def test_other_channels_are_refused_by_file(labelled: Path, tmp_path: Path):
    words = r"ant/IMG_00.png: images of A must have 1 channel, as the translator learned them, got 3 in 10 of 10"
    refused(tmp_path / "out", words, translator((1, 3)), labelled)
    for i in range(3):
        save(tmp_path / "gray" / f"{i}.png", mode="L")
    words = r"gray/0.png: images of B must have 3 channels, as the translator learned them, got 1 in 3 of 3; convert"
    refused(tmp_path / "out", words, translator((1, 3), ("AB", "BA")), tmp_path / "gray", direction="BA")


def test_a_few_gray_files_among_coloured_ones_are_converted_as_for_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    for i in range(4):
        save(tmp_path / "in" / f"{i}.png", mode="L" if i == 2 else "RGB")
    with caplog.at_level("INFO", "ganaug"):
        write_translations(translator(), tmp_path / "in", tmp_path / "out")
    assert "1 of 4 images are converted to 3 channel(s)" in caplog.text and "resized" not in caplog.text


def test_names_that_would_become_one_are_refused(labelled: Path, tmp_path: Path):
    save(labelled / "ant" / "img_00.bmp")
    refused(
        tmp_path / "out",
        r"differ in more than endings and capitals, got ant/IMG_00.png and ant/img_00.bmp, which would become",
        translator(),
        labelled,
    )
    save(tmp_path / "loose" / "x.png" / "y.png")
    save(tmp_path / "loose" / "x.jpg")
    refused(tmp_path / "out", "got x.jpg and x.png/y.png", translator(), tmp_path / "loose")


def test_a_bad_file_is_refused_without_advice_that_this_command_cannot_take(plain: Path, tmp_path: Path):
    (plain / "0.v2.png").write_bytes(b"no image")
    refused(tmp_path / "out", r"0.v2.png: must be an image .*; remove or replace the file$", translator(), plain)


def test_a_way_that_was_not_learned_is_refused(plain: Path, tmp_path: Path):
    refused(tmp_path / "out", "direction must be AB, got 'BA'", translator(), plain, direction="BA")


def test_a_class_without_images_is_refused(digits: LabeledImages, tmp_path: Path):
    odd = digits.subset((digits.labels != 7).nonzero().squeeze(1))
    refused(tmp_path / "out", "every class must have an image, got none for '7'", translator((1, 1)), odd)


@pytest.mark.parametrize("error", [RuntimeError("stopped"), KeyboardInterrupt()])
def test_what_stops_in_the_middle_leaves_nothing(
    labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
):
    def stop(done: int, total: int) -> None:
        raise error

    with pytest.raises(type(error)):
        write_translations(translator(), labelled, tmp_path / "out", progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_place_that_cannot_be_written_is_named(plain: Path, tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(GanaugError, match="must lie where files can be written"):
        write_translations(translator(), plain, tmp_path / "file" / "out")
