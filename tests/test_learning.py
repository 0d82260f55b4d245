"""Training works: a tiny GAN learns to obey its label, and a run is a function of its seed."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Generator, Tensor

from ganaug.checkpoint import dump_module
from ganaug.conditioning import CLASS_HEADS
from ganaug.data import Batches, LabeledImages
from ganaug.images import to_float
from ganaug.losses import gradient_penalty, penalties_due
from ganaug.recipe import Translate, load_recipe, shipped
from ganaug.run import plan
from ganaug.run.players import build
from ganaug.synthesis import Architecture, Synthesizer
from ganaug.training import (
    Evaluation,
    GanState,
    Minibatch,
    Objective,
    discriminator_loss,
    discriminator_step,
    draw,
    generator_step,
    train,
)

CPU = torch.device("cpu")
CLASSES = ("rows", "columns", "disc")


def patterns(per_class: int = 80) -> LabeledImages:
    """Bars across, bars down and a disc, 8 x 8, each dimmed and noisy in its own way."""
    y, x = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
    disc = ((y - 3.5) ** 2 + (x - 3.5) ** 2 < 9).float()
    plain = torch.stack([(y // 2 % 2).float(), (x // 2 % 2).float(), disc])
    rng = Generator().manual_seed(0)
    labels = torch.arange(3).repeat_interleave(per_class)
    strength = 150 + 80 * torch.rand(len(labels), 1, 1, generator=rng)
    images = plain[labels] * strength + 20 * torch.rand(len(labels), 8, 8, generator=rng)
    names = tuple(map(str, range(len(labels))))
    return LabeledImages(images.round().to(torch.uint8)[:, None], labels, CLASSES, names, "patterns")


DATA = patterns()


def nearest_mean(images: Tensor) -> Tensor:
    """The class whose mean training image is closest."""
    flat = to_float(DATA.images).flatten(1)
    means = torch.stack([flat[DATA.labels == k].mean(0) for k in range(3)])
    return torch.cdist(to_float(images).flatten(1), means).argmin(1)


def begin(recipe: str, *settings: str, data: LabeledImages = DATA) -> tuple[GanState, Batches, Objective, int]:
    todo = plan(data, load_recipe(recipe, settings), device="cpu")
    state, objective = build(todo)
    t = todo.recipe.train
    return state, Batches(todo.train, t.batch_size or 0, objective.seed, CPU), objective, t.steps or 0


def trained(recipe: str, *settings: str, data: LabeledImages = DATA) -> GanState:
    state, batches, objective, steps = begin(recipe, *settings, data=data)
    for _ in train(state, batches, objective, steps=steps):
        pass
    return state


def stand_in(shape: tuple[int, int, int]) -> LabeledImages:
    pixels = torch.randint(0, 256, (40, *shape), generator=Generator().manual_seed(0), dtype=torch.uint8)
    return LabeledImages(pixels, torch.arange(40) % 2, ("a", "b"), tuple(map(str, range(40))), "stand-in")


TINY = ("nets.width=8", "nets.z_dim=8", "train.batch_size=16", "train.ema_images=2000")


def test_the_default_recipe_learns_to_obey_its_label():
    assert (nearest_mean(DATA.images) == DATA.labels).float().mean() == 1.0  # the judge knows its trade
    state = trained("auto", *TINY, "train.steps=300")
    architecture = Architecture(name="residual", width=8, z_dim=8, shape=(1, 8, 8), classes=CLASSES)
    images, labels = Synthesizer(state.G_ema, architecture, {}, "cpu").sample(torch.arange(300) % 3)
    assert (nearest_mean(images) == labels).float().mean() >= 0.95
    pixels = to_float(images)
    for k in range(3):  # and not by one image per class
        assert pixels[labels == k].std(0).mean() > 0.02


@pytest.mark.slow
@pytest.mark.parametrize("settings", [("train.class_head=none",), ("train.projection=false",)], ids=str)
@pytest.mark.parametrize("adversarial", ["relativistic", "nonsaturating", "hinge", "least_squares"])
def test_each_objective_learns_with_projection_or_class_head_alone(adversarial: str, settings: tuple[str, ...]):
    state = trained("auto", *TINY, "train.steps=500", f"train.adversarial={adversarial}", *settings)
    labels = torch.arange(300) % 3
    with torch.no_grad():
        images = state.G_ema(torch.randn(300, 8, generator=Generator().manual_seed(0)), labels)
    assert (nearest_mean(((images.clamp(-1, 1) + 1) * 127.5).to(torch.uint8)) == labels).float().mean() >= 0.95


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 12, 16)], ids=str)
@pytest.mark.parametrize("recipe", [name for name in shipped() if load_recipe(name).translate == Translate()])
def test_every_shipped_recipe_trains_a_few_steps(recipe: str, shape: tuple[int, int, int]):
    state, batches, objective, _ = begin(recipe, *TINY, "train.steps=6", data=stand_in(shape))
    before = {name: dump_module(player) for name, player in (("G", state.G), ("D", state.D), ("E", state.G_ema))}
    (progress,) = train(state, batches, objective, steps=6)
    assert progress.step == state.step == 6 and all(map(math.isfinite, progress.losses.values()))
    after = {name: dump_module(player) for name, player in (("G", state.G), ("D", state.D), ("E", state.G_ema))}
    assert all(before[name] != after[name] for name in before)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    settings = (*TINY, "train.steps=12")
    one, again = trained("auto", *settings), trained("auto", *settings)
    torch.manual_seed(123)  # nor does the global generator matter
    third, other = trained("auto", *settings), trained("auto", *settings, "train.seed=1")
    for player in ("G", "D", "G_ema"):
        weights = [dump_module(getattr(state, player)) for state in (one, again, third, other)]
        assert weights[0] == weights[1] == weights[2] != weights[3]


def test_training_leaves_the_global_generator_alone():
    state = torch.get_rng_state()
    trained("auto", *TINY, "train.steps=3")
    assert torch.equal(state, torch.get_rng_state())


def test_a_loop_taken_up_again_goes_on_as_if_never_left():
    settings = (*TINY, "train.steps=10")
    whole = trained("auto", *settings)
    state, batches, objective, _ = begin("auto", *settings)
    assert next(train(state, batches, objective, steps=10, tick=4)).step == 4
    assert [p.step for p in train(state, batches, objective, steps=10, tick=4)] == [8, 10]
    assert dump_module(state.G_ema) == dump_module(whole.G_ema)


def drawn(state: GanState, batches: Batches, objective: Objective, believed: float = 1.0) -> Minibatch:
    return draw(batches, 0, state.G, objective.policy, 0.0, believed, Generator().manual_seed(0))


def test_penalties_are_taken_every_so_many_steps_and_reported_until_the_next():
    state, batches, objective, _ = begin("auto", *TINY, "train.penalty_every=3", "train.steps=20")
    reports = [p.losses for p in train(state, batches, objective, steps=9, tick=1)]
    for name in ("D/r1", "D/r2"):
        values = [losses[name] for losses in reports]
        assert values == [v for v in values[::3] for _ in range(3)] and len(set(values)) == 3


def test_a_penalty_with_no_weight_is_not_computed():
    state, batches, objective, _ = begin("auto", *TINY, "train.r2_gamma=0.0", "train.penalty_every=1")
    losses = discriminator_step(state, drawn(state, batches, objective), objective, Evaluation())
    assert "D/r1" in losses and "D/r2" not in losses


@pytest.mark.parametrize("every", [1, 4])
def test_a_lazy_penalty_weighs_as_many_times_more(every: int):
    """The loss is the sum of its parts with the weights that the recipe gives."""
    state, batches, objective, _ = begin("auto", *TINY, f"train.penalty_every={every}", "train.augment_p=0.0")
    gammas = penalties_due(objective.gammas, every, step=0)
    loss, losses = discriminator_loss(drawn(state, batches, objective), state.G, state.D, objective, gammas)
    parts = {name: float(value) for name, value in losses.items()}
    expected = (
        parts["D/adversarial"] + objective.class_weight * parts["D/class"] + every * (parts["D/r1"] + parts["D/r2"]) / 2
    )
    assert float(loss.detach()) == pytest.approx(expected)


@pytest.mark.parametrize("head", CLASS_HEADS)
def test_the_class_head_learns_as_far_as_labels_are_believed(head: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ganaug.training.steps.descend", lambda player, gradients, optimizer: None)
    state, batches, objective, _ = begin("auto", *TINY, f"train.class_head={head}")
    for step, name in ((discriminator_step, "D/class"), (generator_step, "G/class")):
        full, half, none = (
            float(step(state, drawn(state, batches, objective, share), objective, Evaluation())[name])
            for share in (1.0, 0.5, 0.0)
        )
        assert full != 0 and half == pytest.approx(full / 2) and none == 0


def test_labels_come_in_over_the_ramp():
    state, batches, objective, _ = begin("auto", *TINY, "train.ramp=1.0")
    loop = train(state, batches, objective, steps=8, tick=1)
    seen = [next(loop).losses["D/class"] for _ in range(8)]
    assert seen[:5] == [0.0] * 5 and all(loss > 0 for loss in seen[5:])


def test_a_penalty_in_bf16_points_where_the_exact_one_does():
    state, batches, objective, _ = begin("auto", *TINY, "train.precision=bf16", data=stand_in((1, 28, 28)))
    images, labels, trust = batches[0]
    found = []
    for bf16 in (True, False):
        with replace(objective, bf16=bf16).arithmetic(CPU):
            penalty, _ = gradient_penalty(lambda x: state.D(x, labels, trust), images)
        gradient = torch.autograd.grad(penalty.mean(), list(state.D.trunk.parameters()), materialize_grads=True)
        found.append((penalty.detach(), torch.cat([part.flatten() for part in gradient])))
    (rough, rough_gradient), (exact, exact_gradient) = found
    assert rough.dtype == torch.float32 and float(rough.mean()) == pytest.approx(float(exact.mean()), rel=0.05)
    assert float(torch.cosine_similarity(rough_gradient, exact_gradient, 0)) >= 0.99


def test_each_step_moves_its_own_player_alone():
    state, batches, objective, _ = begin("auto", *TINY)
    D, G = dump_module(state.D), dump_module(state.G)
    discriminator_step(state, drawn(state, batches, objective), objective, Evaluation())
    assert dump_module(state.D) != D and dump_module(state.G) == G
    D = dump_module(state.D)
    generator_step(state, drawn(state, batches, objective), objective, Evaluation())
    assert dump_module(state.D) == D and dump_module(state.G) != G


def test_both_players_learn_at_the_scheduled_rate():
    state, batches, objective, _ = begin("auto", *TINY, "train.lr=0.01", "train.final_lr=0.1")
    for _ in train(state, batches, objective, steps=2):
        pass
    rates = [group["lr"] for opt in (state.opt_G, state.opt_D) for group in opt.param_groups]
    assert rates == pytest.approx([0.01 * 0.55] * 2)  # half-way along the cosine
    state.set_lr(0.5)
    assert state.opt_D.param_groups[0]["lr"] == 0.5


def test_every_draw_of_latents_is_a_new_one(monkeypatch: pytest.MonkeyPatch):
    state, batches, objective, _ = begin("auto", *TINY)
    latents: list[Tensor] = []

    def draw(G: torch.nn.Module, n: int, rng: Generator) -> Tensor:
        latents.append(torch.randn(n, 8, generator=rng))
        return latents[-1]

    monkeypatch.setattr("ganaug.training.minibatch.sample_latents", draw)
    for _ in train(state, batches, objective, steps=5):
        pass
    assert len({z.numpy().tobytes() for z in latents}) == len(latents) == 10


def test_half_of_the_real_images_are_mirrored_where_that_is_asked_for_and_none_else():
    state, batches, objective, _ = begin("auto", *TINY, "train.batch_size=60")
    drawn_twice = {
        mirror: draw(batches, 0, state.G, "none", 0.0, 1.0, Generator().manual_seed(3), mirror=mirror).images
        for mirror in (True, False)
    }
    images, _, _ = batches[0]
    assert torch.equal(drawn_twice[False], images)
    turned = (drawn_twice[True] == images.flip(3)).flatten(1).all(1)
    kept = (drawn_twice[True] == images).flatten(1).all(1)
    assert (turned | kept).all() and 0.3 < turned.float().mean() < 0.7
