"""Pairs of networks. A row of NETS is all it takes to add a pair; every row obeys the same two signatures.

Generator(shape, num_classes, width, z_dim): z [N, z_dim], labels int64 [N] -> images [N, *shape], of which [-1, 1] is
visible.
Trunk(shape, width): images [N, *shape] -> features [N, out_features].
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from ganaug.nets.dcgan import DcganGenerator, DcganTrunk
from ganaug.nets.residual import ResidualGenerator, ResidualTrunk

Shape = tuple[int, int, int]  # channels, height, width


@dataclass(frozen=True)
class Pair:
    """How to build the two players of one architecture."""

    generator: Callable[[Shape, int, int, int], nn.Module]
    trunk: Callable[[Shape, int], nn.Module]


NETS = {
    "residual": Pair(ResidualGenerator, ResidualTrunk),
    "dcgan": Pair(DcganGenerator, DcganTrunk),
}
