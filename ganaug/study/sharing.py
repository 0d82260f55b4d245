"""A study that several processes share: one set of images and settings, one result."""

import json
from collections.abc import Mapping
from typing import Any

from ganaug.ranks import is_first, require_alike, shared
from ganaug.recipe import Measure


def require_one_study(sets: Mapping[str, str], settings: Measure, **asked: object) -> None:
    """Refuse to share a study of which processes know different things.

    Args:
        sets: Name of what the study rests on -> its hash.
        settings: The `measure` table.
        asked: Options of the command, by their names.

    Raises:
        UnlikeError: Processes have others; the first difference is named.
    """
    require_alike(
        {
            **sets,
            **{f"--{name}": str(value) for name, value in asked.items()},
            **{f"measure.{name}": str(value) for name, value in settings},
        }
    )


def of_first(result: dict[str, Any] | None) -> dict[str, Any]:
    """What the first process found, in all of them; the others give None."""
    told = shared(None if result is None else json.dumps(result).encode())
    return result if is_first() and result is not None else json.loads(told or b"{}")
