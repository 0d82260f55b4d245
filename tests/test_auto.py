"""What is chosen for whom: networks, width, batch, steps, augmentation, penalties and precision, each with a reason."""

from dataclasses import replace

import pytest
import torch

from ganaug.auto import OBJECTIVES, affordable, complete
from ganaug.data import LabeledImages, load, without_labels
from ganaug.nets import NETS, step_seconds
from ganaug.recipe import Recipe, load_recipe
from ganaug.run import plan

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def images(n: int = 64, shape: tuple[int, int, int] = (1, 8, 8), classes: int = 2) -> LabeledImages:
    pixels = torch.randint(0, 256, (1, *shape), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    names = tuple(map(str, range(n)))
    return LabeledImages(pixels.expand(n, *shape), torch.arange(n) % classes, tuple("abcdefghij"[:classes]), names)


def cost(shape: tuple[int, int, int]):
    return lambda nets, width, batch, precision: step_seconds(nets, shape, 10, width, 64, batch, precision)


def chosen(
    data: LabeledImages, device: torch.device = CPU, *settings: str, held_out: int = 0, extra: int = 0
) -> Recipe:
    return complete(load_recipe("auto", settings), data, device, cost(data.shape), held_out=held_out, extra=extra)[0]


@pytest.mark.parametrize(
    "shape", [(1, 28, 28), (3, 28, 28), (1, 32, 32), (3, 32, 32), (4, 32, 32), (1, 24, 40)], ids=str
)
@pytest.mark.parametrize("bf16", [True, False])
def test_at_28_to_32_px_a_run_is_planned_for_ten_minutes_at_most_on_two_cores(
    shape: tuple[int, int, int], bf16: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("ganaug.auto._cpu_has_bf16", lambda: bf16)
    recipe = chosen(images(1000, shape, 10))
    assert recipe.train.precision == ("bf16" if bf16 else "fp32")
    seconds = cost(shape)(recipe.nets.name, recipe.nets.width, recipe.train.batch_size, recipe.train.precision)  # type: ignore[arg-type]
    assert recipe.train.steps is not None and 4 * 60 <= recipe.train.steps * seconds <= 10 * 60


def test_small_images_are_trained_in_full_precision_where_rounding_buys_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ganaug.auto._cpu_has_bf16", lambda: True)
    assert (
        chosen(images(shape=(1, 8, 8))).train.precision == chosen(images(shape=(3, 16, 16))).train.precision == "fp32"
    )


@pytest.mark.parametrize(
    ("n", "side", "device", "nets"),
    [
        (100, 32, CPU, "residual"),
        (100_000, 32, CPU, "residual"),
        (4_999, 32, GPU, "residual"),
        (5_000, 28, GPU, "residual"),
        (5_000, 32, GPU, "style"),
        (50_000, 64, GPU, "style"),
    ],
)
def test_the_networks_follow_device_number_and_size(
    n: int, side: int, device: torch.device, nets: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda including_emulation: True)
    recipe = chosen(images(n, (3, side, side)), device)
    assert recipe.nets.name == nets
    assert recipe.train.adversarial == OBJECTIVES[nets][0]["adversarial"]


@pytest.mark.parametrize(("has_bf16", "precision"), [(True, "bf16"), (False, "fp32")])
def test_on_a_gpu_steps_are_recorded_and_in_bf16_where_the_hardware_has_it(
    has_bf16: bool, precision: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        "torch.cuda.is_bf16_supported", lambda including_emulation=True: has_bf16 or including_emulation
    )
    found = chosen(images(5_000, (3, 32, 32)), GPU).train
    assert (found.execution, found.precision) == ("captured", precision)
    assert chosen(images()).train.execution == "eager"
    assert chosen(images(5_000, (3, 32, 32)), GPU, "train.execution=eager").train.execution == "eager"


@pytest.mark.parametrize("nets", NETS)
def test_each_pair_of_networks_comes_with_its_own_objective_unless_told_otherwise(nets: str):
    keys = OBJECTIVES[nets][0]
    found = chosen(images(), CPU, f"nets.name={nets}").train.model_dump()
    assert {key: found[key] for key in keys} == keys
    assert chosen(images(), CPU, f"nets.name={nets}", "train.r1_gamma=7.0").train.r1_gamma == 7.0


@pytest.mark.parametrize(("head", "weight"), [("adcgan", 0.1), ("acgan", 1.0), ("reacgan", 1.0), ("none", 0.0)])
def test_the_class_head_weighs_as_its_kind_asks_for_unless_told_otherwise(head: str, weight: float):
    assert chosen(images(), CPU, f"train.class_head={head}").train.class_weight == weight
    assert chosen(images(), CPU, f"train.class_head={head}", "train.class_weight=0.4").train.class_weight == 0.4


def test_a_class_head_that_alone_knows_of_labels_weighs_as_much_as_the_adversarial_loss():
    assert chosen(images(), CPU, "train.projection=false").train.class_weight == 1.0


def test_classes_of_unlike_size_are_sampled_alike():
    data = images(90)
    for tail, sampling in ((45, "uniform"), (23, "uniform"), (20, "balanced")):
        unbalanced = replace(data, labels=(torch.arange(90) >= 90 - tail).long())
        assert chosen(unbalanced).train.sampling == sampling


def test_augmentation_adapts_where_images_can_be_learned_by_heart():
    few, many = chosen(images(900)), chosen(images(60_000))
    assert (few.train.adapt, few.train.augment_p) == ("held-out", 0.0)
    assert (many.train.adapt, many.train.augment_p) == ("none", 0.0)
    assert chosen(images(900), CPU, "train.augment_p=0.4").train.adapt == "none"  # a fixed share stays fixed
    assert chosen(images(900), CPU, "train.augment=none").train.adapt == "none"
    assert chosen(images(900), extra=60_000).train.adapt == "none"  # unlabelled images count


def test_checkpoints_are_chosen_by_utility_where_few_images_are_held_out():
    found = [chosen(images(), held_out=n).train.choose_by for n in (2, 999, 1000)]
    assert found == ["utility", "utility", "distance"]


def test_large_images_are_brought_to_a_size_that_a_cpu_can_bear_with_a_reason():
    assert affordable(Recipe(), (3, 200, 200), CPU) == ((64, 64), affordable(Recipe(), (3, 200, 200), CPU)[1])  # type: ignore[index]
    assert affordable(Recipe(), (3, 300, 200), CPU)[0] == (96, 64)  # type: ignore[index]
    assert affordable(Recipe(), (3, 64, 300), CPU) is None and affordable(Recipe(), (3, 200, 200), GPU) is None
    for setting in ("data.resolution=200", "train.steps=9"):  # the user decided
        assert affordable(load_recipe("auto", [setting]), (3, 200, 200), CPU) is None


@pytest.mark.parametrize(("n", "share"), [(24, 0.8), (200, 0.8), (1000, 0.2), (50_000, 0.0)])
def test_where_augmentation_does_not_adapt_it_is_the_stronger_the_fewer_images_there_are(n: int, share: float):
    assert chosen(images(n), CPU, "train.adapt=none").train.augment_p == share
    assert chosen(images(n), CPU, "train.augment=none").train.augment_p == 0.0


def test_the_penalty_of_the_style_pair_grows_with_the_pixels():
    found = [
        chosen(images(shape=(3, side, side)), GPU, "nets.name=style", "train.precision=fp32") for side in (32, 128)
    ]
    assert [recipe.train.r1_gamma for recipe in found] == pytest.approx([0.0032, 0.0512])


def test_images_in_memory_follow_those_that_are_brought_to_another_size(tmp_path):
    from shell import pictures, write_folder

    data, val, more = (load(write_folder(tmp_path / str(i), pictures(30, seed=i, size=(80, 80)))) for i in range(3))
    for unlabeled in (more, without_labels(more)):
        todo = plan(data, load_recipe("auto"), device="cpu", val=val, unlabeled=unlabeled)
        assert todo.unlabeled is not None
        assert todo.train.shape == todo.val.shape == todo.unlabeled.shape == (1, 64, 64)


def test_a_plan_for_large_images_trains_what_measure_will_read(tmp_path):
    from shell import pictures, write_folder

    root = write_folder(tmp_path / "data", pictures(30, size=(100, 120), channels=3))
    todo = plan(load(root), load_recipe("auto"), device="cpu")
    assert todo.recipe.data.resolution == (64, 77) and todo.train.shape == todo.val.shape == (3, 64, 77)
    assert "data.resolution = (64, 77): 100 x 120 would take hours" in "\n".join(map(str, todo.choices))
    assert todo.fingerprint == load(root, resolution=(64, 77)).fingerprint
    assert todo.recipe.train.steps is not None and todo.recipe.train.steps >= 500
