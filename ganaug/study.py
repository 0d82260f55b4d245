"""What `ganaug measure` does: a model or a corpus in, a measured answer and a report out."""

import logging
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganaug.auto import pick_device
from ganaug.data import LabeledImages, align, load, require_disjoint
from ganaug.errors import ModelError
from ganaug.measures.features import Encoder, fit_encoder, pixel_features
from ganaug.measures.fidelity import frechet_distance, kernel_distance, prdc
from ganaug.measures.gain import choose_augmentation, measure_gain
from ganaug.measures.memorization import Memorization, assess
from ganaug.recipe import Recipe, load_recipe
from ganaug.report import Pictures, write_report
from ganaug.run import VAL_FRACTION, Val, require_same_shape, split
from ganaug.synthesis import Synthesizer, is_model

log = logging.getLogger("ganaug")
SEEDS = 6  # the fewest that can decide
POOL_PER_CLASS = 500  # synthetic images of each class, or as many as it has real ones
SHOWN_PER_CLASS, SHOWN_PAIRS = 10, 12
FEWEST = 10  # test images of a class below which its own fidelity is noise


@dataclass(frozen=True)
class Splits:
    """Real images in their three parts, none of which shares an image with another."""

    train: LabeledImages
    val: LabeledImages
    test: LabeledImages

    @property
    def hashes(self) -> dict[str, str]:
        """Part -> fingerprint."""
        return {"train": self.train.fingerprint, "val": self.val.fingerprint, "test": self.test.fingerprint}


def measure(
    source: Synthesizer | str | Path,
    *,
    train: LabeledImages | str | Path,
    test: LabeledImages | str | Path,
    out: str | Path,
    val: Val | None = None,
    seeds: int = SEEDS,
    recipe: Recipe | str = "auto",
    device: str = "auto",
    n_jobs: int = -1,
) -> dict[str, Any]:
    """Measure what synthetic images do for a classifier, and write REPORT/{report.html, measure.json, figures/}.

    Args:
        source: A `Synthesizer`, a run or generator folder, or any labelled images that are synthetic.
        train: The real training set that the generator was made from.
        test: Real images that nothing has been fitted or chosen on.
        out: The report folder to make.
        val: The share or the images held out for choices; None: as the model did, or one fifth.
        seeds: Paired classifiers per arm; fewer than 6 decide nothing.
        recipe: Its `measure` table is used.
        device: "auto", "cpu", "cuda" or "mps".
        n_jobs: Processes for the classifiers; -1: one per core.

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
    settings = (recipe if isinstance(recipe, Recipe) else load_recipe(recipe)).measure
    synth = _model(source, device)
    splits = _splits(synth, train, val, test, recipe)
    synthetic, labels = _synthetic(synth, source, splits)
    gain, seconds = _gain(splits, (synthetic, labels), settings, seeds, n_jobs, str(pick_device(device)))
    encoder = fit_encoder(splits.train.images, splits.train.labels, num_classes=splits.train.num_classes)
    panel, pictures = _memorization(splits, synthetic, labels)
    if panel.verdict == "copying":
        gain["recommendation"] |= {"use": False, "fraction": 0.0, "classes": [], "why": "the synthetic images copy training images"}
    result = {
        "schema": 1,
        "ganaug": version("ganaug"),
        "model": synth.hash if synth else str(source),
        "splits": splits.hashes,
        "data": _data(splits),
        "seconds": {**seconds, "gan": synth.provenance.get("seconds") if synth else None},
        "gain": gain["gain"],
        "cas": gain["cas"],
        "fidelity": _fidelity(encoder, splits, synthetic, labels),
        "memorization": _facts(panel),
        "recommendation": gain["recommendation"],
    }
    write_report(Path(out), result, pictures)
    return result


def _model(source: Synthesizer | str | Path, device: str) -> Synthesizer | None:
    """The generator that `source` is or leads to; None for a corpus."""
    if isinstance(source, Synthesizer):
        return source
    return Synthesizer.load(source, device) if is_model(Path(source)) else None


def _splits(
    synth: Synthesizer | None,
    train: LabeledImages | str | Path,
    val: Val | None,
    test: LabeledImages | str | Path,
    recipe: Recipe | str,
) -> Splits:
    """The three parts, cut as the model's own run cut them and proven disjoint."""
    table = (recipe if isinstance(recipe, Recipe) else load_recipe(recipe)).data
    size, channels = (synth.shape[1:], synth.shape[0]) if synth else (table.resolution, table.channels)
    whole = train if isinstance(train, LabeledImages) else load(train, resolution=size, channels=channels)
    test = test if isinstance(test, LabeledImages) else load(test, resolution=whole.shape[1:], channels=whole.shape[0])
    require_same_shape(test, whole)
    test = align(test, whole)
    part, held_out, _ = split(whole, _val_of(synth) if val is None else val)
    if synth:
        _require_own(synth, part, held_out)
    for known in (part, held_out):
        require_disjoint(known, test)
    return Splits(part, held_out, test)


def _val_of(synth: Synthesizer | None) -> Val:
    """The validation split as the run recorded it; one fifth where there was no run."""
    spec = synth.provenance.get("val", {}) if synth else {}
    return spec.get("source") or float(spec.get("fraction", VAL_FRACTION))


def _require_own(synth: Synthesizer, train: LabeledImages, val: LabeledImages) -> None:
    """A model is judged on the split that it was trained with, or its validation images may be among its training images.

    Raises:
        ModelError: The splits are others.
    """
    expected = synth.provenance.get("splits", {})
    for name, part in (("train", train), ("val", val)):
        if expected.get(name) != part.fingerprint:
            what = "training" if name == "train" else "validation"
            raise ModelError(
                f"--train must be the set that {synth.folder or synth} was trained on, got other {what} images in {part.source}; "
                "pass that set and the same --val, or write a corpus and measure it instead"
            )


def _synthetic(synth: Synthesizer | None, source: Any, splits: Splits) -> tuple[Tensor, Tensor]:
    """The synthetic images under judgement, in the class order of the real ones."""
    if synth:
        if synth.classes != splits.train.classes:
            raise ModelError(f"{synth} must have the classes of {splits.train.source}, got {list(synth.classes)[:8]}; train a model on them")
        each = splits.train.counts.clamp(min=POOL_PER_CLASS)
        indices = torch.cat([torch.arange(int(n)) for n in each])
        return synth.sample(torch.arange(len(each)).repeat_interleave(each), seed=0, indices=indices)
    corpus = load(source, resolution=splits.train.shape[1:], channels=splits.train.shape[0])
    require_same_shape(corpus, splits.train)
    corpus = align(corpus, splits.train)
    require_disjoint(splits.test, corpus)
    return corpus.images, corpus.labels


def _gain(
    splits: Splits, synthetic: tuple[Tensor, Tensor], settings: Any, seeds: int, n_jobs: int, device: str
) -> tuple[dict[str, Any], dict[str, float]]:
    """The gain, under the classical augmentation that served real images best on validation."""
    train, val, test = ((part.images, part.labels) for part in (splits.train, splits.val, splits.test))
    shared = {"steps": settings.steps, "metric": settings.metric, "n_jobs": n_jobs, "device": device}
    start = time.monotonic()
    augment, scores = choose_augmentation(train, val, num_classes=splits.train.num_classes, **shared)
    log.info("classical augmentation chosen on validation: %s", augment)
    chosen = time.monotonic()
    gain = measure_gain(
        train,
        val,
        test,
        synthetic,
        classes=splits.train.classes,
        augment=augment,
        seeds=seeds,
        fractions=settings.fractions,
        margin=settings.margin,
        **shared,
    )
    gain["gain"]["augmentation"] = {"chosen": augment, "scores": scores}
    gain["gain"]["real_equivalents"] = {"per_class": None, "ci": None, "why": "no learning curve was measured"}
    return gain, {"augmentation": chosen - start, "classifiers": time.monotonic() - chosen}


def _memorization(splits: Splits, synthetic: Tensor, labels: Tensor) -> tuple[Memorization, Pictures]:
    """The panel, and the pictures: samples of each class, and samples beside their nearest training images."""
    panel = assess(*map(pixel_features, (splits.train.images, splits.val.images, synthetic)))
    shown = min(SHOWN_PER_CLASS, int(torch.bincount(labels, minlength=splits.train.num_classes).min()))
    samples = torch.cat([synthetic[labels == k][:shown] for k in range(splits.train.num_classes)])
    closest = zip(panel.pairs[:SHOWN_PAIRS].tolist(), panel.ratios[:SHOWN_PAIRS].tolist(), strict=True)
    pairs = [(synthetic[i], splits.train.images[j], ratio) for (i, j), ratio in closest]
    return panel, Pictures(samples, splits.train.classes, pairs)


def _fidelity(encoder: Encoder, splits: Splits, synthetic: Tensor, labels: Tensor) -> dict[str, Any]:
    """Distances from the test images, beside those of the training images: the floor that real data has."""
    test, train, fake = encoder(splits.test.images), encoder(splits.train.images), encoder(synthetic)
    return {
        "encoder": encoder.id,
        "fd": frechet_distance(test, fake),
        "fd_floor": frechet_distance(test, train),
        "kid": kernel_distance(test, fake),
        **asdict(prdc(test, fake)),
        "per_class": {
            name: {"precision": own.precision, "recall": own.recall, "coverage": own.coverage}
            for k, name in enumerate(splits.test.classes)
            if min(int((splits.test.labels == k).sum()), int((labels == k).sum())) >= FEWEST
            for own in [prdc(test[splits.test.labels == k], fake[labels == k])]
        },
    }


def _facts(panel: Memorization) -> dict[str, Any]:
    names = ("verdict", "copies", "nn_ratio", "null_nn_ratio", "authpct", "null_authpct", "ct", "dcr", "null_dcr", "dcr_p")
    return {name: getattr(panel, name) for name in names} | {"per_class": {}}


def _data(splits: Splits) -> dict[str, Any]:
    parts = {"train": splits.train, "val": splits.val, "test": splits.test}
    counts = {name: part.counts.tolist() for name, part in parts.items()}
    per_class = {c: {name: n[k] for name, n in counts.items()} for k, c in enumerate(splits.train.classes)}
    return {"classes": list(splits.train.classes), **{name: len(part) for name, part in parts.items()}, "per_class": per_class}
