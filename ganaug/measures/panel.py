"""The numbers that tell of copying, and the verdict over them.

No single statistic tells copying from shrinkage or underfitting (Stein et al. 2023, arXiv:2306.04675), so several are
read together, each beside what real held-out images score in the place of synthetic ones.
"""

from dataclasses import dataclass, field
from typing import Literal

from scipy.stats import hypergeom
from torch import Tensor

from ganaug.measures.copies import COPY_RATIO
from ganaug.measures.fidelity import PRDC

MIN_ROWS = 50  # held-out and synthetic rows, of all or of a class, below which only blatant copying is called
MIN_TRAIN = 10  # the same for training rows, which neighbourhoods of 5 need
FAR = 3.0  # standard deviations at which C_T counts
ALPHA = 0.01  # of each of the two tests for copying
ENCODER_WEIGHT = 3  # how many times the preference of the encoder itself for one side the DCR excess must pass
# The rest were set on the pixels of digits, MNIST and CIFAR-10, 100 to 4,000 training and 50 to 1,000 held-out images.
# Held-out images in the place of samples: near copies .000 to .001, DCR share .32 to .71 (.40 to .60 with 250 held-out
# images), p above .01 but once in 200, AuthPct .65 to 1.5 times that of the others. GANs that lean on few digits, but
# copy none: share .67 (959 images) to .82 (200), AuthPct .5 to .8 times. Copies of all images, with noise of 16 to 32
# grey levels or as JPEG of quality 50: share 1.00, AuthPct .00 to .23 times.
DCR_MARGIN, AUTHENTIC = 0.25, 0.4
RATIO_MARGIN = 0.01  # of near copies: what comes of itself in sets such as films
# Lack of recall or coverage against training images: held-out images have a standard deviation of .7 / sqrt(n) at n
# rows of each side at most (.10 at 50, .045 at 250). Means of pairs of images lack .26 to .71, repeated images .5 to 1.
PRDC_MARGIN, PRDC_NOISE = 0.1, 2.1
SHARE_NOISE = 1.5  # three standard deviations of the encoder's own preference, times the root of held-out rows

Verdict = Literal["healthy", "copying", "shrunken", "underfit", "not testable"]


@dataclass(frozen=True)
class Memorization:
    """The panel; every `null_` is the same number for held-out real images in the place of the synthetic ones.

    Attributes:
        verdict: copying: synthetic samples sit on training images. underfit: they are further from these than real
            ones are, and outside the real manifold. shrunken: they do not reach what real ones reach, or repeat each
            other. healthy: none of these. not testable: too few images to say, and no blatant copies.
        why: What decided it, a sentence with numbers.
        images: Synthetic samples that were looked at.
        copies: Those with a neighbour ratio below 1/3.
        nn_ratio: The same as a share, in [0, 1].
        null_nn_ratio: Of held-out images.
        authpct: Authentic samples, in percent; low for copying and for shrinkage.
        null_authpct: Of held-out images.
        ct: C_T; far below 0 for copying and for shrinkage, far above for underfitting.
        dcr: Share of synthetic samples nearer to train than to held-out, as if both were of one size; 1/2 without
            copying.
        null_dcr: Of held-out images, each against the others; away from 1/2 the encoder itself tells train from
            held-out.
        dcr_p: One-sided permutation p of `dcr`.
        variety: How far samples are from each other, next to held-out images among themselves, at matched sizes: the
            ratio of the median distances to the nearest; near 0 where images are repeated. None where too few.
        fidelity: Precision and its kin of the synthetic samples against held-out, at matched sizes; None where too few.
        reference: The same for training images in the place of the synthetic ones.
        pairs: (synthetic row, training row), int64 [N, 2], the most copy-like first.
        ratios: d1 / d2 of each pair, ascending, float64 [N].
    """

    verdict: Verdict
    why: str
    images: int
    copies: int
    nn_ratio: float
    null_nn_ratio: float
    authpct: float
    null_authpct: float
    ct: float
    dcr: float
    null_dcr: float
    dcr_p: float
    variety: float | None
    fidelity: PRDC | None
    reference: PRDC | None
    pairs: Tensor = field(repr=False, compare=False)
    ratios: Tensor = field(repr=False, compare=False)


@dataclass(frozen=True)
class ClassMemorization:
    """The panel of one class, neighbours among its own images; numbers are None where they are too few.

    Attributes:
        verdict: As of the whole set.
        images: Synthetic samples of the class that were looked at.
        copies: Those that are near copies of a training image of any class.
        nn_ratio: The same as a share, in [0, 1]; 0 where there are no samples.
        authpct: Authentic samples, in percent.
        dcr: Share of samples nearer to train than to held-out, as if both were of one size.
        dcr_p: One-sided permutation p of `dcr`.
    """

    verdict: Verdict
    images: int
    copies: int
    nn_ratio: float
    authpct: float | None = None
    dcr: float | None = None
    dcr_p: float | None = None


def enough(train: int, held_out: int, synthetic: int) -> bool:
    """Whether so many images allow more than to call blatant copying.

    >>> enough(1000, 50, 500), enough(1000, 49, 500)
    (True, False)
    """
    return min(held_out, synthetic) >= MIN_ROWS and train >= MIN_TRAIN


def many_copies(ratios: Tensor, null: Tensor) -> bool:
    """More near copies than among real images, by a point and by Fisher's exact test.

    Args:
        ratios: d1 / d2 of synthetic samples, [N].
        null: The same of real images that were not trained on, [M].

    Example:
        >>> import torch
        >>> many_copies(torch.tensor([0.1] * 5 + [0.9] * 95), torch.full((200,), 0.9))
        True
    """
    n, m = len(ratios), len(null)
    copies, null_copies = (int((x < COPY_RATIO).sum()) for x in (ratios, null))
    p = hypergeom.sf(copies - 1, n + m, copies + null_copies, n)
    return bool(min(n, m) and copies / n - null_copies / m > RATIO_MARGIN and p < ALPHA)


def judge(panel: Memorization, null: Tensor, train: int, held_out: int, matched: int) -> tuple[Verdict, str]:
    """The verdict, and what decided it in a sentence with numbers.

    Args:
        panel: The numbers; its verdict is not read.
        null: d1 / d2 of real images that were not trained on, [M].
        train: Training images.
        held_out: Held-out images.
        matched: Rows of each side of precision and its kin.
    """
    pairs = f"{panel.copies} of {panel.images} samples ({panel.nn_ratio:.1%}) are near copies of training images"
    if many_copies(panel.ratios, null):
        share = float((null < COPY_RATIO).double().mean())
        return "copying", f"{pairs}, against {share:.1%} of real images that were not trained on."
    if not enough(train, held_out, panel.images) or not (made := panel.fidelity) or not (real := panel.reference):
        few = f"{held_out} held-out images and {panel.images} samples beside {train} training images are too few"
        return "not testable", f"{few} to say more than that {pairs}."
    nearer = (
        f"with as many of both, {panel.dcr:.0%} would be nearer to training images than to held-out ones "
        f"(half without copying; p = {panel.dcr_p:.2g})"
    )
    if _leans_on_train(panel, held_out):
        authentic = (
            f"{panel.authpct:.0f}% of the samples are authentic, against {panel.null_authpct:.0f}% of held-out images"
        )
        return "copying", f"{authentic}; {nearer}."
    if panel.variety is not None and panel.variety < COPY_RATIO:
        return "shrunken", (
            "Samples repeat each other: the median distance to the nearest other is "
            f"{panel.variety:.2f} times that among held-out images."
        )
    margin = max(PRDC_MARGIN, PRDC_NOISE / matched**0.5)
    if panel.ct > FAR and min(made.precision - real.precision, made.density - real.density) < -margin:
        return "underfit", (
            f"Samples are further from training images than held-out ones are (C_T {panel.ct:+.1f}); precision is "
            f"{made.precision:.2f} and density {made.density:.2f}, against {real.precision:.2f} and {real.density:.2f} "
            "for training images."
        )
    if min(made.recall - real.recall, made.coverage - real.coverage) < -margin:
        return "shrunken", (
            f"Samples reach and cover less than real images do: recall is {made.recall:.2f} and coverage "
            f"{made.coverage:.2f}, against {real.recall:.2f} and {real.coverage:.2f} for training images."
        )
    return "healthy", f"{pairs}, against {panel.null_nn_ratio:.1%} of held-out images; {nearer}."


def _leans_on_train(panel: Memorization, held_out: int) -> bool:
    """Nearer to train than chance and the encoder's own preference can explain, and most samples within its gaps.

    Never said of samples that are far from both.
    """
    encoder = max(0.0, abs(panel.null_dcr - 0.5) - SHARE_NOISE / held_out**0.5)
    leans = panel.dcr_p < ALPHA and panel.dcr - 0.5 > DCR_MARGIN + ENCODER_WEIGHT * encoder
    return leans and panel.authpct < AUTHENTIC * panel.null_authpct and panel.ct < FAR
