"""The rows of a GPU: its ceilings, the ladder of steps, whether gradients are right, and what follows from all that."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import ceilings
import gradients
import ladder
import torch
from ceilings import MATMUL
from ladder import CAPTURED, EAGER, WITHOUT_R1, at
from ledger import Entry, entry
from networks import NETWORKS, Networks, smaller
from rows import OVERHEAD, SHARE, SPEED, Measured, Row, Unit

BATCHES, TOY_BATCHES = (64, 128), (4,)
LAZY_OWED = 0.15  # share of a step's time that lazy R1 may add


@dataclass(frozen=True)
class Bench:
    """What one call measures.

    Attributes:
        names: Of pairs of networks.
        device: Where.
        toy: Whether all is as small as it can be.
    """

    names: tuple[str, ...]
    device: str
    toy: bool = False

    @property
    def sizes(self) -> tuple[int, ...]:
        """Images of a batch."""
        return TOY_BATCHES if self.toy else BATCHES

    @property
    def pairs(self) -> dict[str, Networks]:
        """By name."""
        return {name: smaller(NETWORKS[name]) if self.toy else NETWORKS[name] for name in self.names}

    def rows(self) -> tuple[Row, ...]:
        """Ceilings, the ladder of each pair at each batch, and last its gradients at the smallest."""
        steps = (ladder.rows(name, pair, n, self.device) for name, pair in self.pairs.items() for n in self.sizes)
        checks = (gradients.rows(name, pair, self.sizes[0], self.device) for name, pair in self.pairs.items())
        parts = (ceilings.rows(torch.device(self.device), toy=self.toy), *steps, *checks)
        return tuple(row for part in parts for row in part)

    def derived(self, entries: list[Entry]) -> list[Entry]:
        """What is owed, then all rows, those of steps with their share of the device's rate."""
        found = {entry["key"]: entry for entry in entries if "values" in entry}
        peak = next((e["median"] for e in found.values() if e["name"] == MATMUL), None)
        claims = [
            claim
            for name, pair in self.pairs.items()
            for batch in self.sizes
            for claim in owed(name, pair, batch, found, peak)
        ]
        return claims + [with_share(entry, peak) for entry in entries]


def with_share(row: Entry, peak: float | None) -> Entry:
    """A row of steps, with the share of the device's matrix products that it reaches."""
    beside = row.get("beside", {})
    if peak is None or "TFLOP/s" not in beside:
        return row
    return {**row, "beside": {**beside, "of matrix products": SHARE.told(beside["TFLOP/s"] / peak)}}


def owed(name: str, pair: Networks, batch: int, found: dict[str, Entry], peak: float | None) -> Iterator[Entry]:
    """What follows from the rungs that are there."""
    where = at(name, batch)
    eager, best, without = (found.get(f"{rung} | {where}") for rung in (EAGER, CAPTURED, WITHOUT_R1))
    if best and eager:
        speed = [slow / fast for slow, fast in zip(eager["values"], best["values"], strict=False)]
        yield claim(f"step of {where}: {CAPTURED}", f"{EAGER} of the same networks", pair.speed, SPEED, speed)
    if best and peak:
        reached = best["beside"]["TFLOP/s"] / peak
        share = [reached * best["median"] / value for value in best["values"]]
        yield claim(f"step of {where}: {CAPTURED}, FLOP/s", MATMUL, pair.share, SHARE, share)
    if best and without:
        added = [slow / fast - 1 for slow, fast in zip(best["values"], without["values"], strict=False)]
        yield claim(f"step of {where}: time added by lazy R1", "without R1", LAZY_OWED, OVERHEAD, added)


def claim(name: str, against: str, bound: float | None, unit: Unit, values: Sequence[float]) -> Entry:
    """A row that was not measured but follows from others."""
    measured = Measured(list(values))
    return entry(Row(name, against, bound, unit, lambda repeats: measured, "What is owed"), measured)
