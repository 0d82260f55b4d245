"""A synthesizer: the same image wherever it is asked for, and a folder that cannot lie about what it holds."""

import json
import random
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from generators import generator

from ganaug.checkpoint import MANIFEST, read_sealed, write_sealed
from ganaug.corpus import check_corpus, write_corpus
from ganaug.errors import DataError, GanaugError, ModelError, OutputError
from ganaug.files import sealed_json
from ganaug.nets import NETS
from ganaug.synthesis import Synthesizer, generator_folder, is_model
from ganaug.synthesis.philox import latents

CLASSES = ("zebra", "ant", "bee")
FILES = ("generator.safetensors", "generator.json", MANIFEST)


def synthesizer(name: str = "residual", shape: tuple[int, int, int] = (1, 8, 8), seed: int = 0) -> Synthesizer:
    return generator(shape, CLASSES, seed, name)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "generator"
    synthesizer().save(folder)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "generator"))


def forged(folder: Path, **changes: Any) -> Path:
    """The folder with other facts in generator.json, sealed as if nothing had happened."""
    payload = read_sealed(folder)
    card = json.loads(payload["generator.json"])
    for key, value in changes.items():
        table, _, name = key.rpartition("__")
        (card[table] if table else card)[name] = value
    payload["generator.json"] = json.dumps(card).encode()
    shutil.rmtree(folder)
    write_sealed(folder, payload)
    return folder


# images


@pytest.mark.parametrize("name", NETS)
def test_an_image_is_the_same_alone_in_any_batch_and_in_any_order(name: str):
    synth = synthesizer(name, (3, 12, 10))
    labels, indices = torch.arange(100) % 3, torch.arange(100) * 7
    whole, same = synth.sample(labels, seed=5, indices=indices)
    assert whole.shape == (100, 3, 12, 10) and whole.dtype == torch.uint8 and torch.equal(same, labels)
    for i in (0, 31, 32, 57, 99):
        alone, _ = synth.sample([int(labels[i])], seed=5, indices=[int(indices[i])])
        assert torch.equal(alone[0], whole[i])
    order = torch.randperm(100, generator=torch.Generator().manual_seed(0))
    for size in (1, 3, 32, 33, 100):
        parts = [synth.sample(labels[part], 5, indices[part])[0] for part in order.split(size)]
        assert torch.equal(torch.cat(parts), whole[order])


def test_positions_count_from_zero_where_none_are_given():
    synth = synthesizer()
    assert torch.equal(synth.sample([0, 1, 0])[0], synth.sample([0, 1, 0], 0, [0, 1, 2])[0])
    images, labels = synth.sample([])
    assert images.shape == (0, 1, 8, 8) and labels.shape == (0,)


def test_every_part_of_the_address_counts():
    addresses = [(seed, label, index) for seed in (0, 1, 2**64 - 1) for label in range(3) for index in (0, 1, 2**40)]
    rows = {latents(6, s, torch.tensor([y]), torch.tensor([i])).numpy().tobytes() for s, y, i in addresses}
    assert len(rows) == len(addresses)
    synth = synthesizer()
    images = {synth.sample([y], seed=s, indices=[i])[0].numpy().tobytes() for s, y, i in addresses}
    assert len(images) == len(addresses)


def test_latents_are_standard_normal():
    z = latents(8, 3, torch.arange(4000) % 3, torch.arange(4000)).double()
    assert abs(z.mean()) < 0.02 and abs(z.std() - 1) < 0.02
    assert (torch.corrcoef(z.T) - torch.eye(8)).abs().max() < 0.07


def test_sampling_leaves_the_global_generator_alone():
    state = torch.get_rng_state()
    synthesizer().sample([0, 1])
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(
    ("labels", "indices", "said"),
    [
        ([0, 3], None, r"labels must lie in \[0, 3\), got \[0, 3\]; the classes are \['zebra'"),
        ([-1], None, "labels must lie in"),
        ([[0]], None, r"labels must be a list of class numbers \[N\]"),
        (0, None, "labels must be a list of class numbers"),
        ([0, 1], [0], "indices must be one per label"),
        ([0], [-1], "indices must be 0 or more, got -1"),
    ],
)
def test_labels_and_indices_are_checked(labels: Any, indices: Any, said: str):
    with pytest.raises(DataError, match=said):
        synthesizer().sample(labels, indices=indices)


@pytest.mark.parametrize("name", NETS)
def test_images_spread_as_the_latent_scale_grows_and_one_is_none(name: str):
    synth, labels = synthesizer(name, (1, 16, 16)), [0] * 40
    with torch.no_grad():
        for parameter in synth.G.parameters():
            if parameter.ndim > 1 and name == "dcgan":
                parameter.mul_(5)  # born so small that rounding to 1/255 would hide the spread
    spread = [float(synth.sample(labels, scale=s)[0].float().std(0).mean()) for s in (0.0, 0.5, 1.0, 2.0)]
    assert spread == sorted(set(spread)) and spread[0] < 0.05 * spread[2]
    assert torch.equal(synth.sample(labels)[0], synth.sample(labels, scale=1.0)[0])


@pytest.mark.parametrize("name", NETS)
def test_an_image_off_scale_is_the_same_alone_and_among_others(name: str):
    synth, labels = synthesizer(name), torch.arange(40) % 3
    whole, _ = synth.sample(labels, seed=5, scale=0.7)
    for i in (0, 31, 39):
        assert torch.equal(synth.sample([int(labels[i])], 5, [i], scale=0.7)[0][0], whole[i])


@pytest.mark.parametrize("scale", [-0.1, 4.1, float("nan"), float("inf")])
def test_a_latent_scale_out_of_range_is_refused_and_leaves_no_corpus(tmp_path: Path, scale: float):
    with pytest.raises(DataError, match=r"the latent scale must lie in \[0, 4\], got "):
        synthesizer().sample([0], scale=scale)
    with pytest.raises(DataError, match="the latent scale must lie in"):
        write_corpus(synthesizer(), tmp_path / "corpus", [1, 1, 1], scale=scale)
    assert not any(tmp_path.iterdir())


def test_a_corpus_records_its_latent_scale_and_is_resumed_with_that_alone(tmp_path: Path):
    out = write_corpus(synthesizer(), tmp_path / "corpus", [1, 1, 1], scale=0.5)
    assert json.loads((out / "corpus.json").read_text())["latent_scale"] == 0.5
    assert "latent scale 0.5" in (out / "README.md").read_text() and check_corpus(out) == []
    assert write_corpus(synthesizer(), out, [1, 1, 1], scale=0.5, resume=True) == out
    with pytest.raises(OutputError, match="got another latent_scale"):
        write_corpus(synthesizer(), out, [1, 1, 1], resume=True)


def test_a_corpus_from_before_there_was_a_scale_is_still_the_one_asked_for(tmp_path: Path):
    out = write_corpus(synthesizer(), tmp_path / "corpus", [1, 1, 1])
    facts = json.loads((out / "corpus.json").read_text())
    del facts["latent_scale"], facts["sha256"]
    (out / "corpus.json").write_bytes(sealed_json(facts))
    assert check_corpus(out) == [] and write_corpus(synthesizer(), out, [1, 1, 1], resume=True) == out
    with pytest.raises(OutputError, match="got another latent_scale"):
        write_corpus(synthesizer(), out, [1, 1, 1], scale=0.5, resume=True)


# folders


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 13), (4, 16, 12)], ids=str)
def test_a_saved_generator_draws_the_same_images(tmp_path: Path, name: str, shape: tuple[int, int, int]):
    synth = synthesizer(name, shape)
    synth.save(tmp_path / "run" / "generator")
    for path in (tmp_path / "run" / "generator", tmp_path / "run"):
        again = Synthesizer.load(path, "cpu")
        assert again.hash == synth.hash and again.classes == CLASSES and again.shape == shape
        assert again.provenance == synth.provenance and again.folder == (tmp_path / "run" / "generator").resolve()
        assert torch.equal(again.sample([0, 1, 2], seed=3)[0], synth.sample([0, 1, 2], seed=3)[0])
    assert not any(p.requires_grad for p in again.G.parameters()) and not again.G.training
    assert repr(again).startswith(f"Synthesizer({synth.hash[:8]}, 3 classes, ")


def test_the_hash_is_that_of_the_weights(folder: Path):
    assert Synthesizer.load(folder, "cpu").hash == synthesizer().hash != synthesizer(seed=1).hash


def test_a_folder_is_never_written_over(folder: Path):
    with pytest.raises(OutputError, match="must be a new or empty folder"):
        synthesizer(seed=1).save(folder)
    assert Synthesizer.load(folder, "cpu").hash == synthesizer().hash


def test_weights_that_are_not_finite_are_not_exported(tmp_path: Path):
    synth = synthesizer()
    next(synth.G.parameters()).data[0] = float("nan")
    with pytest.raises(ModelError, match="must have finite weights"):
        synth.save(tmp_path / "generator")
    assert not (tmp_path / "generator").exists()


def test_the_folder_holds_the_generator_alone_and_no_path_that_nobody_typed(folder: Path):
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    synth = Synthesizer.load(folder, "cpu")
    header = (folder / "generator.safetensors").read_bytes()
    names = json.loads(header[8 : 8 + int.from_bytes(header[:8], "little")])
    assert set(names) - {"__metadata__"} == set(synth.G.state_dict())
    text = b"".join((folder / name).read_bytes() for name in FILES)
    for told in (str(Path.cwd()), str(Path.home()), str(folder.parent)):
        assert told.encode() not in text


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_byte_in_any_file_is_refused(folder: Path, name: str):
    file, rng = folder / name, random.Random(name)
    whole = file.read_bytes()
    for _ in range(50):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        file.write_bytes(damaged)
        with pytest.raises(ModelError) as caught:
            Synthesizer.load(folder, "cpu")
        assert name in str(caught.value) and str(folder) in str(caught.value)
    file.write_bytes(whole)
    Synthesizer.load(folder, "cpu")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder: Path, name: str):
    (folder / name).unlink()
    with pytest.raises(ModelError, match="generator" if name == "generator.json" else name):
        Synthesizer.load(folder, "cpu")


def test_other_weights_under_the_same_card_are_refused(folder: Path):
    payload, other = read_sealed(folder), synthesizer(seed=1)
    other.save(folder.parent / "other")
    payload["generator.safetensors"] = read_sealed(folder.parent / "other")["generator.safetensors"]
    shutil.rmtree(folder)
    write_sealed(folder, payload)
    with pytest.raises(ModelError, match="must name the sha256 of the weights beside it"):
        Synthesizer.load(folder, "cpu")
    forged(folder, sha256=other.hash)
    with pytest.raises(ModelError, match=r"must render its probes here .* mean difference of \d"):
        Synthesizer.load(folder, "cpu")


def bomb(side: int) -> str:
    import base64

    from test_images import png_header

    return base64.b64encode(png_header(side, side)).decode()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"architecture__width": 10**9}, "architecture.width must be valid"),
        ({"architecture__width": 1024}, "must fit the architecture"),
        ({"architecture__z_dim": 10**9}, "architecture.z_dim must be valid"),
        ({"architecture__z_dim": 4096}, "must fit the architecture"),
        ({"architecture__name": "os.system"}, "must be one of residual, resnet, style, biggan, dcgan, got 'os.system'"),
        ({"architecture__shape": [1, 4096, 4096]}, "must fit the architecture"),
        ({"architecture__shape": [2, 8, 8]}, "channels must be 1, 3 or 4"),
        ({"architecture__shape": [1, 8]}, "architecture.shape"),
        ({"architecture__shape": [1, 8, 10**6]}, "architecture.shape.2 must be valid"),
        ({"architecture__shape": [3, 8, 8]}, "must fit the architecture"),
        ({"architecture__classes": ["a"]}, "architecture.classes must be valid"),
        ({"architecture__classes": ["a", "b"]}, "must fit the architecture"),
        ({"architecture__classes": [str(i) for i in range(10**5)]}, "must fit the architecture"),
        ({"architecture__path": "x"}, "architecture.path must be valid"),
        ({"schema": 2}, "schema must be valid"),
        ({"sha256": 3}, "sha256 must be valid"),
        ({"probes__labels": []}, "probes.labels must be valid"),
        ({"probes__labels": [0] * 65}, "probes.labels must be valid"),
        ({"probes__labels": [9]}, "labels must lie in"),
        ({"probes__png": "not base64!"}, "the probes must be a picture"),
        ({"probes__png": "aGVsbG8="}, "the probes must be a picture"),
        ({"probes__png": bomb(60_000)}, "the probes must be a picture"),
        ({"probes__png": bomb(5_000)}, r"the probes must be \[1, 8, 64\], got others"),
        ({"surplus": 1}, "surplus must be valid"),
    ],
)
def test_a_hostile_card_is_refused_at_once(folder: Path, changes: dict[str, Any], said: str):
    forged(folder, **changes)
    start = time.process_time()
    with pytest.raises(GanaugError, match=said):
        Synthesizer.load(folder, "cpu")
    assert time.process_time() - start < 2


def test_a_card_that_is_no_json_or_not_listed_is_refused(folder: Path):
    payload = read_sealed(folder)
    shutil.rmtree(folder)
    write_sealed(folder, payload | {"generator.json": b"{"})
    with pytest.raises(ModelError, match="must be valid"):
        Synthesizer.load(folder, "cpu")
    shutil.rmtree(folder)
    write_sealed(folder, {"generator.json": payload["generator.json"]})
    with pytest.raises(ModelError, match=r"manifest.json must list generator.json and generator.safetensors, got"):
        Synthesizer.load(folder, "cpu")


def test_foreign_folders_are_told_apart(tmp_path: Path):
    with pytest.raises(ModelError, match="got nothing there"):
        Synthesizer.load(tmp_path / "absent")
    with pytest.raises(ModelError, match="got another folder; `ganaug train` makes one"):
        Synthesizer.load(tmp_path)
    assert not is_model(tmp_path)
    (tmp_path / "generator").mkdir()  # a class of images may have that name
    assert not is_model(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(ModelError, match=r"finish it with `ganaug train ... --resume`"):
        generator_folder(tmp_path)
    assert is_model(tmp_path)


def test_a_card_alone_is_no_generator(tmp_path: Path):
    (tmp_path / "generator.json").write_text("{}")
    with pytest.raises(ModelError, match=f"{MANIFEST} must be readable"):
        Synthesizer.load(tmp_path)
