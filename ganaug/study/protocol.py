"""The protocol of `ganaug measure`: gather, look for copies, compare classifiers, take distances, report."""

import logging
import platform
import time
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganaug.auto import pick_device
from ganaug.data import LabeledImages, mix
from ganaug.errors import DataError
from ganaug.files import require_new
from ganaug.measures import (
    PRDC,
    Encoder,
    Memorization,
    assess,
    choose_augmentation,
    fit_encoder,
    frechet_distance,
    kernel_distance,
    measure_gain,
    pixel_features,
    prdc,
)
from ganaug.measures.statistics import MIN_SEEDS
from ganaug.recipe import Measure, Recipe, load_recipe
from ganaug.report import Pictures, strict, write_report
from ganaug.run import Val
from ganaug.study.evidence import Evidence, Images, Source, gather

log = logging.getLogger("ganaug")
SEEDS = MIN_SEEDS  # the fewest that can decide
JUDGED = 10_000  # synthetic images at most that fidelity and memorisation look at
ENCODER_SEED = 1  # not the encoder that chose the checkpoint
SHOWN_PER_CLASS, SHOWN_PAIRS = 10, 12
NEIGHBOURS = 5  # of precision and its kin
FEWEST = 10  # images of a class below which its own fidelity is noise


def measure(
    source: Source,
    *,
    train: Images,
    test: Images,
    out: str | Path,
    val: Val | None = None,
    seeds: int = SEEDS,
    seed: int = 0,
    recipe: Recipe | str = "auto",
    device: str = "auto",
    n_jobs: int = -1,
    drop_overlap: bool = False,
    command: str | None = None,
) -> dict[str, Any]:
    """Measure what synthetic images do for a classifier, and write REPORT/{report.html, measure.json, figures/}.

    Args:
        source: A `Synthesizer`, a run or generator folder, or any labelled images that are synthetic.
        train: The real training set that the generator was made from.
        test: Real images that nothing has been fitted or chosen on.
        out: The report folder to make.
        val: The share or the images held out for choices; None: as the model's run did, or one fifth.
        seeds: Paired classifiers per arm; fewer than 6 decide nothing.
        seed: Another seed, other classifiers.
        recipe: Its `measure` table is used, and for a corpus its `data` table; for a model that of its own run.
        device: "auto", "cpu", "cuda" or "mps".
        n_jobs: Processes for the classifiers; -1: one per core.
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

    Example:
        >>> result = measure("runs/a", train="data/train", test="data/test", out="report")    # doctest: +SKIP
        >>> result["recommendation"]["use"]                                                   # doctest: +SKIP
        False
    """
    require_new(Path(out))
    if seeds < 1:
        raise DataError(f"--seeds must be 1 or more, got {seeds}; {SEEDS} are the fewest that can decide")
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    evidence = gather(source, train, val, test, recipe, device, drop_overlap)
    where, model = pick_device(device), evidence.model
    judged = _some(evidence)
    panel = assess(*map(pixel_features, (evidence.train.images, evidence.val.images, judged.synthetic)))
    streams = [mix(seed, i) for i in range(seeds)]
    n_jobs = n_jobs if where.type == "cpu" else 1  # one process owns an accelerator
    findings, seconds = _gain(evidence, recipe.measure, panel, streams, seed, n_jobs, str(where))
    train_images, K = evidence.train.images, evidence.train.num_classes
    encoder = fit_encoder(train_images, evidence.train.labels, num_classes=K, seed=ENCODER_SEED, device=where)
    result = strict(
        {
            "schema": 1,
            "ganaug": version("ganaug"),
            "model": evidence.origin,
            "splits": {name: part.fingerprint for name, part in _parts(evidence).items()},
            "data": _data(evidence),
            "overlap": evidence.overlap,
            "seconds": {"gan": model.provenance.get("seconds") if model else None, **seconds},
            **findings,
            "fidelity": _fidelity(encoder, judged),
            "memorization": _facts(panel),
            "notes": list(evidence.notes),
            "command": command,
            "versions": {"ganaug": version("ganaug"), "torch": torch.__version__, "python": platform.python_version()},
        }
    )
    write_report(Path(out), result, _pictures(judged, panel))
    return result


def _gain(
    evidence: Evidence,
    settings: Measure,
    panel: Memorization,
    streams: list[int],
    seed: int,
    n_jobs: int,
    device: str,
) -> tuple[dict[str, Any], dict[str, float]]:
    """Gain, CAS and recommendation, under the classical augmentation that served real images best on validation."""
    train, val, test = ((part.images, part.labels) for part in _parts(evidence).values())
    classes, start = evidence.train.classes, time.monotonic()
    log.info("choosing the classical augmentation on validation")
    augment, scores = choose_augmentation(
        train,
        val,
        num_classes=len(classes),
        seed=seed,
        steps=settings.steps,
        metric=settings.metric,
        n_jobs=n_jobs,
        device=device,
    )
    log.info("chosen: %s", augment)
    chosen = time.monotonic()
    findings = measure_gain(
        train,
        val,
        test,
        (evidence.synthetic, evidence.labels),
        classes=classes,
        augment=augment,
        seeds=streams,
        fractions=settings.fractions,
        steps=settings.steps,
        metric=settings.metric,
        margin=settings.margin,
        copying=panel.verdict == "copying",
        n_jobs=n_jobs,
        device=device,
    )
    findings["gain"] |= {
        "augmentation": {"chosen": augment, "scores": scores},
        "classifier": "small residual network",
        "real_equivalents": {"per_class": None, "ci": None, "why": "no learning curve was measured"},
    }
    return findings, {"choosing": chosen - start, "classifiers": time.monotonic() - chosen}


def _some(evidence: Evidence) -> Evidence:
    """The evidence with at most JUDGED synthetic images, in random order."""
    chosen = torch.randperm(len(evidence.labels), generator=torch.Generator().manual_seed(0))[:JUDGED]
    return replace(evidence, synthetic=evidence.synthetic[chosen], labels=evidence.labels[chosen])


def _fidelity(encoder: Encoder, evidence: Evidence) -> dict[str, Any]:
    """Distances of the synthetic images from the test images, beside the floor that held-out real images set.

    Every one of these measures depends on the number of images, so both sides are taken at the size of the smaller; the
    held-out images are known to neither the generator nor the encoder.
    """
    test, real, fake = map(encoder, (evidence.test.images, evidence.val.images, evidence.synthetic))
    n = min(len(real), len(fake))
    if min(n, len(test)) <= NEIGHBOURS:
        return {"encoder": encoder.id, "images": n, "fd": None, "fd_floor": None, "per_class": {}}
    order = torch.randperm(len(real), generator=torch.Generator().manual_seed(0))[:n]
    found, floor = _distances(test, fake[:n]), _distances(test, real[order])
    return {
        "encoder": encoder.id,
        "images": n,
        **found,
        **{f"{name}_floor": value for name, value in floor.items()},
        "per_class": _fidelity_per_class(test, fake, evidence),
    }


def _distances(test: Tensor, other: Tensor) -> dict[str, float]:
    fd, kid = frechet_distance(test, other), kernel_distance(test, other)
    return {"fd": fd, "kid": kid, **asdict(prdc(test, other, NEIGHBOURS))}


def _fidelity_per_class(test: Tensor, fake: Tensor, evidence: Evidence) -> dict[str, dict[str, float]]:
    found: dict[str, PRDC] = {}
    for k, name in enumerate(evidence.test.classes):
        real, made = test[evidence.test.labels == k], fake[evidence.labels == k]
        if min(len(real), len(made)) >= FEWEST:
            found[name] = prdc(real, made, NEIGHBOURS)
    return {name: asdict(own) for name, own in found.items()}


def _pictures(evidence: Evidence, panel: Memorization) -> Pictures:
    """Samples of each class, and samples beside their nearest training images."""
    K = evidence.train.num_classes
    shown = min(SHOWN_PER_CLASS, int(torch.bincount(evidence.labels, minlength=K).min()))
    samples = torch.cat([evidence.synthetic[evidence.labels == k][:shown] for k in range(K)])
    closest = zip(panel.pairs[:SHOWN_PAIRS].tolist(), panel.ratios[:SHOWN_PAIRS].tolist(), strict=True)
    pairs = [(evidence.synthetic[i], evidence.train.images[j], ratio) for (i, j), ratio in closest]
    return Pictures(samples, evidence.train.classes, pairs)


def _facts(panel: Memorization) -> dict[str, Any]:
    """The panel as numbers, each beside what held-out real images score."""
    left_out = ("pairs", "ratios", "fidelity", "reference")
    facts = {name: value for name, value in vars(panel).items() if name not in left_out}
    return {**facts, "encoder": "pixels", "per_class": {}}


def _data(evidence: Evidence) -> dict[str, Any]:
    parts = _parts(evidence)
    counts = {name: part.counts.tolist() for name, part in parts.items()}
    classes = evidence.train.classes
    per_class = {label: {name: n[k] for name, n in counts.items()} for k, label in enumerate(classes)}
    return {"classes": list(classes), **{name: len(part) for name, part in parts.items()}, "per_class": per_class}


def _parts(evidence: Evidence) -> dict[str, LabeledImages]:
    return {"train": evidence.train, "val": evidence.val, "test": evidence.test}
