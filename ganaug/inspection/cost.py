"""What a run would take on this machine."""

import time
from typing import Any

from ganaug.nets import step_bytes, step_seconds
from ganaug.run import Plan
from ganaug.run.players import build
from ganaug.run.streams import streams
from ganaug.training import train

LIBRARIES = 800_000_000  # bytes of a process that has loaded torch
PATIENCE = 3.0  # s spent on trying steps
SLOW = 0.5  # s a step; beyond it nothing is tried


def cost_of(todo: Plan) -> dict[str, Any]:
    """Time and memory of a run.

    Quick steps are tried, and the fastest of them counts, since other work on the machine may have slowed the others;
    for slow ones the networks' arithmetic is all there is. Judging the checkpoints comes on top.

    Returns:
        `seconds` of all steps, `memory` in bytes at the peak, `steps`, the `device`, and how many steps were `tried`.
    """
    t, data, precision = todo.recipe.train, todo.train, todo.recipe.train.precision or "fp32"
    predicted, on_cpu = step_seconds(*todo.sizes, precision), todo.device.type == "cpu"
    tried = _try(todo) if predicted < SLOW or not on_cpu else []
    each, steps = (min(tried) if tried else predicted), t.steps or 1
    return {
        "seconds": steps * each,
        "memory": step_bytes(*todo.sizes, precision) + (LIBRARIES + data.images.nbytes) * on_cpu,
        "steps": steps,
        "device": str(todo.device),
        "tried": len(tried) * (t.penalty_every or 1),
    }


def _try(todo: Plan) -> list[float]:
    """Seconds a step, of each whole period of the lazy penalties that was tried after one to warm up."""
    state, objective = build(todo)
    batches, _ = streams(todo)
    period, begun, found = objective.penalty_every, time.monotonic(), []
    while not found or time.monotonic() - begun < PATIENCE:
        start = time.monotonic()
        for _ in train(state, batches, objective, steps=state.step + period):
            found.append((time.monotonic() - start) / period)
    return found[1:] or found
