"""Training that goes wrong is noticed within fifty steps and taken back; where it goes wrong again, it is diagnosed."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from tiny_run import NETS, noise
from torch import Tensor, nn

from ganaug.checkpoint import dump_module
from ganaug.data import Batches, LabeledImages
from ganaug.errors import DivergedError
from ganaug.losses import Adversarial
from ganaug.recipe import load_recipe
from ganaug.run import build, plan
from ganaug.training import GanState, Objective, descend, not_finite, train

CPU = torch.device("cpu")
SOON = 50  # steps


def one_colour(n: int, values: Callable[[Tensor], Tensor]) -> LabeledImages:
    """Images of one colour each, which is a function of the image's number."""
    data = noise(n)
    pixels = values(torch.arange(n)).to(torch.uint8).view(-1, 1, 1, 1).expand(n, 1, 8, 8).clone()
    return LabeledImages(pixels, data.labels, data.classes, data.names, "colours")


def begin(
    *settings: str, recipe: str = "auto", data: LabeledImages | None = None
) -> tuple[GanState, Batches, Objective, int]:
    val = noise(12, (data or noise()).shape, seed=1)
    todo = plan(data or noise(), load_recipe(recipe, [*NETS, "train.steps=100", *settings]), val=val, device="cpu")
    state, objective = build(todo)
    t = todo.recipe.train
    return state, Batches(todo.train, t.batch_size or 0, objective.seed, CPU), objective, t.steps or 0


def diverge(state: GanState, batches: Batches, objective: Objective, steps: int, tick: int = 10) -> DivergedError:
    with pytest.raises(DivergedError) as caught:
        for _ in train(state, batches, objective, steps=steps, tick=tick):
            pass
    return caught.value


class Poisoned(Batches):
    """Batches of which those in `bad` hold a pixel that is no number."""

    bad: tuple[int, ...] = ()

    def __getitem__(self, batch: int) -> tuple[Tensor, Tensor, Tensor]:
        images, labels, trust = super().__getitem__(batch)
        if batch in self.bad:
            images = images.clone()
            images[0, 0, 3, 3] = math.nan
        return images, labels, trust


@pytest.mark.parametrize("batch", [26, 27], ids=["of D", "of G"])
def test_a_pixel_that_is_no_number_is_traced_to_its_step(batch: int):
    state, batches, objective, steps = begin()
    batches.__class__ = type("", (Poisoned,), {"bad": (batch,)})
    fault = diverge(state, batches, objective, steps)
    assert str(fault) == "step 14: its images must be finite, got others; leave the damaged ones out"
    assert (fault.step, fault.draw) == (14, 13) and state.step == 20
    assert fault.exit_code == 3


def test_an_infinite_embedding_is_noticed_and_among_the_tensors_named():
    state, batches, objective, steps = begin()
    loop = train(state, batches, objective, steps=steps, tick=10)
    assert next(loop).step == 10
    state.G.label.weight.data[1] = math.inf  # type: ignore[union-attr, index]
    with pytest.raises(
        DivergedError, match=r"^step 11: [DG]/\w+ must stay finite and below 1e\+06, got (nan|-?inf); lower"
    ):
        next(loop)
    assert "G.label.weight" in not_finite(state)


def set_weight(state: GanState) -> None:
    next(iter(state.G_ema.parameters())).data.view(-1)[0] = math.inf


def set_buffer(state: GanState) -> None:
    next(t for name, t in state.G.named_buffers() if name.endswith("running_var"))[0] = math.nan


def set_moment(state: GanState) -> None:
    moments = next(iter(state.opt_D.state.values()))
    moments["exp_avg_sq"].view(-1)[0] = math.inf  # this weight never moves again, and no loss shows it


@pytest.mark.parametrize(
    ("spoil", "tensor"),
    [(set_weight, "G_ema.input.weight"), (set_buffer, "G.layers.0.running_var"), (set_moment, "opt_D.trunk")],
)
def test_a_tensor_that_no_loss_shows_is_named(spoil: Callable[[GanState], None], tensor: str):
    state, batches, objective, steps = begin(recipe="dcgan")
    loop = train(state, batches, objective, steps=steps, tick=10)
    next(loop)
    state.G.eval()  # so that the losses stay finite
    spoil(state)
    assert not_finite(state)[0].startswith(tensor)
    with pytest.raises(DivergedError, match=r"^step 20: |^step 11: ") as caught:
        next(loop)
    assert tensor in str(caught.value) or tensor in " ".join(not_finite(state))


@pytest.mark.parametrize("recipe", ["auto", "dcgan", "acgan"])
@pytest.mark.parametrize("times", [1e3, 1e4, 1e6])
def test_a_learning_rate_far_too_high_is_noticed(recipe: str, times: float):
    rate = 1.5e-3 if recipe == "auto" else 2e-4
    state, batches, objective, steps = begin(f"train.lr={rate * times}", recipe=recipe)
    fault = diverge(state, batches, objective, steps)
    assert fault.step <= SOON and "lower train.lr" in str(fault)


def test_weights_that_explode_are_noticed_while_every_number_is_finite():
    state, batches, objective, steps = begin("train.lr=2.0", recipe="dcgan")
    fault = diverge(state, batches, objective, steps)
    assert str(fault).startswith(f"step {state.step}: the weights of ") and "must keep their size, got" in str(fault)
    assert not_finite(state) == [] and all(map(math.isfinite, fault.losses.values()))


@pytest.mark.parametrize("player", ["G", "D"])
@pytest.mark.parametrize("since", [0, 7])
def test_a_player_that_stands_still_is_noticed(player: str, since: int, monkeypatch: pytest.MonkeyPatch):
    state, batches, objective, steps = begin()
    frozen = getattr(state, player)

    def descend_unless_frozen(module: nn.Module, gradients: list[Tensor], optimizer: torch.optim.Optimizer) -> None:
        if module is not frozen or state.step < since:
            descend(module, gradients, optimizer)

    monkeypatch.setattr("ganaug.training.steps.descend", descend_unless_frozen)
    fault = diverge(state, batches, objective, steps)
    assert f"the weights of {player} must move, got the same 20 steps later" in str(fault)
    assert fault.step - since <= SOON


@pytest.mark.parametrize("recipe", ["auto", "dcgan"])
def test_a_generator_that_ignores_its_latents_is_noticed(recipe: str, monkeypatch: pytest.MonkeyPatch):
    state, batches, objective, steps = begin(recipe=recipe)
    forward = state.G.forward
    loop = train(state, batches, objective, steps=steps, tick=10)
    assert [next(loop).step for _ in range(3)] == [10, 20, 30]
    monkeypatch.setattr(state.G, "forward", lambda z, labels: forward(torch.ones_like(z), labels))
    with pytest.raises(DivergedError, match="step 40: G must draw different images of a class, got one whatever"):
        next(loop)


@pytest.mark.parametrize(
    ("settings", "recipe", "data"),
    [
        (("train.final_lr=0",), "auto", noise()),
        (("train.adversarial=hinge", "train.class_head=none", "train.r1_gamma=0", "train.r2_gamma=0"), "auto", noise()),
        (("train.adversarial=nonsaturating", "train.class_weight=0", "train.r1_gamma=0"), "auto", noise()),
        (("train.adversarial=least_squares", "train.r2_gamma=0"), "auto", noise()),
        ((), "dcgan", noise(shape=(3, 12, 16))),
        ((), "acgan", noise(60)),
        (("train.batch_size=2", "nets.z_dim=1"), "auto", noise(6)),
        ((), "auto", one_colour(30, lambda i: i % 3 * 100)),  # G may draw one image per class, for there is but one
        ((), "auto", one_colour(30, lambda i: i * 8)),
        (("train.lr=0.015",), "auto", noise()),  # ten times the usual
    ],
    ids=range(10),
)
def test_no_alarm_in_healthy_runs(settings: tuple[str, ...], recipe: str, data: LabeledImages):
    state, batches, objective, steps = begin(*settings, recipe=recipe, data=data)
    assert [p.step for p in train(state, batches, objective, steps=steps, tick=10)] == list(range(10, 101, 10))
    assert not_finite(state) == [] and state.faults == []


@pytest.mark.parametrize("tick", [1, 7, 50])
def test_no_alarm_at_any_rhythm(tick: int):
    state, batches, objective, _ = begin()
    assert list(train(state, batches, objective, steps=60, tick=tick))[-1].step == 60


def test_no_alarm_where_the_rate_falls_below_rounding():
    state, batches, objective, _ = begin("train.final_lr=0")
    state.step, steps = 10**9 - 60, 10**9
    assert list(train(state, batches, objective, steps=steps, tick=10))[-1].step == steps
    assert state.lr < 1e-18


def test_no_alarm_where_a_player_has_nothing_to_learn():
    state, batches, objective, steps = begin("train.class_head=none", "train.r1_gamma=0", "train.r2_gamma=0")
    satisfied = Adversarial(discriminator=lambda real, fake: 0 * (real + fake), generator=lambda real, fake: -fake)
    before = dump_module(state.D)
    assert list(train(state, batches, replace(objective, adversarial=satisfied), steps=steps))[-1].step == 100
    assert dump_module(state.D) == before


def test_no_alarm_where_a_generator_rightly_draws_one_image_a_class(monkeypatch: pytest.MonkeyPatch):
    state, batches, objective, steps = begin(data=one_colour(30, lambda i: i % 3 * 100))
    forward = state.G.forward
    monkeypatch.setattr(state.G, "forward", lambda z, labels: forward(torch.ones_like(z), labels))
    assert list(train(state, batches, objective, steps=40, tick=10))[-1].step == 40
    assert steps == 100


def test_without_faults_every_draw_is_that_of_its_step():
    state, *_ = begin()
    assert [state.draw(100), GanState(*vars(state).values()).draw(7)] == [0, 0]
    state.step, state.faults = 3, [20, 40]
    assert state.draw(100) == 203  # no step of a run of 100 ever drew it


def test_after_a_fault_the_rate_is_halved_and_other_images_are_seen():
    state, batches, objective, steps = begin()
    other, *_ = begin()
    other.faults = [5]
    for s in (state, other):
        next(train(s, batches, objective, steps=steps, tick=1))
    assert other.lr == state.lr / 2
    assert batches.indices(2 * other.draw(steps)).tolist() != batches.indices(2 * state.draw(steps)).tolist()
    assert dump_module(other.D) != dump_module(state.D)
