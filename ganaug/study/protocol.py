"""The protocol of `ganaug measure`: gather, look for copies, compare classifiers, take distances, report."""

import logging
import math
import platform
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch

from ganaug.auto import pick_device
from ganaug.data import LabeledImages, mix
from ganaug.errors import DataError
from ganaug.files import require_new
from ganaug.measures.design import Design, Sets
from ganaug.measures.gain import measure_gain
from ganaug.measures.networks import Kind, build_classifier
from ganaug.measures.statistics import MIN_SEEDS
from ganaug.ranks import is_first
from ganaug.recipe import Measure, Recipe, load_recipe
from ganaug.report import Pictures, strict, write_report
from ganaug.run import Val
from ganaug.study.evidence import Evidence, Images, Pool, Source, gather
from ganaug.study.look import look_at_pools
from ganaug.study.sharing import of_first, require_one_study

log = logging.getLogger("ganaug")
SEEDS = 10
SHOWN_PER_CLASS = 10


def measure(
    source: Source | Sequence[Source],
    *,
    train: Images,
    test: Images,
    out: str | Path,
    val: Val | None = None,
    seeds: int = SEEDS,
    arms: Literal["short", "full"] = "short",
    seed: int = 0,
    recipe: Recipe | str = "auto",
    classifier: Kind | None = None,
    encoder: Callable[[torch.Tensor], torch.Tensor] | None = None,
    device: str = "auto",
    n_jobs: int = -1,
    drop_overlap: bool = False,
    command: str | None = None,
) -> dict[str, Any]:
    """Measure what synthetic images do for a classifier, and write REPORT/{report.html, measure.json, figures/}.

    Args:
        source: A `Synthesizer`, a run or generator folder, or several, which take turns over the seeds; or any labelled
            images that are synthetic.
        train: The real training set that the generator was made from.
        test: Real images that nothing has been fitted or chosen on.
        out: The report folder to make.
        val: The share or the images held out for choices; None: as the model's run did, or one fifth.
        seeds: Paired classifiers per arm; fewer than 6 decide nothing.
        arms: "short": what a verdict needs; "full": all arms, the controls and the learning curve.
        seed: Another seed, other classifiers.
        recipe: Its `measure` table is used, and for a corpus its `data` table; for a model that of its own run.
        classifier: ((C, H, W), K) -> module, from float images in [-1, 1] to logits, in place of `measure.classifier`.
        encoder: uint8 [N, C, H, W] -> features [N, D], in place of `measure.encoder`.
        device: "auto", "cpu", "cuda" or "mps".
        n_jobs: Processes for the classifiers on a machine; -1: one per core.
        drop_overlap: Whether images that are both in training and in test, or nearly, are dropped and not refused: from
            training where a corpus is judged; from test where a model is, which has learned from the others already.
        command: How to repeat this, for the report.

    Returns:
        The content of measure.json.

    Raises:
        DataError: The sets differ in classes or size, test images are among the training images, or over 1 % of them
            nearly are.
        ModelError: The model was trained on other images than `train`.
        OutputError: `out` holds something.
        UnlikeError: Processes that work together have other images or settings.

    Example:
        >>> result = measure("runs/a", train="data/train", test="data/test", out="report")    # doctest: +SKIP
        >>> result["recommendation"]["use"]                                                   # doctest: +SKIP
        False
    """
    require_new(Path(out))
    if seeds < 1:
        raise DataError(f"--seeds must be 1 or more, got {seeds}; {MIN_SEEDS} are the fewest that can decide")
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    where, kind = pick_device(device), classifier or recipe.measure.classifier
    evidence = gather(source, train, val, test, recipe, device, drop_overlap)
    sets = {f"{name} images": fingerprint for name, fingerprint in _fingerprints(evidence).items()}
    require_one_study(sets | {"synthetic images": evidence.made}, recipe.measure, seeds=seeds, seed=seed, arms=arms)
    real = evidence.train
    build_classifier(real.shape, real.num_classes, torch.Generator(), kind)  # what cannot be built is refused now
    look = look_at_pools(evidence, encoder or recipe.measure.encoder, where) if is_first() else None
    design = replace(
        _design(evidence, recipe.measure),
        seeds=tuple(mix(seed, i) for i in range(seeds)),
        seed=seed,
        full=arms == "full",
        classifier=kind,
        n_jobs=n_jobs if where.type == "cpu" else 1,  # one process owns an accelerator
        device=str(where),
    )
    copying, excluded = (look.copies.verdict == "copying", look.copies.copied_classes) if look else (False, ())
    findings = measure_gain(_sets(evidence), design, copying=copying, excluded=excluded)
    if look is None:
        return of_first(None)
    result = strict(
        _origin(evidence, command)
        | {key: findings[key] for key in ("gain", "cas", "recommendation")}
        | {
            "fidelity": look.distances,
            "memorization": look.copies.facts | findings["cas_gap"],
            "seconds": {"gan": design.gan_seconds} | look.seconds | findings["seconds"],
        }
    )
    write_report(Path(out), result, Pictures(*_samples(evidence, look.judged), look.copies.pairs))
    return of_first(result)


def _design(evidence: Evidence, settings: Measure) -> Design:
    """What images and recipe say of how to measure."""
    return Design(
        classes=evidence.train.classes,
        fractions=settings.fractions,
        metric=settings.metric,
        margin=settings.margin,
        steps=settings.steps,
        gan_seconds=_cost(evidence),
    )


def _origin(evidence: Evidence, command: str | None) -> dict[str, Any]:
    """What was measured, on what, and with which versions."""
    return {
        "schema": 1,
        "ganaug": version("ganaug"),
        "model": evidence.origin,
        "splits": _fingerprints(evidence),
        "data": _data(evidence),
        "overlap": evidence.overlap,
        "notes": list(evidence.notes),
        "command": command,
        "versions": {"ganaug": version("ganaug"), "torch": torch.__version__, "python": platform.python_version()},
    }


def _sets(evidence: Evidence) -> Sets:
    train, val, test = ((part.images, part.labels) for part in _parts(evidence).values())
    return Sets(train, val, test, evidence.pools, evidence.choosing, retrain=evidence.cut, left_out=evidence.left_out)


def _cost(evidence: Evidence) -> float | None:
    """Seconds that a generator took, on average; None where one of them does not know."""
    seconds = [float(model.provenance.get("seconds") or "nan") for model in evidence.models]
    mean = sum(seconds) / len(seconds) if seconds else math.nan
    return None if math.isnan(mean) else mean


def _samples(evidence: Evidence, judged: Pool) -> tuple[torch.Tensor, tuple[str, ...]]:
    """As many samples of each class, class by class, and the names of the classes."""
    images, labels = judged
    K = evidence.train.num_classes
    shown = min(SHOWN_PER_CLASS, int(torch.bincount(labels, minlength=K).min()))
    return torch.cat([images[labels == k][:shown] for k in range(K)]), evidence.train.classes


def _data(evidence: Evidence) -> dict[str, Any]:
    parts = _parts(evidence)
    counts = {name: part.counts.tolist() for name, part in parts.items()}
    classes = evidence.train.classes
    per_class = {label: {name: n[k] for name, n in counts.items()} for k, label in enumerate(classes)}
    return {"classes": list(classes), **{name: len(part) for name, part in parts.items()}, "per_class": per_class}


def _fingerprints(evidence: Evidence) -> dict[str, str]:
    return {name: part.fingerprint for name, part in _parts(evidence).items()}


def _parts(evidence: Evidence) -> dict[str, LabeledImages]:
    return {"train": evidence.train, "val": evidence.val, "test": evidence.test}
