"""The folder of the pools, and the room they may take."""

import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ganaug.errors import DataError
from ganaug.files import cache_folder, lock, naming_full_disk, require_room

log = logging.getLogger("ganaug")
BUDGET = "GANAUG_POOL_GB"
USUAL = 10.0  # GB of 10^9 bytes


def shelf() -> Path:
    """Where pools lie: `pools` in the cache folder."""
    return cache_folder() / "pools"


def make_room(size: int) -> None:
    """Keep all pools within $GANAUG_POOL_GB (10 where it is not set): the ones not opened for longest make way.

    A pool that any process has open stays.

    Raises:
        DataError: `size` bytes alone are more than that, or the variable is no size.
        DiskFullError: The disk has no room for them.
    """
    budget = _budget()
    if size > budget:
        raise DataError(
            f"a pool must fit into {budget / 1e9:g} GB, got {size / 1e9:.3g} GB; ask for fewer images of a class, "
            f'take serving="worker", or set {BUDGET}'
        )
    pools = sorted(shelf().glob("*.npy"), key=_last_opened)
    taken = sum(map(_size, pools))
    for pool in pools:
        if taken + size > budget:
            taken -= _remove(pool)
    require_room(shelf(), size)
    log.info("pools then take %.3g of %g GB in %s", (taken + size) / 1e9, budget / 1e9, shelf())


def mark_opened(pool: Path) -> None:
    """Remember when it was opened last; a cache that cannot be written keeps its old times."""
    try:
        os.utime(pool)
    except OSError:
        return


@contextmanager
def sole_builder(pool: Path) -> Iterator[None]:
    """Wait until nobody else renders that pool; the system lets go when a process dies."""
    latch = pool.with_suffix(".lock")
    with naming_full_disk(shelf()):
        shelf().mkdir(parents=True, exist_ok=True)
        held = latch.open("wb")
    with held:
        lock(held, wait=True)
        try:
            yield
        finally:
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


def _last_opened(pool: Path) -> float:
    try:
        return pool.stat().st_mtime
    except FileNotFoundError:
        return math.inf


def _size(pool: Path) -> int:
    try:
        return pool.stat().st_size
    except FileNotFoundError:
        return 0


def _remove(pool: Path) -> int:
    """The bytes that this gives back: none where somebody has it open."""
    size = _size(pool)
    try:
        with pool.open("rb") as file:
            if not lock(file):
                return 0
            pool.unlink()
    except OSError:
        return 0
    pool.with_suffix(".json").unlink(missing_ok=True)
    log.info("the pool %s made way", pool)
    return size
