"""A function of a minibatch as a CUDA graph: its kernels recorded once, then launched together.

A step of a small network is over a thousand kernels, and to launch them one by one takes longer than to run them.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.cuda import Stream

from ganaug.descent import Losses
from ganaug.training.minibatch import Minibatch

Found = tuple[list[Tensor], Losses]  # gradients, and the means of a loss's parts
WARM_UPS = 3  # calls before the recording: libraries choose their kernels and take their memory in these


class RecordingError(RuntimeError):
    """The function does something that cannot be recorded."""


class Recording:
    """Evaluates `function` as it is for a few calls, and from a recording later.

    The first calls count as any other: nothing is evaluated beside the training itself. Gradients are valid until the
    next call.
    """

    def __init__(self, function: Callable[[Minibatch], Found]):
        self.function, self.calls, self.stream = function, 0, new_stream()

    def __call__(self, seen: Minibatch) -> Found:
        self.calls += 1
        if self.calls <= WARM_UPS:
            return beside(self.function, seen, self.stream)
        if self.calls == WARM_UPS + 1:
            self._record(seen)
        for kept, new in zip(self.seen, seen, strict=True):
            kept.copy_(new)
        self.replay()
        gradients, means = self.found
        return gradients, {name: mean.clone() for name, mean in means.items()}  # looked at some steps later

    def _record(self, seen: Minibatch) -> None:
        self.seen = Minibatch(*(tensor.clone() for tensor in seen))
        try:
            self.found, self.replay = record(self.function, self.seen, self.stream)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise RecordingError(str(error)) from error


def new_stream() -> Stream:
    """Where recordings are made."""
    return Stream()


def beside(function: Callable[[Minibatch], Found], seen: Minibatch, stream: Stream) -> Found:
    """Evaluate on the stream that will be recorded; what was asked for before comes before, what comes after waits."""
    current = torch.cuda.current_stream()
    stream.wait_stream(current)
    with torch.cuda.stream(stream):
        found = function(seen)
    current.wait_stream(stream)
    return found


def record(function: Callable[[Minibatch], Found], seen: Minibatch, stream: Stream) -> tuple[Found, Callable[[], None]]:
    """Where results will lie, and what evaluates the function of what then lies in `seen`; nothing is evaluated yet."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        found = function(seen)
    return found, graph.replay
