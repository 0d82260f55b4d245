"""What `ganaug translate measure` does: a translator and images of two domains in, a measured answer out."""

import logging
import platform
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ganaug.auto import pick_device
from ganaug.data import mix
from ganaug.errors import DataError
from ganaug.files import require_new
from ganaug.measures.advice import recommend_translation
from ganaug.measures.design import Design
from ganaug.measures.domains import SHARE, Domains
from ganaug.measures.networks import build_classifier
from ganaug.measures.shift import measure_domains
from ganaug.measures.statistics import MIN_SEEDS
from ganaug.nets.translation import as_channels
from ganaug.ranks import is_first
from ganaug.recipe import Measure, Recipe, load_recipe
from ganaug.report import Pictures, strict, write_report
from ganaug.run import Val
from ganaug.study.adaptation import TRANSFORMS, adapted
from ganaug.study.domains import DomainEvidence, Images, Target, gather_domains
from ganaug.study.look import look_at_translations
from ganaug.study.memorization import Findings
from ganaug.study.protocol import SEEDS
from ganaug.study.sharing import of_first, require_one_study
from ganaug.synthesis.translator import Translator

log = logging.getLogger("ganaug")
Source = Translator | str | Path
VARIANTS = 4  # translations of an image where noise makes them differ, and adaptations of it
POOL = 2**29  # bytes of a set of these, of which there are about ten: of larger images there are fewer of each
SHOWN = 10  # images on the sheet
FIXED = (
    "The share of translated or adapted images is fixed at one half of each batch: there are no labels of B to tune it "
    "by. Augmentation and steps were chosen on A's validation images."
)
DARK = (
    "source+pda is what albumentations 2.0.8 does: its PixelDistributionAdaptation writes values of [0, 1] as if they "
    "were of [0, 255], which darkens images."
)


def measure_translation(
    source: Source | Sequence[Source],
    *,
    a: Images,
    b: Target,
    test: Images,
    out: str | Path,
    val: Val | None = None,
    seeds: int = SEEDS,
    seed: int = 0,
    recipe: Recipe | str = "auto",
    self_training: bool = True,
    device: str = "auto",
    n_jobs: int = -1,
    command: str | None = None,
) -> dict[str, Any]:
    """Measure what translated images of A do for a classifier of B, and write the report and measure.json.

    No label of `b` is read but by the oracle's arm and its check of the translations.

    Args:
        source: A `Translator`, a run or translator folder, or several of one split of A, which the seeds take in turn.
        a: The labelled images of A that the translator was made from.
        b: The images of B that it was made from, with labels or without.
        test: Labelled images of B that nothing has been fitted or chosen on; every class one of A's.
        out: The report folder to make.
        val: The share or the images of A held out for choices; None: as the translator's run did, or one fifth.
        seeds: Paired classifiers per arm; fewer than 6 decide nothing.
        seed: Another seed, other classifiers, translations and adaptations.
        recipe: Its `measure` table is used.
        self_training: Whether there are arms that learn from sure guesses of B's labels, too.
        device: "auto", "cpu", "cuda" or "mps".
        n_jobs: Processes for the classifiers on a machine; -1: one per core.
        command: How to repeat this, for the report.

    Returns:
        The content of measure.json.

    Raises:
        DataError: Images cannot be read or have another form, B has classes that A lacks, or test images are among
            the others, or over 1 % of them nearly are.
        ModelError: The translator learned from other images of A.
        OutputError: `out` holds something.
        UnlikeError: Processes that work together have other images or settings.

    Example:
        >>> result = measure_translation(                                                      # doctest: +SKIP
        ...     "runs/day2night", a="day", b="night", test="night/test", out="report"
        ... )
        >>> result["recommendation"]["use"]                                                    # doctest: +SKIP
        False
    """
    require_new(Path(out))
    if seeds < 1:
        raise DataError(f"--seeds must be 1 or more, got {seeds}; {MIN_SEEDS} are the fewest that can decide")
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    where = pick_device(device)
    translators = _loaded(source, device)
    evidence = gather_domains(translators, a, b, test, val, recipe.data)
    require_one_study(_sets(translators, evidence), recipe.measure, seeds=seeds, seed=seed)
    real, start = evidence.train, time.monotonic()
    shape = (*evidence.target.shape,)
    build_classifier(shape, real.num_classes, torch.Generator(), recipe.measure.classifier)  # refused now, or never
    domains = _domains(translators, evidence, seed)
    rendered = time.monotonic()
    look = look_at_translations(domains, evidence, recipe.measure.encoder, where) if is_first() else None
    design = replace(
        _design(real.classes, recipe.measure),
        seeds=tuple(mix(seed, i) for i in range(seeds)),
        seed=seed,
        n_jobs=n_jobs if where.type == "cpu" else 1,  # one process owns an accelerator
        device=str(where),
    )
    found = measure_domains(domains, design, self_training=self_training)
    if look is None:
        return of_first(None)
    # A right translation of one of a pair is the other, which B's training images hold.
    copying = look.copies.verdict == "copying" and not any(one.provenance.get("paired") for one in translators)
    seconds = {
        "translators": [translator.provenance.get("seconds") for translator in translators],
        "rendering": rendered - start,
    }
    result = strict(
        _origin(translators, evidence, command)
        | found
        | {
            "notes": [*evidence.notes, *_notes(found["label_marginals"])],
            "fidelity": look.distances,
            "memorization": look.copies.facts,
            "recommendation": recommend_translation(
                found["gain"]["headline"], real.classes, copying=copying, seeds=seeds
            ),
            "seconds": seconds | look.seconds | found["seconds"],
        }
    )
    write_report(Path(out), result, _pictures(domains, evidence, look.copies))
    return of_first(result)


def _design(classes: tuple[str, ...], settings: Measure) -> Design:
    """What images and recipe say of how to measure."""
    return Design(
        classes=classes,
        fractions=(SHARE,),
        metric=settings.metric,
        margin=settings.margin,
        steps=settings.steps,
        classifier=settings.classifier,
    )


def _sets(translators: tuple[Translator, ...], evidence: DomainEvidence) -> dict[str, str]:
    """What a study rests on, and the hashes of it."""
    sets = {"A": evidence.train, "A's validation": evidence.val, "B": evidence.target, "test": evidence.test}
    hashes = {f"{name} images": data.fingerprint for name, data in sets.items()}
    return hashes | {"translators": ", ".join(translator.hash for translator in translators)}


def _loaded(source: Source | Sequence[Source], device: str) -> tuple[Translator, ...]:
    """The translators.

    Raises:
        DataError: There is none, or they differ in form.
    """
    each = [source] if isinstance(source, Translator | str | Path) else list(source)
    found = tuple(one if isinstance(one, Translator) else Translator.load(one, device) for one in each)
    forms = {(one.channels, one.sides, one.directions, bool(one.noise_dim)) for one in found}
    if len(forms) != 1:
        raise DataError(
            f"what is measured must be one translator, or several of one form, got {len(found)} in {len(forms)} forms "
            "(channels, sides, directions, noise); measure them one at a time"
        )
    return found


def _domains(translators: tuple[Translator, ...], evidence: DomainEvidence, seed: int) -> Domains:
    """All images that classifiers see, translated and adapted."""
    channels, train, val = translators[0].channels[1], evidence.train, evidence.val
    own, target = as_channels(train.images, channels), evidence.target.images
    there = [translator.translate(val.images, "AB", seed=mix(seed, VARIANTS)) for translator in translators]
    back = _back(translators, there, mix(seed, VARIANTS))
    variants = max(1, min(VARIANTS, POOL // own.nbytes))
    turns = variants if translators[0].noise_dim else 1
    translated = [
        torch.cat([translator.translate(train.images, "AB", seed=mix(seed, turn)) for turn in range(turns)])
        for translator in translators
    ]
    same = val.labels.repeat(len(translators))
    log.info("adapting %d images of %s in %d ways", len(train), train.source, len(TRANSFORMS))
    labels = train.labels.repeat(variants)
    return Domains(
        source=(own, train.labels),
        val=(as_channels(val.images, channels), val.labels),
        test=(evidence.test.images, evidence.test.labels),
        target=target,
        adapted={arm: (adapted(arm, own, target, variants, seed=seed), labels) for arm in TRANSFORMS},
        translated=tuple((images, train.labels.repeat(turns)) for images in translated),
        there=(torch.cat(there), same),
        back=None if back is None else (as_channels(back, channels), same),
        oracle=None if evidence.labeled is None else (evidence.labeled.images, evidence.labeled.labels),
    )


def _back(translators: tuple[Translator, ...], there: list[Tensor], seed: int) -> Tensor | None:
    """The translations, translated back; None where there is no way back."""
    if "BA" not in translators[0].directions:
        return None
    return torch.cat([one.translate(images, "BA", seed=seed) for one, images in zip(translators, there, strict=True)])


def _origin(translators: tuple[Translator, ...], evidence: DomainEvidence, command: str | None) -> dict[str, Any]:
    """What was measured, on what, and with which versions."""
    parts = {"train": evidence.train, "val": evidence.val, "test": evidence.test}
    per_class = {
        name: {part: int(data.counts[k]) for part, data in parts.items()}
        for k, name in enumerate(evidence.train.classes)
    }
    sets = {**parts, "target": evidence.target}
    return {
        "schema": 1,
        "study": "translation",
        "ganaug": version("ganaug"),
        "model": ", ".join(translator.hash for translator in translators),
        "splits": {name: data.fingerprint for name, data in sets.items()},
        "data": {
            "classes": list(evidence.train.classes),
            **{name: len(data) for name, data in sets.items()},
            "per_class": per_class,
        },
        "overlap": evidence.overlap,
        "command": command,
        "versions": {"ganaug": version("ganaug"), "torch": torch.__version__, "python": platform.python_version()},
    }


def _notes(marginals: dict[str, Any]) -> list[str]:
    """What a reader must know of the arms, and of classes that B seems to have in other shares."""
    if not marginals["differ"]:
        return [FIXED, DARK]
    caution = (
        f"The classes of B seem to have other shares than A's: {marginals['tv']:.2f} in total variation by what "
        f"classifiers of translated images take B's for, where chance gives {marginals['noise']:.2f} and their errors "
        f"explain {marginals['error']:.2f}. A translation may change classes to fill the gap: balance A's images."
    )
    log.warning("%s", caution)
    return [caution, FIXED, DARK]


def _pictures(domains: Domains, evidence: DomainEvidence, copies: Findings) -> Pictures:
    """The sheet: A, A to B, A to B and back where there is a way back, and images of B."""
    labels, m = evidence.val.labels, min(SHOWN, len(evidence.val), len(evidence.target))
    shown, others = _by_turns(labels)[:m], torch.randperm(len(evidence.target), generator=_rng())[:m]
    rows = {"A": domains.val[0], "A to B": domains.there[0]}
    if domains.back is not None:
        rows["A to B to A"] = domains.back[0]
    sheet = [images[shown] for images in rows.values()] + [evidence.target.images[others]]
    return Pictures(torch.cat(sheet), (*rows, "B"), copies.pairs)


def _by_turns(labels: Tensor) -> Tensor:
    """Positions of the first image of each class, of the second of each, and so on."""
    seen = one_hot(labels).cumsum(0).gather(1, labels[:, None]).squeeze(1)
    return (seen * (int(labels.max()) + 1) + labels).argsort()


def _rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)
