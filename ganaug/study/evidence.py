"""What a study rests on: real images in three parts that share no image, and the synthetic images under judgement."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ganaug.data import LabeledImages, align, load, require_disjoint
from ganaug.errors import ModelError
from ganaug.recipe import Recipe
from ganaug.run import VAL_FRACTION, Val, recorded_val, require_same_shape, split
from ganaug.synthesis import Synthesizer, is_model

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
        notes: What a reader of the report must know of the corpus.
    """

    train: LabeledImages
    val: LabeledImages
    test: LabeledImages
    synthetic: Tensor
    labels: Tensor
    model: Synthesizer | None
    origin: str
    notes: tuple[str, ...] = ()


def gather(
    source: Source, train: Images, val: Val | None, test: Images, recipe: Recipe, device: str = "auto"
) -> Evidence:
    """Load everything, cut validation as the model's own run did, and prove that no part shares an image with test."""
    source = Synthesizer.load(source, device) if isinstance(source, str | Path) and is_model(Path(source)) else source
    synth = source if isinstance(source, Synthesizer) else None
    size, channels = (synth.shape[1:], synth.shape[0]) if synth else (recipe.data.resolution, recipe.data.channels)
    whole = train if isinstance(train, LabeledImages) else load(train, resolution=size, channels=channels)
    test = _like(whole, test)
    part, held_out, _ = split(whole, _recorded_val(synth) if val is None else val)
    for known in (part, held_out):
        require_disjoint(known, test)
    if isinstance(source, Synthesizer):
        _require_own(source, part, held_out)
        return Evidence(part, held_out, test, *_sample(source, part), source, source.hash)
    corpus = _like(whole, source)
    require_disjoint(test, corpus)
    notes = _notes_on(corpus.source, part)
    return Evidence(part, held_out, test, corpus.images, corpus.labels, None, Path(corpus.source).name, notes)


def _like(real: LabeledImages, images: Images) -> LabeledImages:
    """Images in the size, channels and class order of `real`."""
    height, width = real.shape[1:]
    if not isinstance(images, LabeledImages):
        images = load(images, resolution=(height, width), channels=real.shape[0])
    require_same_shape(images, real)
    return align(images, real)


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
        made_from = json.loads((Path(corpus) / "corpus.json").read_text(encoding="utf-8"))["real_data"]
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
