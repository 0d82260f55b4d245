"""Pairs: equal names in two folders, or halves of one image."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_domains import pictures

from ganaug.data import LabeledImages, UnlabeledImages, load_pairs
from ganaug.errors import DataError
from ganaug.images import from_pil

FACADES = Path(os.environ.get("GANAUG_DATA", "data")) / "Facades" / "train"
N = 20


def save(path: Path, pixels: np.ndarray, **about: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **about)  # type: ignore[arg-type]


def two_folders(root: Path, n: int = N, size: tuple[int, int] = (12, 10)) -> tuple[Path, Path]:
    """a/i.png of random colours, whose top left pixel is i; b/i.bmp is its negative, in gray."""
    rng = np.random.default_rng(0)
    for i in range(n):
        pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        pixels[0, 0] = i
        save(root / "a" / f"{i:02d}.png", pixels)
        save(root / "b" / f"{i:02d}.bmp", 255 - pixels[..., 0])
    return root / "a", root / "b"


def side_by_side(root: Path, n: int = N, size: tuple[int, int] = (12, 24)) -> Path:
    """Dark left halves, their negatives on the right."""
    rng = np.random.default_rng(0)
    for i in range(n):
        left = rng.integers(0, 100, (size[0], size[1] // 2, 3), dtype=np.uint8)
        save(root / f"{i:02d}.png", np.concatenate([left, 255 - left], axis=1))
    return root


def test_rows_of_two_folders_correspond_by_name_without_ending(tmp_path: Path):
    pairs = load_pairs(*two_folders(tmp_path))
    assert pairs.paired and pairs.a.shape == (3, 12, 10) and pairs.b.shape == (1, 12, 10) and len(pairs.a) == N
    assert (255 - pairs.a.images[:, :1] == pairs.b.images).all()
    assert [name[:2] for name in pairs.a.names] == [name[:2] for name in pairs.b.names]
    assert pairs.a.names[0].endswith(".png") and pairs.b.names[0].endswith(".bmp")


def test_the_order_of_pairs_is_that_of_the_hashes_of_a(tmp_path: Path):
    a, b = two_folders(tmp_path)
    before = load_pairs(a, b)
    for side, ending in ((a, "png"), (b, "bmp")):
        for i in range(N):  # the last comes first
            (side / f"{i:02d}.{ending}").rename(side / f"z{N - i:02d}.{ending}")
    after = load_pairs(a, b)
    assert before.a.hashes == after.a.hashes == sorted(before.a.hashes) and before.b.hashes == after.b.hashes


def test_names_without_a_partner_are_named_with_their_count(tmp_path: Path):
    a, b = two_folders(tmp_path)
    for i in range(5):
        (b / f"{i:02d}.bmp").unlink()
    with pytest.raises(DataError, match=r"a: every image must have a partner .*b, got 5 .*\(00.png, 01.*and 2 more\)"):
        load_pairs(a, b)
    with pytest.raises(DataError, match=r"a: every image must have a partner of its name in .*b, got 5 without one"):
        load_pairs(b, a)
    for i in range(5):
        (a / f"{i:02d}.png").unlink()
    with pytest.raises(DataError, match="must have 16 images or more, got 15"):
        load_pairs(a, b)


def test_two_images_of_one_name_are_refused(tmp_path: Path):
    a, b = two_folders(tmp_path)
    save(a / "03.jpg", np.zeros((12, 10, 3), np.uint8))
    with pytest.raises(DataError, match=r"names of pairs must differ in more than their endings, got 1 .*\(03\.\*\)"):
        load_pairs(a, b)


def test_pairs_of_different_sizes_are_named_even_where_a_resolution_is_set(tmp_path: Path):
    a, b = two_folders(tmp_path)
    save(b / "04.bmp", np.zeros((12, 12), np.uint8))
    for resolution in (None, 8):
        with pytest.raises(
            DataError, match=r"must have one size, got 1 that differ \(04.png is 12 x 10, 04.bmp is 12 x"
        ):
            load_pairs(a, b, resolution=resolution)


def test_sizes_may_differ_from_pair_to_pair_with_a_resolution(tmp_path: Path):
    a, b = two_folders(tmp_path)
    save(a / "04.png", np.zeros((16, 12, 3), np.uint8))
    save(b / "04.bmp", np.full((16, 12), 255, np.uint8))
    with pytest.raises(DataError, match=r"04.png is 16 x 12, most are 12 x 10\); set one with --set data.resolution"):
        load_pairs(a, b)
    assert load_pairs(a, b, resolution=8).a.shape == (3, 8, 8)


def test_a_bad_file_takes_its_partner_with_it(tmp_path: Path):
    a, b = two_folders(tmp_path, n=120)
    (b / "07.bmp").write_bytes(b"BM")
    with pytest.raises(DataError, match=r"07\.bmp: must "):
        load_pairs(a, b)
    pairs = load_pairs(a, b, skip_bad=True)
    assert len(pairs.a) == len(pairs.b) == 119 and "07.png" not in pairs.a.names
    assert (255 - pairs.a.images[:, :1] == pairs.b.images).all()


def test_labels_of_paired_class_folders_are_kept(tmp_path: Path):
    for side, seed in (("a", 0), ("b", 50)):
        for k, name in enumerate(("ant", "bee")):
            pictures(tmp_path / side / name, 8, seed=seed + k)
    pairs = load_pairs(tmp_path / "a", tmp_path / "b")
    assert isinstance(pairs.a, LabeledImages) and isinstance(pairs.b, LabeledImages)
    assert pairs.a.names == pairs.b.names and pairs.a.targets == pairs.b.targets


def test_images_in_memory_are_paired_by_name(digits: LabeledImages):
    a = digits.subset(range(20))
    negative = UnlabeledImages(255 - a.images.flip(0), a.names[::-1], "negative")
    pairs = load_pairs(a, negative)
    assert isinstance(pairs.a, LabeledImages) and (255 - pairs.a.images == pairs.b.images).all()
    with pytest.raises(DataError, match="A and B must be different images, got the same 20"):
        load_pairs(a, a)


def test_images_side_by_side_are_cut_in_the_middle(tmp_path: Path):
    folder = side_by_side(tmp_path / "both")
    pairs = load_pairs(folder)
    assert pairs.paired and pairs.a.shape == pairs.b.shape == (3, 12, 12) and pairs.a.images.max() < 100
    assert (255 - pairs.a.images == pairs.b.images).all() and pairs.a.names == pairs.b.names
    swapped = load_pairs(folder, sides="right-left")
    assert set(swapped.a.hashes) == set(pairs.b.hashes) and swapped.b.images.max() < 100


def test_halves_are_cut_first_and_resized_then(tmp_path: Path):
    folder = side_by_side(tmp_path / "both", size=(32, 64))
    pairs = load_pairs(folder, resolution=8)
    with Image.open(folder / pairs.a.names[0]) as image:
        left = image.crop((0, 0, 32, 32)).resize((8, 8), Image.Resampling.LANCZOS)
    assert (pairs.a.images[0].numpy() == from_pil(left)).all()
    assert pairs.a.images.max() < 130 and pairs.b.images.min() > 125  # no half bleeds into the other


def test_turned_and_deep_images_are_cut_as_they_are_shown(tmp_path: Path):
    """EXIF says that the stored image is to be turned by 90 degrees, once."""
    folder = side_by_side(tmp_path / "both")
    with Image.open(folder / "00.png") as image:
        shown = np.array(image)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(shown).copy()).save(folder / "00.png", exif=exif)
    deep = (np.arange(12 * 24).reshape(12, 24) * 200).astype(np.uint16)
    save(folder / "01.png", deep)
    pairs = load_pairs(folder)
    turned, sixteen = pairs.a.names.index("00.png"), pairs.a.names.index("01.png")
    assert (pairs.a.images[turned].numpy() == shown[:, :12].transpose(2, 0, 1)).all()
    assert (pairs.b.images[turned].numpy() == shown[:, 12:].transpose(2, 0, 1)).all()
    assert (pairs.b.images[sixteen].numpy() == (deep[:, 12:] / 257).round()).all()


def test_odd_and_narrow_images_side_by_side_are_named(tmp_path: Path):
    folder = side_by_side(tmp_path / "both")
    save(folder / "05.png", np.zeros((12, 25, 3), np.uint8))
    save(folder / "06.png", np.zeros((12, 14, 3), np.uint8))
    with pytest.raises(DataError, match=r"even width, 16 px or more, got 2 .*\(05.png is 12 x 25, 06.png is 12 x 14\)"):
        load_pairs(folder, resolution=8)


def test_a_half_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="sides must be left-right or right-left, got 'top-bottom'"):
        load_pairs(side_by_side(tmp_path / "both"), sides="top-bottom")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="must have 16 images or more, got 15"):
        load_pairs(side_by_side(tmp_path / "few", 15))


def test_halves_that_all_show_the_same_are_refused(tmp_path: Path):
    for i in range(16):
        half = np.full((8, 8), i, np.uint8)
        save(tmp_path / f"{i}.png", np.concatenate([half, half], axis=1))
    with pytest.raises(DataError, match="A and B must be different images, got the same 16 on both sides"):
        load_pairs(tmp_path)


@pytest.mark.skipif(not FACADES.is_dir(), reason="needs Facades in $GANAUG_DATA")
def test_facades_are_150_pairs():
    pairs = load_pairs(FACADES, resolution=64)
    assert len(pairs.a) == len(pairs.b) == 150 and pairs.a.shape == pairs.b.shape == (3, 64, 64)
