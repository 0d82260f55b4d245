"""One update of a player: the right gradient moves the right weight."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from ganaug.descent import adam, descend, gradients_of, tuned


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_gradient_that_lies_otherwise_in_memory_moves_the_weights_it_belongs_to(layout: torch.memory_format):
    player = nn.Conv2d(4, 3, 3).to(memory_format=torch.channels_last)
    before = player.weight.detach().clone()
    weighed = torch.randn(before.shape, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=layout)
    loss = (player.weight * weighed).sum() + sum(p.sum() for p in player.parameters() if p.ndim == 1)
    descend(player, gradients_of(loss, player), adam(player, 0.1, (0.0, 0.9)))
    # Adam's first step is the rate, against the sign of the gradient.
    assert torch.allclose(player.weight, before - 0.1 * weighed.sign(), atol=1e-5)


def switches() -> tuple[str, bool, bool]:
    cudnn = torch.backends.cudnn
    return torch.get_float32_matmul_precision(), cudnn.allow_tf32, cudnn.benchmark


def test_a_gpu_is_tuned_while_it_trains_and_then_as_it_was():
    before = switches()
    with pytest.raises(ZeroDivisionError), tuned(torch.device("cuda")):
        assert switches() == ("high", True, True) != before
        raise ZeroDivisionError
    assert switches() == before


@pytest.fixture
def exact_convolutions() -> Iterator[None]:
    """Set by the newer switches of torch, which then refuses to be asked in the older way."""
    conv: Any = torch.backends.cudnn.conv  # type: ignore[attr-defined]
    before, conv.fp32_precision = conv.fp32_precision, "ieee"
    yield
    assert conv.fp32_precision == "ieee"
    conv.fp32_precision = before


def test_precision_that_a_user_chose_is_left_alone(exact_convolutions: None):
    with tuned(torch.device("cuda")):
        assert torch.backends.cudnn.benchmark
    assert not torch.backends.cudnn.benchmark
