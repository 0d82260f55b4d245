"""The run folder.

    RUN/  recipe.toml  run.json  progress.jsonl  samples/step-*.png  checkpoints/step-*/  generator/ or translator/

A new run appears whole, with its recipe and run.json; run.json is written again at the end to mark it complete. What is
killed in between goes on from the newest checkpoint, or from the start. run.json seals itself and holds the sums of
the recipe and, once the run is complete, of every other file; manifests hold those of checkpoints and product.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from ganaug.checkpoint import checkpoint_steps, clean, folder_of, load_module, read_checkpoint
from ganaug.descent import peak_memory
from ganaug.errors import DiskFullError, ModelError
from ganaug.files import is_sealed, new_folder, parse_json, read_file, replace_file, sealed_json, write_synced
from ganaug.recipe import dump_recipe
from ganaug.run.job import Job
from ganaug.run.planning import Val
from ganaug.run.record import LOG
from ganaug.run.saving import Keeper

FACTS, RECIPE, DIAGNOSIS = "run.json", "recipe.toml", "diagnosis.json"
SEALED = (RECIPE, LOG, "samples/step-*.png", "checkpoints/step-*/manifest.json", "*/manifest.json")


def make(job: Job, out: Path) -> None:
    """The folder of a run at step 0, whole or not at all: `--resume` needs its recipe and its facts together.

    Raises:
        OutputError: `out` holds something.
        DiskFullError: There is no room; nothing stays.
    """
    with new_folder(out) as folder:
        for name in ("samples", "checkpoints"):
            (folder / name).mkdir()
        write_synced(folder / RECIPE, dump_recipe(job.recipe).encode())
        write_synced(folder / FACTS, sealed_json(_describe(job, folder, "training")))


def read_facts(out: Path) -> dict[str, Any]:
    """What run.json says, once nothing in it nor in the recipe beside it was altered.

    Raises:
        ModelError: There is no run, or one of the two files is not as it was written.
    """
    try:
        content = read_file(out / FACTS)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ModelError(f"{out} must hold a run to resume, got none; leave --resume out to start one") from error
    except OSError as error:
        raise ModelError(f"{out / FACTS} must be readable, got {error.strerror!r}; use another copy") from error
    facts = parse_facts(content)
    if facts is None:
        raise ModelError(f"{out / FACTS} must be as it was written, got an altered one; use another copy")
    sums = facts.get("files")
    expected = sums.get(RECIPE) if isinstance(sums, dict) else None
    if expected and sum_of(out / RECIPE) != expected:
        raise ModelError(f"{out / RECIPE} must be as it was written, got an altered one; use another copy")
    return facts


def parse_facts(content: bytes) -> dict[str, Any] | None:
    """The facts in run.json; None where it is not byte for byte what was written."""
    try:
        facts = parse_json(content)
    except ValueError:
        return None
    unsealed = json.dumps(facts, indent=1).encode()  # as it was before it had a seal
    return facts if isinstance(facts, dict) and (is_sealed(content) or content == unsealed) else None


def sum_of(path: Path) -> str:
    """sha256 of a file; of nothing where it cannot be read."""
    try:
        return hashlib.sha256(read_file(path)).hexdigest()
    except OSError:
        return ""


def recorded_val(out: Path) -> Val | None:
    """How the run in `out` cut its validation split; None where there is no such run."""
    try:
        spec = read_facts(out)["val"]
        return spec.get("source") or float(spec["fraction"])
    except (ModelError, ValueError, KeyError, TypeError, AttributeError):
        return None


def recorded_unlabeled(out: Path) -> str | None:
    """Where the run in `out` read its images without labels; None where it had none, or only in memory."""
    try:
        return read_facts(out)["unlabeled"]["source"]
    except (ModelError, KeyError, TypeError):
        return None


def recorded_init(out: Path) -> str | None:
    """sha256 of the weights that the run in `out` began with, where it goes on from a checkpoint; None elsewhere."""
    try:
        return read_facts(out)["init"]["sha256"] if checkpoint_steps(out / "checkpoints") else None
    except (ModelError, KeyError, TypeError):
        return None


def export(keeper: Keeper, seconds: float) -> None:
    """Ship the averages of the best checkpoint as RUN/generator or RUN/translator, then mark the run complete.

    Raises:
        DiskFullError: There is no room; the checkpoints stay, and `--resume` does it again.
    """
    job, out, scores, state = keeper.job, keeper.out, keeper.scores, keeper.state
    root = out / "checkpoints"
    best, place = read_checkpoint(root, scores.best), folder_of(root, scores.best)
    for name, average in job.averages(state).items():
        load_module(average, best[f"{name}.safetensors"], str(place / f"{name}.safetensors"))
    result = {
        "best_step": scores.best,
        "validation_score": scores.by_step[scores.best],
        "last_score": scores.by_step[max(scores.by_step)],
        "seconds": round(seconds, 1),
    }
    clean(out)
    (out / DIAGNOSIS).unlink(missing_ok=True)  # of a fault that did not come back
    shutil.rmtree(out / job.ships, ignore_errors=True)
    try:
        job.ship(state, {**job.facts(), **result}, out / job.ships)
        course = {"scores": scores.by_step, "errors": scores.errors, "alarms": scores.alarms, "faults": state.faults}
        whole = {**_describe(job, out, "complete"), **result, **course, "peak_bytes": peak_memory(job.todo.device)}
        replace_file(out / FACTS, sealed_json(whole))
    except DiskFullError as error:
        raise keeper.no_room(error) from error


def _describe(job: Job, folder: Path, status: str) -> dict[str, Any]:
    """The content of run.json, with the sums of what lies in `folder`."""
    sums = {p.relative_to(folder).as_posix(): sum_of(p) for pattern in SEALED for p in sorted(folder.glob(pattern))}
    return {"status": status, **job.facts(), **job.sources(), "files": sums}
