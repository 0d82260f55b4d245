"""`torchvision:NAME[:split]`: the classification sets of torchvision, read where they lie or downloaded once."""

import difflib
import inspect
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from ganaug.data.groups import groups_by_name, no_groups
from ganaug.data.labels import number, unnumbered
from ganaug.data.listing import Listing
from ganaug.data.rows import Rows, row_names
from ganaug.errors import DataError, GanaugError
from ganaug.files import cache_folder, is_taken, new_folder

log = logging.getLogger("ganaug")
VISION = "torchvision:"
# How each set tells its parts apart: by a `train` flag, by a `split` word (its default holds the training images), or
# not at all.
BY_FLAG = ("CIFAR10", "CIFAR100", "EMNIST", "FashionMNIST", "KMNIST", "MNIST", "QMNIST", "USPS")
BY_WORD = (
    *("CLEVRClassification", "Country211", "DTD", "FER2013", "FGVCAircraft", "Flowers102", "Food101", "GTSRB"),
    *("Imagenette", "OxfordIIITPet", "PCAM", "Places365", "RenderedSST2", "STL10", "SVHN", "StanfordCars"),
)
UNDIVIDED = ("Caltech101", "Caltech256", "EuroSAT", "FakeData", "Omniglot", "SEMEION", "SUN397")
SETS = (*BY_FLAG, *BY_WORD, *UNDIVIDED)
FIXED = {"EMNIST": {"split": "balanced"}}  # 47 classes of equal size; letters that look alike in both cases are merged
LABELS = ("targets", "labels", "_labels", "y")  # where the sets keep one number per image


def list_vision(source: str, groups: str = "", *, labeled: bool = True) -> Listing:
    """The pictures of `torchvision:NAME[:split]`; where the set keeps files, these, to be decoded by our own rules.

    The files are looked for in $GANAUG_DATA, else in the `torchvision` folder of the cache; what is in neither is
    downloaded there, whole or not at all.

    Args:
        source: NAME is a class of torchvision.datasets in any case; `:test` and other splits are passed on to it.
        groups: A regular expression on the file names, for sets that keep files.
        labeled: Whether the labels are read, which `torchvision:STL10:unlabeled` has not.

    Raises:
        DataError: An unknown set or split, one that is not for classification, files that are neither there nor to be
            had, or images without labels.
    """
    name, word = _parse(source)
    root = Path(os.environ.get("GANAUG_DATA") or cache_folder() / "torchvision")
    dataset = _open(source, name, _arguments(source, name, word), root)
    classes, labels = number(source, _labels(dataset), _class_names(dataset)) if labeled else unnumbered(len(dataset))
    pictures = Rows(source, len(labels), lambda row: dataset[row][0])
    paths = [dataset[row][0] for row in range(len(labels))] if "loader" in _parameters(name) else None
    return Listing(
        source=source,
        classes=classes,
        pictures=pictures,
        names=row_names(len(labels)) if paths is None else [os.path.relpath(path, root) for path in paths],
        labels=labels.tolist(),
        groups=no_groups(source, groups) if paths is None else groups_by_name(source, list(map(str, paths)), groups),
    )


def _parse(source: str) -> tuple[str, str]:
    """(the name as torchvision spells it, the split or nothing)."""
    asked, _, word = source.removeprefix(VISION).partition(":")
    name = {known.lower(): known for known in SETS}.get(asked.lower())
    if name is None:
        raise DataError(f"{source}: must name a classification set of torchvision, {_unknown(asked)}")
    return name, "" if word == "train" else word


def _unknown(asked: str) -> str:
    from torchvision import datasets

    some = "MNIST, FashionMNIST, CIFAR10, SVHN or EuroSAT"
    if asked.lower() in map(str.lower, datasets.__all__):
        return f"got {asked!r}, which ganaug does not read; take {some}, or put the images into a folder per class"
    close = difflib.get_close_matches(asked.lower(), map(str.lower, SETS), n=1)
    meant = f"did you mean {next(known for known in SETS if known.lower() == close[0])!r}?" if close else f"take {some}"
    return f"got {asked!r}; {meant}"


def _parameters(name: str) -> set[str]:
    from torchvision import datasets

    return set(inspect.signature(getattr(datasets, name)).parameters)


def _arguments(source: str, name: str, word: str) -> dict[str, Any]:
    """What makes the wanted part; a set that reads files hands over their paths instead of decoding them."""
    fixed = {**FIXED.get(name, {}), **({"loader": Path} if "loader" in _parameters(name) else {})}
    if name in BY_WORD:
        return {**fixed, "split": word} if word else fixed
    known = ("", "test") if name in BY_FLAG else ("",)
    if word not in known:
        fix = "is followed by :train, :test or nothing" if name in BY_FLAG else "has no parts: leave it out"
        raise DataError(f"{source}: the split must be one that the set has, got {word!r}; {name} {fix}")
    return {**fixed, "train": not word} if name in BY_FLAG else fixed


def _open(source: str, name: str, arguments: dict[str, Any], root: Path) -> Any:
    """The set from one of the places where it may lie, or else downloaded."""
    from torchvision import datasets

    make = getattr(datasets, name)
    if "root" not in _parameters(name):
        return make(**arguments)
    missing = ""
    for place in _places(root, name):
        try:
            return make(root=place, **arguments)
        except ValueError as error:  # an unknown split, or files that it cannot read: neither is mended by a download
            raise DataError(
                f"{source}: must be a part that torchvision can read in {place}, got: {_fact(error)}; "
                "correct the split or replace the files"
            ) from error
        except Exception as error:  # the sets have many ways to say that a file is not there
            missing = _fact(error)
    return _download(source, make, arguments, root, missing)


def _places(root: Path, name: str) -> Iterator[Path]:
    """The user's own folder, then what was downloaded to it."""
    yield root
    yield from sorted(root.glob(f"{name}-*/"))


def _download(source: str, make: Any, arguments: dict[str, Any], root: Path, missing: str) -> Any:
    name = make.__name__
    place = root / f"{name}-{arguments.get('split', 'train' if arguments.get('train', True) else 'test')}"
    try:
        if not {"download", "kwargs"} & _parameters(name):
            raise FileNotFoundError("torchvision has no download of it")
        if is_taken(place):
            raise FileExistsError(f"{place} has other content: remove it")
        log.info("%s: not in %s; torchvision downloads it there, once", source, root)
        with new_folder(place) as folder, redirect_stdout(sys.stderr):
            make(root=folder, download=True, **arguments)
        return make(root=place, **arguments)
    except GanaugError:
        raise
    except Exception as error:  # somebody else's servers, archives and parsers
        raise DataError(
            f"{source}: must lie in {root} or be there to download, got: {missing.split('. ')[0]}, and {_fact(error)}; "
            f"put the files there as torchvision.datasets.{name} wants them, or set GANAUG_DATA to where they are"
        ) from error


def _fact(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _labels(dataset: Any) -> Any:
    """The labels without decoding a picture, where the set keeps them apart."""
    for name in LABELS:
        labels = getattr(dataset, name, None)
        if labels is not None and np.ndim(labels) == 1:
            return labels
    if hasattr(dataset, "_samples"):
        return [label for _, label in dataset._samples]
    return [dataset[row][1] for row in range(len(dataset))]


def _class_names(dataset: Any) -> list[str] | None:
    """The names of the labels, several of one class joined; None where the set has only numbers."""
    names = getattr(dataset, "classes", None) or getattr(dataset, "categories", None)
    return names and [name if isinstance(name, str) else ", ".join(name) for name in names]
