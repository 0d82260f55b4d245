"""Pairs of networks. A row of NETS is all it takes to add a pair; every row obeys the same two signatures.

Generator(shape, num_classes, width, z_dim): z [N, z_dim], labels int64 [N], scale -> images float32 [N, *shape], of
which [-1, 1] is visible. `scale` trades variety for likeness: below 1 latents are drawn towards the middle (Marchesi
2017, arXiv:1706.00082), beyond 1 outwards (the expansion of arXiv:2305.10118). It multiplies z, or, where a mapping
network follows, the distance of w from its mean.
Trunk(shape, width): images [N, *shape] -> features [N, out_features].
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from ganaug.nets.biggan import BigganGenerator, BigganTrunk
from ganaug.nets.dcgan import DcganGenerator, DcganTrunk
from ganaug.nets.residual import ResidualGenerator, ResidualTrunk
from ganaug.nets.resnet import ResnetGenerator, ResnetTrunk
from ganaug.nets.style import StyleGenerator, StyleTrunk

Shape = tuple[int, int, int]  # channels, height, width


@dataclass(frozen=True)
class Pair:
    """How to build the two players of one architecture."""

    generator: Callable[[Shape, int, int, int], nn.Module]
    trunk: Callable[[Shape, int], nn.Module]


NETS = {
    "residual": Pair(ResidualGenerator, ResidualTrunk),
    "resnet": Pair(ResnetGenerator, ResnetTrunk),
    "style": Pair(StyleGenerator, StyleTrunk),
    "biggan": Pair(BigganGenerator, BigganTrunk),
    "dcgan": Pair(DcganGenerator, DcganTrunk),
}
