"""manifest.jsonl: one line per image."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Line:
    """What the manifest says of one image."""

    file: str  # relative to the corpus, with forward slashes
    label: int | None  # None, and not written, where there are no classes
    label_name: str | None
    index: int
    seed: int
    model_sha256: str
    sha256: str = ""  # of the file's bytes, the mark inside included
    pixel_sha256: str = ""

    @classmethod
    def of(cls, facts: dict[str, Any], label: int | None, index: int, file: str, **more: str) -> Self:
        """The line that belongs to an image of the corpus described by `facts`, but for its sums."""
        name = None if label is None else facts["classes"][label]
        return cls(file, label, name, index, facts["seed"], facts["model"], **more)

    def to_dict(self) -> dict[str, Any]:
        """What is written."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    def to_json(self) -> str:
        """The line with its line feed."""
        return json.dumps(self.to_dict()) + "\n"


@dataclass(frozen=True)
class TranslatedLine(Line):
    """The same of an image that was made of another; `index` is the place of that one in its set."""

    source: str = ""  # its name there
    source_pixel_sha256: str = ""  # as stored: before any conversion to the channels of the translator
