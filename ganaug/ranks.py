"""Processes that work together, as torchrun starts them: which of them this is, and what they tell each other.

They are numbered by rank. Words between them go over gloo, on any device: it notices at once where a process is gone.
Gradients go over NCCL where they lie on a GPU.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ganaug.errors import DeviceError, LostProcessError, UnlikeError

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.distributed import Work

WORDS = timedelta(days=7)  # one may work for days before it speaks; that it died is noticed without a limit
SUMS = timedelta(minutes=1)  # on a GPU, where steps go side by side
POLL = (1e-4, 0.05)  # s between looks at whether an answer is there: at first, and at most


@dataclass(frozen=True)
class _Ties:
    """What joins the processes: torch's default group for words, and one for sums of tensors on their device."""

    sums: Any  # a ProcessGroup; None: the default one


_ties: _Ties | None = None  # within `together`


def started() -> tuple[int, int]:
    """Rank of this process and number of processes, as torchrun's environment says; (0, 1) without it."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def neighbours() -> tuple[int, int]:
    """The same among the processes of this machine."""
    return int(os.environ.get("LOCAL_RANK", 0)), int(os.environ.get("LOCAL_WORLD_SIZE", 1))


def rank() -> int:
    """Number of this process among those that work `together`; 0 alone."""
    return started()[0] if _ties else 0


def size() -> int:
    """How many work `together`; 1 alone."""
    return started()[1] if _ties else 1


def is_first() -> bool:
    """Whether this process writes and speaks for all: rank 0."""
    return rank() == 0


def own(device: "torch.device") -> "torch.device":
    """A GPU of its own for every process on a machine, any other device as it is.

    Raises:
        DeviceError: There are more processes than GPUs.

    Example:
        >>> import torch
        >>> own(torch.device("cpu"))
        device(type='cpu')
    """
    import torch

    if device.type != "cuda" or started()[1] == 1:
        return device
    (local, here), gpus = neighbours(), torch.cuda.device_count()
    if here > gpus:
        raise DeviceError(
            f"--nproc_per_node must be at most {gpus}, the GPUs of this machine, got {here}; "
            "start fewer processes, or work on --device cpu"
        )
    return torch.device("cuda", local)


@contextmanager
def together(device: "torch.device") -> Iterator[None]:
    """Join the processes that torchrun started, until all are done; does nothing for one alone, or within itself.

    Args:
        device: Where the tensors lie that are averaged; a GPU is this process's own.

    Raises:
        LostProcessError: Another process has ended.
    """
    global _ties
    if _ties or started()[1] == 1:
        yield
        return
    _ties = _join(device)
    try:
        yield
        wait()
    finally:
        _ties = None
        _part()


def average(tensors: "Sequence[Tensor]") -> None:
    """Replace float32 tensors by their mean over all processes, in place: one sum of all of them, as StyleGAN3 does.

    Raises:
        LostProcessError: Another process has ended.
    """
    if not _ties or not tensors:
        return
    import torch
    import torch.distributed as dist

    flat = torch.cat([tensor.flatten() for tensor in tensors])
    with _naming_loss():
        dist.all_reduce(flat, group=_ties.sums)
    flat /= size()
    for tensor, mean in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(mean.view_as(tensor))


def shared(content: bytes | None) -> bytes | None:
    """What the first process gives, for every process; what the others give is not looked at.

    Raises:
        LostProcessError: Another process has ended.
    """
    if not _ties:
        return content
    import torch
    import torch.distributed as dist

    length = torch.tensor([-1 if content is None else len(content)])
    _answer(lambda: dist.broadcast(length, 0, async_op=True))
    if length < 0:
        return None
    box = _bytes(content or b"") if is_first() else torch.empty(int(length), dtype=torch.uint8)
    if length > 0:
        _answer(lambda: dist.broadcast(box, 0, async_op=True))
    return box.numpy().tobytes()


def gathered(content: bytes) -> list[bytes]:
    """What each process gives, for every process, by rank.

    Raises:
        LostProcessError: Another process has ended.

    Example:
        >>> gathered(b"one alone")
        [b'one alone']
    """
    if not _ties:
        return [content]
    import torch
    import torch.distributed as dist

    lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(size())]
    _answer(lambda: dist.all_gather(lengths, torch.tensor([len(content)]), async_op=True))
    longest = int(max(lengths))
    mine = torch.nn.functional.pad(_bytes(content), (0, longest - len(content)))
    boxes = [torch.empty_like(mine) for _ in lengths]
    if longest:
        _answer(lambda: dist.all_gather(boxes, mine, async_op=True))
    return [box[: int(length)].numpy().tobytes() for box, length in zip(boxes, lengths, strict=True)]


def any_rank(flag: bool) -> bool:
    """Whether any process says yes.

    Raises:
        LostProcessError: Another process has ended.
    """
    if not _ties:
        return flag
    import torch
    import torch.distributed as dist

    said = torch.tensor([int(flag)])
    _answer(lambda: dist.all_reduce(said, dist.ReduceOp.MAX, async_op=True))
    return bool(said)


def wait() -> None:
    """Go on once all processes are here.

    Raises:
        LostProcessError: Another process has ended.
    """
    any_rank(False)


def require_alike(facts: Mapping[str, str]) -> None:
    """Refuse to work together on different things, in every process and with one sentence.

    Args:
        facts: What must be equal, by the names that the sentence uses.

    Raises:
        UnlikeError: A process has another value; the first such is named.
        LostProcessError: Another process has ended.
    """
    first, *others = (json.loads(each) for each in gathered(json.dumps(dict(facts)).encode()))
    for number, other in enumerate(others, start=1):
        for name, value in first.items():
            if other.get(name) != value:
                raise UnlikeError(
                    f"process {number} must have the same {name} as process 0, {value!r:.60}, got "
                    f"{other.get(name)!r:.60}; start all of them with one command, on the same files"
                )


def _join(device: "torch.device") -> _Ties:
    import torch
    import torch.distributed as dist

    with _naming_loss():
        dist.init_process_group("gloo", timeout=WORDS)
        if device.type != "cuda":
            return _Ties(None)
        torch.cuda.set_device(device)
        return _Ties(dist.new_group(backend="nccl", timeout=SUMS))


def _part() -> None:
    import torch.distributed as dist

    dist.destroy_process_group()


def _answer(ask: Callable[[], Any]) -> None:
    """Wait for an answer to a question put to all, awake to signals, which nobody hears within a call of gloo's."""
    with _naming_loss():
        work: Work = ask()
        pause, most = POLL
        while not work.is_completed():
            time.sleep(pause)
            pause = min(1.1 * pause, most)
        work.wait()


def _bytes(content: bytes) -> "Tensor":
    import torch

    return torch.frombuffer(bytearray(content), dtype=torch.uint8) if content else torch.empty(0, dtype=torch.uint8)


@contextmanager
def _naming_loss() -> Iterator[None]:
    """Turn what gloo, NCCL and the rendezvous say of a process that is gone into one sentence."""
    import torch.distributed as dist

    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        raise LostProcessError(
            "all processes of the command must be there, got none from another one, which has ended; "
            "see what it said, and run the same again, with --resume where the command has it"
        ) from error
