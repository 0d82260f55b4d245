"""How close the synthetic images come to the test images, beside what real images score in their place."""

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ganaug.data import LabeledImages
from ganaug.measures.distances import NAMES, NEIGHBOURS, distances
from ganaug.measures.features import Encoder
from ganaug.measures.fidelity import frechet_distance, prdc
from ganaug.measures.inception import PREFIX, inception_score
from ganaug.measures.ladder import climb
from ganaug.measures.variety import mean_min_cosine, vendi_score

JUDGED = 10_000  # images of each set at most
FEWEST = 10  # images below which distances are noise
FLOOR = 50  # held-out images below which training images set the floor
DIRECTIONS, ROWS = 8, 20  # of the features of one class's Frechet distance, and the images that it takes

Known = tuple[Tensor, Tensor]  # features and labels


def fidelity(
    encoder: Encoder,
    test: LabeledImages,
    held_out: LabeledImages,
    train: LabeledImages,
    synthetic: Tensor,
    labels: Tensor,
) -> dict[str, Any]:
    """The `fidelity` of measure.json.

    Every one of these measures depends on the number of images and on the shares of the classes. So synthetic images
    and the real ones that set the floor are as many of every class. Held-out images set it, for neither generator nor
    encoder knows them; where fewer than 50 are held out, training images do, and `floor` says so.

    Args:
        encoder: Whose features are compared.
        test: Real images that nothing was fitted or chosen on; of this and every other set 10,000 are looked at.
        held_out: Real images that neither generator nor encoder was fitted to.
        train: The images that both were fitted to.
        synthetic: uint8 [M, C, H, W].
        labels: int64 [M], in the class order of `test`.

    Raises:
        DataError: The encoder gives features that are not finite.
    """
    floor, whose = (held_out, "held-out") if len(held_out) >= FLOOR else (train, "training")
    test, floor, train = (part.subset(_some(len(part))) for part in (test, floor, train))
    synthetic, labels = synthetic[_some(len(labels))], labels[_some(len(labels))]
    ours, theirs = _matched(floor.labels, labels), _matched(labels, floor.labels)
    facts = {"encoder": encoder.id, "images": len(theirs), "floor": f"{whose} real images"}
    if (fewest := min(len(theirs), len(test))) < FEWEST:
        nothing = dict.fromkeys([*NAMES, *(f"{name}_floor" for name in NAMES)])
        return facts | nothing | {"per_class": {}, "ladder": {}, "usable": False, "why": f"only {fewest} images"}
    real, other, known, made = map(encoder, (test.images, floor.images, train.images, synthetic))
    found = distances(real, made[theirs], strata=(test.labels, labels[theirs]))
    best = distances(real, other[ours], strata=(test.labels, floor.labels[ours]))
    ladder = climb(encoder, floor.images, floor.labels, real, test.labels, num_classes=test.num_classes)
    return {
        **facts,
        **found,
        **{f"{name}_floor{end}": best[name + end] for name in NAMES for end in ("", "_ci")},
        "min_cosine": mean_min_cosine(made[theirs], known),
        "min_cosine_floor": mean_min_cosine(other[ours], known) if whose == "held-out" else None,
        **_legacy(encoder, found, made[theirs]),
        "directions": DIRECTIONS,
        "per_class": _per_class(test.classes, (real, test.labels), (other, floor.labels), (made, labels), known),
        "ladder": {name: list(steps) for name, steps in ladder.distances.items()},
        "usable": ladder.usable,
        "why": ladder.why,
    }


def domain_fidelity(
    encoder: Encoder, test: Tensor, target: Tensor, source: Tensor, translated: Tensor
) -> dict[str, Any]:
    """The `fidelity` of measure.json for a translation, beside A as it is (`_start`) and B itself (`_floor`).

    All three are as many, for the measures depend on that. None looks at a label, so other shares of the classes are a
    part of every distance.

    Args:
        encoder: Whose features are compared.
        test: Images of B that the translator has not seen; of this and every other set 10,000 are looked at.
        target: Those of B that it learned from.
        source: Images of A, those first that the translator has not seen.
        translated: The same, translated.

    Raises:
        DataError: The encoder gives features that are not finite.
    """
    n = min(*map(len, (test, target, source)), JUDGED)
    facts = {
        "encoder": encoder.id,
        "images": n,
        "floor": "images that were learned from",
        "per_class": {},
        "ladder": {},
    }
    if n < FEWEST:
        nothing = dict.fromkeys(f"{name}{at}" for name in NAMES for at in ("", "_start", "_floor"))
        return facts | nothing | {"usable": False, "why": f"only {n} images"}
    real = encoder(test[_some(len(test))[:n]])
    sets = {"": translated[:n], "_start": source[:n], "_floor": target[_some(len(target))[:n]]}
    for at, images in sets.items():
        found = distances(real, encoder(images))
        facts |= {f"{name}{at}{end}": found[name + end] for name in NAMES for end in ("", "_ci")}
    return facts | {"usable": None, "why": ""}


def _some(n: int) -> Tensor:
    """The numbers up to n, or JUDGED of them, in random order."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(0))[:JUDGED]


def _matched(labels: Tensor, others: Tensor) -> Tensor:
    """Positions of as many of each class as the others have too, in the order of `labels`."""
    K = 1 + int(torch.cat([labels, others]).max())
    place = one_hot(labels, K).cumsum(0).gather(1, labels[:, None]).squeeze(1)  # the how manieth of its class
    return (place <= torch.bincount(others, minlength=K)[labels]).nonzero().squeeze(1)


def _legacy(encoder: Encoder, found: dict[str, Any], made: Tensor) -> dict[str, float]:
    """What only Inception's features may be called."""
    if encoder.logits is None or not encoder.id.startswith(PREFIX):
        return {}
    return {"fid": found["fd"], "inception_score": inception_score(encoder.logits(made))}


def _per_class(classes: tuple[str, ...], real: Known, other: Known, made: Known, known: Tensor) -> dict[str, Any]:
    """Each class of 10 images or more, real and synthetic in equal number.

    The Frechet distance needs more images than directions: it is taken in the principal ones of the training images.
    """
    main = torch.linalg.eigh(torch.cov(known.T).reshape(2 * known.shape[1:])).eigenvectors[:, -DIRECTIONS:]
    found: dict[str, Any] = {}
    for k, name in enumerate(classes):
        ours, floor, theirs = (features[labels == k] for features, labels in (real, other, made))
        if (n := min(len(ours), len(theirs))) < FEWEST:
            continue
        m, centre = min(n, len(floor)), ours.mean(0)
        found[name] = {
            "images": n,
            **asdict(prdc(ours, theirs[:n], NEIGHBOURS)),
            "fd": frechet_distance(ours @ main, theirs[:m] @ main) if m >= ROWS else None,
            "fd_floor": frechet_distance(ours @ main, floor[:m] @ main) if m >= ROWS else None,
            "vendi": vendi_score(theirs[:n] - centre),
            "vendi_floor": vendi_score(ours[:n] - centre),
        }
    return found
