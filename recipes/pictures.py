"""Translations of photographs, as the command line learns them from a folder.

    python recipes/pictures.py facades --data data
    python recipes/pictures.py horse2zebra --data data

Facades (pairs): the mean absolute error to the true photographs of the test pairs, beside two answers that need no
training. Horse2zebra (no pairs): how near translations come to zebras over the run. The sheets stay under --work, for
the images are not ours to copy.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from record import record
from torch import Tensor

from ganaug.data import load_domain, load_pairs
from ganaug.measures.features import random_encoder
from ganaug.measures.fidelity import frechet_distance, kernel_distance
from ganaug.measures.jackknife import jackknife
from ganaug.recipe import load_recipe
from ganaug.run.translation import fit_translation
from ganaug.synthesis import Translator


def facades(data: Path, out: Path, side: int, settings: list[str], device: str) -> None:
    """Label maps to photographs."""
    root, sides = data / "Facades", "right-left"
    recipe = load_recipe("pix2pix", [f"data.resolution={side}", f"translate.sides={sides}", *settings])
    translator = fit(str(root / "train"), None, out, recipe, device)
    train, test = (load_pairs(root / split, resolution=side, sides=sides) for split in ("train", "test"))
    answers = {
        "pix2pix": translator.translate(test.a.images),
        "mean image of the training photographs": train.b.images.float().mean(0).expand(len(test.b), -1, -1, -1),
        "copy of the input": test.a.images,
    }
    each = {name: errors(images.float(), test.b.images.float()) for name, images in answers.items()}
    rows = []
    for name, theirs in each.items():
        middle, low, high = mean(theirs - each["pix2pix"])
        rows.append(
            {
                "answer": name,
                "n": len(theirs),
                "error": mean(theirs)[0],
                "beyond pix2pix": middle,
                "interval": [low, high],
            }
        )
    title = f"Facades at {side} px, label map to photograph: mean absolute error on {len(test.a)} test pairs"
    record("facades", title, rows, training=course(out, translator))


def horse2zebra(data: Path, out: Path, side: int, settings: list[str], device: str) -> None:
    """Horses to zebras and back."""
    root = data / "horse2zebra"
    recipe = load_recipe("cyclegan", [f"data.resolution={side}", *settings])
    translator = fit(str(root / "trainA"), str(root / "trainB"), out, recipe, device)
    horses, zebras, others = (load_domain(root / name, resolution=side).images for name in ("testA", "testB", "trainB"))
    encoder = random_encoder(3)
    real = encoder(zebras)
    rows = [
        {"images": name, **distance(real, encoder(images))}
        for name, images in (
            ("horses", horses),
            ("horses, translated", translator.translate(horses)),
            ("other zebras, as many", others[: len(horses)]),
        )
    ]
    title = f"Horses to zebras at {side} px: distance to {len(zebras)} test zebras in the features of {encoder.id}"
    record("horse2zebra", title, rows, training=course(out, translator))


def fit(a: str, b: str | None, out: Path, recipe: Any, device: str) -> Translator:
    """The translator, learned now or before."""
    return fit_translation(a, b, out, recipe, resume=(out / "run.json").exists(), device=device, quiet=True)


def errors(answer: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute error of each image, as a share of the range of the pixels, [N]."""
    return (answer - truth).abs().mean((1, 2, 3)).double() / 255


def mean(each: Tensor) -> tuple[float, float, float]:
    """The mean over images, and both ends of its 95 % interval."""
    middle, half = float(each.mean()), 1.96 * float(each.std()) / len(each) ** 0.5
    return middle, middle - half, middle + half


def distance(real: Tensor, made: Tensor) -> dict[str, Any]:
    """Kernel and Frechet distance; few images leave the second far above 0."""
    kid = kernel_distance(real, made)
    half = float(jackknife(lambda x, y: [kernel_distance(x, y)], real, made)[0])
    return {"n": len(made), "kid": kid, "interval": [kid - half, kid + half], "fd": frechet_distance(real, made)}


def course(out: Path, translator: Translator) -> dict[str, Any]:
    """What the run was, and its distances or errors on validation over the steps."""
    lines = [json.loads(line) for line in (out / "progress.jsonl").read_text(encoding="utf-8").splitlines()]
    facts, keys = translator.provenance, ("step", "validation", "fd")
    return {
        "device": facts["device"],
        "seconds": facts["seconds"],
        "shipped_step": facts["best_step"],
        "recipe": {table: facts["recipe"][table] for table in ("nets", "train", "translate")},
        "curve": [{key: line[key] for key in keys} for line in lines if "validation" in line],
    }


STUDIES = {"facades": facades, "horse2zebra": horse2zebra}


def main(
    name: Annotated[str, typer.Argument(metavar="STUDY", help=f"One of {', '.join(STUDIES)}.")],
    side: Annotated[int, typer.Option(help="px of the images.")] = 64,
    set_: Annotated[list[str] | None, typer.Option("--set", help="table.key=value of the recipe.")] = None,
    data: Annotated[Path, typer.Option(help="Where the folders Facades and horse2zebra lie.")] = Path("data"),
    work: Annotated[Path, typer.Option(help="Where finished runs are kept.")] = Path("out/pictures"),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Learn the translation, or take the one that is there, and write its table."""
    if name not in STUDIES:
        raise typer.BadParameter(f"STUDY must be one of {', '.join(STUDIES)}, got {name!r}")
    STUDIES[name](data, work / f"{name}-{side}", side, set_ or [], device)


if __name__ == "__main__":
    typer.run(main)
