"""What processes tell each other: bytes, over gloo."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ganaug.errors import UnlikeError
from ganaug.ranks.ties import answer, is_first, size, tied

if TYPE_CHECKING:
    from torch import Tensor


def shared(content: bytes | None) -> bytes | None:
    """What the first process gives, for every process; what the others give is not looked at.

    Raises:
        LostProcessError: Another process has ended.
    """
    if not tied():
        return content
    import torch
    import torch.distributed as dist

    length = torch.tensor([-1 if content is None else len(content)])
    answer(lambda: dist.broadcast(length, 0, async_op=True))
    if length < 0:
        return None
    box = _bytes(content or b"") if is_first() else torch.empty(int(length), dtype=torch.uint8)
    if length > 0:
        answer(lambda: dist.broadcast(box, 0, async_op=True))
    return box.numpy().tobytes()


def agreed(number: float) -> float:
    """The number that the first process has: of what each would measure otherwise, as time.

    Raises:
        LostProcessError: Another process has ended.

    Example:
        >>> agreed(0.1)
        0.1
    """
    return json.loads(shared(json.dumps(number).encode()) or b"")


def gathered(content: bytes) -> list[bytes]:
    """What each process gives, for every process, by rank.

    Raises:
        LostProcessError: Another process has ended.

    Example:
        >>> gathered(b"one alone")
        [b'one alone']
    """
    if not tied():
        return [content]
    import torch
    import torch.distributed as dist

    lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(size())]
    answer(lambda: dist.all_gather(lengths, torch.tensor([len(content)]), async_op=True))
    longest = int(max(lengths))
    mine = torch.nn.functional.pad(_bytes(content), (0, longest - len(content)))
    boxes = [torch.empty_like(mine) for _ in lengths]
    if longest:
        answer(lambda: dist.all_gather(boxes, mine, async_op=True))
    return [box[: int(length)].numpy().tobytes() for box, length in zip(boxes, lengths, strict=True)]


def any_rank(flag: bool) -> bool:
    """Whether any process says yes; it takes about a millisecond.

    Raises:
        LostProcessError: Another process has ended.
    """
    if not tied():
        return flag
    import torch
    import torch.distributed as dist

    said = torch.tensor([int(flag)])
    answer(lambda: dist.all_reduce(said, dist.ReduceOp.MAX, async_op=True))
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


def _bytes(content: bytes) -> "Tensor":
    import torch

    return torch.frombuffer(bytearray(content), dtype=torch.uint8) if content else torch.empty(0, dtype=torch.uint8)
