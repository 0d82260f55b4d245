"""manifest.jsonl: one line per image."""

import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Line:
    """What the manifest says of one image."""

    file: str  # relative to the corpus, with forward slashes
    label: int
    label_name: str
    index: int
    seed: int
    model_sha256: str
    sha256: str = ""  # of the file's bytes, the mark inside included
    pixel_sha256: str = ""

    @classmethod
    def of(cls, facts: dict[str, Any], label: int, index: int, file: str) -> "Line":
        """The line that belongs to an image of the corpus described by `facts`, but for its sums."""
        return cls(file, label, facts["classes"][label], index, facts["seed"], facts["model"])

    def to_json(self) -> str:
        """The line with its line feed."""
        return json.dumps(asdict(self)) + "\n"
