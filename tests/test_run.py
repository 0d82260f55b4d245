"""A run has one writer, is stopped after the step at hand, and outlives a full disk."""

import contextlib
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from shell import learn_fast, tree
from tiny_run import CLASSES, checkpoints, finished, planned, steps_of, unfinish, weights
from torch import Tensor

from ganaug.data import Batches
from ganaug.errors import DiskFullError, InterruptedRun, OutputError
from ganaug.files import sole_writer
from ganaug.run import build, check_run, execute
from ganaug.run.folder import read_facts
from ganaug.run.gan import GanJob
from ganaug.run.judge import Judgement
from ganaug.run.meter import Clock, meter
from ganaug.run.record import Record
from ganaug.run.saving import Keeper
from ganaug.run.streams import streams
from ganaug.training import Progress, train
from ganaug.training.watch import norms, player_sizes

OFTEN = "train.checkpoint_every=5"


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


@pytest.fixture(scope="module")
def often_saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with twice as many checkpoints."""
    return finished(tmp_path_factory.mktemp("often") / "run", OFTEN)


# One writer


def test_a_second_writer_is_refused_and_the_run_untouched(copy: Path) -> None:
    before = tree(unfinish(copy))
    with sole_writer(copy / "recipe.toml", copy), pytest.raises(OutputError, match="must have one writer") as caught:
        execute(planned(), copy, resume=True, quiet=True)
    assert caught.value.exit_code == 2
    assert tree(copy) == before
    execute(planned(), copy, resume=True, quiet=True)  # once the first has gone


def test_the_lock_is_held_from_the_first_step_to_the_last_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, tried = tmp_path / "run", []

    def second(*_: object) -> str:
        with contextlib.suppress(OutputError), sole_writer(out / "recipe.toml", out):
            tried.append("let in")
        tried.append("asked")
        return ""

    def clean(folder: Path) -> None:
        second()

    monkeypatch.setattr("ganaug.run.gan.GanJob.status", second)  # during training
    monkeypatch.setattr("ganaug.run.folder.clean", clean)  # during the export
    execute(planned(), out, quiet=True)
    assert tried == ["asked"] * 4


def test_a_complete_run_needs_no_lock_and_no_permission(whole: Path) -> None:
    before = tree(whole)
    with sole_writer(whole / "recipe.toml", whole):
        assert execute(planned(), whole, resume=True, quiet=True).classes == CLASSES
    assert tree(whole) == before


# Signals


def stopping_at(batch: int, number: signal.Signals) -> type[Batches]:
    class Stopping(Batches):
        def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
            if index == batch:
                signal.raise_signal(number)
            return super().__getitem__(index)

    return Stopping


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_is_honoured_after_the_step_at_hand(
    number: signal.Signals, code: int, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, handlers = tmp_path / "run", [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    with monkeypatch.context() as patch, pytest.raises(InterruptedRun) as caught:
        patch.setattr("ganaug.run.streams.Batches", stopping_at(2 * 12, number))
        execute(planned(), out, quiet=True)
    assert (str(caught.value), caught.value.exit_code) == (
        f"{out}: stopped after step 13, all is saved; go on with --resume",
        code,
    )
    assert checkpoints(out) == [10, 13] and steps_of(out) == [10]
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers
    execute(planned(), out, resume=True, quiet=True)
    assert weights(out) == weights(whole) and steps_of(out) == [10, 20, 30]
    assert read_facts(out)["scores"] == read_facts(whole)["scores"]  # step 13 was not scored


def test_what_faults_are_found_by_is_restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, todo = tmp_path / "run", planned()
    monkeypatch.setattr("ganaug.run.streams.Batches", stopping_at(2 * 24, signal.SIGTERM))
    with pytest.raises(InterruptedRun, match="after step 25"):
        execute(todo, out, quiet=True)
    (resumed, objective), (unbroken, _) = build(todo), build(todo)
    Keeper.open(GanJob(todo), out, resumed)
    batches, held_out = streams(todo)
    loop = train(unbroken, batches, objective, steps=30, tick=10, held_out=held_out)
    assert [next(loop).step, next(loop).step] == [10, 20]
    assert resumed.step == 25 and resumed.sizes == unbroken.sizes == player_sizes(unbroken, norms(unbroken))


def test_a_second_signal_acts_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Impatient(Batches):
        def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
            if index in (24, 25):
                signal.raise_signal(signal.SIGINT)
            return super().__getitem__(index)

    monkeypatch.setattr("ganaug.run.streams.Batches", Impatient)
    former = signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell takes from its background jobs
    try:
        with pytest.raises(KeyboardInterrupt):
            execute(planned(), tmp_path / "run", quiet=True)
    finally:
        signal.signal(signal.SIGINT, former)
    assert checkpoints(tmp_path / "run") == [10]


def test_stopped_again_and_again_the_best_and_what_training_falls_back_on_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, worse = tmp_path / "run", iter((1.0, 2.0))
    monkeypatch.setattr("ganaug.run.judge.Judge.__call__", lambda *_: Judgement(next(worse), {}))
    for step in (22, 24, 25, 26, 27):
        with monkeypatch.context() as patch, pytest.raises(InterruptedRun):
            patch.setattr("ganaug.run.streams.Batches", stopping_at(2 * step, signal.SIGTERM))
            execute(planned(), out, resume=out.exists(), quiet=True)
    assert checkpoints(out) == [10, 20, 26, 27, 28]


# A full disk


@contextlib.contextmanager
def full_disk(times: set[int], function: str = "save_checkpoint") -> Iterator[None]:
    """Some of the calls of a writer find no room."""
    module = "ganaug.run.saving"
    calls, real = iter(range(100)), getattr(__import__(module, fromlist=["_"]), function)

    def write(*arguments: object, **options: object) -> object:
        if next(calls) in times:
            raise DiskFullError("a file: the disk must have room, got 'No space left on device'; free some")
        return real(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"{module}.{function}", write)
        yield


@pytest.mark.parametrize("function", ["save_checkpoint", "replace_file"])
def test_one_failure_to_write_does_not_end_a_run(
    function: str, whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "run"
    with full_disk({1}, function):
        execute(planned(), out, quiet=True)
    warned = [r.getMessage() for r in caplog.records if "no room" in r.getMessage()]
    assert warned == [f"{out}: no room to save step 20; training goes on and tries again at the next checkpoint"]
    assert checkpoints(out) == [10, 30] and steps_of(out) == [10, 20, 30] and check_run(out) == []
    scores = read_facts(whole)["scores"]
    assert read_facts(out)["scores"] == {step: scores[step] for step in ("10", "30")}  # none that cannot be shipped


@pytest.mark.parametrize(
    ("times", "safe"),
    [
        ({0, 1, 2}, "there is no checkpoint yet"),
        ({1, 2, 3}, "the checkpoint of step 5 is whole"),
        ({5}, "the checkpoint of step 25 is whole"),
    ],
)
def test_a_disk_that_stays_full_ends_a_run_that_can_go_on(
    times: set[int], safe: str, often_saved: Path, tmp_path: Path
) -> None:
    out, quick = tmp_path / "run", planned(OFTEN)
    with full_disk(times), pytest.raises(DiskFullError) as caught:
        execute(quick, out, quiet=True)
    assert caught.value.exit_code == 75 and str(caught.value) == (
        f"a file: the disk must have room, got 'No space left on device'; {safe}: "
        "free some room and go on with --resume"
    )
    assert not list(out.rglob(".*")) and check_run(out) == []
    execute(quick, out, resume=True, quiet=True)
    assert weights(out) == weights(often_saved) and read_facts(out)["scores"] == read_facts(often_saved)["scores"]


def test_three_failures_must_be_in_a_row(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with full_disk({0, 1, 3, 4}):
        execute(planned(OFTEN), out, quiet=True)
    assert checkpoints(out) == [15, 30]


def test_a_signal_on_a_full_disk_says_what_is_safe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganaug.run.streams.Batches", stopping_at(2 * 12, signal.SIGTERM))
    with full_disk({1}), pytest.raises(DiskFullError, match="checkpoint of step 10 is whole: free some room and go on"):
        execute(planned(), tmp_path / "run", quiet=True)


def test_an_export_on_a_full_disk_can_be_done_again(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"

    def full(*_: object) -> None:
        raise DiskFullError("run.json: the disk must have room, got 'No space left on device'; free some")

    with monkeypatch.context() as patch, pytest.raises(DiskFullError, match="checkpoint of step 30 is whole: free"):
        patch.setattr("ganaug.run.folder.replace_file", full)
        execute(planned(), out, quiet=True)
    execute(planned(), out, resume=True, quiet=True)
    assert weights(out) == weights(whole) and check_run(out) == []


def test_log_lines_that_find_no_room_come_later_and_whole(tmp_path: Path) -> None:
    class Full(Record):
        room = 0

        def write(self) -> None:
            if not self.room:
                raise DiskFullError("no room")
            super().write()

    record = Full(tmp_path / "progress.jsonl")
    for step in (1, 2, 3):
        record.add(Progress(step, {"D": 0.5}), 1.0 * step, 10)
    assert not record.path.exists()
    record.room = 1
    record.add(Progress(4, {"D": 0.5}), 4.0, 10)
    assert steps_of(tmp_path) == [1, 2, 3, 4] and record.seconds() == 4.0


def test_a_line_that_fits_only_in_part_is_taken_back(tmp_path: Path) -> None:
    """On the real thing: a process whose files may not grow beyond a size."""
    import resource

    path = tmp_path / "progress.jsonl"
    Record(path).add(Progress(1, {}), 1, 1)
    size, limit = path.stat().st_size, resource.getrlimit(resource.RLIMIT_FSIZE)
    record = Record(path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 5, limit[1]))
    try:
        record.add(Progress(2, {}), 2, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert path.stat().st_size == size and record.waiting
    record.write()
    assert steps_of(tmp_path) == [1, 2]


# Time and memory


def test_the_rate_counts_every_image_and_the_time_every_process(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter((10.0, 12.0, 14.0, 15.0))
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    clock = Clock(100.0, next(now))
    assert [clock.rate(80), clock.rate(80), clock.seconds()] == [40.0, 40.0, 105.0]


def test_a_step_back_is_reported_at_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "ganaug"), meter("train", 100) as report:
        for done in (1, 2, 50, 20, 21, 100):
            report(done, "")
    assert [r.getMessage().split()[1] for r in caplog.records] == ["1", "50", "20", "100"]


@pytest.mark.slow
def test_six_hundred_steps_need_no_more_memory_than_one_hundred() -> None:
    todo = planned("train.steps=700")
    state, objective = build(todo)
    process, batches, used = psutil.Process(), Batches(todo.train, 8, 0, todo.device), {}
    for progress in train(state, batches, objective, steps=700, tick=10):
        used[progress.step] = (process.memory_info().rss, process.num_fds())
    assert used[700][0] - used[100][0] < 3 * 2**20
    assert used[700][1] == used[100][1]
