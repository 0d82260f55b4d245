"""How many images are rendered at once: always as many, and fewer where memory runs out."""

import logging
from typing import Any

import pytest
import torch
from generators import generator
from torch import Tensor, nn

from ganaug.errors import DeviceError
from ganaug.nets import NETS
from ganaug.synthesis import Architecture, Synthesizer
from ganaug.synthesis.batches import batch_size

CPU, CUDA, MPS = (torch.device(name) for name in ("cpu", "cuda", "mps"))


@pytest.mark.parametrize(
    ("width", "side", "on_cpu", "on_gpu"),
    [(16, 8, 64, 512), (16, 32, 64, 512), (32, 32, 32, 512), (64, 32, 16, 512), (256, 32, 8, 256), (256, 256, 8, 32)],
)
def test_the_batch_fills_a_cache_on_the_cpu_and_is_several_hundred_elsewhere(
    width: int, side: int, on_cpu: int, on_gpu: int
):
    architecture = Architecture(name="residual", width=width, z_dim=8, shape=(3, side, side), classes=("a", "b"))
    assert [batch_size(architecture, device) for device in (CPU, CUDA, MPS)] == [on_cpu, on_gpu, on_gpu]


@pytest.mark.parametrize("name", NETS)
def test_images_are_the_same_on_any_number_of_threads(name: str):
    synth, labels = generator((3, 20, 16), name=name), torch.arange(70) % 3
    one, _ = synth.sample(labels, seed=5)
    torch.set_num_threads(3)
    try:
        assert torch.equal(synth.sample(labels, seed=5)[0], one)
    finally:
        torch.set_num_threads(1)


def test_what_is_still_trained_on_stays_as_it_lies():
    architecture = Architecture(name="dcgan", width=4, z_dim=6, shape=(3, 16, 16), classes=("a", "b"))
    G = architecture.build()
    places = [(p.data_ptr(), p.stride(), p.requires_grad) for p in G.parameters()]
    Synthesizer(G, architecture, {}, "cpu").sample([0, 1])
    assert [(p.data_ptr(), p.stride(), p.requires_grad) for p in G.parameters()] == places and G.training


class Cramped(nn.Module):
    """A generator whose device holds so many images at once."""

    def __init__(self, G: nn.Module, most: int):
        super().__init__()
        self.G, self.most, self.sizes = G, most, list[int]()

    def forward(self, z: Tensor, labels: Tensor, scale: float) -> Tensor:
        self.sizes.append(len(z))
        if len(z) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return self.G(z, labels, scale)


def cramped(most: int) -> tuple[Synthesizer, Any]:
    synth = generator()
    synth.G = Cramped(synth.G, most)
    return synth, synth.G


def test_where_memory_runs_out_fewer_are_rendered_at_once_and_the_log_says_so_once(caplog: pytest.LogCaptureFixture):
    (synth, G), labels = cramped(most=20), torch.arange(50) % 3
    with caplog.at_level(logging.WARNING, "ganaug"):
        images, _ = synth.sample(labels, seed=5)
        again, _ = synth.sample(labels, seed=5)
    assert G.sizes == [64, 32, 16, 16, 16, 16] + 4 * [16] and synth.batch == 16
    whole, _ = generator().sample(labels, seed=5)
    assert torch.equal(images, again) and (images.int() - whole.int()).abs().max() <= 1
    assert [record.getMessage() for record in caplog.records] == [
        "cpu has no memory for 64 images at once: fewer are rendered at once now"
    ]


def test_where_not_even_one_image_fits_that_is_one_sentence():
    synth, _ = cramped(most=0)
    with pytest.raises(
        DeviceError, match=r"^cpu must have memory to render an image of 3 x 16 x 16, got too little for"
    ):
        synth.sample([0, 1])
