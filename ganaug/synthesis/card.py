"""What a generator folder says of itself, in bounds that hold before any of it takes memory."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeInt
from torch import nn

from ganaug.data import LabeledImages
from ganaug.data.labels import is_one_line
from ganaug.errors import ModelError
from ganaug.images import MODES
from ganaug.nets import NETS
from ganaug.recipe import Nets, Side
from ganaug.synthesis.form import Form


def _known_channels(channels: int) -> int:
    if channels not in MODES:
        raise ValueError(f"channels must be 1, 3 or 4, got {channels}")
    return channels


def _distinct(classes: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(classes)) < len(classes):
        raise ValueError("class names must differ")
    if not all(map(is_one_line, classes)):
        raise ValueError("class names must be text on one line")
    return classes


def with_splits(provenance: dict[str, Any]) -> dict[str, Any]:
    """The provenance in a card, once `splits` and `val` in it are what they must be."""
    splits, val = (provenance.get(table, {}) for table in ("splits", "val"))
    tables = isinstance(splits, dict) and isinstance(val, dict)
    if not tables or not all(isinstance(sha256, str) for sha256 in splits.values()):
        raise ValueError("splits must be a table of hashes, and val a table")
    return provenance


Channels = Annotated[int, AfterValidator(_known_channels)]
Classes = Annotated[tuple[str, ...], Field(min_length=2, max_length=100_000), AfterValidator(_distinct)]
Label = Annotated[int, Field(ge=0, lt=100_000)]


class Architecture(BaseModel):
    """What it takes to build the generator, bounded so that a hostile file cannot ask for the moon."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    width: Annotated[int, Field(ge=4, le=1024)]
    z_dim: Annotated[int, Field(ge=1, le=4096)]
    shape: tuple[Channels, Side, Side]
    classes: Classes

    @classmethod
    def of(cls, nets: Nets, data: LabeledImages) -> "Architecture":
        """What complete settings of the networks ask for, for images as these."""
        return cls(
            name=nets.name or "", width=nets.width or 0, z_dim=nets.z_dim, shape=data.shape, classes=data.classes
        )

    def build(self) -> nn.Module:
        """The untrained generator.

        Raises:
            ModelError: There is no architecture of that name.
        """
        if self.name not in NETS:
            raise ModelError(
                f"the architecture must be one of {', '.join(NETS)}, got {self.name!r:.80}; a newer ganaug may know it"
            )
        return NETS[self.name].generator(self.shape, len(self.classes), self.width, self.z_dim)


class Probes(BaseModel):
    """A few images as they were rendered when the generator was saved."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: NonNegativeInt
    labels: Annotated[tuple[Label, ...], Field(min_length=1, max_length=64)]
    png: str  # base64, the images in one row


class Card(BaseModel):
    """generator.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Annotated[Literal[1], Field(alias="schema")] = 1
    architecture: Architecture
    sha256: str
    provenance: Annotated[dict[str, Any], AfterValidator(with_splits)]
    probes: Probes


GENERATOR = Form("generator", Card)  # generator.json, generator.safetensors
