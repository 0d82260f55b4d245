"""However a loss is evaluated, as written, compiled, recorded or in parts: the gradients are the same."""

import copy
import functools
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from tiny_run import noise
from torch import Generator, Tensor, nn

from ganaug.data import Batches
from ganaug.errors import DeviceError
from ganaug.losses import penalties_due
from ganaug.nets import NETS
from ganaug.recipe import load_recipe
from ganaug.run import plan
from ganaug.run.players import build
from ganaug.run.streams import streams
from ganaug.training import (
    Evaluation,
    GanState,
    Minibatch,
    Objective,
    discriminator_loss,
    draw,
    generator_loss,
    recording,
    steps,
    train,
)
from ganaug.training import evaluation as room

TINY = ("nets.width=4", "nets.z_dim=8", "train.batch_size=8", "train.steps=30", "train.precision=fp32")
COMPILED = 1e-5  # relative norm of the difference to eager


def begin(*settings: str, shape: tuple[int, int, int] = (3, 16, 16)) -> tuple[GanState, Batches, Objective, Minibatch]:
    policy = ("train.augment=color,translation,cutout,flip", "train.augment_p=0.5")
    todo = plan(noise(60, shape), load_recipe("auto", [*TINY, *policy, *settings]), device="cpu")
    (state, objective), batches = build(todo), streams(todo)[0]
    rng = Generator().manual_seed(0)
    return state, batches, objective, draw(batches, 0, state.G, objective.policy, 0.5, 1.0, rng)


def of_both(
    evaluate: Evaluation, state: GanState, seen: Minibatch, objective: Objective, step: int = 0
) -> list[Tensor]:
    """Gradients of D and of G, in a step with penalties or in one without."""
    gammas = penalties_due(objective.gammas, objective.penalty_every, step)
    of_D, _ = evaluate(discriminator_loss, state.D, seen, state.G, state.D, objective, gammas)
    of_G, _ = evaluate(generator_loss, state.G, seen, state.G, evaluate.constant(state.D), objective, {})
    return [*(gradient.clone() for gradient in of_D), *of_G]


def flat(gradients: list[Tensor]) -> Tensor:
    return torch.cat([gradient.flatten() for gradient in gradients])


def apart(ours: list[Tensor], theirs: list[Tensor]) -> float:
    one, other = flat(ours).double(), flat(theirs).double()
    return float((one - other).norm() / other.norm())


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Graphs are made as for a GPU, whole or not at all, but get no code of their own: that takes minutes."""
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager"))
    yield
    torch.compiler.reset()


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_compiled_in_one_graph_every_gradient_is_there_and_equals_the_eager_one(name: str, traced: None):
    state, _, objective, seen = begin(f"nets.name={name}", "train.r1_gamma=1.0", "train.minibatch_std=true")
    evaluate = Evaluation("compiled")
    eager = of_both(Evaluation(), copy.deepcopy(state), seen, objective)
    ours = of_both(evaluate, state, seen, objective)
    assert evaluate.compiles and apart(ours, eager) < COMPILED
    assert [bool(gradient.any()) for gradient in ours] == [bool(gradient.any()) for gradient in eager]


def test_the_style_pair_compiles_whole_and_no_gradient_of_d_gets_lost_behind_a_step_of_g(traced: None):
    """The step of G comes first, in which torch 2.11 would freeze D for good if flags were toggled."""
    state, _, objective, seen = begin("nets.name=style", shape=(1, 8, 8))
    evaluate = Evaluation("compiled")
    evaluate(generator_loss, state.G, seen, state.G, evaluate.constant(state.D), objective, {})
    ours, eager = (of_both(how, state, seen, objective) for how in (evaluate, Evaluation()))
    assert evaluate.compiles and apart(ours, eager) < COMPILED
    count = len(list(state.D.parameters()))
    assert all(gradient.any() for gradient in ours[:count]) and count > 5


@pytest.mark.slow
def test_compiled_to_code_of_its_own_it_is_still_the_same():
    state, _, objective, seen = begin("nets.name=style", shape=(1, 8, 8))
    evaluate = Evaluation("compiled")
    ours, eager = (of_both(how, state, seen, objective) for how in (evaluate, Evaluation()))
    assert evaluate.compiles and apart(ours, eager) < COMPILED


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_gradients_equal_those_in_double_precision(precision: str):
    state, _, objective, seen = begin(f"train.precision={precision}", "nets.name=style")
    exact, wide = copy.deepcopy(state), Minibatch(*(t.double() if t.is_floating_point() else t for t in seen))
    for module in exact.modules().values():
        module.double()
    ours = of_both(Evaluation(), state, seen, objective)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tensor, "float", Tensor.double)  # nothing is rounded on the way
        theirs = of_both(Evaluation(), exact, wide, replace(objective, bf16=False))
    assert apart(ours, theirs) < {"fp32": 1e-5, "bf16": 0.1}[precision]


@pytest.mark.parametrize("parts", [2, 3, 8])
def test_the_gradient_of_a_batch_is_the_mean_of_those_of_its_parts(parts: int):
    state, _, objective, seen = begin()
    whole, divided = Evaluation(), Evaluation()
    divided.parts = parts
    found, in_parts = (
        how(discriminator_loss, state.D, seen, state.G, state.D, objective, {"r1": 1.0}) for how in (whole, divided)
    )
    assert apart(in_parts[0], found[0]) < 1e-5
    assert {k: float(v) for k, v in in_parts[1].items()} == pytest.approx({k: float(v) for k, v in found[1].items()})


class Small:
    """A device that holds so many images at a time."""

    def __init__(self, holds: int):
        self.holds, self.asked = holds, []

    def __call__(self, loss: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(loss)
        def limited(seen: Minibatch, *others: Any) -> Any:
            self.asked.append(len(seen.labels))
            if len(seen.labels) > self.holds:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return loss(seen, *others)

        return limited


def test_where_memory_runs_out_training_goes_on_by_halves_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    state, batches, objective, _ = begin()
    whole = copy.deepcopy(state)
    list(train(whole, batches, objective, steps=3))
    device = Small(3)
    for name in ("discriminator_loss", "generator_loss"):
        monkeypatch.setattr(f"ganaug.training.steps.{name}", device(getattr(steps, name)))
    with caplog.at_level(logging.WARNING, "ganaug"):
        list(train(state, batches, objective, steps=3))
    assert device.asked[:3] == [8, 4, 2] and max(device.asked[3:]) == 2
    said = [record.message for record in caplog.records if "does not fit into the memory" in record.message]
    assert len(said) == 1 and said[0].startswith("a batch of 8 does not fit")
    for name, module in state.modules().items():
        for ours, theirs in zip(module.state_dict().values(), whole.modules()[name].state_dict().values(), strict=True):
            assert torch.allclose(ours, theirs, atol=2e-3), name  # Adam's first steps turn rounding into movement


def test_where_one_image_is_too_much_it_ends_in_a_sentence():
    state, _, objective, seen = begin()
    with pytest.raises(DeviceError, match="cpu must have memory for one image of 3x16x16 at least, got too little"):
        Evaluation()(Small(0)(discriminator_loss), state.D, seen, state.G, state.D, objective, {})


def test_where_nothing_can_be_compiled_training_goes_on_as_written(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def old_driver(*_: Any) -> None:
        raise RuntimeError("Found Tesla K80 which is too old to be supported by the triton GPU compiler")

    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=old_driver))
    state, batches, objective, _ = begin()
    plain = copy.deepcopy(state)
    list(train(plain, batches, objective, steps=2))
    with caplog.at_level(logging.WARNING, "ganaug"):
        list(train(state, batches, replace(objective, execution="compiled"), steps=2))
    said = [record.message for record in caplog.records if "cannot be compiled" in record.message]
    assert len(said) == 1 and "Tesla K80" in said[0] and "\n" not in said[0]
    assert all(torch.equal(a, b) for a, b in zip(state.G.parameters(), plain.G.parameters(), strict=True))


def test_a_fault_of_another_kind_is_not_hidden(traced: None):
    state, _, objective, seen = begin()

    def wrong(seen: Minibatch, *others: Any) -> Any:
        raise ZeroDivisionError("ours")

    with pytest.raises(ZeroDivisionError, match="ours"):
        Evaluation()(wrong, state.D, seen, state.G, state.D, objective, {})


class Replayed:
    """What `torch.cuda` has for recordings, on a machine without: a graph that calls the function again."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.replays, self.places = 0, []
        monkeypatch.setattr(recording, "record", self.record)
        monkeypatch.setattr(recording, "beside", lambda function, seen, stream: function(seen))
        monkeypatch.setattr(room, "new_place", lambda: recording.Place(None, None))  # type: ignore[arg-type]
        monkeypatch.setattr(room, "can_record", lambda seen: True)
        monkeypatch.setattr(torch, "compile", lambda loss, **_: loss)  # held elsewhere

    def record(self, function: Callable[[Minibatch], Any], seen: Minibatch, place: recording.Place) -> tuple[Any, Any]:
        self.places.append(place)
        gradients, means = copy.deepcopy(function(seen))

        def replay() -> None:
            self.replays += 1
            new, values = function(seen)
            for kept, gradient in zip(gradients, new, strict=True):
                kept.copy_(gradient)
            for name, value in values.items():
                means[name].copy_(value)

        return (gradients, means), replay


def test_a_recording_sees_every_new_minibatch_and_training_with_it_ends_where_the_eager_one_does(
    monkeypatch: pytest.MonkeyPatch,
):
    state, batches, objective, _ = begin("train.penalty_every=2")
    plain = copy.deepcopy(state)
    replayed = Replayed(monkeypatch)
    reports = [
        list(train(one, batches, replace(objective, execution=how), steps=14, tick=3))
        for one, how in ((plain, "eager"), (state, "captured"))
    ]
    for ours, theirs in zip(*reports, strict=True):
        assert ours.losses == pytest.approx(theirs.losses, rel=1e-3, abs=1e-3)
    for a, b in zip(state.G.parameters(), plain.G.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-3)
    assert replayed.replays == (7 - 3) + (7 - 3) + (14 - 3)  # D with penalties, D without, G; but for their warm-ups


def test_recordings_share_one_place_and_get_another_when_all_are_made_anew(monkeypatch: pytest.MonkeyPatch):
    """The memory of a place goes with its last recording, and torch makes no more there."""
    state, _, objective, seen = begin()
    replayed, evaluate, device = Replayed(monkeypatch), Evaluation("captured"), Small(8)
    loss = device(discriminator_loss)
    for holds in (8, 4):
        device.holds = holds
        for gammas in ({}, {"r1": 1.0}) * (recording.WARM_UPS + 1):
            evaluate(loss, state.D, seen, state.G, state.D, objective, gammas)
    first, *others = replayed.places
    assert [place is first for place in others] == [True, False, False] and others[1] is others[2]


@pytest.mark.slow
def test_a_training_compiles_for_as_many_cases_as_it_has_and_leaves_what_others_compiled(
    monkeypatch: pytest.MonkeyPatch,
):
    compiled = []

    def backend(graph: Any, inputs: Any) -> Any:
        compiled.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=backend))
    others = torch.compile(lambda x: x + 1)
    others(torch.zeros(2))
    state, _, objective, seen = begin()
    cases = torch._dynamo.config.recompile_limit + 1
    for _ in range(2):
        evaluate = Evaluation("compiled")
        for i in range(cases):
            case = replace(objective, lr=float(i))
            evaluate(generator_loss, state.G, seen, state.G, evaluate.constant(state.D), case, {})
        assert evaluate.compiles
    others(torch.zeros(2))
    assert len(compiled) == 1 + 2 * cases


def test_what_cannot_be_recorded_is_evaluated_without(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    Replayed(monkeypatch)

    def refuse(*_: Any) -> None:
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing")

    monkeypatch.setattr(recording, "record", refuse)
    state, batches, objective, _ = begin()
    with caplog.at_level(logging.WARNING, "ganaug"):
        list(train(state, batches, replace(objective, execution="captured"), steps=6))
    said = [record.message for record in caplog.records if "cannot be recorded as CUDA graphs" in record.message]
    assert len(said) == 1 and state.step == 6


def test_a_constant_twin_shares_its_weights_and_gets_no_gradient():
    state, *_ = begin("train.spectral_norm=true")
    twin = Evaluation().constant(state.D)
    parameters = list(zip(twin.parameters(), state.D.parameters(), strict=True))
    assert all(a.data_ptr() == b.data_ptr() and not a.requires_grad and b.requires_grad for a, b in parameters)
    buffers = list(zip(twin.buffers(), state.D.buffers(), strict=True))
    assert buffers and all(a is b for a, b in buffers)
    with torch.no_grad():
        nn.init.constant_(parameters[0][1], 0.5)
    assert parameters[0][0].eq(0.5).all()
