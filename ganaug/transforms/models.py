"""The models that transforms are made with, and where they lie."""

from typing import Any

from torch.utils.data import get_worker_info

from ganaug.errors import ModelError
from ganaug.synthesis.live import Model, Words


def device_for(serving: str) -> str:
    """Where a model is loaded to: the CPU for loader workers and within them, else the best device there is."""
    return "cpu" if serving == "worker" or get_worker_info() is not None else "auto"


def require_model(model: Model, sha256: str | None, words: Words) -> None:
    """Refuse another model than the one that is named.

    Raises:
        ModelError: Names both.
    """
    if sha256 not in (None, model.hash):
        raise ModelError(
            f"{model.folder} must hold the {words.noun} {sha256[:12]}, got {model.hash[:12]}; "
            "point `source` to the right one, or leave sha256 out to take this one"
        )


def folder_of(source: Any, words: Words) -> str:
    """Where the model lies, for saved pipelines.

    Raises:
        ModelError: In memory alone.
    """
    folder = getattr(source, "folder", source)
    if folder is None:
        raise ModelError(
            f"a {words.noun} must lie in a folder for a pipeline to name it, got one in memory; "
            f"`{words.name}.save(folder)` and give the folder"
        )
    return str(folder)
