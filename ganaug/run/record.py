"""progress.jsonl: a line for every report of the training loop."""

import contextlib
import errno
import json
import math
import os
import statistics
from pathlib import Path
from typing import Any

from ganaug.descent import Progress
from ganaug.errors import DiskFullError
from ganaug.files import naming_full_disk, replace_file
from ganaug.run.job import Judgement

LOG = "progress.jsonl"


class Record:
    """The log of a run. Lines that find no room wait for the next time.

    Attributes:
        path: The file.
        waiting: Whole lines that are not yet in it.
    """

    def __init__(self, path: Path):
        self.path, self.waiting = path, b""

    def add(
        self, progress: Progress, seconds: float, images_per_second: float, judgement: Judgement | None = None
    ) -> None:
        """Append one line, or keep it for later where the disk is full."""
        line = {
            "step": progress.step,
            "seconds": round(seconds, 2),
            "images_per_second": round(images_per_second, 1),
            **{name: round(loss, 5) for name, loss in progress.losses.items()},
        }
        if judgement:
            line |= judgement.noted()
        self.waiting += json.dumps(line).encode() + b"\n"
        with contextlib.suppress(DiskFullError):
            self.write()

    def write(self) -> None:
        """Append what waits, all of it or nothing.

        Raises:
            DiskFullError: There is no room.
        """
        with naming_full_disk(self.path), self.path.open("ab", buffering=0) as file:
            before = file.tell()
            if file.write(self.waiting) < len(self.waiting):
                file.truncate(before)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        self.waiting = b""

    def cut(self, step: int) -> None:
        """Drop what was logged after `step`: those steps are taken again."""
        self.waiting = b""
        if self.path.exists():
            kept = [line for line in self._lines() if line["step"] <= step]
            replace_file(self.path, b"".join(json.dumps(line).encode() + b"\n" for line in kept))

    def seconds(self) -> float:
        """Training time of the steps that it holds."""
        lines = self._lines()
        return float(lines[-1]["seconds"]) if lines else 0.0

    def mean(self, name: str, since: int) -> float:
        """Mean of a loss over the lines after step `since`; nan where there is none."""
        values = [line[name] for line in self._lines() if line["step"] > since and name in line]
        return statistics.fmean(values) if values else math.nan

    def _lines(self) -> list[dict[str, Any]]:
        """The whole lines; what a kill or the disk damaged is passed over, for nothing is decided by it."""
        kept = []
        for line in self.path.read_bytes().splitlines() if self.path.exists() else []:
            with contextlib.suppress(ValueError):
                kept.append(json.loads(line))
        return [line for line in kept if isinstance(line, dict) and {"step", "seconds"} <= line.keys()]
