"""A function of a minibatch as a CUDA graph: its kernels recorded once, then launched together.

A step of a small network is over a thousand kernels, and to launch them one by one takes longer than to run them.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.cuda import Stream

from ganaug.descent import Losses
from ganaug.training.minibatch import Minibatch

Found = tuple[list[Tensor], Losses]  # gradients, and the means of a loss's parts
WARM_UPS = 3  # calls before the recording: libraries choose their kernels and take their memory in these


class RecordingError(RuntimeError):
    """The function does something that cannot be recorded."""


class Place(NamedTuple):
    """Where recordings are made: a stream, and memory that they share, for no two are ever at work at once.

    Results stay: what a recording gave last is in nobody's way. Once all recordings made there are gone, so is the
    memory, and others need another place.
    """

    stream: Stream
    pool: Any  # torch's handle


def new_place() -> Place:
    """A place of which nothing has been made yet."""
    return Place(Stream(), torch.cuda.graph_pool_handle())


class Recording:
    """Evaluates `function` as it is for a few calls, and from a recording later.

    The first calls count as any other: nothing is evaluated beside the training itself. Gradients are valid until the
    next call.
    """

    def __init__(self, function: Callable[[Minibatch], Found], place: Place):
        self.function, self.calls, self.place = function, 0, place

    def __call__(self, seen: Minibatch) -> Found:
        self.calls += 1
        if self.calls <= WARM_UPS:
            return beside(self.function, seen, self.place.stream)
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
            self.found, self.replay = record(self.function, self.seen, self.place)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise RecordingError(str(error)) from error


def beside(function: Callable[[Minibatch], Found], seen: Minibatch, stream: Stream) -> Found:
    """Evaluate on the stream that will be recorded; what was asked for before comes before, what comes after waits."""
    current = torch.cuda.current_stream()
    stream.wait_stream(current)
    try:
        with torch.cuda.stream(stream):
            return function(seen)
    finally:
        current.wait_stream(stream)


def record(function: Callable[[Minibatch], Found], seen: Minibatch, place: Place) -> tuple[Found, Callable[[], None]]:
    """Where results will lie, and what evaluates the function of what then lies in `seen`; nothing is evaluated yet.

    Other threads, such as those that pin memory, may go on meanwhile.
    """
    graph = torch.cuda.CUDAGraph()
    # Inside the current stream, or a recording that fails leaves its own as the current one.
    with (
        torch.cuda.stream(torch.cuda.current_stream()),
        torch.cuda.graph(graph, pool=place.pool, stream=place.stream, capture_error_mode="thread_local"),
    ):
        found = function(seen)
    return found, graph.replay
