"""Does the distance in an encoder's features rise when real images are spoilt more and more? Only then does it judge.

Four ladders: noise and blur spoil each image, collapse leaves ever fewer different ones, and label shuffle leaves the
images alone, so that only a distance over features and labels together can rise.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import gaussian_blur

from ganaug.measures.fidelity import frechet_distance, joint_features, mean_norm
from ganaug.measures.jackknife import jackknife

IMAGES = 500  # of each side at most
FEWEST = 20  # images below which no ladder can be climbed
NOISE = (0.0, 0.05, 0.1, 0.2, 0.4)  # standard deviation, as a share of the range of a pixel
BLUR = (0.0, 0.02, 0.04, 0.08, 0.16)  # standard deviation, as a share of the shorter side
COLLAPSE = (1, 4, 16, 64, 256)  # images for each one that stays different
LABELS = (0.0, 0.1, 0.2, 0.4, 0.8)  # share of the labels that are shuffled among themselves
CERTAIN = 1.5  # half-widths of an interval that a step must pass to count: 3 standard errors


@dataclass(frozen=True)
class Ladder:
    """Frechet distances to the test images at rising strengths, the first of them none.

    Attributes:
        distances: For noise, blur, collapse and labels the distance at each of NOISE, BLUR, COLLAPSE and LABELS; empty
            where there were too few images.
        why: What forbids the encoder, in one sentence; empty where nothing does.
    """

    distances: dict[str, tuple[float, ...]]
    why: str

    @property
    def usable(self) -> bool:
        """Whether every ladder rises: from its foot to its head for certain, and no step leads down for certain."""
        return not self.why


def climb(
    encode: Callable[[Tensor], Tensor],
    images: Tensor,
    labels: Tensor,
    test: Tensor,
    test_labels: Tensor,
    *,
    num_classes: int,
    seed: int = 0,
) -> Ladder:
    """Spoil real images step by step, and take their distance to the test images at every step.

    A change is certain beyond three standard errors of the jackknife, both distances taken on the same images.

    Args:
        encode: uint8 [n, C, H, W] to features [n, D].
        images: Real images that are not among the test images, uint8 [N, C, H, W].
        labels: int64 [N] in [0, num_classes).
        test: Features of the test images, [M, D].
        test_labels: int64 [M].
        num_classes: K.
        seed: Of the noise, the choice of images and the shuffling.

    Example:
        >>> images = torch.arange(0, 240, 4, dtype=torch.uint8).reshape(60, 1, 1, 1).expand(60, 1, 8, 8)
        >>> labels = (torch.arange(60) > 30).long()
        >>> climb(lambda x: x[:, 0, 0, :1] * 0.0, images, labels, torch.zeros(60, 1), labels, num_classes=2).why
        'the distance to the test images does not rise with noise, blur, collapse and labels'
    """
    if (fewest := min(len(images), len(test))) < FEWEST:
        return Ladder({}, f"{fewest} real images are too few to try the encoder on, {FEWEST} are not")
    generator = torch.Generator().manual_seed(seed)
    chosen, others = (torch.randperm(len(x), generator=generator)[:IMAGES] for x in (images, test))
    images, labels, test, test_labels = images[chosen], labels[chosen], test[others], test_labels[others]
    clean, rows, centre = encode(images), torch.arange(len(images)), test.mean(0)
    spread = mean_norm(test - centre)  # labels weigh as much as what differs between images, not as what all share

    def beside(features: Tensor, labels: Tensor) -> Tensor:
        return joint_features(features - centre, labels, num_classes, spread)

    mixed = [torch.cat([y[torch.randperm(len(y), generator=generator)], rest]) for y, rest in _cuts(labels)]
    tries = {
        "noise": (test, [clean, *(encode(noisy(images, s, generator)) for s in NOISE[1:])]),
        "blur": (test, [clean, *(encode(blurred(images, s)) for s in BLUR[1:])]),
        "collapse": (test, [clean[rows % max(1, len(rows) // n)] for n in COLLAPSE]),
        "labels": (beside(test, test_labels), [beside(clean, y) for y in mixed]),
    }
    distances = {name: tuple(frechet_distance(real, x) for x in spoilt) for name, (real, spoilt) in tries.items()}
    strata = test_labels, labels
    failed = [name for name, tried in tries.items() if not _rises(*tried, distances[name], strata)]
    return Ladder(distances, f"the distance to the test images does not rise with {_listed(failed)}" if failed else "")


def noisy(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """uint8 images with Gaussian noise of `strength` times the range of a pixel."""
    noise = torch.randn(images.shape, generator=generator)
    return (images + 255 * strength * noise).round().clamp(0, 255).to(torch.uint8)


def blurred(images: Tensor, strength: float) -> Tensor:
    """uint8 images under a Gaussian blur of `strength` times the shorter side."""
    side = min(images.shape[2:])
    sigma = strength * side
    kernel = 2 * min(side - 1, max(1, round(3 * sigma))) + 1  # px; the blur's own padding reaches no further
    return gaussian_blur(images, [kernel, kernel], [sigma, sigma])


def _cuts(labels: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The labels cut in two at each of LABELS."""
    return [(labels[: round(s * len(labels))], labels[round(s * len(labels)) :]) for s in LABELS]


def _rises(real: Tensor, spoilt: list[Tensor], distances: tuple[float, ...], strata: tuple[Tensor, Tensor]) -> bool:
    """Up from the first to the last for certain, and no step down for certain."""
    down = [(spoilt[i], spoilt[i + 1]) for i, (low, high) in enumerate(pairwise(distances)) if high < low]
    return _is_further(real, spoilt[-1], spoilt[0], strata) and not any(_is_further(real, *s, strata) for s in down)


def _is_further(real: Tensor, one: Tensor, other: Tensor, strata: tuple[Tensor, Tensor]) -> bool:
    """Whether one set of features is further from the real ones than the other, by more than chance can do."""
    width = one.shape[1]

    def excess(real: Tensor, both: Tensor) -> list[float]:
        return [frechet_distance(real, both[:, :width]) - frechet_distance(real, both[:, width:])]

    both = torch.cat([one, other], dim=1)
    return excess(real, both)[0] > CERTAIN * float(jackknife(excess, real, both, strata=strata)[0])


def _listed(names: list[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
