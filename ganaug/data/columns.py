"""Which columns of a `datasets.Dataset` hold the images and the classes."""

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from ganaug.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset

SOURCE = "the table"  # what one is called that came without a name
LABELS = ("label", "labels", "class", "classes", "class_name", "category", "target", "y")  # in this order


def image_column(source: str, table: "Dataset") -> str:
    """The only column of images, or the one called `image`.

    Raises:
        DataError: There is none, or several.
    """
    from datasets import Image

    found = [name for name, feature in table.features.items() if isinstance(feature, Image)]
    if len(found) == 1 or "image" in (found or table.column_names):
        return found[0] if len(found) == 1 else "image"
    what = f"the image columns {found}" if found else f"the columns {table.column_names}"
    raise DataError(f"{source}: must have one column of images, got {what}; rename the one that is meant to 'image'")


def label_column(source: str, table: "Dataset") -> str:
    """The column of classes, or else one of integers or strings under a usual name.

    Raises:
        DataError: There is none, or its values are no classes.
    """
    from datasets import ClassLabel, Value

    classes = [name for name, feature in table.features.items() if isinstance(feature, ClassLabel)]
    usual = [name for name in LABELS if name in (classes or table.features)]
    if not usual and len(classes) != 1:
        what = f"{classes}" if classes else f"the columns {table.column_names}"
        raise DataError(
            f"{source}: must have one column of classes, got {what}; rename the one that is meant to 'label'"
        )
    name = usual[0] if usual else classes[0]
    feature: Any = table.features[name]
    if not isinstance(feature, ClassLabel | Value) or not re.match("u?int|(large_)?string", feature.dtype):
        kind = feature.dtype if isinstance(feature, Value) else type(feature).__name__
        raise DataError(
            f"{source}: labels must be one integer or string per image, got {kind} in {name!r}; "
            "give each image the number or the name of its class"
        )
    return name


def has_label_column(table: "Dataset") -> bool:
    """Whether there is a column of classes, or one under a usual name."""
    from datasets import ClassLabel

    return any(name in LABELS or isinstance(feature, ClassLabel) for name, feature in table.features.items())


def class_numbers(source: str, table: "Dataset") -> np.ndarray:
    """The label of each row, int64 [N].

    Raises:
        DataError: They are names, or missing.
    """
    name = label_column(source, table)
    values = table.with_format(None).select_columns([name])[:][name]
    if not all(isinstance(value, int) and value >= 0 for value in values):
        odd = next(value for value in values if not (isinstance(value, int) and value >= 0))
        raise DataError(
            f"{source}: labels must be numbers of classes, got {odd!r} in the column {name!r}; "
            f"`ds.class_encode_column({name!r})` numbers names, rows without a label can be filtered out"
        )
    return np.array(values, np.int64)


def class_names(source: str, table: "Dataset") -> tuple[str, ...] | None:
    """The names of the classes, in label order; None where the labels are bare numbers."""
    names = getattr(table.features[label_column(source, table)], "names", None)
    return tuple(names) if names else None
