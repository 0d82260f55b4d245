"""How a loss and its gradient are evaluated: as written, compiled, or as recorded CUDA graphs; whole or in parts.

The three ways agree up to rounding. Memory that runs out costs time and not the run: the minibatch is then taken in
parts, whose gradients are added.
"""

import contextlib
import copy
import logging
from collections.abc import Callable, Hashable
from types import FunctionType
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ganaug.descent import Losses, gradients_of
from ganaug.errors import DeviceError
from ganaug.training.minibatch import Minibatch
from ganaug.training.recording import Found, Place, Recording, RecordingError, new_place
from ganaug.training.state import Execution, Objective

log = logging.getLogger("ganaug")
Loss = Callable[..., tuple[Tensor, Losses]]  # (minibatch, G, D, objective, gammas) -> it, and the means of its parts
M = TypeVar("M", bound=nn.Module)


class Evaluation:
    """Evaluates the losses of one training.

    Args:
        how: "eager": as written. "compiled": a loss in one graph, its gradient in another, by `torch.compile`.
            "captured": besides, all their kernels recorded once and then launched together (CUDA graphs, on a GPU).

    Attributes:
        compiles: Whether losses are compiled.
        records: Whether they are recorded.
        parts: Into how many a minibatch is cut.
    """

    def __init__(self, how: Execution = "eager"):
        self.compiles, self.records, self.parts = how != "eager", how == "captured", 1
        self._ready: dict[Hashable, Callable[[Minibatch], Found]] = {}
        self._compiled: dict[Hashable, Loss] = {}
        self._constants: dict[int, nn.Module] = {}
        self._place: Place | None = None

    def __call__(
        self,
        loss: Loss,
        player: nn.Module,
        seen: Minibatch,
        G: nn.Module,
        D: nn.Module,
        objective: Objective,
        gammas: dict[str, float],
    ) -> Found:
        """The gradient of a loss with respect to one player, and the means of the loss's parts.

        Args:
            loss: Takes all of the following but `player`.
            player: Whose parameters the gradients belong to, in their order.
            seen: What it looks at.
            G: One of the players, or its constant twin.
            D: The other.
            objective: What they optimise.
            gammas: The weight of each penalty that is due.

        Raises:
            DeviceError: Not even a single image fits into memory.
        """

        def of(part: Minibatch) -> Found:
            key = loss, objective, *gammas, len(part.labels)
            return self._evaluate(key, lambda: self._differentiated(key, loss, player, G, D, objective, gammas), part)

        while True:
            with contextlib.suppress(torch.OutOfMemoryError):
                return _added(of, seen, -(-len(seen.labels) // self.parts))
            self._halve(seen)

    def constant(self, module: M) -> M:
        """A twin of a module with the same weights in the same memory, which no gradient reaches.

        Flags of the module itself must not be toggled: what is compiled may not notice (torch 2.11 then loses all
        gradients), and what gets no gradient is not computed either.
        """
        if id(module) not in self._constants:
            shared: dict[int, Any] = {id(p): nn.Parameter(p.detach(), requires_grad=False) for p in module.parameters()}
            shared |= {id(buffer): buffer for buffer in module.buffers()}
            self._constants[id(module)] = copy.deepcopy(module, shared)
        return self._constants[id(module)]  # type: ignore[return-value]

    def _evaluate(self, key: Hashable, make: Callable[[], Callable[[Minibatch], Found]], seen: Minibatch) -> Found:
        if key not in self._ready:
            self._ready[key] = self._recorded(make()) if self.records and can_record(seen) else make()
        try:
            return self._ready[key](seen)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            self._go_without(error)
            return self._evaluate(key, make, seen)

    def _recorded(self, evaluate: Callable[[Minibatch], Found]) -> Recording:
        self._place = self._place or new_place()
        return Recording(evaluate, self._place)

    def _differentiated(
        self, key: Hashable, loss: Loss, player: nn.Module, *others: Any
    ) -> Callable[[Minibatch], Found]:
        """Minibatch -> gradients and means."""
        whole = self._in_one_graph(key, loss) if self.compiles else loss

        def evaluate(seen: Minibatch) -> Found:
            value, parts = whole(seen, *others)
            return gradients_of(value, player), parts

        return evaluate

    def _in_one_graph(self, key: Hashable, loss: Loss) -> Loss:
        """The loss compiled, once for each key: it costs up to minutes."""
        if not self._compiled:
            log.info("compiling the losses: the first steps take longer than all that follow")
        if key not in self._compiled:
            self._compiled[key] = torch.compile(_of_its_own(loss), fullgraph=True, dynamic=False)
        return self._compiled[key]

    def _go_without(self, error: Exception) -> None:
        """Do without what has just failed: an old driver compiles nothing; other faults are raised again."""
        from torch._dynamo.exc import TorchDynamoException  # takes a second to import

        if self.compiles and isinstance(error, TorchDynamoException):
            self.compiles, what = False, "compiled"
        elif isinstance(error, RecordingError):
            self.records, what = False, "recorded as CUDA graphs"
        else:
            raise error
        self._forget()
        fact = " ".join(str(error).split()) or type(error).__name__
        log.warning("the losses cannot be %s here (%.200s); training goes on without", what, fact)

    def _forget(self) -> None:
        """Make all anew, in a new place: recordings hold memory, and it goes with them."""
        self._ready.clear()
        self._place = None

    def _halve(self, seen: Minibatch) -> None:
        """Take half as many images at a time from here on."""
        n, device = len(seen.labels), seen.labels.device
        size = -(-n // self.parts)
        if size == 1:
            raise DeviceError(
                f"{device} must have memory for one image of {'x'.join(map(str, seen.images.shape[1:]))} at least, "
                "got too little; lower nets.width or data.resolution"
            )
        self._forget()
        self._compiled.clear()  # for another size
        if device.type == "cuda":
            torch.cuda.empty_cache()
        if self.parts == 1:
            log.warning(
                "a batch of %d does not fit into the memory of %s: it is taken in parts from here on, whose gradients "
                "are added; statistics over a batch are then those of a part",
                *(n, device),
            )
        self.parts = -(-n // (size // 2))


def can_record(seen: Minibatch) -> bool:
    """CUDA graphs are of CUDA alone."""
    return seen.z.is_cuda


def _of_its_own(loss: Loss) -> Loss:
    """The same function with code of its own: torch compiles a code object for a few cases and then no more."""
    assert isinstance(loss, FunctionType)
    code = loss.__code__.replace()
    return FunctionType(code, loss.__globals__, loss.__name__, loss.__defaults__, loss.__closure__)


def _added(of: Callable[[Minibatch], Found], seen: Minibatch, size: int) -> Found:
    """The result for all of `seen` from those for `size` rows at a time."""
    n = len(seen.labels)
    gradients, means = of(seen.rows(0, size))
    if size < n:
        gradients, means = [g * size / n for g in gradients], {name: m * size / n for name, m in means.items()}
    for first in range(size, n, size):
        part = seen.rows(first, size)
        share = len(part.labels) / n
        more, others = of(part)
        gradients = [gradient.add_(other, alpha=share) for gradient, other in zip(gradients, more, strict=True)]
        means = {name: mean + share * others[name] for name, mean in means.items()}
    return gradients, means
