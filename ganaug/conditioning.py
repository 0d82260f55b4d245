"""How D learns of classes: a projection of the label onto its features, and a head that names the class.

G is conditional by its input; here stands what makes it obey. A row of CLASS_HEADS is all it takes to add a head.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy


@dataclass(frozen=True)
class Verdict:
    """What D says of a batch: how real [N], and of which class [N, outputs] where it has a head."""

    logits: Tensor
    class_logits: Tensor | None

    def split(self, n: int) -> tuple["Verdict", "Verdict"]:
        """The verdicts on the first n images and on the rest."""
        if self.class_logits is None:
            return Verdict(self.logits[:n], None), Verdict(self.logits[n:], None)
        return Verdict(self.logits[:n], self.class_logits[:n]), Verdict(self.logits[n:], self.class_logits[n:])


@dataclass(frozen=True)
class ClassHead:
    """Width of the head as a multiple of K, and each player's loss per sample [N]."""

    outputs: int
    discriminator: Callable[[Tensor, Tensor, Tensor], Tensor]  # (on real, on fake, labels)
    generator: Callable[[Tensor, Tensor], Tensor]  # (on fake, labels)


def _entropy(class_logits: Tensor, labels: Tensor) -> Tensor:
    return cross_entropy(class_logits, labels, reduction="none")


def _discriminative(on_real: Tensor, on_fake: Tensor, labels: Tensor) -> Tensor:
    """Classify 2K ways: (class, real) and (class, fake)."""
    return _entropy(on_real, labels) + _entropy(on_fake, labels + on_fake.shape[1] // 2)


def _log_odds(on_fake: Tensor, labels: Tensor) -> Tensor:
    """-log p(class, real) + log p(class, fake): the normaliser cancels."""
    real, fake = on_fake.chunk(2, dim=1)
    return (fake - real).gather(1, labels[:, None]).squeeze(1)


CLASS_HEADS = {
    # Odena et al. 2017, arXiv:1610.09585, eq. 3. Its classifier never learns who made the image, so G is paid for
    # easy, typical samples and loses variety within a class (Hou et al. 2022); kept for comparison.
    "acgan": ClassHead(
        outputs=1,
        discriminator=lambda real, fake, labels: _entropy(real, labels) + _entropy(fake, labels),
        generator=_entropy,
    ),
    # Hou et al. 2022 (ADC-GAN), arXiv:2107.10060: aware of real and fake, its optimum is the real
    # p(x | y).
    "adcgan": ClassHead(outputs=2, discriminator=_discriminative, generator=_log_odds),
}


class Discriminator(nn.Module):
    """A trunk of features with the heads that conditioning asks for.

    Args:
        trunk: Images [N, C, H, W] -> features [N, D], with `out_features` = D.
        num_classes: K.
        projection: Add <embedding of the label, features> to the logit (Miyato and Koyama 2018, arXiv:1802.05637,
            eq. 3).
        class_head: A row of CLASS_HEADS, or None.
    """

    def __init__(self, trunk: nn.Module, num_classes: int, *, projection: bool, class_head: ClassHead | None):
        super().__init__()
        width = int(trunk.out_features)  # type: ignore[arg-type]
        self.trunk = trunk
        self.real = nn.Linear(width, 1)
        self.label = nn.Embedding(num_classes, width) if projection else None
        self.classes = nn.Linear(width, class_head.outputs * num_classes) if class_head else None
        if self.label is not None:
            nn.init.normal_(self.label.weight, std=width**-0.5)

    def forward(self, images: Tensor, labels: Tensor) -> Verdict:
        """Judge images [N, C, H, W] under their labels [N]."""
        features = self.trunk(images)
        logits = self.real(features).squeeze(1)
        if self.label is not None:
            logits = logits + (self.label(labels) * features).sum(1)
        return Verdict(logits, self.classes(features) if self.classes is not None else None)

    def judge(self, real: Tensor, fake: Tensor, labels: Tensor) -> tuple[Verdict, Verdict]:
        """Both batches under the same labels, in one pass unless batch statistics would mix them."""
        if any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in self.trunk.modules()):
            return self(real, labels), self(fake, labels)
        return self(torch.cat([real, fake]), labels.repeat(2)).split(len(real))
