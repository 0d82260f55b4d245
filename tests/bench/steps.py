"""What a training step costs on a CPU: beside a library's step, beside what the processor can do, and with R1."""

import math
from functools import partial

import mimicry
import torch
from measuring import Call
from rows import OVERHEAD, SHARE, SPEED, Duel, Row, duel
from stepping import CLASSES, batches, flops, loop, planned
from torch import Tensor, nn
from torch.nn.functional import conv2d, relu

from ganaug.conditioning import Discriminator
from ganaug.nets import spectrally_normalised
from ganaug.nets.resnet import ConditionalNorm, Down, Up, drawn
from ganaug.run.following import LOOK
from ganaug.run.players import objective_of
from ganaug.training import GanState, Objective

SIDE = 32  # px
EVERY = 16  # steps from one penalty to the next
CONV = (64, 256, 16)  # images, channels and px of the convolution that the processor's rate is taken of


def rows(*, toy: bool = False) -> tuple[Row, ...]:
    """Three rows: mimicry's networks, DCGAN, and the lazy penalty."""
    g, d, batch, width, narrow = (8, 8, 4, 4, 4) if toy else (256, 128, 64, 64, 16)
    return (
        Row(
            f"D step and G step of cGAN-PD, {SIDE} px, G {g} and D {d} wide, batch {batch}, bf16, with EMA",
            "the same networks and updates as mimicry has them: eager fp32, D on real and fake in turn",
            *(2.0, SPEED, duel(lambda: beside_mimicry(g, d, batch))),
        ),
        Row(
            f"{LOOK} steps of DCGAN, {SIDE} px, width {width}, batch {batch}, bf16: FLOP/s",
            "a bf16 3x3 convolution of {} images, {} channels, {} px".format(*CONV),
            *(0.45, SHARE, duel(lambda: beside_convolution(width, batch), SHARE)),
        ),
        Row(
            f"{EVERY} steps of StyleGAN2, {SIDE} px, width {narrow}, batch {batch}, R1 in one of them: time added",
            *("the same steps without R1", 0.15, OVERHEAD, duel(lambda: with_and_without_r1(narrow, batch), OVERHEAD)),
        ),
    )


def beside_mimicry(g: int, d: int, batch: int) -> Duel:
    """Our engine and recipe on networks of the published sizes, beside a plain step of the same."""
    z_dim = f"nets.z_dim={mimicry.Z_DIM}"
    todo = planned("resnet", z_dim, "train.precision=bf16", side=SIDE, batch=batch)
    objective = objective_of(todo)
    ours = loop(todo, 1, (published(g, d, objective), objective))
    images, labels, _ = batches(todo)[0]
    nets = mimicry.Generator(g, CLASSES), mimicry.Discriminator(d, CLASSES)
    theirs = mimicry.steps(*nets, images.contiguous(), labels, batch, CLASSES)
    return Duel(lambda: next(ours), lambda: next(theirs))


def published(g: int, d: int, objective: Objective) -> GanState:
    """Our blocks in the sizes for 32 px, laid out as `ganaug.run` does for bf16."""
    G, trunk = Generator(g), Trunk(d)
    D = spectrally_normalised(Discriminator(trunk, CLASSES, projection=True, class_head=None))
    for player in (G, D):
        player.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return GanState.start(G, D, objective)  # type: ignore[arg-type]


class Generator(nn.Module):
    """Three blocks of equal width; in the pair that ganaug ships widths double from block to block."""

    def __init__(self, width: int):
        super().__init__()
        self.z_dim, self.num_classes = mimicry.Z_DIM, CLASSES
        self.start = (width, mimicry.BOTTOM, mimicry.BOTTOM)
        self.input = nn.Linear(self.z_dim, math.prod(self.start))
        norm = partial(ConditionalNorm, num_classes=CLASSES)
        self.blocks = nn.ModuleList(Up(width, width, norm) for _ in range(3))
        self.norm, self.output = nn.BatchNorm2d(width), nn.Conv2d(width, 3, 3, padding=1)
        drawn(self)

    def forward(self, z: Tensor, labels: Tensor, scale: float = 1.0) -> Tensor:
        x = self.input(scale * z).unflatten(1, self.start)
        for block in self.blocks:
            x = block(x, labels)
        return self.output(relu(self.norm(x))).float().tanh()


class Trunk(nn.Module):
    """Four blocks of equal width, of which two halve the sides."""

    def __init__(self, width: int):
        super().__init__()
        self.out_features = width
        rest = (Down(width, width, halves=i == 0) for i in range(3))
        self.blocks = nn.Sequential(Down(3, width, pixels=True), *rest)
        drawn(self)

    def forward(self, images: Tensor) -> Tensor:
        return relu(self.blocks(images)).float().sum((2, 3))


def beside_convolution(width: int, batch: int) -> Duel:
    """Steps of the recipe `dcgan`, and what the processor does best: both by the arithmetic that they get done.

    The steps are as many as a run takes from one look at its state to the next.
    """
    ours = loop(planned("dcgan", f"nets.width={width}", "train.precision=bf16", side=SIDE, batch=batch), LOOK)
    number, channels, side = CONV
    images = torch.randn(number, channels, side, side).bfloat16().to(memory_format=torch.channels_last)
    weight = torch.randn(channels, channels, 3, 3).bfloat16().to(memory_format=torch.channels_last)

    def convolutions() -> None:
        for _ in range(LOOK):
            conv2d(images, weight, padding=1)

    steps = lambda: next(ours)  # noqa: E731
    return Duel(steps, convolutions, work=(flops(steps), flops(convolutions)))


def with_and_without_r1(width: int, batch: int) -> Duel:
    """As many steps as there are from one penalty to the next."""

    def steps(*settings: str) -> Call:
        own = (f"nets.width={width}", f"train.penalty_every={EVERY}", *settings)
        training = loop(planned("style", *own, side=SIDE, batch=batch), EVERY)
        return lambda: next(training)

    return Duel(steps(), steps("train.r1_gamma=0"))
