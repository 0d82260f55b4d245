"""`DomainTranslate` for torchvision v2; its home is `ganaug.transforms.torchvision`."""

from typing import Any

import torch
from torch import Tensor
from torchvision.transforms import v2

from ganaug.synthesis.translation_pool import Way
from ganaug.transforms.domain import open_translations, require_channels
from ganaug.transforms.partners import require_probability
from ganaug.transforms.pictures import from_bytes, put, recoloured, take, to_bytes
from ganaug.transforms.samples import Pictured


class DomainTranslate(v2.Transform):
    """Translate images into the other domain: a scene by day becomes one by night, and all that shows where stays.

    Only pixels change. Labels, masks, boxes, keypoints and whatever else is in the sample pass through as they are;
    height, width, type and dtype of the images stay. For batches, in `collate_fn` or after the batch is on its device,
    and for single samples in a `v2.Compose`, in any structure that holds one image or batch of images: uint8 or floats
    in [0, 1], [N, C, H, W] or [C, H, W], `tv_tensors.Image` or PIL images, of any sides from 8 px, with the channels
    that the translator learned; floats are rounded to 8 bits on the way. The coin is tossed, and the noise drawn, for
    each image. Where the other domain has other channels, so have all images that come back: those that `p` leaves
    alone are recoloured.

    Without `pool`, images are translated when they come, where the translator is: for batches, then, on a GPU. Inside
    loader workers it must be on the CPU: `DomainTranslate(Translator.load(path, device="cpu"))`. With `pool`, the
    images in it are translated here, once, `variants` times each, into a memory-mapped file that the loader's workers
    share; an image is looked up by its pixels and a drawn variant comes back. It must therefore stand first in its
    pipeline; what is not in the pool is translated when it comes, on the CPU, and the log says so once. Equal requests
    find the same file.

    Random numbers come from torch's global generator on the CPU, as those of torchvision's own transforms do: torch
    seeds it in every loader worker and epoch. A pickle carries neither pixels nor weights.

    Args:
        source: A run of `ganaug translate fit`, a translator folder, or a Translator.
        direction: "AB" or, where the translator has a way back, "BA".
        p: Probability of each image to be translated.
        seed: Of the noise: another seed, other translations, where the translator takes noise.
        pool: What to translate beforehand: DATA as for `ganaug.load`, read without labels in the images' own sizes;
            LabeledImages, UnlabeledImages, or a map-style dataset that shows the same images whenever it is asked; or
            the file of a pool. None: nothing.
        variants: Translations of each image in the pool; one where the translator takes no noise.
        tile: Side in px of the tiles that larger images are cut into; None: as in `Translator.translate`.
        sha256: Of the weights: refuses another translator.

    Raises:
        ModelError: `source` is no translator or has another sha256; or the pool is of another.
        DataError: A ValueError: no image or several are found, images have other channels than their domain, floats
            lie outside [0, 1], or an argument is out of range.
        DeviceError: The translator is on a GPU, and this is a loader worker.

    Example:
        >>> night = DomainTranslate("runs/day2night", p=0.5)                                        # doctest: +SKIP
        >>> images, labels = night(images.cuda(), labels)                                           # doctest: +SKIP
    """

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
        super().__init__()
        require_probability(p)
        self.p, self.direction, self.seed, self.tile = p, direction, seed, tile
        self._way = Way(direction, seed, tile)
        self.translations = open_translations(source, self._way, pool, variants, sha256, "batch")

    def forward(self, *inputs: Any) -> Any:
        sample = Pictured(inputs[0] if len(inputs) == 1 else inputs, type(self).__name__)
        return sample.with_images(self._translated(sample.images))

    def _translated(self, images: Tensor) -> Tensor:
        """[N, C, H, W] of the one domain to [N, C', H, W], of which some are of the other."""
        require_channels(self.translations, self._way, images.shape[1])
        chosen = torch.rand(len(images)) < self.p
        numbers = torch.randint(self.translations.each, (len(images),))
        own = recoloured(images, self.translations.channels[1])
        if not chosen.any():
            return own
        pixels = self.translations.tensors(to_bytes(take(images, chosen)), numbers[chosen].tolist())
        return put(own, chosen, from_bytes(pixels.to(images.device), images.dtype))
