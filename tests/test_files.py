"""What is written appears whole or not at all; what is read cannot hang; there is one writer."""

import errno
import hashlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from ganaug.errors import DiskFullError, GanaugError, OutputError
from ganaug.files import (
    cache_folder,
    is_sealed,
    is_taken,
    naming_full_disk,
    new_folder,
    parse_json,
    read_file,
    replace_file,
    replacing,
    require_new,
    require_room,
    sealed_json,
    sole_writer,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_appears_with_everything_in_it(tmp_path: Path):
    out = tmp_path / "deep" / "out"
    with new_folder(out) as folder:
        (folder / "a").write_text("1")
        assert not out.exists()
    assert names(out) == ["a"] and names(out.parent) == ["out"]


def test_an_empty_folder_is_filled_and_a_link_to_one_stays_a_link(tmp_path: Path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with new_folder(tmp_path / "link") as folder:
        (folder / "a").write_text("1")
    assert (tmp_path / "link").is_symlink() and names(tmp_path / "real") == ["a"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_what_fails_leaves_nothing(tmp_path: Path, error: type[BaseException]):
    with pytest.raises(error), new_folder(tmp_path / "out") as folder:
        (folder / "a").write_text("1")
        raise error
    with pytest.raises(error), replacing(tmp_path / "file") as temporary:
        temporary.write_text("1")
        raise error
    assert names(tmp_path) == []


def test_what_is_taken_is_refused_untouched(tmp_path: Path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/a").write_text("1")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for taken, what in (("full", "a folder with content"), ("full/a", "a file"), ("dangling", "a file")):
        assert is_taken(tmp_path / taken)
        with pytest.raises(OutputError, match=f"must be a new or empty folder, got {what}; choose another"):
            require_new(tmp_path / taken)
        with pytest.raises(OutputError), new_folder(tmp_path / taken):
            pytest.fail("it was begun")
    assert (tmp_path / "full/a").read_text() == "1" and names(tmp_path) == ["dangling", "full"]


def test_who_comes_second_loses_nothing_of_the_first(tmp_path: Path):
    with pytest.raises(OutputError, match="content by another process"), new_folder(tmp_path / "out") as folder:
        (folder / "a").write_text("second")
        with new_folder(tmp_path / "out") as other:
            (other / "a").write_text("first")
    assert names(tmp_path) == ["out"] and (tmp_path / "out/a").read_text() == "first"


def test_what_dead_writers_left_is_removed_and_what_living_ones_write_is_not(tmp_path: Path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    host = platform.node() or "host"
    (tmp_path / f".out.{host}-{dead.pid}-0.tmp/deep").mkdir(parents=True)
    (tmp_path / f".file.{host}-{dead.pid}-0.tmp").write_text("half")
    kept = [f".out.{host}-{os.getppid()}-0.tmp", f".out.{host}x-{dead.pid}-0.tmp", f".out2.{host}-{dead.pid}-0.tmp"]
    for name in kept:
        (tmp_path / name).mkdir()
    with new_folder(tmp_path / "out"):
        pass
    replace_file(tmp_path / "file", b"whole")
    assert names(tmp_path) == sorted([*kept, "out", "file"])


def test_a_full_disk_is_named_and_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    replace_file(tmp_path / "file", b"old")

    def full(path: Path, content: bytes) -> None:
        path.write_bytes(content[:1])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("ganaug.files.write_synced", full)
    with pytest.raises(DiskFullError, match="file: the disk must have room, got 'No space left on device'"):
        replace_file(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old" and names(tmp_path) == ["file"]


def test_other_words_of_the_system_pass_as_they_are(tmp_path: Path):
    with pytest.raises(PermissionError), naming_full_disk(tmp_path):
        raise PermissionError(errno.EACCES, "Permission denied")
    with pytest.raises(OutputError), naming_full_disk(tmp_path):
        raise OutputError("x")


def test_what_does_not_fit_is_refused_before_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    require_room(tmp_path, 1)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=1000))
    with pytest.raises(DiskFullError, match="must have room for 1,001 bytes, got 1,000"):
        require_room(tmp_path, 1001)


def test_only_regular_files_are_read_and_none_beyond_the_limit(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert read_file(tmp_path / "link", limit=5) == b"12345"
    os.mkfifo(tmp_path / "pipe")
    for odd, fact in (("pipe", "not a regular file"), ("/dev/zero", "not a regular file")):
        with pytest.raises(OSError, match=fact):
            read_file(tmp_path / odd)
    with pytest.raises(OSError, match="5 bytes, more than 4"):
        read_file(tmp_path / "file", limit=4)
    for odd in (tmp_path, tmp_path / "absent"):
        with pytest.raises(OSError):
            read_file(odd)


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "x" * 300])
def test_a_name_that_no_file_can_have_is_no_file(tmp_path: Path, name: str):
    with pytest.raises(OSError):
        read_file(tmp_path / name)


def test_what_is_refused_leaves_no_file_open(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(bytes(9))
    before = os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []
    for odd in (tmp_path, tmp_path / "pipe", tmp_path / "large"):
        for _ in range(5):
            with pytest.raises(OSError):
                read_file(odd, limit=4)
    assert len(os.listdir("/proc/self/fd") if before else []) == len(before)


def test_sealed_facts_are_whole_only_byte_for_byte():
    facts = {"b": [1, 2.5, None], "a": {"é": float("nan")}, "scores": {10: 0.25, 9: 1e-9}, "sha256": "old"}
    content = sealed_json(facts)
    read = json.loads(content)
    assert list(read) == ["b", "a", "scores", "sha256"] and read["scores"] == {"10": 0.25, "9": 1e-9}
    own = read.pop("sha256")
    assert own == hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()
    assert is_sealed(content) and sealed_json(json.loads(content)) == content
    for at in range(len(content)):
        assert not is_sealed(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    for odd in (content[:-1], content + b"\n", b"", b"[]", b"{}", b"[" * 10**5, json.dumps(read).encode()):
        assert not is_sealed(odd)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'{"a": 1, "b": {"c": 1, "c": 1}}', "'c' twice"),
        (b"[NaN]", "NaN, which is no number"),
        (b"[-Infinity]", "-Infinity, which is no number"),
        (b"[" * 10**5, "too deep a nesting"),
        (b"9" * 5000, "integer string conversion"),
        (b"\xff", "decode"),
        (b"", "Expecting value"),
    ],
)
def test_json_of_strangers_is_read_strictly(text: bytes, said: str):
    with pytest.raises(ValueError, match=said):
        parse_json(text)


def test_plain_json_is_read():
    assert parse_json('{"a": [1, 2.5, null, true, "é"], "b": {}}'.encode()) == {"a": [1, 2.5, None, True, "é"], "b": {}}


def test_a_second_writer_is_refused_while_the_first_lives_and_no_longer(tmp_path: Path):
    file = tmp_path / "recipe.toml"
    file.write_text("")
    code = (
        "import sys; from pathlib import Path; from ganaug.files import sole_writer\n"
        "with sole_writer(Path(sys.argv[1]), Path('run')): print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout and holder.stdin and holder.stdout.readline() == "held\n"
    with pytest.raises(OutputError, match="run: must have one writer"), sole_writer(file, Path("run")):
        pytest.fail("two writers")
    holder.kill()
    holder.wait()
    holder.stdin.close()
    holder.stdout.close()
    with sole_writer(file, Path("run")):
        pass


def test_a_cache_that_cannot_be_made_says_how_to_choose_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GANAUG_CACHE", str(tmp_path / "file/cache"))
    with pytest.raises(GanaugError, match="set GANAUG_CACHE"):
        cache_folder()
