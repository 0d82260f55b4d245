"""Objectives and schedules against closed forms and slow, independent formulas."""

import math

import pytest
import torch
from torch import Generator, Tensor, nn

from ganaug.conditioning import CLASS_HEADS, Discriminator, Sphere, d2d_ce, spread_within
from ganaug.losses import ADVERSARIAL, gradient_penalty, patch_nce
from ganaug.training import cosine, ema_beta, label_weight, update_ema
from ganaug.training.adapt import augmented


def normal(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=Generator().manual_seed(0), dtype=dtype)


def test_r1_of_a_linear_discriminator_is_its_squared_weight_norm():
    weight, images = normal(1, 2, 5, 5), normal(7, 2, 5, 5)
    penalty, _ = gradient_penalty(lambda x: ((x * weight).sum(dim=(1, 2, 3)) + 3,), images)
    assert torch.allclose(penalty, weight.square().sum().expand(7))


def test_r1_of_a_quadratic_discriminator_is_four_times_the_squared_image_norm():
    images = normal(3, 1, 4, 4)
    penalty, _ = gradient_penalty(lambda x: (x.square().sum(dim=(1, 2, 3)),), images)
    assert torch.allclose(penalty, 4 * images.square().sum(dim=(1, 2, 3)))


def test_r1_equals_finite_differences_and_so_does_its_own_gradient():
    torch.manual_seed(0)
    first = nn.Conv2d(1, 3, 3)
    D, weight = nn.Sequential(first, nn.Softplus(), nn.Flatten(), nn.Linear(12, 1)).double(), first.weight
    images = normal(2, 1, 4, 4)

    def squared_norm() -> Tensor:
        step, total = 1e-6, torch.zeros(2, dtype=torch.float64)
        for i in range(16):
            nudge = torch.zeros(16, dtype=torch.float64)
            nudge[i] = step
            up, down = (D(images + s * nudge.view(1, 1, 4, 4)).squeeze(1) for s in (1, -1))
            total += ((up - down) / (2 * step)).square()
        return total.detach()

    def penalty() -> Tensor:
        return gradient_penalty(lambda x: (D(x).squeeze(1),), images)[0]

    assert torch.allclose(penalty(), squared_norm(), rtol=1e-6)
    (exact,) = torch.autograd.grad(penalty().sum(), weight)
    weight.data[0, 0, 0, 0] += 1e-5
    up = penalty().sum().item()
    weight.data[0, 0, 0, 0] -= 2e-5
    down = penalty().sum().item()
    assert (up - down) / 2e-5 == pytest.approx(float(exact[0, 0, 0, 0]), rel=1e-5)


def test_players_that_cannot_tell_pay_log_two():
    equal = torch.full((4,), 1.7)
    relativistic = ADVERSARIAL["relativistic"]
    for loss in (relativistic.discriminator(equal, equal), relativistic.generator(equal, equal)):
        assert loss.tolist() == pytest.approx([math.log(2)] * 4)
    assert ADVERSARIAL["nonsaturating"].discriminator(torch.zeros(1), torch.zeros(1)).item() == pytest.approx(
        2 * math.log(2)
    )


def test_the_relativistic_loss_sees_only_the_difference():
    real, fake = normal(2, 9)
    for loss in (ADVERSARIAL["relativistic"].discriminator, ADVERSARIAL["relativistic"].generator):
        assert torch.allclose(loss(real + 5, fake + 5), loss(real, fake))
    sigmoid = 1 / (1 + torch.exp(-(real - fake)))
    assert torch.allclose(ADVERSARIAL["relativistic"].discriminator(real, fake), -sigmoid.log())


def test_hinge_least_squares_and_nonsaturating_by_hand():
    real, fake = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-2.0, 0.5, 1.0])
    assert ADVERSARIAL["hinge"].discriminator(real, fake).tolist() == [0.0, 2.0, 4.0]
    assert ADVERSARIAL["hinge"].generator(real, fake).tolist() == [2.0, -0.5, -1.0]
    assert ADVERSARIAL["least_squares"].discriminator(real, fake).tolist() == [5.0, 0.5, 5.0]
    assert ADVERSARIAL["least_squares"].generator(real, fake).tolist() == [9.0, 0.25, 0.0]
    expected = [
        -math.log(1 / (1 + math.exp(-r))) - math.log(1 - 1 / (1 + math.exp(-f)))
        for r, f in zip(real, fake, strict=True)
    ]
    assert ADVERSARIAL["nonsaturating"].discriminator(real, fake).tolist() == pytest.approx(expected)


def test_losses_stay_finite_at_extreme_logits():
    big = torch.tensor([1e4, -1e4])
    for name in ("relativistic", "nonsaturating"):
        assert ADVERSARIAL[name].discriminator(big, -big).isfinite().all()
        assert ADVERSARIAL[name].generator(big, -big).isfinite().all()


IDENTITY = nn.Identity()  # a head whose class logits are the features themselves


def test_adcgan_is_a_classifier_of_twice_the_classes():
    K, N = 4, 6
    real, fake, labels = normal(2 * K * N).view(N, 2 * K), normal(N, 2 * K) * 2, torch.arange(N) % K
    head = CLASS_HEADS["adcgan"]
    assert head.build(5, K)(torch.zeros(1, 5)).shape == (1, 2 * K)
    on_d, on_g = head.discriminator(IDENTITY, real, fake, labels), head.generator(IDENTITY, fake, labels)
    for n in range(N):
        y = int(labels[n])
        p_real = [math.exp(v) / sum(math.exp(u) for u in real[n]) for v in real[n]]
        p_fake = [math.exp(v) / sum(math.exp(u) for u in fake[n]) for v in fake[n]]
        assert on_d[n].item() == pytest.approx(-math.log(p_real[y]) - math.log(p_fake[K + y]))
        assert on_g[n].item() == pytest.approx(-math.log(p_fake[y]) + math.log(p_fake[K + y]))
    assert torch.equal(head.class_logits(IDENTITY, real), real[:, :K])


def test_acgan_is_cross_entropy_on_real_and_fake_alike():
    K, N = 3, 5
    real, fake, labels = normal(N, K), normal(N, K) - 1, torch.arange(N) % K
    head = CLASS_HEADS["acgan"]
    by_hand = [
        -math.log(math.exp(row[y]) / sum(math.exp(v) for v in row))
        for row, y in zip(fake.tolist(), labels.tolist(), strict=True)
    ]
    on_g = head.generator(IDENTITY, fake, labels)
    assert on_g.tolist() == pytest.approx(by_hand)
    assert torch.allclose(
        head.discriminator(IDENTITY, real, fake, labels), head.generator(IDENTITY, real, labels) + on_g
    )


def sphere(K: int, width: int) -> Sphere:
    torch.manual_seed(0)
    return Sphere(width, K).double()


def test_d2d_ce_by_a_slow_formula():
    K, N = 3, 7
    head, features, labels = sphere(K, 6), 3 * normal(N, 6), torch.arange(N) % K
    places = [row / row.norm() for row in head.embed(features)]
    proxies = [row / row.norm() for row in head.proxies.weight]
    losses = d2d_ce(head, features, labels)
    for n in range(N):
        own = math.exp(min(float((places[n] @ proxies[int(labels[n])]).detach()) - 0.98, 0) / 0.5)
        others = sum(
            math.exp(max(float((places[n] @ places[m]).detach()) - 0.02, 0) / 0.5)
            for m in range(N)
            if labels[m] != labels[n]
        )
        assert losses[n].item() == pytest.approx(-math.log(own / (own + others)))


def test_d2d_ce_of_a_batch_of_one_class_is_nothing_and_has_a_gradient():
    head, features = sphere(3, 6), normal(4, 6).requires_grad_()
    loss = d2d_ce(head, features, torch.ones(4, dtype=torch.int64)).sum()
    (gradient,) = torch.autograd.grad(loss, features)
    assert loss.item() == 0.0 and gradient.isfinite().all()


def test_reacgan_asks_nothing_of_d_on_fakes_and_does_not_grow_with_the_features():
    head, module, labels = CLASS_HEADS["reacgan"], sphere(3, 6), torch.arange(5) % 3
    module.embed.bias.data.zero_()
    real, fake = normal(2, 5, 6)
    on_d = head.discriminator(module, real, fake, labels)
    assert torch.equal(on_d, head.discriminator(module, real, 7 * fake, labels))
    assert torch.allclose(on_d, head.discriminator(module, 100 * real, fake, labels))


def test_the_spread_within_a_class_is_the_mean_deviation_of_its_features():
    features, groups = normal(9, 4).float(), torch.tensor([0, 0, 0, 1, 1, 1, 1, 2, 2])
    spread = spread_within(features, groups).squeeze(1)
    for k in range(3):
        rows = features[groups == k]
        assert torch.allclose(spread[groups == k], rows.std(0, correction=0).mean().expand(len(rows)), atol=1e-4)
    assert spread_within(torch.ones(4, 2), torch.tensor([0, 0, 1, 2])).abs().max() < 1e-3


def test_an_image_whose_label_is_not_believed_is_judged_alike_under_any():
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Flatten(), nn.Linear(64, 8))
    trunk.out_features = 8  # type: ignore[assignment]
    D = Discriminator(trunk, 3, projection=True, class_head=None, minibatch_std=True)
    images, trust = normal(6, 1, 8, 8, dtype=torch.float32), torch.zeros(6)
    one, other = (D(images, torch.tensor(labels), trust).logits for labels in ([0, 1, 2, 0, 1, 2], [0, 0, 0, 0, 1, 1]))
    assert torch.equal(one, other)
    assert not torch.equal(D(images, torch.tensor([0, 0, 0, 0, 1, 1])).logits, one)


def test_labels_come_in_over_the_second_half_of_the_ramp():
    assert [label_weight(p / 10, 0.4) for p in range(6)] == pytest.approx([0, 0, 0, 0.5, 1, 1])
    assert label_weight(0.0, 0.0) == 1.0


def test_the_average_forgets_half_in_a_half_life():
    average, current = nn.Linear(1, 1), nn.Linear(1, 1)
    average.weight.data.fill_(1.0)
    current.weight.data.fill_(0.0)
    batch, half_life = 10, 1000
    for step in range(10_000, 10_000 + half_life // batch):
        update_ema(average, current, ema_beta(step, batch, half_life))
    assert average.weight.item() == pytest.approx(0.5, abs=1e-5)


def test_the_average_starts_close_to_the_weights():
    assert ema_beta(0, 64, 1e6) == pytest.approx(0.5**20)  # the half-life is a twentieth of the 64 images shown
    assert ema_beta(99, 64, 1e6) == pytest.approx(0.5**0.2)
    betas = [ema_beta(step, 64, 10_000) for step in range(0, 10_000, 10)]
    assert betas == sorted(betas) and betas[-1] == pytest.approx(0.5 ** (64 / 10_000))


def test_cosine_runs_from_one_through_the_middle_to_the_end():
    assert [cosine(p, 0.1) for p in (0, 0.5, 1)] == pytest.approx([1.0, 0.55, 0.1])
    assert [cosine(p / 9, 1.0) for p in range(10)] == [1.0] * 10
    rates = [cosine(p / 100, 0.05) for p in range(101)]
    assert rates == sorted(rates, reverse=True)


def test_colour_shifts_stay_within_the_paper_s_ranges():
    x = torch.zeros(500, 3, 8, 8) + torch.tensor([0.4, 0.0, -0.4]).view(1, 3, 1, 1)
    out = augmented(x, 1.0, "color", Generator().manual_seed(0))
    means = out.mean(dim=(1, 2, 3))
    assert means.abs().max() <= 0.5 + 1e-6 and means.abs().max() > 0.45  # brightness: +- 0.5
    spread = (out[:, 0] - out[:, 2]).mean(dim=(1, 2))
    assert spread.min() >= -1e-6 and spread.max() <= 0.8 * 2 * 1.5 + 1e-6  # saturation 0..2, contrast 0.5..1.5


def test_translation_moves_by_an_eighth_and_repeats_the_border():
    x = torch.arange(16.0).expand(300, 1, 16, 16)
    out = augmented(x, 1.0, "translation", Generator().manual_seed(0))
    shifts = {tuple(row) for row in out[:, 0, 0].int().tolist()}
    assert shifts == {tuple(min(max(i + s, 0), 15) for i in range(16)) for s in range(-2, 3)}


def test_cutout_blanks_a_window_of_half_the_side():
    x = torch.ones(400, 1, 12, 12)
    blank = (augmented(x, 1.0, "cutout", Generator().manual_seed(0)) == 0)[:, 0]
    rows, columns = blank.any(2).sum(1), blank.any(1).sum(1)
    assert rows.max() == columns.max() == 6 and rows.min() >= 3  # clipped where the centre lies at the border
    assert torch.equal(blank.sum(dim=(1, 2)), rows * columns)


def test_patch_nce_is_the_cross_entropy_over_the_places_of_one_image():
    rng = Generator().manual_seed(0)
    queries, keys = torch.randn(2, 3, 4, 5, generator=rng).double()
    expected = []
    for q, k in zip(queries.tolist(), keys.tolist(), strict=True):
        total = 0.0
        for place, one in enumerate(q):
            cosines = [
                sum(x * y for x, y in zip(one, other, strict=True)) / (math.hypot(*one) * math.hypot(*other))
                for other in k
            ]
            odds = [math.exp(cosine / 0.07) for cosine in cosines]
            total -= math.log(odds[place] / sum(odds))
        expected.append(total / len(q))
    assert patch_nce(queries, keys).tolist() == pytest.approx(expected, rel=1e-4)


def test_patch_nce_of_patches_that_all_look_alike_is_log_of_their_number():
    alike = torch.ones(2, 16, 3)
    assert patch_nce(alike, alike).tolist() == pytest.approx([math.log(16)] * 2)


def test_patch_nce_is_exact_though_the_networks_are_not():
    queries, keys = torch.randn(2, 3, 4, 5, generator=Generator().manual_seed(0))
    exact = patch_nce(queries, keys)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(patch_nce(queries, keys), exact)
