"""The guard at the door: validation and test images are for measuring, and no synthetic image belongs among them."""

import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from ganaug.data import LabeledImages
from ganaug.errors import DataError

if TYPE_CHECKING:
    from ganaug.synthesis.synthesizer import Synthesizer

HELD_OUT = re.compile(r"val(id(ation)?)?|test(ing)?|evaluation|eval|dev|hold_?-?out", re.IGNORECASE)
TRAINING = re.compile(r"train(ing)?", re.IGNORECASE)


def require_training_data(leaves: list[Any], synth: "Synthesizer") -> None:
    """Refuse datasets that say of themselves that they are for validation or testing, or that a run validated on.

    What tells: a `split`, `train=False`, the last two folders of a root, the hash of the generator's validation split.

    Raises:
        DataError: Names what told.
    """
    for leaf in leaves:
        sign = _sign(leaf) or _validated_on(leaf, synth)
        if sign:
            raise DataError(
                f"the wrapped dataset must be training data, got {type(leaf).__name__} with {sign}: a score on "
                "synthetic images says nothing; wrap the training split, or pass allow_held_out=True"
            )


def _sign(leaf: Any) -> str | None:
    """What says that the dataset is not for training, or None; a split outdoes a folder's name."""
    for name in ("split", "_split", "image_set"):
        split = str(getattr(leaf, name, None) or "").split("[")[0]
        if HELD_OUT.fullmatch(split):
            return f"{name}={split!r}"
        if TRAINING.fullmatch(split):
            return None
    if isinstance(leaf, LabeledImages):
        return _folder_sign("source", leaf.source.replace(":", "/"))
    if isinstance(getattr(leaf, "train", None), bool):
        return None if leaf.train else "train=False"
    return _folder_sign("root", getattr(leaf, "root", None))


def _folder_sign(name: str, path: Any) -> str | None:
    if not isinstance(path, str | PurePath):
        return None
    for part in reversed(PurePath(path).parts[-2:]):
        if TRAINING.fullmatch(part):
            return None
        if HELD_OUT.fullmatch(part):
            return f"{name}={str(path)!r}"
    return None


def _validated_on(leaf: Any, synth: "Synthesizer") -> str | None:
    if not isinstance(leaf, LabeledImages):
        return None
    known = synth.provenance.get("splits", {}).get("val")
    return "the images that the generator was validated on" if leaf.fingerprint == known else None
