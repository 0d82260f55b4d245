"""Splits that are functions of (images, fraction, seed), and the proof that two sets share no image.

Images of equal pixels always stay on one side, and so do the images of one group: one object, patient or track.
"""

import logging
import random
from collections import Counter, defaultdict
from dataclasses import replace

import torch

from ganaug.data.labeled import LabeledImages
from ganaug.data.overlap import shared
from ganaug.data.unlabeled import UnlabeledImages
from ganaug.errors import DataError

log = logging.getLogger("ganaug")
Component = list[int]  # indices of images that must stay together


def hold_out(data: LabeledImages, fraction: float, seed: int = 0) -> tuple[LabeledImages, LabeledImages]:
    """Cut a stratified share off: (rest, held out). Images with equal pixels, and those of one group, stay together.

    Without groups every class of two different images or more gives at least one to either side; where no class has
    two, copies are held out, with a warning. Whole groups meet the
    share of each class as well as they can; a class that is one group stays in the rest, with a warning.

    Args:
        data: What to split; `data.groups` says which images show one object.
        fraction: The share of each class to hold out, in (0, 1).
        seed: Another seed, another split; the order of the files has no influence.

    Raises:
        DataError: `fraction` is not inside (0, 1), or no class has two images or groups.

    Example:
        >>> from ganaug.data import load
        >>> rest, held_out = hold_out(load("sklearn:digits"), 0.2)
        >>> len(rest), len(held_out)
        (959, 239)
    """
    _require_fraction(fraction)
    rng = random.Random(seed)
    held = _held_images(data, fraction, rng) if data.groups is None else _held_groups(data, fraction, rng)
    if not held and data.groups is None:
        held = _held_copies(data, fraction, rng)
    if not held:
        what = "images" if data.groups is None else "groups (data.groups says which images belong together)"
        raise DataError(
            f"{data.source}: a class must have two {what} to hold one out, got none; add images or pass --val DATA"
        )
    mask = torch.zeros(len(data), dtype=torch.bool)
    mask[torch.tensor(held)] = True
    rest = data.subset((~mask).nonzero().squeeze(1))
    out = data.subset(mask.nonzero().squeeze(1), f"{data.source} (held out)")
    whole = [name for k, name in enumerate(data.classes) if data.counts[k] > 1 and not out.counts[k]]
    if whole:
        log.warning(
            "%s: no image of %s is held out: all of a class are one group, or equal", data.source, listed(whole)
        )
    return rest, out


def held_out_by_hash(images: UnlabeledImages, fraction: float) -> tuple[UnlabeledImages, UnlabeledImages]:
    """Cut a share off images without labels: (rest, held out), in the order they came in.

    Which side an image is on is a function of its own pixels, whatever other images there are and in whatever order;
    only where that leaves a side with fewer than two do the nearest hashes change it. Equal images stay together.

    Args:
        images: What to split.
        fraction: The share to hold out, about, in (0, 1).

    Raises:
        DataError: `fraction` is not inside (0, 1), or there are not two images for either side.

    Example:
        >>> from ganaug.data import load_unlabeled
        >>> rest, held_out = held_out_by_hash(load_unlabeled("sklearn:digits"), 0.2)
        >>> len(rest), len(held_out)
        (932, 266)
    """
    _require_fraction(fraction)
    counts = sorted(Counter(images.hashes).items())
    first, last = _enough(counts), len(counts) - _enough(counts[::-1])
    if first > last:
        raise DataError(
            f"{images.source}: must have two images to hold out and two to keep, got {len(images)} of which "
            f"{len(counts)} differ; add some"
        )
    cut = sum(int(h[:8], 16) < fraction * 2**32 for h, _ in counts)
    held = {h for h, _ in counts[: min(max(cut, first), last)]}
    rows: tuple[list[int], list[int]] = ([], [])
    for i, h in enumerate(images.hashes):
        rows[h in held].append(i)
    rest, out = map(images.subset, rows)
    return rest, replace(out, source=f"{images.source} (held out)")


def _enough(counts: list[tuple[str, int]]) -> int:
    """How many of these hashes it takes to have two images; one more than there are where they have not."""
    return next((n for n in range(len(counts) + 1) if sum(m for _, m in counts[:n]) >= 2), len(counts) + 1)


def first_per_class(data: LabeledImages, n: int, seed: int = 0) -> tuple[LabeledImages, LabeledImages]:
    """(n random images of each class, the rest); with groups whole ones, and n or fewer images.

    Example:
        >>> from ganaug.data import load
        >>> few, rest = first_per_class(load("sklearn:digits"), 20)
        >>> set(few.counts.tolist())
        {20}
    """
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    labels = data.labels[order]
    chosen = torch.cat([order[labels == k][:n] for k in range(data.num_classes)])
    if data.groups is not None:
        chosen = torch.tensor(_first_groups(data, n, random.Random(seed)), dtype=torch.int64)
    rest = torch.ones(len(data), dtype=torch.bool)
    rest[chosen] = False
    return data.subset(chosen), data.subset(rest.nonzero().squeeze(1))


def require_disjoint(known: LabeledImages, other: LabeledImages) -> None:
    """Refuse a set that shares an image with another, pixel for pixel.

    Raises:
        DataError: Names the first shared image on both sides.
    """
    pairs = shared(other, known)
    if pairs:
        i, j = pairs[0]
        raise DataError(
            f"{other.source}: images must not be among those of {known.source}, got {len(pairs)} that are "
            f"({other.names[i]} equals {known.names[j]}); remove them from one side"
        )


def _require_fraction(fraction: float) -> None:
    if not 0 < fraction < 1:
        raise DataError(f"the held-out fraction must lie in (0, 1), got {fraction}; one fifth is usual")


def straddling(a: LabeledImages, b: LabeledImages) -> list[str]:
    """The groups with images in both sets, sorted; none where either has no groups."""
    return sorted(set(a.groups or ()) & set(b.groups or ()))


def _held_images(data: LabeledImages, fraction: float, rng: random.Random) -> list[int]:
    """Class by class, images up to the share. Stored models were split by this: it must not change."""
    labels, left = data.targets, Counter(data.targets)
    by_class: list[list[Component]] = [[] for _ in data.classes]
    for component in _components(data):
        by_class[min(labels[i] for i in component)].append(component)
    held: list[int] = []
    for components in by_class:
        rng.shuffle(components)
        quota, start = max(1, round(fraction * sum(map(len, components)))), len(held)
        for component in components:
            taken = Counter(labels[i] for i in component)
            if len(held) - start < quota and _leaves_some(taken, left):
                left -= taken
                held += component
    return held


def _held_copies(data: LabeledImages, fraction: float, rng: random.Random) -> list[int]:
    """Where every class shows one image over and over, copies of it stand on both sides: there is nothing else."""
    held: list[int] = []
    for label, n in enumerate(data.counts.tolist()):
        rows = (data.labels == label).nonzero().squeeze(1).tolist()
        held += rng.sample(rows, min(max(1, round(fraction * n)), n - 1))
    if held:
        log.warning("%s: every class shows one image over and over; copies of it are held out", data.source)
    return held


def _held_groups(data: LabeledImages, fraction: float, rng: random.Random) -> list[int]:
    """Whole components: what fits under the classes' shares, what brings them nearer, and one for who has none."""
    components, labels = _components(data), data.targets
    rng.shuffle(components)
    whole = [Counter(labels[i] for i in component) for component in components]
    total, left, held = Counter(labels), Counter(labels), Counter[int]()
    taken: dict[int, None] = {}

    def take(which: int) -> None:
        if which not in taken and _leaves_some(whole[which], left):
            taken[which] = None
            held.update(whole[which])
            left.subtract(whole[which])

    def nearer(counts: Counter[int]) -> bool:
        """Whether the squared distances of the classes' shares from the fraction fall, all in all."""
        return sum(n * (n + 2 * held[k] - 2 * fraction * total[k]) / total[k] ** 2 for k, n in counts.items()) < 0

    for which, counts in enumerate(whole):
        if all(held[k] + n <= fraction * total[k] for k, n in counts.items()):
            take(which)
    by_size = sorted(range(len(whole)), key=lambda which: len(components[which]))
    for which in by_size:
        if nearer(whole[which]):
            take(which)
    for which in by_size:
        if not all(held[k] for k in whole[which]):
            take(which)
    return [i for which in taken for i in components[which]]


def _leaves_some(taken: Counter[int], left: Counter[int]) -> bool:
    """Whether every class that is taken from keeps an image."""
    return all(left[k] > n for k, n in taken.items())


def _first_groups(data: LabeledImages, n: int, rng: random.Random) -> list[int]:
    """Whole components in random order, as long as no class has more than `n` images."""
    components, labels, chosen, counts = _components(data), data.targets, list[int](), Counter[int]()
    rng.shuffle(components)
    for component in components:
        more = Counter(labels[i] for i in component)
        if all(counts[k] + m <= n for k, m in more.items()):
            counts.update(more)
            chosen += component
    return chosen


def _components(data: LabeledImages) -> list[Component]:
    """Images that equal pixels or a group tie together, in an order that does not depend on the files' order."""
    same: dict[str, Component] = defaultdict(list)
    for i, h in enumerate(data.hashes):
        same[h].append(i)
    pieces = [same[h] for h in sorted(same)]
    if data.groups is None:
        return pieces
    root = list(range(len(pieces)))  # of each piece, the smallest piece that it is tied to

    def find(piece: int) -> int:
        while root[piece] != piece:
            root[piece] = piece = root[root[piece]]
        return piece

    first: dict[str, int] = {}
    for piece, images in enumerate(pieces):
        for i in images:
            a, b = find(first.setdefault(data.groups[i], piece)), find(piece)
            root[max(a, b)] = min(a, b)
    tied: dict[int, Component] = defaultdict(list)
    for piece, images in enumerate(pieces):
        tied[find(piece)] += images
    return list(tied.values())


def listed(names: list[str], most: int = 3) -> str:
    """A few names, and how many more there are.

    >>> listed(["ant", "bee", "cat", "dog", "eel"])
    "'ant', 'bee', 'cat' and 2 more"
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more
