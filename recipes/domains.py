"""What translated digits teach a classifier of another domain, beside cheap ways to get there.

    python recipes/domains.py mnist-usps --data data

Each study learns translators of several seeds on the same images and then measures what classifiers gain by them, on
test images that nothing was fitted or chosen on. The labels of B serve the oracle alone. Finished translators are kept
under --work, and one that was interrupted goes on: a study can be stopped at any time.
"""

import json
import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from record import record
from torch.nn.functional import pad

from ganaug.checkpoint import checkpoint_steps
from ganaug.data import LabeledImages, load
from ganaug.recipe import load_recipe
from ganaug.run.translation import fit_translation
from ganaug.study import measure_translation

SIDE = 28  # px of MNIST; of which its digits fill 20
EACH = 6_000  # images of a domain
CLASSIFIER_STEPS = 700  # of every classifier, some six epochs
SHOWN = ("name", "mean", "delta", "ci", "p", "verdict")


@dataclass(frozen=True)
class Study:
    """Two domains, and how they are translated.

    Attributes:
        title: Of the results.
        read: Where the sets lie -> (A, B, B's test images).
        steps: Of each translator.
        seeds: Translators, which the classifiers take in turn.
        settings: Of the recipe `digits-domain`.
    """

    title: str
    read: Callable[[Path], tuple[LabeledImages, LabeledImages, LabeledImages]]
    steps: int
    seeds: int
    settings: tuple[str, ...] = ()


def mnist_to_mnist_m(data: Path) -> tuple[LabeledImages, LabeledImages, LabeledImages]:
    """Plain digits, and others blended with photographs: no digit of A is among those that B was made of."""
    target = load(data / "MNISTM" / "train")
    blended = {int(Path(name).stem) for name in target.names}
    whole = load(data / "MNIST" / "train")
    others = [i for i, name in enumerate(whole.names) if int(re.findall(r"\d+", name)[-1]) not in blended]
    a = framed(some(whole.subset(others), EACH, seed=0), target.shape[1])
    return a, target, load(data / "MNISTM" / "test")


def mnist_to_usps(data: Path) -> tuple[LabeledImages, LabeledImages, LabeledImages]:
    """Digits of students and clerks, and of envelopes."""
    target, test = (usps(data, split) for split in ("train", "test"))
    return some(load(data / "MNIST" / "train"), EACH, seed=0), some(target, EACH, seed=1), test


def usps_to_mnist(data: Path) -> tuple[LabeledImages, LabeledImages, LabeledImages]:
    """The way back, with other images of MNIST."""
    target = some(load(data / "MNIST" / "train"), EACH, seed=1)
    return some(usps(data, "train"), EACH, seed=0), target, load(data / "MNIST" / "test")


def usps(data: Path, split: str) -> LabeledImages:
    """Digits that fill their 16 px, enlarged to the 20 px of MNIST's and framed as these are."""
    return framed(load(data / "USPS" / split, resolution=20), SIDE)


def framed(images: LabeledImages, side: int) -> LabeledImages:
    """With a black margin, up to `side` px."""
    margin = (side - images.shape[1]) // 2
    return replace(images, images=pad(images.images, (margin,) * 4))


def some(images: LabeledImages, n: int, seed: int) -> LabeledImages:
    """At most n of them, at random."""
    rows = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))[:n]
    return images.subset(rows.sort().values)


STUDIES = {
    "mnist-mnistm": Study(
        "MNIST to MNIST-M: labels of plain digits, deployment on digits before photographs",
        *(mnist_to_mnist_m, 5_500, 3),
    ),
    "mnist-usps": Study("MNIST to USPS: labels of MNIST, deployment on envelopes", mnist_to_usps, 2_000, 6),
    "usps-mnist": Study("USPS to MNIST: labels of envelopes, deployment on MNIST", usps_to_mnist, 2_000, 6),
}


def main(
    name: Annotated[str, typer.Argument(metavar="STUDY", help=f"One of {', '.join(STUDIES)}.")],
    seeds: Annotated[int, typer.Option(help="Classifiers of each arm.")] = 6,
    translators: Annotated[int, typer.Option(help="Training seeds; 0: as the study says.")] = 0,
    steps: Annotated[int, typer.Option(help="Of each translator; 0: as the study says.")] = 0,
    workers: Annotated[int, typer.Option(help="Translators that are trained at a time, one core each.")] = 2,
    data: Annotated[Path, typer.Option(help="Where the folders MNIST, MNISTM and USPS lie.")] = Path("data"),
    work: Annotated[Path, typer.Option(help="Where finished translators are kept.")] = Path("out/domains"),
    only_fit: Annotated[bool, typer.Option("--only-fit", help="Train, and measure another time.")] = False,
) -> None:
    """Run a study, or go on with it, and write its tables."""
    if name not in STUDIES:
        raise typer.BadParameter(f"STUDY must be one of {', '.join(STUDIES)}, got {name!r}")
    study = STUDIES[name]
    count, steps = translators or study.seeds, steps or study.steps
    place = work / f"{name}, {steps} steps"
    jobs = [(study, data, place / f"seed-{seed}", steps, seed) for seed in range(count)]
    with ProcessPoolExecutor(min(workers, count), mp_context=get_context("spawn")) as pool:
        seconds = list(pool.map(trained, *zip(*jobs, strict=True)))
    if only_fit:
        return
    report = place / f"report, {seeds} seeds"
    if not (report / "measure.json").exists():
        measured(study, data, [out for _, _, out, _, _ in jobs], report, seeds)
    found = (report / "measure.json").read_text(encoding="utf-8").replace(f"{data}/", "")
    write(name, study, json.loads(found), steps, seconds)


def measured(study: Study, data: Path, runs: list[Path], report: Path, seeds: int) -> None:
    """What classifiers gain by the translators, as a report."""
    a, b, test = study.read(data)
    recipe = load_recipe("auto", [f"measure.steps={CLASSIFIER_STEPS}"])
    measure_translation(runs, a=a, b=b, test=test, out=report, seeds=seeds, recipe=recipe)


def trained(study: Study, data: Path, out: Path, steps: int, seed: int) -> float:
    """Seconds that a translator took, trained now or before."""
    torch.set_num_threads(1)
    a, b, _ = study.read(data)
    recipe = load_recipe("digits-domain", [f"train.steps={steps}", f"train.seed={seed}", *study.settings])
    resume = bool((out / "run.json").exists() or checkpoint_steps(out / "checkpoints"))
    translator = fit_translation(a, b, out, recipe, resume=resume, device="cpu", quiet=True)
    return float(translator.provenance["seconds"])


def write(name: str, study: Study, result: dict[str, Any], steps: int, seconds: list[float]) -> None:
    """results/domains/NAME.json and .md."""
    rows = [{key: arm.get(key) for key in SHOWN} for arm in result["gain"]["arms"]]
    kept = ("gain", "label_preservation", "fidelity", "recommendation", "notes", "data")
    record(
        name,
        study.title,
        rows,
        room="domains",
        note=conditions(result, steps, seconds),
        steps=steps,
        training_seconds=seconds,
        **{key: result[key] for key in kept},
    )


def conditions(result: dict[str, Any], steps: int, seconds: list[float]) -> str:
    """What the table rests on, and what it does not show."""
    gain, data, fidelity, labels = (result[key] for key in ("gain", "data", "fidelity", "label_preservation"))
    best, main = gain["headline"]["best_baseline"], labels[labels["main"]]
    low, high = (100 * end for end in best["ci"])
    return (
        f"Accuracy on {data['test']:,} real test images of B; {gain['seeds']} seeds, {gain['steps_per_arm']} steps of "
        f"each classifier, augmentation {gain['augment']}, chosen on {data['val']:,} images of A. {len(seconds)} "
        f"translators of {steps:,} steps, {min(seconds) / 60:.0f} to {max(seconds) / 60:.0f} minutes each on one core "
        f"beside other work, learned from {data['train']:,} images of A and B without its labels. {gain['covers']}\n\n"
        f"Against {best['name']}, the best of what needs no training, translated+source differs by "
        f"{100 * best['delta']:+.1f} points ({low:+.1f} to {high:+.1f}). Labels survive in {main['accuracy']:.1%} of "
        f"{main['n']:,} translations ({labels['main']}); A's classifier reads {labels['a_itself']['accuracy']:.1%} of "
        f"A's own images. {fidelity['encoder']}: {fidelity['fd_start']:.3g} from A to B, {fidelity['fd']:.3g} once "
        f"translated, floor {fidelity['fd_floor']:.2g}."
    )


if __name__ == "__main__":
    typer.run(main)
