"""`inspect`: what is known of a labelled set before anything is trained, as plain data."""

from collections import Counter
from pathlib import Path
from typing import Any

from ganaug.data.listing import decode
from ganaug.data.scan import scan
from ganaug.data.sources import list_pictures
from ganaug.errors import GanaugError
from ganaug.inspection.cost import cost_of
from ganaug.inspection.problems import Look, problems_decoded, problems_of
from ganaug.inspection.splits import straddling
from ganaug.recipe import Recipe, load_recipe
from ganaug.run import VAL_FRACTION, Plan, Val, plan


def inspect(
    source: str | Path, recipe: Recipe | str = "auto", *, val: Val = VAL_FRACTION, device: str = "auto"
) -> dict[str, Any]:
    """Look at everything in a labelled set: classes, sizes, modes, problems, and the recipe that `train` would choose.

    Every picture is decoded, and what was seen is remembered until its file changes. A few steps of the run are taken,
    in memory, to tell what it would cost.

    Args:
        source: What `ganaug.load` reads.
        recipe: A `Recipe`, the name of a shipped one, or a TOML file.
        val: The share that `train` would hold out, or the images to use instead.
        device: "auto", "cpu", "cuda" or "mps".

    Returns:
        Plain data, as `ganaug inspect --json` prints it. `refused` is None, or the sentence with which `train` would
        refuse the set as it is; `choices` is empty and `cost` None then.

    Raises:
        GanaugError: Nothing can be listed there: no such source, no classes.

    Example:
        >>> facts = inspect("sklearn:digits")
        >>> facts["images"], facts["sizes"], facts["problems"]
        (1198, [[[8, 8], 1198]], [])
    """
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    listing = list_pictures(source, recipe.data.groups)
    look = Look(listing, scan(listing))
    todo, refused = _plan(look, recipe, val, device)
    counts, headers = Counter(listing.labels), [fact.header for fact in look.facts if not fact.problem]
    return {
        "source": listing.source,
        "images": len(listing),
        "classes": [{"name": name, "images": counts[label]} for label, name in enumerate(listing.classes)],
        "sizes": [[list(size), n] for size, n in Counter(h.size for h in headers).most_common()],
        "modes": [[mode, n] for mode, n in Counter(h.mode for h in headers).most_common()],
        "groups": len(set(listing.groups)) if listing.groups else None,
        "problems": _problems(look, todo),
        "refused": refused,
        **_outlook(todo),
    }


def _plan(look: Look, recipe: Recipe, val: Val, device: str) -> tuple[Plan | None, str | None]:
    """What `train` would do, or the sentence with which it would refuse."""
    asked = recipe.data
    try:
        data = decode(look.listing, asked.resolution, asked.channels, asked.skip_bad, look.facts)
        return plan(data, recipe, val=val, device=device), None
    except GanaugError as error:
        return None, str(error)


def _problems(look: Look, todo: Plan | None) -> list[dict[str, Any]]:
    """The serious ones first; some are found only where `train` has a plan."""
    found = list(problems_of(look))
    if todo is not None:
        found += [*problems_decoded(look, todo.train), *straddling(todo)]
    return [vars(problem) for problem in sorted(found, key=lambda problem: not problem.serious)]


def _outlook(todo: Plan | None) -> dict[str, Any]:
    if todo is None:
        return {"choices": [], "networks": None, "cost": None}
    return {"choices": [vars(choice) for choice in todo.choices], "networks": todo.networks, "cost": cost_of(todo)}
