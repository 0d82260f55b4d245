"""`train.init`: what a new pair of networks takes over from a model that was trained before."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ganaug.checkpoint import checkpoint_steps, folder_of, parse_tensors, read_listed, read_manifest
from ganaug.conditioning import Discriminator
from ganaug.data import listed
from ganaug.errors import ModelError
from ganaug.nets.dcgan import DcganGenerator
from ganaug.synthesis.card import GENERATOR, Card
from ganaug.synthesis.synthesizer import generator_folder

NAMED = 8  # classes in a sentence
HEAD = "head"  # where D names the class


@dataclass(frozen=True)
class Rows:
    """Where the numbers of each class lie in a tensor: along `axis` behind the first `start`, `blocks` times all K."""

    axis: int
    start: int = 0
    blocks: int = 1

    def size(self, num_classes: int) -> int:
        """How long the axis is."""
        return self.start + self.blocks * num_classes

    def of(self, numbers: list[int], num_classes: int) -> Tensor:
        """The places along the axis that belong to no class, then those of the classes with these numbers."""
        blocks = (self.start + block * num_classes + k for block in range(self.blocks) for k in numbers)
        return torch.tensor([*range(self.start), *blocks], dtype=torch.int64)


@dataclass(frozen=True)
class Share:
    """How much of a network was taken over: tensors, in whole or in part, and the numbers in them."""

    tensors: int
    of_tensors: int
    numbers: int
    of_numbers: int

    def __str__(self) -> str:
        percent = 100 * self.numbers // max(self.of_numbers, 1)  # 100 where it is all, and only there
        return f"{self.tensors} of {self.of_tensors} tensors ({percent} % of the numbers)"


def read_ancestor(model: str | Path) -> tuple[Card, nn.Module]:
    """What the model in `train.init` says of itself, and its generator.

    Raises:
        ModelError: There is no model, or a damaged one.
    """
    try:
        return GENERATOR.read(generator_folder(Path(model)))
    except ModelError as error:
        raise ModelError(f"train.init: {error}") from error


def inherit(model: str | Path, G: nn.Module, D: nn.Module | None, classes: tuple[str, ...]) -> list[str]:
    """Fill G and D, in place, with what fits of a model: tensors of the same name and shape.

    What belongs to single classes goes by their names, so the model may have other classes, or others besides, or the
    same in another order. Whatever does not fit keeps what it was drawn as: new classes, other channels or sides.

    Args:
        model: A run folder, whose best checkpoint may hold D, too; or a generator folder.
        G: The generator, on any device; on the meta device nothing but the count is done.
        D: The discriminator; None: G alone.
        classes: The K class names, in label order.

    Returns:
        What was reused and what not, a sentence each.

    Raises:
        ModelError: There is no model, it is damaged, or nothing of G fits.

    Example:
        >>> inherit("runs/a", G, D, ("ant", "bee"))                         # doctest: +SKIP
        ['G starts from runs/a with 14 of 14 tensors (100 % of the numbers)', ...]
    """
    card, old = read_ancestor(model)
    was = card.architecture.classes
    share = _fill(G, old.state_dict(), was, classes) if type(G) is type(old) else Share(0, 1, 0, 1)
    if not share.numbers:
        raise ModelError(
            f"train.init must be a model of which something fits, got {model} with {card.architecture.name} networks; "
            "set nets.name and nets.width as there, or leave train.init out"
        )
    said = [f"G starts from {model} with {share}"]
    if D is not None:
        tensors = _tensors_of_D(Path(model), card)
        said.append(f"D starts from it with {_fill(D, tensors, was, classes)}" if tensors else "D starts from nothing")
    return [*said, *_of_classes(was, classes)]


@torch.no_grad()
def _fill(module: nn.Module, old: dict[str, Tensor], was: tuple[str, ...], now: tuple[str, ...]) -> Share:
    new = module.state_dict()
    rows = dict(_rows(module, len(now)))
    taken = [_take(t, old[name].to(t.device), rows.get(name), was, now) for name, t in new.items() if name in old]
    return Share(sum(map(bool, taken)), len(new), sum(taken), sum(t.numel() for t in new.values()))


def _take(new: Tensor, old: Tensor, rows: Rows | None, was: tuple[str, ...], now: tuple[str, ...]) -> int:
    """Copy what fits of `old` into `new`; how many numbers that were."""
    if rows is None:
        if new.shape != old.shape:
            return 0
        new.copy_(old)
        return new.numel()
    if list(old.shape) != [*new.shape[: rows.axis], rows.size(len(was)), *new.shape[rows.axis + 1 :]]:
        return 0
    before = {name: k for k, name in enumerate(was)}
    common = [(k, before[name]) for k, name in enumerate(now) if name in before]
    here = rows.of([k for k, _ in common], len(now)).to(new.device)
    there = rows.of([k for _, k in common], len(was)).to(new.device)
    new.index_copy_(rows.axis, here, old.index_select(rows.axis, there).to(new.dtype))
    return len(here) * new.numel() // new.shape[rows.axis]


def _rows(module: nn.Module, num_classes: int) -> Iterator[tuple[str, Rows]]:
    """Which tensors hold numbers of single classes: embeddings of labels, D's head, and DCGAN's labels beside z."""
    for path, part in module.named_modules():
        rows = None
        if isinstance(part, nn.Embedding) and part.num_embeddings == num_classes:
            rows = Rows(axis=0)
        elif isinstance(module, Discriminator) and path == HEAD and isinstance(part, nn.Linear):
            rows = Rows(axis=0, blocks=part.out_features // num_classes)
        elif isinstance(module, DcganGenerator) and part is module.input:
            rows = Rows(axis=1, start=module.z_dim)
        for name, tensor in part.state_dict(prefix=f"{path}.").items() if rows else ():
            if rows and tensor.ndim > rows.axis and tensor.shape[rows.axis] == rows.size(num_classes):
                yield name, rows


def _tensors_of_D(model: Path, card: Card) -> dict[str, Tensor]:
    """D as the run's best checkpoint holds it, else its newest; nothing where there is no checkpoint.

    Raises:
        ModelError: The checkpoint is damaged; the file is named.
    """
    root = model / "checkpoints"
    steps = checkpoint_steps(root)
    if not steps:
        return {}
    best = card.provenance.get("best_step")
    step = best if best in steps else steps[-1]
    folder, name = folder_of(root, step), "D.safetensors"
    files = read_manifest(folder, {"step": step})
    return parse_tensors(read_listed(folder, name, files[name]), str(folder / name)) if name in files else {}


def _of_classes(was: tuple[str, ...], now: tuple[str, ...]) -> Iterator[str]:
    before, after = set(was), set(now)
    new, gone = [name for name in now if name not in before], [name for name in was if name not in after]
    if new:
        yield f"new to it and freshly drawn: {listed(new, NAMED)}"
    if gone:
        yield f"known to it and not wanted here: {listed(gone, NAMED)}"
