"""What all of our albumentations transforms share: a place in saved pipelines, random numbers right in every worker."""

import os
import random
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # otherwise a question to the network at import

import numpy as np
import torch
from albumentations import ImageOnlyTransform
from albumentations.core.type_definitions import Targets

from ganaug.transforms.streams import is_stale, stream, worker_stream

PLACES = {"source", "pool"}  # arguments that say where something lies, which no random number depends on


class Saved(ImageOnlyTransform.InitSchema):
    """What the arguments of all of them may be."""

    source: Any
    seed: int
    sha256: str | None

    def model_dump(self, **options: Any) -> dict[str, Any]:
        """As they are: pydantic takes what it knows to pieces, such as datasets that are dataclasses."""
        return dict(self)


class Seeded(ImageOnlyTransform):
    """A transform of images whose `seed` is the model's; the numbers of the augmentation are as albumentations says."""

    _targets = (Targets.IMAGE,)

    def __init__(self, p: float, seed: int):
        self._sampling_seed = seed  # `seed` itself is albumentations' own, of the augmentation
        super().__init__(p=p)

    @classmethod
    def get_class_fullname(cls) -> str:
        """The name in saved pipelines, which stays wherever the class lies."""
        return f"ganaug.{cls.__name__}"

    def get_transform_init_args(self) -> dict[str, Any]:
        return {**super().get_transform_init_args(), "seed": self._sampling_seed}

    def set_random_state(self, random_generator: np.random.Generator, py_random: random.Random) -> None:
        super().set_random_state(random_generator, py_random)
        self._seeded_under = torch.initial_seed()

    def set_random_seed(self, seed: int | None) -> None:
        """Seed from (seed, this transform), because a Compose gives all of its transforms the same seed."""
        super().set_random_seed(seed)
        if seed is not None:
            self.random_generator, self.py_random = stream(seed, self._name())
        self._seeded_under = torch.initial_seed()

    def should_apply(self, force_apply: bool = False) -> bool:
        """The coin of each call, after the random numbers were renewed in a new worker or epoch."""
        if is_stale(self._seeded_under):
            self.set_random_state(*worker_stream(self._name()))
        return super().should_apply(force_apply)

    def _name(self) -> str:
        """What tells this transform from others, wherever its model lies."""
        told = {**self.get_base_init_args(), **self.get_transform_init_args()}
        return f"{type(self).__name__} {sorted((key, repr(told[key])) for key in told.keys() - PLACES)}"
