"""Two domains and a machine in, a complete recipe of their translation out; each choice with its reason."""

from dataclasses import asdict
from typing import Any

import torch

from ganaug.auto import Choice, Filling, precision
from ganaug.errors import RecipeError
from ganaug.nets import Shape
from ganaug.recipe import Recipe, validate
from ganaug.translation import PRESETS, Sizes, Terms, step_seconds

WEIGHTS = ("cycle", "identity", "nce", "semantic", "task", "l1", "pool", "places", "decay", "jitter")
SCHEDULE = ("adversarial", "penalty_every", "lr")
MINUTES = 8.0  # what a run may take by default on two cores
FEWEST_STEPS, MOST_STEPS, GPU_STEPS = 500, 20_000, 50_000
LABELLED = ("task", "semantic")  # terms that need A's labels
PAPERS = {
    "cyclegan": "as CycleGAN (Zhu et al. 2017)",
    "pixelda": "as PixelDA (Bousmalis et al. 2017), with a penalty on D",
    "cut": "as CUT (Park et al. 2020), with noise and a penalty on D",
    "pix2pix": "as pix2pix (Isola et al. 2017)",
}


def complete(
    recipe: Recipe, a: Shape, b: Shape, device: torch.device, *, labelled: bool, paired: bool, images: int
) -> tuple[Recipe, list[Choice]]:
    """Fill every key of a translation that the recipe leaves open.

    Args:
        recipe: What the user decided.
        a: Channels, height and width of the images of A.
        b: Of B.
        device: Where the run will take place.
        labelled: Whether A has labels.
        paired: Whether A and B are pairs.
        images: Of the smaller domain.

    Raises:
        RecipeError: A term needs labels of A, or pairs, and there are none.
    """
    filling = Filling(recipe)
    tables, choose = filling.tables, filling.choose
    choose("data.resolution", a[1:], "the images' own size")
    engine = choose("translate.engine", *_engine(labelled, paired))
    changed, sizes = PRESETS[engine]
    terms, why, small = asdict(Terms(**changed)), PAPERS[engine], min(a[1:]) <= 32
    for key in WEIGHTS:
        choose(f"translate.{key}", terms[key], why)
    for key in SCHEDULE:
        choose(f"train.{key}", terms[key], why)
    for key, value in zip(("beta1", "beta2"), terms["betas"], strict=True):
        choose(f"train.{key}", value, why)
    choose("train.r1_gamma", terms["gammas"].get("r1", 0.0), why)
    _require_terms(tables["translate"], labelled=labelled, paired=paired)
    _require_labels(tables, labelled=labelled, paired=paired)

    choose("translate.network", sizes.get("name", "resnet"), why)
    choose("translate.noise_dim", sizes.get("noise_dim", 0), why)
    choose("nets.width", *_width(small, device))
    choose("translate.downs", *_downs(tables["translate"]["network"], a[1:]))
    choose("translate.blocks", *_blocks(tables["translate"]["network"], a[1:]))
    choose("translate.patch_width", 32 if device.type == "cpu" else 64, "as wide as the translator, or twice")
    if a[1] != a[2]:
        choose("translate.crop", min(a[1:]), "networks learn from squares, and translate images of any sides")
    _require_room(tables["translate"], a[1:])
    batch = choose("train.batch_size", min(32 if small else 8, images), "small batches learn most from each image")
    arithmetic = choose("train.precision", *precision(a[1] * a[2], device))
    if tables["train"]["steps"] is None:
        seconds = step_seconds(a, b, *parts(validate(tables, "auto")), batch, arithmetic)
        choose("train.steps", *_steps(seconds, device))
    steps = tables["train"]["steps"]
    if labelled and not paired:
        choose("train.sampling", "balanced", "G and D see every class of A as often as any other")
    choose("train.checkpoint_every", max(1, steps // 10), "a tenth of the run")
    choose("train.ema_images", steps * batch / 40, "half-life of a fortieth of the run")
    return validate(tables, "auto"), filling.choices


def parts(recipe: Recipe) -> tuple[Terms, Sizes]:
    """What a complete recipe, or one that lacks no more than steps and averages, says of objective and networks."""
    t, own = recipe.train, recipe.translate
    terms = Terms(
        **{key: getattr(own, key) for key in WEIGHTS},
        adversarial=t.adversarial or "",
        penalty_every=t.penalty_every or 1,
        lr=t.lr or 0.0,
        betas=(t.beta1 or 0.0, t.beta2 or 0.0),
        gammas={"r1": t.r1_gamma} if t.r1_gamma else {},
        ema_images=t.ema_images or 1.0,
        bf16=t.precision == "bf16",
        crop=own.crop,
        seed=t.seed,
    )
    sizes = Sizes(
        name=own.network or "",
        width=recipe.nets.width or 0,
        downs=own.downs or 0,
        blocks=own.blocks or 0,
        noise_dim=own.noise_dim or 0,
        patch_width=own.patch_width or 0,
    )
    return terms, sizes


def _require_terms(weights: dict[str, Any], *, labelled: bool, paired: bool) -> None:
    for key in LABELLED:
        if weights[key] and not labelled:
            raise RecipeError(
                f"translate.{key} must be 0 where A has no labels, got {weights[key]}; sort A into class folders, or "
                "take another engine"
            )
    if bool(weights["l1"]) != paired:
        got = f"{weights['l1']} for images that are {'pairs' if paired else 'none'}"
        raise RecipeError(
            f"translate.l1 must be above 0 for pairs, and for pairs alone, got {got}; use -r pix2pix for pairs"
        )


def _require_labels(tables: dict[str, dict[str, Any]], *, labelled: bool, paired: bool) -> None:
    """Classes by which images are drawn are A's, and pairs are drawn as they are."""
    for table, key, value in (("train", "sampling", "balanced"), ("translate", "guess_b", True)):
        if tables[table][key] == value and (paired or not labelled):
            what = "pairs" if paired else "images of A without labels"
            raise RecipeError(
                f"{table}.{key} must be left out for {what}, got {value!r}; there are no classes to draw by"
            )


def _require_room(nets: dict[str, Any], sides: tuple[int, int]) -> None:
    """A translator must not halve what it is given to nothing."""
    crop, most = nets["crop"], min(sides)
    if crop is not None and crop > most:
        raise RecipeError(f"translate.crop must be at most the shorter side, {most} px, got {crop}; leave it out")
    deepest = min(crop or most, most).bit_length() - 2
    if nets["downs"] > deepest:
        raise RecipeError(
            f"translate.downs must be {deepest} or less for squares of {min(crop or most, most)} px, got "
            f"{nets['downs']}; two px must be left"
        )


def _engine(labelled: bool, paired: bool) -> tuple[str, str]:
    if paired:
        return "pix2pix", "A and B are pairs"
    if labelled:
        return "pixelda", "A has labels, and a classifier that learns beside G keeps them"
    return "cyclegan", "neither pairs nor labels: the way back keeps what an image shows"


def _width(small: bool, device: torch.device) -> tuple[int, str]:
    if device.type != "cpu":
        return 64, "as published"
    return (16 if small else 32), "on a CPU more steps teach more than more width"


def _downs(network: str, sides: tuple[int, int]) -> tuple[int, str]:
    if network == "unet":
        return min(4, min(sides).bit_length() - 2), "down to some 4 px"
    return (1, "small images lose their shapes further down") if min(sides) <= 32 else (2, "as published")


def _blocks(network: str, sides: tuple[int, int]) -> tuple[int, str]:
    if network == "unet":
        return 0, "as published"
    if min(sides) <= 32:
        return 4, "enough for small images"
    return (9 if min(sides) >= 256 else 6), "as published"


def _steps(seconds: float, device: torch.device) -> tuple[int, str]:
    if device.type != "cpu":
        return GPU_STEPS, "as many as a GPU takes in an hour or so"
    steps = min(max(int(MINUTES * 60 / seconds) // 100 * 100, FEWEST_STEPS), MOST_STEPS)
    return steps, f"about {steps * seconds / 60:.0f} minutes on two cores, from the networks' arithmetic"
