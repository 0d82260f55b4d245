"""A `datasets.Dataset`: items are rows, of which one column holds the image and one the class."""

import copy
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from ganaug.data.columns import SOURCE, class_numbers, image_column, label_column
from ganaug.data.rows import spread
from ganaug.datasets.form import form_of
from ganaug.datasets.pairs import Own
from ganaug.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset


class Rows:
    """What the wrapper needs of a table: as `Pairs`, for rows.

    A synthetic row keeps the other columns of the real one it stands for. Its image passes through what `set_transform`
    was given, or comes as `set_format` says, also where that was said after the table was wrapped.

    Attributes:
        dataset: The table.
        labels: Of the rows at `index`, int64 [n].
        form: Of images and labels, before `set_transform`'s function.

    Raises:
        DataError: Not one column of images and one of classes, or a format without them.
    """

    def __init__(self, dataset: "Dataset", index: np.ndarray):
        self.dataset, self._index = dataset, index
        self.image, self.label = image_column(SOURCE, dataset), label_column(SOURCE, dataset)
        self.labels = class_numbers(SOURCE, dataset)[index]
        self._follow_format()

    def has(self, name: str) -> bool:
        """A table has no transform that could be read and set as an attribute."""
        return False

    def on(self, dataset: "Dataset") -> "Rows":
        """The same for a copy of the table."""
        other = copy.copy(self)
        other.dataset = dataset
        return other

    def shown(self, item: dict[str, Any], own: Own) -> dict[str, Any]:
        """A real row, with the wrapper's transforms."""
        changes = {self.image: own["transform"], self.label: own["target_transform"]}
        return {**item, **{name: change(item[name]) for name, change in changes.items() if change and name in item}}

    def synthetic(self, row: int, pixels: np.ndarray, label: int, own: Own) -> dict[str, Any]:
        """A row like the one at `row` that shows `pixels`, uint8 [C, H, W], of class `label`."""
        if self._format != _format(self.dataset):
            self._follow_format()
        parts = {self.image: self.form.image(pixels), self.label: self.form.label_like(label)}
        parts |= self._beside[row] if self._beside.column_names else {}
        item = {name: parts[name] for name in self._columns}
        if self._transform:
            batch = self._transform({name: [value] for name, value in item.items()})
            item = {name: values[0] for name, values in batch.items()}
        return self.shown(item, own)

    def _follow_format(self) -> None:
        self._format = kind, columns, whole, options = _format(self.dataset)
        self._columns = list(self.dataset.column_names if whole else columns)
        missing = {self.image, self.label} - set(self._columns)
        if missing:
            raise DataError(
                f"{SOURCE} must serve the columns {self.image!r} and {self.label!r}, got a format without "
                f"{min(missing)!r}; name it in with_format(columns=...)"
            )
        self._transform = options.get("transform") if kind == "custom" else None
        served = self.dataset.with_format(None) if self._transform else self.dataset
        self._beside = served.remove_columns([self.image, self.label])
        rows: list[Any] = [served[i] for i in spread(self._index)]
        self.form = form_of((row[self.image], row[self.label]) for row in rows)


def is_table(dataset: Any) -> bool:
    """Whether it is a `datasets.Dataset`; nobody who has one has not imported the library."""
    library = sys.modules.get("datasets")
    return library is not None and isinstance(dataset, library.Dataset)


def _format(dataset: "Dataset") -> tuple[Any, ...]:
    """Type, columns, whether the other columns come unformatted beside them, and options."""
    said = dataset.format
    return said["type"], said["columns"], said["output_all_columns"], said["format_kwargs"]
