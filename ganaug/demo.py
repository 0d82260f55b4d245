"""The whole story on scikit-learn's scanned digits: few labels, a generator, a corpus, a dataset, an answer."""

from pathlib import Path
from typing import Any

from rich.console import Console
from torch.utils.data import DataLoader

from ganaug.corpus import write_corpus
from ganaug.data import LabeledImages, first_per_class, load
from ganaug.datasets import AugmentedDataset, seed_worker
from ganaug.files import require_new
from ganaug.images import encode_png
from ganaug.recipe import load_recipe
from ganaug.report import sentence, summary_table
from ganaug.run import train
from ganaug.study import measure

LABELED_PER_CLASS = 20
CORPUS_PER_CLASS = 100
STEPS = 3000


def tell(out: Path, console: Console, *, device: str = "auto", seed: int = 0, quiet: bool = False) -> dict[str, Any]:
    """Run the demo into `out`, printing each step beside the command that repeats it; returns the measured result.

    Raises:
        OutputError: `out` holds something.
    """
    require_new(out)
    data, run, corpus, report = (out / name for name in ("data", "run", "corpus", "report"))

    def say(step: str, command: str) -> None:
        if not quiet:
            console.print(f"\n[bold]{step}[/bold]", highlight=False)
            console.print(f"$ {command}", markup=False, highlight=False, soft_wrap=True, style="dim")

    say(
        f"1. Few labels: {LABELED_PER_CLASS} scanned digits a class to learn from, others to choose and to test on",
        f"ls {data}",
    )
    write_data(data, seed)
    say(
        "2. Learn a conditional generator",
        f"ganaug train {data} --val {data / 'val'} -o {run} --set train.steps={STEPS}",
    )
    recipe = load_recipe("auto", [f"train.steps={STEPS}", f"train.seed={seed}"])
    real = load(data)
    synth = train(real, run, recipe, val=str(data / "val"), device=device, quiet=quiet)
    say("3. Write a labelled corpus", f"ganaug generate {run} -o {corpus} --per-class {CORPUS_PER_CLASS}")
    write_corpus(synth, corpus, [CORPUS_PER_CLASS] * len(synth.classes), seed)
    say(
        "4. Or change one line of a training loop",
        "train_set = ganaug.AugmentedDataset(train_set, synth, fraction=0.25)",
    )
    mixed = AugmentedDataset(real, synth, mode="replace", fraction=0.25, seed=seed)
    images, labels = next(iter(DataLoader(mixed, batch_size=64, shuffle=True, worker_init_fn=seed_worker)))
    shares = sum(map(mixed.is_synthetic, range(len(mixed)))) / len(mixed)
    if not quiet:
        console.print(
            f"one batch: {list(images.shape)} {images.dtype}, labels {labels[:8].tolist()}..., {shares:.0%} synthetic"
        )
    command = f"ganaug measure {run} --train {data} --test {data / 'test'} -o {report}"
    say("5. Measure whether it helps", command)
    result = measure(
        synth,
        train=real,
        val=str(data / "val"),
        test=str(data / "test"),
        out=report,
        seed=seed,
        device=device,
        command=command,
    )
    if not quiet:
        console.print(summary_table(result))
    console.print(f"\n{sentence(result)}", style="bold", highlight=False, soft_wrap=True)
    console.print(f"report: {report / 'report.html'}", highlight=False, soft_wrap=True)
    return result


def write_data(folder: Path, seed: int) -> None:
    """The digits as image folders: train with few of each class, val with the rest of the training split, test."""
    few, rest = first_per_class(load("sklearn:digits:train"), LABELED_PER_CLASS, seed)
    for name, part in {"train": few, "val": rest, "test": load("sklearn:digits:test")}.items():
        write_folder(folder / name, part)


def write_folder(folder: Path, data: LabeledImages) -> None:
    """One PNG per image under a sub-folder per class."""
    for i, (image, label) in enumerate(zip(data.images.numpy(), data.labels.tolist(), strict=True)):
        path = folder / data.classes[label] / f"{i:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_png(image))
