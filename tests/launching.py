"""Several processes that work together, as torchrun would start them, each with arguments of its own."""

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass
class Launched:
    """Processes by rank.

    Attributes:
        processes: As they run.
    """

    processes: list[subprocess.Popen[str]]

    def ended(self, timeout: float = 120) -> list[tuple[int, str]]:
        """Exit code and everything said, by rank; whoever is not done in time is killed."""
        found = []
        try:
            for process in self.processes:
                said, _ = process.communicate(timeout=timeout)
                found.append((process.returncode, said))
        finally:
            for process in self.processes:
                process.kill()
        return found


def launch(*arguments: Sequence[object], command: Sequence[str] = ("-m", "ganaug")) -> Launched:
    """Start one process for each list of arguments."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(len(arguments))}
    common |= {"LOCAL_WORLD_SIZE": str(len(arguments)), "TORCHELASTIC_RUN_ID": "test", "OMP_NUM_THREADS": "1"}
    return Launched(
        [
            subprocess.Popen(
                [sys.executable, *command, *map(str, own)],
                env=os.environ | common | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for rank, own in enumerate(arguments)
        ]
    )


def ended_well(launched: Launched, timeout: float = 120) -> str:
    """What the first process said, once all have ended with 0."""
    found = launched.ended(timeout)
    assert [code for code, _ in found] == [0] * len(found), "\n".join(said for _, said in found)
    return found[0][1]
