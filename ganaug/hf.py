"""Synthetic rows for a `datasets.Dataset`, as a `datasets.Dataset`."""

import hashlib
import json
import operator
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ganaug.data.columns import SOURCE, class_names, class_numbers, image_column, label_column
from ganaug.data.hub import raise_if_full
from ganaug.data.rows import spread
from ganaug.errors import DataError
from ganaug.files import cache_folder
from ganaug.images import MODES, encode_png, matched
from ganaug.synthesis.held_out import require_training_data
from ganaug.synthesis.plan import Mode, correspondence, draw, fractions, require_mode, require_per_class, wanted
from ganaug.synthesis.rendering import render, require_counts
from ganaug.synthesis.source import opened

if TYPE_CHECKING:
    from datasets import Dataset

    from ganaug.synthesis.synthesizer import Synthesizer


def augment(
    table: "Dataset",
    synth: "Synthesizer | str | Path",
    mode: Mode = "append",
    fraction: float | Mapping[str, float] = 0.25,
    per_class: int | None = None,
    seed: int = 0,
    *,
    allow_held_out: bool = False,
) -> "Dataset":
    """`table` with synthetic rows of its classes: same features, Image and ClassLabel included, same format.

    - `append`: round(`fraction` * len(table)) synthetic rows follow, shared out as the classes are.
    - `balance`: every class is filled to the largest by synthetic rows that follow.
    - `replace`: each row becomes synthetic, of the same class, with probability `fraction`, once and for all; wrap the
      table in `ganaug.AugmentedDataset` to have it drawn anew at each visit.

    Synthetic images are PNG bytes of the table's usual size and mode; other columns are None there. Rows are written to
    the cache folder with constant memory, and the same call finds them again.

    Args:
        table: With one column of images and one of classes (`datasets.Image`, `datasets.ClassLabel` or integers).
        synth: The generator, or its folder; it must know every class.
        mode: `append`, `balance` or `replace`.
        fraction: In [0, 1], of every class or by class name; not used by `balance`.
        per_class: Rows of each class: appended by `append`, or to be reached by `balance`.
        seed: Of the sampling and of the replacements.
        allow_held_out: Augment a table whose split says it is for validation or testing.

    Raises:
        DataError: A column is missing, a class is unknown to the generator, the split is not for training, or an
            argument is out of range.
        DiskFullError: There is no room in the cache folder.

    Example:
        >>> train = load_dataset("imagefolder", data_dir="data", split="train")             # doctest: +SKIP
        >>> more = ganaug.hf.augment(train, synth, mode="balance")                          # doctest: +SKIP
        >>> more.features == train.features                                                 # doctest: +SKIP
        True
    """
    require_mode(mode)
    require_per_class(per_class)
    _require_rows(table)
    synth, seed = opened(synth), operator.index(seed)
    if not allow_held_out:
        require_training_data([table], synth)
    labels, names = class_numbers(SOURCE, table), class_names(SOURCE, table)
    to_model = correspondence(names, labels, synth)  # label here -> label there
    share = fractions(fraction, [synth.classes[there] for there in to_model])
    if mode == "replace":
        replaced = _replaced(labels, share, seed)
        counts, order = np.bincount(labels[replaced], minlength=len(share)), _order(labels, replaced)
    else:
        counts, order = wanted(mode, np.bincount(labels, minlength=len(share)), share, per_class), None
    return _joined(table, _rows(table, synth, counts, to_model, seed), order) if counts.sum() else table


def _joined(table: "Dataset", rows: "Dataset", order: np.ndarray | None) -> "Dataset":
    """Both, the table first, or those of their rows that `order` names; in the table's format."""
    from datasets import concatenate_datasets

    both = concatenate_datasets([table.with_format(None), rows], split=table.split)
    return (both if order is None else both.select(order)).with_format(**_format(table))


def _require_rows(table: Any) -> None:
    from datasets import Dataset

    if not isinstance(table, Dataset):
        raise DataError(
            f"the table must be a datasets.Dataset, got {type(table).__name__}; pass one split, as in ds['train']"
        )
    if not len(table):
        raise DataError("the table must have rows, got none; check the split or the filter")


def _replaced(labels: np.ndarray, share: np.ndarray, seed: int) -> np.ndarray:
    """The rows that become synthetic, int64: those that the first visit of an `AugmentedDataset` would replace."""
    chosen = [i for i, label in enumerate(labels.tolist()) if draw(seed, i, 0)[0] < share[label]]
    return np.array(chosen, np.int64)


def _order(labels: np.ndarray, replaced: np.ndarray) -> np.ndarray:
    """Which rows of table and synthetic rows together, so that each replaced one is of its class, int64 [N]."""
    order = np.arange(len(labels))
    order[replaced[np.argsort(labels[replaced], kind="stable")]] = len(labels) + np.arange(len(replaced))
    return order


def _format(table: "Dataset") -> dict[str, Any]:
    """What `with_format` wants to hear."""
    said = table.format
    named = {key: said[key] for key in ("type", "columns", "output_all_columns")}
    return {**named, **said["format_kwargs"]}


def _rows(table: "Dataset", synth: "Synthesizer", counts: np.ndarray, to_model: list[int], seed: int) -> "Dataset":
    """`counts` [K] rows of each class, class by class, with the features of `table`."""
    from datasets import Dataset
    from datasets.exceptions import DatasetGenerationError

    image, label = image_column(SOURCE, table), label_column(SOURCE, table)
    there = np.zeros(len(synth.classes), np.int64)
    there[to_model] = counts
    channels, size = _usual(table, image)
    empty = dict.fromkeys(table.column_names)

    def rows() -> Iterator[dict[str, Any]]:
        for mine, number in zip(to_model, range(len(to_model)), strict=True):
            alone = [int(n) if k == mine else 0 for k, n in enumerate(there)]
            for _, pictures in render(synth, alone, seed):
                for pixels in pictures:
                    png = encode_png(matched(pixels, channels, size))
                    yield {**empty, image: {"bytes": png, "path": None}, label: number}

    request = [synth.hash, require_counts(synth, there.tolist()), to_model, seed, channels, size, str(table.features)]
    try:
        return Dataset.from_generator(
            rows,
            features=table.features,
            cache_dir=str(cache_folder() / "datasets"),
            fingerprint=hashlib.sha256(json.dumps(request).encode()).hexdigest()[:32],
        )
    except DatasetGenerationError as error:
        raise_if_full(error)
        raise


def _usual(table: "Dataset", column: str) -> tuple[int, tuple[int, int]]:
    """(channels, (height, width)) of most of a few images."""
    from datasets import Image

    stored: Any = table.with_format(None).select_columns([column]).cast_column(column, Image())
    images = (stored[i][column] for i in spread(np.arange(len(stored))))
    seen = Counter((image.mode, image.size) for image in images)
    (mode, (width, height)), _ = seen.most_common(1)[0]
    channels = {name: n for n, name in MODES.items()}.get(mode, 3)
    return channels, (height, width)
