"""A run goes on only as it began, and tells when a byte of it changed."""

import json
import random
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from shell import learn_fast, tree
from tiny_run import CLASSES, finished, flip, noise, planned, unfinish

from ganaug.checkpoint import read_checkpoint, write_sealed
from ganaug.data import LabeledImages
from ganaug.errors import ModelError
from ganaug.files import sealed_json
from ganaug.run import Plan, check_run, execute
from ganaug.run.folder import read_facts


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    learn_fast(monkeypatch)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    return finished(tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


# Going on as it began


def refusal(out: Path, todo: Plan) -> str:
    before = tree(unfinish(out))
    with pytest.raises(ModelError) as caught:
        execute(todo, out, resume=True, quiet=True)
    assert caught.value.exit_code == 2 and tree(out) == before
    return str(caught.value).removeprefix(f"{out} must be resumed with ")


def renamed(*classes: str) -> LabeledImages:
    return replace(noise(), classes=classes)


def test_other_classes_are_refused_by_name(copy: Path) -> None:
    more = replace(noise(), classes=(*CLASSES, "dog"), labels=torch.arange(60) % 4)
    rest = "in noise; pass the first command's DATA"
    assert refusal(copy, planned(data=more)) == f"the same classes, got 'dog' added {rest}"
    fewer = replace(noise(), classes=CLASSES[:2], labels=torch.arange(60) % 2)
    assert refusal(copy, planned(data=fewer)) == f"the same classes, got 'cat' missing {rest}"
    assert refusal(copy, planned(data=renamed("ant", "bee", "cow"))) == (
        f"the same classes, got 'cat' missing and 1 more changed {rest}"
    )
    assert refusal(copy, planned(data=renamed("bee", "ant", "cat"))).startswith("the same classes, got another order: ")


def test_another_size_is_refused_by_name(copy: Path) -> None:
    assert refusal(copy, planned(data=noise(shape=(3, 12, 16)))) == (
        "images of 1x8x8 (channels x height x width), got 3x12x16 in noise; set data.resolution"
    )


def test_another_architecture_is_refused_by_name(copy: Path) -> None:
    assert refusal(copy, planned("nets.width=8")) == "nets.width = 4, got 8; use the first command's options"
    assert refusal(copy, planned("nets.name=dcgan")).startswith("nets.name = residual, got dcgan")


def test_another_objective_is_refused_by_name(copy: Path) -> None:
    assert refusal(copy, planned("train.lr=0.5")).startswith("train.lr = 0.0015, got 0.5")
    assert refusal(copy, planned("data.skip_bad=true")).startswith("data.skip_bad = False, got True")


def test_more_fewer_and_other_images_are_refused_with_their_numbers(copy: Path) -> None:
    rest = "in noise; pass the first command's DATA and --val"
    assert refusal(copy, planned(data=noise(90))) == f"the same training images, got 72 where there were 48 {rest}"
    assert refusal(copy, planned(data=noise(30))) == f"the same training images, got 24 where there were 48 {rest}"
    assert refusal(copy, planned(data=noise(seed=1))) == f"the same training images, got 48 others {rest}"
    other = replace(planned(), val=noise(7, seed=5))
    assert refusal(copy, other) == f"the same validation images, got 7 where there were 12 {rest}"


def test_a_run_that_named_neither_classes_nor_sizes_goes_on(copy: Path) -> None:
    facts = json.loads((unfinish(copy) / "run.json").read_text())
    old = {
        key: value for key, value in facts.items() if key not in ("classes", "shape", "files", "val_images", "sha256")
    }
    (copy / "run.json").write_text(json.dumps(old, indent=1))  # unsealed, as it once was
    execute(planned(), copy, resume=True, quiet=True)
    assert read_facts(copy)["status"] == "complete" and check_run(copy) == []


def test_going_on_elsewhere_is_allowed_with_a_warning(copy: Path, caplog: pytest.LogCaptureFixture) -> None:
    facts = json.loads((unfinish(copy) / "run.json").read_text())
    (copy / "run.json").write_bytes(sealed_json({**facts, "device": "cuda"}))
    execute(planned(), copy, resume=True, quiet=True)
    assert [r.getMessage() for r in caplog.records if "bit for bit" in r.getMessage()] == [
        f"{copy} began with device cuda and goes on with cpu: "
        "from here on it need not equal an unbroken run bit for bit"
    ]


@pytest.mark.parametrize("name", ["run.json", "recipe.toml"])
def test_an_altered_run_is_not_resumed(name: str, whole: Path, tmp_path: Path) -> None:
    todo, rng = planned(), random.Random(name)
    out = tmp_path / "run"
    out.mkdir()
    for _ in range(20):
        for file in ("run.json", "recipe.toml"):
            shutil.copy(whole / file, out)
        flip(out / name, rng)
        with pytest.raises(ModelError, match=f"{name} must be as it was written, got an altered one"):
            execute(todo, out, resume=True, quiet=True)


# Every byte


KINDS = (
    *("run.json", "recipe.toml", "progress.jsonl", "samples/step-000000020.png"),
    *(f"checkpoints/step-000000010/{name}.safetensors" for name in ("G", "D", "G_ema", "opt_G", "opt_D")),
    *(f"checkpoints/step-000000010/{name}.json" for name in ("state", "manifest")),
    *(f"generator/{name}" for name in ("generator.safetensors", "generator.json", "manifest.json")),
)


@pytest.fixture(scope="module")
def slim(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file of every kind, so that a look at all of them costs little."""
    out = Path(shutil.copytree(whole, tmp_path_factory.mktemp("slim") / "run"))
    for step in ("000000020", "000000030"):
        shutil.rmtree(out / f"checkpoints/step-{step}")
    facts = json.loads((out / "run.json").read_text())
    files = {name: total for name, total in facts["files"].items() if (out / name).is_file()}
    (out / "run.json").write_bytes(sealed_json({**facts, "files": files}))
    return out


def test_the_kinds_are_all_there_are(whole: Path, slim: Path) -> None:
    kinds = {re.sub(r"samples/step-\d+", "samples/step-000000020", name) for name in tree(slim)}
    assert kinds == set(KINDS)
    assert check_run(whole) == check_run(slim) == check_run(whole / "generator") == []


@pytest.mark.parametrize("name", KINDS)
def test_every_flip_of_a_byte_is_found_and_the_file_named(name: str, slim: Path) -> None:
    rng, content, missed = random.Random(name), (slim / name).read_bytes(), []
    for _ in range(200):
        flip(slim / name, rng)
        found = check_run(slim)
        if not (len(found) == 1 and found[0].startswith(f"{name}: must ")):
            missed.append(found)
        (slim / name).write_bytes(content)
    assert missed == []


def test_missing_and_surplus_files_are_named(copy: Path) -> None:
    for name in ("samples/step-000000010.png", "recipe.toml", "checkpoints/step-000000010/D.safetensors"):
        (copy / name).unlink()
    for name in ("notes.txt", "samples/mine.png", "checkpoints/step-000000020/extra", "generator/.x"):
        (copy / name).write_text("?")
    shutil.copytree(copy / "checkpoints/step-000000030", copy / "checkpoints/step-000000099")
    shutil.rmtree(copy / "checkpoints/step-000000030")
    assert check_run(copy) == [
        "recipe.toml: must be there, got no such file",
        "samples/step-000000010.png: must be there, got no such file",
        "checkpoints/step-000000030/manifest.json: must be there, got no such file",
        "checkpoints/step-000000010/D.safetensors: must be readable, got No such file or directory, "
        "though manifest.json lists it",
        "checkpoints/step-000000020/extra: must not be there, got a file that the manifest does not list",
        "checkpoints/step-000000099: must not be there, got a folder that no sum names",
        "generator/.x: must not be there, got a file that the manifest does not list",
        "notes.txt: must not be there, got a file that no sum names",
        "samples/mine.png: must not be there, got a file that no sum names",
    ]


def test_what_is_no_run_is_told_in_one_sentence(tmp_path: Path, copy: Path) -> None:
    assert check_run(tmp_path / "absent") == [
        f"run.json: must be there, got 'No such file or directory'; is {tmp_path / 'absent'} a run of ganaug's?"
    ]
    (copy / "run.json").write_text("{}")
    assert check_run(copy) == ["run.json: must hold the sums of the other files, got none; an older ganaug wrote it"]
    flip(copy / "generator/generator.json", random.Random(0))
    (deviation,) = check_run(copy / "generator")
    assert deviation.startswith("generator.json: must have the sha256 and size in manifest.json, got others")


def test_an_unfinished_run_is_checked_as_far_as_it_is_sealed(copy: Path) -> None:
    facts = json.loads((copy / "run.json").read_text())
    files = {"recipe.toml": facts["files"]["recipe.toml"]}
    (copy / "run.json").write_bytes(sealed_json({**facts, "status": "training", "files": files}))
    with (copy / "progress.jsonl").open("a") as log:
        log.write('{"step": 31, "secon')  # cut by a kill
    (copy / "checkpoints/.step-000000040.host-1-0.tmp").mkdir()
    (copy / "checkpoints/.step-000000040.host-1-0.tmp/G.safetensors").write_text("")
    (copy / "diagnosis.json").write_text("{}")
    assert check_run(copy) == []
    (copy / "progress.jsonl").write_text("{}\n?\n{}\n")
    (copy / "samples/step-000000010.png").write_bytes(b"\x89PNG")
    (copy / "diagnosis.json").write_text("{")
    (copy / "notes.txt").write_text("")
    flip(copy / "checkpoints/step-000000020/opt_D.safetensors", random.Random(0))
    flip(copy / "recipe.toml", random.Random(0))
    assert [line.partition(": ")[0] for line in check_run(copy)] == [
        "recipe.toml",
        "checkpoints/step-000000020/opt_D.safetensors",
        "diagnosis.json",
        "notes.txt",
        "progress.jsonl line 2",
        "samples/step-000000010.png",
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"D.safetensors": None}, "step-000000040 must hold D.safetensors, got none"),
        ({"state.json": b"{}"}, "state.json must be as it was written, got another"),
        ({"state.json": b'{"step": -3, "scores": {}}'}, "state.json must be as it was written, got another"),
        ({"opt_G.safetensors": b"?"}, "opt_G.safetensors must be safetensors"),
    ],
    ids=str,
)
def test_a_sealed_checkpoint_of_another_kind_is_refused(change: dict[str, bytes | None], said: str, copy: Path) -> None:
    payload = read_checkpoint(unfinish(copy) / "checkpoints", 30) | change
    write_sealed(copy / "checkpoints/step-000000040", {k: v for k, v in payload.items() if v is not None}, {"step": 40})
    with pytest.raises(ModelError, match=said):
        execute(planned(), copy, resume=True, quiet=True)
