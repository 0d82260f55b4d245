"""The engine of translation: its terms, its pools, and runs that are a function of their seed."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from safetensors.torch import load, save
from torch import Generator, Tensor, nn

from ganaug.checkpoint import dump_module, dump_optimizer, load_module, load_optimizer
from ganaug.data import Batches, LabeledImages
from ganaug.errors import DivergedError, RecipeError
from ganaug.losses import ADVERSARIAL
from ganaug.translation import (
    PRESETS,
    CycleState,
    Sizes,
    Terms,
    build,
    discriminator_step,
    from_pool,
    generator_step,
    task_step,
    train,
    translate,
)

CPU = torch.device("cpu")
TINY = Sizes(width=4, downs=1, blocks=2, patch_width=4)
GRAY, COLOUR = (1, 16, 16), (3, 16, 16)


def digits_like(shape: tuple[int, int, int], n: int = 40, seed: int = 0) -> LabeledImages:
    pixels = torch.randint(0, 256, (n, *shape), generator=Generator().manual_seed(seed), dtype=torch.uint8)
    return LabeledImages(pixels, torch.arange(n) % 4, tuple("abcd"), tuple(map(str, range(n))), "made up")


def classifier(channels: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        layers = nn.Conv2d(channels, 6, 3, 2), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 49, 4)
        return nn.Sequential(*layers)


def begin(objective: Terms, sizes: Sizes = TINY) -> tuple[CycleState, Batches, Batches]:
    state = build(GRAY, COLOUR, sizes, objective, CPU, task=classifier(3), judge=classifier(1))
    seeds = (0, 0) if objective.paired else (0, 1)
    return state, Batches(digits_like(GRAY), 8, seeds[0], CPU), Batches(digits_like(COLOUR), 8, seeds[1], CPU)


def preset(name: str, **changes: Any) -> tuple[Terms, Sizes]:
    terms, sizes = PRESETS[name]
    small = {"width": 4, "patch_width": 4, "downs": 1, "blocks": 1}
    return Terms(**{**terms, "pool": 4, **changes}), Sizes(**{**sizes, **small})  # type: ignore[arg-type]


def weights(state: CycleState) -> dict[str, bytes]:
    return {name: dump_module(module) for name, module in state.modules().items()}


def run(state: CycleState, a: Batches, b: Batches, objective: Terms, steps: int) -> CycleState:
    for _ in train(state, a, b, objective, steps=steps):
        pass
    return state


EVERYTHING = Terms(nce=1.0, semantic=1.0, task=1.0, gammas={"r1": 1.0, "r2": 1.0}, pool=4)


# ---- every engine


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("name", PRESETS)
def test_every_engine_trains_all_its_players(name: str, bf16: bool):
    objective, sizes = preset(name, bf16=bf16)
    state, a, b = begin(objective, sizes)
    before = weights(state)
    reports = list(train(state, a, b, objective, steps=4, tick=2))
    assert [report.step for report in reports] == [2, 4] and state.step == 4
    assert all(math.isfinite(loss) for report in reports for loss in report.losses.values())
    after = weights(state)
    assert [player for player in before if before[player] == after[player]] == []


def test_an_engine_has_the_players_that_its_terms_need():
    found = {name: set(begin(*preset(name))[0].modules()) for name in PRESETS}
    ways = {"G_AB", "D_B", "G_AB_ema"}
    assert found["cyclegan"] == ways | {"G_BA", "D_A", "G_BA_ema"}
    assert found["pixelda"] == ways | {"task", "task_ema"}
    assert found["cut"] == ways | {"heads"}
    assert found["pix2pix"] == ways


@pytest.mark.parametrize(("term", "what"), [("task", "task"), ("semantic", "semantic")])
def test_a_term_without_its_classifier_is_refused(term: str, what: str):
    with pytest.raises(RecipeError, match=f"^the {what} term must have a classifier, got none"):
        build(GRAY, COLOUR, TINY, replace(Terms(), **{term: 1.0}), CPU)


def test_images_of_two_sizes_are_refused():
    with pytest.raises(RecipeError, match=r"must have one size, got \(16, 16\) and \(16, 20\)"):
        build(GRAY, (3, 16, 20), TINY, Terms(), CPU)


# ---- terms


def gradients(state: CycleState, objective: Terms) -> dict[str, Tensor]:
    """Of the generators, with nothing moved."""
    state.set_lr(0.0)
    a, labels = digits_like(GRAY, 8).images / 127.5 - 1, torch.arange(8) % 4
    b, rng = digits_like(COLOUR, 8, seed=1).images / 127.5 - 1, Generator().manual_seed(0)
    ways = translate(state, a, b, objective, rng)
    generator_step(state, ways, labels, torch.ones(8), objective, rng)
    return {
        name: torch.cat([p.grad.flatten() for p in module.parameters() if p.grad is not None])
        for name, module in state.modules().items()
        if any(p.grad is not None for p in module.parameters())
    }


@pytest.mark.parametrize(
    ("term", "players"),
    [
        ("cycle", {"G_AB", "G_BA"}),
        ("identity", {"G_AB", "G_BA"}),
        ("nce", {"G_AB", "heads"}),
        ("semantic", {"G_AB", "G_BA"}),
        ("task", {"G_AB"}),
    ],
)
def test_each_term_moves_the_generators_it_is_for(term: str, players: set[str]):
    state, _, _ = begin(EVERYTHING)
    for name in ("G_AB", "G_BA"):  # what is born zero would hide the rest
        for p in getattr(state, name).parameters():
            p.data += 0.1 * torch.randn(p.shape, generator=Generator().manual_seed(p.numel()))
    less, more = (gradients(state, replace(EVERYTHING, **{term: weight})) for weight in (1.0, 2.0))
    assert set(less) == {"G_AB", "G_BA", "heads"}  # and of no other player
    moved = {name for name in less if not torch.allclose(less[name], more[name], rtol=1e-4, atol=1e-9)}
    assert moved == players


def test_l1_moves_the_generator_towards_its_pair():
    objective, sizes = preset("pix2pix")
    state, _, _ = begin(objective, sizes)
    less, more = (gradients(state, replace(objective, l1=weight)) for weight in (1.0, 2.0))
    assert set(less) == {"G_AB"} and not torch.allclose(less["G_AB"], more["G_AB"])


def test_each_step_moves_its_own_players_alone():
    state, a, b = begin(EVERYTHING)
    (x, labels, trust), (y, *_) = a[0], b[0]
    rng = Generator().manual_seed(0)
    ways = translate(state, x, y, EVERYTHING, rng)
    steps = [
        (lambda: discriminator_step(state, ways, EVERYTHING, rng), {"D_A", "D_B"}),
        (lambda: task_step(state, ways[0], labels, trust, EVERYTHING, rng), {"task"}),
        (lambda: generator_step(state, ways, labels, trust, EVERYTHING, rng), {"G_AB", "G_BA", "heads"}),
    ]
    for step, players in steps:
        before = weights(state)
        losses = step()
        assert all(loss.isfinite() for loss in losses.values())
        assert {name for name, kept in weights(state).items() if kept != before[name]} == players


def test_labels_count_as_far_as_they_are_believed():
    state, a, b = begin(EVERYTHING)
    state.set_lr(0.0)
    (x, labels, _), (y, *_) = a[0], b[0]
    found = []
    for trust in (torch.ones(8), torch.full((8,), 0.5), torch.zeros(8)):
        rng = Generator().manual_seed(0)
        ways = translate(state, x, y, EVERYTHING, rng)
        losses = task_step(state, ways[0], labels, trust, EVERYTHING, rng)
        losses |= generator_step(state, ways, labels, trust, EVERYTHING, rng)
        found.append((float(losses["task/class"]), float(losses["G_AB/task"])))
    assert found[0][0] > 0 and found[1] == pytest.approx((found[0][0] / 2, found[0][1] / 2), rel=0.2)
    assert found[2] == (0.0, 0.0)


def test_the_frozen_classifier_stays_frozen():
    state, a, b = begin(EVERYTHING)
    judge = dump_module(state.judge)  # type: ignore[arg-type]
    run(state, a, b, EVERYTHING, 3)
    assert dump_module(state.judge) == judge  # type: ignore[arg-type]


@pytest.mark.parametrize("every", [1, 4])
def test_a_lazy_penalty_is_taken_in_its_turn(every: int):
    objective = replace(EVERYTHING, penalty_every=every)
    state, a, b = begin(objective)
    reports = [report.losses for report in train(state, a, b, objective, steps=8, tick=1)]
    for name in ("D_A/r1", "D_B/r2"):
        values = [losses[name] for losses in reports]
        assert values == [value for value in values[::every] for _ in range(every)]


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_logits_of_patches_are_judged_one_by_one(name: str):
    real, fake = torch.randn(2, 3, 5, generator=Generator().manual_seed(0))
    for loss in (ADVERSARIAL[name].discriminator, ADVERSARIAL[name].generator):
        whole = loss(real, fake)
        assert whole.shape == (3, 5) and torch.equal(whole.flatten(), loss(real.flatten(), fake.flatten()))


def test_with_pairs_the_discriminator_sees_both_and_the_distance_falls():
    """B is A in other colours: half of the distance to the true image is gone after 80 steps."""
    data = digits_like(GRAY)
    bright = data.images.float().mean((2, 3), keepdim=True).expand(-1, -1, 16, 16).to(torch.uint8)
    a = LabeledImages(bright + data.images // 4, data.labels, data.classes, data.names, "A")
    other = torch.cat([255 - a.images, a.images // 2, a.images // 3 + 100], 1)
    b = LabeledImages(other, data.labels, data.classes, data.names, "B")
    terms, sizes = PRESETS["pix2pix"]
    objective, small = Terms(**{**terms, "lr": 2e-3}), Sizes(**{**sizes, "width": 8, "downs": 2, "patch_width": 4})
    state = build(GRAY, COLOUR, small, objective, CPU)
    assert state.D_B.layers[0].in_channels == 4  # type: ignore[index, union-attr]
    pairs = Batches(a, 16, 0, CPU), Batches(b, 16, 0, CPU)
    seen = [p.losses["G_AB/l1"] for p in train(state, *pairs, objective, steps=80, tick=1)]
    assert sum(seen[-5:]) < sum(seen[:5]) / 2


# ---- the pool


def numbered(*values: float) -> Tensor:
    return torch.tensor(values).view(-1, 1, 1, 1)


def test_a_pool_fills_first_and_shows_all_that_it_keeps():
    shown, pool = from_pool(torch.zeros(0, 1, 1, 1), numbered(1, 2, 3), 50, Generator().manual_seed(0))
    assert shown.flatten().tolist() == pool.flatten().tolist() == [1, 2, 3]


def test_a_full_pool_of_50_returns_half_of_the_time_an_older_image_and_keeps_the_new_one():
    rng, pool = Generator().manual_seed(0), torch.zeros(0, 1, 1, 1)
    _, pool = from_pool(pool, numbered(*range(50)), 50, rng)
    old, total = 0, 0
    for batch in torch.arange(50, 4050).float().view(-1, 8, 1, 1, 1):
        former = pool
        shown, pool = from_pool(pool, batch, 50, rng)
        assert len(pool) == 50 and len(shown) == 8
        known = torch.cat([former, batch]).flatten().tolist()  # what is shown or kept is one or the other, and all is
        assert sorted(known) == sorted([*pool.flatten().tolist(), *shown.flatten().tolist()])
        old, total = old + int((shown != batch).sum()), total + 8
    assert abs(old / total - 0.5) < 0.03


def test_the_pool_is_a_function_of_the_seed_and_leaves_what_it_is_given():
    pool, fakes = numbered(*range(10)), numbered(*range(10, 30))
    one, again, other = (from_pool(pool, fakes, 10, Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(one[0], again[0]) and torch.equal(one[1], again[1]) and not torch.equal(one[0], other[0])
    assert torch.equal(pool, numbered(*range(10))) and torch.equal(fakes, numbered(*range(10, 30)))


def test_without_a_pool_none_is_kept():
    objective = Terms(pool=0)
    assert run(*begin(objective), objective, 2).tensors() == {}


# ---- runs


@pytest.mark.parametrize("objective", [EVERYTHING, replace(EVERYTHING, bf16=True)], ids=["fp32", "bf16"])
def test_a_run_resumed_equals_the_uninterrupted_one(objective: Terms):
    """Through bytes: every module, every optimiser, every pool."""
    sizes = replace(TINY, noise_dim=4)
    whole = run(*begin(objective, sizes), objective, 9)
    state, a, b = begin(objective, sizes)
    assert next(train(state, a, b, objective, steps=9, tick=4)).step == 4
    modules = {name: dump_module(module) for name, module in state.modules().items()}
    optimizers = {name: dump_optimizer(optimizer) for name, optimizer in state.optimizers().items()}
    pools = save({name: pool.contiguous() for name, pool in state.tensors().items()})

    other, a, b = begin(objective, sizes)
    for name, module in other.modules().items():
        load_module(module, modules[name], name)
    for name, optimizer in other.optimizers().items():
        load_optimizer(optimizer, optimizers[name], name)
    other.pools, other.step = load(pools), 4
    run(other, a, b, objective, 9)
    assert weights(other) == weights(whole)
    assert {n: dump_optimizer(o) for n, o in other.optimizers().items()} == {
        n: dump_optimizer(o) for n, o in whole.optimizers().items()
    }
    assert all(torch.equal(pool, whole.pools[name]) for name, pool in other.pools.items())


def test_without_its_pools_a_resumed_run_is_another():
    whole = run(*begin(EVERYTHING), EVERYTHING, 9)
    state, a, b = begin(EVERYTHING)
    assert next(train(state, a, b, EVERYTHING, steps=9, tick=4)).step == 4
    state.pools = {}
    assert weights(run(state, a, b, EVERYTHING, 9)) != weights(whole)


def test_the_same_seed_gives_the_same_weights_whatever_the_global_generator():
    sizes = replace(TINY, noise_dim=4)
    one = weights(run(*begin(EVERYTHING, sizes), EVERYTHING, 3))
    torch.manual_seed(11)
    kept = torch.get_rng_state()
    assert weights(run(*begin(EVERYTHING, sizes), EVERYTHING, 3)) == one
    assert torch.equal(kept, torch.get_rng_state())
    another = replace(EVERYTHING, seed=1)
    assert weights(run(*begin(another, sizes), another, 3))["G_AB"] != one["G_AB"]


def test_a_signal_stops_the_run_after_its_step():
    state, a, b = begin(Terms())
    stop: list[int] = []
    loop = train(state, a, b, Terms(), steps=20, tick=10, stop=stop)
    stop.append(15)
    assert next(loop).step == 1


def test_rates_fall_in_a_line_after_half_and_faults_halve_them():
    objective = Terms(lr=0.1)
    state, a, b = begin(objective)
    rates = [state.lr for _ in train(state, a, b, replace(objective, lr=1e-6), steps=8, tick=1)]
    assert [rate / 1e-6 for rate in rates] == pytest.approx([1, 1, 1, 1, 1, 0.75, 0.5, 0.25])
    state, a, b = begin(objective)
    state.faults = [1]
    next(train(state, a, b, replace(objective, lr=1e-6), steps=8, tick=1))
    assert state.lr == pytest.approx(5e-7)


def test_averages_follow_their_players_slowly():
    objective = Terms(lr=1e-2, ema_images=1e6)
    state, a, b = begin(objective)
    start = state.G_AB.output.weight.detach().clone()  # type: ignore[union-attr, operator]
    run(state, a, b, objective, 30)
    moved, followed = (
        float((player.output.weight.detach() - start).norm())  # type: ignore[union-attr, operator]
        for player in (state.G_AB, state.averages["G_AB_ema"])
    )
    assert 0 < followed < moved


def test_what_is_not_finite_ends_the_run_with_its_step():
    state, a, b = begin(Terms())
    assert next(train(state, a, b, Terms(), steps=20, tick=5)).step == 5
    state.G_BA.output.weight.data[0] = math.inf  # type: ignore[union-attr, operator, index]
    with pytest.raises(DivergedError, match=r"^step 6: \w+/\w+ must stay finite and below 1e\+06, got nan; lower"):
        next(train(state, a, b, Terms(), steps=20, tick=5))


def test_a_pixel_that_is_no_number_is_told_from_a_bad_rate():
    class Poisoned(Batches):
        def __getitem__(self, batch: int) -> tuple[Tensor, Tensor, Tensor]:
            images, labels, trust = super().__getitem__(batch)
            return images * (math.nan if batch == 2 else 1.0), labels, trust

    state, a, b = begin(Terms())
    b.__class__ = Poisoned
    with pytest.raises(DivergedError, match=r"^step 3: its images must be finite, got others") as caught:
        run(state, a, b, Terms(), 5)
    assert caught.value.draw == 2
