"""The state of a training as named bytes: what a checkpoint holds, and what one process hands to another."""

from pathlib import Path
from typing import Any

from ganaug.checkpoint import (
    ANOTHER,
    dump_module,
    dump_optimizer,
    dump_tensors,
    load_module,
    load_optimizer,
    parse_tensors,
)
from ganaug.descent import TrainingState
from ganaug.errors import ModelError

TENSORS = "tensors.safetensors"  # beside modules and optimisers


def dump_state(state: TrainingState) -> dict[str, bytes]:
    """File name -> content, of all tensors."""
    tensors = {name: tensor.contiguous().cpu() for name, tensor in state.tensors().items()}
    return {
        **{f"{name}.safetensors": dump_module(module) for name, module in state.modules().items()},
        **{f"{name}.safetensors": dump_optimizer(moves) for name, moves in state.optimizers().items()},
        **({TENSORS: dump_tensors(tensors)} if tensors else {}),
    }


def numbers_of(state: TrainingState) -> dict[str, Any]:
    """What there is beside tensors."""
    return {name: getattr(state, name) for name in ("step", "faults", *state.numbers())}


def fill_state(state: TrainingState, payload: dict[str, bytes], numbers: dict[str, Any], where: Path) -> None:
    """The way back; `where` stands in the error messages.

    Raises:
        ModelError: A file is missing, or does not fit.
    """
    missing = sorted({f"{name}.safetensors" for name in (*state.modules(), *state.optimizers())} - payload.keys())
    if missing:
        raise ModelError(f"{where} must hold {missing[0]}, got none; {ANOTHER}")
    for name, module in state.modules().items():
        load_module(module, payload[f"{name}.safetensors"], str(where / f"{name}.safetensors"))
    for name, optimizer in state.optimizers().items():
        load_optimizer(optimizer, payload[f"{name}.safetensors"], str(where / f"{name}.safetensors"))
    if TENSORS in payload:
        state.hold(parse_tensors(payload[TENSORS], str(where / TENSORS)))
    for name in ("step", "faults", *state.numbers()):
        setattr(state, name, numbers[name])
