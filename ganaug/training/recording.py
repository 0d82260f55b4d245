"""A function of a minibatch as a CUDA graph: its kernels recorded once, then launched together.

A step of a small network is over a thousand kernels, and to launch them one by one takes longer than to run them.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ganaug.descent import Losses
from ganaug.training.minibatch import Minibatch

Found = tuple[list[Tensor], Losses]
WARM_UPS = 3  # calls before the recording: libraries choose their kernels and take their memory in these


class RecordingError(RuntimeError):
    """The function does something that cannot be recorded."""


class Recording:
    """Evaluates `function` as it is for a few calls, and from its recording later.

    Every call but the recorded ones counts: nothing is evaluated beside the training itself. What is returned stays
    valid until the next call.
    """

    def __init__(self, function: Callable[[Minibatch], Found]):
        self.function, self.calls = function, 0
        self.stream = torch.cuda.Stream()

    def __call__(self, seen: Minibatch) -> Found:
        self.calls += 1
        if self.calls <= WARM_UPS:
            return self._beside(seen)
        if self.calls == WARM_UPS + 1:
            self._record(seen)
        for kept, new in zip(self.seen, seen, strict=True):
            kept.copy_(new)
        self.graph.replay()
        gradients, means = self.found
        return gradients, {name: mean.clone() for name, mean in means.items()}  # the log looks at them steps later

    def _beside(self, seen: Minibatch) -> Found:
        """On the stream that will be recorded."""
        current = torch.cuda.current_stream()
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            found = self.function(seen)
        current.wait_stream(self.stream)
        return found

    def _record(self, seen: Minibatch) -> None:
        self.seen = Minibatch(*(tensor.clone() for tensor in seen))
        self.graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(self.graph, stream=self.stream):
                self.found = self.function(self.seen)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise RecordingError(str(error)) from error
