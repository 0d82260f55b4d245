"""Every pair of networks keeps one contract; the parts they are made of do what their papers say."""

import copy
from collections.abc import Iterator

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import conv2d, max_pool2d, scaled_dot_product_attention

from ganaug.checkpoint import dump_module, load_module
from ganaug.conditioning import Discriminator
from ganaug.nets import NETS, describe, spectrally_normalised, step_bytes, step_seconds
from ganaug.nets.biggan import Attention
from ganaug.nets.blocks import double, double_in_pools
from ganaug.nets.cost import flops
from ganaug.nets.resnet import ConditionalNorm
from ganaug.nets.style import Colour, Equal, Modulated, Noise, demodulation

SHAPES = [(1, 8, 8), (2, 9, 100), (1, 28, 28), (4, 33, 48), (3, 64, 64)]
K, WIDTH, Z, N = 3, 8, 6, 6
Shape = tuple[int, int, int]


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def seeded(number: int = 0) -> Generator:
    return Generator().manual_seed(number)


def awake(module: nn.Module) -> nn.Module:
    """Layers that are born zero get weights, so that gradients show which parameters are in use."""
    for parameter in module.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    return module


def generator(name: str, shape: Shape = (1, 16, 16), width: int = WIDTH) -> nn.Module:
    return awake(NETS[name].generator(shape, K, width, Z))


def trunk(name: str, shape: Shape = (1, 16, 16), width: int = WIDTH) -> nn.Module:
    return awake(NETS[name].trunk(shape, width))


def latents(n: int = N) -> tuple[Tensor, Tensor]:
    return torch.randn(n, Z, generator=seeded()), torch.arange(n) % K


def in_bf16(net: nn.Module, *inputs: Tensor) -> Tensor:
    """What `net` gives as it is trained on a CPU."""
    net = copy.deepcopy(net).to(memory_format=torch.channels_last)
    inputs = tuple(x.to(memory_format=torch.channels_last) if x.ndim == 4 else x for x in inputs)
    with torch.autocast("cpu", torch.bfloat16):
        return net(*inputs)


def unreached(module: nn.Module, loss: Tensor) -> list[str]:
    """Parameters that no gradient, or one that is not finite, reaches."""
    names, values = zip(*module.named_parameters(), strict=True)
    gradients = torch.autograd.grad(loss, values, allow_unused=True)
    return [n for n, g in zip(names, gradients, strict=True) if g is None or not g.any() or not g.isfinite().all()]


# ---- every pair


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", NETS)
class TestEveryShape:
    def test_images_and_features_are_finite_and_reach_every_parameter(self, name: str, shape: Shape):
        G, T = generator(name, shape), trunk(name, shape)
        images = G(*latents())
        assert images.shape == (N, *shape) and images.dtype == torch.float32 and images.isfinite().all()
        features = T(images)
        assert features.shape == (N, T.out_features) and features.isfinite().all()
        assert unreached(T, features.square().sum()) == []
        weights = torch.randn(features.shape, generator=seeded())  # a batch norm hides the sum of squares
        assert unreached(G, (T(G(*latents())) * weights).sum()) == []

    def test_half_precision_in_channels_last_is_close_to_single(self, name: str, shape: Shape):
        G, T, (z, labels) = generator(name, shape).eval(), trunk(name, shape).eval(), latents()
        images = G(z, labels)
        half = in_bf16(G, z, labels)
        assert half.dtype == torch.float32
        assert (half - images).abs().mean() < 0.03 * images.std() + 1e-3
        noise = torch.randn(N, *shape, generator=seeded())
        features = T(noise)
        assert (in_bf16(T, noise).float() - features).norm() < 0.03 * features.norm()


@pytest.mark.parametrize("name", NETS)
class TestEveryPair:
    @pytest.mark.parametrize("channels", [1, 2, 3, 4])
    def test_any_number_of_channels(self, name: str, channels: int):
        images = generator(name, (channels, 10, 8))(*latents())
        assert images.shape == (N, channels, 10, 8)
        assert trunk(name, (channels, 10, 8))(images).shape[0] == N

    def test_served_images_do_not_depend_on_the_batch(self, name: str):
        G, (z, labels) = generator(name).train(), latents(12)
        G(z, labels)  # running statistics that are not those of birth
        G.eval()
        for scale in (1.0, 0.5, 1.5):
            whole = G(z, labels, scale)
            for rows in ([3], [3, 0], [5, 3, 3, 1, 11]):
                assert torch.allclose(G(z[rows], labels[rows], scale), whole[rows], atol=1e-5)

    def test_the_class_and_the_latent_matter_to_every_image(self, name: str):
        G, (z, labels) = generator(name).train(), latents()
        images = G(z, labels)
        assert ((G(z, (labels + 1) % K) - images).abs().flatten(1).amax(1) > 1e-3).all()
        assert ((G(z.flip(0), labels) - images).abs().flatten(1).amax(1) > 1e-3).all()

    def test_a_scale_of_one_is_none(self, name: str):
        G, (z, labels) = generator(name).eval(), latents()
        assert torch.equal(G(z, labels, 1.0), G(z, labels)) and torch.equal(G(z, labels, scale=1.0), G(z, labels))

    def test_images_spread_as_the_scale_grows(self, name: str):
        G = NETS[name].generator((1, 16, 16), K, WIDTH, Z).eval()
        z = torch.randn(64, Z, generator=seeded())
        with torch.no_grad():
            images = [G(z, torch.zeros(64).long(), scale) for scale in (0.0, 0.5, 1.0, 1.5)]
        spread = [float(x.std(0).mean()) for x in images]
        assert spread == sorted(spread) and spread[0] < 0.01 * spread[2]
        assert spread[1] < 0.8 * spread[2] and spread[3] > 1.1 * spread[2]

    @pytest.mark.parametrize("half", [False, True])
    def test_a_penalty_on_gradients_can_be_differentiated(self, name: str, half: bool):
        T, images = trunk(name), torch.randn(N, 1, 16, 16, generator=seeded())
        if half:
            T, images = T.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
        images.requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            features = T(images).float()
            (gradient,) = torch.autograd.grad(features.square().sum(), images, create_graph=True)
        assert gradient.dtype == torch.float32 and gradient.any()
        assert [n for n in unreached_twice(T, gradient) if not n.endswith("bias")] == []

    def test_it_compiles_into_one_graph_with_the_gradients_of_plain_torch(self, name: str):
        z, labels = latents()

        def gradients(players: nn.ModuleList, *, compiled: bool) -> tuple[Tensor, ...]:
            def loss(z: Tensor) -> Tensor:
                G, D = players
                return D(G(z, labels), labels).logits.square().sum()

            call = torch.compile(loss, fullgraph=True, backend="aot_eager") if compiled else loss
            return torch.autograd.grad(call(z), list(players.parameters()))

        players = nn.ModuleList([generator(name), Discriminator(trunk(name), K, projection=True, class_head=None)])
        expected = gradients(copy.deepcopy(players), compiled=False)  # a copy, for use refines what spectral norms know
        for found, one in zip(gradients(players, compiled=True), expected, strict=True):
            assert torch.allclose(found, one, atol=1e-4 * float(one.abs().max()))

    def test_it_can_be_counted_without_memory(self, name: str):
        with torch.device("meta"):
            G, T = NETS[name].generator((3, 512, 512), 10, 64, 64), NETS[name].trunk((3, 512, 512), 64)
        assert all(t.is_meta for t in (*G.state_dict().values(), *T.state_dict().values()))
        sizes = "{:,} parameters, discriminator {:,}".format(*(sum(p.numel() for p in m.parameters()) for m in (G, T)))
        line = describe(name, (3, 512, 512), 10, 64, 64, batch_size=16, precision="bf16")
        assert sizes in line and "GB" in line

    def test_weights_return_from_their_bytes(self, name: str):
        G, (z, labels) = generator(name), latents()
        G(z, labels)
        again = NETS[name].generator((1, 16, 16), K, WIDTH, Z)
        load_module(again, dump_module(G), name)
        assert torch.equal(again.eval()(z, labels), G.eval()(z, labels))
        with torch.device("meta"):
            empty = NETS[name].generator((1, 16, 16), K, WIDTH, Z)
        load_module(empty, dump_module(G), name)
        assert torch.equal(empty.eval()(z, labels), G(z, labels))

    def test_equal_seeds_build_equal_networks(self, name: str):
        torch.manual_seed(3)
        one = dump_module(generator(name)), dump_module(trunk(name))
        torch.manual_seed(3)
        assert one == (dump_module(generator(name)), dump_module(trunk(name)))

    def test_cost_rises_with_size_and_falls_with_precision(self, name: str):
        small, large = ((name, (1, side, side), 10, 16, 64) for side in (16, 64))
        for cost in (step_seconds, step_bytes):
            assert cost(*small, batch_size=32) < cost(*large, batch_size=32) < cost(*large, batch_size=64)
            assert cost(*large, batch_size=64, precision="bf16") < cost(*large, batch_size=64)


def unreached_twice(module: nn.Module, gradient: Tensor) -> list[str]:
    """Parameters that do not move `gradient`, or by no finite number."""
    names, values = zip(*module.named_parameters(), strict=True)
    second = torch.autograd.grad(gradient.square().sum(), values, allow_unused=True)
    return [n for n, g in zip(names, second, strict=True) if g is None or not g.any() or not g.isfinite().all()]


# ---- spectral normalisation


@pytest.mark.parametrize("name", NETS)
class TestSpectral:
    def test_every_layer_has_norm_one(self, name: str):
        T = spectrally_normalised(trunk(name)).train()
        images = torch.randn(N, 1, 16, 16, generator=seeded())
        for _ in range(30):
            T(images)
        layers = [m for m in T.modules() if isinstance(m, nn.Conv2d | nn.Linear | Equal)]
        used = [m.scaled() if isinstance(m, Equal) else m.weight for m in layers]
        norms = [float(torch.linalg.svdvals(weight.detach().flatten(1))[0]) for weight in used]
        assert len(norms) >= 2 and norms == pytest.approx([1.0] * len(norms), abs=0.02)
        assert T(images).isfinite().all() and unreached(T, T(images).sum()) == []


def normalised() -> nn.Module:
    layers = nn.Conv2d(3, 5, 3), nn.Flatten(), nn.Linear(5 * 4, 7)
    return spectrally_normalised(nn.Sequential(*layers))


def test_spectral_norm_divides_by_the_largest_singular_value():
    for layer in (nn.Conv2d(3, 5, 3), nn.Linear(6, 4), nn.Embedding(5, 3)):
        with torch.no_grad():
            layer.weight *= 7
        expected = layer.weight / torch.linalg.svdvals(layer.weight.flatten(1))[0]
        spectrally_normalised(layer).train()
        *_, last = (layer.weight for _ in range(100))
        assert torch.allclose(last, expected, atol=1e-4)


def test_spectral_norm_refines_in_training_alone_and_reads_do_not_disturb_a_waiting_graph():
    net, x = normalised(), torch.randn(2, 3, 4, 4)
    before = dump_module(net)
    net.eval()(x)
    assert dump_module(net) == before
    net.train()
    loss = net(x).square().sum()
    net(x)
    loss.backward()
    assert dump_module(net) != before


def test_spectral_norm_is_the_same_in_half_precision_and_after_copies_and_bytes():
    net = normalised()
    copied, loaded = copy.deepcopy(net), normalised()
    load_module(loaded, dump_module(net), "net")
    x = torch.randn(2, 3, 4, 4)
    images = net(x)
    assert torch.equal(copied(x), images) and torch.equal(loaded(x), images)
    halved = copy.deepcopy(net)
    with torch.autocast("cpu", torch.bfloat16):
        assert halved(x).dtype == torch.bfloat16 and net[0].weight.dtype == torch.float32  # type: ignore[index]
        assert halved[0].weight.dtype == torch.float32  # type: ignore[index]
    net(x)
    assert dump_module(halved) != dump_module(copied)
    assert all(torch.equal(a, b) for a, b in zip(halved.buffers(), net.buffers(), strict=True))


def test_spectral_norm_can_be_differentiated_twice_and_built_without_memory():
    layer = spectrally_normalised(nn.Linear(4, 3)).double().eval()
    weight = layer.parametrizations.weight.original  # type: ignore

    def output(weight: Tensor, x: Tensor) -> Tensor:
        return x @ layer.parametrizations.weight[0](weight).T  # type: ignore

    inputs = weight.detach().clone().requires_grad_(), torch.randn(2, 4, dtype=torch.float64, requires_grad=True)  # type: ignore
    assert torch.autograd.gradcheck(output, inputs) and torch.autograd.gradgradcheck(output, inputs)
    with torch.device("meta"):
        assert spectrally_normalised(nn.Linear(4, 3))(torch.zeros(2, 4)).is_meta


# ---- parts


def test_modulation_is_a_convolution_with_weights_of_each_samples_own():
    x, w, shift = torch.randn(4, 3, 7, 9), torch.randn(4, 5), torch.randn(6, 1, 1)
    for layer in (Modulated(3, 6, 5), Colour(3, 6, 5)):
        weight = layer.conv.weight[None] * layer.conv.scale * layer.style(w)[:, None, :, None, None]  # eq. 1
        if isinstance(layer, Modulated):
            weight = weight / (weight.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()  # eq. 3
        slow = torch.cat([conv2d(x[i : i + 1], weight[i], padding=weight.shape[-1] // 2) for i in range(4)])
        if isinstance(layer, Modulated):
            assert torch.allclose(layer(x, w, shift, 2.0), 2 * (slow + shift), atol=1e-5)
        else:
            assert torch.allclose(layer(x, w), slow, atol=1e-5)


def test_demodulated_outputs_have_unit_variance_whatever_the_style():
    layer, w, none = Modulated(16, 8, 5), 3 * torch.randn(2, 5), torch.zeros(8, 1, 1)
    x = torch.randn(2, 16, 128, 128)
    assert torch.allclose(layer(x, w, none)[:, :, 1:-1, 1:-1].var((2, 3)), torch.ones(2, 8), atol=0.05)
    with torch.autocast("cpu", torch.bfloat16):
        half = demodulation(layer.style(w).float(), layer.conv.scaled())
    assert half.dtype == torch.float32


def test_noise_is_a_function_of_z_with_unit_variance_that_hardly_repeats():
    noise = Noise(64, 6, 10)
    maps = noise(torch.randn(4000, 64)).flatten(1)
    assert maps.shape == (4000, 60) and abs(float(maps.var(0).mean()) - 1) < 0.02
    between = torch.corrcoef(maps.T) - torch.eye(60)
    assert between.square().mean().sqrt() < 0.15  # 1 / sqrt(64) for independent signs
    z = torch.randn(1, 64)
    assert torch.equal(noise(z), noise(z)) and not torch.equal(noise(z), noise(-z))


def test_the_style_scale_moves_w_along_the_line_through_the_mean_of_the_class():
    G, (z, labels) = generator("style"), latents()
    inner, middle, outer = (G._centres(labels).lerp(G.mapping(z, labels), s) for s in (0.0, 1.0, 2.0))  # type: ignore
    assert torch.allclose(inner + outer, 2 * middle, atol=1e-5)
    assert torch.equal(inner[0], inner[3]) and not torch.allclose(inner[0], inner[1])
    many = torch.randn(20_000, Z, generator=seeded(5))
    difference = G.mapping(many, torch.zeros(20_000).long()).mean(0) - inner[0]  # type: ignore
    assert difference.norm() < 0.1 * inner[0].norm()


def test_scaling_multiplies_z_where_there_is_no_mapping_network():
    for name in ("residual", "resnet", "biggan", "dcgan"):
        G, (z, labels) = generator(name).eval(), latents()
        assert torch.equal(G(z, labels, 1.5), G(1.5 * z, labels))


def test_resnet_features_are_sums_over_positions():
    T = trunk("resnet", (1, 16, 16)).eval()
    rising = torch.relu(T.blocks(torch.randn(2, 1, 16, 16, generator=seeded())))  # type: ignore
    assert rising.shape[2:] == (4, 4)
    assert torch.allclose(T(torch.randn(2, 1, 16, 16, generator=seeded())), 16 * rising.mean((2, 3)), atol=1e-4)


def test_conditional_normalisation_is_batch_norm_with_a_gain_and_a_bias_of_the_class():
    norm = ConditionalNorm(4, K)
    x, labels = 3 * torch.randn(60, 4, 5, 5) + 1, torch.arange(60) % K
    assert torch.allclose(norm(x, labels), nn.BatchNorm2d(4)(x), atol=1e-5)
    with torch.no_grad():
        norm.gain.weight[1], norm.bias.weight[1] = 2.0, 5.0
    moved, plain = norm(x, labels), nn.BatchNorm2d(4)(x)
    assert torch.allclose(moved[labels == 1], 2 * plain[labels == 1] + 5, atol=1e-4)
    assert torch.allclose(moved[labels != 1], plain[labels != 1], atol=1e-5)


def test_attention_is_softmax_over_pooled_positions_and_nothing_at_birth():
    layer, x = Attention(16), torch.randn(2, 16, 6, 7)
    assert torch.equal(layer(x), x)
    nn.init.constant_(layer.strength, 0.5)
    key, value = (max_pool2d(part(x), 2, ceil_mode=True).flatten(2).mT for part in (layer.key, layer.value))
    found = scaled_dot_product_attention(layer.query(x).flatten(2).mT, key, value, scale=1.0)
    assert torch.allclose(layer(x), x + 0.5 * layer.output(found.mT.unflatten(2, (6, 7))), atol=1e-5)


def test_each_block_of_biggan_has_numbers_of_z_of_its_own():
    G = NETS["biggan"].generator((1, 32, 32), K, WIDTH, 32)
    z, labels = torch.zeros(1, 32), torch.zeros(1).long()
    seen: list[list[Tensor]] = [[] for _ in G.blocks]  # type: ignore[arg-type]
    for found, block in zip(seen, G.blocks, strict=True):  # type: ignore[arg-type]
        block.register_forward_pre_hook(lambda _, inputs, found=found: found.append(inputs[1][0]))
    G(z, labels)
    for number in range(32):
        G(torch.eye(32)[number : number + 1], labels)
    moved = [[not torch.equal(one, found[0]) for one in found[1:]] for found in seen]
    assert [sum(row) for row in moved] == [8, 8, 8] and [row.index(True) for row in moved] == [8, 16, 24]


def test_biggan_has_the_published_arithmetic_at_32_px():
    """7.65 and 1.25 GFLOP an image, less the shortcuts that a 1x1 convolution before the repetition saves."""
    with torch.device("meta"):
        G, T = NETS["biggan"].generator((3, 32, 32), 10, 96, 80), NETS["biggan"].trunk((3, 32, 32), 96)
        counted = flops(G, torch.zeros(1, 80), torch.zeros(1).long()), flops(T, torch.zeros(1, 3, 32, 32))
    assert counted == pytest.approx((7.36e9, 1.23e9), rel=0.01)


def test_sides_double_alike_on_every_device():
    x = torch.randn(2, 3, 5, 7)
    assert torch.allclose(double(x), double_in_pools(x), atol=1e-6)
