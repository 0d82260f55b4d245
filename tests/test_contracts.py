"""Every row of every table obeys its table's contract: a new row is tested without a new test."""

from typing import Literal, get_args, get_origin

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.func import functional_call

from ganaug.auto import OBJECTIVES
from ganaug.conditioning import CLASS_HEADS, Discriminator
from ganaug.diffaug import POLICIES, check_policy
from ganaug.errors import RecipeError
from ganaug.losses import ADVERSARIAL, PENALTIES, gradient_penalty, judged
from ganaug.nets import NETS, describe
from ganaug.nets.blocks import coarsest, crop, double, halve, levels
from ganaug.recipe import Nets, Train
from ganaug.training import OVERFITTING, update_ema
from ganaug.training.adapt import augmented

SHAPES = [(1, 8, 8), (3, 9, 13), (4, 28, 28), (1, 31, 8), (3, 64, 48), (1, 100, 20)]
K, WIDTH, Z = 3, 4, 6


def seeded(number: int = 0) -> Generator:
    return Generator().manual_seed(number)


def awake(module: nn.Module) -> nn.Module:
    """Layers that are born zero get weights, so that gradients show which parameters are in use."""
    rng = seeded(7)
    for parameter in module.parameters():
        if not parameter.any():
            parameter.data = 0.1 * torch.randn(parameter.shape, generator=rng)
    return module


def generator(name: str, shape: tuple[int, int, int]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return awake(NETS[name].generator(shape, K, WIDTH, Z))


def discriminator(name: str, shape: tuple[int, int, int], projection: bool = True, head: str = "adcgan"):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        trunk = NETS[name].trunk(shape, WIDTH)
        D = Discriminator(trunk, K, projection=projection, class_head=CLASS_HEADS.get(head))
    awake(D)
    return D


def choices(field: str, table: type) -> set[str]:
    """What a key may be, whether or not it may also be left to auto."""
    annotation = table.model_fields[field].annotation  # type: ignore[attr-defined]
    rows = [annotation, *get_args(annotation)]
    (named,) = [row for row in rows if get_origin(row) is Literal]
    return set(get_args(named))


def test_a_recipe_may_name_exactly_the_rows_of_the_tables():
    assert choices("adversarial", Train) == set(ADVERSARIAL)
    assert choices("class_head", Train) == {"none", *CLASS_HEADS}
    assert choices("name", Nets) == set(NETS)
    assert choices("adapt", Train) == {"none", *OVERFITTING}
    assert set(OBJECTIVES) == set(NETS)
    assert {f"{name}_gamma" for name in PENALTIES} <= set(Train.model_fields)
    assert {check_policy(part) for part in POLICIES} == set(POLICIES)
    with pytest.raises(RecipeError, match="'gaussian'"):
        check_policy("color,gaussian")


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_the_generator_s_loss_looks_at_real_images_only_where_it_says_so(name: str):
    row, fake = ADVERSARIAL[name], torch.tensor([0.3, -1.2])
    seen = [row.generator(real, fake).tolist() for real in (torch.zeros(2), torch.ones(2))]
    assert (seen[0] != seen[1]) == row.paired


@pytest.mark.parametrize("name", ADVERSARIAL)
class TestAdversarial:
    def logits(self) -> tuple[Tensor, Tensor]:
        real, fake = torch.rand(2, 64, generator=seeded()) * 1.8 - 0.9  # no side is right beyond doubt
        return real.requires_grad_(), fake.requires_grad_()

    def test_one_number_per_sample_from_that_pair_alone(self, name: str):
        real, fake = self.logits()
        for loss in (ADVERSARIAL[name].discriminator, ADVERSARIAL[name].generator):
            whole = loss(real, fake)
            assert whole.shape == (64,)
            assert torch.allclose(whole[5:9], loss(real[5:9], fake[5:9]))

    def test_the_discriminator_gains_when_real_rises_and_fake_falls(self, name: str):
        real, fake = self.logits()
        on_real, on_fake = torch.autograd.grad(ADVERSARIAL[name].discriminator(real, fake).sum(), (real, fake))
        above = fake > (0 if name == "least_squares" else -1)  # least squares draws fakes to 0 from below, too
        assert (on_real < 0).all() and (on_fake[above] > 0).all() and above.any()

    def test_the_generator_gains_when_fake_rises(self, name: str):
        real, fake = self.logits()
        (on_fake,) = torch.autograd.grad(ADVERSARIAL[name].generator(real, fake).sum(), fake)
        assert (on_fake < 0).all()


@pytest.mark.parametrize("name", CLASS_HEADS)
class TestClassHeads:
    def test_losses_per_sample_by_which_both_players_learn_to_name_the_class(self, name: str):
        """Features that follow the gradient of either player's loss are taken for the class that they should be."""
        head, labels = CLASS_HEADS[name], torch.arange(12) % K
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            module = head.build(8, K)
        real, fake = torch.randn(2, 12, 8, generator=seeded())
        losses = (
            lambda x: head.discriminator(module, x, fake, labels),
            lambda x: head.generator(module, x, labels),
        )
        for loss in losses:
            x = real.clone().requires_grad_()
            assert loss(x).shape == (12,) and loss(x).isfinite().all()
            for _ in range(200):
                (gradient,) = torch.autograd.grad(loss(x).sum(), x)
                x = (x - 0.2 * gradient).detach().requires_grad_()
            before, after = head.class_logits(module, real), head.class_logits(module, x)
            assert after.shape == (12, K) and (after - before).gather(1, labels[:, None]).gt(0).all()

    def test_gradients_reach_every_parameter(self, name: str):
        head, labels = CLASS_HEADS[name], torch.arange(12) % K
        module, (real, fake) = head.build(8, K), torch.randn(2, 12, 8, generator=seeded())
        unreached(module, head.discriminator(module, real, fake, labels).sum())


@pytest.mark.parametrize("name", PENALTIES)
def test_a_penalty_is_zero_for_a_flat_discriminator_and_where_it_is_taken_for_a_steep_one(name: str):
    real, fake = torch.randn(2, 4, 1, 8, 8, generator=seeded())

    slope = torch.tensor(2.0)
    *_, penalties = judged(lambda x: ((slope * x).sum(dim=(1, 2, 3)),), real, fake, {name: 1.0})
    assert penalties.keys() == {name} and torch.allclose(penalties[name], torch.full((4,), 4.0 * 64))
    *_, curved = judged(lambda x: (x.square().sum(dim=(1, 2, 3)),), real, fake, {name: 1.0})
    taken_at = {"r1": real, "r2": fake}[name]
    assert torch.allclose(curved[name], 4 * taken_at.square().sum(dim=(1, 2, 3)))
    *_, flat = judged(lambda x: ((0 * x).sum(dim=(1, 2, 3)),), real, fake, {name: 1.0})
    assert not flat[name].any()


@pytest.mark.parametrize("name", OVERFITTING)
def test_a_heuristic_of_overfitting_is_above_its_target_when_d_knows_the_training_images_by_heart(name: str):
    row, fake = OVERFITTING[name], torch.randn(64, generator=seeded()) - 3
    known = row.r(torch.randn(64, generator=seeded(1)) + 3, fake, fake)
    assert known > row.target
    blind = torch.randn(64, generator=seeded(2))
    assert row.r(blind, blind, blind - 0.1) < row.target


@pytest.mark.parametrize("policy", POLICIES)
class TestPolicies:
    def images(self, channels: int = 3) -> Tensor:
        return torch.rand(40, channels, 12, 10, generator=seeded()) * 2 - 1

    @pytest.mark.parametrize("channels", [1, 3, 4])
    def test_shape_and_dtype_stay(self, policy: str, channels: int):
        for dtype in (torch.float32, torch.float64, torch.bfloat16):
            x = self.images(channels).to(dtype)
            out = augmented(x, 1.0, policy, seeded())
            assert out.shape == x.shape and out.dtype == dtype and out.isfinite().all()

    def test_gradients_reach_the_images(self, policy: str):
        x = self.images().requires_grad_()
        (gradient,) = torch.autograd.grad(augmented(x, 1.0, policy, seeded()).square().sum(), x)
        assert gradient.isfinite().all() and gradient.flatten(1).abs().sum(1).gt(0).all()

    def test_each_sample_has_its_own_draw(self, policy: str):
        x = self.images()[:1].expand(40, -1, -1, -1)
        assert len({image.numpy().tobytes() for image in augmented(x, 1.0, policy, seeded()).contiguous()}) > 1

    def test_samples_do_not_mix(self, policy: str):
        x, other = self.images(), self.images()
        other[3] = 0.0
        same = (augmented(x, 1.0, policy, seeded()) == augmented(other, 1.0, policy, seeded())).flatten(1).all(1)
        assert same.tolist() == [i != 3 for i in range(40)]

    def test_it_is_a_function_of_the_generator_alone(self, policy: str):
        x, state = self.images(), torch.get_rng_state()
        one, again, other = (augmented(x, 0.5, policy, seeded(s)) for s in (1, 1, 2))
        assert torch.equal(one, again) and not torch.equal(one, other)
        assert torch.equal(state, torch.get_rng_state())

    def test_probability_is_the_share_that_changes(self, policy: str):
        x = torch.rand(4000, 3, 12, 10, generator=seeded())
        changed = {p: (augmented(x, p, policy, seeded()) != x).flatten(1).any(1).float().mean() for p in (1.0, 0.3)}
        assert torch.equal(augmented(x, 0.0, policy, seeded()), x)
        assert abs(changed[0.3] - 0.3 * changed[1.0]) < 0.03


def test_no_policy_is_the_identity():
    x = torch.rand(2, 1, 8, 8)
    assert augmented(x, 1.0, "none", seeded()) is x


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", NETS)
class TestNets:
    def test_images_of_the_shape_that_obey_label_and_latent(self, name: str, shape: tuple[int, int, int]):
        G = generator(name, shape)
        z, labels = torch.randn(6, Z, generator=seeded()), torch.arange(6) % K
        images = G.eval()(z, labels)
        assert images.shape == (6, *shape) and images.dtype == torch.float32 and images.isfinite().all()
        assert (G(z, (labels + 1) % K) != images).flatten(1).any(1).all()
        assert (G(z + 1, labels) != images).flatten(1).any(1).all()

    def test_gradients_reach_every_parameter_of_the_generator(self, name: str, shape: tuple[int, int, int]):
        G = generator(name, shape)
        loss = G(torch.randn(6, Z, generator=seeded()), torch.arange(6) % K).square().sum()
        unreached(G, loss)

    @pytest.mark.parametrize("projection", [True, False])
    def test_gradients_reach_every_parameter_of_the_discriminator(
        self, name: str, shape: tuple[int, int, int], projection: bool
    ):
        D = discriminator(name, shape, projection)
        verdict = D(torch.randn(6, *shape, generator=seeded()), torch.arange(6) % K)
        class_logits = D.head(verdict.features)  # type: ignore[misc]
        assert verdict.logits.shape == (6,) and class_logits.shape == (6, 2 * K)
        unreached(D, verdict.logits.square().sum() + class_logits.square().sum())

    def test_penalties_can_be_differentiated_again(self, name: str, shape: tuple[int, int, int]):
        D = discriminator(name, shape, head="none")
        images = torch.randn(4, *shape, generator=seeded())
        judge = lambda x, kept: functional_call(D, kept, (x, torch.arange(4) % K))  # noqa: E731
        penalty, _ = gradient_penalty(judge, images, dict(D.named_buffers()))
        assert penalty.shape == (4,) and (penalty > 0).all()
        assert torch.autograd.grad(penalty.sum(), D.real.weight)[0].isfinite().all()


def unreached(module: nn.Module, loss: Tensor) -> None:
    names, values = zip(*module.named_parameters(), strict=True)
    gradients = torch.autograd.grad(loss, values, allow_unused=True)
    assert [n for n, g in zip(names, gradients, strict=True) if g is None or not g.any()] == []


@pytest.mark.parametrize("name", NETS)
def test_both_batches_are_judged_as_each_alone(name: str):
    D = discriminator(name, (1, 8, 8))
    real, fake = torch.randn(2, 5, 1, 8, 8, generator=seeded())
    labels = torch.arange(5) % K
    trust = torch.tensor([1.0, 0.5, 0.0, 1.0, 1.0])
    apart = (D(real, labels, trust), D(fake, labels, trust))
    for together, alone in zip(D.judge(real, fake, labels, trust), apart, strict=True):
        assert torch.allclose(together.logits, alone.logits, atol=1e-5)
        assert torch.allclose(together.features, alone.features, atol=1e-5)


def test_real_and_fake_are_not_compared_with_each_other_in_one_pass():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        trunk = NETS["residual"].trunk((1, 8, 8), WIDTH)
        D = Discriminator(trunk, K, projection=True, class_head=None, minibatch_std=True)
    awake(D)
    real, fake = torch.randn(2, 6, 1, 8, 8, generator=seeded())
    labels, trust = torch.arange(6) % K, torch.ones(6)
    for together, alone in zip(D.judge(real, fake, labels, trust), (D(real, labels), D(fake, labels)), strict=True):
        assert torch.allclose(together.logits, alone.logits, atol=1e-5)


def test_a_label_that_is_not_believed_does_not_count():
    D, images = discriminator("residual", (1, 8, 8)), torch.randn(3, 1, 8, 8, generator=seeded())
    a, b, trust = torch.zeros(3).long(), torch.ones(3).long(), torch.tensor([1.0, 0.5, 0.0])
    full, half, none = (D(images, b, trust).logits - D(images, a, trust).logits).tolist()
    whole = (D(images, b).logits - D(images, a).logits).tolist()
    assert (full, half, none) == pytest.approx((whole[0], whole[1] / 2, 0.0), abs=1e-5)


def test_the_residual_pair_never_mixes_samples():
    D, G = discriminator("residual", (1, 8, 8)), generator("residual", (1, 8, 8))
    z, labels = torch.randn(8, Z, generator=seeded()), torch.arange(8) % K
    assert torch.allclose(G(z, labels)[:3], G(z[:3], labels[:3]), atol=1e-5)
    images = torch.randn(8, 1, 8, 8, generator=seeded())
    assert torch.allclose(D(images, labels).logits[:3], D(images[:3], labels[:3]).logits, atol=1e-5)


def test_the_label_moves_the_score_only_through_the_projection():
    images, a, b = torch.randn(3, 1, 8, 8, generator=seeded()), torch.zeros(3).long(), torch.ones(3).long()
    D = discriminator("residual", (1, 8, 8), projection=False)
    assert torch.equal(D(images, a).logits, D(images, b).logits)
    D = discriminator("residual", (1, 8, 8))
    features, embedding = D.trunk(images), D.label.weight  # type: ignore[union-attr]
    expected = features @ (embedding[1] - embedding[0])
    assert torch.allclose(D(images, b).logits - D(images, a).logits, expected, atol=1e-5)


def test_describe_counts_what_is_built():
    nets = generator("dcgan", (1, 8, 8)), NETS["dcgan"].trunk((1, 8, 8), WIDTH)
    g, d = (sum(p.numel() for p in net.parameters()) for net in nets)
    expected = f"dcgan networks: generator {g:,} parameters, discriminator {d:,}"
    assert describe("dcgan", (1, 8, 8), K, WIDTH, Z) == expected


def test_geometry_of_any_sides():
    for height in range(8, 40):
        for width in (8, 9, 31, 64, 100):
            rows, columns = coarsest(height, width)
            assert 4 <= min(height, width) / 2 ** levels(height, width) < 8
            x = torch.zeros(1, 1, height, width)
            for _ in range(levels(height, width)):
                x = halve(x)
            assert x.shape[2:] == (rows, columns)
            assert rows * 2 ** levels(height, width) >= height


def test_double_keeps_mean_and_range_halve_averages_crop_centres():
    x = torch.arange(6.0).view(1, 1, 2, 3)
    twice = double(x)
    assert twice.shape == (1, 1, 4, 6) and twice.mean() == x.mean() and (twice.min(), twice.max()) == (0, 5)
    assert torch.equal(double(torch.ones(2, 3, 4, 5)), torch.ones(2, 3, 8, 10))
    assert halve(x).flatten().tolist() == [2.0, 3.5]  # (0 + 1 + 3 + 4) / 4, and (2 + 5) / 2 at the odd border
    assert crop(torch.arange(24.0).view(1, 1, 4, 6), 2, 2).flatten().tolist() == [8.0, 9.0, 14.0, 15.0]


def test_buffers_follow_the_average():
    G, average = generator("dcgan", (1, 8, 8)), generator("dcgan", (1, 8, 8))
    G.train()(torch.randn(6, Z, generator=seeded()), torch.arange(6) % K)
    update_ema(average, G, 0.5)
    for kept, new in zip(average.buffers(), G.buffers(), strict=True):
        assert torch.equal(kept, new)
