"""The networks of the study: a small residual one, airbench's, torchvision's by name, or the user's own callable."""

import copy
import difflib
import math
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaug.errors import DataError
from ganaug.measures.airbench import airbench

Shape = tuple[int, int, int]  # channels, height, width
Kind = str | Callable[[Shape, int], nn.Module]

SMALL, AIRBENCH, TORCHVISION = "small", "airbench", "torchvision:"
OWN = (SMALL, AIRBENCH)  # kinds that draw nothing in training, so that several can be trained as one
WIDTHS = (16, 32, 64)  # channels of the three stages
WORKING_SIDE = 20  # px; the stem halves longer sides until they fit
LEAST_SIDE = 32  # px; torchvision's networks halve sides five times


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut without parameters (He et al. 2016, arXiv:1512.03385, option A).

    Where it halves the sides it takes means first, for both paths: no strided convolution, whose gradient is slow.
    """

    def __init__(self, width: int, out: int, *, halve: bool):
        super().__init__()
        self.first = _convolution(width, out, 1)
        self.second = _convolution(out, out, 1)
        self.more, self.halve = out - width, halve

    def forward(self, x: Tensor) -> Tensor:
        x = F.avg_pool2d(x, 2, ceil_mode=True) if self.halve else x
        changed = self.second(F.relu(self.first(x)))
        return F.relu(changed + (F.pad(x, (0, 0, 0, 0, 0, self.more)) if self.more else x))


class Classifier(nn.Module):
    """Float images [N, C, H, W] in [-1, 1] to class logits [N, K], for any sides of 8 px or more.

    Example:
        >>> Classifier(3, (8, 200), num_classes=5)(torch.zeros(2, 3, 8, 200)).shape
        torch.Size([2, 5])
    """

    def __init__(self, channels: int, size: tuple[int, int], num_classes: int):
        super().__init__()
        first, *_, last = WIDTHS
        self.stem = nn.Sequential(*_stem(channels, size, first))
        self.stages = nn.Sequential(
            *(ResidualBlock(i, o, halve=i < o) for i, o in zip((first, *WIDTHS), WIDTHS, strict=False))
        )
        self.head = nn.Linear(last, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """What the last layer sees, [N, 64]."""
        return self.stages(self.stem(x)).mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


class Enlarged(nn.Module):
    """A network that sees no side below LEAST_SIDE: smaller images are enlarged."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        if min(height, width) < LEAST_SIDE:
            size = [max(height, LEAST_SIDE), max(width, LEAST_SIDE)]
            x = F.interpolate(x, size, mode="bilinear", align_corners=False)
        return self.network(x)


def build_classifier(shape: Shape, num_classes: int, generator: torch.Generator, kind: Kind = SMALL) -> nn.Module:
    """An untrained classifier for float images (C, H, W) in [-1, 1].

    Args:
        shape: C, H, W.
        num_classes: K.
        generator: Decides the weights; a CPU generator.
        kind: "small", "airbench", "torchvision:NAME", or a callable that takes (shape, num_classes) and gives an
            nn.Module.

    Raises:
        DataError: The name is unknown, or the network gives no finite logits [N, K] for such images.
    """
    if kind == SMALL:
        return _small(shape, num_classes, generator)
    if kind == AIRBENCH:
        return airbench(shape[0], num_classes, generator)
    with torch.random.fork_rng(devices=[]):  # foreign initialisers draw from the global generator
        torch.default_generator.manual_seed(int(torch.randint(2**31, (), generator=generator)))
        model = kind(shape, num_classes) if callable(kind) else _torchvision(kind, shape[0], num_classes)
        _require_logits(copy.deepcopy(model), shape, num_classes, kind)
    return copy.deepcopy(model)  # a callable may give the same network twice


def _small(shape: Shape, num_classes: int, generator: torch.Generator) -> Classifier:
    """Weights after He et al. 2015 (arXiv:1502.01852); the head begins at zero."""
    channels, height, width = shape
    with torch.device("meta"):
        model = Classifier(channels, (height, width), num_classes)
    model.to_empty(device="cpu")
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, generator=generator)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
    nn.init.zeros_(model.head.weight)
    nn.init.zeros_(model.head.bias)
    return model.to(memory_format=torch.channels_last)


def _torchvision(kind: str, channels: int, num_classes: int) -> nn.Module:
    """One of torchvision's classification networks, untrained, its first convolution adapted to the channels."""
    from torchvision import models

    name, known = kind.removeprefix(TORCHVISION), models.list_models(module=models)
    if not kind.startswith(TORCHVISION) or name not in known:
        near = difflib.get_close_matches(name, known, n=1) or ["resnet18"]
        raise DataError(
            f"classifier must be small, airbench or torchvision:NAME, got {kind!r}; try torchvision:{near[0]}"
        )
    model = models.get_model(name, weights=None, num_classes=num_classes)
    path, first = next((path, m) for path, m in model.named_modules() if isinstance(m, nn.Conv2d))
    if first.in_channels != channels:
        parent, _, leaf = path.rpartition(".")
        setattr(model.get_submodule(parent), leaf, _with_channels(first, channels))
    return Enlarged(model)


def _with_channels(first: nn.Conv2d, channels: int) -> nn.Conv2d:
    """The same convolution for images of other channels, anew."""
    return nn.Conv2d(
        channels,
        first.out_channels,
        first.kernel_size,  # type: ignore[arg-type]
        first.stride,  # type: ignore[arg-type]
        first.padding,  # type: ignore[arg-type]
        bias=first.bias is not None,
    )


@torch.no_grad()
def _require_logits(model: nn.Module, shape: Shape, num_classes: int, kind: Kind) -> None:
    """Try the network on two plain images, in the mode in which it is trained."""
    name = getattr(kind, "__name__", kind)
    rule = f"classifier {name} must map images {list(shape)} to finite logits [N, {num_classes}]"
    if not isinstance(model, nn.Module) or not any(True for _ in model.parameters()):
        raise DataError(
            f"classifier {name} must give a network with weights, got {type(model).__name__}; see nn.Module"
        )
    try:
        logits = model.train()(torch.zeros(2, *shape))
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:
        raise DataError(f"{rule}, got {str(error).splitlines()[0]}; choose another") from error
    found = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
    if found != [2, num_classes] or not logits.isfinite().all():
        raise DataError(f"{rule}, got {found if found != [2, num_classes] else 'NaN or infinity'}; choose another")


def _convolution(width: int, out: int, stride: int | tuple[int, int]) -> nn.Sequential:
    """A 3x3 convolution and batch normalisation."""
    return nn.Sequential(nn.Conv2d(width, out, 3, stride, padding=1, bias=False), nn.BatchNorm2d(out))


def _stem(channels: int, size: tuple[int, int], width: int) -> Iterator[nn.Module]:
    """Convolutions that halve each side until it is at most WORKING_SIDE; one that halves nothing where both are."""
    height, wide = size
    while True:
        stride = (1 + (height > WORKING_SIDE), 1 + (wide > WORKING_SIDE))
        yield from (_convolution(channels, width, stride), nn.ReLU())
        height, wide, channels = math.ceil(height / stride[0]), math.ceil(wide / stride[1]), width
        if max(height, wide) <= WORKING_SIDE:
            return
