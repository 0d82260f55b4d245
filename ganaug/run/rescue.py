"""What happens when training diverges: it is taken back and goes on more slowly, or ends with a diagnosis."""

import contextlib
import json
import logging
import math
from typing import Any

from ganaug.descent import not_finite
from ganaug.errors import DiskFullError, DivergedError
from ganaug.files import replace_file
from ganaug.run.folder import DIAGNOSIS
from ganaug.run.saving import Keeper

log = logging.getLogger("ganaug")
TRIES, WITHIN = 3, 2000  # rescues, and the steps in which there may be no more of them


def rescue(fault: DivergedError, keeper: Keeper) -> None:
    """Take a run back to its last due checkpoint, with half the rates and other draws from there on.

    All of it is read from the disk and none from memory, so that a run which was stopped and resumed in between is
    taken back to the same state.

    Raises:
        DivergedError: It was rescued often enough; RUN/diagnosis.json says what was found.
        ModelError: The checkpoint is damaged; the file is named.
    """
    state, out = keeper.state, keeper.out
    cause, _, cure = str(fault).partition("; ")
    tried = (keeper.job.recipe.train.lr or 0.0) / 2 ** len(state.faults)
    if sum(state.step - step < WITHIN for step in state.faults) >= TRIES:
        diagnose(fault, keeper)
        raise DivergedError(
            f"{out}: {cause}, though training was taken back {TRIES} times with half the rate each time; "
            f"{cure} in another run (train.lr was down to {tried:.2g}); {out / DIAGNOSIS} has what was found",
            step=fault.step,
        ) from fault
    keeper.take_back([*state.faults, state.step])
    log.warning("%s: %s; taken back to step %d, from where it goes on with half the rates", out, cause, state.step)


def diagnose(fault: DivergedError, keeper: Keeper) -> None:
    """Write RUN/diagnosis.json; a full disk is no reason to hide the fault itself."""
    seen = keeper.job.seen(fault.draw)
    facts = {
        "cause": str(fault),
        "step": fault.step,
        "learning_rate": keeper.state.lr,
        "faults": keeper.state.faults,
        "tensors": not_finite(keeper.state),
        "losses": {name: _number(loss) for name, loss in fault.losses.items()},
        "max_input": {who: _number(float(of[batch][0].abs().max())) for who, (of, batch) in seen.items()},
        "files": {who: [of.names[i] for i in of.indices(batch)] for who, (of, batch) in seen.items()},
    }
    with contextlib.suppress(DiskFullError):
        replace_file(keeper.out / DIAGNOSIS, (json.dumps(facts, indent=1) + "\n").encode())


def _number(value: float) -> Any:
    """JSON knows neither infinity nor what is no number."""
    return value if math.isfinite(value) else str(value)
