"""What the study of a translation rests on: A's images in two parts, B's with and without labels, in B's form."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ganaug.data import (
    LabeledImages,
    UnlabeledImages,
    held_out_by_hash,
    listed,
    load,
    load_domain,
    require_images,
    scaled,
    without_labels,
)
from ganaug.errors import DataError, ModelError
from ganaug.recipe import Data, validate
from ganaug.report.findings import part as part_of
from ganaug.run import VAL_FRACTION, Val, recorded_val, split
from ganaug.study.overlap import settle
from ganaug.synthesis.translator import Translator

Images = LabeledImages | str | Path
Target = LabeledImages | UnlabeledImages | str | Path
FEWEST = 2  # images of B that show that not all are one
WAY_ON = "remove them from one side"


@dataclass(frozen=True)
class DomainEvidence:
    """The images of two domains, of which B's test images share none with the others.

    Attributes:
        train: Of A, what the translator and the classifiers learn from.
        val: Of A, what choices are made on.
        target: Of B, what the translator learned from.
        labeled: The same with its labels, in A's class order, for the oracle; None where it has none.
        test: Of B, what the verdict rests on, in A's class order.
        notes: What a reader of the report must know of the images.
        overlap: What test images had in common with the others.
    """

    train: LabeledImages
    val: LabeledImages
    target: UnlabeledImages
    labeled: LabeledImages | None
    test: LabeledImages
    notes: tuple[str, ...]
    overlap: dict[str, Any]


def gather_domains(
    translators: tuple[Translator, ...], a: Images, b: Target, test: Images, val: Val | None, asked: Data
) -> DomainEvidence:
    """Load everything in the translator's form, cut A's validation as its run did, and prove that test is apart.

    Args:
        translators: Whose form and splits count; all of one form.
        a: The labelled images of A.
        b: The images of B that were learned from, with labels or without.
        test: Labelled images of B.
        val: A's validation images or their share; None: as the translator's run did, or one fifth.
        asked: The recipe's `data` table; of it `skip_bad` counts.

    Raises:
        DataError: Images cannot be read or have another form, B has classes that A lacks, or test images are among
            the others.
        ModelError: The translator learned from other images of A.
    """
    translator = translators[0]
    settings = _settings(translator, asked)
    (inputs, outputs), sides = translator.channels, translator.sides
    whole = require_images(_read(a, inputs, sides, settings))
    train, held_out, _ = split(whole, _val(translator) if val is None else val, settings)
    notes = list(dict.fromkeys(note for one in translators for note in _require_own(one, train, held_out)))
    target, labeled, unsure = _target(b, whole, outputs, sides, settings)
    images = _in_order_of(_read(test, outputs, sides, replaced(settings, groups="")), whole)
    if len(target) < FEWEST:
        raise DataError(f"{target.source}: B must have {FEWEST} images or more, got {len(target)}; add some")
    known = [train, held_out] if inputs == outputs else []
    settled = settle(images, known, drop=False, learned=True, unlabeled=[target], way_on=WAY_ON)
    notes += dict.fromkeys(note for one in translators for note in _require_own_target(one, target))
    notes += [*unsure, *settled.notes, *_only_in_a(whole, images, labeled)]
    return DomainEvidence(train, held_out, target, labeled, settled.test, tuple(notes), settled.facts)


def replaced(settings: Data, **changes: Any) -> Data:
    """The same settings but for what is named."""
    return settings.model_copy(update=changes)


def _settings(translator: Translator, asked: Data) -> Data:
    """How the translator's run read A's images."""
    recorded = part_of(translator.provenance, "recipe", "data")
    tables = {**recorded, "resolution": translator.sides, "channels": translator.channels[0]}
    own = validate({"data": tables}, str(translator)).data
    return replaced(own, skip_bad=own.skip_bad or asked.skip_bad)


def _val(translator: Translator) -> Val:
    """A's validation split as the translator's run recorded it; one fifth where it recorded nothing.

    Raises:
        ModelError: The run used images of its own to validate on, and is not here to say which.
    """
    recorded = recorded_val(translator.folder.parent) if translator.folder else None
    val = recorded or part_of(translator.provenance, "val").get("fraction")
    if val is None and part_of(translator.provenance, "splits").get("val"):
        raise ModelError(f"{translator} must be measured on its run's own validation images, got none; pass --val DATA")
    return val or VAL_FRACTION


def _require_own(translator: Translator, train: LabeledImages, val: LabeledImages) -> Iterator[str]:
    """What to say of a translator that keeps no record; one that does is judged on its own split of A.

    Raises:
        ModelError: The splits or the classes are others.
    """
    expected = part_of(translator.provenance, "splits")
    if not expected:
        yield "What the translator learned from is not recorded: it may have seen A's validation or B's test images."
    for key, name, part in (("train", "training", train), ("val", "validation", val)):
        if expected.get(key, part.fingerprint) != part.fingerprint:
            raise ModelError(
                f"--source must be what {translator.folder or translator} was trained with, got other {name} images "
                f"in {part.source}; pass the run's own"
            )


def _require_own_target(translator: Translator, target: UnlabeledImages) -> Iterator[str]:
    """What to say of images of B that cannot be compared with those that were learned from.

    The proof that test images are apart covers these and no others.

    Raises:
        ModelError: They are others.
    """
    expected = part_of(translator.provenance, "splits")
    if "b_train" not in expected:
        return
    if translator.provenance.get("paired"):
        yield "Whether a translator of pairs learned from --target is not verified: it may have seen B's test images."
        return
    parts = held_out_by_hash(target, float(part_of(translator.provenance, "val").get("fraction", VAL_FRACTION)))
    if [expected["b_train"], expected.get("b_val")] != [part.fingerprint for part in parts]:
        raise ModelError(
            f"--target must be what {translator.folder or translator} was trained with, got other images in "
            f"{target.source}; pass the run's own"
        )


def _read(images: Images, channels: int, sides: tuple[int, int], settings: Data) -> LabeledImages:
    """Labelled images in the translator's form.

    Raises:
        DataError: They cannot be read, or are in memory with other channels.
    """
    if not isinstance(images, LabeledImages):
        return load(images, **{**dict(settings), "resolution": sides, "channels": channels})
    _require_channels(images, channels)
    return scaled(images, sides)


def _target(
    b: Target, a: LabeledImages, channels: int, sides: tuple[int, int], settings: Data
) -> tuple[UnlabeledImages, LabeledImages | None, list[str]]:
    """B's images, the same with labels where they have some of A's classes, and what to say of those that have not.

    Raises:
        DataError: They cannot be read, or have some of A's classes and others.
    """
    if isinstance(b, LabeledImages | UnlabeledImages):
        _require_channels(b, channels)
    labeled = load_domain(b, resolution=sides, channels=channels, skip_bad=settings.skip_bad)
    if isinstance(labeled, UnlabeledImages):
        return labeled, None, []
    if not set(labeled.classes) & set(a.classes):
        note = f"{labeled.source}: {listed([*labeled.classes])} are no classes of A, so its images count as unlabelled."
        return without_labels(labeled), None, [note]
    return without_labels(labeled), _in_order_of(labeled, a), []


def _require_channels(images: LabeledImages | UnlabeledImages, channels: int) -> None:
    if images.shape[0] != channels:
        raise DataError(
            f"{images.source}: images must have {channels} channel{'s' * (channels > 1)}, as the translator learned "
            f"them, got {images.shape[0]}; convert them, or check which domain is which"
        )


def _in_order_of(data: LabeledImages, a: LabeledImages) -> LabeledImages:
    """Images of B under A's labels, of which some may have no image.

    Raises:
        DataError: There are images of a class that A lacks.
    """
    lacking = [name for name, n in zip(data.classes, data.counts.tolist(), strict=True) if n and name not in a.classes]
    if lacking:
        raise DataError(
            f"{data.source}: every class must be one of {a.source}, got {listed(lacking)}, which A lacks; no label of "
            "it can come from there: remove or rename it"
        )
    order = torch.tensor([a.class_to_idx.get(name, 0) for name in data.classes])
    return replace(data, labels=order[data.labels], classes=a.classes)


def _only_in_a(a: LabeledImages, test: LabeledImages, labeled: LabeledImages | None) -> Iterator[str]:
    """What to say of classes that cannot be measured."""
    for data, what in ((test, "its recall is not measured"), (labeled, "the oracle cannot learn it")):
        missing = [] if data is None else [c for c, n in zip(a.classes, data.counts.tolist(), strict=True) if not n]
        if data is not None and missing:
            yield f"{listed(missing)}: no image in {data.source}, so {what}."
