"""What the albumentations transforms of synthetic images share: partners drawn, labels read."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ganaug.errors import DataError
from ganaug.synthesis.live import OF_GENERATORS
from ganaug.transforms.arrays import array_like, channels_of
from ganaug.transforms.labels import gathered, is_soft, number, weights
from ganaug.transforms.models import folder_of
from ganaug.transforms.partners import Partners, Pick, require_options
from ganaug.transforms.pictures import require_image
from ganaug.transforms.seeded import Saved, Seeded

GEOMETRY = {"mask", "masks", "mask3d", "masks3d", "bboxes", "keypoints", "volume", "volumes"}


class Arguments(Saved):
    """What the arguments of all of them may be."""

    label_key: str
    labels: str
    classes: list[str] | None
    per_class: int
    serving: str


class Synthetic(Seeded):
    """Draws synthetic partners for images by their labels; the arguments are those of its children."""

    def __init__(
        self,
        source: Any,
        label_key: str,
        p: float,
        labels: str,
        classes: Sequence[str] | None,
        per_class: int,
        seed: int,
        serving: str,
        sha256: str | None,
    ):
        require_options(labels=(labels, ("keep", "draw")))
        self.partners = Partners(source, classes, per_class, seed, serving, sha256)
        self.source = folder_of(source, OF_GENERATORS)
        self.label_key, self.labels, self.classes = label_key, labels, classes
        self.per_class, self.serving, self.sha256 = per_class, serving, self.partners.model
        self._beside = set(GEOMETRY)
        super().__init__(p, seed)
        self._available_keys |= {label_key}

    @property
    def targets(self) -> dict[str, Callable[..., Any]]:
        return {"image": self.apply, "images": self.apply_to_images}

    def add_targets(self, additional_targets: dict[str, str]) -> None:
        """None is changed along with the image, so none may be there when it is changed."""
        self._beside |= additional_targets.keys()

    def apply_with_params(self, params: dict[str, Any], *args: Any, **data: Any) -> dict[str, Any]:
        """The data with another image or images; all else passes, whatever it is."""
        key = "image" if "image" in data else "images"
        data[key] = self._key2func[key](data[key], **params)
        return data

    def require_fit(self, data: dict[str, Any]) -> None:
        """Refuse a call without a label, and one with something beside the image that would no longer fit it."""
        if not self._beside.isdisjoint(data):
            stale = sorted(k for k in self._beside & data.keys() if data[k] is not None and _size(data[k]))
            if stale:
                raise DataError(
                    f"{type(self).__name__} must have nothing beside the image that shows where things are, got "
                    f"{', '.join(stale)}; leave it out, or this transform"
                )
        if ("image" in data) == ("images" in data):
            raise DataError(
                f"{type(self).__name__} must be given either image or images, got {sorted(data)}; call twice"
            )
        if self.label_key not in data and not self.replay_mode:
            raise DataError(
                f"{type(self).__name__} must know the label of the image, got {sorted(data)}; give {self.label_key}=..."
            )

    def each_label(self, data: dict[str, Any]) -> list[Any]:
        """The label of each image."""
        label = data[self.label_key]
        if "image" in data:
            return [label]
        try:
            labels = [] if isinstance(label, str) else list(label)
        except TypeError:
            labels = []
        if len(labels) != len(data["images"]):
            raise DataError(
                f"{self.label_key} must be a list or array of one label per image ({len(data['images'])}), got "
                f"{label!r:.60}; or give one image"
            )
        return labels

    def together(self, items: list[Any], data: dict[str, Any]) -> Any:
        """New labels as the labels came: one, or in the same container."""
        return items[0] if "image" in data else gathered(items, data[self.label_key])

    def pick(self, label: Any) -> Pick:
        """A partner for an image of that label."""
        partners, known = self.partners, len(self.partners.classes)
        if self.labels == "draw":
            label = self.py_random.randrange(known)
        elif type(label) is not int and is_soft(label):
            likely = weights(label).tolist()
            label = self.py_random.choices(range(len(likely)), likely)[0]
        return number(label, partners.classes, known), self.py_random.randrange(partners.each)

    def partner(self, pick: Pick, image: np.ndarray) -> np.ndarray:
        """The synthetic image of that pick, in the form of `image`."""
        channels = channels_of(image)
        require_image(image, channels, (2, 3), type(self).__name__)
        self.partners.say_resizing((channels, *image.shape[:2]))
        return array_like(self.partners.picture(pick), image)


def _size(thing: Any) -> int:
    """How many parts it has; one where it does not say."""
    return len(thing) if hasattr(thing, "__len__") else 1
