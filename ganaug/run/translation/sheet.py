"""The sheet of a translation: what becomes of a few held-out images, there and back."""

import numpy as np
import torch
from torch import Tensor

from ganaug.images import grid
from ganaug.nets.translation import as_channels
from ganaug.run.translation.judge import spread
from ganaug.run.translation.planning import TranslationPlan
from ganaug.synthesis import Translator

COLUMNS = 8
GAP, MIN_SIDE = 2, 48  # px


def sheet(todo: TranslationPlan, translator: Translator) -> np.ndarray:
    """Rows of A, A -> B, A -> B -> A, and of B, B -> A, B -> A -> B, uint8 [C, H, W].

    Without a way back: A, A -> B under one noise and under another where there is any, and B.
    """
    n = min(COLUMNS, len(todo.a_val), len(todo.b_val))
    a, b = (part.images[spread(len(part), n)] for part in (todo.a_val, todo.b_val))
    rows = [*_ways(translator, a, "AB"), *(_ways(translator, b, "BA") if _returns(translator) else [b])]
    channels = max(todo.a.shape[0], todo.b.shape[0])
    same = [as_channels(row, channels) for row in rows]
    return grid(torch.cat(same), columns=n, gap=GAP, min_side=MIN_SIDE)


def _ways(translator: Translator, images: Tensor, direction: str) -> list[Tensor]:
    """The images, their translations, and those back; or others of theirs."""
    there = translator.translate(images, direction)
    if _returns(translator):
        return [images, there, translator.translate(there, direction[::-1])]
    return [images, there, *([translator.translate(images, direction, seed=1)] if translator.noise_dim else [])]


def _returns(translator: Translator) -> bool:
    return len(translator.directions) == 2
