"""Whether training is still training: finite, of sane size, moving, and not one image for all latents."""

import math

import torch
from torch import Generator, Tensor

from ganaug.data import Batches
from ganaug.descent import CURE, Taken, numbers, odd_loss, odd_tensor, stop_at
from ganaug.descent import norms as all_norms
from ganaug.training.minibatch import sample_latents
from ganaug.training.state import GanState

LOOK = 20  # steps from one look at size, movement and variety to the next
GROWTH = 10.0  # times that a player may grow meanwhile; below 1.3 at sound learning rates, 8 at a hundred times those
SATISFIED = 1e-6  # a loss that leaves nothing to learn
SLOW = 1e-6  # a learning rate whose steps may vanish in rounding
FLAT = 1e-4  # largest difference between pixels of equal images, of the range [-1, 1]
CLASSES = 8  # that variety is looked for in, at most


def watch(state: GanState, batches: Batches, taken: list[Taken]) -> dict[str, float]:
    """The last value of each loss, once nothing is wrong with the steps in `taken`, nor with where they led.

    Every LOOK steps the sizes of the players are kept in `state`: what is found depends on nothing else.

    Raises:
        DivergedError: A loss or a tensor is not finite, a loss or a player grew beyond measure, a player stands still,
            or G draws one image whatever the latents are.
    """
    last: dict[str, float] = {}
    for step, (draw, losses) in enumerate(numbers(taken), start=state.step - len(taken) + 1):
        stop_at(step, draw, losses, odd_loss(losses, (batches[2 * draw + i][0] for i in range(2))))
        last |= losses
    measured = norms(state)
    sizes = player_sizes(state, measured)
    fault = odd_tensor(measured) or _growth(sizes, state.sizes) or _monotony(state, batches)
    if state.step % LOOK == 0:
        fault = fault or _standstill(state, sizes, last)
    stop_at(state.step, taken[-1].draw, last, fault)
    if state.step % LOOK == 0:
        state.sizes = sizes
    return last


def norms(state: GanState) -> dict[str, float]:
    """Norm of every tensor of `state`, its parameters, buffers and moments; finite where every number in it is."""
    return all_norms(state.modules(), state.moved())


def player_sizes(state: GanState, measured: dict[str, float]) -> dict[str, float]:
    """Norm of each player's weights, without buffers."""
    players = {"G": state.G, "D": state.D}
    return {
        name: math.hypot(*(measured[f"{name}.{parameter}"] for parameter, _ in player.named_parameters()))
        for name, player in players.items()
    }


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
