"""How a device is set for training, and what it holds at most."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch


@contextmanager
def tuned(device: torch.device) -> Iterator[None]:
    """On a GPU: TF32 for what stays float32, and convolutions that are tried out and then chosen; as before afterwards.

    What comes out then need not be the same bit for bit in every run; on a CPU nothing is changed.
    """
    if device.type != "cuda":
        yield
        return
    tf32, benchmark = _tf32(), torch.backends.cudnn.benchmark
    if tf32:
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        if tf32:
            torch.set_float32_matmul_precision(tf32[0])
            torch.backends.cudnn.allow_tf32 = tf32[1]
        torch.backends.cudnn.benchmark = benchmark


def _tf32() -> tuple[str, bool] | None:
    """What is set for products and for convolutions; None where that was done by torch's newer `fp32_precision`.

    Torch does not bear both (2.9), and who sets it so has chosen.
    """
    try:
        return torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    except RuntimeError:
        return None


def peak_memory(device: torch.device) -> int:
    """Bytes that this process held at most so far: of a GPU where it works on one, else of main memory."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset
    import resource  # of POSIX alone

    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held if sys.platform == "darwin" else 1024 * held
