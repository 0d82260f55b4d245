"""What can go wrong at the user's side, each with the exit code that the command line gives it."""

import errno

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # what the system says when there is no more room


class GanaugError(Exception):
    """A fault that the user can mend: one sentence, `<thing> must <rule>, got <value>; <what to do>`."""

    exit_code = 2


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
    """A device that this machine does not have."""


class DivergedError(GanaugError, ArithmeticError):
    """Training left the finite numbers; the last good checkpoint is kept."""

    exit_code = 3


class DiskFullError(GanaugError, OSError):
    """The disk is full; what was complete is kept, and the same command can go on later."""

    exit_code = 75


class InterruptedRun(GanaugError):
    """Stopped by a signal after saving; `--resume` continues."""

    def __init__(self, message: str, signum: int):
        super().__init__(message)
        self.exit_code = 128 + signum
