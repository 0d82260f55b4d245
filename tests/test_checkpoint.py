"""Checkpoints: nothing is read that was not written so, and no kill, flip or full disk loses what was complete."""

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save as dump_tensors
from torch import nn
from torch.optim import Adam

import ganaug.checkpoint
from ganaug.checkpoint import (
    MANIFEST,
    Entry,
    clean,
    dump_module,
    dump_optimizer,
    latest_checkpoint,
    load_module,
    load_optimizer,
    parameters_finite,
    parse_tensors,
    read_checkpoint,
    read_listed,
    read_manifest,
    read_sealed,
    save_checkpoint,
    write_sealed,
)
from ganaug.errors import DiskFullError, ModelError, OutputError

PAYLOAD = {"a.bin": bytes(range(256)) * 20, "b.json": b'{"step": 3}', "empty": b""}


def steps(root: Path) -> list[int]:
    return sorted(int(path.name.removeprefix("step-")) for path in root.glob("step-*"))


def names(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir())


def test_what_is_written_is_read(tmp_path: Path):
    target = save_checkpoint(tmp_path, 30, PAYLOAD)
    assert target == tmp_path / "step-000000030"
    assert names(target) == sorted([*PAYLOAD, MANIFEST]) and names(tmp_path) == [target.name]
    assert read_checkpoint(tmp_path, 30) == PAYLOAD
    assert latest_checkpoint(tmp_path) == (30, PAYLOAD)
    assert latest_checkpoint(tmp_path / "absent") is None


@pytest.mark.parametrize("name", ["a.bin", "b.json", MANIFEST])
def test_a_flipped_byte_anywhere_is_found_and_the_file_named(tmp_path: Path, name: str):
    file, rng = save_checkpoint(tmp_path, 30, PAYLOAD) / name, random.Random(name)
    whole = file.read_bytes()
    for _ in range(200):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        file.write_bytes(damaged)
        with pytest.raises(ModelError, match=r"step-000000030/") as caught:
            read_checkpoint(tmp_path, 30)
        assert name in str(caught.value)  # a sum that disagrees names both the file and the manifest
    file.write_bytes(whole)
    assert read_checkpoint(tmp_path, 30) == PAYLOAD


@pytest.mark.parametrize("name", ["a.bin", "b.json", MANIFEST])
def test_truncation_growth_and_absence_are_found(tmp_path: Path, name: str):
    file = save_checkpoint(tmp_path, 30, PAYLOAD) / name
    whole = file.read_bytes()
    for content in (whole[:-1], whole[: len(whole) // 2], b"", whole + b"\n"):
        file.write_bytes(content)
        with pytest.raises(ModelError, match=name):
            read_checkpoint(tmp_path, 30)
    file.unlink()
    with pytest.raises(ModelError, match=f"{name} must be readable, got No such file"):
        read_checkpoint(tmp_path, 30)


def test_a_checkpoint_of_another_step_is_refused(tmp_path: Path):
    save_checkpoint(tmp_path, 30, PAYLOAD).rename(tmp_path / "step-000000040")
    with pytest.raises(ModelError, match=f"{MANIFEST} must be as it was written"):
        read_checkpoint(tmp_path, 40)


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "sub/file"])
def test_a_manifest_that_points_elsewhere_is_refused(tmp_path: Path, name: str):
    target = save_checkpoint(tmp_path, 30, PAYLOAD)
    (target / MANIFEST).write_text(json.dumps({"schema": 1, "step": 30, "files": {name: {"sha256": "0", "bytes": 1}}}))
    with pytest.raises(ModelError, match="must list plain file names"):
        read_checkpoint(tmp_path, 30)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": 3}', '{"files": {"a": 3}}', "\x00" * 50])
def test_a_manifest_of_another_kind_is_refused(tmp_path: Path, text: str):
    (save_checkpoint(tmp_path, 30, PAYLOAD) / MANIFEST).write_text(text)
    with pytest.raises(ModelError, match="must list the files and their sums"):
        read_sealed(tmp_path / "step-000000030")


def test_a_damaged_checkpoint_is_refused_by_name_with_the_way_on_and_written_again(tmp_path: Path):
    for step in (10, 20, 30):
        save_checkpoint(tmp_path, step, {"n": b"%d" % step})
    (tmp_path / "step-000000030" / "n").write_bytes(b"??")
    (tmp_path / "step-notes").mkdir()
    with pytest.raises(ModelError, match=r"step-000000030/n must .*, or remove \S+step-000000030 to go on"):
        latest_checkpoint(tmp_path)
    shutil.rmtree(tmp_path / "step-000000030")
    assert latest_checkpoint(tmp_path) == (20, {"n": b"20"})
    save_checkpoint(tmp_path, 30, {"n": b"new"})
    assert latest_checkpoint(tmp_path) == (30, {"n": b"new"})


def test_the_newest_and_the_kept_stay(tmp_path: Path):
    for step in range(0, 100, 10):
        save_checkpoint(tmp_path, step, PAYLOAD, keep=(20,) if step >= 20 else (0,), last=2)
    assert steps(tmp_path) == [20, 80, 90]
    save_checkpoint(tmp_path, 1_000_000_000, PAYLOAD, last=1)
    assert len(steps(tmp_path)) == 1


def test_no_half_deleted_checkpoint_is_ever_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save_checkpoint(tmp_path, 1, PAYLOAD)
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)  # as if killed before the first file is gone
    save_checkpoint(tmp_path, 2, PAYLOAD, last=1)
    assert steps(tmp_path) == [2]


def test_what_killed_writers_left_is_removed(tmp_path: Path):
    for name in (".step-000000001.host-1-0.tmp", ".del-step-000000002"):
        (tmp_path / name).mkdir()
    save_checkpoint(tmp_path, 5, PAYLOAD)
    assert names(tmp_path) == ["step-000000005"]
    clean(tmp_path / "new")
    assert names(tmp_path / "new") == []


def test_a_folder_with_content_is_never_written_over(tmp_path: Path):
    (tmp_path / "out").mkdir()
    write_sealed(tmp_path / "out", PAYLOAD)  # an empty one is taken
    for target in (tmp_path / "out", tmp_path / "out" / "a.bin"):
        with pytest.raises(OutputError, match="must be a new or empty folder"):
            write_sealed(target, {"x": b"y"})
    assert read_sealed(tmp_path / "out") == PAYLOAD


@pytest.mark.parametrize("failing", ["write_synced", "sync"])
def test_a_full_disk_leaves_nothing_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str):
    save_checkpoint(tmp_path, 10, PAYLOAD)
    calls = 0

    def full(*_: object) -> None:
        nonlocal calls
        calls += 1
        if calls > (1 if failing == "write_synced" else 0):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(ganaug.checkpoint if failing == "write_synced" else ganaug.files, failing, full)
    with pytest.raises(DiskFullError, match="must have room, got 'No space left") as caught:
        save_checkpoint(tmp_path, 20, PAYLOAD)
    assert caught.value.exit_code == 75
    assert names(tmp_path) == ["step-000000010"] and latest_checkpoint(tmp_path) == (10, PAYLOAD)


def test_what_cannot_fit_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=9))
    with pytest.raises(DiskFullError, match=r"must have room for [\d,]+ bytes, got 9"):
        save_checkpoint(tmp_path, 10, PAYLOAD)
    assert names(tmp_path) == []


def test_what_does_not_fit_into_memory_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save_checkpoint(tmp_path, 10, PAYLOAD)
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=5000))
    with pytest.raises(ModelError, match=r"step-000000010 must fit into memory, got 5,131 bytes for 5,000"):
        read_checkpoint(tmp_path, 10)


def test_a_manifest_tells_sums_and_sizes_before_anything_is_read(tmp_path: Path):
    folder = save_checkpoint(tmp_path, 10, PAYLOAD)
    listed = read_manifest(folder, {"step": 10})
    assert listed == {name: Entry.of(content) for name, content in PAYLOAD.items()}
    (folder / "a.bin").write_bytes(bytes(9999))
    assert read_manifest(folder, {"step": 10}) == listed and read_listed(folder, "empty", listed["empty"]) == b""
    with pytest.raises(ModelError, match=r"a.bin must be readable, got 9,999 bytes, more than 5,120, though manifest"):
        read_listed(folder, "a.bin", listed["a.bin"])


@pytest.mark.skipif(sys.platform == "win32", reason="fork")
def test_each_of_100_kills_while_saving_leaves_a_whole_checkpoint_that_is_never_older(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(os, "fsync", lambda file: None)  # it helps against power cuts, which this is none of
    rng, newest, torn = random.Random(0), 0, 0

    def payload(step: int) -> dict[str, bytes]:
        return {"n": b"%d" % step, "weights": bytes([step % 256]) * 300_000}

    for _ in range(100):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            step = newest
            while True:
                step += 1
                save_checkpoint(tmp_path, step, payload(step), keep=(1,), last=2)
                os.write(writer, b"%d\n" % step)
        os.close(writer)
        with os.fdopen(reader, "rb") as said:
            announced = int(said.readline())  # it is at work
            time.sleep(rng.random() * 0.02)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            announced = int((b"%d\n" % announced + said.read()).split()[-1])
        torn += any(path.name.startswith(".") for path in tmp_path.iterdir())
        found = latest_checkpoint(tmp_path)
        assert found is not None
        step, files = found
        assert step >= announced >= newest and files == payload(step)
        assert read_checkpoint(tmp_path, 1) == payload(1)  # what is kept survives, too
        newest = step
    assert torn > 0, "no kill hit a writer at work: the test shows nothing"


class Trap:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("trapped",)


def test_a_pickle_in_place_of_tensors_is_refused_and_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import pickle

    monkeypatch.chdir(tmp_path)
    hostile = pickle.dumps(Trap())
    for read in (
        lambda: parse_tensors(hostile, "w.safetensors"),
        lambda: load_module(nn.Linear(2, 2), hostile, "w.safetensors"),
        lambda: load_optimizer(Adam(nn.Linear(2, 2).parameters()), hostile, "w.safetensors"),
    ):
        with pytest.raises(ModelError, match=r"w.safetensors must be safetensors"):
            read()
    torch.save({"weight": torch.zeros(2)}, "w.pt")
    with pytest.raises(ModelError, match="must be safetensors"):
        parse_tensors(Path("w.pt").read_bytes(), "w.pt")
    assert not Path("trapped").exists()


def net() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3))


def test_modules_and_optimisers_come_back_bit_for_bit():
    one, other = net(), net()
    first, second = Adam(one.parameters(), 0.1), Adam(other.parameters(), 0.1)

    def step(module: nn.Module, optimizer: Adam, seed: int) -> None:
        x = torch.randn(4, 1, 5, 5, generator=torch.Generator().manual_seed(seed))
        for p, g in zip(
            module.parameters(), torch.autograd.grad(module(x).square().sum(), list(module.parameters())), strict=True
        ):
            p.grad = g
        optimizer.step()

    for seed in range(3):
        step(one, first, seed)
    load_module(other, dump_module(one), "w")
    load_optimizer(second, dump_optimizer(first), "o")
    for seed in range(3, 6):
        step(one, first, seed)
        step(other, second, seed)
    for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert dump_module(one) == dump_module(other) and dump_optimizer(first) == dump_optimizer(second)
    assert second.param_groups[0]["lr"] == 0.1


def test_tensors_that_do_not_fit_are_named():
    content = dump_module(net())
    with pytest.raises(ModelError, match=r"w must fit the architecture, got a difference in '0.weight'"):
        load_module(nn.Sequential(nn.Conv2d(1, 3, 5), nn.BatchNorm2d(3)), content, "w")
    with pytest.raises(ModelError, match=r"difference in '1"):
        load_module(nn.Sequential(nn.Conv2d(1, 3, 3)), content, "w")
    with pytest.raises(ModelError, match=r"difference in '0.weight'"):
        load_module(net().double(), content, "w")
    with pytest.raises(ModelError, match="must be an optimiser's state that fits, got a tensor"):
        load_optimizer(Adam(net().parameters()), dump_module(nn.Linear(1, 1)), "o")
    for odd in (
        {"9.exp_avg": torch.zeros(1)},
        {"0.exp_avg": torch.zeros(2, 2)},
        {"9" * 5000 + ".step": torch.zeros(())},
    ):
        with pytest.raises(ModelError, match="must be an optimiser's state that fits, got a tensor"):
            load_optimizer(Adam(net().parameters()), dump_tensors(odd), "o")


def test_a_module_without_memory_takes_the_tensors_as_its_own():
    with torch.device("meta"):
        empty = net()
    whole = net()
    load_module(empty, dump_module(whole), "w")
    assert all(torch.equal(a, b) for a, b in zip(empty.state_dict().values(), whole.state_dict().values(), strict=True))


def test_finite_is_every_parameter_and_buffer():
    module = net()
    assert parameters_finite(module)
    module[1].running_mean[0] = float("nan")  # type: ignore[index]
    assert not parameters_finite(module)


def test_copies_of_a_checkpoint_folder_read_alike(tmp_path: Path):
    save_checkpoint(tmp_path / "a", 7, PAYLOAD)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert read_checkpoint(tmp_path / "b", 7) == PAYLOAD
