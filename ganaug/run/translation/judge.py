"""What is thought of a translator, by held-out images: how near it comes to B, and whether labels survive it."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from ganaug.data import LabeledImages, mix
from ganaug.measures.classifier import default_steps, fit_classifier, predict
from ganaug.measures.features import Encoder, random_encoder
from ganaug.measures.fidelity import frechet_distance, kernel_distance
from ganaug.measures.jackknife import jackknife
from ganaug.run.translation.planning import TranslationPlan
from ganaug.synthesis import Translator
from ganaug.translation import CycleState

JUDGED = 1  # the stream of noise that checkpoints are chosen by
MOST = 1000  # images of each domain that are looked at
LOST = 0.5  # of the recall that A's own images have; a class below it has lost its label
FEWEST = 10  # images of a side below which a distance has no error that can be told
NORMAL = 1.96  # half of a 95 % interval over its standard error


@dataclass(frozen=True)
class Opinion:
    """What is thought of a checkpoint.

    Attributes:
        score: Kernel distance of A -> B to held-out B, or for pairs the mean absolute error; smaller is better.
        error: Its standard error.
        fd: Frechet distance of A -> B to held-out B.
        kept: Of each class: the share of held-out images of A whose label is still read in their translation.
        known: The same of the images themselves.
    """

    score: float
    error: float
    fd: float
    kept: dict[str, float] = field(default_factory=dict)
    known: dict[str, float] = field(default_factory=dict)

    @property
    def collapsed(self) -> list[str]:
        """The classes whose labels are lost."""
        return [name for name, share in self.kept.items() if share < LOST * self.known[name]]

    @property
    def preservation(self) -> float | None:
        """Mean over classes of `kept`; None where A has no labels or nothing reads them."""
        return sum(self.kept.values()) / len(self.kept) if self.kept else None

    def noted(self) -> dict[str, Any]:
        """What the log says of it."""
        kept = {} if self.preservation is None else {"label_preservation": round(self.preservation, 4)}
        return {"validation": round(self.score, 6), "fd": round(self.fd, 5), **kept}


@dataclass(frozen=True)
class Judge:
    """Looks at what averages make of held-out images.

    The distances are between features of convolutions that nobody trained, for a network that learned from A would be
    blind for what only B has. Labels are read by A's own classifier on the way there and back; without a way back by
    the task network, which knows both domains.
    """

    todo: TranslationPlan

    @cached_property
    def encoder(self) -> Encoder:
        """Features that belong to neither domain."""
        return random_encoder(self.todo.b.shape[0], seed=0, device=self.todo.device)

    @cached_property
    def real(self) -> Tensor:
        """Those of held-out B."""
        return self.encoder(self.todo.b_val.images[spread(len(self.todo.b_val))])

    @cached_property
    def classifier(self) -> nn.Module | None:
        """A's, trained on A; None where A has no labels."""
        a = self.todo.a
        if not isinstance(a, LabeledImages):
            return None
        return fit_classifier(
            *(a.images, a.labels),
            num_classes=a.num_classes,
            steps=default_steps(len(a)),
            seed=self.todo.recipe.train.seed,
            augment="shift",
            device=self.todo.device,
        )

    def __call__(self, state: CycleState, translator: Translator) -> Opinion:
        """What is thought of the averages of `state`, which `translator` applies."""
        rows = spread(len(self.todo.a_val))
        images = self.todo.a_val.images[rows]
        there = translator.translate(images, seed=mix(self.todo.recipe.train.seed, JUDGED))
        made = self.encoder(there)
        fd = frechet_distance(self.real, made)
        if self.todo.paired:
            off = (there.float() - self.todo.b_val.images[rows].float()).abs().mean((1, 2, 3)) / 127.5
            return Opinion(float(off.mean()), 0.0, fd)  # what is hard in a pair is so for every checkpoint
        score = kernel_distance(self.real, made)
        return Opinion(score, _error(self.real, made), fd, *self._labels(state, translator, images, there))

    def _labels(
        self, state: CycleState, translator: Translator, images: Tensor, there: Tensor
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Recall of each class, of the translations and of the images themselves; nothing where nobody reads them."""
        data = self.todo.a_val
        if not isinstance(data, LabeledImages) or not self.classifier:
            return {}, {}
        labels = data.labels[spread(len(data))]
        known = predict(self.classifier, images) == labels
        if "BA" in translator.directions:
            seed = mix(self.todo.recipe.train.seed, JUDGED)
            right = predict(self.classifier, translator.translate(there, "BA", seed=seed)) == labels
        elif state.task is not None:
            right = predict(state.averages["task_ema"], there) == labels
        else:
            return {}, {}
        return recalls(right, labels, data.classes), recalls(known, labels, data.classes)

    def shares(self, state: CycleState, translator: Translator) -> Tensor | None:
        """The shares of A's classes among held-out B, as far as it can be told, [K]; None where it cannot."""
        images = self.todo.b_val.images[spread(len(self.todo.b_val))]
        if state.task is not None:
            guessed = predict(state.averages["task_ema"], images)
        elif "BA" in translator.directions and self.classifier:
            guessed = predict(self.classifier, translator.translate(images, "BA"))
        else:
            return None
        return torch.bincount(guessed, minlength=len(self.todo.classes)) / len(guessed)


def spread(n: int, most: int = MOST) -> Tensor:
    """At most so many of n rows, evenly spread: their order may be that of the classes.

    >>> spread(10, 4).tolist()
    [0, 3, 6, 9]
    """
    return torch.linspace(0, n - 1, min(n, most)).round().long()


def recalls(right: Tensor, labels: Tensor, classes: tuple[str, ...]) -> dict[str, float]:
    """The share of right answers of each class that there is.

    >>> recalls(torch.tensor([True, False, True]), torch.tensor([0, 0, 2]), ("ant", "bee", "cat"))
    {'ant': 0.5, 'cat': 1.0}
    """
    found = {name: right[labels == k].double().mean() for k, name in enumerate(classes)}
    return {name: float(share) for name, share in found.items() if share.isfinite()}


def _error(real: Tensor, made: Tensor) -> float:
    """Standard error of the kernel distance over images of both sides; 0 where there are too few to tell."""
    if min(len(real), len(made)) < FEWEST:
        return 0.0
    reach = jackknife(lambda x, y: [kernel_distance(x, y)], real, made)
    return float(reach[0]) / NORMAL
