"""Images that stand on both sides of a split, or nearly: what is measured on one side was seen on the other."""

from collections.abc import Iterator
from pathlib import Path

from ganaug.data import LabeledImages, load
from ganaug.data.overlap import shared
from ganaug.data.twins import Twins, near_twins
from ganaug.errors import GanaugError
from ganaug.inspection.problems import NAMED, Problem
from ganaug.run import Plan

BESIDE = ("val", "test")  # splits that may lie beside a folder called train


def straddling(todo: Plan) -> Iterator[Problem]:
    """Near twins across the validation split; near twins and equal images across the splits that lie beside it."""
    way = "if they show one object, data.groups keeps it on one side"
    yield from _twins("near twins across the validation split", near_twins(todo.train, todo.val), way)
    for name, folder in _beside(todo.train.source).items():
        try:
            other = load(folder, resolution=todo.train.shape[1:], channels=todo.train.shape[0])
            yield from _across(name, other, todo.train, todo.val)
        except GanaugError as error:
            yield Problem(f"unusable {name} split", 0, str(error), serious=True)


def _across(name: str, other: LabeledImages, *known: LabeledImages) -> Iterator[Problem]:
    for part in known:
        pairs = [f"{name}/{other.names[i]} = {part.names[j]}" for i, j in shared(other, part)]
        if pairs:
            way = "`measure` refuses them, or leaves them out with --drop-overlap"
            yield Problem(f"the same image in {name} and here", len(pairs), way, pairs[:NAMED], serious=True)
    yield from _twins(f"near twins in {name}", near_twins(known[0], other), "`measure` refuses copies above 1 %")


def _twins(kind: str, twins: Twins, way: str) -> Iterator[Problem]:
    if twins.count:
        most = sorted(twins.per_class.items(), key=lambda item: -item[1])
        classes = ", ".join([f"{name}: {n}" for name, n in most[:3]] + ["..."] * (len(most) > 3))
        pairs = [f"{a} ~ {b}" for a, b, _ in twins.copies + twins.crops]
        yield Problem(kind, twins.count, f"of {twins.looked_at:,} looked at ({classes}); {way}", pairs[:NAMED])


def _beside(source: str) -> dict[str, Path]:
    """The other splits of a set that is read from a folder called train."""
    folder = Path(source)
    if folder.name != "train":
        return {}
    return {name: folder.parent / name for name in BESIDE if (folder.parent / name).is_dir()}
