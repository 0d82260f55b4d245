"""What can go wrong at the user's side, each with the exit code that the command line gives it."""

import errno

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # what the system says when there is no more room


class GanaugError(Exception):
    """A fault that the user can mend: one sentence, `<thing> must <rule>, got <value>; <what to do>`.

    Attributes:
        told: Another process of the same command speaks of it.
    """

    exit_code = 2
    told = False


class DataError(GanaugError, ValueError):
    """Images or labels that cannot be used as they are."""


class RecipeError(GanaugError, ValueError):
    """An unknown recipe, an unknown key, or a value out of range."""


class ModelError(GanaugError, ValueError):
    """A run, generator folder or checkpoint that is foreign, damaged or does not fit."""


class CorpusError(GanaugError, ValueError):
    """A corpus that deviates from its own manifest."""


class OutputError(GanaugError, FileExistsError):
    """An output folder that already holds something."""


class DeviceError(GanaugError, RuntimeError):
    """A device that this machine does not have, or that cannot hold what it must."""


class DivergedError(GanaugError, ArithmeticError):
    """Training went wrong: numbers left their range, or a player no longer learns; the last good checkpoint is kept.

    Attributes:
        step: At which it shows.
        draw: Of that step, which says what batches it saw.
        losses: Of that step.
    """

    exit_code = 3

    def __init__(self, message: str, *, step: int = 0, draw: int = 0, losses: dict[str, float] | None = None):
        super().__init__(message)
        self.step, self.draw, self.losses = step, draw, losses or {}


class DiskFullError(GanaugError, OSError):
    """The disk is full; what was complete is kept, and the same command can go on later."""

    exit_code = 75


class InterruptedRun(GanaugError):
    """Stopped by a signal after saving; `--resume` continues."""

    def __init__(self, message: str, signum: int):
        super().__init__(message)
        self.exit_code = 128 + signum


class UnlikeError(GanaugError, ValueError):
    """Processes that are to work together were given different things to work on."""


class LostProcessError(GanaugError, ConnectionError):
    """Another of the processes that work together has ended; the same command can go on later."""

    exit_code = 75

    def __init__(self) -> None:
        super().__init__(
            "all processes of the command must be there, got none from another one, which has ended; "
            "see what it said, and run the same again, with --resume where the command has it"
        )
