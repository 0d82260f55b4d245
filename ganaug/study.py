"""What `ganaug measure` does: a model or a corpus in, a measured answer and a report out."""

import logging
import platform
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganaug.auto import pick_device
from ganaug.data import LabeledImages, align, load, require_disjoint
from ganaug.errors import DataError, ModelError
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
from ganaug.recipe import Measure, Recipe, load_recipe
from ganaug.report import Pictures, require_new, write_report
from ganaug.run import VAL_FRACTION, Val, recorded_val, require_same_shape, split
from ganaug.synthesis import Synthesizer, is_model

log = logging.getLogger("ganaug")
SEEDS = 6  # the fewest that can decide
POOL_PER_CLASS = 500  # synthetic images of each class, or as many as it has real ones
SHOWN_PER_CLASS, SHOWN_PAIRS = 10, 12
NEIGHBOURS = 5  # of precision and its kin
FEWEST = 10  # images of a class below which its own fidelity is noise

Source = Synthesizer | str | Path
Images = LabeledImages | str | Path


@dataclass(frozen=True)
class Evidence:
    """Real images in three parts that share no image, and the synthetic images under judgement.

    Attributes:
        train: What the generator and the classifiers learn from.
        val: What choices are made on.
        test: What the verdict rests on.
        synthetic: uint8 [M, C, H, W].
        labels: int64 [M], in the class order of `train`.
        model: The generator, or None where a corpus is judged.
    """

    train: LabeledImages
    val: LabeledImages
    test: LabeledImages
    synthetic: Tensor
    labels: Tensor
    model: Synthesizer | None


def measure(
    source: Source,
    *,
    train: Images,
    test: Images,
    out: str | Path,
    val: Val | None = None,
    seeds: int = SEEDS,
    recipe: Recipe | str = "auto",
    device: str = "auto",
    n_jobs: int = -1,
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
        recipe: Its `measure` table is used, and for a corpus its `data` table.
        device: "auto", "cpu", "cuda" or "mps".
        n_jobs: Processes for the classifiers; -1: one per core.
        command: How to repeat this, for the report.

    Returns:
        The content of measure.json.

    Raises:
        DataError: The sets differ in classes or size, or test images are among the training images.
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
    evidence = gather(source, train, val, test, recipe, device)
    panel = assess(*map(pixel_features, (evidence.train.images, evidence.val.images, evidence.synthetic)))
    findings, seconds = _gain(evidence, recipe.measure, panel, seeds, n_jobs, str(pick_device(device)))
    encoder = fit_encoder(evidence.train.images, evidence.train.labels, num_classes=evidence.train.num_classes)
    model = evidence.model
    result = {
        "schema": 1,
        "ganaug": version("ganaug"),
        "model": model.hash if model else Path(str(source)).name,
        "splits": {name: part.fingerprint for name, part in _parts(evidence).items()},
        "data": _data(evidence),
        "seconds": {"gan": model.provenance.get("seconds") if model else None, **seconds},
        **findings,
        "fidelity": _fidelity(encoder, evidence),
        "memorization": _facts(panel),
        "command": command,
        "versions": {"ganaug": version("ganaug"), "torch": torch.__version__, "python": platform.python_version()},
    }
    write_report(Path(out), result, _pictures(evidence, panel))
    return result


def gather(
    source: Source, train: Images, val: Val | None, test: Images, recipe: Recipe, device: str = "auto"
) -> Evidence:
    """Load everything, cut validation as the model's own run did, and prove that no part shares an image with test."""
    synth = source if isinstance(source, Synthesizer) else None
    if synth is None and is_model(Path(str(source))):
        synth = Synthesizer.load(str(source), device)
    size, channels = (synth.shape[1:], synth.shape[0]) if synth else (recipe.data.resolution, recipe.data.channels)
    whole = train if isinstance(train, LabeledImages) else load(train, resolution=size, channels=channels)
    test = _like(whole, test)
    part, held_out, _ = split(whole, _recorded_val(source, synth) if val is None else val)
    for known in (part, held_out):
        require_disjoint(known, test)
    if synth:
        _require_own(synth, part, held_out)
        images, labels = _sample(synth, part)
    else:
        corpus = _like(whole, source if isinstance(source, (str, Path)) else str(source))
        require_disjoint(test, corpus)
        images, labels = corpus.images, corpus.labels
    return Evidence(part, held_out, test, images, labels, synth)


def _like(real: LabeledImages, images: Images) -> LabeledImages:
    """Images in the size, channels and class order of `real`."""
    height, width = real.shape[1:]
    if not isinstance(images, LabeledImages):
        images = load(images, resolution=(height, width), channels=real.shape[0])
    require_same_shape(images, real)
    return align(images, real)


def _recorded_val(source: Source, synth: Synthesizer | None) -> Val:
    """The validation split as the model's run recorded it; one fifth for a corpus.

    Raises:
        ModelError: The run used images of its own to validate on, and is not here to say which.
    """
    if synth is None:
        return VAL_FRACTION
    run = synth.folder.parent if synth.folder else Path()
    val = recorded_val(run) or synth.provenance.get("val", {}).get("fraction")
    if val is None:
        raise ModelError(f"{source} must be measured on its run's own validation images, got none; pass --val DATA")
    return val


def _require_own(synth: Synthesizer, train: LabeledImages, val: LabeledImages) -> None:
    """A model is judged on its own split, else it may have been trained on the validation images.

    Raises:
        ModelError: The splits or the classes are others.
    """
    expected = synth.provenance.get("splits", {})
    for name, part in (("training", train), ("validation", val)):
        if expected.get({"training": "train"}.get(name, "val")) != part.fingerprint:
            raise ModelError(
                f"--train and --val must be what {synth.folder or synth} was trained with, got other {name} images in "
                f"{part.source}; pass the run's own, or write a corpus and measure that"
            )


def _sample(synth: Synthesizer, real: LabeledImages) -> tuple[Tensor, Tensor]:
    """As many images of each class as real ones, 500 at least."""
    each = real.counts.clamp(min=POOL_PER_CLASS)
    indices = torch.cat([torch.arange(int(n)) for n in each])
    return synth.sample(torch.arange(len(each)).repeat_interleave(each), seed=0, indices=indices)


def _gain(
    evidence: Evidence, settings: Measure, panel: Memorization, seeds: int, n_jobs: int, device: str
) -> tuple[dict[str, Any], dict[str, float]]:
    """Gain, CAS and recommendation, under the classical augmentation that served real images best on validation."""
    train, val, test = ((part.images, part.labels) for part in _parts(evidence).values())
    classes, start = evidence.train.classes, time.monotonic()
    log.info("choosing the classical augmentation on validation")
    augment, scores = choose_augmentation(
        train, val, num_classes=len(classes), steps=settings.steps, metric=settings.metric, n_jobs=n_jobs, device=device
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
        seeds=seeds,
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


def _fidelity(encoder: Encoder, evidence: Evidence) -> dict[str, Any]:
    """Distances of the synthetic images from the test images, beside the floor that the training images set."""
    test, train, fake = map(encoder, (evidence.test.images, evidence.train.images, evidence.synthetic))
    return {
        "encoder": encoder.id,
        "fd": frechet_distance(test, fake),
        "fd_floor": frechet_distance(test, train),
        "kid": kernel_distance(test, fake),
        "kid_floor": kernel_distance(test, train),
        **asdict(prdc(test, fake, NEIGHBOURS)),
        **{f"{name}_floor": value for name, value in asdict(prdc(test, train, NEIGHBOURS)).items()},
        "per_class": _fidelity_per_class(test, fake, evidence),
    }


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
