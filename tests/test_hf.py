"""Tables of `datasets` in, tables out: features, formats and columns stay as they were."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, NamedSplit, Value, load_dataset
from datasets import Image as ImageFeature
from PIL import Image
from standin import label_of, synthesizer
from torch.utils.data import DataLoader

from ganaug import hf
from ganaug.datasets import AugmentedDataset
from ganaug.errors import DataError

REAL = 200
NAMES = ["cat", "ant", "bee"]  # not the generator's order


def table(size: int = 16, mode: str = "RGB", split: str | None = None, **columns: Any) -> Dataset:
    """12 cats, 6 ants, 2 bees, with the number of the row beside them."""
    labels = [0] * 12 + [1] * 6 + [2] * 2
    images = [Image.new("RGB", (size, size), (REAL, REAL, REAL)).convert(mode) for _ in labels]
    features = Features({"image": ImageFeature(), "label": ClassLabel(names=NAMES), "row": Value("int64")})
    rows = {"image": images, "label": labels, "row": list(range(20)), **columns}
    return Dataset.from_dict(rows, features=features, split=NamedSplit(split) if split else None)


def shown(row: dict[str, Any]) -> str:
    """The class that a synthetic image shows."""
    return ("ant", "bee", "cat")[label_of(row["image"])]


def is_real(image: Any) -> bool:
    return float(np.asarray(image, np.float64).mean()) > 150


@pytest.mark.parametrize(("mode", "counts"), [("append", (6, 3, 1)), ("balance", (0, 6, 10))])
def test_added_rows_follow_with_the_same_features_and_show_their_classes(mode: Any, counts: tuple[int, ...]):
    real = table(split="train")
    both: Any = hf.augment(real, synthesizer(), mode=mode, fraction=0.5)
    assert both.features == real.features and both.column_names == real.column_names and both.split == "train"
    assert both[:20]["row"] == list(range(20)) and all(map(is_real, both[:20]["image"]))
    added = both.select(range(20, len(both)))
    assert Counter(added["label"]) == Counter(dict(enumerate(counts))) - Counter()
    assert all(shown(row) == NAMES[row["label"]] and row["row"] is None for row in added)
    assert {image.size for image in added["image"]} == {(16, 16)} and {image.mode for image in added["image"]} == {
        "RGB"
    }


def test_replaced_rows_stand_where_a_wrapper_would_replace_first_and_keep_their_class():
    real = table()
    mixed: Any = hf.augment(real, synthesizer(), mode="replace", fraction=0.5, seed=3)
    assert len(mixed) == 20 and mixed["label"] == real["label"]
    replaced = [i for i, row in enumerate(mixed) if not is_real(row["image"])]
    wrapper = AugmentedDataset(real, synthesizer(), fraction=0.5, seed=3)
    assert replaced == [i for i in range(20) if wrapper.is_synthetic(i)] and 4 < len(replaced) < 16
    assert all(shown(mixed[i]) == NAMES[mixed[i]["label"]] for i in replaced)
    assert len({mixed[i]["image"].tobytes() for i in replaced}) == len(replaced)


def test_synthetic_images_take_the_size_and_mode_of_the_table_and_its_format_stays():
    both = hf.augment(table(24, "L").with_format("torch"), synthesizer(), fraction=0.5)
    assert both[25]["image"].shape == (1, 24, 24) and both[25]["image"].dtype == torch.uint8
    both.set_transform(lambda rows: {"pixels": [np.asarray(image) for image in rows["image"]], "label": rows["label"]})
    assert both[25]["pixels"].shape == (24, 24)


def test_the_same_call_renders_once_and_parquet_keeps_images_and_classes(tmp_path: Path):
    synth = synthesizer()
    real = table()
    first, again = hf.augment(real, synth, mode="balance"), hf.augment(real, synth, mode="balance")
    assert synth.rendered == 16 and first[30]["image"] == again[30]["image"]
    first.to_parquet(tmp_path / "both.parquet")
    back: Any = load_dataset("parquet", data_files=str(tmp_path / "both.parquet"), cache_dir=str(tmp_path / "cache"))
    assert back["train"].features == real.features and back["train"][30]["image"] == first[30]["image"]


def test_nothing_to_add_gives_the_table_itself():
    real = table()
    assert hf.augment(real, synthesizer(), fraction=0.0) is real


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"table": DatasetDict({"train": table()})}, r"ds\['train'\]"),
        ({"table": table().select([])}, "none"),
        ({"table": table(split="validation")}, "validation"),
        ({"table": table().remove_columns("label")}, "column of classes"),
        ({"table": table().cast_column("label", Value("string"))}, "class_encode_column"),
        ({"table": table(), "fraction": 1.2}, "fraction"),
        ({"table": table(), "fraction": {"dog": 0.5}}, "'dog'"),
        ({"table": table(), "mode": "insert"}, "mode"),
        ({"table": table(), "synth": synthesizer(("ant", "bee"))}, "'cat'"),
    ],
)
def test_what_cannot_be_augmented_is_refused_in_a_sentence(arguments: dict[str, Any], word: str):
    with pytest.raises(DataError, match=word):
        hf.augment(**{"synth": synthesizer(), **arguments})
    if "validation" in word:
        assert len(hf.augment(synth=synthesizer(), allow_held_out=True, **arguments)) == 25


# ---- AugmentedDataset over a table


def test_a_wrapped_table_yields_rows_with_the_same_columns():
    augmented = AugmentedDataset(table(), synthesizer(), fraction=1.0, per_class=5)
    rows = [augmented[i] for i in range(20)]
    assert [list(row) for row in rows] == [["image", "label", "row"]] * 20 and [row["row"] for row in rows] == [
        *range(20)
    ]
    assert all(shown(row) == NAMES[row["label"]] and type(row["label"]) is int for row in rows)
    assert augmented.classes == NAMES and augmented.targets == [0] * 12 + [1] * 6 + [2] * 2


@pytest.mark.parametrize("kind", ["torch", "numpy"])
def test_formatted_tables_serve_synthetic_rows_in_their_format(kind: str):
    real = table().with_format(kind)
    augmented = AugmentedDataset(real, synthesizer(), fraction=1.0, per_class=5)
    for name in real.column_names:
        mine, theirs = augmented[4][name], real[4][name]
        assert type(mine) is type(theirs) and mine.dtype == theirs.dtype and mine.shape == theirs.shape
    assert float(augmented[4]["image"].mean(dtype=(torch if kind == "torch" else np).float32)) < 100


def test_what_set_transform_was_given_sees_synthetic_rows_as_real_ones():
    def to_pixels(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
        return {"pixels": [torch.from_numpy(np.array(x)) for x in rows["image"]], "labels": rows["label"]}

    real = table()
    real.set_transform(to_pixels)
    augmented = AugmentedDataset(real, synthesizer(), mode="balance")
    batch = next(iter(DataLoader(augmented, len(augmented))))
    assert batch["pixels"].shape == (36, 16, 16, 3) and batch["labels"].tolist() == augmented.targets
    assert (batch["pixels"].float().mean((1, 2, 3)) > 150).tolist() == [True] * 20 + [False] * 16


def test_a_split_for_measuring_and_labels_without_numbers_are_refused():
    with pytest.raises(DataError, match=r"split='test'.*allow_held_out"):
        AugmentedDataset(table(split="test"), synthesizer())
    with pytest.raises(DataError, match="class_encode_column"):
        AugmentedDataset(table().cast_column("label", Value("string")), synthesizer())
