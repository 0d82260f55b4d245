"""Sets in the forms of Hugging Face datasets, written by that library itself and read without a network."""

import logging
import os
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value
from datasets import Image as ImageColumn
from PIL import Image

from ganaug.data import load
from ganaug.data.sources import list_pictures
from ganaug.errors import DataError, DiskFullError
from ganaug.images import encode_png

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (12, 3, 8, 8), dtype=np.uint8)
NAMES = ["T-shirt/top", "../x", "CON"]
LABELS = [0, 1, 2] * 4
CLASSES = ClassLabel(names=NAMES)


@pytest.fixture(autouse=True)
def quiet() -> None:
    datasets.disable_progress_bars()


def table(label: Any = LABELS, feature: Any = CLASSES, name: str = "label", **more: Any) -> Dataset:
    """The twelve images as encoded bytes, with labels of any kind; `more` are (values, feature) by name."""
    images = [{"bytes": encode_png(image), "path": None} for image in PIXELS[: len(label)]]
    columns = {"image": images, name: label, **{key: values for key, (values, _) in more.items()}}
    features = {"image": ImageColumn(), name: feature, **{key: kind for key, (_, kind) in more.items()}}
    return Dataset.from_dict(columns, features=Features(features))


def parquet(folder: Path, whole: Dataset, name: str = "train-00000-of-00001.parquet") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    whole.to_parquet(folder / name)
    return folder


def refused(source: object, **settings: Any) -> str:
    with pytest.raises(DataError) as caught:
        load(f"hf:{source}", **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def holds_the_twelve(source: str) -> bool:
    data = load(source)
    return np.array_equal(data.images.numpy(), PIXELS) and data.targets == LABELS and data.classes == tuple(NAMES)


# forms


def test_one_parquet_file_a_folder_of_them_and_saved_sets_hold_the_same(tmp_path: Path, caplog, capsys):
    whole = table()
    datasets.enable_progress_bars()
    parquet(tmp_path / "one", whole, "any.parquet")
    parquet(tmp_path / "splits", whole)
    parquet(tmp_path / "splits", whole.select([0, 1]), "test-00000-of-00001.parquet")
    whole.save_to_disk(tmp_path / "saved")
    DatasetDict({"train": whole, "test": whole.select([0, 1])}).save_to_disk(tmp_path / "dict")
    capsys.readouterr()
    with caplog.at_level(logging.INFO):
        for place in ("one/any.parquet", "one", "splits", "splits:train", "saved", "dict"):
            assert holds_the_twelve(f"hf:{tmp_path / place}"), place
    assert capsys.readouterr() == ("", "") and not datasets.are_progress_bars_disabled()
    assert "images from the column 'image', classes from 'label'" in caplog.text
    assert {record.name for record in caplog.records} == {"ganaug"}
    assert (
        len(list_pictures(f"hf:{tmp_path / 'splits'}:test")) == len(list_pictures(f"hf:{tmp_path / 'dict'}:test")) == 2
    )


def test_pictures_are_listed_by_row_and_decoded_by_our_rules(tmp_path: Path):
    turned = Image.new("RGB", (9, 8))
    turned.putpixel((0, 0), (255, 255, 255))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.png", exif=exif)
    images = [{"bytes": (tmp_path / "turned.png").read_bytes(), "path": None}] * 2
    features = Features({"image": ImageColumn(), "label": ClassLabel(names=["a", "b"])})
    whole = Dataset.from_dict({"image": images, "label": [0, 1]}, features=features)
    listing = list_pictures(f"hf:{parquet(tmp_path / 'set', whole)}")
    assert listing.names == ("row 0", "row 1") and listing.pictures[1].content == images[1]["bytes"]
    assert listing.pictures[1].name == f"hf:{tmp_path / 'set'}, row 1"
    data = load(listing.source)
    assert data.shape == (3, 9, 8) and int(data.images[0, 0, 0, 7]) == 255  # turned to the right


def test_a_shuffled_formatted_and_filtered_set_keeps_its_rows(tmp_path: Path):
    whole = table().with_format("torch").shuffle(seed=1).select(range(9))
    whole.save_to_disk(tmp_path / "saved")
    data = load(f"hf:{tmp_path / 'saved'}")
    for image, label in zip(data.images.numpy(), data.targets, strict=True):
        row = next(i for i in range(12) if np.array_equal(PIXELS[i], image))
        assert LABELS[row] == label


def test_a_folder_of_images_and_a_corpus_of_ours_are_read_from_their_files(tmp_path: Path):
    for i in range(6):
        path = tmp_path / "set" / ("ant", "bee")[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_png(PIXELS[i]))
    listing = list_pictures(f"hf:{tmp_path / 'set'}")
    assert listing.classes == ("ant", "bee") and listing.pictures[0].content == tmp_path / "set" / "ant" / "0.png"
    data = load(f"hf:{tmp_path / 'set'}")
    assert {image.numpy().tobytes() for image, y in zip(data.images, data.targets, strict=True) if y} == {
        PIXELS[i].tobytes() for i in (1, 3, 5)
    }


def test_rows_that_are_paths_or_bare_bytes_are_images_too(tmp_path: Path):
    paths = []
    for i, image in enumerate(PIXELS):
        (tmp_path / f"{i}.png").write_bytes(encode_png(image))
        paths.append(str(tmp_path / f"{i}.png"))
    label = Features({"label": CLASSES})["label"]
    as_text = Dataset.from_dict(
        {"image": paths, "label": LABELS}, features=Features({"image": Value("string"), "label": label})
    )
    as_bytes = Dataset.from_dict(
        {"image": [encode_png(image) for image in PIXELS], "label": LABELS},
        features=Features({"image": Value("binary"), "label": label}),
    )
    assert holds_the_twelve(f"hf:{parquet(tmp_path / 'a', as_text)}")
    assert holds_the_twelve(f"hf:{parquet(tmp_path / 'b', as_bytes)}")


def test_a_file_that_changed_is_read_again(tmp_path: Path):
    parquet(tmp_path / "set", table())
    assert len(load(f"hf:{tmp_path / 'set'}")) == 12
    parquet(tmp_path / "set", table(LABELS[:6]))
    assert len(load(f"hf:{tmp_path / 'set'}")) == 6


# labels


@pytest.mark.parametrize(
    ("label", "feature", "classes"),
    [
        (["wolf", "../x", "CON"] * 4, Value("string"), ("../x", "CON", "wolf")),
        (["b", "a", "b"] * 4, Value("large_string"), ("a", "b")),
        ([7, 3, 7] * 4, Value("int64"), ("3", "7")),
        ([7, 3, 7] * 4, Value("uint8"), ("3", "7")),
    ],
)
@pytest.mark.parametrize("name", ["label", "category"])
def test_plain_columns_become_classes(tmp_path: Path, label: list, feature: Value, classes: tuple[str, ...], name: str):
    data = load(f"hf:{parquet(tmp_path / 'set', table(label, feature, name))}")
    assert data.classes == classes and [data.classes[y] for y in data.targets] == [str(value) for value in label]


def test_a_column_of_classes_wins_over_a_plain_one_of_a_usual_name(tmp_path: Path):
    whole = table(LABELS, CLASSES, "kind").add_column("label", ["x"] * 12)  # type: ignore[call-arg]
    assert holds_the_twelve(f"hf:{parquet(tmp_path / 'set', whole)}")


@pytest.mark.parametrize(
    ("label", "feature", "said"),
    [
        (
            [0.5, 1.5, 2.5] * 4,
            Value("float32"),
            "labels must be one integer or string per image, got float32 in 'label'",
        ),
        ([[0], [1, 2], []] * 4, List(Value("int64")), "one integer or string per image, got List in 'label'"),
        ([[0], [1, 2], []] * 4, List(CLASSES), "one integer or string per image, got List in 'label'"),
        ([True, False, True] * 4, Value("bool"), "one integer or string per image, got bool in 'label'"),
        ([0, 1, None] * 4, CLASSES, "every image must have a label, got 4 without"),
        (["a", "b", None] * 4, Value("string"), "every image must have a label, got 4 without"),
        ([-1] * 12, CLASSES, "labels must be 0 or more, got -1 for 12 images; where that means unlab"),
        ([0, 1, -1] * 4, Value("int8"), "labels must be 0 or more, got -1 for 4 images"),
        ([0, 1, 0] * 4, CLASSES, "every class must have an image, got none for 'CON'"),
        ([0] * 12, ClassLabel(names=["a"]), "two classes or more"),
    ],
)
def test_labels_of_other_kinds_are_refused(tmp_path: Path, label: list, feature: Any, said: str):
    assert said in refused(parquet(tmp_path / "set", table(label, feature)))


def test_columns_that_are_missing_or_many_are_named(tmp_path: Path):
    two = table(LABELS, CLASSES, "fine", coarse=(LABELS, CLASSES))
    said = refused(parquet(tmp_path / "a", two))
    assert "one column of classes, got ['fine', 'coarse']; rename the one that is meant to 'label'" in said
    said = refused(parquet(tmp_path / "b", table(LABELS, Value("int64"), "n")))
    assert "one column of classes, got the columns ['image', 'n']" in said
    said = refused(parquet(tmp_path / "c", table().remove_columns("image")))
    assert "one column of images, got the columns ['label']; rename the one that is meant to 'image'" in said
    images = [{"bytes": encode_png(image), "path": None} for image in PIXELS]
    three = table(mask=(images, ImageColumn())).rename_column("image", "photo")
    assert "got the image columns ['photo', 'mask']" in refused(parquet(tmp_path / "d", three))
    assert holds_the_twelve(f"hf:{parquet(tmp_path / 'e', three.rename_column('photo', 'image'))}")
    said = refused(
        parquet(tmp_path / "f", table(LABELS, name="label").remove_columns("image").add_column("image", LABELS))
    )  # type: ignore[call-arg]
    assert "the column 'image' must hold images, got:" in said


def test_a_picture_that_is_missing_or_damaged_is_named_by_its_row(tmp_path: Path):
    features = Features({"image": ImageColumn(), "label": ClassLabel(names=["a", "b"])})
    gone = {"bytes": None, "path": str(tmp_path / "gone.png")}
    (tmp_path / "gone.png").write_bytes(encode_png(PIXELS[3]))
    for number, broken in enumerate((None, {"bytes": b"<html>", "path": None}, gone)):
        images = [{"bytes": encode_png(image), "path": None} for image in PIXELS[:3]] + [broken]
        whole = Dataset.from_dict({"image": images, "label": [0, 1, 0, 1]}, features=features)
        parquet(tmp_path / str(number), whole)
        if broken is gone:
            (tmp_path / "gone.png").unlink()
        said = refused(tmp_path / str(number))
        assert ("gone.png: " if broken is gone else f"{number}, row 3: ") in said


# groups


def test_groups_are_a_column(tmp_path: Path):
    patients = [f"p{i // 2}" for i in range(12)]
    whole = table(patient=(patients, Value("string")), age=([0.5] * 12, Value("float64")))
    folder = parquet(tmp_path / "set", whole)
    assert load(f"hf:{folder}", groups="patient").groups == tuple(patients)
    assert "a column there, got 'patients', not one of ['image'," in refused(folder, groups="patients")
    assert "groups in 'age' must be one integer or string per image, got float64" in refused(folder, groups="age")


# refusals


def test_a_path_is_not_taken_for_an_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    parquet(tmp_path, table(), "here.parquet")
    for gone in ("./gone", "../gone", "/gone/x", "~/gone", "data/gone", "gone.parquet", "a/b/c", "a b", "", "parquet"):
        assert "nothing there; check the path" in refused(gone), gone
    assert holds_the_twelve("hf:here.parquet") and holds_the_twelve("hf:.")


def test_an_unknown_id_offline_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog):
    monkeypatch.chdir(tmp_path)
    with caplog.at_level(logging.INFO):
        said = refused("nobody/nothing:test")
    assert "Couldn't reach 'nobody/nothing' on the Hub" in said and "check the path, the id and the network" in said
    assert "no such path here; asking the hub" in caplog.text and list(tmp_path.iterdir()) == []


def test_splits_are_never_guessed(tmp_path: Path):
    folder = parquet(tmp_path / "set", table(), "test-00000-of-00001.parquet")
    assert f"one of ['test'], got 'train'; name one of them, as in hf:{folder}:test" in refused(folder)
    assert holds_the_twelve(f"hf:{folder}:test")
    assert f"one of ['test'], got 'val'; name one of them, as in hf:{folder}:test" in refused(f"{folder}:val")


def test_what_is_no_set_ends_in_a_sentence(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.csv").write_text("image,label\n")
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and no more")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "state.json").write_text("{}")
    (tmp_path / "odd[1]").mkdir()
    table([], CLASSES).save_to_disk(tmp_path / "none")
    parquet(tmp_path, table([], CLASSES), "none.parquet")
    for name in ("empty", "a.csv", "cut.parquet", "saved", "none", "none.parquet"):
        assert "must be a folder of Parquet or of images, a .parquet file" in refused(tmp_path / name), name
    assert "takes for a pattern, got one of them; rename or move the folder" in refused(tmp_path / "odd[1]")


def test_a_script_beside_the_data_is_not_run(tmp_path: Path):
    folder = parquet(tmp_path / "set", table())
    marker = tmp_path / "marker"
    (folder / "set.py").write_text(f"open({str(marker)!r}, 'w').close()")
    assert "no longer supported" in refused(folder)
    assert not marker.exists()


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="no such error here")
def test_a_full_disk_is_told_from_bad_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    folder = parquet(tmp_path / "set", table())
    monkeypatch.setattr("datasets.arrow_writer.ArrowWriter.finalize", full)
    with pytest.raises(DiskFullError, match="must have room for a copy of the table"):
        load(f"hf:{folder}")
