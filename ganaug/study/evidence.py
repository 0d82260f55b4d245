"""What a study rests on: real images in three parts that share no image, and the synthetic images under judgement."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganaug.data import LabeledImages, load, require_disjoint
from ganaug.errors import ModelError
from ganaug.files import parse_json, read_file
from ganaug.recipe import Data, Recipe, validate
from ganaug.report.findings import part as part_of
from ganaug.run import VAL_FRACTION, Val, recorded_val, split
from ganaug.run.planning import like, straddling_groups
from ganaug.study.overlap import settle
from ganaug.synthesis import Synthesizer, is_model

log = logging.getLogger("ganaug")

POOL_PER_CLASS = 500  # synthetic images of each class, or as many as it has real ones
POOL = 20_000  # synthetic images in all beyond the real counts, so that many classes do not fill the memory

Source = Synthesizer | LabeledImages | str | Path
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
        origin: The generator's hash, or the corpus' name.
        notes: What a reader of the report must know of the images.
        overlap: What test images had in common with the others, and what became of it.
    """

    train: LabeledImages
    val: LabeledImages
    test: LabeledImages
    synthetic: Tensor
    labels: Tensor
    model: Synthesizer | None
    origin: str
    notes: tuple[str, ...] = ()
    overlap: dict[str, Any] = field(default_factory=dict)


def gather(
    source: Source,
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
        DataError: Sets differ in classes or size, or have images in common.
        ModelError: The model was trained on other images.
    """
    source = Synthesizer.load(source, device) if isinstance(source, str | Path) and is_model(Path(source)) else source
    synth = source if isinstance(source, Synthesizer) else None
    settings = recipe.data if synth is None else _own_settings(synth, recipe.data)
    whole = train if isinstance(train, LabeledImages) else load(train, **dict(settings))
    val = _recorded_val(synth) if val is None else val
    val = val if isinstance(val, int | float) else like(whole, val, settings)
    test = like(whole, test, settings)
    known = [whole, val] if isinstance(val, LabeledImages) else [whole]
    notes = [caution for data in known for caution in straddling_groups(data, test)]
    settled = settle(test, known, drop=drop_overlap, learned=synth is not None)
    notes += settled.notes
    for note in notes:
        log.warning("%s", note)
    test, (whole, *rest) = settled.test, settled.known
    part, held_out, _ = split(whole, rest[0] if rest else val, settings)
    if isinstance(source, Synthesizer):
        _require_own(source, part, held_out)
        return Evidence(part, held_out, test, *_sample(source, part), source, source.hash, tuple(notes), settled.facts)
    corpus = like(whole, source, Data(skip_bad=settings.skip_bad))
    require_disjoint(test, corpus)
    notes += _notes_on(corpus.source, part)
    name = Path(corpus.source).name
    return Evidence(part, held_out, test, corpus.images, corpus.labels, None, name, tuple(notes), settled.facts)


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
