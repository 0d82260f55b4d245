"""The training of a translation as a run's job."""

import logging
from collections.abc import Iterator, Sized
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ganaug.data import Batches, LabeledImages, listed
from ganaug.measures.classifier import initial
from ganaug.measures.selftraining import guess_labels
from ganaug.nets.translation import as_channels
from ganaug.run.differences import changed_keys
from ganaug.run.job import Job, Judgement, Means
from ganaug.run.translation.choices import parts
from ganaug.run.translation.judge import LOST, Judge, Opinion
from ganaug.run.translation.planning import TranslationPlan
from ganaug.run.translation.sheet import sheet
from ganaug.synthesis import Translator
from ganaug.synthesis.translator import Architecture
from ganaug.translation import CycleState, Progress, build, train

log = logging.getLogger("ganaug")
LABELS = "labels"  # a kind of alarms, as run.json has them
B_STREAM = 1  # added to the seed of B's batches, whose order must not be that of A's
SHIFTED = 0.1  # total variation between class shares beyond which it is said, and three standard errors


@dataclass
class TranslationJob(Job[TranslationPlan]):
    """Learn a translation as planned."""

    ships: ClassVar[str] = "translator"
    todo: TranslationPlan

    def sources(self) -> dict[str, Any]:
        return self.todo.places

    def differences(self, facts: dict[str, Any]) -> Iterator[str]:
        now = self.facts()
        if "translate" not in facts["recipe"] or "b_train" not in facts["splits"]:
            yield "`ganaug train`, which made it, got a translation; choose another folder"
            return
        for table in ("nets", "translate"):
            yield from changed_keys(table, facts["recipe"], now["recipe"])
        for name, part in self.todo.splits().items():
            if facts["splits"][name] != part.fingerprint:
                domain = "B" if name.startswith("b_") else "A"
                n = f" where there were {facts['images'][name]:,}" if facts["images"][name] != len(part) else ""
                got = f"{len(part):,}{n or ' others'} in {part.source}"
                yield f"the same images of {domain}, got {got}; pass the first command's A and B"
        for table in ("data", "train"):
            yield from changed_keys(table, facts["recipe"], now["recipe"])

    def prepare(self) -> None:
        if self.todo.labelled:
            log.info("training the classifier of A that tells whether labels survive")
        _ = self.judges.classifier, self.streams

    @cached_property
    def judges(self) -> Judge:
        """What scores checkpoints, and reads labels."""
        return Judge(self.todo)

    @cached_property
    def streams(self) -> tuple[Batches, Batches]:
        """Images of A and of B; of pairs in one order, else each in its own."""
        todo, t = self.todo, self.recipe.train
        size = min(t.batch_size or 1, len(todo.a), len(todo.b))
        a_strata = todo.a.labels if t.sampling == "balanced" and isinstance(todo.a, LabeledImages) else None
        seed = t.seed if todo.paired else t.seed + B_STREAM
        a = Batches(todo.a, size, t.seed, todo.device, strata=None if todo.paired else a_strata)
        return a, Batches(todo.b, size, seed, todo.device, strata=self._guessed())

    def _guessed(self) -> Tensor | None:
        """What classes images of B seem to be of, int64 [N]; None where nobody asked."""
        a, a_val, b = self.todo.a, self.todo.a_val, self.todo.b
        if not self.recipe.translate.guess_b or self.todo.paired:
            return None
        assert isinstance(a, LabeledImages) and isinstance(a_val, LabeledImages)
        log.info("guessing the classes of %s images of B", f"{len(b):,}")
        channels = b.shape[0]
        return guess_labels(
            *(as_channels(a.images, channels), a.labels, b.images),
            held_out=(as_channels(a_val.images, channels), a_val.labels),
            num_classes=a.num_classes,
            seed=self.recipe.train.seed,
            device=self.todo.device,
        ).labels

    def start(self) -> CycleState:
        terms, sizes = parts(self.recipe)
        task = None
        if terms.task > 0:
            task = initial(self.todo.b.shape, len(self.todo.classes), self.recipe.train.seed)
        judge = self.judges.classifier if terms.semantic > 0 else None
        return build(self.todo.a.shape, self.todo.b.shape, sizes, terms, self.todo.device, task=task, judge=judge)

    def begin(self, state: Any) -> None:
        """Nothing is taken over."""

    def learn(self, state: Any, *, tick: int, stop: Sized) -> Iterator[Progress]:
        terms, steps = parts(self.recipe)[0], self.recipe.train.steps or 1
        return train(state, *self.streams, terms, steps=steps, tick=tick, stop=stop)

    def images_per_step(self) -> int:
        return self.streams[0].size

    def seen(self, draw: int) -> dict[str, tuple[Batches, int]]:
        a, b = self.streams
        return {"A": (a, draw), "B": (b, draw)}

    def judge(self, state: Any) -> Opinion:
        return self.judges(state, self._translator(state, {}))

    def alarms(self, judgement: Judgement, step: int, means: Means) -> dict[str, str]:
        """Where labels are lost, once a third of the run is over."""
        if not judgement.collapsed or step < (self.recipe.train.steps or 1) // 3:
            return {}
        return {
            LABELS: f"labels are lost: translations of {listed(judgement.collapsed)} are read rightly less than "
            f"{LOST:.0%} as often as the images themselves; a checkpoint that keeps them is shipped if there is one"
        }

    def status(self, progress: Progress, rate: float) -> str:
        d, g = progress.losses["D_B/adversarial"], progress.losses["G_AB/adversarial"]
        return f"D {d:.3f}  G {g:.3f}  {rate:,.0f} images/s"

    def picture(self, state: Any) -> np.ndarray:
        return sheet(self.todo, self._translator(state, {}))

    def averages(self, state: Any) -> dict[str, nn.Module]:
        return state.averages

    def ship(self, state: Any, result: dict[str, Any], folder: Path) -> None:
        translator = self._translator(state, result)
        opinion = self.judges(state, translator)
        if opinion.preservation is not None:
            how = "A's classifier on A->B->A" if "BA" in translator.directions else "the task network on A->B"
            kept = {"accuracy": opinion.preservation, "per_class": opinion.kept, "read_by": how}
            translator.provenance["label_preservation"] = kept | {"images": len(self.todo.a_val)}
        self._warn_of_shares(self.judges.shares(state, translator) if self.todo.labelled else None)
        translator.save(folder)

    def _warn_of_shares(self, shares: Tensor | None) -> None:
        """Say where B seems to have other shares of the classes than A's images are drawn with."""
        if shares is None or not isinstance(self.todo.a, LabeledImages):
            return
        K, n = len(shares), len(self.todo.b_val)
        balanced = self.recipe.train.sampling == "balanced"
        wanted = torch.full((K,), 1 / K) if balanced else self.todo.a.counts / len(self.todo.a)
        apart = float((shares - wanted).abs().sum()) / 2
        noise = float((wanted * (1 - wanted) / n).sqrt().sum()) / 2
        if apart > SHIFTED + 3 * noise:
            most = int((shares - wanted).argmax())
            log.warning(
                "B seems to have other shares of A's classes than training drew (%.0f %% of %r where %.0f %% were "
                "drawn): labels may have been changed to make up for it; try --set translate.guess_b=true",
                *(100 * float(shares[most]), self.todo.classes[most], 100 * float(wanted[most])),
            )

    def _translator(self, state: CycleState, provenance: dict[str, Any]) -> Translator:
        averages = {name.removeprefix("G_").removesuffix("_ema"): G for name, G in state.averages.items()}
        G = nn.ModuleDict({way: averages[way] for way in ("AB", "BA") if way in averages})
        return Translator(G, self._architecture(tuple(G)), provenance, str(self.todo.device))

    def _architecture(self, directions: tuple[Any, ...]) -> Architecture:
        sizes = parts(self.recipe)[1]
        return Architecture(
            name=sizes.name,  # type: ignore[arg-type]
            width=sizes.width,
            noise_dim=sizes.noise_dim,
            downs=sizes.downs,
            blocks=sizes.blocks,
            channels=(self.todo.a.shape[0], self.todo.b.shape[0]),
            sides=self.todo.a.shape[1:],
            directions=directions,
        )
