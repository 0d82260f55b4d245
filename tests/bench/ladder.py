"""The steps of one pair of networks, from eager float32 up to recorded bf16: a rung is a way to take them."""

import gc
from collections.abc import Callable
from contextlib import nullcontext
from functools import cache

import torch
from measuring import seconds
from networks import Networks
from rows import MILLISECONDS, Measured, Row
from stepping import flops, loop

from ganaug.descent import tuned

EAGER, CAPTURED, WITHOUT_R1 = "eager fp32", "captured bf16", "captured bf16, no R1"
BF16 = "train.precision=bf16"
RUNGS = {
    EAGER: ("train.precision=fp32", "train.execution=eager"),
    "eager bf16, channels last": (BF16, "train.execution=eager"),
    "compiled bf16": (BF16, "train.execution=compiled"),
    CAPTURED: (BF16, "train.execution=captured"),
    WITHOUT_R1: (BF16, "train.execution=captured", "train.r1_gamma=0"),
}
TICK = 16  # steps that are timed at a time: where R1 is lazy it is taken in one of them
COUNTED = 8  # images of the batch whose arithmetic is counted
GIB, TERA = 2**30, 1e12


def rows(name: str, pair: Networks, batch: int, device: str) -> tuple[Row, ...]:
    """A row for each rung; the last only where there is an R1 to leave out."""
    return tuple(
        Row(rung, at(name, batch), None, MILLISECONDS, timing(pair, batch, device, settings), f"Steps of {name}")
        for rung, settings in RUNGS.items()
        if pair.lazy or rung != WITHOUT_R1
    )


def at(name: str, batch: int) -> str:
    """What a rung's row stands against."""
    return f"{name}, batch {batch}"


def timing(pair: Networks, batch: int, device: str, settings: tuple[str, ...]) -> Callable[[int], Measured]:
    """The `measure` of a rung: milliseconds a step, what that comes to, and what it takes in memory and to begin.

    The lowest rung runs as torch ships, the others under the settings of a run.
    """

    def measure(repeats: int) -> Measured:
        release()
        training = loop(pair.planned(batch, device, *settings), TICK)
        with nullcontext() if settings == RUNGS[EAGER] else tuned(torch.device(device)):
            beginning = seconds(lambda: next(training)) + seconds(lambda: next(training))
            values = [seconds(lambda: next(training)) / TICK for _ in range(repeats)]
        step, work = sorted(values)[len(values) // 2], arithmetic(pair, device) * batch
        beside = {"images/s": batch / step, "TFLOP/s": work / step / TERA, "warm-up, s": beginning}
        return Measured([1000 * value for value in values], beside | memory(device))

    return measure


@cache
def arithmetic(pair: Networks, device: str) -> float:
    """Floating-point operations of a step for each image of the batch, as the eager step in float32 takes them."""
    training = loop(pair.planned(COUNTED, device, *RUNGS[EAGER]), TICK)
    return flops(lambda: next(training)) / TICK / COUNTED


def memory(device: str) -> dict[str, float]:
    """The peak since `release`, on a GPU."""
    return {"peak, GiB": torch.cuda.max_memory_reserved() / GIB} if device == "cuda" else {}


def release() -> None:
    """Give back what former rungs held."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
