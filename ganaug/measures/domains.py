"""Two domains, A with labels and B without: the images of their study, and the names of its arms."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ganaug.measures.arms import Arm
from ganaug.measures.design import some
from ganaug.measures.grading import Labeled

BARE, PLAIN, ALONE, MIXED, ORACLE = "source", "source+classical", "translated", "translated+source", "oracle"
CHEAP = ("source+fda", "source+histogram", "source+pda")
TAUGHT, TEACHER = "+self-training", " (teacher)"
TRANSLATED, MIXTURE = "translated", "mixture"  # sets that there is one of for each translator
LEARNED = {MIXED: MIXTURE, PLAIN: "train"}  # set that an arm learns from, which guesses of B's labels join
ORDER = (BARE, PLAIN, *CHEAP, ALONE, MIXED, MIXED + TAUGHT, PLAIN + TAUGHT, ORACLE)
SHARE = 0.5  # of each batch that is adapted, translated or guessed; no label of B is there to tune it by
BASELINE: Arm = (PLAIN, 0.0)
HEADLINE: Arm = (MIXED, SHARE)


@dataclass(frozen=True)
class Domains:
    """The images of a study of two domains, all uint8 [N, C, H, W] in B's form, with A's classes as labels, int64 [N].

    Attributes:
        source: Of A, to learn from.
        val: Of A, to choose on and to test what became of labels.
        test: Of B, for the verdict.
        target: Of B, without labels: what the translator learned from.
        adapted: Arm -> `source`, brought nearer to B at no cost; of every class of `source`.
        translated: `source`, translated, a number of times each: one set for each translator; the seeds take them in
            turn.
        there: `val`, translated once by each.
        back: `there`, translated back; None where there is no way back.
        oracle: `target` with its labels; None where there are none.
    """

    source: Labeled
    val: Labeled
    test: Labeled
    target: Tensor
    adapted: Mapping[str, Labeled]
    translated: tuple[Labeled, ...]
    there: Labeled
    back: Labeled | None = None
    oracle: Labeled | None = None

    @property
    def variants(self) -> int:
        """Translations of each image."""
        return len(self.translated[0][1]) // len(self.source[1])

    def sets(self, *, mixture: bool) -> dict[str, Labeled]:
        """Name -> images, for the classifiers; `mixture`: as many of A as translated ones, too."""
        given = {"back": self.back, "oracle": self.oracle}
        if mixture:
            given |= {self.name_of(MIXTURE, m): self._mixture(m) for m in range(len(self.translated))}
        return {
            "train": self.source,
            "seen": some(self.source),
            "val": self.val,
            "test": self.test,
            "target": (self.target, torch.zeros(len(self.target), dtype=torch.int64)),
            **{self.name_of(TRANSLATED, m): images for m, images in enumerate(self.translated)},
            "there": self.there,
            **self.adapted,
            **{name: images for name, images in given.items() if images is not None},
        }

    def name_of(self, kind: str, seed: int) -> str:
        """The set of a kind that the seed of this number learns from."""
        return f"{kind} {seed % len(self.translated)}" if kind in (TRANSLATED, MIXTURE) else kind

    def _mixture(self, translator: int) -> Labeled:
        (images, labels), (others, same) = self.source, self.translated[translator]
        return torch.cat([images.repeat(self.variants, 1, 1, 1), others]), torch.cat(
            [labels.repeat(self.variants), same]
        )
