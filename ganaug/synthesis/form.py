"""The folders that are shared: a card and the weights of what it describes, read within bounds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from pydantic import BaseModel, ValidationError
from torch import nn
from torch.overrides import TorchFunctionMode

from ganaug.checkpoint import (
    ANOTHER,
    MANIFEST,
    Entry,
    dump_module,
    load_module,
    parameters_finite,
    read_listed,
    read_manifest,
    write_sealed,
)
from ganaug.errors import ModelError
from ganaug.files import LIMIT, parse_json
from ganaug.images import printable

HEADER_LIMIT = 2**20  # bytes of the names of the tensors
MAX_NUMBERS = 2_000_000_000  # weights of a generator


C = TypeVar("C", bound=BaseModel)


@dataclass(frozen=True)
class Form(Generic[C]):
    """What lies in a folder that is shared: a card, and the weights of what it describes."""

    name: str  # of both files, but for their endings
    card: type[C]

    @property
    def cards(self) -> str:
        """The file of the card."""
        return f"{self.name}.json"

    @property
    def weights(self) -> str:
        """The file of the weights."""
        return f"{self.name}.safetensors"

    def read(self, folder: Path) -> tuple[C, nn.Module]:
        """The card in a folder, and what it describes, on the CPU.

        Raises:
            ModelError: A file is missing, damaged or foreign, or claims to be larger than it is.
        """
        listed = read_manifest(folder)
        self._require_listed(folder, listed)
        card = self._read_card(folder, read_listed(folder, self.cards, listed[self.cards]))
        with torch.device("meta"), _Undrawn():  # whatever the card claims, only tensors that are there take memory
            module = card.architecture.build()  # type: ignore[attr-defined]
        self._require_size(folder, module, listed[self.weights].size)
        load_module(module, read_listed(folder, self.weights, listed[self.weights]), str(folder / self.weights))
        return card, module

    def write(self, folder: Path, card: C, module: nn.Module) -> None:
        """Both files, atomically.

        Raises:
            ModelError: The weights are not finite.
            OutputError: `folder` holds something already.
            DiskFullError: There is no room; nothing stays.
        """
        if not parameters_finite(module):
            raise ModelError(
                f"{folder}: a {self.name} must have finite weights to be exported, got others; "
                "train again with a lower train.lr"
            )
        content = card.model_dump_json(indent=1, by_alias=True).encode()
        write_sealed(folder, {self.weights: dump_module(module), self.cards: content})

    def _require_listed(self, folder: Path, listed: dict[str, Entry]) -> None:
        """Both files, no other, and a card of a card's size."""
        if set(listed) != {self.cards, self.weights}:
            there = sorted(listed)[:3]
            raise ModelError(f"{folder / MANIFEST} must list {self.cards} and {self.weights}, got {there}; {ANOTHER}")
        size = listed[self.cards].size
        if size > LIMIT:
            raise ModelError(f"{folder / self.cards} must have at most {LIMIT:,} bytes, got {size:,}; {ANOTHER}")

    def _read_card(self, folder: Path, content: bytes) -> C:
        try:
            return self.card.model_validate(parse_json(content))
        except ValueError as error:  # pydantic's is one, too
            where, fact = "the file", str(error)
            if isinstance(error, ValidationError):
                first = error.errors()[0]
                where, fact = printable(".".join(map(str, first["loc"]))[:80]), first["msg"]
            raise ModelError(f"{folder / self.cards}: {where} must be valid, got: {fact}; {ANOTHER}") from error

    def _require_size(self, folder: Path, module: nn.Module, size: int) -> None:
        """The weights in the file are those of the architecture, give or take the names of the tensors."""
        tensors = module.state_dict().values()
        count, needed = sum(t.numel() for t in tensors), sum(t.nbytes for t in tensors)
        if count > MAX_NUMBERS:
            raise ModelError(
                f"{folder / self.cards} must ask for at most {MAX_NUMBERS:,} weights, got {count:,}; {ANOTHER}"
            )
        if not needed < size <= needed + HEADER_LIMIT:
            raise ModelError(
                f"{folder / self.weights} must fit the architecture in {self.cards}, {needed:,} bytes of weights and "
                f"a header, got {size:,}; {ANOTHER}"
            )


class _Undrawn(TorchFunctionMode):
    """Weights that the file replaces in a moment are not drawn: on the meta device that costs a second of imports."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func.__name__ == "normal_":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)
