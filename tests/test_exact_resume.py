"""Whatever a recipe names: training that was stopped, written to a disk and read again ends in the same bytes."""

from pathlib import Path

import pytest
import torch
from tiny_run import noise
from torch import nn

from ganaug.checkpoint import dump_module, dump_optimizer
from ganaug.conditioning import CLASS_HEADS
from ganaug.data import UnlabeledImages
from ganaug.diffaug import POLICIES
from ganaug.losses import ADVERSARIAL
from ganaug.measures.selftraining import Guesses
from ganaug.nets import NETS
from ganaug.recipe import load_recipe
from ganaug.run import Plan, plan
from ganaug.run.folder import make
from ganaug.run.gan import GanJob
from ganaug.run.judge import Judgement
from ganaug.run.players import build
from ganaug.run.saving import Keeper
from ganaug.run.streams import streams
from ganaug.training import OVERFITTING, GanState, train

STEPS, STOP = 24, 13
TINY = ("nets.width=8", "nets.z_dim=8", "train.batch_size=8", f"train.steps={STEPS}", "train.checkpoint_every=12")
ROWS = [
    *((f"nets.name={name}",) for name in NETS),
    *((f"nets.name={name}", "train.precision=bf16") for name in NETS),
    *((f"train.adversarial={name}",) for name in ADVERSARIAL),
    *((f"train.class_head={name}",) for name in ("none", *CLASS_HEADS)),
    *((f"train.adapt={name}", "train.augment_p=0.3") for name in ("none", *OVERFITTING)),
    *((f"train.augment={name}", "train.augment_p=0.5") for name in ("none", *POLICIES)),
    ("train.r1_gamma=0.5", "train.r2_gamma=0.0", "train.penalty_every=5"),
    ("train.spectral_norm=true",),
    ("train.spectral_norm=true", "nets.name=style", "train.precision=bf16"),
    ("train.minibatch_std=true", "train.ramp=0.8"),
    ("train.sampling=balanced",),
    ("train.projection=false", "train.class_head=none"),
    ("data.channels=3", "train.precision=bf16"),
]


def planned(row: tuple[str, ...]) -> Plan:
    channels = 3 if "data.channels=3" in row else 1
    return plan(noise(60, (channels, 12, 9)), load_recipe("auto", [*TINY, *row]), device="cpu")


def taught(state: GanState, todo: Plan, steps: int, guesses: Guesses | None = None) -> None:
    (batches, held_out), (_, objective) = streams(todo, guesses), build(todo)
    loop = train(state, batches, objective, steps=STEPS, tick=1, held_out=held_out)
    while state.step < steps:
        next(loop)


def content(state: GanState) -> dict[str, bytes]:
    modules = {name: getattr(state, name) for name in ("G", "D", "G_ema", "opt_G", "opt_D")}
    dump = lambda part: dump_module(part) if isinstance(part, nn.Module) else dump_optimizer(part)  # noqa: E731
    return {name: dump(part) for name, part in modules.items()}


def resumed(todo: Plan, out: Path, guesses: Guesses | None = None) -> GanState:
    make(GanJob(todo), out)
    (first, _), (second, _) = build(todo), build(todo)
    keeper = Keeper.open(GanJob(todo), out, first)
    taught(first, todo, STOP, guesses)
    keeper.scores.add(STOP, Judgement(1.0, {}), {})
    keeper.keep(now_or_never=True)
    Keeper.open(GanJob(todo), out, second)
    assert second.step == STOP
    taught(second, todo, STEPS, guesses)
    return second


@pytest.mark.parametrize("row", ROWS, ids=" ".join)
def test_every_row_of_every_table_resumes_to_the_same_bytes(row: tuple[str, ...], tmp_path: Path):
    todo = planned(row)
    whole, _ = build(todo)
    untrained = content(whole)
    taught(whole, todo, STEPS)
    again = resumed(todo, tmp_path / "run")
    assert content(again) == content(whole) and again.augment_p == whole.augment_p
    assert all(content(whole)[name] != untrained[name] for name in untrained)


def test_images_without_labels_resume_to_the_same_bytes(tmp_path: Path):
    data, more = noise(30), noise(40, seed=9)
    unlabeled = UnlabeledImages(more.images, more.names)
    todo = plan(data, load_recipe("auto", TINY), device="cpu", unlabeled=unlabeled)
    guesses = Guesses(more.labels, torch.arange(40) % 3 > 0, share=1.0, right=0.9)
    whole, _ = build(todo)
    taught(whole, todo, STEPS, guesses)
    assert content(resumed(todo, tmp_path / "run", guesses)) == content(whole)
    unaware, _ = build(todo)
    taught(unaware, todo, STEPS)
    assert content(unaware) != content(whole)
