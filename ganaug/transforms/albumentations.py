"""Synthetic images in albumentations pipelines, in place of an image or mixed with it, and translated images.

Importing this module registers the transforms, so that `albumentations.load` finds them under
"ganaug.SyntheticReplace", "ganaug.SyntheticMix" and "ganaug.DomainTranslate".
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ganaug.transforms.arrays import stacked
from ganaug.transforms.domain_albumentations import DomainTranslate as DomainTranslate
from ganaug.transforms.labels import alike, is_soft, number, one_hot, weights
from ganaug.transforms.mixing import Box, blend, blend_label, cut_box, paste, share_left
from ganaug.transforms.partners import Labels, Method, Pick, require_alpha, require_options, soft_length
from ganaug.transforms.synthetic import Arguments, Synthetic


class SyntheticReplace(Synthetic):
    """Put a synthetic image in place of the image: of its own class, or of a drawn one that becomes the label.

    Beside `image` the pipeline is called with the label, under `label_key`: an integer (Python's, numpy's, a tensor's)
    or a class name. It comes back in the same type. Beside `images` stands a list or array of labels; each image gets a
    synthetic one of its own, while `p` is tossed once for all of them. Size, channels and dtype of the image stay; a
    generator of another size is cropped and resized, and the log says so.

    In loader workers the transform draws other numbers in every worker and epoch, the same on a rerun under one
    `torch.manual_seed`, whether or not `ganaug.seed_worker` is used. The whole pipeline needs `ganaug.seed_worker`. In
    an `A.Compose(seed=...)` two transforms of equal arguments draw equal numbers: give them different `seed`s.

    A saved pipeline holds the generator's path and sha256; import this module before `albumentations.load`. A pickle
    carries neither pixels nor weights.

    Args:
        source: A run folder or generator folder, or a Synthesizer that lies in one.
        label_key: Under which name the label is given.
        p: Probability of a call to replace.
        labels: "keep" takes an image of the class that is given; "draw" draws the class evenly, and the label
            becomes it.
        classes: The names of your classes in label order, where they are not those of the generator: integer labels are
            numbers in this list.
        per_class: Images of each class in the pool.
        seed: Of the sampling.
        serving: "pool" renders once, here; "worker" renders in the worker, an endless sequence, much more slowly.
        sha256: Of the weights: refuses another generator. Filled in where it is not given.

    Raises:
        ModelError: `source` is no generator or has another sha256; or a Synthesizer that lies in no folder.
        DataError: A ValueError: a class or label is unknown, floats lie outside [0, 1], an argument is out of range, or
            masks, boxes, keypoints, volumes or additional targets stand beside the image, which they would not fit.

    Example:
        >>> import albumentations as A
        >>> pipeline = A.Compose([SyntheticReplace("runs/digits", p=0.25), A.HorizontalFlip()])     # doctest: +SKIP
        >>> result = pipeline(image=image, label=3)                                                 # doctest: +SKIP
        >>> result["image"].shape == image.shape, result["label"]                                   # doctest: +SKIP
        (True, 3)
    """

    class InitSchema(Arguments):
        """What the arguments may be."""

    def __init__(
        self,
        source: Any,
        label_key: str = "label",
        p: float = 0.5,
        labels: Labels = "keep",
        classes: Sequence[str] | None = None,
        per_class: int = 500,
        seed: int = 0,
        serving: str = "pool",
        sha256: str | None = None,
    ):
        super().__init__(source, label_key, p, labels, classes, per_class, seed, serving, sha256)

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        """The pick for each image: (class number, index in its class)."""
        self.require_fit(data)
        return {"picks": [self.pick(label) for label in self.each_label(data)]}

    def apply(self, img: np.ndarray, picks: list[Pick], **params: Any) -> np.ndarray:
        return self.partner(picks[0], img)

    def apply_to_images(self, images: Any, picks: list[Pick], **params: Any) -> Any:
        return stacked([self.partner(pick, image) for pick, image in zip(picks, images, strict=True)], images)

    def apply_with_params(self, params: dict[str, Any], *args: Any, **data: Any) -> dict[str, Any]:
        result = super().apply_with_params(params, *args, **data)
        labels = self.each_label(data) if self.label_key in data else []
        if labels and (self.labels == "draw" or is_soft(labels[0])):
            changed = [self._changed(label, pick) for label, pick in zip(labels, params["picks"], strict=True)]
            result[self.label_key] = self.together(changed, data)
        return result

    def _changed(self, label: Any, pick: Pick) -> Any:
        """The label of the image that it now is; a soft one, of which a class was drawn, says that one alone."""
        if not is_soft(label):
            return alike(label, pick[0], self.partners.classes)
        hot = one_hot(pick[0], len(label))
        return torch.from_numpy(hot).to(label.device) if isinstance(label, torch.Tensor) else hot


class SyntheticMix(Synthetic):
    """Mix the image with a synthetic partner, by MixUp (arXiv:1710.09412) or CutMix (arXiv:1905.04899).

    The share of the own image is drawn from Beta(alpha, alpha); for CutMix it becomes the area that is really left. The
    label comes back as a soft label, float32 [num_classes], numpy, or a tensor where it was a tensor: share * own +
    (1 - share) * partner. Where `p` says no it is one-hot, so that batches collate; inside an `A.OneOf` or an
    `A.Sequential` that passes it by, this transform cannot do that. A soft label may come in: two mixes compose. The
    result also holds `mix_coef`, the share (1.0 where nothing was mixed), and `mix_source`, the partner's origin as
    text ("" where nothing was); of two mixes, those of the last. Beside `images` each image has its own partner and
    share, and these are lists.

    Sizes, random numbers, saving and labels are as in `SyntheticReplace`. Float images come in [0, 1]: it must stand
    before Normalize.

    Args:
        source: A run folder or generator folder, or a Synthesizer that lies in one.
        num_classes: The length of the soft label; not needed with `classes`, or labels that are names or soft already.
        method: "mixup", "cutmix", or "either": a coin for each image.
        alpha: Of the Beta distribution, above 0.
        label_key: Under which name the label is given.
        p: Probability of a call to mix.
        labels: "draw" draws the partner's class evenly; "keep" takes the image's own (of a soft label: drawn by
            weight).
        classes: The names of your classes in label order, where they are not those of the generator.
        per_class: Images of each class in the pool.
        seed: Of the sampling.
        serving: "pool" renders once, here; "worker" renders in the worker, an endless sequence, much more slowly.
        sha256: Of the weights: refuses another generator. Filled in where it is not given.

    Raises:
        ModelError: As in `SyntheticReplace`.
        DataError: As there; or the label is a number and `num_classes` is not known, or too small.

    Example:
        >>> mix = SyntheticMix("runs/digits", num_classes=10, p=1.0)                                # doctest: +SKIP
        >>> result = mix(image=image, label=3)                                                      # doctest: +SKIP
        >>> result["label"].shape, result["mix_coef"], result["mix_source"][:14]                    # doctest: +SKIP
        ((10,), 0.7133, 'synthetic:4f1c')
    """

    class InitSchema(Arguments):
        """What the arguments may be."""

        num_classes: int | None
        method: str
        alpha: float

    def __init__(
        self,
        source: Any,
        num_classes: int | None = None,
        method: Method = "mixup",
        alpha: float = 1.0,
        label_key: str = "label",
        p: float = 0.5,
        labels: Labels = "draw",
        classes: Sequence[str] | None = None,
        per_class: int = 500,
        seed: int = 0,
        serving: str = "pool",
        sha256: str | None = None,
    ):
        require_options(method=(method, ("mixup", "cutmix", "either")))
        require_alpha(alpha)
        self.num_classes, self.method, self.alpha = num_classes, method, alpha
        super().__init__(source, label_key, p, labels, classes, per_class, seed, serving, sha256)
        if num_classes is not None:
            soft_length(num_classes, self.partners)
        self._available_keys |= {"mix_coef", "mix_source"}

    def __call__(self, *args: Any, force_apply: bool = False, **data: Any) -> Any:
        self.require_fit(data)
        result = super().__call__(*args, force_apply=force_apply, **data)
        if self.params:
            return result
        count = 1 if "image" in data else len(data["images"])
        return self._told(result, [None] * count, [1.0] * count)

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        """For each image the pick of its partner, the share of its own that is left, and the box of a CutMix."""
        labels = self.each_label(data)
        mixes = [self._share(*params["shape"][:2]) for _ in labels]
        return {
            "picks": [self.pick(label) for label in labels],
            "shares": [share for share, _ in mixes],
            "boxes": [box for _, box in mixes],
        }

    def apply(
        self, img: np.ndarray, picks: list[Pick], shares: list[float], boxes: list[Box | None], **params: Any
    ) -> np.ndarray:
        return self._mixed(img, picks[0], shares[0], boxes[0])

    def apply_to_images(
        self, images: Any, picks: list[Pick], shares: list[float], boxes: list[Box | None], **params: Any
    ) -> Any:
        each = zip(images, picks, shares, boxes, strict=True)
        return stacked([self._mixed(*one) for one in each], images)

    def apply_with_params(self, params: dict[str, Any], *args: Any, **data: Any) -> dict[str, Any]:
        return self._told(super().apply_with_params(params, *args, **data), params["picks"], params["shares"])

    def _share(self, height: int, width: int) -> tuple[float, Box | None]:
        """The share of the own image, and the box where it is one of CutMix."""
        share = self.py_random.betavariate(self.alpha, self.alpha)
        if self.method == "mixup" or (self.method == "either" and self.py_random.random() < 0.5):
            return share, None
        box = cut_box(height, width, share, self.py_random.random(), self.py_random.random())
        return share_left(box, height, width), box

    def _mixed(self, image: np.ndarray, pick: Pick, share: float, box: Box | None) -> np.ndarray:
        partner = self.partner(pick, image)
        return blend(image, partner, share) if box is None else paste(image, partner, box)

    def _told(self, result: dict[str, Any], picks: Sequence[Pick | None], shares: list[float]) -> dict[str, Any]:
        """The result with its soft labels, shares and sources."""
        sources = ["" if pick is None else str(self.partners.origin(pick)) for pick in picks]
        told = {"mix_coef": shares, "mix_source": sources}
        told = {key: values[0] if "image" in result else list(values) for key, values in told.items()}
        if self.label_key in result:  # a replay may do without
            each = zip(self.each_label(result), picks, shares, strict=True)
            told[self.label_key] = self.together([self._soft(*one) for one in each], result)
        return {**result, **told}

    def _soft(self, label: Any, pick: Pick | None, share: float) -> Any:
        """The soft label of an image after its mix."""
        given = weights(label) if is_soft(label) else None
        named = isinstance(label, str)
        length = soft_length(self.num_classes, self.partners, None if given is None else len(given), named)
        own = one_hot(number(label, self.partners.classes, length), length) if given is None else given
        mixed = own if pick is None else blend_label(own, pick[0], share)
        return torch.from_numpy(mixed).to(label.device) if isinstance(label, torch.Tensor) else mixed
