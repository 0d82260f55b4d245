"""A row of the bench: what is measured, against what, what is owed, and how its number is told."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from measuring import Call, far_apart, in_turn


@dataclass(frozen=True)
class Unit:
    """How a number is told, and when it is what was owed.

    Attributes:
        text: A format string.
        most: Whether what is owed is the most that may be, not the least.
        of: From a ratio of speeds, ours over theirs, to the number.
    """

    text: str
    most: bool = False
    of: Callable[[float], float] = float

    def told(self, value: float | None) -> str:
        """The number as a table has it.

        >>> SPEED.told(2.345), OVERHEAD.told(0.1), SPEED.told(None)
        ('2.35x', '10 %', '–')
        """
        return "–" if value is None else self.text.format(value).replace("%", " %")

    def holds(self, value: float, owed: float) -> bool:
        """Whether the number is what was owed.

        >>> SPEED.holds(2.1, 2.0), OVERHEAD.holds(0.2, 0.15)
        (True, False)
        """
        return value <= owed if self.most else value >= owed


SPEED = Unit("{:.3g}x")
SHARE = Unit("{:.0%}")
OVERHEAD = Unit("{:.0%}", most=True, of=lambda speed: 1 / speed - 1)
GIB = Unit("{:.3g} GiB", most=True)
TERAFLOPS = Unit("{:.3g} TFLOP/s")
BANDWIDTH = Unit("{:.3g} TB/s")
MILLISECONDS = Unit("{:.3g} ms", most=True)
ERROR = Unit("{:.1e}", most=True)


@dataclass(frozen=True)
class Measured:
    """What a row came to.

    Attributes:
        values: The number of each repeat.
        beside: What else the table shows, by column.
        sound: Whether what had to agree did.
    """

    values: list[float]
    beside: dict[str, Any] = field(default_factory=dict)
    sound: bool = True


@dataclass(frozen=True)
class Row:
    """One promise, or a number that stands beside one.

    Attributes:
        name: What is measured; no two rows of a table have equal names and peers.
        against: The peer or the limit.
        owed: What the number has to be; None where it is recorded beside.
        unit: Of the number.
        measure: (repeats) -> what it came to.
        group: The heading under which it stands.
    """

    name: str
    against: str
    owed: float | None
    unit: Unit
    measure: Callable[[int], Measured]
    group: str = ""

    @property
    def key(self) -> str:
        """What it is called where it is kept."""
        return f"{self.name} | {self.against}"


@dataclass(frozen=True)
class Duel:
    """Two calls that are timed in turn.

    Attributes:
        ours: The one.
        theirs: The other.
        work: What each gets done, in one unit for both: images, or floating-point operations.
        agrees: Largest difference between the numbers that both return, relative to theirs or absolute below 1; None
            where they do different things.
    """

    ours: Call
    theirs: Call
    work: tuple[float, float] = (1.0, 1.0)
    agrees: float | None = None


def duel(prepare: Callable[[], Duel], unit: Unit = SPEED) -> Callable[[int], Measured]:
    """The `measure` of a row that times two calls: the ratio of their speeds, repeat by repeat.

    Each is called once before, which warms it up and shows that both compute the same.
    """

    def measure(repeats: int) -> Measured:
        pair = prepare()
        a, b = pair.ours(), pair.theirs()
        apart = None if pair.agrees is None else far_apart(a, b)
        mine, peer = in_turn(pair.ours, pair.theirs, repeats)
        (work, work_of_peer), both = pair.work, list(zip(mine.all, peer.all, strict=True))
        values = [unit.of(work * theirs / (work_of_peer * ours)) for ours, theirs in both]
        beside = {"ours, s": mine.median, "theirs, s": peer.median}
        if apart is not None:
            beside["differ by"] = apart
        return Measured(values, beside, sound=apart is None or apart <= (pair.agrees or 0))

    return measure
