"""Recipes: what is shipped loads, what is wrong is named, what is written reads back equal."""

from pathlib import Path

import pytest
import torch

from ganaug.auto import complete, pick_device
from ganaug.data import LabeledImages
from ganaug.diffaug import check_policy
from ganaug.errors import DeviceError, RecipeError
from ganaug.recipe import Recipe, Translate, dump_recipe, known_keys, load_recipe, parse_recipe, shipped

CPU = torch.device("cpu")


def COST(nets: str, width: int, batch_size: int, precision: str) -> float:
    return 0.1


def images(n: int = 64, shape: tuple[int, int, int] = (1, 8, 8)) -> LabeledImages:
    pixels = torch.randint(0, 256, (n, *shape), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return LabeledImages(pixels, torch.arange(n) % 2, ("a", "b"), tuple(map(str, range(n))))


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_recipe_loads_says_what_it_is_and_reads_back_equal(name: str):
    recipe = load_recipe(name)
    assert recipe.description
    assert parse_recipe(dump_recipe(recipe), "dump") == recipe


@pytest.mark.parametrize("name", [name for name in shipped() if load_recipe(name).translate == Translate()])
def test_a_completed_recipe_reads_back_equal_and_leaves_nothing_open(name: str, tmp_path: Path):
    settings = ["train.lr=0.1", "measure.fractions=[0.1, 0.3]", "train.seed=9223372036854775807"]
    filled, choices = complete(load_recipe(name, settings), images(), CPU, COST)
    file = tmp_path / "recipe.toml"
    file.write_text(dump_recipe(filled))
    assert load_recipe(file) == filled
    dumped = filled.model_dump(exclude={"measure", "translate"})
    assert [key for table in dumped.values() if isinstance(table, dict) for key, v in table.items() if v is None] == []
    assert complete(filled, images(), CPU, COST) == (filled, [])
    assert all(choice.why and choice.key in known_keys() for choice in choices)


def test_what_is_given_is_kept_and_what_is_chosen_is_named():
    recipe = load_recipe("auto", ["train.steps=7", "nets.width=8"])
    filled, choices = complete(recipe, images(), CPU, COST)
    assert filled.train.steps == 7 and filled.nets.width == 8
    assert {"train.steps", "nets.width"}.isdisjoint(choice.key for choice in choices)
    assert filled.data.resolution == (8, 8) and filled.data.channels == 1


def test_settings_override_the_recipe_and_read_as_toml():
    settings = ["train.lr=1e-3", "train.augment=color,flip", "data.resolution=[16, 32]", "train.projection=false"]
    recipe = load_recipe("auto", settings)
    assert (recipe.train.lr, recipe.train.augment, recipe.train.projection) == (1e-3, "color,flip", False)
    assert recipe.data.resolution == (16, 32)
    assert load_recipe("auto", ["data.resolution=16"]).data.resolution == (16, 16)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("train.batchsize=3", "did you mean 'train.batch_size'"),
        ("trian.steps=3", "did you mean 'train'"),
        ("nets.nam=dcgan", "did you mean 'nets.name'"),
        ("qqqq.zzzzzzzz=3", "known are data, nets, train, translate, measure"),
        ("train.steps=0", "train.steps must be greater than 0, got 0"),
        ("train.steps=1.5", "train.steps must be a valid integer"),
        ("train.steps=many", "train.steps must be a valid integer"),
        ("train.batch_size=1", "train.batch_size must be greater than or equal to 2"),
        ("train.lr=inf", "train.lr must be a finite number"),
        ("train.lr=nan", "train.lr must be a finite number"),
        ("train.beta1=1.0", "train.beta1 must be less than 1"),
        ("train.seed=-1", "train.seed must be greater than or equal to 0"),
        ("train.seed=9223372036854775808", "train.seed must be less than 9223372036854775808"),
        ("nets.z_dim=5000", "nets.z_dim must be less than or equal to 4096"),
        ("nets.width=3", "nets.width must be greater than or equal to 4"),
        ("nets.name=vgg", "nets.name must be 'residual', 'resnet', 'style', 'biggan' or 'dcgan', got 'vgg'"),
        ("data.resolution=7", "data.resolution must be greater than or equal to 8, got 7"),
        ("data.resolution=[8, 8, 8]", "data.resolution must be valid"),
        ("data.channels=2", "data.channels must be 1, 3 or 4, got 2"),
        ("measure.fractions=[1.0]", "measure.fractions must be less than 1"),
        ("steps=3", "--set must read table.key=value, got 'steps=3'"),
        ("train.steps", "--set must read table.key=value"),
        ("description.x=3", "--set must name a table, got 'description'"),
    ],
)
def test_a_wrong_setting_is_named_with_its_rule(setting: str, said: str):
    with pytest.raises(RecipeError) as caught:
        load_recipe("auto", [setting])
    assert said in str(caught.value)


def test_an_unknown_recipe_and_broken_toml_are_named(tmp_path: Path):
    with pytest.raises(RecipeError, match=r"got 'acgna'; did you mean 'acgan'\?"):
        load_recipe("acgna")
    file = tmp_path / "mine.toml"
    for content in (b"[train\n", b"\xff\xfe"):
        file.write_bytes(content)
        with pytest.raises(RecipeError, match=r"mine.toml: must be TOML"):
            load_recipe(file)
    with pytest.raises(RecipeError, match="here: must be TOML"):
        parse_recipe("=", "here")
    file.write_text("[train]\nsteps = 3\n")
    assert load_recipe(file).train.steps == 3


def test_a_recipe_cannot_be_changed_later():
    with pytest.raises(ValueError, match="frozen"):
        load_recipe("auto").train.steps = 3


def test_images_of_another_form_than_the_recipe_asks_for_are_refused():
    with pytest.raises(RecipeError, match=r"data.resolution must be \(8, 8\) as in images, got \(16, 16\)"):
        complete(load_recipe("auto", ["data.resolution=16"]), images(), CPU, COST)
    with pytest.raises(RecipeError, match=r"data.channels must be 1"):
        complete(load_recipe("auto", ["data.channels=3"]), images(), CPU, COST)
    with pytest.raises(RecipeError, match=r"data.resolution must be less than or equal to 4096"):
        complete(Recipe(), images(2, (1, 8, 5000)), CPU, COST)
    with pytest.raises(RecipeError, match="'blur'"):
        check_policy("color,blur")


def test_devices_are_named_or_found():
    assert pick_device("cpu") == CPU and pick_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(DeviceError, match="got 'gpu'"):
        pick_device("gpu")
    if not torch.backends.mps.is_available():
        with pytest.raises(DeviceError, match="this machine has, got 'mps'"):
            pick_device("mps")
