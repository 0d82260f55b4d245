"""Runs of `translate fit`: two domains in, a folder with a translator out, whatever happens on the way."""

import json
import logging
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_run import noise
from torch import Tensor

import ganaug
from ganaug.checkpoint import dump_module, dump_optimizer, dump_tensors
from ganaug.data import LabeledImages, UnlabeledImages
from ganaug.errors import DataError, DivergedError, InterruptedRun, ModelError, RecipeError
from ganaug.recipe import load_recipe
from ganaug.run import check_run
from ganaug.run import plan as plan_gan
from ganaug.run.folder import make, read_facts
from ganaug.run.saving import Keeper
from ganaug.run.translation import TranslationPlan, plan_translation, translate_as
from ganaug.run.translation.job import TranslationJob
from ganaug.run.translation.judge import Opinion, recalls
from ganaug.synthesis import Synthesizer, Translator
from ganaug.translation import CycleState, Terms
from ganaug.translation.loop import shown

TINY = (
    *("nets.width=4", "translate.patch_width=4", "translate.downs=1", "translate.noise_dim=4"),
    *("train.batch_size=4", "train.steps=12", "train.checkpoint_every=6"),
)
ENGINES = ("cyclegan", "cut", "pix2pix", "digits-domain")
A, B = noise(60, (1, 16, 16)), noise(50, (3, 16, 16), seed=1)


def pairs(n: int = 40) -> tuple[UnlabeledImages, UnlabeledImages]:
    a = noise(n, (1, 16, 16))
    names = a.names
    return UnlabeledImages(a.images, names, "left"), UnlabeledImages((255 - a.images).expand(-1, 3, -1, -1), names, "r")


def planned(engine: str, *settings: str, a: object = None, b: object = None) -> TranslationPlan:
    first, second = pairs() if engine == "pix2pix" else (A, B)
    blocks = () if engine == "pix2pix" else ("translate.blocks=1",)
    recipe = load_recipe(engine, [*TINY, *blocks, *settings])
    return plan_translation(a or first, b or second, recipe, device="cpu")  # type: ignore[arg-type]


def content(state: CycleState) -> dict[str, bytes]:
    """All that training changes, as bytes."""
    parts = {name: dump_module(module) for name, module in state.modules().items()}
    parts |= {name: dump_optimizer(optimizer) for name, optimizer in state.optimizers().items()}
    return parts | {"tensors": dump_tensors(state.tensors())}


def taught(job: TranslationJob, state: CycleState, steps: int) -> None:
    loop = job.learn(state, tick=1, stop=())
    while state.step < steps:
        next(loop)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_leaves_a_whole_run_and_a_translator_that_loads(engine: str, tmp_path: Path):
    out = tmp_path / "run"
    translator = translate_as(planned(engine), out, quiet=True)
    assert check_run(out) == [] and read_facts(out)["status"] == "complete"
    again = Translator.load(out)
    images = A.images[:3]
    assert torch.equal(again.translate(images, seed=5), translator.translate(images, seed=5))
    assert again.translate(images).shape == (3, 3, 16, 16)
    assert again.directions == (("AB", "BA") if engine == "cyclegan" else ("AB",))
    lines = [json.loads(line) for line in (out / "progress.jsonl").read_text().splitlines()]
    judged = [line for line in lines if "validation" in line]
    assert [line["step"] for line in judged] == [6, 12] and all("fd" in line for line in judged)
    with_labels = engine in ("cyclegan", "digits-domain")
    assert all(("label_preservation" in line) == with_labels for line in judged)
    assert ("label_preservation" in again.provenance) == with_labels


@pytest.mark.parametrize(("engine", "rows"), [("cyclegan", 6), ("digits-domain", 4), ("pix2pix", 4)])
def test_every_checkpoint_has_a_sheet_with_the_way_there_and_back(engine: str, rows: int, tmp_path: Path):
    translate_as(planned(engine), tmp_path / "run", quiet=True)
    sheets = sorted((tmp_path / "run/samples").glob("*.png"))
    assert len(sheets) == 2
    with Image.open(sheets[0]) as sheet:
        assert sheet.size[0] > 4 * 50 and sheet.size[1] == 2 + rows * 50 and sheet.mode == "RGB"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_run_that_is_resumed_ends_with_the_same_bytes_pools_included(engine: str, tmp_path: Path):
    todo, out = planned(engine), tmp_path / "run"
    job = TranslationJob(todo)
    whole, first, second = job.start(), job.start(), job.start()
    untrained = content(whole)
    taught(job, whole, 12)
    make(job, out)
    keeper = Keeper.open(job, out, first)
    taught(job, first, 7)
    keeper.scores.add(7, Opinion(1.0, 0.0, 1.0), {})
    keeper.keep(now_or_never=True)
    Keeper.open(job, out, second)
    assert second.step == 7 and content(second) == content(first)
    taught(TranslationJob(todo), second, 12)
    assert content(second) == content(whole)
    assert all(content(whole)[name] != untrained[name] for name in untrained if name not in ("judge", "tensors"))
    assert bool(whole.pools) == (engine == "cyclegan")


def test_a_run_that_a_signal_stopped_goes_on_to_the_same_translator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = translate_as(planned("cyclegan"), tmp_path / "whole", quiet=True)

    def status(*_: object) -> str:
        signal.raise_signal(signal.SIGTERM)
        return ""

    with monkeypatch.context() as patch, pytest.raises(InterruptedRun, match="all is saved") as caught:
        patch.setattr(TranslationJob, "status", status)
        translate_as(planned("cyclegan"), tmp_path / "run", quiet=True)
    assert caught.value.exit_code == 143
    assert translate_as(planned("cyclegan"), tmp_path / "run", resume=True, quiet=True).hash == whole.hash
    before = (tmp_path / "run/run.json").stat().st_mtime_ns
    translate_as(planned("cyclegan"), tmp_path / "run", resume=True, quiet=True)
    assert (tmp_path / "run/run.json").stat().st_mtime_ns == before


def test_a_run_is_resumed_with_what_it_began_with_or_not_at_all(tmp_path: Path):
    out = tmp_path / "run"
    translate_as(planned("cyclegan"), out, quiet=True)
    for todo, message in (
        (planned("cyclegan", "translate.cycle=5"), r"translate.cycle = 10.0, got 5.0; use the first"),
        (planned("cyclegan", "train.steps=20"), r"train.steps = 12, got 20"),
        (planned("cyclegan", b=noise(50, (3, 16, 16), seed=3)), r"the same images of B, got \d+"),
    ):
        with pytest.raises(ModelError, match=message):
            translate_as(todo, out, resume=True, quiet=True)
    assert check_run(out) == []


def test_the_labels_of_b_and_the_order_of_files_change_nothing():
    order = torch.randperm(len(B), generator=torch.Generator().manual_seed(0))
    other = B.subset(order)
    plain = UnlabeledImages(other.images, other.names)
    first, second = planned("digits-domain"), planned("digits-domain", b=plain)
    assert torch.equal(first.b.images, second.b.images) and first.facts() == second.facts()


def test_pairs_stay_pairs_on_both_sides_of_the_split_and_in_every_batch():
    todo = planned("pix2pix")
    for a, b in ((todo.a, todo.b), (todo.a_val, todo.b_val)):
        assert len(a) == len(b) and torch.equal(255 - a.images.expand(-1, 3, -1, -1), b.images)
    a, b = TranslationJob(todo).streams
    terms = Terms(l1=1.0, jitter=True, crop=12)
    for step in range(20):
        one, other = shown(a[step][0], b[step][0], terms, torch.Generator().manual_seed(step))
        assert one.shape[2:] == (12, 12) and torch.allclose(-one.expand(-1, 3, -1, -1), other, atol=1e-6)


def test_jitter_mirrors_and_shifts_and_what_is_no_pair_moves_alone():
    images = torch.arange(256.0).view(1, 1, 16, 16).expand(64, -1, -1, -1) / 128 - 1
    a, b = shown(images, images, Terms(jitter=True), torch.Generator().manual_seed(0))
    assert a.shape == images.shape and not torch.equal(a, b)
    mirrored = (a[:, 0, 8, 9] < a[:, 0, 8, 8]).float().mean()
    assert 0.3 < mirrored < 0.7
    plain = [shown(images, images, Terms(crop=crop), torch.Generator())[0] for crop in (None, 20)]
    assert all(torch.equal(x, images) for x in plain)


def test_images_that_are_not_square_are_learned_in_squares_and_translated_whole(tmp_path: Path):
    wide = [noise(40, (1, 16, 40), seed) for seed in (0, 1)]
    todo = planned("cyclegan", a=wide[0], b=wide[1])
    assert todo.recipe.translate.crop == 16
    translator = translate_as(todo, tmp_path / "run", quiet=True)
    assert translator.translate(wide[0].images[:2]).shape == (2, 1, 16, 40)


def test_domains_without_labels_are_translated_there_and_back(tmp_path: Path):
    plain = [UnlabeledImages(data.images, data.names, "plain") for data in (A, B)]
    recipe = load_recipe("auto", [*TINY, "translate.blocks=1"])
    todo = plan_translation(plain[0], plain[1], recipe, device="cpu")
    assert todo.recipe.translate.engine == "cyclegan" and todo.classes == ()
    assert translate_as(todo, tmp_path / "run", quiet=True).classes == ()


@pytest.mark.parametrize(
    ("engine", "settings", "message"),
    [
        ("dcgan", (), "train.projection|nets.name must be left out of a recipe for `ganaug translate fit`"),
        ("cyclegan", ("train.augment=none",), "train.augment must be left out .*got 'none'; `ganaug train` reads it"),
        ("cyclegan", ("translate.l1=1",), None),  # asks for pairs, which these are not
        ("pix2pix", ("translate.l1=0",), "translate.l1 must be above 0 for pairs"),
        ("cyclegan", ("data.groups=x",), "data.groups must be left out of a translation"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused_in_a_sentence(
    engine: str, settings: tuple[str, ...], message: str | None
):
    with pytest.raises((RecipeError, DataError), match=message or "size|partner"):
        planned(engine, *settings)


def test_what_makes_a_translation_is_refused_by_train():
    with pytest.raises(RecipeError, match=r"translate.engine must be left out of a recipe for `ganaug train`"):
        plan_gan(noise(), load_recipe("cyclegan"), device="cpu")


@pytest.mark.parametrize("key", ["task", "semantic"])
def test_terms_that_read_labels_want_some(key: str):
    plain = UnlabeledImages(A.images, A.names, "plain")
    with pytest.raises(RecipeError, match=f"translate.{key} must be 0 where A has no labels, got 1.0"):
        planned("cyclegan", f"translate.{key}=1", a=plain)


def test_too_few_images_and_equal_domains_are_refused():
    with pytest.raises(DataError, match="a domain must have 16 images or more, got 15"):
        planned("cyclegan", b=B.subset(range(15)))
    with pytest.raises(DataError, match="A and B must be different images, got the same 60 on both sides"):
        planned("cyclegan", b=A)


def test_a_run_that_diverges_names_the_images_of_both_domains(tmp_path: Path):
    todo = planned("cyclegan", "train.lr=1e30")
    with pytest.raises(DivergedError, match="taken back 3 times"):
        translate_as(todo, tmp_path / "run", quiet=True)
    found = json.loads((tmp_path / "run/diagnosis.json").read_text())
    assert set(found["files"]) == {"A", "B"} and len(found["files"]["B"]) == 4


def test_a_generator_is_no_translator_and_a_translator_no_generator(tmp_path: Path):
    translate_as(planned("cyclegan"), tmp_path / "run", quiet=True)
    with pytest.raises(ModelError, match="got a translator, which draws no images of its own"):
        Synthesizer.load(tmp_path / "run")
    (tmp_path / "gan").mkdir()
    (tmp_path / "gan/generator.json").write_text("{}")
    with pytest.raises(ModelError, match="got a generator, which draws images and translates none"):
        Translator.load(tmp_path / "gan")


def test_semantics_and_guessed_classes_of_b_take_part_where_they_are_asked_for(tmp_path: Path):
    todo = planned("cyclegan", "translate.semantic=1", "translate.guess_b=true")
    job = TranslationJob(todo)
    state = job.start()
    taught(job, state, 2)
    assert state.judge is job.judges.classifier and len(job.streams[1]._members) > 0


def shares(b_labels: Tensor) -> LabeledImages:
    """Bright images are one class, dark ones the other."""
    n = len(b_labels)
    pixels = torch.randint(0, 100, (n, 1, 16, 16), generator=torch.Generator().manual_seed(n), dtype=torch.uint8)
    pixels += (150 * b_labels).to(torch.uint8)[:, None, None, None]
    return LabeledImages(pixels, b_labels, ("dark", "light"), tuple(map(str, range(n))), "halves")


@pytest.mark.parametrize(("light", "said"), [(100, False), (180, True)])
def test_other_shares_of_the_classes_in_b_are_warned_of(
    light: int, said: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    a, b = shares(torch.arange(120) % 2), shares((torch.arange(200) < light).long())
    todo = planned("digits-domain", "train.steps=60", "train.checkpoint_every=60", a=a, b=b)
    with caplog.at_level(logging.WARNING, logger="ganaug"):
        translate_as(todo, tmp_path / "run", quiet=True)
    found = [record.getMessage() for record in caplog.records if "other shares" in record.getMessage()]
    assert bool(found) == said
    assert all("of 'light' where 50 % were drawn" in sentence for sentence in found)


def test_a_class_whose_labels_are_lost_sets_a_checkpoint_back():
    opinion = Opinion(0.1, 0.0, 0.1, kept={"ant": 0.9, "bee": 0.4}, known={"ant": 1.0, "bee": 0.9})
    assert opinion.collapsed == ["bee"] and opinion.preservation == pytest.approx(0.65)
    assert recalls(torch.tensor([True, False]), torch.tensor([1, 1]), ("ant", "bee")) == {"bee": 0.5}


def test_the_python_door_is_the_command(tmp_path: Path):
    np.savez(tmp_path / "a.npz", images=A.images[:, 0].numpy(), labels=A.labels.numpy())
    np.savez(tmp_path / "b.npz", images=B.images.permute(0, 2, 3, 1).numpy())
    recipe = load_recipe("cyclegan", [*TINY, "translate.blocks=1"])
    translator = ganaug.fit_translation(
        tmp_path / "a.npz", tmp_path / "b.npz", out=tmp_path / "run", recipe=recipe, device="cpu", quiet=True
    )
    assert translator.translate(A.images[:1]).dtype == torch.uint8 and translator.classes == ("0", "1", "2")
