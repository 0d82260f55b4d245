"""How far a long task has come: a live bar on a terminal, a plain line now and then elsewhere."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

log = logging.getLogger("ganaug")
Report = Callable[[int, str], None]  # takes how much is done, and what else there is to say
LINES = 10  # lines over the whole task, where there is no terminal


@contextmanager
def meter(name: str, total: int, *, done: int = 0, quiet: bool = False) -> Iterator[Report]:
    """A function that shows how much of `total` is done, on stderr or, without a terminal, through the log.

    Args:
        name: What the task is called.
        total: When it is complete.
        done: Where it starts.
        quiet: Whether to show nothing.

    Example:
        >>> with meter("train", 300, quiet=True) as report:
        ...     report(100, "D 0.7")
    """
    console = Console(stderr=True)
    if quiet:
        yield lambda done, status: None
    elif console.is_terminal or console.is_jupyter:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[status]}"),
        )
        with Progress(*columns, TimeRemainingColumn(), console=console, expand=True) as bar:
            task = bar.add_task(name, total=total, completed=done, status="")
            yield lambda done, status: bar.update(task, completed=done, status=status)
    else:
        yield _lines(name, total, done)


def _lines(name: str, total: int, first: int) -> Report:
    """Logs the first report, the last, one every tenth between, and one after a step back."""
    start, due, last = time.monotonic(), 0.0, first

    def report(done: int, status: str) -> None:
        nonlocal start, due, first, last
        if done < last:
            start, due, first = time.monotonic(), 0.0, done
        last = done
        if done < due and done < total:
            return
        due = done + total / LINES
        left = (total - done) * (time.monotonic() - start) / max(done - first, 1)
        log.info("%s %d of %d, %s, %.0f s left", name, done, total, status, left)

    return report


@dataclass
class Clock:
    """How long a task takes, over all processes that worked on it, and how fast this one is."""

    before: float = 0.0  # s that earlier processes took
    start: float = field(default_factory=time.monotonic)
    images: int = 0

    def seconds(self) -> float:
        """Since the task began."""
        return self.before + time.monotonic() - self.start

    def rate(self, images: int) -> float:
        """Images per second, once so many more were shown."""
        self.images += images
        return self.images / max(time.monotonic() - self.start, 1e-9)
