"""Class names of any kind: their directories are portable and numbered as the model numbers them."""

import json
import ntpath
import unicodedata
from pathlib import Path, PureWindowsPath

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shell import TINY, ganaug, learn_fast
from standin import label_of, synthesizer
from torchvision.datasets import ImageFolder

from ganaug.corpus import check_corpus, directory_names, write_corpus
from ganaug.data import load
from ganaug.data.folder import IGNORED
from ganaug.errors import DataError

NASTY = [
    *("T-shirt/top", "../x", "..", ".", "", " ", "CON", "con.txt", "aux .x", "COM¹", "LPT0", "CONIN$", "nul"),
    *("Cat", "cat", "é", "e\u0301", "Å", "\u212b", "ﬁ", "fi", "ß", "ss", "ı", "I", "i", "K", "k", "\u212a", "日本"),
    *(
        "🐈",
        "👩\u200d👩\u200d👧",
        "\u202egnp.exe",
        "x" * 300,
        "é" * 150,
        "🐈" * 100,
        "ﷺ" * 20,
        "\u1112\u1161\u11ab" * 30,
    ),
    *("a b", " a", "a ", "a.", "a...", ".hidden", "._mac", "__pycache__", "Thumbs.db", "1_a", "0", "00", "10", "2"),
    *("=cmd()", "-rf", "~", "$HOME", "%PATH%", "C:", "C:\\x", "\\\\server\\share", "a|b", "a?b", "a*", "[a]", "<a>"),
    *("'", '"', "\x00", "\n", "\t", "\x1b[31m", "\x7f", "0.\x80", "test", "train", "my test", "ｔｅｓｔ"),
    *("\ud800", "a\udfff", "\ufeff", "\u200b", "\uffff", "\U0010ffff", "\ue000", "\u0378"),
]
CHARACTERS = st.characters(categories=["L", "M", "N", "P", "S", "Z", "C"])  # surrogates and unassigned ones too
NAME = st.one_of(
    st.sampled_from(NASTY), st.text(CHARACTERS, max_size=6), st.text('aAbB01 ._-/\\:*?"<>|\x80é', max_size=5)
)
TAME = st.one_of(
    st.text("aAbBzZ019éÅßıK日한 .-_'=", min_size=1, max_size=4),
    st.sampled_from([name for name in NASTY if name.isprintable() and name.strip(" .") == name]),
)
LISTS = st.one_of(  # those that are sorted, short and tame may keep their names
    st.lists(NAME, min_size=2, max_size=12, unique=True),
    st.lists(TAME, min_size=2, max_size=3, unique=True).map(sorted),
)


def is_reserved(name: str) -> bool:
    """Whether Windows gives the name to a device, in the words of the standard library."""
    return ntpath.isreserved(name) if hasattr(ntpath, "isreserved") else PureWindowsPath(name).is_reserved()  # type: ignore[attr-defined]


def faults(classes: list[str]) -> list[str]:
    """What is wrong with the directories of these classes."""
    names, root = directory_names(classes), Path("/tmp/corpus")
    found = [] if len(names) == len(classes) else ["one directory a class"]
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        twins = [unicodedata.normalize(form, unicodedata.normalize(form, name).casefold()) for name in names]
        if len(set(twins)) < len(names):
            found.append(f"twins under {form}")
        if form in ("NFC", "NFD"):  # a file system may hand back either
            shown = [unicodedata.normalize(form, name) for name in names]
            if not shown == sorted(shown) == sorted(shown, key=str.encode):
                found.append(f"order under {form}")
    for name in names:
        if (root / name).resolve().parent != root.resolve() or Path(name).name != name:
            found.append(f"{name!r} leaves the root")
        windows = PureWindowsPath(name)
        if windows.parts != (name,) or windows.drive or is_reserved(name) or is_reserved(f"{name}.png"):
            found.append(f"{name!r} is none of Windows's")
        if set(name) & set('<>:"/\\|?*') or any(unicodedata.category(c)[0] == "C" for c in name):
            found.append(f"{name!r} has a character that cannot be")
        if name != name.strip(" .") or not name or name.startswith(IGNORED):
            found.append(f"{name!r} is hidden or trimmed")
        if max(len(unicodedata.normalize(form, name).encode()) for form in ("NFC", "NFD")) > 255:
            found.append(f"{name!r} is too long")
    return found


def examples(number: int):
    """The same lists in every run."""
    return settings(max_examples=number, derandomize=True, deadline=None, database=None)


@examples(400)
@given(LISTS)
def test_lists_of_names_give_directories_that_every_system_takes(classes: list[str]):
    assert faults(classes) == []


@pytest.mark.slow
@examples(3000)
@given(LISTS)
def test_three_thousand_lists_of_names_give_directories_that_every_system_takes(classes: list[str]):
    assert faults(classes) == []


def test_the_judge_finds_what_it_looks_for(monkeypatch: pytest.MonkeyPatch):
    planted = [
        (["b", "a"], "order"),
        (["Cat", "cat"], "twins"),
        (["e\u0301", "\u00e9"], "twins"),
        (["z", "\u00e9"], "order under NFD"),
        (["..", "a"], "leaves the root"),
        (["/etc", "a"], "leaves the root"),
        (["C:x", "a"], "Windows"),
        (["COM¹", "a"], "Windows"),
        (["a", "b."], "trimmed"),
        (["a", "b\x80"], "cannot be"),
        (["a", "x" * 256], "too long"),
        (["a"], "one directory a class"),
    ]
    for names, said in planted:
        monkeypatch.setattr(f"{__name__}.directory_names", lambda classes, names=names: names)
        assert any(said in fault for fault in faults(["a", "b"])), names


@pytest.mark.parametrize(
    ("classes", "directories"),
    [
        (("Coat", "Dress", "Trouser"), ["Coat", "Dress", "Trouser"]),
        (("a b", "=cmd()", "é"), ["0_a_b", "1_cmd", "2_é"]),
        (("=cmd()", "a b", "日本"), ["=cmd()", "a b", "日本"]),
        (("COM¹", "x"), ["0_COM1", "1_x"]),
        (("con .x", "d"), ["0_con_x", "1_d"]),
        (("CONIN$", "d"), ["0_CONIN", "1_d"]),
        (("z", "é"), ["0_z", "1_é"]),  # sorted, but not where accents stand apart
        (("0.\x80", "x" * 300, "🐈"), ["0_0", "1_" + "x" * 40, "2_class"]),
        (("../x", "T-shirt/top", "Cat", "cat"), ["0_x", "1_T_shirt_top", "2_Cat", "3_cat"]),
    ],
)
def test_names_are_kept_where_they_can_be_and_else_prefixed(classes: tuple[str, ...], directories: list[str]):
    assert directory_names(classes) == directories


# on disk


@pytest.mark.parametrize(
    "classes",
    [
        ("T-shirt/top", "../x", "CON"),
        ("cat", "Cat", "CAT"),
        ("é", "e\u0301"),
        ("🐈", "x" * 300, "=cmd()", " "),
        ("test", "train", "val", "=cmd()"),
        ("ant", "bee"),
    ],
)
def test_image_folder_and_our_own_loader_number_the_classes_as_the_model_does(tmp_path: Path, classes: tuple[str, ...]):
    counts = [1 + label % 2 for label in range(len(classes))]
    corpus = write_corpus(synthesizer(classes), tmp_path / "corpus", counts)
    folder, data = ImageFolder(str(corpus)), load(corpus)
    assert folder.classes == directory_names(classes) and data.classes == classes
    assert folder.targets == data.targets == [label for label, n in enumerate(counts) for _ in range(n)]
    assert [label_of(image) for image, _ in folder] == folder.targets
    assert json.loads((corpus / "corpus.json").read_text())["classes"] == list(classes) and check_corpus(corpus) == []
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_a_thousand_classes_are_numbered_in_their_order(tmp_path: Path):
    names = directory_names([f"class {number}" for number in range(1000)])
    assert names[7] == "007_class_7" and names == sorted(names)
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.png").touch()
    assert ImageFolder(str(tmp_path)).targets == list(range(1000))


def test_names_of_a_source_survive_training_and_come_back_from_the_corpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    classes = ("T-shirt/top", "../x", "e\u0301 🐈")
    pixels = np.random.default_rng(0).integers(0, 256, (45, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", images=pixels, labels=np.arange(45) % 3, classes=classes)
    learn_fast(monkeypatch)
    assert ganaug("train", tmp_path / "data.npz", "-o", tmp_path / "run", "-q", *TINY) == 0
    assert ganaug("generate", tmp_path / "run", "-o", tmp_path / "corpus", "-n", 6, "-q") == 0
    assert json.loads((tmp_path / "corpus" / "corpus.json").read_text())["classes"] == list(classes)
    assert load(tmp_path / "corpus").classes == classes
    assert {path.name for path in tmp_path.iterdir()} == {"data.npz", "run", "corpus"}


@pytest.mark.parametrize("name", ["b\ud800", "\x00b", "b\nc", "\x1b[31mred"])
def test_what_no_file_could_hold_is_refused_at_the_door(tmp_path: Path, name: str):
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", images=images, labels=["a", name] * 2)
    with pytest.raises(DataError, match=r"a.npz: class names must be text on one line, got '.*'; rename"):
        load(tmp_path / "a.npz")
