"""A loaded generator: labels in, uint8 images out; and the generator folder it is shared as."""

import copy
import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganaug.auto import pick_device
from ganaug.checkpoint import ANOTHER, dump_module
from ganaug.errors import DataError, DeviceError, ModelError
from ganaug.images import grid, to_uint8
from ganaug.synthesis.batches import batch_size, require_memory
from ganaug.synthesis.card import GENERATOR, Architecture, Card, Probes
from ganaug.synthesis.philox import latents
from ganaug.synthesis.probes import require_alike, to_base64

log = logging.getLogger("ganaug")
PROBES = 8
WIDEST_SCALE = 4.0  # of latents; images fall apart long before


class Synthesizer:
    """A conditional generator, ready to serve.

    Image i is a function of (weights, seed, label, i) alone on one kind of device, whatever else is asked for beside
    it: every batch is filled up to one size. Where memory runs out that size is halved, and the last bit of a pixel may
    then differ. All is float32: bfloat16 moved the pixels of a style generator by 0.6 of 255 on the mean, more than
    devices may disagree by, and a GPU's convolutions are on its tensor cores without it (as TF32).

    Attributes:
        batch: Images that are rendered at once.
        classes: The K class names, in label order.
        shape: (C, H, W) of every image.
        hash: sha256 of the weights file.
        folder: Where it was loaded from, or None.
        provenance: What is known of its making: version, recipe, fingerprint and split hashes of the training data.

    Example:
        >>> synth = Synthesizer.load("runs/digits")                         # doctest: +SKIP
        >>> images, labels = synth.sample(labels=[0, 1, 1], seed=7)         # doctest: +SKIP
        >>> images.shape, images.dtype                                      # doctest: +SKIP
        (torch.Size([3, 1, 8, 8]), torch.uint8)
    """

    def __init__(self, G: nn.Module, architecture: Architecture, provenance: dict[str, Any], device: str = "cpu"):
        self.device = pick_device(device)
        self.G = _laid_out(G).eval().requires_grad_(False).to(self.device)
        self.architecture, self.provenance = architecture, provenance
        self.batch = self._whole_batch = batch_size(architecture, self.device)
        self.hash = hashlib.sha256(dump_module(G)).hexdigest()
        self.folder: Path | None = None

    def __repr__(self) -> str:
        return f"Synthesizer({self.hash[:8]}, {len(self.classes)} classes, {'x'.join(map(str, self.shape))})"

    @property
    def classes(self) -> tuple[str, ...]:
        return self.architecture.classes

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.architecture.shape

    def sample(
        self,
        labels: Sequence[int] | Tensor,
        seed: int = 0,
        indices: Sequence[int] | Tensor | None = None,
        scale: float = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """Render one image per label, and bring them to the CPU.

        Args:
            labels: Class numbers in [0, K), [N].
            seed: Chooses one of 2^64 endless sequences of images per class.
            indices: Position of each image in the sequence of its class, [N]; None counts 0, 1, 2, ...
            scale: How far latents lie from their centre, as a multiple of where they lay in training, in [0, 4]:
                below 1 images are more typical and less various (truncation: Marchesi 2017, arXiv:1706.00082), beyond 1
                the other way round (expansion: Lampis et al. 2023, arXiv:2305.10118).

        Returns:
            uint8 images [N, C, H, W] and int64 labels [N], on the CPU.

        Raises:
            DataError: A label is unknown, `indices` is not one number of 0 or more per label, or `scale` is out of
                range.
            DeviceError: The device has no memory for a single image.
        """
        images = self.render(labels, seed, indices, scale)
        return images.cpu(), torch.as_tensor(labels, dtype=torch.int64).cpu()

    def render(
        self,
        labels: Sequence[int] | Tensor,
        seed: int = 0,
        indices: Sequence[int] | Tensor | None = None,
        scale: float = 1.0,
    ) -> Tensor:
        """The images of `sample`, uint8 [N, C, H, W], where the generator is."""
        labels = torch.as_tensor(labels, dtype=torch.int64).cpu()
        self._require_labels(labels)
        index = torch.arange(len(labels)) if indices is None else torch.as_tensor(indices, dtype=torch.int64).cpu()
        if index.shape != labels.shape:
            raise DataError(
                f"indices must be one per label, got shape {list(index.shape)} for {list(labels.shape)}; "
                "leave them out to count from 0"
            )
        if len(index) and int(index.min()) < 0:
            raise DataError(f"indices must be 0 or more, got {int(index.min())}; every sequence begins at 0")
        if not 0 <= scale <= WIDEST_SCALE:
            raise DataError(f"the latent scale must lie in [0, {WIDEST_SCALE:g}], got {scale}; 1 is as in training")
        return self._rendered(labels, self._latents(seed, labels, index), scale)

    def save(self, folder: Path) -> None:
        """Write the generator folder, atomically, with probes that `load` renders again.

        Raises:
            ModelError: The weights are not finite.
            OutputError: `folder` holds something already.
            DiskFullError: There is no room; nothing stays.
        """
        card = Card(architecture=self.architecture, sha256=self.hash, provenance=self.provenance, probes=self._probes())
        GENERATOR.write(folder, card, self.G)

    @classmethod
    def load(cls, path: str | Path, device: str = "auto") -> "Synthesizer":
        """Read a run folder or a generator folder.

        Raises:
            ModelError: It is neither, is damaged, or renders other images here than where it was made.
        """
        folder = generator_folder(Path(path))
        card, G = GENERATOR.read(folder)
        synth = cls(G, card.architecture, card.provenance, device)
        synth.folder = folder.resolve()
        synth._verify(card, folder)
        return synth

    def _require_labels(self, labels: Tensor) -> None:
        if labels.ndim != 1:
            raise DataError(f"labels must be a list of class numbers [N], got shape {list(labels.shape)}; flatten them")
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(self.classes):
            raise DataError(
                f"labels must lie in [0, {len(self.classes)}), got {labels.tolist()[:8]}; "
                f"the classes are {list(self.classes)[:8]}"
            )

    def _latents(self, seed: int, labels: Tensor, indices: Tensor) -> Tensor:
        """Drawn by the device itself where it is sure to have integers of 64 bits and floats of as many."""
        where = self._place if self._place.type == "cuda" else "cpu"
        return latents(self.architecture.z_dim, seed, labels.to(where), indices.to(where)).to(self._place)

    @property
    def _place(self) -> torch.device:
        """The device with its number: a thread that renders may have another current one than who made it."""
        return next(self.G.parameters()).device

    def _rendered(self, labels: Tensor, z: Tensor, scale: float) -> Tensor:
        """All images, a batch at a time, and a smaller batch from where memory runs out."""
        images = torch.empty(len(labels), *self.shape, dtype=torch.uint8, device=self._place)
        labels, start = labels.to(self._place), 0
        while start < len(labels):
            size = self.batch
            part = slice(start, start + size)
            try:
                images[part] = self._batch(z[part], labels[part], scale, size)
                start += size
            except torch.OutOfMemoryError:
                self._halve(size)
        return images

    def _batch(self, z: Tensor, labels: Tensor, scale: float, size: int) -> Tensor:
        """At most `size` images, padded to exactly as many."""
        n = len(labels)
        if n < size:
            z, labels = (torch.cat([x, x.new_zeros(size - n, *x.shape[1:])]) for x in (z, labels))
        with torch.inference_mode():
            return to_uint8(self.G(z, labels, scale)[:n])

    def _halve(self, size: int) -> None:
        """From now on render fewer at once than the `size` images that found no memory; said the first time."""
        if size == 1:
            raise DeviceError(
                f"{self.device} must have memory to render an image of {' x '.join(map(str, self.shape))}, got too "
                'little for one alone; stop what else takes it, or use "cpu"'
            )
        if self.batch == self._whole_batch:
            log.warning("%s has no memory for %d images at once: fewer are rendered at once now", self.device, size)
        self.batch = min(self.batch, size // 2)  # another thread may have halved it meanwhile

    def _probes(self) -> Probes:
        labels = tuple(i % len(self.classes) for i in range(PROBES))
        picture = grid(self.sample(labels, seed=0)[0], columns=PROBES, gap=0)
        return Probes(seed=0, labels=labels, png=to_base64(picture))

    def _verify(self, card: Card, folder: Path) -> None:
        place = folder / GENERATOR.cards
        if self.hash != card.sha256:
            raise ModelError(
                f"{folder / GENERATOR.cards} must name the sha256 of the weights beside it, got another; {ANOTHER}"
            )
        require_memory(folder, self.architecture, self.device)
        probes = card.probes
        rendered = grid(self.sample(probes.labels, seed=probes.seed)[0], columns=len(probes.labels), gap=0)
        require_alike(rendered, probes.png, place)


def is_model(path: Path) -> bool:
    """Whether `path` looks like a run or a generator folder."""
    return any((path / name).exists() for name in ("generator.json", "run.json", "generator/generator.json"))


def generator_folder(path: Path) -> Path:
    """The generator folder that `path` is, or that the run at `path` exported.

    Raises:
        ModelError: There is none.
    """
    for folder in (path, path / "generator"):
        if (folder / GENERATOR.cards).is_file():
            return folder
    if any((path / name).exists() for name in ("translator.json", "translator")):
        raise ModelError(
            f"{path} must be a run folder of `ganaug train` or a generator folder, got a translator, which draws no "
            "images of its own; use `ganaug translate`"
        )
    if (path / "run.json").is_file():
        raise ModelError(
            f"{path} must be a finished run, got one without a generator; finish it with `ganaug train ... --resume`"
        )
    what = "another folder" if path.is_dir() else "nothing there"
    raise ModelError(f"{path} must be a run folder or a generator folder, got {what}; `ganaug train` makes one")


def _laid_out(G: nn.Module) -> nn.Module:
    """G in the layout that convolutions are fast in: a copy where it lies otherwise, as it may still be trained on."""
    if all(p.is_contiguous(memory_format=torch.channels_last) for p in G.parameters() if p.ndim == 4):
        return G
    return copy.deepcopy(G).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
