"""corpus.json as the check relies on it: what it implies for the manifest, the folders and the files."""

import json
from collections import Counter
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from ganaug.corpus.layout import file_names
from ganaug.corpus.manifest import Line, TranslatedLine
from ganaug.files import parse_json
from ganaug.images import MAX_PIXELS, MIN_SIDE
from ganaug.recipe import Side
from ganaug.synthesis.card import Classes
from ganaug.synthesis.rendering import MOST

LINE = 600  # bytes of a line of the manifest at most, but for the names in it
PATHS = 2 * 12 * 4096  # bytes of two paths, of the image and of its source, as JSON at its longest
Px = Annotated[int, Field(ge=MIN_SIDE, le=MAX_PIXELS)]


class Facts(BaseModel):
    """What corpora have in common, wherever their images come from."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    model: str
    directories: list[str]
    class_to_idx: dict[str, int]
    seed: int
    counts: Annotated[list[Annotated[int, Field(ge=0, le=MOST)]], Field(min_length=1)]
    manifest_sha256: str
    card_sha256: str


class Generated(Facts):
    """Of images that a generator drew: every file is known beforehand."""

    shape: tuple[Literal[1, 3, 4], Side, Side]
    classes: Classes
    latent_scale: float = 1.0  # which older versions did not know

    @cached_property
    def lines(self) -> dict[str, Line]:
        """The manifest, but for the sums: file -> line."""
        known = self.model_dump()
        names = file_names(self.counts, self.directories)
        return {file: Line.of(known, label, index, file) for label, index, file in names}

    @property
    def manifest_bytes(self) -> int:
        """The most that the manifest may have."""
        names = zip(self.counts, self.classes, self.directories, strict=True)
        return sum(n * (LINE + len(json.dumps(name + directory))) for n, name, directory in names)

    def line(self, number: int, row: dict[str, Any]) -> Line | None:
        """What line `number` must be, from 1, by the file that it names; None where that is none of the corpus."""
        return self.lines.get(str(row.get("file")))

    def missing(self, lines: dict[str, Line]) -> Iterator[str]:
        """A sentence for each image without a line."""
        yield from (
            f"manifest.jsonl: must have a line for {file}, got none" for file in self.lines if file not in lines
        )

    def files(self, lines: dict[str, Line]) -> Collection[str]:
        """The images that must be there."""
        return self.lines

    def folders(self, lines: dict[str, Line]) -> Collection[str]:
        """The folders that must be there."""
        return self.directories


class Translated(Facts):
    """Of images that a translator made of others, whose names they keep: the manifest tells the files."""

    shape: tuple[Literal[1, 3, 4], Px | None, Px | None]
    classes: Classes | tuple[()]
    direction: Literal["AB", "BA"]
    source_data: str

    @property
    def manifest_bytes(self) -> int:
        """The most that the manifest may have."""
        return sum(self.counts) * (LINE + PATHS + max((len(json.dumps(name)) for name in self.classes), default=0))

    def line(self, number: int, row: dict[str, Any]) -> TranslatedLine | None:
        """What line `number` must be, from 1, by the file that it names; None where that can be none of the corpus."""
        file = str(row.get("file"))
        path = PurePosixPath(file)
        if path.is_absolute() or ".." in path.parts or str(path) != file or path.suffix != ".png":
            return None
        label = self._labels.get(path.parts[0])
        if self.classes and (len(path.parts) != 2 or label is None):
            return None
        told = {key: str(row.get(key)) for key in ("source", "source_pixel_sha256")}
        return TranslatedLine.of(self._known, label, number - 1, file, **told)

    @cached_property
    def _known(self) -> dict[str, Any]:
        return self.model_dump()

    @cached_property
    def _labels(self) -> dict[str, int]:
        return {directory: label for label, directory in enumerate(self.directories)}

    def missing(self, lines: dict[str, Line]) -> Iterator[str]:
        """A sentence for each class with other than its number of lines."""
        found = Counter(line.label for line in lines.values())
        for label, n in enumerate(self.counts):
            got, of = (found[label], f" of class {self.classes[label]!r}") if self.classes else (found[None], "")
            if got != n:
                yield f"manifest.jsonl: must have a line for each of {n} images{of}, got {got}"

    def files(self, lines: dict[str, Line]) -> Collection[str]:
        """The images that must be there."""
        return lines

    def folders(self, lines: dict[str, Line]) -> Collection[str]:
        """The folders that must be there."""
        if self.classes:
            return self.directories
        return {str(parent) for file in lines for parent in PurePosixPath(file).parents} - {"."}


def read_facts(content: bytes) -> Generated | Translated:
    """The facts of either kind of corpus.

    Raises:
        ValueError: The content is no corpus.json.
    """
    facts = parse_json(content)
    kind = Translated if isinstance(facts, dict) and "direction" in facts else Generated
    return kind.model_validate(facts)
