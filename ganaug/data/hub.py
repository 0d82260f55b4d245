"""`hf:ID_OR_PATH[:split]`: what Hugging Face datasets can open, decoded by our own rules."""

import logging
import pkgutil
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ganaug.data.columns import has_label_column, image_column, label_column
from ganaug.data.groups import groups_by_column
from ganaug.data.labels import number, unnumbered
from ganaug.data.listing import Listing
from ganaug.data.rows import Rows, row_names
from ganaug.errors import DISK_FULL, DataError, DiskFullError
from ganaug.files import cache_folder

if TYPE_CHECKING:
    from datasets import Dataset

log = logging.getLogger("ganaug")
HUB = "hf:"
ID = re.compile(r"[\w.-]+(/[\w.-]+)?")  # NAME or OWNER/NAME
COMMIT = re.compile(r"[0-9a-f]{40}")


def list_hub(source: str, groups: str = "", *, labeled: bool = True) -> Listing:
    """The pictures of `hf:ID_OR_PATH[:split]`, none of them decoded.

    Args:
        source: A folder of Parquet or of images, one `.parquet` file, what `save_to_disk` wrote, or the id of a set on
            the hub; the split is `train` unless it is named.
        groups: The name of a column that says which object an image shows.
        labeled: Whether the labels are read; without, there need be no column of classes.

    Raises:
        DataError: Nothing there, no such split, or columns that are not one image and one class each.
        DiskFullError: There is no room for the cache.
    """
    address, split = _parse(source)
    with _quiet():
        table = _split(source, _open(source, address), split)
        image, label = image_column(source, table), label_column(source, table) if labeled else ""
        log.info("%s: images from the column %r%s", source, image, f", classes from {label!r}" if label else "")
        classes, labels = _numbered(source, table, label) if label else unnumbered(len(table))
        return Listing(
            source=source,
            classes=classes,
            pictures=_pictures(source, table, image),
            names=row_names(len(table)),
            labels=labels.tolist(),
            groups=_groups(source, table, groups) if groups else None,
        )


def hub_has_classes(source: str) -> bool:
    """Whether the table has a column that `list_hub` would read the classes from, or complain of.

    Raises:
        DataError: As for `list_hub`, but for the columns.
        DiskFullError: There is no room for the cache.
    """
    address, split = _parse(source)
    with _quiet():
        return has_label_column(_split(source, _open(source, address), split))


def _parse(source: str) -> tuple[str, str]:
    """(path or id, split or nothing)."""
    whole = source.removeprefix(HUB)
    head, _, tail = whole.rpartition(":")
    return (head, tail) if head and not Path(whole).exists() and not {"/", "\\"} & set(tail) else (whole, "")


@contextmanager
def _quiet() -> Iterator[None]:
    """Neither the progress bars nor the logs of the libraries; what fails is said in a sentence of ours."""
    import datasets

    loggers = [logging.getLogger(name) for name in ("datasets", "huggingface_hub")]
    levels, hidden = [logger.level for logger in loggers], datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if not hidden:
            datasets.enable_progress_bars()


def _open(source: str, address: str) -> "dict[str, Dataset]":
    """The splits that there are."""
    there = address != "" and Path(address).exists()
    if not there:
        _require_id(source, address)
    if there and set("*?[") & set(str(Path(address).resolve())):
        raise DataError(
            f"{source}: the path must be without * ? and [, which `datasets` takes for a pattern, got one of them; "
            "rename or move the folder"
        )
    try:
        return _open_path(Path(address)) if there else _open_id(source, address)
    except Exception as error:  # of the library, pyarrow, fsspec and whatever they call
        raise_if_full(error)
        raise DataError(
            f"{source}: must be a folder of Parquet or of images, a .parquet file, what save_to_disk wrote, "
            f"or the id of a set that the hub has, got: {_fact(error)}; check the path, the id and the network"
        ) from error


def _require_id(source: str, address: str) -> None:
    """Refuse a path on which nothing lies, before anybody looks for it on the hub."""
    from datasets import packaged_modules

    builders = [module.name for module in pkgutil.iter_modules(packaged_modules.__path__)]  # would read this folder
    like_path = address.startswith((".", "~")) or address.endswith(".parquet") or not ID.fullmatch(address)
    if like_path or address in builders or ("/" in address and Path(address).parent.is_dir()):
        raise DataError(
            f"{source}: must be a path where something lies, or an id such as OWNER/NAME, got nothing there; "
            "check the path"
        )


def _open_path(path: Path) -> "dict[str, Dataset]":
    from datasets import Dataset, DatasetDict, load_from_disk

    cache = str(cache_folder() / "datasets")
    if path.is_file():
        if path.suffix.lower() != ".parquet":
            raise ValueError(f"a {path.suffix or 'nameless'} file")
        return {"train": Dataset.from_parquet(str(path.resolve()), cache_dir=cache)}
    if (path / "dataset_dict.json").is_file() or (path / "state.json").is_file():
        found: Any = load_from_disk(str(path.resolve()))
        splits = found if isinstance(found, DatasetDict) else {found.split or "train": found}
        return {str(name): table for name, table in splits.items()}
    return _build(str(path.resolve()), cache)[0]


def _open_id(source: str, address: str) -> "dict[str, Dataset]":
    log.info("%s: no such path here; asking the hub", source)
    found, commit = _build(address, None)
    if COMMIT.fullmatch(commit):
        log.info("%s: commit %s", source, commit)
    return found


def _build(address: str, cache: str | None) -> "tuple[dict[str, Dataset], str]":
    """(the splits, the commit of a set on the hub or another hash)."""
    from datasets import load_dataset_builder

    builder = load_dataset_builder(address, cache_dir=cache)
    builder.download_and_prepare()
    splits: Any = builder.as_dataset()
    return dict(splits), str(builder.hash)


def _split(source: str, splits: "dict[str, Dataset]", asked: str) -> "Dataset":
    if (asked or "train") not in splits:
        raise DataError(
            f"{source}: the split must be one of {sorted(splits)}, got {asked or 'train'!r}; "
            f"name one of them, as in {source.removesuffix(':' + asked)}:{min(splits)}"
        )
    return splits[asked or "train"].with_format(None)


def _numbered(source: str, table: "Dataset", column: str) -> tuple[tuple[str, ...], np.ndarray]:
    return number(source, _column(table, column), getattr(table.features[column], "names", None))


def _pictures(source: str, table: "Dataset", column: str) -> Rows:
    from datasets import Image

    try:
        stored = table.select_columns([column]).cast_column(column, Image(decode=False))
    except Exception as error:  # of the library and pyarrow
        raise DataError(
            f"{source}: the column {column!r} must hold images, got: {_fact(error)}; store them as encoded bytes"
        ) from error

    def fetch(row: int) -> Path | bytes:
        image = stored[row][column] or {}
        return Path(image["path"]) if image.get("bytes") is None and image.get("path") else image.get("bytes") or b""

    return Rows(source, len(table), fetch)


def _groups(source: str, table: "Dataset", column: str) -> tuple[str, ...]:
    if column not in table.column_names:
        raise DataError(
            f"{source}: data.groups must name a column there, got {column!r}, not one of {table.column_names}; "
            "correct it"
        )
    return groups_by_column(source, column, _column(table, column))


def _column(table: "Dataset", name: str) -> list[Any]:
    return table.select_columns([name])[:][name]


def raise_if_full(error: BaseException | None) -> None:
    """A full disk is what it is, however many errors it was wrapped in.

    Raises:
        DiskFullError: That was it.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            raise DiskFullError(
                f"{cache_folder()}: the disk must have room for a copy of the table, got {error.strerror!r}; "
                "free some or set GANAUG_CACHE and HF_HOME to a larger disk"
            ) from error
        error = error.__cause__ or error.__context__


def _fact(error: BaseException) -> str:
    from datasets.exceptions import DatasetGenerationError

    if isinstance(error, DatasetGenerationError) and error.__cause__ is not None:  # which itself says nothing
        return _fact(error.__cause__)
    return " ".join(str(error).split())[:300] or type(error).__name__
