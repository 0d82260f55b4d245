"""What a generator wants besides to deceive: one number per image; a row of WISHES is all it takes to add one."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor
from torch.nn.functional import cross_entropy

from ganaug.losses import patch_nce
from ganaug.nets.patches import draw_places
from ganaug.nets.translation import as_channels
from ganaug.translation.objective import Terms
from ganaug.translation.state import CycleState
from ganaug.translation.ways import Way, noisy

Wish = Callable[[CycleState, Way, Terms, Generator], Tensor]  # -> [N]


def cycle(state: CycleState, way: Way, objective: Terms, rng: Generator) -> Tensor:
    """The way back leads to the start (Zhu et al. 2017, arXiv:1703.10593, eq. 2)."""
    assert way.back is not None
    return distance(noisy(way.back, way.fake, rng), way.source)


def identity(state: CycleState, way: Way, objective: Terms, rng: Generator) -> Tensor:
    """An image of the target domain stays as it is (Zhu et al. 2017, section 5.2), in the channels that both have."""
    inputs, outputs = way.source.shape[1], way.target.shape[1]
    kept = noisy(way.G, as_channels(way.target, inputs), rng)
    return distance(as_channels(kept, min(inputs, outputs)), as_channels(way.target, min(inputs, outputs)))


def nce(state: CycleState, way: Way, objective: Terms, rng: Generator) -> Tensor:
    """Each patch can be told to come from its own place (Park et al. 2020, arXiv:2007.15651), mean of the layers."""
    assert state.heads is not None
    with torch.no_grad():
        sources = way.G.encode(way.source)  # type: ignore[operator]
    fakes = way.G.encode(as_channels(way.fake, way.source.shape[1]))  # type: ignore[operator]
    places = draw_places(sources, objective.places, rng)
    with torch.no_grad():
        keys = state.heads(sources, places)
    queries = state.heads(fakes, places)
    return torch.stack([patch_nce(q, k) for q, k in zip(queries, keys, strict=True)]).mean(0)


def semantic(state: CycleState, way: Way, objective: Terms, rng: Generator) -> Tensor:
    """The frozen classifier says the same of translation and source (Hoffman et al. 2018, arXiv:1711.03213, eq. 4)."""
    assert state.judge is not None
    channels = int(state.G_AB.inputs)  # type: ignore[arg-type]
    with torch.no_grad():
        said = state.judge(as_channels(way.source, channels)).argmax(1)
    return cross_entropy(state.judge(as_channels(way.fake, channels)).float(), said, reduction="none")


def l1(state: CycleState, way: Way, objective: Terms, rng: Generator) -> Tensor:
    """The translation is the other image of the pair (Isola et al. 2017, arXiv:1611.07004, eq. 3)."""
    return distance(way.fake, way.target)


def distance(one: Tensor, other: Tensor) -> Tensor:
    """Mean absolute difference of each pair of images, [N]."""
    return (one - other).abs().mean((1, 2, 3))


# term of the objective -> (directions that it is for, what it is)
WISHES: dict[str, tuple[tuple[str, ...], Wish]] = {
    "cycle": (("AB", "BA"), cycle),
    "identity": (("AB", "BA"), identity),
    "nce": (("AB",), nce),
    "semantic": (("AB", "BA"), semantic),
    "l1": (("AB", "BA"), l1),
}


def wished(way: Way, objective: Terms) -> dict[str, tuple[float, Wish]]:
    """The weight and the function of each term that counts in a direction."""
    rows = {name: (getattr(objective, name), wish) for name, (ways, wish) in WISHES.items() if way.name in ways}
    return {name: row for name, row in rows.items() if row[0] > 0}
