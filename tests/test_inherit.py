"""`train.init`: what fits of another model is taken over, classes go by their names, and what does not fit is drawn."""

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from shell import ganaug, learn_fast, pictures, write_folder
from tiny_run import NETS, SETTINGS, finished, noise, unfinish
from torch import Tensor, nn

from ganaug.conditioning import CLASS_HEADS, Discriminator
from ganaug.data import LabeledImages
from ganaug.errors import ModelError
from ganaug.nets import NETS as PAIRS
from ganaug.recipe import load_recipe
from ganaug.run import Plan, execute, plan
from ganaug.run.folder import make, recorded_init
from ganaug.run.gan import GanJob
from ganaug.run.inherit import inherit
from ganaug.run.same import is_complete
from ganaug.study import gather
from ganaug.synthesis import Architecture, Synthesizer

OLD = ("ant", "bee", "cat")
NEW = ("cow", "cat", "ant")  # another order, one new, one gone


def generator(
    name: str, classes: tuple[str, ...], shape: tuple[int, int, int] = (1, 16, 16), seed: int = 0
) -> nn.Module:
    torch.manual_seed(seed)
    return Architecture(name=name, width=8, z_dim=len(OLD), shape=shape, classes=classes).build()


def discriminator(name: str, K: int, head: str, shape: tuple[int, int, int] = (1, 16, 16), seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return Discriminator(PAIRS[name].trunk(shape, 8), K, projection=True, class_head=CLASS_HEADS[head])


def model(root: Path, name: str, head: str = "adcgan", **facts: object) -> Path:
    """A finished run with a generator and one checkpoint, as far as another run looks at it."""
    from ganaug.checkpoint import dump_module, save_checkpoint

    architecture = Architecture(name=name, width=8, z_dim=len(OLD), shape=(1, 16, 16), classes=OLD)
    Synthesizer(generator(name, OLD, seed=1), architecture, dict(facts), "cpu").save(root / "generator")
    D = discriminator(name, len(OLD), head, seed=1)
    save_checkpoint(root / "checkpoints", 10, {"D.safetensors": dump_module(D)})
    return root


def weights(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


# What fits


@pytest.mark.parametrize("name", PAIRS)
def test_equal_networks_are_taken_over_whole(name: str, tmp_path: Path):
    G, D = generator(name, OLD), discriminator(name, 3, "adcgan")
    tensors, of_D = len(G.state_dict()), len(D.state_dict())
    said = inherit(model(tmp_path / "old", name), G, D, OLD)
    assert said == [
        f"G starts from {tmp_path / 'old'} with {tensors} of {tensors} tensors (100 % of the numbers)",
        f"D starts from it with {of_D} of {of_D} tensors (100 % of the numbers)",
    ]
    for new, old in ((G, generator(name, OLD, seed=1)), (D, discriminator(name, 3, "adcgan", seed=1))):
        assert all(torch.equal(t, old.state_dict()[key]) for key, t in new.state_dict().items())


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("now", [NEW, ("cat", "dog", "ant", "eel", "bee"), ("dog", "ant")])
def test_the_numbers_of_a_class_follow_its_name(name: str, now: tuple[str, ...], tmp_path: Path):
    """z has as many numbers as the model has classes, so that nothing is told by sizes alone."""
    G, D = generator(name, now), discriminator(name, len(now), "adcgan")
    drawn, drawn_D = weights(G), weights(D)
    old, old_D = weights(generator(name, OLD, seed=1)), weights(discriminator(name, 3, "adcgan", seed=1))
    inherit(model(tmp_path / "old", name), G, D, now)
    labels = [key for key, part in G.named_modules() if isinstance(part, nn.Embedding)]
    assert labels or name == "dcgan"
    for key, tensor in G.state_dict().items():
        for k, label in enumerate(now):
            source, row = (old, OLD.index(label)) if label in OLD else (drawn, k)
            if key.removesuffix(".weight") in labels:
                assert torch.equal(tensor[k], source[key][row]), (key, label)
            elif (name, key) == ("dcgan", "input.weight"):
                assert torch.equal(tensor[:, 3 + k], source[key][:, 3 + row])
        if (name, key) == ("dcgan", "input.weight"):
            assert torch.equal(tensor[:, :3], old[key][:, :3])
        elif key.removesuffix(".weight") not in labels:
            assert torch.equal(tensor, old[key]), key
    K, new_D = len(now), D.state_dict()
    for k, label in enumerate(now):
        source, row, many = (old_D, OLD.index(label), 3) if label in OLD else (drawn_D, k, K)
        assert torch.equal(new_D["label.weight"][k], source["label.weight"][row])
        for part in ("weight", "bias"):  # first as real, then as fake
            assert torch.equal(new_D[f"head.{part}"][k], source[f"head.{part}"][row])
            assert torch.equal(new_D[f"head.{part}"][K + k], source[f"head.{part}"][many + row])


def test_a_generator_draws_for_a_class_what_the_old_one_drew(tmp_path: Path):
    G = generator("residual", NEW).eval()
    inherit(model(tmp_path / "old", "residual"), G, None, NEW)
    z = torch.randn(4, 3)
    old = generator("residual", OLD, seed=1).eval()
    cat = torch.full((4,), OLD.index("cat")), torch.full((4,), NEW.index("cat"))
    assert torch.equal(old(z, cat[0]), G(z, cat[1]))


def test_what_was_reused_and_what_not_is_said(tmp_path: Path):
    G, D = generator("residual", NEW, shape=(3, 16, 16)), discriminator("residual", 3, "acgan", shape=(3, 16, 16))
    said = inherit(model(tmp_path / "old", "residual"), G, D, NEW)
    all_but = [len(G.state_dict()) - 2, len(D.state_dict()) - 3]  # colours out; colours in, and a head of half the size
    assert f"with {all_but[0]} of {all_but[0] + 2} tensors (" in said[0]
    assert f"with {all_but[1]} of {all_but[1] + 3} tensors (" in said[1]
    assert said[2:] == ["new to it and freshly drawn: 'cow'", "known to it and not wanted here: 'bee'"]


def test_a_head_of_other_meaning_is_no_head_though_its_size_is_the_same(tmp_path: Path):
    """Twice three classes with real and fake, or six classes: six rows."""
    six = (*OLD, "dog", "eel", "fox")
    D = discriminator("residual", 6, "acgan")
    drawn = weights(D)
    inherit(model(tmp_path / "old", "residual"), generator("residual", six), D, six)
    assert torch.equal(D.state_dict()["head.weight"], drawn["head.weight"])
    assert not torch.equal(D.state_dict()["label.weight"][0], drawn["label.weight"][0])


def test_a_generator_folder_alone_has_no_D(tmp_path: Path):
    D = discriminator("residual", 3, "adcgan")
    drawn = weights(D)
    said = inherit(model(tmp_path / "old", "residual") / "generator", generator("residual", OLD), D, OLD)
    assert said[1:] == ["D starts from nothing"]
    assert all(torch.equal(tensor, drawn[key]) for key, tensor in D.state_dict().items())


def test_the_best_checkpoint_is_taken_before_the_newest(tmp_path: Path):
    from ganaug.checkpoint import dump_module, save_checkpoint

    root = model(tmp_path / "old", "residual", best_step=10)
    newer = discriminator("residual", 3, "adcgan", seed=2)
    save_checkpoint(root / "checkpoints", 20, {"D.safetensors": dump_module(newer)})
    for keep, seed in ((True, 1), (False, 2)):
        if not keep:
            shutil.rmtree(root / "checkpoints/step-000000010")
        D = discriminator("residual", 3, "adcgan")
        inherit(root, generator("residual", OLD), D, OLD)
        expected = weights(discriminator("residual", 3, "adcgan", seed=seed))
        assert all(torch.equal(tensor, expected[key]) for key, tensor in D.state_dict().items())


def test_nothing_that_fits_no_model_and_a_damaged_one_are_refused(tmp_path: Path):
    old = model(tmp_path / "old", "residual")
    with pytest.raises(ModelError, match=r"something fits, got .*old with residual networks; set nets.name and"):
        inherit(old, generator("dcgan", OLD), None, OLD)
    with pytest.raises(ModelError, match=r"train.init: .*nowhere must be a run folder or a generator folder"):
        inherit(tmp_path / "nowhere", generator("residual", OLD), None, OLD)
    D = old / "checkpoints/step-000000010/D.safetensors"
    D.write_bytes(D.read_bytes()[:-4])
    with pytest.raises(ModelError, match=r"D\.safetensors must have the sha256"):
        inherit(old, generator("residual", OLD), discriminator("residual", 3, "adcgan"), OLD)
    shutil.copytree(old / "generator", tmp_path / "flipped")
    file = tmp_path / "flipped/generator.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    G = generator("residual", OLD)
    drawn = weights(G)
    with pytest.raises(ModelError, match=r"train.init: .*generator\.safetensors must have the sha256"):
        inherit(tmp_path / "flipped", G, None, OLD)
    assert all(torch.equal(tensor, drawn[key]) for key, tensor in G.state_dict().items())


# In a plan, and in a run


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    learn_fast(monkeypatch)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("old") / "run")


def starting(run: Path | str, *settings: str, data: LabeledImages | None = None, init: str | None = None) -> Plan:
    recipe = load_recipe("auto", [*SETTINGS, f"train.init={run}", *settings])
    return plan(data or noise(), recipe, device="cpu", init=init)


def test_the_plan_knows_the_weights_and_says_what_fits(run: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(run.parent)
    todo = starting("run")
    sha256 = Synthesizer.load(run, "cpu").hash
    assert todo.init == sha256 and todo.recipe.train.init == str(run)
    assert todo.facts()["recipe"]["train"]["init"] == f"model:{sha256[:12]}" and str(run) not in json.dumps(
        todo.facts()
    )
    assert todo.sources()["init"] == {"model": str(run), "sha256": sha256}
    [line] = [str(choice) for choice in todo.choices if choice.key == "train.init"]
    assert line.startswith(f"train.init = model:{sha256[:12]}: G starts from {run} with ")
    assert plan(noise(), load_recipe("auto", SETTINGS), device="cpu").init == ""


def test_networks_that_are_left_open_are_the_models(run: Path):
    recipe = load_recipe("auto", ["train.steps=30", f"train.init={run}"])
    todo = plan(noise(), recipe, device="cpu")
    assert (todo.recipe.nets.name, todo.recipe.nets.width, todo.recipe.nets.z_dim) == ("residual", 4, 8)
    assert {f"nets.{key} = {value}: as in train.init" for key, value in (("width", 4), ("z_dim", 8))} <= set(
        map(str, todo.choices)
    )
    assert "100 % of the numbers" in str(todo.choices[-1])
    with pytest.raises(ModelError, match=r"set nets.name and nets.width as there"):
        starting(run, "nets.name=dcgan")


def test_other_images_are_a_caution_and_the_same_are_none(run: Path, caplog: pytest.LogCaptureFixture):
    def said(**arguments: object) -> bool:
        caplog.clear()
        with caplog.at_level(logging.WARNING, "ganaug"):
            starting(run, **arguments)  # type: ignore[arg-type]
        lines = [record.getMessage() for record in caplog.records]
        return any("train.init: whether images that" in line and "cannot be known" in line for line in lines)

    assert not said() and said(data=noise(seed=1))
    renamed = replace(noise(), classes=("ant", "bee", "dog"))
    assert said(data=renamed)


def test_a_missing_or_foreign_model_leaves_nothing_behind(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]
):
    data = write_folder(tmp_path / "data", pictures(240))
    nets = [f"--set={setting}" for setting in (*NETS, "train.steps=4")]
    unfinished = Path(shutil.copytree(run, tmp_path / "unfinished"))
    shutil.rmtree(unfinished / "generator")
    for name, sentence in (
        (tmp_path / "nowhere", "train.init: "),
        (data, "must be a run folder or a generator folder, got another folder"),
        (unfinished, "must be a finished run, got one without a generator"),
    ):
        assert ganaug("train", data, "-o", tmp_path / "out", "-q", *nets, "--set", f"train.init={name}") == 2
        error = capsys.readouterr().err
        assert sentence in error and error.count("\n") == 1 and not (tmp_path / "out").exists()


def test_a_resumed_run_needs_the_model_only_at_its_start(tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]):
    data = write_folder(tmp_path / "data", pictures(240))
    old = Path(shutil.copytree(run, tmp_path / "old"))
    nets = [f"--set={setting}" for setting in (*NETS, "train.steps=4", "train.checkpoint_every=2")]
    out = tmp_path / "out"
    assert ganaug("train", data, "-o", out, "-q", *nets, "--set", f"train.init={old}") == 0
    card = (out / "generator/generator.json").read_text()
    assert str(tmp_path) not in card and f'"init": "model:{Synthesizer.load(old, "cpu").hash[:12]}"' in card
    write_folder(tmp_path / "test", pictures(30, seed=1))
    [note] = gather(out, data, None, tmp_path / "test", load_recipe("auto")).notes
    assert note.endswith("began with the weights of another model, which may have seen test images.")
    shutil.rmtree(old)
    assert recorded_init(out) and recorded_init(run) is None
    capsys.readouterr()
    assert ganaug("train", data, "-o", unfinish(out), "-q", "--resume") == 0
    shutil.rmtree(unfinish(out) / "checkpoints")
    assert ganaug("train", data, "-o", out, "-q", "--resume") == 2
    assert "train.init: " in capsys.readouterr().err and recorded_init(out) is None


def test_at_step_0_another_model_in_its_place_is_refused(tmp_path: Path, run: Path):
    place = Path(shutil.copytree(run, tmp_path / "place"))
    make(GanJob(starting(place)), tmp_path / "new")
    assert not is_complete(GanJob(starting(place)), tmp_path / "new")
    other = execute(
        plan(noise(), load_recipe("auto", [*SETTINGS, "train.seed=1"]), device="cpu"), tmp_path / "b", quiet=True
    )
    shutil.rmtree(place)
    shutil.copytree(tmp_path / "b", place)
    with pytest.raises(ModelError, match=rf"train.init = model:.*, got model:{other.hash[:12]}; use the first"):
        is_complete(GanJob(starting(place)), tmp_path / "new")
    with pytest.raises(ModelError, match=rf"train.init = {place}, got {run}; use the first command's options"):
        is_complete(GanJob(starting(run)), tmp_path / "new")
