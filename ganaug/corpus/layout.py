"""Names of class directories and image files: portable, and in an order that every loader reads as the model's."""

import re
import unicodedata
from collections.abc import Iterator, Sequence

from ganaug.data.folder import IGNORED

FORBIDDEN = frozenset('/\\:*?"<>|[]')
RESERVED = frozenset(
    "con prn aux nul conin$ conout$".split()
    + [f"{port}{n}" for port in ("com", "lpt") for n in range(10)]  # by Windows
)
SPLIT_WORDS = frozenset("train training validation valid dev val test testing eval evaluation".split())
SEPARATORS = "[-._ 0-9]+"  # between words, where Hugging Face datasets looks for a split's name in a path
LONGEST, SLUG = 100, 40  # bytes of a name, letters and accents apart; characters of a class name in a prefixed one


def directory_names(classes: Sequence[str]) -> list[str]:
    """One directory name per class, sorted in label order, so that ImageFolder numbers the classes as the model does.

    The names as given where all are safe file names, differ after NFKC and case folding, and are sorted already, also
    on a file system that joins or parts letters and accents; else `<label>_<words of the name>`. A name that Hugging
    Face datasets takes for a split (as "test tube") is not safe.

    Example:
        >>> directory_names(["bird", "cat"])
        ['bird', 'cat']
        >>> directory_names(["T-shirt/top", "Dress", "test"])
        ['0_T_shirt_top', '1_Dress', '2_testclass']
    """
    names = list(classes)
    if all(map(_is_safe, names)) and len(set(map(folded, names))) == len(names) and _are_sorted(names):
        return names
    width = len(str(len(names) - 1))
    return [f"{label:0{width}}_{_slug(name)}" for label, name in enumerate(names)]


def file_names(counts: Sequence[int], directories: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """(label, index, `directory/index.png`) of every image of a corpus, class by class."""
    width = max(6, len(str(max(counts) - 1)))
    for label, (n, directory) in enumerate(zip(counts, directories, strict=True)):
        for index in range(n):
            yield label, index, f"{directory}/{index:0{width}}.png"


def _is_safe(name: str) -> bool:
    return (
        name == name.strip(" .")
        and name.isprintable()  # neither control characters nor halves of surrogate pairs
        and not FORBIDDEN & set(name)
        and 0 < len(_apart(name).encode()) <= LONGEST
        and folded(name).split(".")[0].rstrip() not in RESERVED
        and not name.startswith(IGNORED)
        and not SPLIT_WORDS & set(re.split(SEPARATORS, folded(name)))
    )


def _are_sorted(names: list[str]) -> bool:
    """As they are, and in either form in which a file system may hand them back."""
    joined, apart = [unicodedata.normalize("NFC", name) for name in names], [_apart(name) for name in names]
    return all(forms == sorted(forms) for forms in (names, joined, apart))


def folded(name: str) -> str:
    """What a file system may take for equal is equal."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def _apart(name: str) -> str:
    """The longest form in which a file system keeps it: accents after their letters."""
    return unicodedata.normalize("NFD", name)


def _slug(name: str) -> str:
    words = re.sub(r"\W+", "_", unicodedata.normalize("NFKC", name))[:SLUG]
    while len(_apart(words).encode()) > LONGEST:
        words = words[:-1]
    return "".join(
        part + "class" if part.casefold() in SPLIT_WORDS else part
        for part in re.split(f"({SEPARATORS})", words.strip("_") or "class")
    )
