"""A loaded domain translation: images of one domain in, of the other out; and the translator folder it is shared as."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from torch import Tensor, nn

from ganaug.auto import pick_device
from ganaug.checkpoint import ANOTHER, dump_module
from ganaug.errors import DataError, ModelError
from ganaug.images import MIN_SIDE, grid, to_float, to_uint8
from ganaug.nets.translation import TRANSLATORS
from ganaug.recipe import Side
from ganaug.synthesis.card import Channels, with_splits
from ganaug.synthesis.form import Form
from ganaug.synthesis.philox import latents
from ganaug.synthesis.probes import require_alike, to_base64
from ganaug.synthesis.tiles import cut, feathered

DIRECTIONS = ("AB", "BA")
BATCH = {"cpu": 4, "cuda": 64, "mps": 64}  # images of the training sides that are translated at once
MAPS = 12  # feature maps at the finest level that are alive at a time, at most
MEMORY = 2**31  # bytes that these may take; what needs more is translated in tiles
TILE, OVERLAP = 512, 64  # px
PROBES = 4
Direction = Literal["AB", "BA"]


class Architecture(BaseModel):
    """What it takes to build the translators, bounded so that a hostile file cannot ask for the moon."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["resnet", "unet"]
    width: Annotated[int, Field(ge=4, le=1024)]
    noise_dim: Annotated[int, Field(ge=0, le=4096)]
    downs: Annotated[int, Field(ge=0, le=8)]
    blocks: Annotated[int, Field(ge=0, le=64)]
    channels: tuple[Channels, Channels]  # of A, of B
    sides: tuple[Side, Side]  # height and width in px that were trained with; others are translated, too
    directions: Annotated[tuple[Direction, ...], Field(min_length=1, max_length=2)]

    def build(self) -> nn.ModuleDict:
        """The untrained translators, by direction."""
        return nn.ModuleDict({direction: self._one(direction) for direction in self.directions})

    def _one(self, direction: str) -> nn.Module:
        inputs, outputs = self.ends(direction)
        return TRANSLATORS[self.name](inputs, outputs, self.width, self.noise_dim, self.downs, self.blocks)

    def ends(self, direction: str) -> tuple[int, int]:
        """Channels of what goes in and of what comes out."""
        a, b = self.channels
        return (a, b) if direction == "AB" else (b, a)


class TranslatorCard(BaseModel):
    """translator.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Annotated[Literal[1], Field(alias="schema")] = 1
    architecture: Architecture
    sha256: str
    provenance: Annotated[dict[str, Any], AfterValidator(with_splits)]
    probes: tuple[str, ...]  # base64 of PNG, one for each direction


TRANSLATOR = Form("translator", TranslatorCard)  # translator.json, translator.safetensors


class Translator:
    """A domain translation, ready to serve.

    The noise of image i is a function of (seed, i) alone, and its pixels of those of the image, whatever else is
    translated beside it.

    Attributes:
        directions: ("AB",), or ("AB", "BA") where there is a way back.
        channels: Of A and of B.
        sides: (H, W) of the images it was trained with.
        classes: The names of A's classes, in label order; none where A had no labels.
        hash: sha256 of the weights file.
        folder: Where it was loaded from, or None.
        provenance: What is known of its making: version, recipe, fingerprints and split hashes, label preservation.

    Example:
        >>> translator = Translator.load("runs/day2night")                              # doctest: +SKIP
        >>> night = translator.translate(day, seed=7)                                   # doctest: +SKIP
        >>> night.shape, night.dtype                                                    # doctest: +SKIP
        (torch.Size([2, 3, 256, 256]), torch.uint8)
    """

    def __init__(self, G: nn.ModuleDict, architecture: Architecture, provenance: dict[str, Any], device: str = "cpu"):
        self.device = pick_device(device)
        self.G = G.eval().requires_grad_(False).to(self.device)
        self.architecture, self.provenance = architecture, provenance
        self.hash = hashlib.sha256(dump_module(G)).hexdigest()
        self.folder: Path | None = None

    def __repr__(self) -> str:
        a, b = self.channels
        return f"Translator({self.hash[:8]}, {' and '.join(self.directions)}, {a} and {b} channels)"

    @property
    def directions(self) -> tuple[str, ...]:
        return self.architecture.directions

    @property
    def channels(self) -> tuple[int, int]:
        return self.architecture.channels

    @property
    def sides(self) -> tuple[int, int]:
        return self.architecture.sides

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.provenance.get("classes", ()))

    @property
    def noise_dim(self) -> int:
        """Numbers in the noise vector; 0 where an image has one translation only."""
        return self.architecture.noise_dim

    def translate(
        self,
        images: Tensor,
        direction: str = "AB",
        *,
        seed: int = 0,
        indices: Sequence[int] | Tensor | None = None,
        tile: int | None = None,
    ) -> Tensor:
        """Translate images of any sides from 8 px, and bring them to the CPU.

        What would take more than 2 GiB at once is translated in overlapping tiles of 512 px that fade into each other;
        the norms inside then see the tile and not the image.

        Args:
            images: uint8 [N, C, H, W], of the channels of the domain that they are from.
            direction: "AB" or "BA".
            seed: Of the noise: another seed, other translations, where the translator takes noise.
            indices: The number of each image's noise, [N]; None counts 0, 1, 2, ...
            tile: Side in px of the tiles that larger images are cut into; None: as above.

        Returns:
            uint8 [N, C', H, W], on the CPU.

        Raises:
            DataError: The images have other channels or another form, `indices` is not one number of 0 or more per
                image, or there is no such direction.
        """
        index = self._require(images, direction, indices, tile)
        G, height, width = self.G[direction], *images.shape[2:]
        side = tile or (TILE if self._is_large(height, width) else max(height, width))
        translated = torch.empty(len(images), self.architecture.ends(direction)[1], height, width, dtype=torch.uint8)
        if max(height, width) > side:
            for i, image in enumerate(images):
                translated[i] = self._in_tiles(G, image, direction, seed, index[i : i + 1], side)
            return translated
        each = self._at_once(height, width)
        for start in range(0, len(images), each):
            part = slice(start, start + each)
            translated[part] = to_uint8(self._batch(G, images[part], direction, seed, index[part], each)).cpu()
        return translated

    def save(self, folder: Path) -> None:
        """Write the translator folder, atomically, with probes that `load` translates again.

        Raises:
            ModelError: The weights are not finite.
            OutputError: `folder` holds something already.
            DiskFullError: There is no room; nothing stays.
        """
        probes = tuple(to_base64(self._probe(direction)) for direction in self.directions)
        card = TranslatorCard(
            architecture=self.architecture, sha256=self.hash, provenance=self.provenance, probes=probes
        )
        TRANSLATOR.write(folder, card, self.G)

    @classmethod
    def load(cls, path: str | Path, device: str = "auto") -> "Translator":
        """Read a run folder of `translate fit`, or a translator folder.

        Raises:
            ModelError: It is neither, is damaged, or translates otherwise here than where it was made.
        """
        folder = translator_folder(Path(path))
        card, G = TRANSLATOR.read(folder)
        assert isinstance(G, nn.ModuleDict)
        translator = cls(G, card.architecture, card.provenance, device)
        translator.folder = folder.resolve()
        translator._verify(card, folder)
        return translator

    def require_direction(self, direction: str) -> None:
        """Refuse a way that was not learned.

        Raises:
            DataError: It is none of `directions`.
        """
        if direction not in self.directions:
            raise DataError(
                f"direction must be {' or '.join(self.directions)}, got {direction!r}; "
                "a way back is learned with translate.cycle above 0"
            )

    def _require(
        self, images: Tensor, direction: str, indices: Sequence[int] | Tensor | None, tile: int | None
    ) -> Tensor:
        """The number of each image's noise, int64 [N], once everything fits."""
        self.require_direction(direction)
        inputs = self.architecture.ends(direction)[0]
        if images.dtype != torch.uint8 or images.ndim != 4 or min(images.shape[2:]) < MIN_SIDE:
            raise DataError(
                f"images must be uint8 [N, {inputs}, H, W] of {MIN_SIDE} px or more, got {images.dtype} "
                f"{list(images.shape)}; convert them"
            )
        if images.shape[1] != inputs:
            raise DataError(
                f"images of {direction[0]} must have {inputs} channel{'s' * (inputs > 1)}, as the translator learned "
                f"them, got {images.shape[1]}; convert them, or check the direction"
            )
        if tile is not None and tile < 2 * OVERLAP:
            raise DataError(f"tile must be {2 * OVERLAP} px or more, got {tile}; {TILE} is usual")
        index = torch.arange(len(images)) if indices is None else torch.as_tensor(indices, dtype=torch.int64).cpu()
        if index.shape != (len(images),) or (len(index) and int(index.min()) < 0):
            raise DataError(
                f"indices must be one number of 0 or more per image, got {index.tolist()[:8]} for {len(images)} images;"
                " leave them out to count from 0"
            )
        return index

    def _is_large(self, height: int, width: int) -> bool:
        """A function of sizes alone, so that machines agree."""
        return MAPS * max(self.architecture.width, *self.channels) * height * width * 4 > MEMORY

    def _at_once(self, height: int, width: int) -> int:
        """Images in a batch: of larger ones as many fewer. A CPU gains little by more than four, and a single image,
        which is translated in a batch of the same size, would cost as much as all.
        """
        most, trained = BATCH[self.device.type], self.sides[0] * self.sides[1]
        return max(1, min(most, most * trained // (height * width)))

    def _batch(self, G: nn.Module, images: Tensor, direction: str, seed: int, index: Tensor, size: int) -> Tensor:
        """At most `size` images, padded to exactly as many: pixels do not depend on how many were asked for."""
        n = len(images)
        padded = torch.cat([images, images[:1].expand(size - n, -1, -1, -1)])
        z = torch.zeros(size, self.noise_dim)
        z[:n] = self._noise(direction, seed, index)
        with torch.inference_mode():
            return G(to_float(padded.to(self.device)), z.to(self.device))[:n]

    def _in_tiles(self, G: nn.Module, image: Tensor, direction: str, seed: int, index: Tensor, side: int) -> Tensor:
        """One image [C, H, W] of any size, in tiles that fade into each other where they overlap."""
        z = self._noise(direction, seed, index).to(self.device)

        def translated() -> Iterator[tuple[tuple[int, int], Tensor]]:
            for (top, left), tile in cut(image, side, OVERLAP):
                with torch.inference_mode():
                    yield (top, left), G(to_float(tile[None].to(self.device)), z, (top, left))[0].cpu()

        shape = (self.architecture.ends(direction)[1], image.shape[1], image.shape[2])
        return to_uint8(feathered(translated(), shape, OVERLAP))

    def _noise(self, direction: str, seed: int, index: Tensor) -> Tensor:
        return latents(self.noise_dim, seed, torch.full_like(index, DIRECTIONS.index(direction)), index)

    def _probe(self, direction: str) -> np.ndarray:
        """Translations of smooth patterns in one row: what is shared shows no image of the user's."""
        channels, (height, width) = self.architecture.ends(direction)[0], self.sides
        rng = torch.Generator().manual_seed(0)
        coarse = torch.rand(PROBES, channels, 4, 4, generator=rng)
        smooth = nn.functional.interpolate(coarse, (height, width), mode="bilinear")
        patterns = to_uint8(2 * smooth - 1)
        return grid(self.translate(patterns, direction), columns=PROBES, gap=0)

    def _verify(self, card: TranslatorCard, folder: Path) -> None:
        place = folder / TRANSLATOR.cards
        if self.hash != card.sha256:
            raise ModelError(f"{place} must name the sha256 of the weights beside it, got another; {ANOTHER}")
        if len(card.probes) != len(self.directions):
            raise ModelError(f"{place} must hold a probe of each direction, got {len(card.probes)}; {ANOTHER}")
        for direction, png in zip(self.directions, card.probes, strict=True):
            require_alike(self._probe(direction), png, place)


def translator_folder(path: Path) -> Path:
    """The translator folder that `path` is, or that the run at `path` exported.

    Raises:
        ModelError: There is none.
    """
    for folder in (path, path / "translator"):
        if (folder / TRANSLATOR.cards).is_file():
            return folder
    what = "another folder" if path.is_dir() else "nothing there"
    if any((path / name).exists() for name in ("generator.json", "generator")):
        what = "a generator, which draws images and translates none"
    elif (path / "run.json").is_file():
        raise ModelError(
            f"{path} must be a finished translation, got a run without a translator; finish it with "
            "`ganaug translate fit ... --resume`"
        )
    raise ModelError(
        f"{path} must be a run of `ganaug translate fit` or a translator folder, got {what}; that command makes one"
    )
