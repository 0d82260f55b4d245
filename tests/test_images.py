"""The decode policy: what a file shows is what is learned from, whatever the file's form."""

import io
import os
import random
import struct
import time
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from ganaug.errors import DataError
from ganaug.images import (
    FORMATS,
    Header,
    Picture,
    PictureError,
    encode_png,
    fit,
    grid,
    read_header,
    read_image,
    to_float,
    to_pil,
    to_uint8,
)
from ganaug.images.decoding import MAX_BYTES

RNG = np.random.default_rng(0)


def saved(path: Path, image: Image.Image, **options) -> Path:
    image.save(path, **options)
    return path


def gray16(path: Path, values: np.ndarray) -> Path:
    return saved(path, Image.fromarray(values.astype(np.uint16)))


def rgb(height: int = 10, width: int = 12) -> np.ndarray:
    return RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds no pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def form(path: Path) -> tuple[tuple[int, int], int]:
    header = read_header(Picture.at(path))
    return header.size, header.channels


def test_uint8_survives_the_round_trip_through_floats():
    every = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(to_float(every)), every)
    assert to_uint8(torch.tensor([-9.0, 9.0])).tolist() == [0, 255]


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3), ("RGBA", 4)])
def test_png_round_trip_is_exact_and_its_bytes_are_a_function_of_the_pixels(tmp_path: Path, mode: str, channels: int):
    image = RNG.integers(0, 256, (channels, 9, 13), dtype=np.uint8)
    path = tmp_path / "a.png"
    path.write_bytes(encode_png(image))
    assert encode_png(image) == path.read_bytes() != encode_png(image, xmp="<x/>")
    assert form(path) == ((9, 13), channels)
    assert np.array_equal(read_image(Picture.at(path), channels), image)
    assert to_pil(image).mode == mode


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path, suffix: str):
    values = np.linspace(0, 65535, 256).round().reshape(16, 16)
    path = gray16(tmp_path / f"a.{suffix}", values)
    assert form(path) == ((16, 16), 1)
    assert np.array_equal(read_image(Picture.at(path), 1)[0].ravel(), np.arange(256))
    assert np.array_equal(read_image(Picture.at(path), 3)[2].ravel(), np.arange(256))


def test_integers_beyond_sixteen_bits_and_floats_beyond_one_are_refused(tmp_path: Path):
    wide = saved(tmp_path / "wide.tif", Image.fromarray(np.full((8, 8), 70_000, np.int32)))
    with pytest.raises(DataError, match=r"wide.tif: pixels must lie in \[0, 65535\], got \[70000, 70000\]"):
        read_image(Picture.at(wide), 1)
    for value in (1.5, -0.1, float("nan")):
        odd = saved(tmp_path / "odd.tif", Image.fromarray(np.full((8, 8), value, np.float32)))
        with pytest.raises(DataError, match=r"odd.tif: pixels must lie in \[0, 1\], got"):
            read_image(Picture.at(odd), 1)
    half = saved(tmp_path / "half.tif", Image.fromarray(np.full((8, 8), 0.5, np.float32)))
    assert np.unique(read_image(Picture.at(half), 1)).tolist() == [128]


@pytest.mark.parametrize("channels", [1, 3])
def test_transparency_is_composited_on_white_and_hides_what_lay_under_it(tmp_path: Path, channels: int):
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, :4] = (255, 0, 0, 0)  # a hidden red
    pixels[:, 4:] = (0, 0, 0, 255)
    path = saved(tmp_path / "a.png", Image.fromarray(pixels))
    assert form(path)[1] == 4
    image = read_image(Picture.at(path), channels)
    assert (image[:, :, :4] == 255).all() and (image[:, :, 4:] == 0).all()
    half = saved(tmp_path / "b.png", Image.fromarray(np.full((8, 8, 4), (0, 0, 0, 128), np.uint8)))
    assert set(np.unique(read_image(Picture.at(half), channels))) <= {127, 128}


def test_four_channels_keep_transparency(tmp_path: Path):
    pixels = RNG.integers(0, 256, (8, 8, 4), dtype=np.uint8)
    assert np.array_equal(
        read_image(Picture.at(saved(tmp_path / "a.png", Image.fromarray(pixels))), 4), pixels.transpose(2, 0, 1)
    )


def test_a_palette_with_a_transparent_entry_becomes_white_there(tmp_path: Path):
    image = Image.fromarray(np.repeat([[0, 1]], 8, 0).repeat(4, 1).astype(np.uint8), mode=None).convert("P")
    image.putpalette([10, 20, 30, 200, 100, 50] + [0] * 762)
    plain = read_image(Picture.at(saved(tmp_path / "plain.png", image)), 3)
    assert plain[:, 0, 0].tolist() == [10, 20, 30] and plain[:, 0, 7].tolist() == [200, 100, 50]
    path = saved(tmp_path / "clear.png", image, transparency=0)
    assert form(path)[1] == 4
    assert read_image(Picture.at(path), 3)[:, 0, 0].tolist() == [255, 255, 255]


def test_one_bit_is_black_and_white(tmp_path: Path):
    bits = RNG.integers(0, 2, (8, 8)).astype(bool)
    path = saved(tmp_path / "a.png", Image.fromarray(bits))
    assert form(path)[1] == 1
    assert np.array_equal(read_image(Picture.at(path), 1)[0], bits * 255)


def test_cmyk_and_gray_with_alpha_are_converted(tmp_path: Path):
    white = saved(tmp_path / "a.jpg", Image.new("CMYK", (8, 8), (0, 0, 0, 0)))
    assert form(white) == ((8, 8), 3)
    assert (read_image(Picture.at(white), 3) > 250).all() and (read_image(Picture.at(white), 1) > 250).all()
    clear = saved(tmp_path / "b.png", Image.new("LA", (8, 8), (0, 0)))
    assert (read_image(Picture.at(clear), 1) == 255).all() and (read_image(Picture.at(clear), 3) == 255).all()


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_exif_orientation_is_applied_and_counted_in_the_size(tmp_path: Path, suffix: str):
    top = np.zeros((8, 16, 3), np.uint8)
    top[:4] = 255  # a white upper half; orientation 6 turns it to the right half
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path / f"a.{suffix}", Image.fromarray(top), exif=exif)
    assert form(path) == ((16, 8), 3)
    image = read_image(Picture.at(path), 1)[0].astype(int)
    assert image.shape == (16, 8) and image[:, 5:].min() > 200 and image[:, :3].max() < 55


@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])  # which lose nothing
@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_eight_orientations_are_turned_as_pillow_turns_them(tmp_path: Path, suffix: str, orientation: int):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(rgb(9, 14))
    path = saved(tmp_path / f"a.{suffix}", stored, exif=exif, **({"lossless": True} if suffix == "webp" else {}))
    stored.getexif()[0x0112] = orientation
    upright = np.asarray(ImageOps.exif_transpose(stored)).transpose(2, 0, 1)
    assert np.array_equal(read_image(Picture.at(path), 3), upright)
    assert form(path)[0] == upright.shape[1:] and read_header(Picture.at(path)).turned == (orientation > 1)


def test_damaged_exif_beside_good_pixels_is_no_fault(tmp_path: Path):
    pixels = rgb(9, 14)
    for exif in (b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\x7f", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12"):
        path = saved(tmp_path / "a.png", Image.fromarray(pixels), exif=exif)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert np.array_equal(read_image(Picture.at(path), 3), pixels.transpose(2, 0, 1))
            assert not read_header(Picture.at(path)).turned


@pytest.mark.parametrize(
    ("mode", "suffix", "channels"),
    [
        *(("1", "png", 1), ("L", "png", 1), ("LA", "png", 4), ("P", "png", 3), ("RGB", "png", 3), ("RGBA", "png", 4)),
        *(("I;16", "png", 1), ("I;16", "tif", 1), ("F", "tif", 1), ("CMYK", "jpg", 3), ("CMYK", "tif", 3)),
    ],
)
def test_the_header_tells_how_a_picture_is_stored(tmp_path: Path, mode: str, suffix: str, channels: int):
    path = saved(tmp_path / f"a.{suffix}", Image.new(mode, (9, 8)))
    header = read_header(Picture.at(path))
    assert header == Header((8, 9), channels, mode) and header.frames == 1 and not header.turned
    assert header.deep == (mode in ("I;16", "F"))
    assert {n: read_image(Picture.at(path), n).shape for n in (1, 3, 4)} == {n: (n, 8, 9) for n in (1, 3, 4)}


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif"])
def test_of_several_frames_the_first_is_used(tmp_path: Path, suffix: str):
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "lime", "blue")]
    options = {"lossless": True} if suffix == "webp" else {}
    path = saved(tmp_path / f"a.{suffix}", frames[0], save_all=True, append_images=frames[1:], **options)
    assert read_header(Picture.at(path)).frames == 3
    assert read_image(Picture.at(path), 3)[:, 4, 4].tolist() == [255, 0, 0]


def test_a_transparent_value_of_sixteen_bits_is_put_on_white(tmp_path: Path):
    values = np.full((8, 8), 1000, np.uint16)
    values[0] = 30_000
    path = saved(tmp_path / "a.png", Image.fromarray(values), transparency=1000)
    assert form(path)[1] == 4
    assert read_image(Picture.at(path), 1)[0, :2, 0].tolist() == [117, 255]
    assert read_image(Picture.at(path), 4)[:, :2, 0].tolist() == [[117, 4], [117, 4], [117, 4], [255, 0]]


def test_bytes_and_decoded_images_are_read_like_files(tmp_path: Path):
    path = saved(tmp_path / "a.png", Image.fromarray(rgb()))
    expected = read_image(Picture.at(path), 3)
    assert np.array_equal(read_image(Picture("row 1", path.read_bytes()), 3), expected)
    with Image.open(path) as image:
        for _ in range(2):  # what somebody else holds stays usable
            assert np.array_equal(read_image(Picture("row 1", image), 3), expected)
    with pytest.raises(PictureError, match="row 2: must be an image") as caught:
        read_image(Picture("row 2", b"GIF89a"), 3)
    assert caught.value.problem.startswith("must be") and "row 2" not in caught.value.problem


def test_fitting_crops_the_centre_to_the_aspect_then_resizes(tmp_path: Path):
    pixels = np.zeros((20, 60), np.uint8)
    pixels[:, 20:40] = 255
    path = saved(tmp_path / "a.png", Image.fromarray(pixels))
    assert (read_image(Picture.at(path), 1, (10, 10)) > 230).all()  # the filter reaches a pixel beyond the crop
    assert read_image(Picture.at(path), 1, (12, 36)).shape == (1, 12, 36)
    assert np.array_equal(fit(to_pil(pixels[None]), (20, 60))[0], pixels)


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "webp", "tif", "bmp"])
def test_a_truncated_file_is_named(tmp_path: Path, suffix: str):
    path = saved(tmp_path / f"cut.{suffix}", Image.fromarray(rgb(40, 40)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    with pytest.raises(DataError, match=f"cut.{suffix}: must"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read_header(Picture.at(path))
        read_image(Picture.at(path), 3)


def test_what_is_no_image_is_named_with_the_reason(tmp_path: Path):
    for content, fact in ((b"", "unknown format"), (b"hello, world", "unknown format")):
        path = tmp_path / "note.png"
        path.write_bytes(content)
        with pytest.raises(DataError, match=rf"note.png: must be an image .*{fact}.*remove or replace"):
            read_header(Picture.at(path))
    with pytest.raises(DataError, match="got no such file"):
        read_header(Picture.at(tmp_path / "absent.png"))


@pytest.mark.parametrize("side", [8000, 10_000, 60_000])
def test_a_bomb_is_refused_from_its_header(tmp_path: Path, side: int):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(side, side))
    for read in (read_header, lambda picture: read_image(picture, 3)):
        with pytest.raises(DataError, match=r"bomb.png: must have at most 50,000,000 pixels"):
            read(Picture.at(path))


def test_a_file_that_is_far_too_large_is_not_read(tmp_path: Path):
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)  # a hole, which takes no disk
    with pytest.raises(DataError, match=r"large.png: must be a file .* got 500,000,001 bytes, more than 500,000,000"):
        read_header(Picture.at(path))


@pytest.mark.parametrize("kind", ["fifo", "device", "folder", "loop", "dangling"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, kind: str):
    path = tmp_path / "a.png"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to({"device": "/dev/zero", "loop": path, "dangling": "nowhere.png"}[kind])
    start = time.monotonic()
    with pytest.raises(DataError, match=r"a.png: must be a file that can be read, got"):
        read_header(Picture.at(path))
    assert time.monotonic() - start < 1


def test_the_last_bytes_of_a_png_are_missed(tmp_path: Path):
    path = saved(tmp_path / "a.png", Image.fromarray(rgb()))
    whole = path.read_bytes()
    for cut in (8, 10, 12):
        path.write_bytes(whole[:-cut])
        with pytest.raises(DataError, match=r"a.png: must decode to the end, got image file is truncated"):
            read_header(Picture.at(path))
    path.write_bytes(whole + b"more")  # what follows the end is not looked at
    assert form(path) == ((10, 12), 3)


def test_a_name_cannot_break_out_of_its_line(tmp_path: Path):
    path = tmp_path / "two\nlines\x1b[2J.png"
    path.write_bytes(b"no image")
    with pytest.raises(DataError, match=r"two\\nlines\\x1b\[2J.png: must be an image") as caught:
        read_header(Picture.at(path))
    assert str(caught.value).isprintable()


def test_sides_below_eight_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match="got 7 x 30"):
        read_header(Picture.at(saved(tmp_path / "a.png", Image.new("L", (30, 7)))))


def try_damaged(path: Path, kind: str, tries: int) -> None:
    """Flip bytes of a picture, which then is an image or a DataError that names it, in under two seconds."""
    assert kind in FORMATS
    buffer, exif, rng = io.BytesIO(), Image.Exif(), random.Random(kind)
    exif[0x0112], exif[0x010E] = 6, "text"
    Image.fromarray(rgb(9, 9)).save(buffer, kind, **({"exif": exif} if kind in ("JPEG", "WEBP", "PNG") else {}))
    for _ in range(tries):
        content = bytearray(buffer.getvalue())
        for _ in range(rng.choice((1, 1, 2, 8))):
            content[rng.randrange(min(len(content), 200))] = rng.randrange(256)
        path.write_bytes(content[: rng.choice((len(content), rng.randrange(len(content))))])
        start = time.monotonic()
        try:
            read_header(Picture.at(path))
            assert read_image(Picture.at(path), 3, (8, 8)).shape == (3, 8, 8)
        except DataError as error:
            assert str(error).startswith(f"{path}: ") and str(error).isprintable()
        assert time.monotonic() - start < 2


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.filterwarnings("ignore")  # Pillow comments on what it skips
def test_damage_anywhere_is_a_data_error_or_an_image(tmp_path: Path, kind: str):
    try_damaged(tmp_path / "a.img", kind, 100)


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.filterwarnings("ignore")
def test_damage_anywhere_two_thousand_times(tmp_path: Path, kind: str):
    try_damaged(tmp_path / "a.img", kind, 300)


def test_a_grid_is_tiled_row_by_row_on_white():
    images = torch.zeros(3, 1, 8, 8, dtype=torch.uint8)
    images[1] = 100
    sheet = grid(images, columns=2, gap=2)
    assert sheet.shape == (1, 22, 22)
    assert sheet[0, 2, 2] == 0 and sheet[0, 2, 12] == 100 and sheet[0, 12, 2] == 0 and sheet[0, 12, 12] == 255
    assert grid(images, columns=3, gap=0, min_side=20).shape == (1, 24, 72)  # enlarged by whole pixels
