"""Distances between sets of features: how fast beside the packages that one would take, and in how much memory."""

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from measuring import Call
from rows import GIB, SPEED, Duel, Measured, Row, duel

from ganaug.measures.fidelity import gaussian_distance, prdc

WIDTH, NUMBER = 2048, 4096  # of the features
MEMORY_NUMBER, MEMORY_OWED = 50_000, 2.0  # features of each set; GiB
BYTES = 2**30  # of a GiB


def rows(*, toy: bool = False) -> tuple[Row, ...]:
    """Frechet distance and precision, recall, density, coverage."""
    width, number, many = (16, 64, 64) if toy else (WIDTH, NUMBER, MEMORY_NUMBER)
    frechet, four = f"Frechet distance, {width}-d, from moments", f"precision ... coverage, 2 x {number} x {width}"
    return (
        Row(frechet, "scipy sqrtm", 10, SPEED, duel(lambda: beside_scipy(number, width))),
        Row(frechet, "torch-fidelity", 2, SPEED, duel(lambda: beside_torch_fidelity(number, width))),
        Row(f"{four}, float32", "prdc", 2.3, SPEED, duel(lambda: beside_prdc(number, width, torch.float32, 1e-3))),
        Row(f"{four}, bfloat16", "prdc", 7, SPEED, duel(lambda: beside_prdc(number, width, torch.bfloat16, 1e-2))),
        Row(
            f"peak memory of precision ... coverage, 2 x {many:,} x {width}, bfloat16",
            *("libraries included", MEMORY_OWED, GIB, lambda repeats: peak_memory(many, width, "bfloat16")),
        ),
    )


def features(number: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Two sets of float32 features [number, width], correlated as a network's are."""
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(width, width, generator=generator) / width**0.5
    real, fake = (torch.randn(number, width, generator=generator) @ mixing for _ in range(2))
    return real.relu(), (0.95 * fake + 0.02).relu()


def moments(number: int, width: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Mean and covariance of both sets, float64."""
    return [(x.double().mean(0), torch.cov(x.double().T)) for x in features(number, width)]


def ours_of(both: list[tuple[torch.Tensor, torch.Tensor]]) -> Call:
    """Our distance between two Gaussians."""
    return lambda: gaussian_distance(*both[0], *both[1])


def beside_scipy(number: int, width: int) -> Duel:
    """The classical way: a matrix root of the product of the covariances."""
    from scipy.linalg import sqrtm

    both = moments(number, width)
    (m, a), (n, b) = ((mean.numpy(), cov.numpy()) for mean, cov in both)

    def theirs() -> float:
        return float(((m - n) ** 2).sum() + np.trace(a + b - 2 * np.real(sqrtm(a @ b))))

    return Duel(ours_of(both), theirs, agrees=1e-5)


def beside_torch_fidelity(number: int, width: int) -> Duel:
    """Eigenvalues of the product of the covariances."""
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_statistics_to_metric  # pyright: ignore[reportMissingImports]

    both = moments(number, width)
    statistics = [{"mu": mean.numpy(), "sigma": cov.numpy()} for mean, cov in both]
    theirs = lambda: fid_statistics_to_metric(*statistics, verbose=False)[KEY_METRIC_FID]  # noqa: E731
    return Duel(ours_of(both), theirs, agrees=1e-5)


def beside_prdc(number: int, width: int, dtype: torch.dtype, agrees: float) -> Duel:
    """Features of that type, against the package on float32."""
    from prdc import compute_prdc  # pyright: ignore[reportMissingImports]

    real, fake = features(number, width)
    ours = real.to(dtype), fake.to(dtype)

    def theirs() -> list[float]:
        with contextlib.redirect_stdout(io.StringIO()):
            found = compute_prdc(real.numpy(), fake.numpy(), nearest_k=5)
        return [float(found[name]) for name in ("precision", "recall", "density", "coverage")]

    return Duel(lambda: list(vars(prdc(*ours, k=5)).values()), theirs, agrees=agrees)


def peak_memory(number: int, width: int, dtype: str) -> Measured:
    """Of a process of its own, which does nothing else; once, for it takes a minute and is always the same."""
    command = [sys.executable, __file__, str(number), str(width), dtype]
    return Measured([float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)])


def hold(number: int, width: int, dtype: torch.dtype) -> float:
    """Take precision and its kin of made-up features, here; then the peak so far, in GiB."""
    generator = torch.Generator().manual_seed(0)
    real, fake = (torch.empty(number, width, dtype=dtype).normal_(generator=generator) for _ in range(2))
    prdc(real, fake)
    # Of Linux, and not `ru_maxrss`: that is no less than what the process held that started this one.
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(peak[1]) * 1024 / BYTES if peak else float("nan")


if __name__ == "__main__":
    print(hold(int(sys.argv[1]), int(sys.argv[2]), getattr(torch, sys.argv[3])))
