"""ganaug: does synthetic data help my classifier?

Every name loads on first use, so that `import ganaug` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganaug import hf as hf
    from ganaug import transforms as transforms
    from ganaug.data import LabeledImages as LabeledImages
    from ganaug.data import load as load
    from ganaug.datasets import AugmentedDataset as AugmentedDataset
    from ganaug.datasets import ShareBatchSampler as ShareBatchSampler
    from ganaug.datasets import SyntheticDataset as SyntheticDataset
    from ganaug.datasets import seed_worker as seed_worker
    from ganaug.errors import GanaugError as GanaugError
    from ganaug.inspection import inspect as inspect
    from ganaug.recipe import Recipe as Recipe
    from ganaug.recipe import load_recipe as load_recipe
    from ganaug.run import train as train
    from ganaug.run.translation import fit_translation as fit_translation
    from ganaug.study import measure as measure
    from ganaug.synthesis import Synthesizer as Synthesizer
    from ganaug.synthesis import Translator as Translator

_HOMES = {
    "AugmentedDataset": "ganaug.datasets",
    "GanaugError": "ganaug.errors",
    "LabeledImages": "ganaug.data",
    "Recipe": "ganaug.recipe",
    "ShareBatchSampler": "ganaug.datasets",
    "SyntheticDataset": "ganaug.datasets",
    "Synthesizer": "ganaug.synthesis",
    "Translator": "ganaug.synthesis",
    "fit_translation": "ganaug.run.translation",
    "inspect": "ganaug.inspection",
    "load": "ganaug.data",
    "load_recipe": "ganaug.recipe",
    "measure": "ganaug.study",
    "seed_worker": "ganaug.datasets",
    "train": "ganaug.run",
}
_ROOMS = ("hf", "transforms")
__all__ = [*_HOMES, *_ROOMS]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    """Load a public name from its home."""
    if name in _ROOMS:
        return import_module(f"ganaug.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'ganaug' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """The public names, loaded or not."""
    return sorted({*globals(), *_HOMES, *_ROOMS})
