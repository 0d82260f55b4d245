"""Running a command, and what its end is called: the exit code, and one sentence where something went wrong."""

import errno
import io
import signal
import sys
import traceback

import typer

from ganaug.cli.commands import app
from ganaug.errors import DISK_FULL, GanaugError
from ganaug.ranks import speaks, started

NO_PLACE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP)


STOPPED = "stopped by a signal; nothing half-written stays, and a run that had begun goes on with --resume"


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code: a user's error is one sentence, ours a traceback and 70."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that half-written folders are removed
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file's name may be no text in the terminal's encoding
    code = run(sys.argv[1:] if arguments is None else arguments)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # on the way out there is nothing more to remove
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """The exit code of one command; without any, the help is shown.

    Of several processes that torchrun started each has a code, but what all would say the first says alone.
    """
    try:
        code = app(arguments or ["--help"], prog_name="ganaug", standalone_mode=False) or 0
        return stopped(code) if code == 130 else code
    except typer.TyperException as error:
        return fail(usage(error.format_message(), arguments), 2) if speaks() else 2
    except GanaugError as error:
        return error.exit_code if error.told else fail(str(error), error.exit_code)
    except SystemExit as end:  # by SIGTERM, where nothing had to be saved first
        return stopped(int(end.code or 0))
    except OSError as error:
        return system_error(error)
    except Exception:
        return bug()


def usage(message: str, arguments: list[str]) -> str:
    """Typer's complaint as one sentence that says where to look."""
    unknown = message.startswith("No such command") or arguments[0].startswith("-")
    fact = message[:1].lower() + message[1:].replace(". Did", "; did").rstrip(".?")
    return f"{fact}; see `ganaug {'' if unknown else arguments[0] + ' '}--help`"


def system_error(error: OSError) -> int:
    """Exit code of a refusal by the system: a full disk is temporary, a wrong place the user's, the rest a bug."""
    where, fact = error.filename or "the disk", error.strerror
    if error.errno in DISK_FULL:
        return fail(f"{where} must have room, got {fact!r}; free some and run the command again", 75)
    if error.errno in NO_PLACE:
        return fail(f"{where} must be a place to read and write, got {fact!r}; choose another", 2)
    return bug()


def stopped(code: int) -> int:
    """Say that a signal ended the command, which all processes are told; the code itself."""
    return fail(STOPPED, code) if speaks() else code


def fail(sentence: str, code: int) -> int:
    """Print one sentence on stderr; the code itself."""
    typer.echo(f"ganaug{'' if speaks() else f' (process {started()[0]})'}: {sentence}", err=True)
    return code


def bug() -> int:
    """Print the traceback of a fault of ours; 70."""
    traceback.print_exc()
    return fail("this is a bug in ganaug; please report it with the lines above", 70)
