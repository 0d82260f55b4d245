"""A loaded translation: noise as a function of seed and number, any size, and folders that are read within bounds."""

import json
from pathlib import Path

import pytest
import torch
from torch import Generator, Tensor

from ganaug.checkpoint import write_sealed
from ganaug.errors import DataError, ModelError
from ganaug.nets.noise import Waves
from ganaug.synthesis import Translator
from ganaug.synthesis.tiles import cut, feathered
from ganaug.synthesis.translator import MAPS, MEMORY, Architecture

BOTH = ("AB", "BA")


def translator(noise_dim: int = 8, **changes: object) -> Translator:
    shape = {"downs": 1, "blocks": 2, "channels": (1, 3), "sides": (16, 16), "directions": BOTH}
    architecture = Architecture(**{"name": "resnet", "width": 8, "noise_dim": noise_dim, **shape, **changes})  # type: ignore[arg-type]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        G = architecture.build()
        for parameter in G.parameters():  # a block is born as nothing, and would hide what the noise does to it
            parameter.data += 0.1 * torch.randn(parameter.shape)
    return Translator(G, architecture, {})


def pictures(n: int, channels: int = 1, height: int = 16, width: int = 16) -> Tensor:
    coarse = torch.rand(n, channels, 4, 4, generator=Generator().manual_seed(n))
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    return (255 * smooth).to(torch.uint8)


def test_an_image_is_translated_alike_whatever_stands_beside_it():
    made, images = translator(), pictures(11)
    together = made.translate(images, seed=3)
    assert together.shape == (11, 3, 16, 16) and together.dtype == torch.uint8
    for i in (0, 4, 10):
        assert torch.equal(made.translate(images[i : i + 1], seed=3, indices=[i])[0], together[i])
    backwards = made.translate(images.flip(0), seed=3, indices=list(range(11))[::-1])
    assert torch.equal(backwards.flip(0), together)


def test_another_seed_is_another_translation_where_there_is_noise_alone():
    images = pictures(2)
    for noise_dim, differs in ((8, True), (0, False)):
        made = translator(noise_dim)
        assert (not torch.equal(made.translate(images, seed=0), made.translate(images, seed=1))) == differs


@pytest.mark.parametrize(("height", "width"), [(8, 8), (37, 53), (16, 100)])
def test_images_of_any_sides_keep_them_there_and_back(height: int, width: int):
    made = translator()
    there = made.translate(pictures(2, 1, height, width))
    assert there.shape == (2, 3, height, width)
    assert made.translate(there, "BA").shape == (2, 1, height, width)


@pytest.mark.parametrize(
    ("images", "keys", "message"),
    [
        (pictures(1, 3), {}, "images of A must have 1 channel, as the translator learned them, got 3"),
        (
            pictures(1, 1),
            {"direction": "BA"},
            "images of B must have 3 channels, as .*, got 1",
        ),
        (pictures(1), {"direction": "AA"}, "direction must be AB or BA, got 'AA'"),
        (pictures(1).float(), {}, r"images must be uint8 \[N, 1, H, W\] of 8 px or more, got torch.float32"),
        (pictures(2), {"indices": [0]}, "indices must be one number of 0 or more per image, got"),
        (pictures(1), {"tile": 64}, "tile must be 128 px or more, got 64"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(images: Tensor, keys: dict[str, object], message: str):
    with pytest.raises(DataError, match=message):
        translator().translate(images, **keys)  # type: ignore[arg-type]


def test_tiles_fade_into_each_other_and_textures_go_on():
    """Away from the norms, which see the tile, a tiled image is the whole one."""
    image = pictures(1, 1, 300, 200)[0]
    whole = feathered(((place, 2 * tile.float()) for place, tile in cut(image, 128, 64)), (1, 300, 200), 64)
    assert torch.allclose(whole, 2 * image.float(), atol=1e-3)

    waves, z = Waves(16), torch.randn(1, 16, generator=Generator().manual_seed(0))
    everywhere = torch.stack(waves(z, torch.zeros(1, 1, 40, 60)), 1)
    part = torch.stack(waves(z, torch.zeros(1, 1, 20, 30), (15, 25)), 1)
    assert torch.allclose(everywhere[..., 15:35, 25:55], part, atol=1e-4)


def test_a_large_image_is_translated_in_tiles_without_a_seam():
    made, image = translator(), pictures(1, 1, 260, 300)
    tiled = made.translate(image, tile=128).float()
    steps = (tiled[..., 1:] - tiled[..., :-1]).abs().mean((0, 1, 2))
    assert tiled.shape == (1, 3, 260, 300)
    assert steps.max() < 4 * steps.median() + 1  # no column stands out


def test_whether_an_image_is_large_depends_on_sizes_alone():
    made = translator(width=64)
    side = int((MEMORY / (MAPS * 64 * 4)) ** 0.5)
    assert not made._is_large(side, side) and made._is_large(side + 1, side + 1)


def test_a_folder_gives_back_the_same_translator(tmp_path: Path):
    made = translator()
    made.save(tmp_path / "t")
    again = Translator.load(tmp_path / "t")
    assert again.hash == made.hash and again.directions == BOTH and again.channels == (1, 3)
    assert torch.equal(again.translate(pictures(3), seed=2), made.translate(pictures(3), seed=2))


def resealed(folder: Path, **changes: object) -> Path:
    """A translator folder whose card has other facts, under a manifest that agrees."""
    payload = {name: (folder / name).read_bytes() for name in ("translator.json", "translator.safetensors")}
    card = json.loads(payload["translator.json"])
    card["architecture"] |= changes
    write_sealed(folder / "other", payload | {"translator.json": json.dumps(card).encode()})
    return folder / "other"


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 10**6},
        {"blocks": 65},
        {"name": "pickle"},
        {"channels": [2, 3]},
        {"sides": [4, 16]},
        {"directions": []},
    ],
    ids=str,
)
def test_a_card_that_asks_for_too_much_is_refused(changes: dict[str, object], tmp_path: Path):
    translator().save(tmp_path / "t")
    with pytest.raises(ModelError, match=r"translator\.(json|safetensors)"):
        Translator.load(resealed(tmp_path / "t", **changes))


def test_a_flipped_bit_and_weights_that_are_not_finite_are_refused(tmp_path: Path):
    made = translator()
    made.save(tmp_path / "t")
    weights = tmp_path / "t/translator.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelError, match=r"translator\.safetensors must have the sha256"):
        Translator.load(tmp_path / "t")
    next(made.G.parameters()).data[0] = torch.nan
    with pytest.raises(ModelError, match="a translator must have finite weights to be exported"):
        made.save(tmp_path / "nan")
    assert not (tmp_path / "nan").exists()
