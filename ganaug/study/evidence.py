"""What a study rests on: real images in three parts that share no image, and the synthetic images under judgement."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganaug.data import LabeledImages, listed, load, near_duplicates, require_disjoint, require_images
from ganaug.errors import DataError, ModelError
from ganaug.files import parse_json, read_file
from ganaug.measures.copies import near_copies, pictures
from ganaug.recipe import Data, Recipe, validate
from ganaug.report.findings import part as part_of
from ganaug.run import VAL_FRACTION, Val, recorded_val, split
from ganaug.run.planning import like, straddling_groups
from ganaug.study.overlap import MOST, settle
from ganaug.study.seen import seen_besides
from ganaug.synthesis import Synthesizer, is_model

log = logging.getLogger("ganaug")

POOL_PER_CLASS = 500  # synthetic images of each class, or as many as it has real ones
POOL = 20_000  # synthetic images in all beyond the real counts, so that many classes do not fill the memory

Source = Synthesizer | LabeledImages | str | Path
Images = LabeledImages | str | Path
Pool = tuple[Tensor, Tensor]  # uint8 [M, C, H, W], int64 [M]


@dataclass(frozen=True)
class Evidence:
    """Real images in three parts that share no image, and the synthetic images under judgement.

    Attributes:
        train: What the generator and the classifiers learn from.
        val: What choices are made on.
        test: What the verdict rests on.
        pools: The images of each generator, or of the corpus; labels in the class order of `train`.
        models: The generators; none where a corpus is judged.
        origin: The hashes of the generators, or the corpus' name.
        made: The same of generators; the corpus' fingerprint.
        cut: Whether validation was cut from the training images.
        choosing: `pools` without copies of validation images, which must not choose; empty: as `pools`.
        left_out: Synthetic images that copy a validation image.
        notes: What a reader of the report must know of the images.
        overlap: What test images had in common with the others, and what became of it.
    """

    train: LabeledImages
    val: LabeledImages
    test: LabeledImages
    pools: tuple[Pool, ...]
    models: tuple[Synthesizer, ...]
    origin: str
    made: str
    cut: bool
    choosing: tuple[Pool, ...] = ()
    left_out: int = 0
    notes: tuple[str, ...] = ()
    overlap: dict[str, Any] = field(default_factory=dict)


def gather(
    sources: Source | Sequence[Source],
    train: Images,
    val: Val | None,
    test: Images,
    recipe: Recipe,
    device: str = "auto",
    drop_overlap: bool = False,
) -> Evidence:
    """Load everything, cut validation as the model's own run did, and prove that no part shares an image with test.

    What test and the other images have in common is refused, or dropped: from training and validation where a corpus is
    judged; from test where a model is, which has learned from the others already.

    Raises:
        DataError: Sets differ in classes or size, or have images in common; or several sources are not all models.
        ModelError: A model was trained on other images.
    """
    models, corpus = _loaded(sources, device)
    first = models[0] if models else None
    settings = recipe.data if first is None else _own_settings(first, recipe.data)
    whole = train if isinstance(train, LabeledImages) else load(train, **dict(settings))
    val = _recorded_val(first) if val is None else val
    val = val if isinstance(val, int | float) else like(whole, val, settings)
    test = like(whole, test, settings)
    known = [whole, val] if isinstance(val, LabeledImages) else [whole]
    notes = [caution for data in known for caution in straddling_groups(data, test)]
    seen, unsure = seen_besides(models, known, skip_bad=settings.skip_bad)
    settled = settle(test, known, drop=drop_overlap, learned=bool(models), unlabeled=seen)
    notes += [*settled.notes, *unsure]
    for note in notes:
        log.warning("%s", note)
    test, (whole, *rest) = settled.test, settled.known
    part, held_out, _ = split(whole, rest[0] if rest else val, settings)
    notes += _unseen(part, held_out, test)
    found = Evidence(part, held_out, test, (), models, "", "", cut=not rest, overlap=settled.facts)
    if corpus is None:
        for synth in models:
            _require_own(synth, part, held_out)
        pools = tuple(_sample(synth, part) for synth in models)
        hashes = ", ".join(synth.hash for synth in models)
        return replace(found, pools=pools, origin=hashes, made=hashes, notes=tuple(notes))
    made = like(whole, corpus, Data(skip_bad=settings.skip_bad))
    require_images(made)
    require_disjoint(test, made)
    notes += [*_nearly_test(test, made), *_notes_on(made.source, part)]
    named = replace(found, origin=Path(made.source).name, made=made.fingerprint)
    return _without_copies(replace(named, pools=((made.images, made.labels),)), notes)


def _loaded(sources: Source | Sequence[Source], device: str) -> tuple[tuple[Synthesizer, ...], Images | None]:
    """The generators, or the one corpus.

    Raises:
        DataError: There is nothing, or several of which one is no model.
    """
    each = [sources] if isinstance(sources, Synthesizer | LabeledImages | str | Path) else list(sources)
    found = [Synthesizer.load(s, device) if isinstance(s, str | Path) and is_model(Path(s)) else s for s in each]
    models = tuple(s for s in found if isinstance(s, Synthesizer))
    others = [s for s in found if not isinstance(s, Synthesizer)]
    if len(others) > 1 or not found or (others and models):
        raise DataError(
            f"what is measured must be one corpus, or one model or several, got {len(models)} models and "
            f"{len(others)} others; measure them one at a time"
        )
    return models, others[0] if others else None


def _unseen(train: LabeledImages, val: LabeledImages, test: LabeledImages) -> Iterator[str]:
    """What to say of classes that cannot be measured."""
    for data, what in ((test, "its recall is not measured"), (val, "nothing is chosen by it")):
        missing = [name for name, n in zip(train.classes, data.counts.tolist(), strict=True) if not n]
        if missing:
            yield f"{listed(missing)}: no image in {data.source}, so {what}."


def _nearly_test(test: LabeledImages, corpus: LabeledImages) -> Iterator[str]:
    """What to say of a corpus that holds near duplicates of test images.

    Raises:
        DataError: Over 1 % of the test images have one.
    """
    pairs = near_duplicates(test, corpus)
    images = len({i for i, _, _ in pairs})
    if images > MOST * len(test):
        i, j, _ = pairs[0]
        raise DataError(
            f"{corpus.source}: at most {MOST:.0%} of the test images may have a near duplicate there, got {images} of "
            f"{len(test)}, the first {corpus.names[j]}, which nearly equals {test.names[i]}; remove them there"
        )
    if images:
        yield f"{images} test images nearly equal synthetic ones ({100 * images / len(test):.2f} %)."


def _without_copies(found: Evidence, notes: list[str]) -> Evidence:
    """The evidence, where copies of validation images take no part in choices that they would flatter."""
    [(images, labels)], train, val = found.pools, found.train.images, found.val.images
    copied = _copies_of(images, train, val)
    n, kept = int(copied.sum()), ~copied
    emptied = sorted(set(labels.unique().tolist()) - set(labels[kept].unique().tolist()))
    kept |= torch.isin(labels, torch.tensor(emptied, dtype=labels.dtype))  # a class must have something
    if not n:
        return replace(found, notes=tuple(notes))
    notes = [*notes, f"{n} synthetic images copy validation images, and were left out while choosing."]
    if emptied:
        names = listed([found.train.classes[k] for k in emptied])
        notes.append(f"{names}: all synthetic images copy validation images, which flatters them there.")
    return replace(found, choosing=((images[kept], labels[kept]),), left_out=n, notes=tuple(notes))


def _copies_of(images: Tensor, train: Tensor, val: Tensor) -> Tensor:
    """Which images are near copies of a validation image, and not of a training image: bool [N].

    What is no copy among the few validation images is none among all.
    """
    hits = (
        near_copies(images, val).is_copy.nonzero().squeeze(1) if len(pictures(val)) > 1 else torch.arange(len(images))
    )
    confirmed = torch.zeros(len(images), dtype=torch.bool)
    if len(hits):
        found = near_copies(images[hits], torch.cat([train, val]))
        confirmed[hits] = found.is_copy & (found.nearest >= len(train))
    return confirmed


def _own_settings(synth: Synthesizer, asked: Data) -> Data:
    """How the model's run read its images: cut by other groups they would be another split.

    Raises:
        ModelError: Something else was asked for; it is named.
    """
    channels, height, width = synth.shape
    tables = {**part_of(synth.provenance, "recipe", "data"), "resolution": (height, width), "channels": channels}
    own = validate({"data": tables}, str(synth)).data
    for key in ("resolution", "channels", "groups"):
        was, now = getattr(own, key), getattr(asked, key)
        if now not in (None, "", was):
            raise ModelError(
                f"{synth} must be measured with data.{key} = {was!r} as in its run, got {now!r}; leave it out"
            )
    return own.model_copy(update={"skip_bad": own.skip_bad or asked.skip_bad})


def _recorded_val(synth: Synthesizer | None) -> Val:
    """The validation split as the model's run recorded it; one fifth for a corpus.

    Raises:
        ModelError: The run used images of its own to validate on, and is not here to say which.
    """
    if synth is None:
        return VAL_FRACTION
    recorded = recorded_val(synth.folder.parent) if synth.folder else None
    val = recorded or synth.provenance.get("val", {}).get("fraction")
    if val is None:
        raise ModelError(f"{synth} must be measured on its run's own validation images, got none; pass --val DATA")
    return val


def _require_own(synth: Synthesizer, train: LabeledImages, val: LabeledImages) -> None:
    """A model is judged on its own split, else it may have been trained on the validation images.

    Raises:
        ModelError: The splits or the classes are others.
    """
    expected = synth.provenance.get("splits", {})
    for key, name, part in (("train", "training", train), ("val", "validation", val)):
        if expected.get(key) != part.fingerprint:
            raise ModelError(
                f"--train and --val must be what {synth.folder or synth} was trained with, got other {name} images in "
                f"{part.source}; pass the run's own"
            )


def _notes_on(corpus: str, train: LabeledImages) -> tuple[str, ...]:
    """A corpus of ours says what its generator was trained on; of others nothing is known."""
    try:
        made_from = parse_json(read_file(Path(corpus) / "corpus.json"))["real_data"]
    except (OSError, ValueError, KeyError, TypeError):
        return ("What the corpus was made from is not known: its generator may have seen the validation images.",)
    if made_from == train.fingerprint:
        return ()
    return ("The corpus was made from another training split: its generator may have seen the validation images.",)


def _sample(synth: Synthesizer, real: LabeledImages) -> tuple[Tensor, Tensor]:
    """As many images of each class as real ones, and up to 500 where there are few."""
    each = real.counts.clamp(min=min(POOL_PER_CLASS, max(1, POOL // real.num_classes)))
    indices = torch.cat([torch.arange(int(n)) for n in each])
    return synth.sample(torch.arange(len(each)).repeat_interleave(each), seed=0, indices=indices)
