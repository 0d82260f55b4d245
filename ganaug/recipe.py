"""A recipe: every choice of a run as frozen models, read from TOML and `--set table.key=value`. No torch here.

`None` means that `ganaug.auto` decides from the data and the machine, and says why.
"""

import difflib
import reprlib
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ganaug.errors import RecipeError
from ganaug.files import read_file

LIMIT = 2**16  # bytes of a recipe
LONGEST = 1000  # characters of a line: the standard library's reader takes the square of their number in time
SHORT = reprlib.Repr()  # of a value that is refused
SHORT.maxstring = SHORT.maxother = 100
Unit = Annotated[float, Field(ge=0, le=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(gt=0, le=10**9)]
Text = Annotated[str, Field(max_length=LONGEST // 2 - 50)]  # written into one line again, each character as two at most
MAX_SIDE = 4096  # px
Side = Annotated[int, Field(ge=8, le=MAX_SIDE)]


def _pair(value: Any) -> Any:
    """One number stands for a square."""
    return (value, value) if isinstance(value, int) else value


Resolution = Annotated[tuple[Side, Side], BeforeValidator(_pair)]


class Table(BaseModel):
    """A table of a recipe: no unknown keys, no later changes."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Data(Table):
    """How images are read."""

    resolution: Resolution | None = None  # height, width in px; None: as the images are
    channels: Literal[1, 3, 4] | None = None  # None: as most images are; transparency is then composited on white
    groups: Text = ""  # regular expression on the file name, or a column: what shows one object is not split
    skip_bad: bool = False  # go on without unreadable files, up to 1 %


class Nets(Table):
    """Which pair of networks, and how large."""

    name: Literal["residual", "resnet", "style", "biggan", "dcgan"] | None = None
    width: Annotated[int, Field(ge=4, le=1024)] | None = None  # channels at the finest level
    z_dim: Annotated[int, Field(ge=1, le=4096)] = 64  # numbers in the latent vector


class Train(Table):
    """The objective, the optimiser and the schedule. One step is one update of each player."""

    steps: Count | None = None
    batch_size: Annotated[int, Field(ge=2, le=10**6)] | None = None
    checkpoint_every: Count | None = None  # steps; each checkpoint is also scored on validation
    adversarial: Literal["relativistic", "nonsaturating", "hinge", "least_squares"] | None = None
    projection: bool = True  # D's score depends on the label (Miyato and Koyama 2018)
    class_head: Literal["none", "acgan", "reacgan", "adcgan"] = "adcgan"
    class_weight: NonNegative | None = None  # weight of the class head's loss in both players
    r1_gamma: NonNegative | None = None  # penalty on D's gradient at real images
    r2_gamma: NonNegative | None = None  # the same at fakes
    penalty_every: Count | None = None  # steps from one penalty to the next
    spectral_norm: bool | None = None  # every layer of D has norm 1 (Miyato et al. 2018)
    minibatch_std: bool = False  # D sees how much the features of a class vary within the batch
    ramp: Unit | None = None  # share of the run over which D's labels come in (Shahbazi et al. 2022)
    sampling: Literal["uniform", "balanced"] | None = None  # balanced: every class as often as any other
    mirror: bool = False  # half of the real images are shown mirrored; only where the classes survive it
    augment: str | None = None  # "none" or a DiffAugment policy such as "color,translation,cutout"
    augment_p: Unit | None = None  # share of the images that D sees augmented, at the start where it adapts
    adapt: Literal["none", "train", "held-out"] | None = None  # what moves augment_p: ADA's r_t, or its r_v
    unlabeled_weight: Unit = 1.0  # how far sure guesses of missing labels are believed, times how often they are right
    init: Text = ""  # MODEL whose weights training starts from, as far as they fit
    precision: Literal["fp32", "bf16"] | None = None  # of convolutions and products; weights and losses are fp32
    execution: Literal["eager", "compiled", "captured"] | None = None  # as written; compiled; and as CUDA graphs
    choose_by: Literal["distance", "utility"] | None = None  # what the best checkpoint is best at, on validation
    lr: Positive | None = None
    beta1: Decay | None = None
    beta2: Decay | None = None
    final_lr: Unit = 0.05  # share of `lr` left at the last step, after a cosine
    ema_images: Positive | None = None  # half-life of G's moving average, in images shown
    seed: Seed = 0


class Translate(Table):
    """The terms and networks of a domain translation; of [train] it reads what is written below, of [nets] the width.

    What is left open follows the engine, as it was published.
    """

    engine: Literal["cyclegan", "pixelda", "cut", "pix2pix"] | None = None  # None: by what A, B and their labels allow
    cycle: NonNegative | None = None  # weight of: there and back again; above 0 there are two directions
    identity: NonNegative | None = None  # an image of the target domain stays as it is
    nce: NonNegative | None = None  # a patch can be told to come from its own place (Park et al. 2020)
    semantic: NonNegative | None = None  # a frozen classifier of A says the same before and after (Hoffman et al. 2018)
    task: NonNegative | None = None  # a network learns the labels of A from both, and G keeps them (Bousmalis 2017)
    l1: NonNegative | None = None  # to the other image of a pair; above 0 A and B are pairs (Isola et al. 2017)
    pool: Annotated[int, Field(ge=0, le=10**4)] | None = None  # former translations that D is shown again
    places: Annotated[int, Field(ge=1, le=4096)] | None = None  # patches of each layer that nce compares
    decay: Unit | None = None  # share of the run after which the rate falls to 0 in a line
    network: Literal["resnet", "unet"] | None = None
    downs: Annotated[int, Field(ge=0, le=8)] | None = None  # how often a translator halves the sides
    blocks: Annotated[int, Field(ge=0, le=64)] | None = None  # residual blocks at its coarsest level
    noise_dim: Annotated[int, Field(ge=0, le=4096)] | None = None  # numbers of noise; 0: one translation of an image
    patch_width: Annotated[int, Field(ge=4, le=1024)] | None = None  # channels of a discriminator at the finest level
    jitter: bool | None = None  # mirror and shift images at random, both of a pair alike
    crop: Side | None = None  # px, the side of the squares that training cuts from larger images
    guess_b: bool | None = None  # balance B by the classes that a classifier guesses
    sides: Literal["left-right", "right-left"] | None = None  # of A and B, where pairs lie side by side in one image


# What a translation reads of [train] and [nets]; the rest is a GAN's.
SHARED = {
    "nets": {"width"},
    "train": {
        *("steps", "batch_size", "checkpoint_every", "adversarial", "r1_gamma", "penalty_every", "sampling"),
        *("precision", "lr", "beta1", "beta2", "ema_images", "seed"),
    },
}


class Measure(Table):
    """How the gain is measured."""

    classifier: str = "small"  # or "airbench", or "torchvision:NAME"
    encoder: str = "own"  # of the distances; or "pixels", "random", "inception:FILE"
    metric: Literal["accuracy", "balanced_accuracy"] | None = None  # None: balanced where classes are unbalanced
    margin: Positive = 0.01  # differences within +- margin count as none
    fractions: Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], Field(min_length=1)] = (
        0.1,
        0.25,
        0.5,
        0.7,
    )  # synthetic share of each batch
    steps: Count | None = None  # optimiser steps of every classifier; None: where validation stops rising


class Recipe(Table):
    """Everything that decides a run."""

    description: Text = ""
    data: Data = Data()
    nets: Nets = Nets()
    train: Train = Train()
    translate: Translate = Translate()
    measure: Measure = Measure()


def require_own(recipe: Recipe, *, translates: bool) -> None:
    """Refuse what a command would not read: of a translation what makes a GAN, and the other way round.

    Raises:
        RecipeError: The recipe sets such a key; it is named.
    """
    plain, own, other = Recipe(), "train", "translate fit"
    if translates:
        own, other = other, own
    for name in ("nets", "train") if translates else ("translate",):
        table, default = getattr(recipe, name), getattr(plain, name)
        for key in type(table).model_fields:
            if key not in SHARED.get(name, ()) and getattr(table, key) != getattr(default, key):
                raise RecipeError(
                    f"{name}.{key} must be left out of a recipe for `ganaug {own}`, got {getattr(table, key)!r}; "
                    f"`ganaug {other}` reads it"
                )


def shipped() -> dict[str, Path]:
    """Name -> file of every recipe in the package (or, in a checkout, beside it)."""
    here = Path(__file__).parent
    folder = here / "recipes" if (here / "recipes").is_dir() else here.parent / "recipes"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_recipe(name: str | Path = "auto", settings: list[str] | tuple[str, ...] = ()) -> Recipe:
    """Read a shipped recipe by name or a TOML file by path, then apply `table.key=value` settings.

    Raises:
        RecipeError: The recipe or a key is unknown (the message suggests one), or a value breaks its rule.

    Example:
        >>> load_recipe("auto", ["train.steps=300"]).train.steps
        300
    """
    tables = _read(name)
    for setting in settings:
        _apply(tables, setting)
    return validate(tables, str(name))


def parse_recipe(text: str, place: str) -> Recipe:
    """A recipe from TOML text; `place` stands in the error messages.

    Raises:
        RecipeError: It is no TOML, a key is unknown, or a value breaks its rule.
    """
    return validate(_parse(text, place), place)


def validate(tables: dict[str, Any], place: str) -> Recipe:
    """A recipe from its tables; `place` stands in the error messages.

    Raises:
        RecipeError: A key is unknown or a value breaks its rule.
    """
    try:
        return Recipe.model_validate(tables)
    except ValidationError as error:
        raise RecipeError(f"{place}: {_sentence(error.errors()[0])}") from error


def dump_recipe(recipe: Recipe) -> str:
    """The recipe as TOML; keys left to `auto` are absent."""
    tables = recipe.model_dump(exclude_none=True)
    return tomli_w.dumps({name: table for name, table in tables.items() if table != {}})


def _read(name: str | Path) -> dict[str, Any]:
    path = shipped().get(str(name), Path(name))
    if not path.is_file():
        known = list(shipped())
        raise RecipeError(
            f"recipe must be a TOML file or one of {', '.join(known)}, got {str(name)!r}{_suggest(str(name), known)}"
        )
    try:
        return _parse(read_file(path, LIMIT).decode(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        fact = getattr(error, "strerror", None) or error
        raise RecipeError(f"{path}: must be TOML, got {fact}; see `ganaug recipes` for examples") from error


def _parse(text: str, place: str) -> dict[str, Any]:
    try:
        if max(map(len, text.splitlines()), default=0) > LONGEST:
            raise ValueError(f"a line of more than {LONGEST:,} characters")
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"{place}: must be TOML, got {error}; see `ganaug recipes` for examples") from error


def _apply(tables: dict[str, Any], setting: str) -> None:
    key, equals, value = setting.partition("=")
    table, dot, field = key.strip().partition(".")
    if not equals or not dot:
        raise RecipeError(f"--set must read table.key=value, got {setting!r}; for example --set train.steps=300")
    tables.setdefault(table, {})
    if not isinstance(tables[table], dict):
        known = ", ".join(name for name in Recipe.model_fields if name != "description")
        raise RecipeError(f"--set must name a table, got {table!r}; the tables are {known}")
    tables[table][field] = _value(value.strip())


def _value(text: str) -> Any:
    """A TOML value; anything else is a bare string."""
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except (ValueError, RecursionError):
        return text


def _sentence(error: Any) -> str:
    keys = [str(k) for k in error["loc"] if isinstance(k, str)][:2]
    name = repr(".".join(keys))[1:-1]  # a terminal is sent no escapes
    if error["type"] == "extra_forbidden":
        return f"{name} must be a known key, got {keys[-1]!r}{_suggest(name, known_keys())}"
    rule = error["msg"].removeprefix("Input should be ")
    rule = f"be {rule}" if rule != error["msg"] else f"be valid ({rule[0].lower()}{rule[1:]})"
    return f"{name} must {rule}, got {SHORT.repr(error['input'])}; change it in the recipe or with --set {name}=..."


def known_keys() -> list[str]:
    """Every `table.key` that a recipe may hold."""
    tables = {name: field.annotation for name, field in Recipe.model_fields.items() if name != "description"}
    return [*tables, *(f"{name}.{key}" for name, table in tables.items() for key in table.model_fields)]  # type: ignore[union-attr]


def _suggest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}"
