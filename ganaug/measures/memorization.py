"""Does a generator hand back its training images? Near copies and statistics of neighbours, as a panel."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from ganaug.measures.copies import COPY_RATIO, near_copies, pictures
from ganaug.measures.features import pixel_features
from ganaug.measures.fidelity import check_features, nearest, prdc
from ganaug.measures.neighbours import (
    authentic,
    dcr_of,
    equal_sizes,
    kmeans_cells,
    nearest_one,
    ratio,
    share,
)
from ganaug.measures.neighbours import authpct as authpct
from ganaug.measures.neighbours import ct as ct
from ganaug.measures.neighbours import dcr_test as dcr_test
from ganaug.measures.neighbours import neighbour_ratios as neighbour_ratios
from ganaug.measures.neighbours import z_u as z_u
from ganaug.measures.panel import MIN_TRAIN, ClassMemorization, enough, judge, many_copies
from ganaug.measures.panel import Memorization as Memorization
from ganaug.measures.statistics import draw

NULL_ROWS = 100  # held-out rows below which training rows among themselves join the null of the neighbour ratio
PAIRS = 25_000_000  # of a synthetic or held-out and a training image that are compared: of more, a random sample
FEWEST = 500  # rows of such a sample
MATCHED = 2_000  # rows of each side of precision and its kin

Labeled = tuple[Tensor, Tensor]  # images and labels


@dataclass(frozen=True)
class _Evidence:
    """Features of the three sets, with the rows that they had, and neighbour ratios."""

    train: Tensor  # float64 [T, D]
    held_out: Tensor
    synthetic: Tensor
    rows: tuple[Tensor, Tensor, Tensor]  # int64 [T], [V], [N]
    ratios: Tensor  # of the synthetic samples, float64 [N]
    sources: Tensor  # the row, as it was, of the training image nearest to each, int64 [N]
    real_ratios: Tensor  # of the held-out images, [V]
    null: Tensor  # the same, and more where they are few

    def of_class(self, labels: tuple[Tensor, Tensor, Tensor], k: int) -> "_Evidence":
        """What belongs to class `k`; `labels` of the three sets by the rows that they had. The null stays the same."""
        train, held, made = (own[rows] == k for own, rows in zip(labels, self.rows, strict=True))
        return _Evidence(
            train=self.train[train],
            held_out=self.held_out[held],
            synthetic=self.synthetic[made],
            rows=(self.rows[0][train], self.rows[1][held], self.rows[2][made]),
            ratios=self.ratios[made],
            sources=self.sources[made],
            real_ratios=self.real_ratios[held],
            null=self.null,
        )


def assess(train: Tensor, held_out: Tensor, synthetic: Tensor, *, seed: int = 0) -> Memorization:
    """Compare synthetic samples with the images that trained the generator and with real images that did not.

    The encoder should treat train and held-out alike (pixels, random convolutions, a network fitted to neither). One
    fitted to `train` may tell the two apart by itself; `null_dcr` shows it, and the test on `dcr` then asks for more.

    Args:
        train: Features of the images that the generator saw, [T, D]; repeated rows count once.
        held_out: Features of real images that it did not see, [V, D]; repeated rows count once.
        synthetic: Features of synthetic images, [N, D].
        seed: Of the k-means cells, the subsamples and the permutations.

    Raises:
        DataError: The widths differ, a number is not finite, a set is empty, or `train` has fewer than two rows.

    Example:
        >>> train, held_out, fresh = torch.randn(3, 300, 8, generator=torch.Generator().manual_seed(0))
        >>> assess(train, held_out, fresh).verdict, assess(train, held_out, train + 0.01 * fresh).verdict
        ('healthy', 'copying')
    """
    train, held_out, synthetic = check_features(1, torch.float64, train=train, held_out=held_out, synthetic=synthetic)
    rows, held_rows = _first_of_each(train), _first_of_each(held_out)
    train, held_out = check_features(2, torch.float64, train=train[rows])[0], held_out[held_rows]
    ratios, nearest_rows = neighbour_ratios(synthetic, train)
    real = neighbour_ratios(held_out, train)[0]
    null = torch.cat([real, _ratios_among(train)]) if len(held_out) < NULL_ROWS else real
    kept = rows, held_rows, torch.arange(len(synthetic))
    return _panel(_Evidence(train, held_out, synthetic, kept, ratios, rows[nearest_rows], real, null), seed)


def assess_images(train: Tensor, held_out: Tensor, synthetic: Tensor, *, seed: int = 0) -> Memorization:
    """The same of images: near copies are sought under flips and shifts, the rest is said of their pixels.

    All training images are looked at; of the others a random sample where there are so many that either set would take
    over 25 million comparisons with them, but 500.

    Args:
        train: The images that the generator saw, uint8 [T, C, H, W]; equal and mirrored ones count once.
        held_out: Real images that it did not see, uint8 [V, C, H, W]; the same.
        synthetic: Synthetic images, uint8 [N, C, H, W].
        seed: Of the samples, the k-means cells and the permutations.

    Raises:
        DataError: The sets are not uint8 or differ in shape, one is empty, or `train` shows fewer than two pictures.

    Example:
        >>> noise = torch.randint(256, (450, 1, 8, 8), generator=torch.Generator().manual_seed(0)).byte()
        >>> train, held_out, fresh = noise.split(150)
        >>> assess_images(train, held_out, torch.cat([fresh[:100], train[:50].roll(1, 3).flip(2)])).verdict
        'copying'
    """
    return _panel(_look(train, held_out, synthetic, seed), seed)


def assess_classes(
    train: Labeled, held_out: Labeled, synthetic: Labeled, *, num_classes: int, seed: int = 0
) -> tuple[Memorization, list[ClassMemorization]]:
    """`assess_images`, and the same of every class among its own images.

    Args:
        train: The images that the generator saw, uint8 [T, C, H, W], and their labels, int64 [T] in [0, num_classes).
        held_out: The same of real images that it did not see.
        synthetic: The same of synthetic images.
        num_classes: K.
        seed: As for `assess_images`.

    Returns:
        The panel of all images, and one for each of the K classes.

    Raises:
        DataError: As for `assess_images`.
    """
    evidence = _look(train[0], held_out[0], synthetic[0], seed)
    labels = train[1], held_out[1], synthetic[1]
    return _panel(evidence, seed), [_class_panel(evidence.of_class(labels, k), seed) for k in range(num_classes)]


def cas_gap(right_train: ArrayLike, right_held_out: ArrayLike) -> tuple[float, float, float]:
    """Accuracy on training images minus that on held-out ones, of classifiers that saw synthetic images alone.

    Above 0 the synthetic images carry what is peculiar to the training images. Both are random parts of one set: images
    are resampled in each on their own, and the seeds of the classifiers for both at once.

    Args:
        right_train: Whether classifier s is right on training image i, bool [S, T].
        right_held_out: The same of held-out images, bool [S, V], of the same classifiers.

    Returns:
        The gap in [-1, 1], and the ends of its 95 % interval; infinite with one classifier.

    Example:
        >>> seen, unseen = torch.ones(6, 200), torch.arange(200).expand(6, -1) % 2
        >>> gap, low, high = cas_gap(seen, unseen)
        >>> gap, 0.4 < low < gap < high < 0.6
        (0.5, True)
    """
    sides = [np.asarray(right, dtype=np.float64) for right in (right_train, right_held_out)]
    draws = [draw(len(right), np.zeros(right.shape[1]), seed=i) for i, right in enumerate(sides)]
    seen, unseen = (drawn.images @ right.T / right.shape[1] for drawn, right in zip(draws, sides, strict=True))
    gaps = sides[0].mean(1) - sides[1].mean(1)
    return float(gaps.mean()), *draws[0].interval(seen - unseen, gaps)


def _look(train: Tensor, held_out: Tensor, synthetic: Tensor, seed: int) -> _Evidence:
    """Features and near copies of images."""
    generator = torch.Generator().manual_seed(seed)
    seen, real = pictures(train), pictures(held_out)
    most = max(FEWEST, PAIRS // max(1, len(seen)))
    made = torch.arange(len(synthetic))
    real, made = (x[torch.randperm(len(x), generator=generator)[:most].sort().values] for x in (real, made))
    seen_pixels, real_pixels, made_pixels = check_features(
        1,
        torch.float64,
        train=pixel_features(train[seen]),
        held_out=pixel_features(held_out[real]),
        synthetic=pixel_features(synthetic[made]),
    )
    copies, of_real = (near_copies(x[rows], train[seen]) for x, rows in ((synthetic, made), (held_out, real)))
    null = of_real.ratio
    if len(real) < NULL_ROWS and len(seen) >= MIN_TRAIN:
        mine, others = seen[torch.randperm(len(seen), generator=generator)].chunk(2)
        null = torch.cat([null, near_copies(train[mine[:most]], train[others]).ratio])
    return _Evidence(
        train=seen_pixels,
        held_out=real_pixels,
        synthetic=made_pixels,
        rows=(seen, real, made),
        ratios=copies.ratio,
        sources=seen[copies.nearest],
        real_ratios=of_real.ratio,
        null=null,
    )


def _panel(evidence: _Evidence, seed: int) -> Memorization:
    train, held_out, synthetic = evidence.train, evidence.held_out, evidence.synthetic
    order = evidence.ratios.argsort(stable=True)
    to_train, real_to_train = nearest_one(synthetic, train), nearest_one(held_out, train)
    dcr, dcr_p = dcr_of(to_train, nearest_one(synthetic, held_out), (len(train), len(held_out)), seed)
    matched = _matched(evidence, seed)
    panel = Memorization(
        verdict="not testable",
        why="",
        images=len(synthetic),
        copies=int((evidence.ratios < COPY_RATIO).sum()),
        nn_ratio=share(evidence.ratios < COPY_RATIO),
        null_nn_ratio=share(evidence.real_ratios < COPY_RATIO),
        authpct=authentic(train, *to_train),
        null_authpct=authentic(train, *real_to_train),
        ct=ct(train, held_out, synthetic, *kmeans_cells(train, held_out, synthetic, seed=seed)),
        dcr=dcr,
        null_dcr=_null_dcr(train, held_out, real_to_train[0]),
        dcr_p=dcr_p,
        variety=_variety(matched[2], matched[1]) if matched else None,
        fidelity=prdc(matched[1], matched[2]) if matched else None,
        reference=prdc(matched[1], matched[0]) if matched else None,
        pairs=torch.stack([evidence.rows[2][order], evidence.sources[order]], dim=1),
        ratios=evidence.ratios[order],
    )
    verdict, why = judge(panel, evidence.null, len(train), len(held_out), len(matched[0]) if matched else 0)
    return replace(panel, verdict=verdict, why=why)


def _class_panel(evidence: _Evidence, seed: int) -> ClassMemorization:
    n, copies = len(evidence.ratios), int((evidence.ratios < COPY_RATIO).sum())
    if enough(len(evidence.train), len(evidence.held_out), n):
        panel = _panel(evidence, seed)
        return ClassMemorization(panel.verdict, n, copies, panel.nn_ratio, panel.authpct, panel.dcr, panel.dcr_p)
    verdict = "copying" if many_copies(evidence.ratios, evidence.null) else "not testable"
    return ClassMemorization(verdict, n, copies, copies / max(1, n))


def _matched(evidence: _Evidence, seed: int) -> tuple[Tensor, Tensor, Tensor] | None:
    """Equally many rows of train, held-out and synthetic, for what depends on their number; None where too few."""
    sets = evidence.train, evidence.held_out, evidence.synthetic
    n = min(*map(len, sets), MATCHED)
    generator = torch.Generator().manual_seed(seed)
    train, held_out, synthetic = (x[torch.randperm(len(x), generator=generator)[:n]].float() for x in sets)
    return (train, held_out, synthetic) if n >= MIN_TRAIN else None


def _variety(samples: Tensor, real: Tensor) -> float:
    """Median distance of a sample to the nearest other, over that of real rows."""
    made, usual = (nearest(x, x, 2)[0][:, 1].median() for x in (samples, real))
    return float(made / usual) if usual > 0 else 1.0


def _null_dcr(train: Tensor, held_out: Tensor, to_train: Tensor) -> float:
    """Share of held-out rows nearer to train than to the other held-out rows, as if both were of one size."""
    if len(held_out) < 2:
        return 0.5
    closer = to_train < nearest(held_out, held_out, 2)[0][:, 1]
    return equal_sizes(share(closer), len(train), len(held_out) - 1)


def _ratios_among(train: Tensor) -> Tensor:
    """d1 / d2 of every training row among the others; empty for fewer than three."""
    return ratio(nearest(train, train, 3)[0][:, 1:]) if len(train) > 2 else train.new_empty(0)


def _first_of_each(x: Tensor) -> Tensor:
    """Row numbers of `x` without repetitions, ascending int64."""
    return torch.from_numpy(np.sort(np.unique(x.cpu().numpy(), axis=0, return_index=True)[1])).to(x.device)
