"""Spectral normalisation: every layer of a network multiplies no vector's length by more than about 1."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils.parametrize import register_parametrization

from ganaug.nets.blocks import unrounded
from ganaug.nets.style import Equal

FIRST = 15  # power iterations before the first use; later uses add one each
SMALLEST = 1e-12


def spectrally_normalised(module: nn.Module) -> nn.Module:
    """Divide the weights of every convolution, linear layer and embedding in `module` by their largest singular value.

    A convolution's weights count as a matrix [outputs, inputs * kernel] (Miyato et al. 2018, arXiv:1802.05957, section
    2.1). A layer that was born zero has no direction to keep, so its weights are drawn.

    Returns:
        `module` itself, changed in place: the trained parameters are now `<layer>.parametrizations.weight.original`,
        and the singular vectors beside them are buffers. Training mode refines them at each use, eval mode does not.

    Example:
        >>> layer = spectrally_normalised(nn.Linear(3, 2))
        >>> round(torch.linalg.svdvals(layer.weight.detach())[0].item(), 2)
        1.0
    """
    for layer in [*module.modules()]:
        if isinstance(layer, nn.Conv2d | nn.Linear | nn.Embedding | Equal):
            if not layer.weight.is_meta and not layer.weight.any():
                nn.init.normal_(layer.weight, std=1 / math.sqrt(layer.weight[0].numel()))
            if isinstance(layer, Equal):
                layer.scale = 1.0  # the norm is to be that of the weights in use
            register_parametrization(layer, "weight", _Spectral(layer.weight))
    return module


class _Spectral(nn.Module):
    """weight / largest singular value, which follows the weights by power iteration (algorithm 1)."""

    left: Tensor
    right: Tensor

    def __init__(self, weight: Tensor):
        super().__init__()
        matrix = weight.detach().flatten(1)
        self.register_buffer("left", normalize(torch.randn_like(matrix[:, 0]), dim=0))
        self.register_buffer("right", torch.zeros_like(matrix[0]))
        for _ in range(FIRST):
            self._refine(matrix)

    def forward(self, weight: Tensor) -> Tensor:
        with unrounded(weight):  # in half precision the iteration stands still
            matrix = weight.flatten(1)
            if self.training:
                self._refine(matrix.detach())
            # Cloned, because the next use refines them while this one's graph may still be waiting.
            norm = self.left.clone() @ (matrix @ self.right.clone())
            return weight / norm.clamp(min=SMALLEST)

    @torch.no_grad()
    def _refine(self, matrix: Tensor) -> None:
        self.right.copy_(normalize(matrix.T @ self.left, dim=0, eps=SMALLEST))
        self.left.copy_(normalize(matrix @ self.right, dim=0, eps=SMALLEST))
