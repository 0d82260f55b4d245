"""Whether synthetic images copy the training images: the panel as facts, its closest pairs, what the run's D knows."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from ganaug.checkpoint import folder_of, latest_checkpoint, load_module
from ganaug.conditioning import Discriminator
from ganaug.data import LabeledImages
from ganaug.errors import GanaugError
from ganaug.images import to_float
from ganaug.measures.memorization import assess_classes, assess_images
from ganaug.measures.panel import RATIO_MARGIN, Memorization, Verdict
from ganaug.recipe import validate
from ganaug.run import Plan, build
from ganaug.synthesis import Synthesizer

SHOWN = 12  # pairs on the grid
BATCH = 256  # images that D judges at once


class Findings(NamedTuple):
    """What is said of copying.

    Attributes:
        facts: The part `memorization` of measure.json, without the gap of the classifiers.
        pairs: (synthetic image, training image, d1 / d2) of the closest pairs, uint8 [C, H, W] each.
        verdict: Of the whole set.
    """

    facts: dict[str, Any]
    pairs: list[tuple[Tensor, Tensor, float]]
    verdict: Verdict

    @property
    def copied_classes(self) -> list[str]:
        """Names of the classes that copy, whatever the whole set does."""
        return [name for name, found in self.facts["per_class"].items() if found["verdict"] == "copying"]


def with_validation_copies(found: Findings, copies: int, images: int) -> Findings:
    """The same, called copying where over 1 % of the synthetic images copy validation images.

    A generator may copy those too where it was made elsewhere, and they are the user's real images as well.
    """
    if copies <= RATIO_MARGIN * images:
        return found
    why = f"{copies:,} of {images:,} synthetic images are near copies of validation images"
    facts = found.facts | {"verdict": "copying", "why": why, "copies": found.facts["copies"] + copies}
    return found._replace(facts=facts, verdict="copying")


def memorization(
    train: LabeledImages, held_out: LabeledImages, synthetic: Tensor, labels: Tensor, model: Synthesizer | None
) -> Findings:
    """Judge whether synthetic images copy training images, in pixels, all together and class by class.

    Args:
        train: The real images that the generator saw.
        held_out: Real images that it did not see.
        synthetic: uint8 [N, C, H, W].
        labels: int64 [N], in the class order of `train`.
        model: The generator; where it lies in a run its discriminator is asked, too.

    Raises:
        DataError: The training images show fewer than two pictures, or the sets differ in shape.

    Example:
        >>> from ganaug.data import load
        >>> train, test = load("sklearn:digits"), load("sklearn:digits:test")
        >>> found = memorization(train, test, train.images[:200], train.labels[:200], None)
        >>> found.verdict, found.facts["copies"], len(found.pairs)
        ('copying', 200, 12)
    """
    seen, unseen = (train.images, train.labels), (held_out.images, held_out.labels)
    panel, classes = assess_classes(seen, unseen, (synthetic, labels), num_classes=train.num_classes)
    facts = {
        "discriminator_auc": _discriminator_auc(model, train, held_out),
        "per_class": dict(zip(train.classes, map(asdict, classes), strict=True)),
    }
    return _findings(panel, facts, train.images, synthetic)


def memorization_of_target(target: Tensor, held_out: Tensor, translated: Tensor) -> Findings:
    """Judge whether translations copy images of the domain that they lead to; no label of these is asked for.

    Args:
        target: The real images of that domain that the translator saw, uint8 [N, C, H, W].
        held_out: Others that it did not see.
        translated: uint8 [M, C, H, W].

    Raises:
        DataError: `target` shows fewer than two pictures, or the sets differ in shape.
    """
    panel = assess_images(target, held_out, translated)
    return _findings(panel, {"discriminator_auc": None, "per_class": {}}, target, translated)


def _findings(panel: Memorization, facts: dict[str, Any], train: Tensor, synthetic: Tensor) -> Findings:
    closest = zip(panel.pairs[:SHOWN].tolist(), panel.ratios[:SHOWN].tolist(), strict=True)
    pairs = [(synthetic[i], train[j], ratio) for (i, j), ratio in closest]
    return Findings({**_numbers(panel), "encoder": "pixels", **facts}, pairs, panel.verdict)


def _numbers(panel: Memorization) -> dict[str, Any]:
    left_out = ("pairs", "ratios", "fidelity", "reference")
    return {name: value for name, value in vars(panel).items() if name not in left_out}


def _discriminator_auc(model: Synthesizer | None, train: LabeledImages, held_out: LabeledImages) -> float | None:
    """How surely the run's last discriminator tells training from held-out images: 1/2 where it learned none by heart.

    None where there is no run, or its checkpoint cannot be read.
    """
    if model is None or model.folder is None:
        return None
    try:
        D = _discriminator(model, model.folder.parent / "checkpoints", train, held_out)
    except GanaugError:
        return None
    if D is None:
        return None
    scores = torch.cat([_scores(D, part) for part in (train, held_out)])
    truth = torch.arange(len(scores)) < len(train)
    return float(roc_auc_score(truth.numpy(), scores.numpy())) if bool(scores.isfinite().all()) else None


def _discriminator(
    model: Synthesizer, root: Path, train: LabeledImages, held_out: LabeledImages
) -> Discriminator | None:
    """The discriminator of the newest checkpoint below `root`; None where there is none."""
    found = latest_checkpoint(root)
    if found is None:
        return None
    step, files = found
    recipe = validate(model.provenance.get("recipe") or {}, str(model))
    state, _ = build(Plan(train, held_out, recipe, [], torch.device("cpu"), {}, ""))
    name = "D.safetensors"
    load_module(state.D, files.get(name, b""), str(folder_of(root, step) / name))
    return state.D.eval()


@torch.inference_mode()
def _scores(D: Discriminator, data: LabeledImages) -> Tensor:
    """How real D finds each image, float32 [N]."""
    batches = zip(data.images.split(BATCH), data.labels.split(BATCH), strict=True)
    return torch.cat([D(to_float(images), labels).logits.float() for images, labels in batches])
