"""How D learns of classes: a projection of the label onto its features, and a head that names the class.

G is conditional by its input; here stands what makes it obey. A row of CLASS_HEADS is all it takes to add a head.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize, softplus

EMBEDDING = 128  # width of the sphere on which ReACGAN compares images, at most
TEMPERATURE, POSITIVE, NEGATIVE = 0.5, 0.98, 0.02  # of ReACGAN, and its margins
NOWHERE = -1e9  # a logit that counts for nothing; minus infinity alone in a row would have no gradient


class Verdict(NamedTuple):
    """What D says of a batch: how real [N], and the features [N, D] that the class head reads."""

    logits: Tensor
    features: Tensor

    def split(self, n: int) -> tuple["Verdict", "Verdict"]:
        """The verdicts on the first n images and on the rest."""
        return Verdict(self.logits[:n], self.features[:n]), Verdict(self.logits[n:], self.features[n:])


@dataclass(frozen=True)
class ClassHead:
    """A module on D's features [N, D], what each player pays for it per sample [N], and how it names real images.

    Attributes:
        build: (D, K) -> the module.
        discriminator: (module, features of real, features of fake, labels) -> loss [N].
        generator: (module, features of fake, labels) -> loss [N].
        class_logits: (module, features) -> scores [N, K] of the classes of real images.
    """

    build: Callable[[int, int], nn.Module]
    discriminator: Callable[[nn.Module, Tensor, Tensor, Tensor], Tensor]
    generator: Callable[[nn.Module, Tensor, Tensor], Tensor]
    class_logits: Callable[[nn.Module, Tensor], Tensor]


def _entropy(class_logits: Tensor, labels: Tensor) -> Tensor:
    return cross_entropy(class_logits, labels, reduction="none")


def _acgan(head: nn.Module, real: Tensor, fake: Tensor, labels: Tensor) -> Tensor:
    return _entropy(head(real), labels) + _entropy(head(fake), labels)


def _adcgan(head: nn.Module, real: Tensor, fake: Tensor, labels: Tensor) -> Tensor:
    """Classify 2K ways: (class, real) and (class, fake)."""
    on_fake = head(fake)
    return _entropy(head(real), labels) + _entropy(on_fake, labels + on_fake.shape[1] // 2)


def _log_odds(head: nn.Module, fake: Tensor, labels: Tensor) -> Tensor:
    """-log p(class, real) + log p(class, fake): the normaliser cancels."""
    as_real, as_fake = head(fake).chunk(2, dim=1)
    return (as_fake - as_real).gather(1, labels[:, None]).squeeze(1)


class Sphere(nn.Module):
    """Features and one proxy per class on the unit sphere, [N, D] -> cosines [N, K]."""

    def __init__(self, width: int, num_classes: int):
        super().__init__()
        self.embed = nn.Linear(width, min(width, EMBEDDING))
        self.proxies = nn.Embedding(num_classes, self.embed.out_features)

    def embedding(self, features: Tensor) -> Tensor:
        """The features' places on the sphere, [N, E]."""
        return normalize(self.embed(features), dim=1)

    def forward(self, features: Tensor) -> Tensor:
        return self.embedding(features) @ normalize(self.proxies.weight, dim=1).T


def d2d_ce(head: nn.Module, features: Tensor, labels: Tensor) -> Tensor:
    """Data-to-data cross-entropy [N] (D2D-CE: Kang et al. 2021, arXiv:2111.01118, section 3.2).

    Each image is drawn to the proxy of its class and pushed off the images of other classes in the batch; beyond
    either margin it is left alone, so easy samples pay nothing and G is not driven to them.
    """
    assert isinstance(head, Sphere)
    places = head.embedding(features)
    own = (places * normalize(head.proxies(labels), dim=1)).sum(1)
    attraction = (own - POSITIVE).clamp(max=0) / TEMPERATURE
    repulsion = (places @ places.T - NEGATIVE).clamp(min=0) / TEMPERATURE
    others = repulsion.masked_fill(labels[:, None] == labels, NOWHERE).logsumexp(1)
    return softplus(others - attraction)


CLASS_HEADS = {
    # Odena et al. 2017, arXiv:1610.09585, eq. 3. Its classifier never learns who made the image, so G is paid for
    # easy, typical samples and loses variety within a class (Hou et al. 2022); kept for comparison.
    "acgan": ClassHead(nn.Linear, _acgan, lambda head, fake, y: _entropy(head(fake), y), lambda head, x: head(x)),
    # ReACGAN (Kang et al. 2021, arXiv:2111.01118): features and weights of norm 1, so the gradient cannot explode, and
    # relations between images beside those to classes; D learns from real images alone.
    "reacgan": ClassHead(
        Sphere, lambda head, real, fake, y: d2d_ce(head, real, y), d2d_ce, lambda head, x: head(x) / TEMPERATURE
    ),
    # ADC-GAN (Hou et al. 2022, arXiv:2107.10060): aware of real and fake, its optimum is the real p(x | y).
    "adcgan": ClassHead(
        lambda width, K: nn.Linear(width, 2 * K), _adcgan, _log_odds, lambda head, x: head(x).chunk(2, dim=1)[0]
    ),
}


def spread_within(features: Tensor, groups: Tensor) -> Tensor:
    """How much features [N, D] vary within each sample's group, [N, 1]: 0 where a group has one member.

    The minibatch standard deviation (Karras et al. 2018, arXiv:1710.10196, section 3), taken within the class so that
    variety between classes cannot stand in for variety of a class.

    Example:
        >>> features = torch.tensor([[0.0], [2.0], [5.0]])
        >>> spread_within(features, torch.tensor([0, 0, 1])).flatten().tolist()
        [1.0, 1.0, 0.0]
    """
    same = (groups[:, None] == groups).to(features.dtype)
    same = same / same.sum(1, keepdim=True)
    variance = same @ features.square() - (same @ features).square()
    return (variance.clamp(min=0) + 1e-8).sqrt().mean(1, keepdim=True) * (same.diagonal() < 1)[:, None]


class Discriminator(nn.Module):
    """A trunk of features with the heads that conditioning asks for.

    Args:
        trunk: Images [N, C, H, W] -> features [N, D], with `out_features` = D.
        num_classes: K.
        projection: Add <embedding of the label, features> to the logit (Miyato and Koyama 2018, arXiv:1802.05637,
            eq. 3).
        class_head: A row of CLASS_HEADS, or None.
        minibatch_std: Show how much the features of a class vary within the batch.
    """

    def __init__(
        self,
        trunk: nn.Module,
        num_classes: int,
        *,
        projection: bool,
        class_head: ClassHead | None,
        minibatch_std: bool = False,
    ):
        super().__init__()
        width = int(trunk.out_features)  # type: ignore[arg-type]
        self.num_classes, self.minibatch_std = num_classes, minibatch_std
        self.trunk = trunk
        self.mixes = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in trunk.modules())
        self.real = nn.Linear(width + minibatch_std, 1)
        self.label = nn.Embedding(num_classes, width) if projection else None
        self.head = class_head.build(width, num_classes) if class_head else None
        if self.label is not None:
            nn.init.normal_(self.label.weight, std=width**-0.5)

    def forward(self, images: Tensor, labels: Tensor, trust: Tensor | float = 1.0, part: Tensor | int = 0) -> Verdict:
        """Judge images [N, C, H, W] under their labels [N].

        Args:
            images: Float, about [-1, 1].
            labels: int64.
            trust: How much each label counts, in [0, 1], [N] or one for all; at 0 the image is judged alone.
            part: Which of several batches in one each is of, int64 [N]: `minibatch_std` compares none across them.
        """
        features = self.trunk(images).float()
        with torch.autocast(images.device.type, enabled=False):  # logits and losses need all digits
            seen = features
            if self.minibatch_std:
                known = torch.where(torch.as_tensor(trust, device=labels.device) > 0, labels, self.num_classes)
                groups = known + (self.num_classes + 1) * part  # images whose label is not believed are one class
                seen = torch.cat([features, spread_within(features, groups)], dim=1)
            logits = self.real(seen).squeeze(1)
            if self.label is not None:
                logits = logits + trust * (self.label(labels) * features).sum(1)
        return Verdict(logits, features)

    def judge(self, real: Tensor, fake: Tensor, labels: Tensor, trust: Tensor) -> tuple[Verdict, Verdict]:
        """Both batches under the same labels, in one pass unless batch statistics would mix them."""
        if self.mixes:
            return self(real, labels, trust), self(fake, labels, trust)
        part = torch.arange(2, device=labels.device).repeat_interleave(len(labels))
        return self(torch.cat([real, fake]), labels.repeat(2), trust.repeat(2), part).split(len(real))
