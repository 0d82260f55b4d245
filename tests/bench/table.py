"""All rows of a CPU, in the order of the page."""

import corpora
import fidelity
import pools
import serving
import steps
import translation
from rows import Row

SUBJECTS = (steps, translation, fidelity, serving, pools, corpora)


def rows(*, toy: bool = False) -> tuple[Row, ...]:
    """Of every subject."""
    return tuple(row for subject in SUBJECTS for row in subject.rows(toy=toy))
