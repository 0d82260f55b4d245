"""What a generator folder says of itself, and the bounds that hold before any of it takes memory."""

from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError
from torch import nn
from torch.overrides import TorchFunctionMode

from ganaug.checkpoint import ANOTHER, MANIFEST, Entry, load_module, read_listed, read_manifest
from ganaug.data import LabeledImages
from ganaug.data.labels import is_one_line
from ganaug.errors import ModelError
from ganaug.files import LIMIT, parse_json
from ganaug.images import MODES, printable
from ganaug.nets import NETS
from ganaug.recipe import Nets, Side

CARD, WEIGHTS = "generator.json", "generator.safetensors"
HEADER_LIMIT = 2**20  # bytes of the names of the tensors
MAX_NUMBERS = 2_000_000_000  # weights of a generator


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


def _with_splits(provenance: dict[str, Any]) -> dict[str, Any]:
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
    provenance: Annotated[dict[str, Any], AfterValidator(_with_splits)]
    probes: Probes


def read_generator(folder: Path) -> tuple[Card, nn.Module]:
    """The card of a generator folder, and the generator on the CPU.

    Raises:
        ModelError: A file is missing, damaged or foreign, or claims to be larger than it is.
    """
    listed = read_manifest(folder)
    _require_listed(folder, listed)
    card = _read_card(folder, read_listed(folder, CARD, listed[CARD]))
    with torch.device("meta"), _Undrawn():  # whatever the card claims, only the tensors that are there take memory
        G = card.architecture.build()
    _require_size(folder, G, listed[WEIGHTS].size)
    load_module(G, read_listed(folder, WEIGHTS, listed[WEIGHTS]), str(folder / WEIGHTS))
    return card, G


class _Undrawn(TorchFunctionMode):
    """Weights that the file replaces in a moment are not drawn: on the meta device that costs a second of imports."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func.__name__ == "normal_":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def _require_listed(folder: Path, listed: dict[str, Entry]) -> None:
    """Both files, no other, and a card of a card's size."""
    if set(listed) != {CARD, WEIGHTS}:
        raise ModelError(f"{folder / MANIFEST} must list {CARD} and {WEIGHTS}, got {sorted(listed)[:3]}; {ANOTHER}")
    if listed[CARD].size > LIMIT:
        raise ModelError(f"{folder / CARD} must have at most {LIMIT:,} bytes, got {listed[CARD].size:,}; {ANOTHER}")


def _read_card(folder: Path, content: bytes) -> Card:
    try:
        return Card.model_validate(parse_json(content))
    except ValueError as error:  # pydantic's is one, too
        where, fact = "the file", str(error)
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            where, fact = printable(".".join(map(str, first["loc"]))[:80]), first["msg"]
        raise ModelError(f"{folder / CARD}: {where} must be valid, got: {fact}; {ANOTHER}") from error


def _require_size(folder: Path, G: nn.Module, size: int) -> None:
    """The weights in the file are those of the architecture, give or take the names of the tensors."""
    tensors = G.state_dict().values()
    count, needed = sum(t.numel() for t in tensors), sum(t.nbytes for t in tensors)
    if count > MAX_NUMBERS:
        raise ModelError(f"{folder / CARD} must ask for at most {MAX_NUMBERS:,} weights, got {count:,}; {ANOTHER}")
    if not needed < size <= needed + HEADER_LIMIT:
        raise ModelError(
            f"{folder / WEIGHTS} must fit the architecture in {CARD}, {needed:,} bytes of weights and a header, "
            f"got {size:,}; {ANOTHER}"
        )
