"""A direction of translation in one step: its players, where it starts, where it should lead, where it led."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from ganaug.translation.objective import Terms
from ganaug.translation.state import CycleState


@dataclass(frozen=True)
class Way:
    """One direction.

    Attributes:
        name: "AB" or "BA".
        G: Translates.
        D: Judges.
        back: Translates back, where there is such a G.
        source: Images of the domain it starts from, float32 [N, C, H, W] in [-1, 1].
        target: Of the domain it leads to.
        fake: The translation of `source`, with its graph.
    """

    name: str
    G: nn.Module
    D: nn.Module
    back: nn.Module | None
    source: Tensor
    target: Tensor
    fake: Tensor

    def shown(self, images: Tensor, objective: Terms) -> Tensor:
        """What D sees of images of the target domain: with pairs, the source beside them (Isola 2017, eq. 1)."""
        return torch.cat([self.source, images], dim=1) if objective.paired else images


def translate(state: CycleState, a: Tensor, b: Tensor, objective: Terms, rng: Generator) -> list[Way]:
    """Both domains' images translated, or those of A alone where there is no way back."""
    ways = [("AB", state.G_AB, state.D_B, state.G_BA, a, b)]
    if state.G_BA is not None and state.D_A is not None:
        ways.append(("BA", state.G_BA, state.D_A, state.G_AB, b, a))
    with objective.arithmetic(a.device):
        return [Way(name, G, D, back, x, y, noisy(G, x, rng)) for name, G, D, back, x, y in ways]


def noisy(G: nn.Module, images: Tensor, rng: Generator) -> Tensor:
    """The translations of images with noise of their own."""
    return G(images, draw_noise(G, len(images), rng))


def draw_noise(G: nn.Module, n: int, rng: Generator) -> Tensor:
    """Z ~ N(0, I), [n, noise_dim]."""
    return torch.randn(n, int(G.noise_dim), generator=rng, device=rng.device)  # type: ignore[arg-type]
