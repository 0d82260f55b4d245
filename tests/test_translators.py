"""Translators obey one contract at any sides; noise and patches do what their papers say."""

from collections.abc import Iterator

import pytest
import torch
from torch import Generator, Tensor, nn

from ganaug.checkpoint import dump_module, load_module
from ganaug.losses import gradient_penalty
from ganaug.nets.noise import Coins, StyledNorm, Waves
from ganaug.nets.patches import PatchDiscriminator, PatchHeads, draw_places, patch_downs
from ganaug.nets.translation import TRANSLATORS, as_channels, mirrored

SIDES = [(16, 16), (28, 28), (17, 31), (32, 100)]
CHANNELS = [(1, 1), (1, 3), (3, 3), (4, 1)]
WIDTH, Z, N = 4, 6, 3


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def seeded(number: int = 0) -> Generator:
    return Generator().manual_seed(number)


def images(channels: int, height: int, width: int) -> Tensor:
    return 2 * torch.rand(N, channels, height, width, generator=seeded()) - 1


def awake(module: nn.Module) -> nn.Module:
    """Layers that are born zero get weights, so that gradients show which parameters are in use."""
    for parameter in module.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    return module


def translator(name: str, inputs: int = 1, outputs: int = 3, noise_dim: int = Z, downs: int = 2) -> nn.Module:
    return awake(TRANSLATORS[name](inputs, outputs, WIDTH, noise_dim, downs, 2))


def unreached(module: nn.Module, loss: Tensor) -> list[str]:
    names, values = zip(*module.named_parameters(), strict=True)
    gradients = torch.autograd.grad(loss, values, allow_unused=True)
    return [n for n, g in zip(names, gradients, strict=True) if g is None or not g.any() or not g.isfinite().all()]


@pytest.mark.parametrize("name", TRANSLATORS)
class TestEveryTranslator:
    @pytest.mark.parametrize("sides", SIDES, ids=str)
    @pytest.mark.parametrize(("inputs", "outputs"), CHANNELS)
    def test_any_sides_and_channels(self, name: str, inputs: int, outputs: int, sides: tuple[int, int]):
        G = translator(name, inputs, outputs)
        out = G(images(inputs, *sides), torch.randn(N, Z, generator=seeded(1)))
        assert out.shape == (N, outputs, *sides) and out.dtype == torch.float32
        assert out.abs().max() <= 1 and out.isfinite().all()
        weights = torch.randn(out.shape, generator=seeded(2))
        assert unreached(G, (out * weights).sum()) == []

    def test_without_noise_it_is_one_image_for_one_image(self, name: str):
        G = translator(name, noise_dim=0)
        assert G(images(1, 16, 16), torch.zeros(N, 0)).shape == (N, 3, 16, 16)

    def test_the_noise_matters_and_each_image_has_its_own(self, name: str):
        G, x, z = translator(name), images(1, 24, 20), torch.randn(N, Z, generator=seeded(1))
        out = G(x, z)
        assert torch.equal(out, G(x, z))
        assert ((G(x, z.flip(0)) - out).abs().flatten(1).amax(1)[[0, 2]] > 1e-3).all()
        assert torch.allclose(G(x[1:2], z[1:2]), out[1:2], atol=1e-5)

    def test_in_eval_mode_and_after_reading_back_it_gives_the_same(self, name: str):
        G, other, z = translator(name), translator(name), torch.randn(N, Z, generator=seeded(1))
        load_module(other, dump_module(G), "G")
        assert torch.equal(other.eval()(images(1, 17, 16), z), G.train()(images(1, 17, 16), z))

    def test_half_precision_in_channels_last_is_close_to_single(self, name: str):
        G, x, z = translator(name), images(1, 32, 32), torch.randn(N, Z, generator=seeded(1))
        single = G(x, z)
        with torch.autocast("cpu", torch.bfloat16):
            half = G.to(memory_format=torch.channels_last)(x, z)  # type: ignore[call-overload]
        assert half.dtype == torch.float32 and (half - single).abs().mean() < 0.05 * single.std()

    def test_the_layers_that_are_compared_have_the_channels_that_are_promised(self, name: str):
        G = translator(name, inputs=3)
        layers = G.encode(images(3, 20, 16))  # type: ignore[operator]
        assert tuple(layer.shape[1] for layer in layers) == G.encoded
        assert all(layer.shape[2] > 1 for layer in layers)

    @pytest.mark.parametrize("downs", [1, 2, 3])
    def test_what_is_far_away_matters_only_through_the_norms(self, name: str, downs: int):
        """Fully convolutional: a patch of a periodic image is translated alike in one twice as large, inside."""
        G = translator(name, inputs=1, downs=downs, noise_dim=0)
        tile = images(1, 32, 32)[:1]
        once, twice = tile.repeat(1, 1, 6, 6), tile.repeat(1, 1, 12, 6)
        one, other = G(once, torch.zeros(1, 0)), G(twice, torch.zeros(1, 0))
        centre = slice(80, 112)
        assert (one[..., centre, centre] - other[..., centre, centre]).abs().mean() < 0.05


def test_a_unet_may_go_down_to_a_single_pixel_and_serve_images_smaller_than_its_stride():
    G = TRANSLATORS["unet"](1, 3, WIDTH, Z, 5, 0)
    for side in (16, 32, 33):
        assert G(images(1, side, side), torch.zeros(N, Z)).shape == (N, 3, side, side)


def test_waves_are_a_function_of_the_noise_alone_and_of_any_extent():
    waves, z = Waves(6), torch.randn(2, 6, generator=seeded())
    (small,), (large,) = waves(z, torch.zeros(2, 1, 16, 20)), waves(z, torch.zeros(2, 1, 40, 30))
    assert small.shape == (2, 3, 16, 20) and torch.equal(large[:, :, :16, :20], small)
    assert Waves(0)(z[:, :0], small) == [] and Waves(1)(z[:, :1], small) == []


def test_waves_have_as_much_power_at_every_place():
    (plane,) = Waves(8)(torch.randn(4000, 8, generator=seeded()), torch.zeros(1, 1, 16, 16))
    power = plane.square().mean((0, 1))
    assert power.min() > 0.9 and power.max() < 1.1


def test_a_norm_takes_away_gain_and_offset_of_an_image_and_gives_its_own():
    norm, x = StyledNorm(3, 2), torch.randn(4, 3, 8, 8, generator=seeded())
    plain = norm(x)
    assert torch.allclose(norm(5 * x + 7), plain, atol=1e-4)
    assert torch.allclose(plain.mean((2, 3)), torch.zeros(4, 3), atol=1e-5)
    z = torch.tensor([[1.0, -2.0]]).expand(4, 2)
    gain, bias = (norm.style.weight @ z[0]).chunk(2)  # type: ignore[union-attr]
    assert torch.allclose(norm(x, z), plain * (1 + gain[:, None, None]) + bias[:, None, None], atol=1e-5)


def test_coins_are_fair_a_function_of_the_noise_and_at_zero_leave_all():
    coins, x = Coins(8, 50), torch.ones(2000, 50, 1, 1)
    z = torch.randn(2000, 8, generator=seeded())
    thrown = coins(x, z)
    assert set(thrown.unique().tolist()) == {0.0, 2.0} and abs(thrown.mean().item() - 1) < 0.02
    assert torch.equal(thrown, Coins(8, 50)(x, z)) and torch.equal(coins(x, 0 * z), x)
    assert torch.equal(Coins(0, 50)(x, z[:, :0]), x)


def test_mirrored_is_numpys_reflection():
    import numpy as np

    x = torch.arange(30.0).view(1, 1, 5, 6)
    for multiple, margin in ((1, 0), (4, 1), (8, 3), (32, 3)):
        rows, columns = -5 % multiple, -6 % multiple
        pads = [(0, 0), (0, 0)] + [(side // 2 + margin, side - side // 2 + margin) for side in (rows, columns)]
        assert torch.equal(mirrored(x, multiple, margin), torch.from_numpy(np.pad(x.numpy(), pads, mode="reflect")))


def test_channels_are_averaged_or_repeated():
    x = images(3, 4, 4)
    assert as_channels(x, 3) is x and torch.equal(as_channels(x, 1), x.mean(1, keepdim=True))
    assert torch.equal(as_channels(x[:, :1], 3), x[:, :1].repeat(1, 3, 1, 1))


@pytest.mark.parametrize(("side", "downs", "patch"), [(16, 1, 16), (32, 2, 34), (96, 3, 70)])
def test_a_patch_logit_sees_its_patch_and_no_more(side: int, downs: int, patch: int):
    D = PatchDiscriminator(2, WIDTH, downs)
    assert patch_downs(side, side) == downs
    x = images(2, side + 64, side + 64).requires_grad_()
    logits = D(x)
    count = round(logits.shape[1] ** 0.5)
    assert logits.shape == (N, count**2)
    (seen,) = torch.autograd.grad(logits[1, count * (count // 2) + count // 2], x)
    assert not seen[0].any() and not seen[2].any()
    rows, columns = seen[1].abs().sum((0, 2)).nonzero(), seen[1].abs().sum((0, 1)).nonzero()
    assert rows.max() - rows.min() + 1 == columns.max() - columns.min() + 1 == patch


@pytest.mark.parametrize("side", [16, 28, 40, 64])
def test_a_discriminator_of_patches_can_be_penalised(side: int):
    D = PatchDiscriminator(3, WIDTH, patch_downs(side, side))
    penalty, _ = gradient_penalty(lambda x: (D(x).mean(1),), images(3, side, side))
    assert penalty.shape == (N,) and (penalty > 0).all()
    gradients = torch.autograd.grad(penalty.sum(), [layer.weight for layer in D.layers])  # type: ignore[misc]
    assert all(g.isfinite().all() and g.any() for g in gradients)


def test_heads_compare_the_places_that_were_drawn():
    layers = [images(2, 5, 4), images(3, 3, 3)]
    places = draw_places(layers, 10, seeded())
    assert [len(place) for place in places] == [10, 9] and all(len(p.unique()) == len(p) for p in places)
    heads = PatchHeads((2, 3), width=7)
    found = heads(layers, places)
    assert [tuple(f.shape) for f in found] == [(N, 10, 7), (N, 9, 7)]
    row, column = divmod(int(places[0][4]), 4)
    assert torch.allclose(found[0][:, 4], heads.heads[0](layers[0][:, :, row, column]), atol=1e-6)
