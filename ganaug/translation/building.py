"""Sizes and shapes to players: the networks that an objective needs, at step 0."""

from dataclasses import dataclass

import torch
from torch import nn

from ganaug.errors import RecipeError
from ganaug.nets import Shape
from ganaug.nets.patches import PatchDiscriminator, PatchHeads, patch_downs
from ganaug.nets.translation import TRANSLATORS
from ganaug.translation.objective import Terms
from ganaug.translation.state import CycleState


@dataclass(frozen=True)
class Sizes:
    """The networks of a translation."""

    name: str = "resnet"  # row of TRANSLATORS
    width: int = 32  # channels of a translator at the finest level
    downs: int = 2  # how often a translator halves the sides
    blocks: int = 6  # residual blocks at its coarsest level
    noise_dim: int = 0  # numbers in the noise vector; 0: one image in, one image out
    patch_width: int = 32  # channels of a discriminator at the finest level
    patch_downs: int | None = None  # how often it halves the sides; None: as often as the images allow, up to 3


def build(
    a: Shape,
    b: Shape,
    sizes: Sizes,
    objective: Terms,
    device: torch.device,
    *,
    task: nn.Module | None = None,
    judge: nn.Module | None = None,
) -> CycleState:
    """Networks and optimisers at step 0, their weights drawn from the objective's seed.

    Args:
        a: Channels, height and width of the images of A.
        b: Of B; the sides are those of A.
        sizes: Of the networks.
        objective: Decides which there are.
        device: Where they are wanted.
        task: Images of B to class logits, untrained; for the task term.
        judge: Images of A to class logits, trained; for the semantic term.

    Raises:
        RecipeError: A term lacks its network, or the images of A and B differ in size.
    """
    _require(a, b, objective, task, judge)
    paired = a[0] + b[0] if objective.paired else 0
    seen = [min(side, objective.crop or side) for side in a[1:]]
    downs = patch_downs(*seen) if sizes.patch_downs is None else sizes.patch_downs
    with torch.random.fork_rng(devices=[]):  # torch's initialisers know only the global generator
        torch.manual_seed(objective.seed)
        G_AB = _translator(a, b, sizes)
        D_B = PatchDiscriminator(paired or b[0], sizes.patch_width, downs)
        G_BA = _translator(b, a, sizes) if objective.cycle > 0 else None
        D_A = PatchDiscriminator(paired or a[0], sizes.patch_width, downs) if objective.cycle > 0 else None
        heads = PatchHeads(G_AB.encoded) if objective.nce > 0 else None  # type: ignore[arg-type]
    players = {"G_BA": G_BA, "D_A": D_A, "heads": heads}
    players |= {"task": task if objective.task > 0 else None, "judge": judge if objective.semantic > 0 else None}
    for player in (G_AB, D_B, *players.values()):
        if player is not None:
            player.to(device)  # not channels last: every instance norm would copy its images to and fro
    return CycleState.start(G_AB, D_B, objective, **players)


def _translator(source: Shape, target: Shape, sizes: Sizes) -> nn.Module:
    build = TRANSLATORS[sizes.name]
    return build(source[0], target[0], sizes.width, sizes.noise_dim, sizes.downs, sizes.blocks)


def _require(a: Shape, b: Shape, objective: Terms, task: nn.Module | None, judge: nn.Module | None) -> None:
    if a[1:] != b[1:]:
        raise RecipeError(f"images of A and B must have one size, got {a[1:]} and {b[1:]}; load both at one resolution")
    for name, weight, network in (("task", objective.task, task), ("semantic", objective.semantic, judge)):
        if weight > 0 and network is None:
            raise RecipeError(f"the {name} term must have a classifier, got none; give one or set its weight to 0")
