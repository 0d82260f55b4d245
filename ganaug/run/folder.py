"""The run folder.

    RUN/  recipe.toml  run.json  progress.jsonl  samples/step-*.png  checkpoints/step-*/  generator/

A new run appears whole, with its recipe and run.json; run.json is written again at the end to mark it complete. What is
killed in between goes on from the newest checkpoint, or from the start.
"""

import contextlib
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganaug.checkpoint import (
    clean,
    dump_module,
    dump_optimizer,
    folder_of,
    latest_checkpoint,
    load_module,
    load_optimizer,
    read_checkpoint,
    save_checkpoint,
)
from ganaug.data import LabeledImages
from ganaug.errors import ModelError
from ganaug.files import new_folder, replace_file, write_synced
from ganaug.images import encode_png, grid
from ganaug.recipe import dump_recipe
from ganaug.run.planning import Plan, Val
from ganaug.synthesis import Architecture, Synthesizer
from ganaug.training import GanState, Progress

PER_CLASS = 8  # samples of each class in a grid
GRID_CLASSES = 20  # rows of a grid at most


@dataclass
class Scores:
    """Validation distance of every checkpoint so far; the smallest is shipped."""

    by_step: dict[int, float] = field(default_factory=dict)

    @property
    def best(self) -> int:
        """The step of the smallest distance, the earlier one on a tie."""
        return min(self.by_step, key=lambda step: (self.by_step[step], step))


def open_run(todo: Plan, out: Path, *, resume: bool) -> bool:
    """Make the folder, or check that it is this very run. Returns whether the run is already complete.

    Raises:
        OutputError: The folder holds something and `resume` was not asked for.
        ModelError: There is nothing to resume, or the run was made from other data or with another recipe.
    """
    if resume:
        return _reopen(todo, out)
    _make(out, todo)
    return False


def _make(out: Path, todo: Plan) -> None:
    """The folder of a run at step 0, whole or not at all: `--resume` needs its recipe and its facts together."""
    facts = json.dumps({"status": "training", **todo.facts(), **todo.sources()}, indent=1)
    with new_folder(out) as folder:
        for name in ("samples", "checkpoints"):
            (folder / name).mkdir()
        write_synced(folder / "recipe.toml", dump_recipe(todo.recipe).encode())
        write_synced(folder / "run.json", facts.encode())


def recorded_val(out: Path) -> Val | None:
    """How the run in `out` cut its validation split; None where there is no such run."""
    try:
        spec = json.loads((out / "run.json").read_text(encoding="utf-8"))["val"]
        return spec.get("source") or float(spec["fraction"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def architecture(todo: Plan) -> Architecture:
    """What the run's generator is made of."""
    nets = todo.recipe.nets
    return Architecture(
        name=nets.name, width=nets.width or 0, z_dim=nets.z_dim, shape=todo.train.shape, classes=todo.train.classes
    )


def record(out: Path, progress: Progress, seconds: float, images_per_second: float) -> None:
    """Append one line to progress.jsonl."""
    line = {
        "step": progress.step,
        "seconds": round(seconds, 2),
        "images_per_second": round(images_per_second, 1),
        **{name: round(loss, 5) for name, loss in progress.losses.items()},
    }
    with (out / "progress.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def seconds_so_far(out: Path) -> float:
    """Training time of the steps that progress.jsonl holds."""
    lines = _lines(out / "progress.jsonl")
    return float(lines[-1]["seconds"]) if lines else 0.0


def keep(todo: Plan, state: GanState, out: Path, scores: Scores) -> None:
    """Write a sample grid and a checkpoint; the newest three and the best stay."""
    synth = Synthesizer(state.G_ema, architecture(todo), {}, str(todo.device))
    save_grid(synth, out / "samples" / f"step-{state.step:09d}.png")
    payload = {
        "G.safetensors": dump_module(state.G),
        "D.safetensors": dump_module(state.D),
        "G_ema.safetensors": dump_module(state.G_ema),
        "opt_G.safetensors": dump_optimizer(state.opt_G),
        "opt_D.safetensors": dump_optimizer(state.opt_D),
        "state.json": json.dumps({"step": state.step, "scores": scores.by_step}).encode(),
    }
    save_checkpoint(out / "checkpoints", state.step, payload, keep=(scores.best,) if scores.by_step else ())


def restore(state: GanState, out: Path) -> Scores:
    """Fill `state` from the newest checkpoint that verifies, and cut progress.jsonl to its step."""
    found = latest_checkpoint(out / "checkpoints")
    if found is None:
        _truncate_log(out / "progress.jsonl", 0)
        return Scores()
    step, payload = found
    where = folder_of(out / "checkpoints", step)
    for name, module in (("G", state.G), ("D", state.D), ("G_ema", state.G_ema)):
        load_module(module, payload[f"{name}.safetensors"], str(where / f"{name}.safetensors"))
    for name, optimizer in (("opt_G", state.opt_G), ("opt_D", state.opt_D)):
        load_optimizer(optimizer, payload[f"{name}.safetensors"], str(where / f"{name}.safetensors"))
    facts = json.loads(payload["state.json"])
    state.step = int(facts["step"])
    _truncate_log(out / "progress.jsonl", state.step)
    return Scores({int(step): float(score) for step, score in facts["scores"].items()})


def export(todo: Plan, state: GanState, out: Path, scores: Scores, seconds: float) -> Synthesizer:
    """Ship the best checkpoint's averaged generator as RUN/generator, then mark the run complete."""
    root, name = out / "checkpoints", "G_ema.safetensors"
    payload = read_checkpoint(root, scores.best)
    load_module(state.G_ema, payload[name], str(folder_of(root, scores.best) / name))
    result = {
        "best_step": scores.best,
        "validation_distance": scores.by_step[scores.best],
        "last_distance": scores.by_step[max(scores.by_step)],
        "seconds": round(seconds, 1),
    }
    facts = {**todo.facts(), **result}
    synth = Synthesizer(state.G_ema, architecture(todo), facts, str(todo.device))
    clean(out)
    shutil.rmtree(out / "generator", ignore_errors=True)
    synth.save(out / "generator")
    whole = {"status": "complete", **facts, **todo.sources(), "scores": scores.by_step}
    replace_file(out / "run.json", json.dumps(whole, indent=1).encode())
    return Synthesizer.load(out, str(todo.device))


def save_grid(synth: Synthesizer, path: Path) -> None:
    """One row of samples per class, as PNG."""
    rows = torch.arange(min(len(synth.classes), GRID_CLASSES))
    labels: Tensor = rows.repeat_interleave(PER_CLASS)
    images, _ = synth.sample(labels, seed=0, indices=torch.arange(PER_CLASS).repeat(len(rows)))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(grid(images, columns=PER_CLASS, gap=2, min_side=48)))


def _reopen(todo: Plan, out: Path) -> bool:
    try:
        facts = json.loads((out / "run.json").read_text(encoding="utf-8"))
        complete, splits = facts["status"] == "complete", {name: facts["splits"][name] for name in ("train", "val")}
        recipe = {table: dict(facts["recipe"][table]) for table in ("data", "nets", "train")}
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ModelError(f"{out} must hold a run to resume, got none; leave --resume out to start one") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{out / 'run.json'} must describe the run, got {error!r}; start another run") from error
    _require_same(out, "training images", splits["train"], todo.train)
    _require_same(out, "validation images", splits["val"], todo.val)
    wanted = todo.recipe.model_dump(mode="json")
    for table, values in recipe.items():
        odd = [key for key, value in wanted[table].items() if values.get(key) != value]
        if odd:
            old, new = values.get(odd[0]), wanted[table][odd[0]]
            raise ModelError(
                f"{out} must be resumed with {table}.{odd[0]} = {old}, got {new}; use the first command's options"
            )
    return complete


def _require_same(out: Path, what: str, fingerprint: str, data: LabeledImages) -> None:
    if fingerprint != data.fingerprint:
        raise ModelError(
            f"{out} must be resumed with the same {what}, got others in {data.source}; "
            "pass the first command's DATA and --val"
        )


def _truncate_log(path: Path, step: int) -> None:
    """Drop what was logged after `step`: those steps are taken again."""
    kept = [line for line in _lines(path) if line["step"] <= step]
    if path.exists():
        replace_file(path, "".join(json.dumps(line) + "\n" for line in kept).encode())


def _lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a log; what a kill or the disk damaged is passed over, for nothing is decided by it."""
    kept = []
    for line in path.read_bytes().splitlines() if path.exists() else []:
        with contextlib.suppress(ValueError):
            kept.append(json.loads(line))
    return [line for line in kept if isinstance(line, dict) and {"step", "seconds"} <= line.keys()]
