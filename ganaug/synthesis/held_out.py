"""The guard at the door: validation and test images are for measuring, and no synthetic image belongs among them."""

import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from ganaug.data import LabeledImages
from ganaug.errors import DataError

if TYPE_CHECKING:
    from ganaug.synthesis.synthesizer import Synthesizer

HELD_OUT = re.compile(r"val(id(ation)?)?|test(ing)?|evaluation|eval|hold[-_ ]?out")
TRAINING = re.compile(r"train(ing|val)?")
FOLDER = re.compile(rf"(.+[-_ ])?({HELD_OUT.pattern})([-_ ]?set)?|(val|test)\d+")  # seg_test, test_set, val2017
GENERAL = {"images", "imgs", "data"}  # names of folders that say nothing of a split


def require_training_data(leaves: list[Any], synth: "Synthesizer") -> None:
    """Refuse datasets that say of themselves that they are for validation or testing, or that a run validated on.

    What tells: a `split`, `train=False`, the folder, the hash of the generator's validation split.

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
    for name in ("split", "_split", "mode", "image_set"):
        split = getattr(leaf, name, None)
        words = [] if split is None or callable(split) else re.split("[^a-z]+", str(split).lower())
        if any(map(HELD_OUT.fullmatch, words)):
            return f"{name}={str(split)!r}"
        if any(map(TRAINING.fullmatch, words)):
            return None
    if isinstance(leaf, LabeledImages):
        return _folder_sign("source", leaf.source.replace(":", "/"))
    if isinstance(getattr(leaf, "train", None), bool | np.bool_):
        return None if leaf.train else "train=False"
    return _folder_sign("root", getattr(leaf, "root", None))


def _folder_sign(name: str, path: Any) -> str | None:
    """What the folder of the classes is called; a general name such as `images` leaves the word to the one above."""
    if not isinstance(path, str | PurePath):
        return None
    *_, above, last = ("", "", *PurePath(path).parts)
    called = above if last.lower() in GENERAL else last
    return f"{name}={str(path)!r}" if FOLDER.fullmatch(called.lower()) else None


def _validated_on(leaf: Any, synth: "Synthesizer") -> str | None:
    if not isinstance(leaf, LabeledImages):
        return None
    known = synth.provenance.get("splits", {}).get("val")
    return "the images that the generator was validated on" if leaf.fingerprint == known else None
