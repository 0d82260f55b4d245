"""What the user got wrong about two domains is named in one sentence, with exit code 2, and nothing stays behind."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shell import ganaug, learn_fast, one_sentence, pictures, tree, write_folder

SIZE = (16, 16)
TINY = (
    *("--set", "nets.width=4", "--set", "translate.patch_width=4", "--set", "translate.blocks=1"),
    *("--set", "train.steps=4", "--set", "train.batch_size=4"),
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good and bad domains, and a run from gray to colour; nothing in it is ever changed."""
    root = tmp_path_factory.mktemp("world")
    write_folder(root / "day", pictures(60, size=SIZE))
    write_folder(root / "night", pictures(60, size=SIZE, channels=3, seed=1))
    write_folder(root / "test", pictures(30, size=SIZE, channels=3, seed=2))
    write_folder(root / "more", pictures(60, size=SIZE, channels=3, seed=9))
    write_folder(root / "few", pictures(15, size=SIZE, channels=3, seed=3))
    write_folder(root / "cows", pictures(60, size=SIZE, channels=3, seed=4), ("ant", "bee", "cow"))
    write_folder(root / "small", pictures(60, size=(16, 20), channels=3, seed=5))
    shutil.copytree(root / "day", root / "again")
    for name, colour in (("left", 1), ("right", 3), ("other", 3)):
        (root / name).mkdir()
        for i, image in enumerate(pictures(20, size=SIZE, channels=colour, seed=6)):
            Image.fromarray(image).save(root / name / f"{i:02d}.png")
    (root / "other/07.png").rename(root / "other/seven.png")
    (root / "clear").mkdir()
    for i, image in enumerate(pictures(20, size=SIZE, channels=4, seed=8)):
        Image.fromarray(image).save(root / "clear" / f"{i:02d}.png")
    shutil.copytree(root / "right", root / "wide")
    Image.fromarray(np.zeros((16, 24, 3), np.uint8)).save(root / "wide/05.png")
    (root / "odd").mkdir()
    for i, image in enumerate(pictures(20, size=(16, 31), seed=7)):
        Image.fromarray(image).save(root / "odd" / f"{i:02d}.png")
    with pytest.MonkeyPatch.context() as patch:
        learn_fast(patch)
        assert ganaug("translate", "fit", root / "day", root / "night", "-o", root / "run", "-q", *TINY) == 0
    return root


FIT = "translate fit {w}/day {w}/night -o {o} "
APPLY = "translate apply {w}/run {w}/day -o {o} "
MEASURE = "translate measure {w}/run --source {w}/day --target {w}/night --test {w}/test -o {o} "
TABLE = {
    "too few images": (FIT.replace("night", "few"), "few: a domain must have 16 images or more, got 15"),
    "equal domains": (FIT.replace("night", "again"), "A and B must be different images, got the same 60 on both sides"),
    "a class that A lacks": (FIT.replace("night", "cows"), "cows: classes of B must be among A's", "got 'cow'"),
    "other sizes": (FIT.replace("night", "small"), "must have one size, got 16 x 16 and 16 x 20", "data.resolution"),
    "nothing there": (FIT.replace("night", "nowhere"), "nowhere"),
    "a pair without partner": ("translate fit {w}/left {w}/other -o {o} -r pix2pix", "07.png", "partner", "other"),
    "a pair of two sizes": ("translate fit {w}/left {w}/wide -o {o} -r pix2pix", "05.png is 16 x 16", "16 x 24"),
    "sides of odd width": ("translate fit {w}/odd -o {o}", "odd", "00.png is 16 x 31"),
    "a recipe of train": (FIT + "-r dcgan", "must be left out of a recipe for `ganaug translate fit`"),
    "a recipe of translate": (
        "train {w}/day -o {o} -r cut",
        "translate.engine must be left out of a recipe for `ganaug t",
    ),
    "an unknown engine": (FIT + "--set translate.engine=munit", "translate.engine must be", "got 'munit'"),
    "a misspelt key": (FIT + "--set translate.cycel=1", "translate.cycel", "did you mean 'translate.cycle'?"),
    "one number of channels for both": (FIT + "--set data.channels=1", "data.channels must be left out", "got 1"),
    "halved to nothing": (
        FIT + "--set translate.downs=8",
        "translate.downs must be 3 or less",
    ),
    "a crop beyond the image": (FIT + "--set translate.crop=100", "translate.crop must be at most", "16 px, got 100"),
    "classes of B without those of A": (
        "translate fit {w}/left {w}/day -o {o} --set translate.guess_b=true",
        "translate.guess_b must be left out for images of A without labels",
    ),
    "balance without classes": (
        "translate fit {w}/left {w}/day -o {o} --set train.sampling=balanced",
        "train.sampling must be left out for images of A without labels",
    ),
    "sides of two folders": (
        FIT + "--set translate.sides=right-left",
        "translate.sides must be left out",
        "'right-left'",
    ),
    "output in the source": (
        "translate apply {w}/run {w}/left -o {w}/left/new",
        "left/new must lie outside of",
        "move it",
    ),
    "transparent images": ("translate apply {w}/run {w}/clear -o {o}", "must have 1 channel", "got 4 in 20 of 20"),
    "another B": (MEASURE.replace("{w}/night", "{w}/more"), "--target must be what", "more"),
    "nothing to resume": (FIT + "--resume", "must hold a run to resume, got none"),
    "resumed with another domain": (
        "translate fit {w}/day {w}/test -o {w}/run --resume",
        "run must be resumed with the same images of B, got",
    ),
    "resumed by train": ("train {w}/day -o {w}/run --resume", "must"),
    "other channels": (APPLY.replace("{w}/day", "{w}/night"), "must have 1 channel", "got 3"),
    "no way back": (APPLY + "--direction BA", "direction must be AB, got 'BA'"),
    "no translator": (
        APPLY.replace("{w}/run", "{w}/day"),
        "day must be a run of `ganaug translate fit`",
        "another folder",
    ),
    "test among B": (MEASURE.replace("{w}/test", "{w}/night"), "night", "must not"),
    "another A": (MEASURE.replace("--source {w}/day", "--source {w}/test"), "test"),
    "a test class that A lacks": (MEASURE.replace("{w}/test", "{w}/cows"), "'cow'"),
    "no seeds": (MEASURE + "--seeds 0", "--seeds must be 1 or more, got 0"),
    "measured as a generator": (
        "measure {w}/run --train {w}/day --test {w}/test -o {o}",
        "got a translator, which draws no images of its own",
    ),
    "drawn from": ("generate {w}/run -o {o} -n 6", "got a translator, which draws no images of its own"),
}


@pytest.mark.parametrize("row", TABLE)
def test_one_sentence_names_it(row: str, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command, *named = TABLE[row]
    before = tree(world)
    assert ganaug(*command.format(w=world, o=tmp_path / "out").split(), "-q") == 2
    sentence = one_sentence(capsys)
    assert all(fragment in sentence for fragment in named), sentence
    assert list(tmp_path.iterdir()) == [] and tree(world) == before


@pytest.mark.parametrize("command", [FIT, APPLY, MEASURE])
def test_a_folder_with_content_is_refused_untouched(
    command: str, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert ganaug(*command.format(w=world, o=tmp_path).split(), "-q") == 2
    assert "must" in one_sentence(capsys)
    assert tree(tmp_path) == {"mine.txt": b"mine"}


def test_images_of_an_npz_without_labels_are_translated(world: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "plain.npz", images=pictures(5, size=SIZE))
    assert ganaug("translate", "apply", world / "run", tmp_path / "plain.npz", "-o", tmp_path / "out", "-q") == 0
    assert len(list((tmp_path / "out").rglob("*.png"))) == 5


def test_a_complete_run_and_a_complete_corpus_are_left_as_they_are(world: Path, tmp_path: Path) -> None:
    before = tree(world / "run")
    assert ganaug("translate", "fit", world / "day", world / "night", "-o", world / "run", "--resume", "-q") == 0
    assert tree(world / "run") == before and ganaug("check", world / "run", "-q") == 0
    for more in ((), ("--resume",)):
        assert ganaug("translate", "apply", world / "run", world / "day", "-o", tmp_path / "night", "-q", *more) == 0
    assert ganaug("check", tmp_path / "night", "-q") == 0
