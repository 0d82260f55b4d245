"""What the engine learns from few, from unbalanced and from unlabelled images, and how that compares.

    python recipes/engine.py digits

Each study trains generators of several arms and seeds on the same images, and marks each by classifiers that learn from
its images alone and by distances. Nothing is chosen by what is reported: runs cut their validation images from the
training images, and only the marks read the test images. Finished runs are kept under --work, and a run that was
interrupted goes on: a study can be stopped at any time.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from engine_exam import CLASSIFIERS
from engine_images import DIGITS, Images, Take, everything, long_tailed, per_class, read, tenth
from engine_runs import COLLAPSED, REAL, Arm, Budget, Series
from engine_tables import Claim, Truth, shown, summary
from record import RESULTS, made, origin, table

from ganaug.auto import pick_device
from ganaug.measures.gain import covers

DEFAULT = Arm()
ACCURACY, RATIO = "GAN-train accuracy, difference", "GAN-train accuracy, ratio"
TAIL, DISTANCE = "GAN-train recall of the tail, difference", "FD, ratio"
FASHION, SHOWN = "FashionMNIST", 200_000


@dataclass(frozen=True)
class Study:
    """Which generators are compared, what they learn from and for how long, and what the first arm owes.

    Attributes:
        title: Of the results.
        source: The set: "sklearn:digits", or a folder under --data.
        take: Which of its training images are learned from.
        arms: Name -> how a generator is trained.
        claims: What is owed.
        seeds: Training seeds of each arm; the images are the same for all.
        budget: Of each run.
        each: Synthetic images of each class.
        device: Where.
    """

    title: str
    source: str
    take: Take
    arms: dict[str, Arm]
    claims: tuple[Claim, ...]
    seeds: int
    budget: Budget
    each: int = 500
    device: str = "cpu"


def beside_real(source: str) -> Study:
    """How many of the right answers of real images synthetic ones are worth, after as many images shown."""
    return Study(
        title=f"{source}: classifiers of synthetic images beside those of all real ones",
        source=source,
        take=everything,
        arms={"default": DEFAULT},
        claims=(Claim(RATIO, REAL, ">=", 0.93),),
        seeds=1,
        budget=Budget(images=SHOWN),
        each=1000,
    )


def with_and_without_augmentation(what: str, take: Take) -> Study:
    """What adaptive augmentation is worth to D."""
    return Study(
        title=f"{what}: with augmentation and without",
        source=FASHION,
        take=take,
        arms={"default": DEFAULT, "no augmentation": Arm(settings=("train.augment=none",))},
        claims=(Claim(DISTANCE, "no augmentation", "<=", 0.65), Claim(ACCURACY, "no augmentation", ">", 0)),
        seeds=3,
        budget=Budget(minutes=6),
        each=600,
    )


STUDIES = {
    "digits": Study(
        title="Digits, 20 labelled images a class: the default beside the classics",
        source=DIGITS,
        take=per_class(20),
        arms={"default": DEFAULT, "ACGAN 2016": Arm("acgan"), "DCGAN": Arm("dcgan")},
        claims=(Claim(ACCURACY, "ACGAN 2016", ">", 0), Claim(ACCURACY, "DCGAN", ">", 0)),
        seeds=5,
        budget=Budget(minutes=3),
    ),
    "mnist": beside_real("MNIST"),
    "fashion": beside_real(FASHION),
    "tenth": with_and_without_augmentation("A tenth of FashionMNIST", tenth),
    "sixty": with_and_without_augmentation("FashionMNIST, 60 labelled images a class", per_class(60)),
    "tail": Study(
        title="Long-tailed FashionMNIST, 1,000 images of the first class down to 10 of the last: balanced batches",
        source=FASHION,
        take=long_tailed(most=1000, imbalance=100),
        arms={name: Arm(settings=(f"train.sampling={name}",)) for name in ("balanced", "uniform")},
        claims=(Claim(TAIL, "uniform", ">", 0),),
        seeds=4,
        budget=Budget(minutes=6),
        each=1000,
    ),
    "unlabeled": Study(
        title="Digits, 10 labelled images a class: with all others unlabelled, and without",
        source=DIGITS,
        take=per_class(10),
        arms={"unlabelled images too": Arm(unlabeled=True), "labelled images alone": DEFAULT},
        claims=(Claim(ACCURACY, "labelled images alone", ">=", 0.05),),
        seeds=5,
        budget=Budget(minutes=3),
    ),
    "cifar": Study(
        title="CIFAR-10 (JPEG copy), plain bf16 training",
        source="CIFAR10",
        take=everything,
        arms={"default": Arm(settings=("train.precision=bf16",))},
        claims=(Claim(RATIO, REAL, ">=", 0.78),),
        seeds=1,
        budget=Budget(minutes=8),
        each=5000,
        device="auto",
    ),
}


def main(
    name: Annotated[str, typer.Argument(metavar="STUDY", help=f"One of {', '.join(STUDIES)}.")],
    seeds: Annotated[int, typer.Option(help="Training seeds of each arm; 0: as the study says.")] = 0,
    minutes: Annotated[float, typer.Option(help="What a run may take; 0: as the study says.")] = 0,
    steps: Annotated[int, typer.Option(help="Steps of a run, in place of minutes; 0: as the study says.")] = 0,
    workers: Annotated[int, typer.Option(help="Runs at a time, which share the cores; on a GPU always one.")] = 2,
    data: Annotated[Path, typer.Option(help="Where the folders MNIST, FashionMNIST and CIFAR10 lie.")] = Path("data"),
    work: Annotated[Path, typer.Option(help="Where finished runs are kept.")] = Path("out/engine"),
    out: Annotated[Path, typer.Option(help="Where STUDY.json and STUDY.md are written.")] = RESULTS / "engine",
) -> None:
    """Run a study, or go on with it, and write its tables."""
    if name not in STUDIES:
        raise typer.BadParameter(f"STUDY must be one of {', '.join(STUDIES)}, got {name!r}")
    asked = {"seeds": seeds, "budget": Budget(steps=steps) if steps else Budget(minutes) if minutes else None}
    study = replace(STUDIES[name], **{key: value for key, value in asked.items() if value})
    images = read(study.source, study.take, data)
    place = work / f"{name}, {study.budget}, {images.train.fingerprint[:8]}"
    write(out, name, carry_out(study, images, place, workers))


def carry_out(study: Study, images: Images, place: Path, workers: int) -> dict[str, Any]:
    """All that is known of a study once its runs are finished."""
    device = str(pick_device(study.device))
    workers = min(workers, study.seeds * len(study.arms)) if device == "cpu" else 1
    series = Series(study.arms, images, study.budget, study.each, place, device, workers)
    lengths, exam = series.steps(), series.exam()
    marks = series.marks(study.seeds, lengths, exam)
    truth = Truth(images.test.labels.numpy(), images.train.counts.numpy())
    first = next(iter(study.arms))
    return {
        "title": study.title,
        **origin(),
        "trained_at": sorted({mark["commit"] for row in marks.values() for mark in row}),
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
        "runs_at_a_time": workers,
        "budget": str(study.budget),
        "seeds": study.seeds,
        "images": {"train": images.train.counts.tolist(), "test": len(images.test), "each": study.each},
        "arms": {name: {**asdict(arm), "steps": lengths[name]} for name, arm in study.arms.items()},
        "classifiers": {"of each run": CLASSIFIERS, "augment": exam.augment, "steps": exam.steps},
        "encoder": exam.encoder.id,
        "covers": covers(study.seeds, study.seeds),
        "rows": [summary(name, row, truth) for name, row in marks.items()],
        "claims": [claim.row(first, marks, truth) for claim in study.claims],
        "runs": {name: [without_answers(mark) for mark in row] for name, row in marks.items()},
    }


def without_answers(mark: dict[str, Any]) -> dict[str, Any]:
    """A mark less what the classifiers said of every test image."""
    return {key: value for key, value in mark.items() if key != "said"}


def write(out: Path, name: str, content: dict[str, Any]) -> None:
    """OUT/NAME.json and OUT/NAME.md, and the tables on the terminal."""
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.json").write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    tables = f"{table(shown(content['rows']))}\n\n{table(content['claims'])}"
    page = f"# {content['title']}\n\n{tables}\n\n{conditions(content)}\n\n{made(content)}\n"
    (out / f"{name}.md").write_text(page, encoding="utf-8")
    print(tables)


def conditions(content: dict[str, Any]) -> str:
    """What the tables rest on, in sentences."""
    images, classifiers = content["images"], content["classifiers"]
    return (
        f"Each run: {content['budget']} on {content['device']}, {content['runs_at_a_time']} at a time; a training seed "
        f"of its own, the same {sum(images['train']):,} training images, of which a fifth is validation. Each "
        f"generator is marked by {classifiers['of each run']} classifiers that learn from {images['each']} of its "
        f"images a class ({classifiers['augment']}, {classifiers['steps']} steps, both chosen on real validation "
        f"images), and by the distance to {images['test']:,} test images in the features of {content['encoder']}. "
        "Beside it stand real images: for the classifiers all training images, for the distances the whole split they "
        f"were taken from, at most {images['each']} a class. A run has collapsed where its last checkpoint "
        f"lies over {COLLAPSED:g} times as far from the test images as the one that is shipped, or where a class had "
        "lost its variety at one beyond the first third of the run. "
        f"{content['covers']}"
    )


if __name__ == "__main__":
    typer.run(main)
