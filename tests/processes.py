"""Commands in several processes, as torchrun starts them."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

import ganaug

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone")
GANAUG = ("-m", "ganaug")


@contextmanager
def launched(n: int, *arguments: object, program: Sequence[object] = GANAUG) -> Iterator[subprocess.Popen[str]]:
    """torchrun at work on `ganaug ARGUMENTS` in `n` processes of one thread; none of them outlives the test."""
    command = [*TORCHRUN, f"--nproc_per_node={n}", *map(str, (*program, *arguments))]
    path = str(Path(ganaug.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "LOKY_MAX_CPU_COUNT": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = subprocess.Popen(command, env=environment, start_new_session=True, **pipes)
    try:
        yield running
    finally:
        for process in family(running):
            process.kill()
        running.communicate()


def launch(
    n: int, *arguments: object, timeout: float = 120, program: Sequence[object] = GANAUG
) -> subprocess.CompletedProcess[str]:
    """The end of such a command, or of another program: torchrun's code, 1 whatever went wrong, and what all said."""
    with launched(n, *arguments, program=program) as running:
        out, err = running.communicate(timeout=timeout)
        return subprocess.CompletedProcess(running.args, running.returncode, out, err)


def process(running: subprocess.Popen[str], number: int) -> psutil.Process:
    """That of a rank."""
    return next(one for one in family(running) if one.environ().get("RANK") == str(number))


def family(running: subprocess.Popen[str]) -> list[psutil.Process]:
    """A program that is still there, and all that it started."""
    try:
        whole = psutil.Process(running.pid)
        return [*whole.children(recursive=True), whole]
    except psutil.NoSuchProcess:
        return []


def said(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The sentences of the processes themselves, torchrun's apart."""
    return [line for line in done.stderr.splitlines() if line.startswith(("ganaug: ", "ganaug ("))]
