"""What brings images of A nearer to B without learning anything: albumentations' domain adaptation, rendered once."""

import torch
from torch import Tensor

from ganaug.data import mix

# Their parameters are the library's defaults, but for p: half of each batch is adapted, which is what p = 1/2 means.
TRANSFORMS = {
    "source+fda": ("FDA", "fda_metadata"),  # Yang and Soatto 2020, arXiv:2004.05498
    "source+histogram": ("HistogramMatching", "hm_metadata"),
    "source+pda": ("PixelDistributionAdaptation", "pda_metadata"),
}


def adapted(arm: str, images: Tensor, references: Tensor, variants: int, *, seed: int = 0) -> Tensor:
    """Each of the images several times, each time after another reference.

    Args:
        arm: A key of TRANSFORMS.
        images: Of A, uint8 [N, C, H, W].
        references: Of B, uint8 [M, C, H, W]; one is drawn for each result.
        variants: Times each image is adapted.
        seed: Decides references and parameters; those of a result are a function of (seed, its number) alone.

    Returns:
        uint8 [variants * N, C, H, W]: all images, and again all of them.

    Example:
        >>> black, white = torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.full((3, 1, 8, 8), 255).byte()
        >>> adapted("source+histogram", black, white, variants=2).shape
        torch.Size([4, 1, 8, 8])
    """
    import albumentations as A

    name, key = TRANSFORMS[arm]
    transform = getattr(A, name)(p=1.0)
    drawn = torch.randint(len(references), (variants * len(images),), generator=torch.Generator().manual_seed(seed))
    found = torch.empty((len(drawn), *images.shape[1:]), dtype=torch.uint8)
    for i, reference in enumerate(drawn.tolist()):
        transform.set_random_seed(mix(seed, i) % 2**32)
        image, like = (
            x.permute(1, 2, 0).contiguous().numpy() for x in (images[i % len(images)], references[reference])
        )
        result = transform(image=image, **{key: [like]})["image"]
        found[i] = torch.from_numpy(result).reshape(image.shape).permute(2, 0, 1)
    return found
