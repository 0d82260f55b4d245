"""A `datasets.Dataset`: items are rows, of which one column holds the image and one the class."""

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from ganaug.data.columns import class_numbers, image_column, label_column
from ganaug.datasets.form import form_of
from ganaug.datasets.pairs import Own, spread

if TYPE_CHECKING:
    from datasets import Dataset

SOURCE = "the table"


class Rows:
    """What the wrapper needs of a table: as `Pairs`, for rows.

    A synthetic row keeps the other columns of the real one it stands for. Its image passes through what `set_transform`
    was given, or comes as `set_format` says.

    Attributes:
        dataset: The table.
        labels: Of the rows at `index`, int64 [n].
        form: Of images and labels, before `set_transform`'s function.

    Raises:
        DataError: Not one column of images and one of classes.
    """

    def __init__(self, dataset: "Dataset", index: np.ndarray):
        self.dataset = dataset
        self.image, self.label = image_column(SOURCE, dataset), label_column(SOURCE, dataset)
        self._transform = dataset.format["format_kwargs"].get("transform") if _is_custom(dataset) else None
        self._columns = dataset.format["columns"] or dataset.column_names
        served = dataset.with_format(None) if self._transform else dataset
        self._beside = served.remove_columns([self.image, self.label])
        self.labels = class_numbers(SOURCE, dataset)[index]
        rows = (served[i] for i in spread(index))
        self.form = form_of((row[self.image], row[self.label]) for row in rows)

    def shown(self, item: dict[str, Any], own: Own) -> dict[str, Any]:
        """A real row, with the wrapper's transforms."""
        changes = {self.image: own["transform"], self.label: own["target_transform"]}
        return {**item, **{name: change(item[name]) for name, change in changes.items() if change and name in item}}

    def synthetic(self, row: int, pixels: np.ndarray, label: int, own: Own) -> dict[str, Any]:
        """A row like the one at `row` that shows `pixels`, uint8 [C, H, W], of class `label`."""
        parts = {self.image: self.form.image(pixels), self.label: self.form.label_like(label)}
        parts |= self._beside[row] if self._beside.column_names else {}
        item = {name: parts[name] for name in self._columns}
        if self._transform:
            batch = self._transform({name: [value] for name, value in item.items()})
            item = {name: values[0] for name, values in batch.items()}
        return self.shown(item, own)


def is_table(dataset: Any) -> bool:
    """Whether it is a `datasets.Dataset`; nobody who has one has not imported the library."""
    library = sys.modules.get("datasets")
    return library is not None and isinstance(dataset, library.Dataset)


def _is_custom(dataset: "Dataset") -> bool:
    return dataset.format["type"] == "custom"
