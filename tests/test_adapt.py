"""Augmentation follows overfitting: it grows where D knows the training images by heart, falls where it does not."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from tiny_run import noise
from torch import Generator, Tensor, nn

from ganaug.auto import MOST_AUGMENTED
from ganaug.conditioning import Verdict
from ganaug.data import Batches, LabeledImages
from ganaug.recipe import load_recipe
from ganaug.run import plan
from ganaug.run.players import build
from ganaug.training import OVERFITTING
from ganaug.training.adapt import SWEEP, adapt
from ganaug.training.state import GanState, Objective

CPU = torch.device("cpu")


class Knows(nn.Module):
    """A D that gives some images a high score, all others a middling one, and what G draws a low one."""

    def __init__(self, images: Tensor):
        super().__init__()
        self.known = {image.numpy().tobytes() for image in images}

    def forward(self, images: Tensor, labels: Tensor, trust: float) -> Verdict:
        pixels = ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        real = images.flatten(1).abs().amax(1) > 1e-6  # G draws plain grey
        known = torch.tensor([image.numpy().tobytes() in self.known for image in pixels])
        return Verdict(torch.where(known, 3.0, torch.where(real, 0.0, -1.0)), images)


class Grey(nn.Module):
    z_dim, num_classes = 8, 3

    def forward(self, z: Tensor, labels: Tensor, scale: float = 1.0) -> Tensor:
        return torch.zeros(len(z), 1, 8, 8)


def setting(kind: str, known: str) -> tuple[GanState, Objective, Batches, Batches]:
    train, held_out = noise(60, seed=1), noise(60, seed=2)
    todo = plan(noise(), load_recipe("auto", ["train.steps=10", "nets.width=4", f"train.adapt={kind}"]), device="cpu")
    state, objective = build(todo)
    everything = LabeledImages(
        *(torch.cat([getattr(train, part), getattr(held_out, part)]) for part in ("images", "labels")),
        classes=train.classes,
        names=("",) * 120,
    )
    D = Knows({"training images": train, "real images": everything, "nothing": noise(3, seed=9)}[known].images)
    fake = replace(state, D=D, G_ema=Grey(), augment_p=0.4)  # type: ignore[arg-type]
    no_change = replace(objective, policy="none")
    return fake, no_change, Batches(train, 30, 0, CPU), Batches(held_out, 30, 0, CPU)


@pytest.mark.parametrize(
    ("kind", "known", "direction"),
    [
        ("held-out", "training images", 1),
        ("held-out", "real images", -1),
        ("held-out", "nothing", -1),
        ("train", "training images", 1),
        ("train", "real images", 1),
    ],
)
def test_one_notch_up_where_d_overfits_and_down_where_it_does_not(kind: str, known: str, direction: int):
    state, objective, batches, held_out = setting(kind, known)
    said = adapt(state, batches, held_out, objective, 0.01, 1.0, Generator().manual_seed(0))
    assert state.augment_p == pytest.approx(0.4 + direction * 0.01 / SWEEP)
    assert float(said["watch/augment_p"]) == pytest.approx(state.augment_p)
    assert (float(said["watch/overfitting"]) > OVERFITTING[kind].target) == (direction > 0)


def test_the_share_stays_between_none_and_the_most_that_does_not_leak():
    for known, end in (("training images", MOST_AUGMENTED), ("nothing", 0.0)):
        state, objective, batches, held_out = setting("held-out", known)
        for i in range(50):
            adapt(state, batches, held_out, objective, 0.01, 1.0, Generator().manual_seed(i))
        assert state.augment_p == end


def test_a_d_that_tells_nothing_apart_gives_no_number_that_would_pass_for_divergence():
    train, fake = torch.zeros(8), torch.zeros(8)
    found = [float(OVERFITTING["held-out"].r(train, torch.full((8,), x), fake)) for x in (-9.0, 0.0, 9.0)]
    assert found == [2.0, 0.0, -1.0]


def test_images_without_a_believed_label_have_no_say_in_it():
    """D knows the images without one by heart, and none of those that are as the held-out ones."""
    state, objective, _, held_out = setting("held-out", "training images")
    stranger = noise(60, seed=7)
    images = torch.cat([stranger.images, noise(60, seed=1).images])
    both = replace(stranger, images=images, labels=torch.arange(120) % 3, names=("",) * 120)
    trust = (torch.arange(120) < 60).float()
    mixed = Batches(both, 40, 0, CPU, trust=trust)
    said = adapt(state, mixed, held_out, objective, 0.01, 1.0, Generator().manual_seed(0))
    assert float(said["watch/overfitting"]) == 0.0 and state.augment_p < 0.4
    nothing = Batches(both, 40, 0, CPU, trust=torch.zeros(120))
    assert adapt(state, nothing, held_out, objective, 0.01, 1.0, Generator().manual_seed(0)) == {}


def test_looking_at_held_out_images_changes_no_weight_and_no_statistic():
    todo = plan(
        noise(), load_recipe("auto", ["train.steps=10", "nets.name=dcgan", "train.adapt=held-out"]), device="cpu"
    )
    state, objective = build(todo)
    before = [tensor.clone() for tensor in tensors(state)]
    data = Batches(todo.train, 8, 0, CPU), Batches(todo.val, 8, 0, CPU)
    adapt(state, *data, objective, 0.1, 1.0, Generator().manual_seed(0))
    assert all(torch.equal(a, b) for a, b in zip(before, tensors(state), strict=True)) and state.D.training


def tensors(state: GanState) -> Iterator[Tensor]:
    for module in (state.G, state.D, state.G_ema):
        yield from module.state_dict().values()
