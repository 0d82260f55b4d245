"""Which images show one object, patient or track: from file names, or from a column."""

import logging
import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from ganaug.errors import DataError, RecipeError

log = logging.getLogger("ganaug")


def groups_by_name(source: str, names: Sequence[str], expression: str) -> tuple[str, ...] | None:
    """The part of each file's name that says what it shows, [N]; None without an expression.

    Args:
        source: What the user called the set.
        names: Paths; only their last parts, the files' own names, are searched.
        expression: A regular expression. Its first group names the object, or the whole match where it has no group.

    Raises:
        RecipeError: It is no regular expression.
        DataError: It finds nothing in a name; the first such file is named.

    Example:
        >>> groups_by_name("set", ["ant/p1_left.png", "bee/p1_right.png", "bee/p2.png"], r"p[0-9]+")
        ('p1', 'p1', 'p2')
    """
    if not expression:
        return None
    search = _compile(expression).search
    found = [_object(search(PurePath(name).name)) for name in names]
    missed = [name for name, group in zip(names, found, strict=True) if not group]
    if missed:
        raise DataError(
            f"{source}: data.groups must find an object in every file name, got none with {expression!r} in "
            f"{len(missed):,} of {len(found):,} ({missed[0]}); widen the expression or rename the files"
        )
    return _said(source, [group for group in found if group])


def groups_by_column(source: str, column: str, values: Any) -> tuple[str, ...]:
    """The values of a column as groups, [N].

    Raises:
        DataError: They are not one integer or string per image.
    """
    plain = np.asarray(values)
    if plain.ndim != 1 or plain.dtype.kind not in "iuU":
        missing = " with gaps" if isinstance(values, list) and None in values else ""
        raise DataError(
            f"{source}: the groups in {column!r} must be one integer or string per image, "
            f"got {plain.dtype} {list(plain.shape)}{missing}; name another with data.groups"
        )
    return _said(source, [str(value) for value in plain.tolist()])


def no_groups(source: str, expression: str) -> None:
    """For sets that have neither file names nor columns.

    Raises:
        DataError: Groups are asked for all the same.
    """
    if expression:
        raise DataError(
            f"{source}: data.groups must be left out, got {expression!r}; "
            "this set has neither file names nor columns that could tell its objects apart"
        )


def _compile(expression: str) -> re.Pattern[str]:
    try:
        return re.compile(expression)
    except (re.error, OverflowError, RecursionError) as error:
        where = f" at position {error.pos}" if isinstance(error, re.error) and error.pos is not None else ""
        fact = error.msg if isinstance(error, re.error) else str(error)
        raise RecipeError(
            f"data.groups must be a regular expression, got {expression!r} ({fact}{where}); correct it"
        ) from error


def _object(match: re.Match[str] | None) -> str | None:
    """The first group of the expression, else the whole match."""
    return match and match.group(1 if match.re.groups else 0)


def _said(source: str, groups: list[str]) -> tuple[str, ...]:
    log.info("%s: %d images show %d objects (data.groups)", source, len(groups), len(set(groups)))
    return tuple(groups)
