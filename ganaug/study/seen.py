"""What generators learned from beside the training images: test images must not be among that either."""

from collections.abc import Sequence

from ganaug.data import LabeledImages, UnlabeledImages, load_unlabeled
from ganaug.errors import GanaugError
from ganaug.report.findings import part
from ganaug.run.folder import recorded_unlabeled
from ganaug.synthesis import Synthesizer

GONE = "cannot be looked at any more, or not as they were"


def seen_besides(
    models: Sequence[Synthesizer], known: Sequence[LabeledImages], *, skip_bad: bool = False
) -> tuple[list[UnlabeledImages], list[str]]:
    """(the images without labels that the models learned from, what to say of those that cannot be looked at).

    A generator keeps the fingerprint of such images; where they lie is known to its run folder alone. A model that
    began with another one's weights does not know what that one had learned from.

    Args:
        models: The generators.
        known: The labelled images that the models learned from, or were chosen by, which are not repeated.
        skip_bad: As their run read images.
    """
    found: dict[str, UnlabeledImages] = {}
    notes = []
    for synth in models:
        expected = str(part(synth.provenance, "unlabeled").get("fingerprint", ""))
        images = _unlabeled(synth, known, skip_bad) if expected and expected not in found else None
        if images is not None and images.fingerprint == expected:
            found[expected] = images
        if expected and expected not in found:
            notes.append(f"{synth} learned from images without labels that {GONE}: test images may be among them.")
        if part(synth.provenance, "recipe", "train").get("init"):
            notes.append(f"{synth} began with the weights of another model, which may have seen test images.")
    return list(found.values()), notes


def _unlabeled(synth: Synthesizer, known: Sequence[LabeledImages], skip_bad: bool) -> UnlabeledImages | None:
    """What lies in the source that the model's run recorded, less the labelled images; None where nothing does."""
    source = recorded_unlabeled(synth.folder.parent) if synth.folder else None
    if source is None:
        return None
    channels, height, width = synth.shape
    try:
        images = load_unlabeled(source, resolution=(height, width), channels=channels, skip_bad=skip_bad)
        return images.without(*known)
    except GanaugError:
        return None
