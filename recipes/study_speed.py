"""How near a gain study comes to the arithmetic of its classifiers: ten seeds of ten arms, on one device.

    python recipes/study_speed.py --device cuda          (pixels and labels are made up: only time is measured)

The arithmetic is counted on the meta device, three forward passes for a step and one for an answer. The device's rate
is that of one large product in the precision in which it trains.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

import torch
import typer
from record import record
from torch.utils.flop_counter import FlopCounterMode

from ganaug.measures.classifier import arithmetic, initial
from ganaug.measures.grading import Fit, Labeled, Protocol, grade

SHAPE, K = (3, 32, 32), 10
FRACTIONS = (0.0, 0.25, 0.5)
AUGMENTS = ("none", "affine", "affine+flip", "affine+flip+cutmix")
SIDE = 8192  # of the square matrices whose product is timed on a GPU


def study(seeds: int, arms: int) -> dict[str, list[Fit]]:
    """Arms that differ in augmentation and in their share of synthetic images."""
    kinds = [(augment, fraction) for augment in AUGMENTS for fraction in FRACTIONS][:arms]
    return {f"{a}, {f:g} synthetic": [Fit(seed, a, ("test",), f) for seed in range(seeds)] for a, f in kinds}


def made_up(n: int, seed: int) -> Labeled:
    """Images of noise, uint8 [n, C, H, W], and labels int64 [n] of every class."""
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, *SHAPE), generator=rng, dtype=torch.uint8), torch.arange(n) % K


def image_flops(classifier: str) -> int:
    """Arithmetic of one image's way through the network."""
    model = initial(SHAPE, K, 0, classifier).to("meta").requires_grad_(False)
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, *SHAPE, device="meta"))
    return counter.get_total_flops()


def seconds(call: Callable[[], object], device: torch.device) -> float:
    """What a call takes, work on the device included."""
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    wait()
    began = time.perf_counter()
    call()
    wait()
    return time.perf_counter() - began


def product_rate(device: torch.device, side: int) -> float:
    """FLOP/s of a product of two square matrices, the best of five."""
    a, b = torch.randn(2, side, side, device=device)
    with arithmetic(device):
        return 2 * side**3 / min(seconds(lambda: a @ b, device) for _ in range(5))


def timed(
    device: torch.device, classifier: str, seeds: int, arms: int, steps: int, train: int, test: int, side: int
) -> dict[str, Any]:
    """The study's row: what it took, and what its arithmetic alone would take."""
    protocol = Protocol(num_classes=K, steps=steps, device=device.type, classifier=classifier, n_jobs=1)
    sets = {"train": made_up(train, 0), "synthetic": made_up(train, 1), "test": made_up(test, 2)}
    fits, number = study(seeds, arms), seeds * arms
    grade(study(seeds, 1), sets, replace(protocol, steps=3))  # libraries load and choose their kernels
    took = seconds(lambda: grade(fits, sets, protocol), device)
    rate = product_rate(device, side)
    least = number * (3 * steps * protocol.batch_size + test) * image_flops(classifier) / rate
    return {
        "classifier": classifier,
        "fits": number,
        "steps": steps,
        "seconds": took,
        "arithmetic, s": least,
        "TFLOP/s of a product": rate / 1e12,
        "share of that": least / took,
    }


def main(
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cuda",
    seeds: int = 10,
    arms: int = 10,
    steps: int = 1000,
    train: int = 50_000,
    test: int = 10_000,
) -> None:
    """Time the study with each classifier of our own, and record it."""
    where = torch.device(device)
    rows = [timed(where, kind, seeds, arms, steps, train, test, SIDE) for kind in ("small", "airbench")]
    name = torch.cuda.get_device_name(where) if where.type == "cuda" else "CPU"
    record("study_speed", f"A gain study of {seeds} seeds and {arms} arms on one device: {name}", rows)


if __name__ == "__main__":
    typer.run(main)
