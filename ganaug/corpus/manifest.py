"""manifest.jsonl: one line per image."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Line:
    """What the manifest says of one image."""

    file: str  # relative to the corpus, with forward slashes
    label: int
    label_name: str
    index: int
    seed: int
    model_sha256: str
    pixel_sha256: str

    @classmethod
    def of(cls, facts: dict[str, Any], label: int, index: int, file: str, image: np.ndarray | None = None) -> "Line":
        """The line that belongs to an image of the corpus described by `facts`."""
        sum_ = "" if image is None else pixel_sha256(image)
        return cls(file, label, facts["classes"][label], index, facts["seed"], facts["model"], sum_)

    def to_json(self) -> str:
        """The line with its line feed."""
        return json.dumps(asdict(self)) + "\n"


def pixel_sha256(image: np.ndarray) -> str:
    """sha256 of the shape and pixels of uint8 [C, H, W], the same that LabeledImages.hashes gives."""
    return hashlib.sha256(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes()).hexdigest()
