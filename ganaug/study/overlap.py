"""What test images have in common with those that a study learns from: refused, or dropped from one side."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ganaug.data import LabeledImages, UnlabeledImages, near_duplicates, require_images, shared
from ganaug.errors import DataError

log = logging.getLogger("ganaug")
MOST = 0.01  # share of the test images that may have a near duplicate
SAID_EXACT, SAID_NEAR = 50, 20  # pairs that the log names
NAMED = 3  # pairs that a refusal names
WAY_ON = "remove them from one side, or pass --drop-overlap"


@dataclass(frozen=True)
class Settled:
    """A test set that may be measured on.

    Attributes:
        test: Its images, less what was dropped.
        known: The sets that are learned from, less what was dropped.
        facts: What was found, for measure.json.
        notes: What was dropped and why, for the report.
    """

    test: LabeledImages
    known: list[LabeledImages]
    facts: dict[str, Any]
    notes: list[str]


def settle(
    test: LabeledImages,
    known: list[LabeledImages],
    *,
    drop: bool,
    learned: bool,
    unlabeled: Sequence[UnlabeledImages] = (),
    way_on: str = WAY_ON,
) -> Settled:
    """Look for test images among the known ones, name them in the log, and refuse or drop what must not be.

    Args:
        test: The test images.
        known: The sets that are learned from, or chosen by.
        drop: Whether images that are equal, or nearly, are dropped rather than refused.
        learned: Whether a generator has learned from the known ones already: test images are dropped then, for nothing
            else can undo it.
        unlabeled: Images that a generator learned from without labels.
        way_on: What a refusal advises.

    Raises:
        DataError: An image is in both, or over 1 % of the test images have a near duplicate; or a class has no image
            once they are dropped.
    """
    every = [*known, *unlabeled]
    exact = _exact(test, every)
    _say(exact, "equals", SAID_EXACT)
    if exact and not drop:
        named = ", ".join(f"{pair.test_name} equals {pair.name}" for pair in exact[:NAMED])
        raise DataError(
            f"{test.source}: images must not be among the training images, "
            f"got {len(exact)} that are ({named}); {way_on}"
        )
    near = _near(test, every)
    _say(near, "nearly equals", SAID_NEAR)
    images = len({pair.test for pair in near})
    share = images / len(test)
    if share > MOST and not drop:
        raise DataError(
            f"{test.source}: at most {MOST:.0%} of the images may nearly equal a training image, got {images} "
            f"({share:.1%}), the first {near[0].test_name}, which nearly equals {near[0].name}; {way_on}"
        )
    notes = [f"{test.source}: {images} images nearly equal training images ({100 * share:.2f} %)."] if near else []
    pairs = [[pair.test_name, pair.name, pair.correlation] for pair in exact + near]
    facts = {"exact": len(exact), "near": images, "share": share, "pairs": pairs, "dropped": None}
    found = Settled(test, known, facts, notes)
    return _dropped(found, exact + near, learned) if drop and pairs else found


@dataclass(frozen=True)
class Pair:
    """A test image and one that is learned from, as (set, index in it)."""

    known: LabeledImages | UnlabeledImages
    index: int
    tests: LabeledImages
    test: int
    correlation: float = 1.0

    @property
    def name(self) -> str:
        """Of the image that is learned from; where it has no label, with the set that it is from."""
        name = self.known.names[self.index]
        return name if isinstance(self.known, LabeledImages) else f"{name} of {self.known.source}"

    @property
    def test_name(self) -> str:
        """Of the test image."""
        return self.tests.names[self.test]


def _exact(test: LabeledImages, known: list[LabeledImages | UnlabeledImages]) -> list[Pair]:
    """One pair for each test image that is among the known ones."""
    first = {i: Pair(part, j, test, i) for part in reversed(known) for i, j in shared(test, part)}
    return [first[i] for i in sorted(first)]


def _near(test: LabeledImages, known: list[LabeledImages | UnlabeledImages]) -> list[Pair]:
    """The near duplicates that are not equal, the most alike of each set first."""
    found = ((part, pair) for part in known for pair in near_duplicates(test, part))
    return [Pair(part, j, test, i, c) for part, (i, j, c) in found if test.hashes[i] != part.hashes[j]]


def _dropped(found: Settled, pairs: list[Pair], learned: bool) -> Settled:
    """Without the images of the pairs: of their test side, or of the other."""
    test, known = found.test, found.known
    if learned:
        test, side = _without(test, {test.hashes[pair.test] for pair in pairs}), "test"
        why = "the generator has learned from images that equal them, or nearly do"
    else:
        gone, side = {pair.known.hashes[pair.index] for pair in pairs}, "training"
        known = [_without(part, gone) for part in known]
        why = "they equal test images, or nearly do; what made the synthetic images may have seen them all the same"
    n = sum(map(len, (found.test, *found.known))) - sum(map(len, (test, *known)))
    facts = {**found.facts, "dropped": {"from": side, "images": n}}
    return Settled(test, known, facts, [f"{n} {side} images were dropped (--drop-overlap): {why}."])


def _without(data: LabeledImages, gone: set[str]) -> LabeledImages:
    """The images that have none of these hashes; copies of one go with it."""
    kept = torch.tensor([h not in gone for h in data.hashes], dtype=torch.bool)
    return data if bool(kept.all()) else require_images(data.subset(kept.nonzero().squeeze(1)))


def _say(pairs: list[Pair], how: str, most: int) -> None:
    for pair in pairs[:most]:
        log.info("%s: %s %s %s", pair.tests.source, pair.test_name, how, pair.name)
    if len(pairs) > most:
        log.info("%s: and %d pairs more", pairs[0].tests.source, len(pairs) - most)
