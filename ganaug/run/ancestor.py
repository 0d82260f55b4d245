"""The model in `train.init`, as far as a plan must know it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from ganaug.auto import Choice
from ganaug.data import LabeledImages
from ganaug.errors import ModelError
from ganaug.recipe import Recipe, validate
from ganaug.run.inherit import inherit, read_ancestor
from ganaug.synthesis.card import Architecture, Card


@dataclass(frozen=True)
class Ancestor:
    """The model in `train.init`, as far as a plan must know it.

    Attributes:
        path: Where it lies; empty where there is none.
        sha256: Of the generator's weights that the run starts from, or did when it began; empty where there is none.
        card: What it says of itself; None where there is none, or it is not there any more.
        fresh: Whether the run is yet to start from it.
    """

    path: str = ""
    sha256: str = ""
    card: Card | None = None
    fresh: bool = False

    @classmethod
    def of(cls, recipe: Recipe, began: str | None) -> "Ancestor":
        """The model that a recipe names; `began`: what a run that is past its start began with.

        Raises:
            ModelError: The run is yet to start, and there is no model, or a damaged one.
        """
        if not recipe.train.init:
            return cls()
        path = str(Path(recipe.train.init).expanduser().resolve())
        try:
            card, _ = read_ancestor(path)
        except ModelError:
            if began is None:
                raise
            return cls(path, began)
        return cls(path, began or card.sha256, card, fresh=began is None)

    def settled(self, recipe: Recipe) -> tuple[Recipe, list[Choice]]:
        """The recipe with the model's whole path, and with its networks where they are left open."""
        if not self.path:
            return recipe, []
        nets = recipe.nets
        left_open = {
            "name": nets.name is None,
            "width": nets.width is None,
            "z_dim": "z_dim" not in nets.model_fields_set,
        }
        taken = {}
        if self.card and nets.name in (None, self.card.architecture.name):
            taken = {key: getattr(self.card.architecture, key) for key, is_open in left_open.items() if is_open}
        tables = recipe.model_dump()
        tables["train"]["init"] = self.path
        tables["nets"] |= taken
        choices = [Choice(f"nets.{key}", value, "as in train.init") for key, value in taken.items()]
        return validate(tables, "train.init"), choices

    def fit(self, recipe: Recipe, data: LabeledImages) -> list[Choice]:
        """What is reused in a run of this complete recipe, and what not.

        Raises:
            ModelError: Nothing of it fits.
        """
        if not self.fresh:
            return []
        with torch.device("meta"):
            G = Architecture.of(recipe.nets, data).build()
        why = "; ".join(inherit(self.path, G, None, data.classes))
        return [Choice("train.init", f"model:{self.sha256[:12]}", why)]

    def cautions(self, fingerprint: str, val: str) -> Iterator[str]:
        """What to say where the model learned from other images than these."""
        known = self.card.provenance if self.card else {}
        if self.fresh and (known.get("fingerprint"), known.get("splits", {}).get("val")) != (fingerprint, val):
            yield (
                f"train.init: whether images that {self.path} learned from are among the validation or test images "
                "here cannot be known; if they are, results on those flatter"
            )
