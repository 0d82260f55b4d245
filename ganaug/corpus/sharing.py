"""What processes that work together share of a corpus: one folder, and a manifest of which each writes a part."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ganaug.errors import CorpusError, LostProcessError
from ganaug.files import naming_full_disk, new_folder
from ganaug.ranks import is_first, shared, size


@contextmanager
def folder_of_all(out: Path) -> Iterator[Path]:
    """A temporary folder of the first process, which takes the name `out` when all went well in all of them.

    Where a process fails nothing stays: each that ends removes what others may have written since.

    Raises:
        CorpusError: A process does not see the folder.
        LostProcessError: Another process has ended.
        OutputError, DiskFullError, GanaugError: As of `new_folder`.
    """
    if is_first():
        with new_folder(out) as folder:
            shared(os.fsencode(folder))
            with _removed_by_others():
                yield folder
        return
    folder = Path(os.fsdecode(shared(None) or b""))
    if not folder.is_dir():
        raise CorpusError(
            f"{out}: must lie on a file system that all processes share, got one that they do not; choose another place"
        )
    try:
        with naming_full_disk(out), _removed_by_others():
            yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def part_of(file: Path, number: int) -> Path:
    """The part of a file that process `number` writes: of the first the file itself."""
    return file.with_name(f"{file.name}.{number}") if number else file


def join_parts(file: Path) -> None:
    """Append the parts of all other processes to that of the first, in their order."""
    with file.open("ab") as whole:
        for number in range(1, size()):
            part = part_of(file, number)
            with part.open("rb") as more:
                shutil.copyfileobj(more, whole)
            part.unlink()


@contextmanager
def _removed_by_others() -> Iterator[None]:
    """That the folder is gone is no fault of this process's."""
    try:
        yield
    except FileNotFoundError as error:
        if size() == 1:
            raise
        raise LostProcessError from error
