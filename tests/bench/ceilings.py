"""What a device does at best: the rates that the steps of a training are held against."""

from collections.abc import Callable

import torch
from measuring import Call, seconds
from rows import BANDWIDTH, TERAFLOPS, Measured, Row, Unit
from torch.nn.functional import conv2d

GROUP = "Ceilings of the device"
MATMUL = "bf16 matrix product"
CALLS, WARM_UP = 10, 3  # of each repeat; before the first
TERA = 1e12
Work = tuple[Call, float]  # what is called, and how many operations or bytes it takes


def rows(device: torch.device, *, toy: bool = False) -> tuple[Row, ...]:
    """Matrix product, copy and convolution."""
    side, size, images, channels, pixels = (32, 2**12, 2, 8, 8) if toy else (8192, 2**30, 256, 256, 32)

    def row(name: str, against: str, unit: Unit, make: Callable[[], Work]) -> Row:
        return Row(name, against, None, unit, lambda repeats: rate(*make(), repeats), GROUP)

    return (
        row(MATMUL, f"{side} x {side} of random numbers", TERAFLOPS, lambda: product(device, side)),
        row("copy, read and written", f"{size:,} bytes", BANDWIDTH, lambda: copy(device, size)),
        row(
            "bf16 3x3 convolution, channels last",
            *(f"{images} images, {channels} channels, {pixels} px", TERAFLOPS),
            lambda: convolution(device, images, channels, pixels),
        ),
    )


def product(device: torch.device, side: int) -> Work:
    """Two square matrices."""
    a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    return lambda: a @ b, 2 * side**3


def copy(device: torch.device, size: int) -> Work:
    """Bytes, from one place in memory to another."""
    a = torch.randint(256, (size,), device=device, dtype=torch.uint8)
    b = torch.empty_like(a)
    return lambda: b.copy_(a), 2 * size


def convolution(device: torch.device, images: int, channels: int, pixels: int) -> Work:
    """The kind that most of a training goes into."""
    shapes = (images, channels, pixels, pixels), (channels, channels, 3, 3)
    x, weight = (torch.randn(shape, device=device, dtype=torch.bfloat16) for shape in shapes)
    x, weight = (tensor.to(memory_format=torch.channels_last) for tensor in (x, weight))
    return lambda: conv2d(x, weight, padding=1), 2 * 9 * images * (channels * pixels) ** 2


def rate(call: Call, work: float, repeats: int) -> Measured:
    """In 1e12 a second."""

    def often(times: int) -> None:
        for _ in range(times):
            call()

    often(WARM_UP)
    return Measured([CALLS * work / seconds(lambda: often(CALLS)) / TERA for _ in range(repeats)])
