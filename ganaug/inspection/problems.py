"""What may go wrong with a set, found before it does: each problem with its files and the way out."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ganaug.data import LabeledImages, monotonous
from ganaug.data.conversions import STRIP, TRAITS, smaller
from ganaug.data.listing import MAX_BAD, Listing
from ganaug.data.overlap import repeated
from ganaug.data.scan import Facts
from ganaug.run.planning import FEW, SCARCE

IMBALANCE = 10  # times the smallest class
NAMED = 20  # files kept with a problem


@dataclass(frozen=True)
class Problem:
    """One thing to know before training.

    Attributes:
        kind: What it is, in words that stay the same from version to version.
        count: Images or classes concerned; 0 where it is the set as a whole.
        say: What that means, or what to do.
        files: The first of them by name.
        serious: Whether results would be wrong, rather than weaker.
    """

    kind: str
    count: int
    say: str
    files: Sequence[str] = ()
    serious: bool = False


@dataclass(frozen=True)
class Look:
    """A listing and what the scan saw of each of its pictures."""

    listing: Listing
    facts: list[Facts]

    def names(self, which: Callable[[Facts], bool]) -> list[str]:
        """The usable pictures of which something is true."""
        pairs = zip(self.listing.names, self.facts, strict=True)
        return [name for name, fact in pairs if not fact.problem and which(fact)]


MEANING = {
    "several frames": "the first is used",
    "long strips": f"over {STRIP} times as long as wide; what is beyond data.resolution's aspect is cropped away",
    "one colour": "nothing else is on them",
    "dark for 16 bits": "they use less than an eighth of the range and come out nearly black; rescale them",
    "transparency": "put on white; --set data.channels=4 keeps it",
    "more than 8 bits": "scaled to 8",
    "turned": "as their EXIF orientation says",
    "CMYK": "converted without a colour profile",
}


def problems_of(look: Look) -> Iterator[Problem]:
    """What the listing and the pictures themselves show."""
    yield from _unreadable(look)
    yield from _copies(look)
    yield from _classes(look.listing)
    for kind, meaning in MEANING.items():
        names = look.names(TRAITS[kind])
        if names:
            yield Problem(kind, len(names), meaning, names[:NAMED])
    for sentence in look.listing.left_out:
        yield Problem("left out", 0, sentence)


def problems_decoded(look: Look, data: LabeledImages) -> Iterator[Problem]:
    """What only the training images at their final size and channels show."""
    yield from _scarce(look.listing, data)
    yield from _upsampled(look, data.shape[1:])
    if data.shape[0] == 3 and all(bool((image == image[:1]).all()) for image in data.images):
        yield Problem("gray stored as colour", len(data), "--set data.channels=1 learns faster")
    same = monotonous(data)
    if same:
        way = "a generator can only repeat it"
        yield Problem("classes of one image over and over", len(same), way, same[:NAMED], serious=True)


def _unreadable(look: Look) -> Iterator[Problem]:
    named = zip(look.listing.names, look.facts, strict=True)
    bad = [f"{name}: {fact.problem}" for name, fact in named if fact.problem]
    if bad:
        few = len(bad) * 100 <= len(look.facts) * MAX_BAD
        way = "--set data.skip_bad=true goes on without" if few else "remove or replace them"
        yield Problem("unusable files", len(bad), way, bad[:NAMED], serious=True)


def _copies(look: Look) -> Iterator[Problem]:
    """The same pixels more than once: in several classes, where no label is right, or within one."""
    names, labels = look.listing.names, look.listing.labels
    equal, conflicting = repeated([fact.sha256 for fact in look.facts], labels)
    within = [group for group in equal if group not in conflicting]
    for kind, found, way in (
        ("the same image in several classes", conflicting, "no label is right; remove all but one"),
        ("copies within a class", within, "kept on one side of each split"),
    ):
        pairs = [" = ".join(names[i] for i in group[:2]) for group in found[:NAMED]]
        if found:
            count = sum(len(group) - 1 for group in found)
            yield Problem(kind, count, way, pairs, serious=found is conflicting)


def _classes(listing: Listing) -> Iterator[Problem]:
    counts = Counter(listing.labels)
    sizes = sorted((counts[label], name) for label, name in enumerate(listing.classes))
    few = [f"{name}: {n}" for n, name in sizes if n < FEW]
    if few:
        way = "a generator may learn those images by heart"
        yield Problem(f"classes of fewer than {FEW} images", len(few), way, few[:NAMED])
    (least, smallest), (most, largest) = sizes[0], sizes[-1]
    if least and most >= IMBALANCE * least:
        say = f"{most / least:,.0f} to 1; judge by --set measure.metric=balanced_accuracy"
        yield Problem("imbalance", 0, say, (f"{largest}: {most:,}", f"{smallest}: {least:,}"))


def _scarce(listing: Listing, data: LabeledImages) -> Iterator[Problem]:
    """Classes that are not as few as those that are named already, and yet fewer than the evidence asks for."""
    there, learned = Counter(listing.labels), zip(data.classes, data.counts.tolist(), strict=True)
    scarce = [f"{name}: {n}" for k, (name, n) in enumerate(learned) if there[k] >= FEW and n < SCARCE]
    if scarce:
        say = "in a study of 2026 (arXiv:2603.16134) images of a GAN did harm below about 20 to 50 a class"
        yield Problem(f"classes of fewer than {SCARCE} training images", len(scarce), say, scarce[:NAMED])


def _upsampled(look: Look, size: tuple[int, int]) -> Iterator[Problem]:
    names = look.names(lambda fact: bool(smaller([fact.header.size], size)))
    if names:
        way = f"upsampled to {size[0]} x {size[1]}: no detail is gained; choose a smaller data.resolution"
        yield Problem("smaller than data.resolution", len(names), way, names[:NAMED])
