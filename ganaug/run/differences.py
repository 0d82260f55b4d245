"""What a run that is resumed no longer has in common with the one that began."""

from collections.abc import Iterator
from typing import Any

from ganaug.data import LabeledImages, UnlabeledImages
from ganaug.ranks import size
from ganaug.run.planning import Plan


def differences(facts: dict[str, Any], todo: Plan) -> Iterator[str]:
    """What is not as it was, the most telling first: the rest of `<run> must be resumed with ...`."""
    yield from _classes(facts.get("classes"), todo.train)
    shape = list(todo.train.shape)
    if facts.get("shape", shape) != shape:
        was, now = ("x".join(map(str, s)) for s in (facts["shape"], shape))
        yield f"images of {was} (channels x height x width), got {now} in {todo.train.source}; set data.resolution"
    recipe = todo.facts()["recipe"]
    yield from changed_keys("nets", facts["recipe"], recipe)
    for name, data, n in (("train", todo.train, facts["images"]), ("val", todo.val, facts.get("val_images"))):
        if facts["splits"][name] != data.fingerprint:
            what, before = {"train": "training", "val": "validation"}[name], f" where there were {n:,}" if n else ""
            got = f"{len(data):,} others" if n == len(data) else f"{len(data):,}{before}"
            yield f"the same {what} images, got {got} in {data.source}; pass the first command's DATA and --val"
    was, now = facts.get("processes", 1), size()
    if was != now:
        yield f"as many processes, {was}, got {now}; start it by torchrun with --nproc_per_node, or alone, as before"
    yield from _unlabeled(facts.get("unlabeled"), todo.unlabeled)
    if facts.get("init", {}).get("model", todo.recipe.train.init) != todo.recipe.train.init:
        yield f"train.init = {facts['init']['model']}, got {todo.recipe.train.init}; use the first command's options"
    for table in ("data", "train"):
        yield from changed_keys(table, facts["recipe"], recipe)


def _unlabeled(began: dict[str, Any] | None, now: UnlabeledImages | None) -> Iterator[str]:
    was, got = (began or {}).get("fingerprint"), now and now.fingerprint
    if was != got:
        before = f"{began['images']:,}" if began else "none"
        there = f"{len(now):,} in {now.source}" if now else "none"
        what = f"the same images without labels, got {there} where there were {before}"
        yield f"{what}; pass the first command's --unlabeled, DATA and --val"


def _classes(began: list[str] | None, data: LabeledImages) -> Iterator[str]:
    now = list(data.classes)
    if began in (None, now):
        return
    odd = sorted(set(began) ^ set(now))
    got = f"{odd[0]!r} {'added' if odd[0] in now else 'missing'}" if odd else f"another order: {now[:8]}"
    more = f" and {len(odd) - 1} more changed" if len(odd) > 1 else ""
    yield f"the same classes, got {got}{more} in {data.source}; pass the first command's DATA"


def changed_keys(table: str, began: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    """Keys that an older ganaug did not know yet count as unchanged."""
    for key, value in now[table].items():
        old = began[table].get(key, value)
        if old != value:
            yield f"{table}.{key} = {old}, got {value}; use the first command's options"
