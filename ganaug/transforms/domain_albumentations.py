"""`DomainTranslate` for albumentations; its home is `ganaug.transforms.albumentations`."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from ganaug.errors import DataError
from ganaug.synthesis.live import OF_TRANSLATORS
from ganaug.synthesis.translation_pool import Way
from ganaug.transforms.arrays import channels_of, stacked, to_array, to_tensor
from ganaug.transforms.domain import named_pool, open_translations, require_channels
from ganaug.transforms.models import folder_of
from ganaug.transforms.pictures import recoloured, require_image, to_bytes
from ganaug.transforms.seeded import Saved, Seeded


class DomainTranslate(Seeded):
    """Translate the image into the other domain: a scene by day becomes one by night, and all that shows where stays.

    Only pixels change. Masks, boxes, keypoints and labels pass through as they are; height, width and dtype of the
    image stay. `image` and additional targets of images share one noise; of `images` each has its own, while `p` is
    tossed once for all of them. Images are uint8 or floats in [0, 1], [H, W] or [H, W, C] of any sides from 8 px, with
    the channels that the translator learned; floats are rounded to 8 bits on the way. Where the other domain has other
    channels, so has the image that comes back, [H, W, C'] (masks keep theirs); one that `p` leaves alone is then
    recoloured, so that batches collate. Inside an `A.OneOf` or an `A.Sequential` that passes it by, this transform
    cannot do that.

    Without `pool`, images are translated when they come, on the CPU; several that come as `images` cost less each. With
    it, the images in it are translated here, once, `variants` times each, into a memory-mapped file that the loader's
    workers share; at a call an image is looked up by its pixels and a drawn variant comes back. It must therefore stand
    first in its pipeline; what is not in the pool is translated when it comes, and the log says so once. Equal requests
    find the same file.

    Random numbers are as in `SyntheticReplace`. A saved pipeline holds the translator's path and sha256, and names the
    pool by its DATA, or images in memory by the pool's file; import `ganaug.transforms.albumentations` before
    `albumentations.load`. A pickle carries neither pixels nor weights.

    Args:
        source: A run of `ganaug translate fit`, a translator folder, or a Translator that lies in one.
        direction: "AB" or, where the translator has a way back, "BA".
        p: Probability of a call to translate.
        seed: Of the noise: another seed, other translations, where the translator takes noise.
        pool: What to translate beforehand: DATA as for `ganaug.load`, read without labels in the images' own sizes;
            LabeledImages, UnlabeledImages, or a map-style dataset that shows the same images whenever it is asked; or
            the file of a pool. None: nothing.
        variants: Translations of each image in the pool; one where the translator takes no noise.
        tile: Side in px of the tiles that larger images are cut into; None: as in `Translator.translate`.
        sha256: Of the weights: refuses another translator. Filled in where it is not given.

    Raises:
        ModelError: `source` is no translator or has another sha256, or lies in no folder; or the pool is of another.
        DataError: A ValueError: images have other channels than their domain, floats lie outside [0, 1], neither
            `image` nor `images` is given, volumes are, or an argument is out of range.

    Example:
        >>> import albumentations as A
        >>> night = DomainTranslate("runs/day2night", p=0.5, pool="data/day")                       # doctest: +SKIP
        >>> pipeline = A.Compose([night, A.HorizontalFlip()], bbox_params=A.BboxParams("coco"))     # doctest: +SKIP
        >>> result = pipeline(image=image, mask=mask, bboxes=boxes)                                 # doctest: +SKIP
    """

    class InitSchema(Saved):
        """What the arguments may be."""

        direction: str
        pool: Any
        variants: int
        tile: int | None

    def __init__(
        self,
        source: Any,
        direction: str = "AB",
        p: float = 0.5,
        seed: int = 0,
        pool: Any = None,
        variants: int = 4,
        tile: int | None = None,
        sha256: str | None = None,
    ):
        self.source = folder_of(source, OF_TRANSLATORS)
        self._way = Way(direction, seed, tile)
        self.translations = open_translations(source, self._way, pool, variants, sha256, "worker")
        self.direction, self.variants, self.tile = direction, variants, tile
        self.pool, self.sha256 = named_pool(pool, self.translations), self.translations.model
        super().__init__(p, seed)

    @property
    def targets(self) -> dict[str, Callable[..., Any]]:
        return {"image": self.apply, "images": self.apply_to_images}

    def __call__(self, *args: Any, force_apply: bool = False, **data: Any) -> Any:
        self._require_fit(data)
        result = super().__call__(*args, force_apply=force_apply, **data)
        return result if self.params else {**result, **self._recoloured(result)}

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        """The number of each image's translation."""
        count = len(data["images"]) if "images" in data else 1
        return {"numbers": [self.py_random.randrange(self.translations.each) for _ in range(count)]}

    def apply(self, img: np.ndarray, numbers: list[int], **params: Any) -> np.ndarray:
        return self._translated([img], numbers[:1])[0]

    def apply_to_images(self, images: Any, numbers: list[int], **params: Any) -> Any:
        if len({image.shape for image in images}) == 1:
            return stacked(self._translated(images, numbers), images)
        return [self._translated([image], [number])[0] for image, number in zip(images, numbers, strict=True)]

    def _translated(self, images: Sequence[np.ndarray], numbers: list[int]) -> list[np.ndarray]:
        """Images of one shape, in one go."""
        for image in images:
            require_image(image, channels_of(image), (2, 3), type(self).__name__)
        pixels = to_bytes(torch.cat([to_tensor(image) for image in images]))
        translated = self.translations.tensors(pixels, numbers).numpy()
        return [to_array(new, old.ndim, old.dtype) for new, old in zip(translated, images, strict=True)]

    def _require_fit(self, data: dict[str, Any]) -> None:
        """Refuse a call without images, and images of another domain."""
        given = sorted(key for key in self._key2func if data.get(key) is not None)
        if not given or not {"volume", "volumes"}.isdisjoint(data):
            raise DataError(
                f"{type(self).__name__} must be given image or images, and no volumes, got {sorted(data)}; give slices "
                "as images"
            )
        for key in given:
            for image in self._each(key, data[key]):
                require_channels(self.translations, self._way, channels_of(image))

    def _recoloured(self, data: dict[str, Any]) -> dict[str, Any]:
        """The images as they are, with the channels of the other domain."""
        inputs, outputs = self.translations.channels
        if inputs == outputs:
            return {}
        given = {key: data[key] for key in self._key2func if data.get(key) is not None}
        images = {
            key: [_recoloured(image, outputs) for image in self._each(key, value)] for key, value in given.items()
        }
        return {key: stacked(new, given[key]) if self._is_many(key) else new[0] for key, new in images.items()}

    def _each(self, key: str, value: Any) -> Sequence[np.ndarray]:
        return value if self._is_many(key) else [value]

    def _is_many(self, key: str) -> bool:
        return self._additional_targets.get(key, key) == "images"


def _recoloured(image: np.ndarray, channels: int) -> np.ndarray:
    """With so many channels, [H, W, C], or [H, W] where it was so and has one."""
    pixels = recoloured(to_tensor(image), channels)[0].numpy().transpose(1, 2, 0)
    return np.ascontiguousarray(pixels[..., 0] if channels == 1 and image.ndim == 2 else pixels)
