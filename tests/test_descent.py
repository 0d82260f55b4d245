"""One update of a player: the right gradient moves the right weight."""

import pytest
import torch
from torch import nn

from ganaug.descent import adam, descend, gradients_of


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_gradient_that_lies_otherwise_in_memory_moves_the_weights_it_belongs_to(layout: torch.memory_format):
    player = nn.Conv2d(4, 3, 3).to(memory_format=torch.channels_last)
    before = player.weight.detach().clone()
    weighed = torch.randn(before.shape, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=layout)
    loss = (player.weight * weighed).sum() + sum(p.sum() for p in player.parameters() if p.ndim == 1)
    descend(player, gradients_of(loss, player), adam(player, 0.1, (0.0, 0.9)))
    # Adam's first step is the rate, against the sign of the gradient.
    assert torch.allclose(player.weight, before - 0.1 * weighed.sign(), atol=1e-5)
