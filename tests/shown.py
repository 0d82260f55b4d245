"""Which synthetic image of a small generator an array shows."""

from typing import Any

import numpy as np

from ganaug.synthesis import Synthesizer

EACH = 12  # images of each class that the tests' pools hold


class Shown:
    """Looks an image [H, W, C] or [C, H, W] up among the first `EACH` of each class."""

    def __init__(self, synth: Synthesizer, seed: int = 0):
        self.pixels: dict[tuple[int, int], np.ndarray] = {}
        for label in range(len(synth.classes)):
            images, _ = synth.sample([label] * EACH, seed)
            self.pixels.update({(label, index): image.numpy() for index, image in enumerate(images)})
        self._places = {image.tobytes(): place for place, image in self.pixels.items()}
        assert len(self._places) == len(self.pixels), "every image differs"

    def __call__(self, image: Any) -> tuple[int, int]:
        """Its (label, index), or (-1, -1) where it is none of them."""
        array = np.asarray(image)
        array = array if array.shape[0] in (1, 3) else array.transpose(2, 0, 1)
        return self._places.get(np.ascontiguousarray(array).tobytes(), (-1, -1))
