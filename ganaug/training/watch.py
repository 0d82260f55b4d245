"""Whether training is still training: finite, of sane size, moving, and not one image for all latents."""

import math
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from ganaug.data import Batches
from ganaug.errors import DivergedError
from ganaug.training.state import GanState
from ganaug.training.steps import sample_latents

LOOK = 20  # steps from one look at size, movement and variety to the next
GROWTH = 10.0  # times that a player may grow meanwhile; below 1.3 at sound learning rates, 8 at a hundred times those
HUGE = 1e6  # of a loss; below 100 at sound learning rates, 1e12 at a hundred times those
SATISFIED = 1e-6  # a loss that leaves nothing to learn
SLOW = 1e-6  # a learning rate whose steps may vanish in rounding
FLAT = 1e-4  # largest difference between pixels of equal images, of the range [-1, 1]
CLASSES = 8  # that variety is looked for in, at most
CURE = "lower train.lr or raise train.r1_gamma"


class Taken(NamedTuple):
    """A step that was taken: the number of its draws, and what it gave."""

    draw: int
    losses: dict[str, Tensor]


def watch(state: GanState, batches: Batches, taken: list[Taken]) -> dict[str, float]:
    """The last value of each loss, once nothing is wrong with the steps in `taken`, nor with where they led.

    Every LOOK steps the sizes of the players are kept in `state`: what is found depends on nothing else.

    Raises:
        DivergedError: A loss or a tensor is not finite, a loss or a player grew beyond measure, a player stands still,
            or G draws one image whatever the latents are.
    """
    last: dict[str, float] = {}
    for step, (draw, losses) in enumerate(_numbers(taken), start=state.step - len(taken) + 1):
        _stop_at(step, draw, losses, _odd_loss(losses, batches, draw))
        last |= losses
    measured = norms(state)
    sizes = player_sizes(state, measured)
    fault = _odd_tensor(measured) or _growth(sizes, state.sizes) or _monotony(state, batches)
    if state.step % LOOK == 0:
        fault = fault or _standstill(state, sizes, last)
    _stop_at(state.step, taken[-1].draw, last, fault)
    if state.step % LOOK == 0:
        state.sizes = sizes
    return last


def not_finite(state: GanState) -> list[str]:
    """The tensors of `state` that hold infinities or what is no number, such as "G.label.weight"."""
    return [name for name, norm in norms(state).items() if not math.isfinite(norm)]


def norms(state: GanState) -> dict[str, float]:
    """Norm of every tensor of `state`, its parameters, buffers and moments; finite where every number in it is."""
    named = {
        f"{player}.{name}": t
        for player in ("G", "D", "G_ema")
        for name, t in getattr(state, player).state_dict().items()
    }
    for player in ("G", "D"):
        moments = getattr(state, f"opt_{player}").state
        for name, parameter in getattr(state, player).named_parameters():
            row = sorted(moments.get(parameter, {}).items())
            named |= {f"opt_{player}.{name}.{key}": t for key, t in row if key != "step"}
    named = {name: t for name, t in named.items() if t.is_floating_point()}
    wide = torch.float32 if next(iter(named.values())).device.type == "mps" else torch.float64
    measured = torch.stack([torch.linalg.vector_norm(t, dtype=wide) for t in named.values()])  # one wait for a GPU
    return dict(zip(named, measured.tolist(), strict=True))


def _numbers(taken: list[Taken]) -> list[tuple[int, dict[str, float]]]:
    """The losses as numbers, after one wait for a GPU."""
    values = iter(torch.stack([loss for row in taken for loss in row.losses.values()]).tolist())
    return [(row.draw, {name: next(values) for name in row.losses}) for row in taken]


def player_sizes(state: GanState, measured: dict[str, float]) -> dict[str, float]:
    """Norm of each player's weights, without buffers."""
    players = {"G": state.G, "D": state.D}
    return {
        name: math.hypot(*(measured[f"{name}.{parameter}"] for parameter, _ in player.named_parameters()))
        for name, player in players.items()
    }


def _stop_at(step: int, draw: int, losses: dict[str, float], fault: str) -> None:
    if fault:
        raise DivergedError(f"step {step}: {fault}", step=step, draw=draw, losses=losses)


def _odd_loss(losses: dict[str, float], batches: Batches, draw: int) -> str:
    odd = [(name, value) for name, value in losses.items() if not abs(value) <= HUGE]
    if odd and not all(bool(batches[2 * draw + i][0].isfinite().all()) for i in range(2)):
        return "its images must be finite, got others; leave the damaged ones out"
    if odd:
        return f"{odd[0][0]} must stay finite and below {HUGE:.0e}, got {odd[0][1]:.3g}; {CURE}"
    return ""


def _odd_tensor(measured: dict[str, float]) -> str:
    odd = [name for name, norm in measured.items() if not math.isfinite(norm)]
    return f"{odd[0]} must stay finite, got other numbers; {CURE}" if odd else ""


def _growth(sizes: dict[str, float], former: dict[str, float]) -> str:
    for player, size in sizes.items():
        times = size / max(former.get(player, size), 1e-30)
        if times > GROWTH:
            return f"the weights of {player} must keep their size, got {times:.0f} times as much; {CURE}"
    return ""


def _standstill(state: GanState, sizes: dict[str, float], losses: dict[str, float]) -> str:
    """Rounding in double precision hides no step at a usual rate: equal norms are equal weights."""
    if state.lr < SLOW:
        return ""
    for player, size in sizes.items():
        own = [abs(value) for name, value in losses.items() if name.startswith(f"{player}/")]
        if size == state.sizes.get(player) and max(own) > SATISFIED:
            return f"the weights of {player} must move, got the same {LOOK} steps later; {CURE}"
    return ""


@torch.no_grad()
def _monotony(state: GanState, batches: Batches) -> str:
    """G draws one image per class, though the real images of a class differ."""
    K = int(state.G.num_classes)  # type: ignore[arg-type]
    labels = torch.arange(0, K, -(-K // CLASSES), device=batches.device)
    rng = Generator(batches.device).manual_seed(state.step)
    state.G.eval()  # the batch statistics of a normalised G are part of the state
    one, other = (state.G(sample_latents(state.G, len(labels), rng), labels) for _ in range(2))
    state.G.train()
    if (one - other).abs().max() > FLAT or not any(_differ(batches, label) for label in labels):
        return ""
    return f"G must draw different images of a class, got one whatever the latents are; {CURE}"


def _differ(batches: Batches, label: Tensor) -> bool:
    """Whether a class shows more than one image."""
    images = batches.images[(batches.labels == label).to(batches.images.device)]
    return bool((images != images[:1]).any())
