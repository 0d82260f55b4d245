"""The table of what people's folders hold: every row works, with the right pixels, or ends in one sentence."""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from shell import pictures, write_folder
from test_images import png_header

from ganaug.data import load, require_disjoint
from ganaug.errors import DataError, GanaugError

SIDE = 16
RAMP = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)  # 0 to 255
RGB = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
Pixels = np.ndarray  # what must be learned from, [C, H, W]


def usual(root: Path, n: int = 12, channels: int = 3) -> Path:
    """`n` good images in the classes ant, bee and cat."""
    return write_folder(root, pictures(n, size=(SIDE, SIDE), channels=channels))


def save(path: Path, image: Image.Image | np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **options)  # type: ignore[arg-type]
    return path


def three(gray: np.ndarray) -> Pixels:
    return np.repeat(gray.astype(np.uint8)[None], 3, 0)


# what works


def sixteen_bits(path: Path) -> Pixels:
    save(path, (RAMP * 257).astype(np.uint16))
    return three(RAMP)


def floats(path: Path) -> Pixels:
    save(path, (RAMP / 255).astype(np.float32))
    return three(RAMP)


def cmyk(path: Path) -> Pixels:
    ink = np.array([200, 100, 50, 25])
    save(
        path,
        Image.new("CMYK", (SIDE, SIDE), tuple(ink.tolist())),
        **({"quality": 100} if path.suffix == ".jpg" else {}),
    )
    paper = (255 - ink[:3]) * (255 - ink[3]) / 255
    return np.broadcast_to(paper.round().astype(np.uint8)[:, None, None], (3, SIDE, SIDE))


def palette(path: Path) -> Pixels:
    image = Image.fromarray((RAMP % 2).astype(np.uint8))
    image.putpalette([10, 20, 30, 200, 100, 50])
    save(path, image)
    return np.where(RAMP % 2, *np.array([[200, 100, 50], [10, 20, 30]])[:, :, None, None]).astype(np.uint8)


def one_bit(path: Path) -> Pixels:
    save(path, RAMP % 3 == 0)
    return three((RAMP % 3 == 0) * 255)


def gray_alpha(path: Path) -> Pixels:
    save(path, np.stack([np.zeros_like(RAMP), RAMP], -1).astype(np.uint8))
    return three(255 - RAMP)  # black, the fainter, the whiter


def hidden_colour(path: Path) -> Pixels:
    alpha = np.where(RAMP < 128, 0, 255)[..., None]
    save(path, np.concatenate([RGB, alpha], -1).astype(np.uint8))
    return np.where(alpha == 0, 255, RGB).transpose(2, 0, 1)


def kept_alpha(path: Path) -> Pixels:
    pixels = np.concatenate([RGB, RAMP[..., None]], -1).astype(np.uint8)
    save(path, pixels)
    return pixels.transpose(2, 0, 1)


def turned(path: Path) -> Pixels:
    exif = Image.Exif()
    exif[0x0112] = 6
    halves = np.where(RAMP < 128, 255, 0).astype(np.uint8)  # white above; turned to the right, white on the right
    save(path, Image.fromarray(halves), exif=exif, **({"quality": 100} if path.suffix == ".jpg" else {}))
    return three(np.rot90(halves, -1))


def animated(path: Path) -> Pixels:
    frames = [Image.new("RGB", (SIDE, SIDE), color) for color in ("red", "lime", "blue")]
    save(
        path,
        frames[0],
        save_all=True,
        append_images=frames[1:],
        **({"lossless": True} if path.suffix == ".webp" else {}),
    )
    return np.stack([np.full((SIDE, SIDE), value, np.uint8) for value in (255, 0, 0)])


def strip(path: Path) -> Pixels:
    pixels = np.zeros((SIDE, 10 * SIDE, 3), np.uint8)
    pixels[:, 72:88] = 200  # its middle tenth
    save(path, pixels)
    return np.full((3, SIDE, SIDE), 200, np.uint8)


def tall_strip(path: Path) -> Pixels:
    strip(path)
    save(path, Image.open(path).transpose(Image.Transpose.ROTATE_90))
    return np.full((3, SIDE, SIDE), 200, np.uint8)


def larger(path: Path) -> Pixels:
    save(path, np.full((3 * SIDE, 2 * SIDE, 3), 77, np.uint8))
    return np.full((3, SIDE, SIDE), 77, np.uint8)


def one_colour(path: Path) -> Pixels:
    save(path, np.full((SIDE, SIDE, 3), 7, np.uint8))
    return np.full((3, SIDE, SIDE), 7, np.uint8)


def misnamed(path: Path) -> Pixels:
    save(path.with_suffix(".bmp"), RGB).rename(path)
    return RGB.transpose(2, 0, 1)


def with_more_bytes(path: Path) -> Pixels:
    save(path, RGB)
    path.write_bytes(path.read_bytes() + b"what a camera puts behind the picture")
    return RGB.transpose(2, 0, 1)


def linked(path: Path) -> Pixels:
    path.symlink_to(save(path.parents[2] / "elsewhere" / "a.png", RGB))
    return RGB.transpose(2, 0, 1)


WORK: dict[str, tuple[str, Callable[[Path], Pixels], str]] = {
    # the row: the file's name, what writes it and tells its pixels, what is said once with a count
    "16-bit gray PNG": ("odd.png", sixteen_bits, "more than 8 bits a channel and are scaled to 8"),
    "16-bit gray TIFF": ("odd.tif", sixteen_bits, "more than 8 bits a channel and are scaled to 8"),
    "float TIFF in [0, 1]": ("odd.tif", floats, "more than 8 bits a channel and are scaled to 8"),
    "CMYK JPEG": ("odd.jpg", cmyk, "are CMYK and converted without a colour profile"),
    "CMYK TIFF": ("odd.tiff", cmyk, "are CMYK and converted without a colour profile"),
    "palette PNG": ("odd.png", palette, ""),
    "palette GIF": ("odd.gif", palette, ""),
    "1-bit PNG": ("odd.png", one_bit, "are converted to 3 channel(s)"),
    "1-bit TIFF": ("odd.tif", one_bit, "are converted to 3 channel(s)"),
    "gray with alpha": ("odd.png", gray_alpha, "have transparency and are put on white"),
    "hidden colours": ("odd.png", hidden_colour, "have transparency and are put on white"),
    "hidden colours in a TIFF": ("odd.tif", hidden_colour, "have transparency and are put on white"),
    "alpha kept": ("odd.png", kept_alpha, ""),
    "EXIF orientation in a JPEG": ("odd.jpg", turned, "are turned as their EXIF orientation says"),
    "EXIF orientation in a PNG": ("odd.png", turned, "are turned as their EXIF orientation says"),
    "EXIF orientation in a TIFF": ("odd.tif", turned, "are turned as their EXIF orientation says"),
    "animated GIF": ("odd.gif", animated, "have several frames, of which the first is used"),
    "animated WebP": ("odd.webp", animated, "have several frames, of which the first is used"),
    "animated PNG": ("odd.png", animated, "have several frames, of which the first is used"),
    "long strip": (
        "odd.png",
        strip,
        "over 4 times as long as wide: fitted to 16 x 16, the middle 10 % of the longest stays",
    ),
    "tall strip": (
        "odd.png",
        tall_strip,
        "over 4 times as long as wide: fitted to 16 x 16, the middle 10 % of the longest",
    ),
    "another size": ("odd.png", larger, "are cropped and resized to 16 x 16"),
    "one colour": ("odd.png", one_colour, ""),
    "BMP named PNG": ("odd.png", misnamed, ""),
    "no suffix": ("IMG_0001", misnamed, ""),
    "bytes after the end": ("ODD.PNG", with_more_bytes, ""),
    "link to a file": ("odd.png", linked, ""),
}


@pytest.mark.parametrize("row", WORK)
def test_it_works_with_the_right_pixels_and_what_is_done_is_said_once(row: str, tmp_path: Path, caplog):
    name, write, said = WORK[row]
    root = usual(tmp_path / "data")
    expected = write(root / "bee" / name)
    with caplog.at_level(logging.INFO, "ganaug"):
        data = load(root, resolution=SIDE, channels=expected.shape[0])
    (i,) = [i for i, named in enumerate(data.names) if named == f"bee/{name}"]
    assert len(data) == 13 and data.labels[i] == 1
    lossy = 3 if name.endswith(".jpg") else 1
    assert np.abs(data.images[i].numpy().astype(int) - expected.astype(int)).max() <= lossy
    lines = [record.getMessage() for record in caplog.records if said and said in record.getMessage()]
    assert len(lines) == bool(said) and all("1 of 13 images" in line for line in lines), caplog.text
    warned = any(record.levelno == logging.WARNING for record in caplog.records)
    assert warned == said.startswith(("have several frames", "over 4 times")), "what may cost something is a warning"
    assert ("put on white" in caplog.text) == ("put on white" in said)


def test_nothing_is_said_where_nothing_is_done(tmp_path: Path, caplog):
    with caplog.at_level(logging.INFO, "ganaug"):
        assert load(usual(tmp_path)).shape == (3, SIDE, SIDE)
    assert caplog.text == ""


def test_images_are_converted_to_the_channels_of_most(tmp_path: Path):
    root = usual(tmp_path, channels=1)
    for write in (palette, hidden_colour):
        write(root / "ant" / f"{write.__name__}.png")
    assert load(root).shape[0] == 1


# what cannot be used, one file each


def truncated(cut: int) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        save(path, RGB)
        path.write_bytes(path.read_bytes()[:-cut])

    return write


def content(what: bytes) -> Callable[[Path], None]:
    return lambda path: void(path.write_bytes(what))


def drawn(image: Image.Image | np.ndarray) -> Callable[[Path], None]:
    return lambda path: void(save(path, image))


def void(_: object) -> None:
    return None


UNKNOWN = "must be an image in one of PNG, JPEG, WEBP, BMP, TIFF, GIF, PPM, got an unknown format"
REFUSE: dict[str, tuple[str, Callable[[Path], None], str]] = {
    # the row: the file's name, what writes it, what is said after the name
    "JPEG without its last 10 bytes": ("odd.jpg", truncated(10), "must decode to the end, got image file is truncated"),
    "PNG without its last 10 bytes": ("odd.png", truncated(10), "must decode to the end, got image file is truncated"),
    "half a PNG": ("odd.png", truncated(400), "must decode to the end, got image file is truncated"),
    "TIFF without its last 10 bytes": ("odd.tif", truncated(10), "must decode to the end, got"),
    "GIF without its last 10 bytes": ("odd.gif", truncated(10), "must decode to the end, got"),
    "WebP without its last 10 bytes": ("odd.webp", truncated(10), "must decode to the end, got"),
    "0 bytes": ("odd.png", content(b""), UNKNOWN),
    "HTML named PNG": ("odd.png", content(b"<!doctype html><title>404</title>"), UNKNOWN),
    "text": ("notes.txt", content(b"not an image"), UNKNOWN),
    "PostScript": ("odd.eps", content(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n"), UNKNOWN),
    "bomb of 10,000 x 10,000": ("odd.png", content(png_header(10_000, 10_000)), "must have at most 50,000,000 pixels"),
    "bomb of 20,000 x 10,000": ("odd.png", content(png_header(10_000, 20_000)), "must have at most 50,000,000 pixels"),
    "1 x 1": ("odd.png", drawn(RGB[:1, :1]), "sides must be 8 px or more, got 1 x 1"),
    "2 x 5000": ("odd.png", drawn(np.zeros((2, 5000), np.uint8)), "sides must be 8 px or more, got 2 x 5000"),
    "float TIFF to 255": ("odd.tif", drawn(RAMP.astype(np.float32)), "pixels must lie in [0, 1], got [0, 255]"),
    "float TIFF with NaN": ("odd.tif", drawn(np.full((8, 8), np.nan, np.float32)), "pixels must lie in [0, 1], got"),
    "32-bit TIFF": ("odd.tif", drawn((RAMP + 70_000).astype(np.int32)), "pixels must lie in [0, 65535], got"),
    "link to nothing": ("odd.png", lambda p: p.symlink_to("gone.png"), "must be a file that can be read, got no such"),
    "link to itself": ("odd.png", lambda p: p.symlink_to(p.name), "must be a file that can be read, got too many"),
    "pipe": ("odd.png", os.mkfifo, "must be a file that can be read, got not a regular file"),
    "device": ("odd.png", lambda p: p.symlink_to("/dev/zero"), "must be a file that can be read, got not a regular"),
}


@pytest.mark.parametrize("row", REFUSE)
def test_it_is_refused_in_one_sentence_that_names_file_and_fix_or_left_out_on_request(
    row: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    name, write, said = REFUSE[row]
    root = usual(tmp_path, 99)
    write(root / "cat" / name)
    start = time.monotonic()
    with pytest.raises(DataError) as caught:
        load(root)
    sentence = str(caught.value)
    assert sentence.startswith(f"{root / 'cat' / name}: {said}"), sentence
    assert "; remove or replace the file, or leave it out with --set data.skip_bad=true" in sentence
    assert sentence.isprintable() and caplog.text == ""
    assert len(load(root, skip_bad=True)) == 99
    assert [r.getMessage() for r in caplog.records] == [
        f"{root}: 1 of 100 images cannot be used and are left out: cat/{name}"
    ]
    assert time.monotonic() - start < 2


# bad files in numbers


def spoil(root: Path, n: int) -> list[str]:
    """Make the first `n` images of class ant unreadable; their names."""
    names = sorted(path.name for path in (root / "ant").iterdir())[:n]
    for name in names:
        (root / "ant" / name).write_bytes(b"no image")
    return [f"ant/{name}" for name in names]


def test_all_bad_files_are_found_at_once_the_first_named_and_all_logged(tmp_path: Path, caplog):
    root = usual(tmp_path, 300)
    bad = spoil(root, 60)
    with pytest.raises(DataError, match=r"all images must be usable, got 60 of 300 that are not") as caught:
        load(root)
    sentence = str(caught.value)
    assert [name in sentence for name in bad[:5]] == [True] * 3 + [False] * 2
    assert sentence.endswith("; and 57 more); remove or replace the files") and "\n" not in sentence
    logged = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [str(root / name) in line for name, line in zip(bad, logged, strict=False)] == [True] * 50
    assert len(logged) == 50


@pytest.mark.parametrize(("bad", "total", "works"), [(1, 100, True), (1, 99, False), (3, 300, True), (4, 300, False)])
def test_up_to_one_percent_may_be_left_out(bad: int, total: int, works: bool, tmp_path: Path, caplog):
    root = usual(tmp_path, total)
    names = spoil(root, bad)
    with pytest.raises(DataError, match=r"skip_bad=true" if works else r"remove or replace the files?$"):
        load(root)
    caplog.clear()
    if works:
        data = load(root, skip_bad=True)
        assert len(data) == total - bad and set(data.names).isdisjoint(names)
        assert data.counts.tolist() == [-(-total // 3) - bad, total // 3, total // 3]
        assert [record.getMessage() for record in caplog.records if ": ant" in record.getMessage()] == [
            f"{root}: {bad} of {total} images cannot be used and are left out: {', '.join(names)}"
        ]
    else:
        with pytest.raises(DataError, match=f"all but 1 % of the images must be usable, got {bad} of {total} that"):
            load(root, skip_bad=True)


def test_a_class_that_loses_its_last_image_is_named(tmp_path: Path):
    root = usual(tmp_path, 120)
    (root / "dog").mkdir()
    (root / "dog" / "only.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="every class must have an image, got none for 'dog'"):
        load(root, skip_bad=True)


def test_a_file_that_vanishes_on_the_way_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import ganaug.data.listing as listing

    root, scan = usual(tmp_path), listing.scan

    def and_lose_one(*arguments):
        facts = scan(*arguments)
        (root / "bee" / "001.png").unlink()
        return facts

    monkeypatch.setattr(listing, "scan", and_lose_one)
    with pytest.raises(DataError, match=r"bee/001.png: must be a file that can be read, got no such file"):
        load(root)


# folders


def tree(*paths: str) -> Callable[[Path], None]:
    """Folders (ending in /), links (a -> b) and images at these places."""

    def write(root: Path) -> None:
        for place in paths:
            path, _, target = place.partition(" -> ")
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            if target:
                (root / path).symlink_to(target)
            elif path.endswith("/"):
                (root / path).mkdir()
            else:
                save(root / path, np.full((SIDE, SIDE), len(path), np.uint8))

    return write


FOLDERS: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    # the row: what lies there, what the sentence has; {r} is the folder given
    "nothing": (tree(), ["{r}: must have one sub-folder per class, got no sub-folder", "put each class's images"]),
    "images in no class": (tree("a.png", "b.png"), ["{r}: must have one sub-folder per class, got no sub-folder"]),
    "one class": (tree("cat/a.png"), ["{r}: must have two classes or more, got ['cat']"]),
    "class without images": (tree("cat/a.png", "dog/"), ["class 'dog' must have an image, got none", "add images"]),
    "class of hidden files": (tree("cat/a.png", "dog/._a.png"), ["class 'dog' must have an image, got none"]),
    "folder in a class": (
        tree("cat/a.png", "dog/a.png", "dog/puppy/b.png"),
        ["{r}/dog/puppy: must be", "a folder; move"],
    ),
    "split among classes": (
        tree("cat/a.png", "dog/a.png", "test/cat/a.png", "test/dog/b.png"),
        ["{r}/test: a class folder must hold images", "seems to be a split", "pass {r} again"],
    ),
    "splits without train": (
        tree("Test/cat/a.png", "Test/dog/b.png", "Val/cat/c.png"),
        ["{r}: must hold class folders", "got Test, Val", "name one of them, as in {r}/Test"],
    ),
    "splits without classes": (
        tree("train/a.png", "test/b.png"),
        [
            "{r}: splits must hold one folder per class, got test, train without any",
            "as in {r}/train/cat, and pass {r} again",
        ],
    ),
    "splits of two domains": (
        tree("trainA/a.png", "trainB/b.png", "testA/c.png"),
        ["{r}: splits must hold one folder per class, got testA, trainA, trainB without any"],
    ),
    "links to folders alone": (
        tree("elsewhere.png", "cat -> /tmp", "dog -> /usr"),
        ["{r}: must have one sub-folder per class, got only cat, dog, and links to folders are not followed"],
    ),
    "a class of links to folders": (
        tree("cat/a.png", "dog/b.png", "cow/all -> ../dog"),
        ["class 'cow' must have an image, got only all, and links to folders are not followed"],
    ),
}


@pytest.mark.parametrize("row", FOLDERS)
def test_a_folder_of_another_form_is_refused_in_one_sentence(row: str, tmp_path: Path):
    write, said = FOLDERS[row]
    write(tmp_path)
    with pytest.raises(DataError) as caught:
        load(tmp_path)
    sentence = str(caught.value)
    assert all(part.format(r=tmp_path) in sentence for part in said), sentence
    assert sentence.isprintable() and "; " in sentence


def test_hidden_entries_and_what_systems_leave_are_ignored_and_said_once(tmp_path: Path, caplog):
    root = usual(tmp_path)
    left = (".git/a.png", "__pycache__/a.png", "__MACOSX/._a.png", "ant/.DS_Store", "ant/Thumbs.db", "bee/._mac.png")
    for name in left:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"x")
    assert load(root).classes == ("ant", "bee", "cat")
    (said,) = [record.getMessage() for record in caplog.records]
    assert said == f"{root}: hidden, or left by a system, and not read: .git, __MACOSX, __pycache__, and 3 more"


def test_a_loop_of_links_shows_every_file_once(tmp_path: Path, caplog):
    root = usual(tmp_path, 6)
    (root / "ant" / "up").symlink_to(root)
    (root / "bee" / "here").symlink_to(".")
    (root / "all").symlink_to(root)
    assert len(load(root)) == 6
    (said,) = [record.getMessage() for record in caplog.records]
    assert said == f"{root}: links to folders are not followed: all, ant/up, bee/here"


def test_a_file_under_several_names_is_read_once_in_a_class(tmp_path: Path, caplog):
    root = usual(tmp_path, 6)
    (root / "ant" / "link.png").symlink_to("000.png")
    (root / "ant" / "again.png").symlink_to("link.png")
    os.link(root / "ant" / "003.png", root / "ant" / "hard.png")
    (root / "bee" / "other.png").symlink_to("../ant/000.png")  # another class: for `inspect` to report
    data = load(root)
    assert data.names[:2] == ("ant/000.png", "ant/003.png") and data.counts.tolist() == [2, 3, 2]
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.endswith(
        "read once, as the class holds them under another name too: ant/again.png, ant/hard.png, ant/link.png"
    )


def test_a_file_name_that_is_no_text_is_read_and_can_be_told(tmp_path: Path):
    root = usual(tmp_path)
    for name in (b"odd\xff.png", b"two\nlines.png"):
        save(root / "bee" / "a.png", RGB).rename(root / "bee" / os.fsdecode(name))
    data = load(root)
    assert {r"bee/odd\udcff.png", r"bee/two\nlines.png"} < set(data.names)
    assert all(name.isprintable() for name in data.names) and load(root).names == data.names


def test_images_beside_the_classes_are_said_to_be_unread(tmp_path: Path, caplog):
    save(usual(tmp_path) / "stray.png", RGB)
    (tmp_path / "README.md").write_text("about these images")
    assert len(load(tmp_path)) == 12
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}: beside the class folders and not read: stray.png"
    ]


# sizes of sets


def test_mixed_sizes_work_once_a_resolution_is_set(tmp_path: Path):
    root = usual(tmp_path)
    larger(root / "bee" / "odd.png")
    with pytest.raises(DataError, match=r"bee/odd.png is 48 x 32, most are 16 x 16\); set .* data.resolution=16"):
        load(root)
    assert load(root, resolution=SIDE).shape == (3, SIDE, SIDE)


def test_a_set_of_strips_is_kept_whole_and_said(tmp_path: Path, caplog):
    write_folder(tmp_path, pictures(6, size=(8, 80)))
    assert load(tmp_path).shape == (1, 8, 80)
    assert "6 of 6 images are over 4 times as long as wide: fitted to 8 x 80, all of the longest stays" in caplog.text


@pytest.mark.parametrize(
    ("classes", "largest"), [(2, 1), (2, 1000), (1000, 1)], ids=["two images", "an imbalance of 1,000", "1,000 classes"]
)
def test_few_images_many_classes_and_imbalance_work(classes: int, largest: int, tmp_path: Path):
    for label in range(classes):
        save(tmp_path / f"{label:04d}" / "0.bmp", np.full((8, 8), label % 256, np.uint8))
    last = tmp_path / f"{classes - 1:04d}"
    for copy in range(1, largest):
        (last / f"{copy}.bmp").write_bytes((last / "0.bmp").read_bytes())
    data = load(tmp_path)
    assert data.num_classes == classes and data.counts.tolist() == [1] * (classes - 1) + [largest]


def test_the_same_image_in_train_and_test_is_refused(tmp_path: Path):
    usual(tmp_path / "train")
    write_folder(tmp_path / "test", pictures(6, size=(SIDE, SIDE), channels=3, seed=1))
    shared = Image.open(tmp_path / "train" / "ant" / "000.png").convert("RGB")
    save(tmp_path / "test" / "bee" / "again.bmp", shared)  # in another form, in another class
    with pytest.raises(GanaugError, match=r"bee/again.bmp equals ant/000.png"):
        require_disjoint(load(tmp_path / "train"), load(tmp_path / "test"))


def test_an_image_of_one_colour_in_every_class_works(tmp_path: Path):
    for label, name in enumerate("abc"):
        save(tmp_path / name / "a.png", np.full((8, 8), label, np.uint8))
    assert torch.equal(load(tmp_path).images[:, 0, 0, 0], torch.tensor([0, 1, 2], dtype=torch.uint8))
