"""Synthetic and translated images in torchvision v2 pipelines, for batches and single samples."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torchvision.transforms import v2

from ganaug.errors import DataError
from ganaug.transforms.domain_torchvision import DomainTranslate as DomainTranslate
from ganaug.transforms.mixing import NOWHERE, Box, blend_labels, cut_box, mix_batch, share_left
from ganaug.transforms.partners import (
    Labels,
    Method,
    Partners,
    require_alpha,
    require_options,
    require_probability,
    soft_length,
)
from ganaug.transforms.pictures import matched_batch, put, take
from ganaug.transforms.samples import Sample


class _Synthetic(v2.Transform):
    """What both transforms do: take the sample apart, draw partners, put it together."""

    def __init__(
        self,
        source: Any,
        p: float,
        labels: str,
        classes: Sequence[str] | None,
        labels_getter: Callable[[Any], Any] | str,
        per_class: int,
        seed: int,
        serving: str,
    ):
        super().__init__()
        require_options(labels=(labels, ("keep", "draw")))
        require_probability(p)
        self.p, self.labels, self.labels_getter = p, labels, labels_getter
        self.partners = Partners(source, classes, per_class, seed, serving, allowed=("pool", "batch"))

    def taken_apart(self, inputs: tuple[Any, ...]) -> Sample:
        """The images and labels of what `forward` was given."""
        return Sample(inputs[0] if len(inputs) == 1 else inputs, self.labels_getter, type(self).__name__)

    def drawn(self, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """For each image whether it is changed, the class of its partner, and which image of that class: [N] each."""
        n, known = len(labels), len(self.partners.classes)
        if labels.ndim == 2 and labels.shape[1] < known:
            raise DataError(
                f"soft labels must have a weight for each of the {known} classes that partners come from, got "
                f"{labels.shape[1]}; name your own classes in label order with `classes`"
            )
        chosen = torch.rand(n) < self.p
        if self.labels == "draw":
            numbers = torch.randint(known, (n,))
        elif labels.ndim == 2:
            numbers = torch.multinomial(_weights(labels), 1)[:, 0]
        else:
            numbers = labels
        return chosen, self.require_numbers(numbers, known), torch.randint(self.partners.each, (n,))

    def rendered(self, numbers: Tensor, indices: Tensor, images: Tensor) -> Tensor:
        """Partners in the form of `images`."""
        self.partners.say_resizing(tuple(images.shape[1:]))
        return matched_batch(self.partners.tensors(numbers.tolist(), indices.tolist()), images)

    def require_numbers(self, labels: Tensor, known: int) -> Tensor:
        """The labels [N], once they lie in [0, known).

        Raises:
            DataError: One does not.
        """
        wrong = labels[(labels < 0) | (labels >= known)]
        if len(wrong):
            raise DataError(
                f"labels must lie in [0, {known}), the classes being {self.partners.classes[:8]}, got {int(wrong[0])}; "
                "name your own classes in label order with `classes`"
            )
        return labels


class SyntheticReplace(_Synthetic):
    """Put synthetic images in place of images: of their own class, or of a drawn one that becomes the label.

    For batches, in `collate_fn` or after the batch is on its device, and for single samples in a `v2.Compose`:
    (images, labels, ...), (images, {"labels": ...}) or a dict with "labels", "label", "targets" or "target". Images are
    uint8 or floats in [0, 1], [N, C, H, W] with labels [N] or soft labels [N, K], or one [C, H, W] or PIL image with a
    number. What else is in the sample passes through. The coin is tossed for each image.

    Random numbers come from torch's global generator on the CPU, as those of torchvision's own transforms do: torch
    seeds it in every loader worker and epoch. A pickle carries neither pixels nor weights.

    Args:
        source: A run folder or generator folder, or a Synthesizer.
        p: Probability of each image to be replaced.
        labels: "keep" takes an image of the label's class (of a soft label: drawn by weight, and then one-hot); "draw"
            draws the class evenly, and the label becomes it.
        classes: The names of your classes in label order, where they are not those of the generator.
        labels_getter: "default", or a callable that picks the label out of the sample, as in `v2.MixUp`.
        per_class: Images of each class in the pool.
        seed: Of the sampling.
        serving: "pool" renders once, here; "batch" renders each batch where the generator is, an endless sequence.

    Raises:
        ModelError: `source` is no generator.
        DataError: A ValueError: a label is unknown, floats lie outside [0, 1], masks, boxes or keypoints are in the
            sample, or an argument is out of range.

    Example:
        >>> replace = SyntheticReplace("runs/digits", p=0.25, serving="batch")                      # doctest: +SKIP
        >>> images, labels = replace(images.cuda(), labels.cuda())                                  # doctest: +SKIP
    """

    def __init__(
        self,
        source: Any,
        p: float = 0.5,
        labels: Labels = "keep",
        classes: Sequence[str] | None = None,
        labels_getter: Callable[[Any], Any] | str = "default",
        per_class: int = 500,
        seed: int = 0,
        serving: str = "pool",
    ):
        super().__init__(source, p, labels, classes, labels_getter, per_class, seed, serving)

    def forward(self, *inputs: Any) -> Any:
        sample = self.taken_apart(inputs)
        return sample.rebuilt(*self._replaced(sample.images, sample.labels))

    def _replaced(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Other images [N, C, H, W], and labels as they came, int64 [N] or float32 [N, K]."""
        chosen, numbers, indices = self.drawn(labels)
        if not chosen.any():
            return images, labels
        new = numbers[chosen] if labels.ndim == 1 else _one_hot(numbers[chosen], labels.shape[1])
        partners = self.rendered(numbers[chosen], indices[chosen], images)
        return put(images, chosen, partners), put(labels, chosen, new)


class SyntheticMix(_Synthetic):
    """Mix each image with a synthetic partner, by MixUp (arXiv:1710.09412) or CutMix (arXiv:1905.04899).

    As `v2.MixUp` and `v2.CutMix`, but with a partner and a share of its own for each image, and for single samples too.
    The share of the own image is drawn from Beta(alpha, alpha); for CutMix it becomes the area that is really left.
    Labels come back as soft labels, float32 [N, num_classes]: share * own + (1 - share) * partner; one-hot where `p`
    says no. Soft labels may come in: two mixes compose.

    Samples, types and random numbers are as in `SyntheticReplace`. Float images come in [0, 1]: it must stand before
    Normalize.

    Args:
        source: A run folder or generator folder, or a Synthesizer.
        num_classes: The length of soft labels; not needed with `classes`, or with labels that are soft already.
        method: "mixup", "cutmix", or "either": a coin for each image.
        alpha: Of the Beta distribution, above 0.
        p: Probability of each image to be mixed.
        labels: "draw" draws the partner's class evenly; "keep" takes the label's own (of a soft label: drawn by
            weight).
        classes: The names of your classes in label order, where they are not those of the generator.
        labels_getter: "default", or a callable that picks the label out of the sample, as in `v2.MixUp`.
        per_class: Images of each class in the pool.
        seed: Of the sampling.
        serving: "pool" renders once, here; "batch" renders each batch where the generator is, an endless sequence.

    Raises:
        ModelError: `source` is no generator.
        DataError: As in `SyntheticReplace`; or labels are numbers and `num_classes` is not known, or too small.

    Example:
        >>> mix = SyntheticMix("runs/digits", num_classes=10, method="either")                      # doctest: +SKIP
        >>> loader = DataLoader(data, 64, collate_fn=lambda rows: mix(*default_collate(rows)))      # doctest: +SKIP
    """

    def __init__(
        self,
        source: Any,
        num_classes: int | None = None,
        method: Method = "mixup",
        alpha: float = 1.0,
        p: float = 1.0,
        labels: Labels = "draw",
        classes: Sequence[str] | None = None,
        labels_getter: Callable[[Any], Any] | str = "default",
        per_class: int = 500,
        seed: int = 0,
        serving: str = "pool",
    ):
        require_options(method=(method, ("mixup", "cutmix", "either")))
        require_alpha(alpha)
        super().__init__(source, p, labels, classes, labels_getter, per_class, seed, serving)
        self.num_classes, self.method, self.alpha = num_classes, method, alpha
        if num_classes is not None:
            soft_length(num_classes, self.partners)

    def forward(self, *inputs: Any) -> Any:
        sample = self.taken_apart(inputs)
        return sample.rebuilt(*self._mixed(sample.images, sample.labels))

    def _mixed(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mixed images [N, C, H, W] and soft labels, float32 [N, K]."""
        own = self._soft(labels)
        chosen, numbers, indices = self.drawn(labels)
        blends, boxes, shares = self._shares(len(labels), *images.shape[-2:])
        if not chosen.any():
            return images, own
        partners = self.rendered(numbers[chosen], indices[chosen], images)
        boxes = [box for box, yes in zip(boxes, chosen.tolist(), strict=True) if yes]
        mixed = mix_batch(take(images, chosen), partners, blends[chosen], boxes)
        soft = blend_labels(own[chosen], numbers[chosen], shares[chosen])
        return put(images, chosen, mixed), put(own, chosen, soft)

    def _soft(self, labels: Tensor) -> Tensor:
        """Soft labels before the mix, float32 [N, K]."""
        if labels.ndim == 2:
            soft_length(self.num_classes, self.partners, labels.shape[1])
            return labels
        length = soft_length(self.num_classes, self.partners)
        return _one_hot(self.require_numbers(labels, length), length)

    def _shares(self, n: int, height: int, width: int) -> tuple[Tensor, list[Box], Tensor]:
        """For each image the share in the blend, the box that is pasted, and the share that is left of it in all."""
        shares = torch.distributions.Beta(self.alpha, self.alpha).sample((n,))
        centres, coins = torch.rand(n, 2), torch.rand(n)
        cut = coins < {"mixup": 0.0, "either": 0.5, "cutmix": 1.0}[self.method]
        each = zip(shares.tolist(), centres.tolist(), cut.tolist(), strict=True)
        boxes = [cut_box(height, width, share, *centre) if yes else NOWHERE for share, centre, yes in each]
        blends = torch.where(cut, 1.0, shares)
        left = torch.tensor([share_left(box, height, width) for box in boxes])
        return blends, boxes, blends * left


def _one_hot(numbers: Tensor, length: int) -> Tensor:
    return torch.nn.functional.one_hot(numbers, length).float()


def _weights(labels: Tensor) -> Tensor:
    """Soft labels, once each is weights to draw by."""
    if not bool(((labels >= 0).all(1) & (labels.sum(1) > 0) & labels.isfinite().all(1)).all()):
        raise DataError("soft labels must be weights of 0 or more, not all 0, got others; check them")
    return labels
