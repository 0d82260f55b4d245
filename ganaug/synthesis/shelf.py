"""The folder of the pools, and the room they may take."""

import contextlib
import logging
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from ganaug.errors import DataError, ModelError
from ganaug.files import cache_folder, lock, make_folder, naming_full_disk, remove_leftovers, require_room

log = logging.getLogger("ganaug")
BUDGET = "GANAUG_POOL_GB"
USUAL = 10.0  # GB of 10^9 bytes
P = TypeVar("P")


def shelf() -> Path:
    """Where pools lie: `pools` in the cache folder."""
    folder = cache_folder() / "pools"
    make_folder(folder)
    return folder


def found_or_built(path: Path, opened: Callable[[Path], P], build: Callable[[], None]) -> P:
    """The pool at `path`, built first where it is missing or damaged: by one process, while others wait for it."""
    with contextlib.suppress(ModelError):
        return opened(path)
    with sole_builder(path):
        try:
            return opened(path)  # built by another process meanwhile
        except ModelError as error:
            if path.exists():
                log.warning("%s; it is rendered again", error)
        build()
        return opened(path)


def make_room(size: int, instead: str) -> None:
    """Keep all pools within $GANAUG_POOL_GB (10 where it is not set): the ones not opened for longest make way.

    A pool that any process has open stays.

    Args:
        size: Bytes of the pool that is to come.
        instead: What its user can do where that is too much.

    Raises:
        DataError: `size` bytes alone are more than that, or the variable is no size.
        DiskFullError: The disk has no room for them.
    """
    budget = _budget()
    if size > budget:
        raise DataError(
            f"a pool must fit into {budget / 1e9:g} GB, got {size / 1e9:.3g} GB; {instead}, or set {BUDGET}"
        )
    folder = shelf()
    remove_leftovers(folder)
    found = sorted((fact.st_mtime, fact.st_size, pool) for pool in folder.glob("*.npy") if (fact := _facts(pool)))
    taken = sum(bytes_ for _, bytes_, _ in found)
    for _, bytes_, pool in found:
        if taken + size > budget and _remove(pool):
            taken -= bytes_
    require_room(folder, size)
    log.info("pools then take %.3g of %g GB in %s", (taken + size) / 1e9, budget / 1e9, folder)


def mark_opened(pool: Path) -> None:
    """Remember when it was opened last; a cache that cannot be written keeps its old times."""
    try:
        os.utime(pool)
    except OSError:
        return


@contextmanager
def sole_builder(pool: Path, *, wait: bool = True) -> Iterator[bool]:
    """Wait until nobody else renders or removes that pool; False where there is somebody, and waiting is no option.

    The system lets go when a process dies.
    """
    latch = pool.with_suffix(".lock")
    with naming_full_disk(shelf()):
        held = latch.open("wb")
    with held:
        alone = lock(held, wait=wait)
        try:
            yield alone
        finally:
            if alone:
                latch.unlink(missing_ok=True)


def _budget() -> float:
    said = os.environ.get(BUDGET) or USUAL
    try:
        budget = float(said) * 1e9
    except ValueError:
        budget = math.nan
    if not budget >= 0:
        raise DataError(f"{BUDGET} must be a number of gigabytes, got {said!r}; {USUAL:g} is usual")
    return budget


def _facts(pool: Path) -> os.stat_result | None:
    try:
        return pool.stat()
    except FileNotFoundError:  # another process was quicker
        return None


def _remove(pool: Path) -> bool:
    """Whether it is gone: not where somebody has it open, or is at it."""
    try:
        with sole_builder(pool, wait=False) as alone, pool.open("rb") as file:
            if not alone or not lock(file):
                return False
            pool.unlink()
            pool.with_suffix(".json").unlink(missing_ok=True)
    except OSError:
        return False
    log.info("the pool %s made way", pool)
    return True
