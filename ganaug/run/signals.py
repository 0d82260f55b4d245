"""SIGINT and SIGTERM end a run after the step at hand, once everything is saved."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from ganaug.errors import InterruptedRun


@contextlib.contextmanager
def stop_signals(at_once: str = "") -> Iterator[list[int]]:
    """A list that stays empty until a signal asks to stop; a second signal acts at once, as it would have before.

    Args:
        at_once: Where it is given the first signal raises InterruptedRun with this sentence. The list tells of it, too:
            Python loses an exception that is raised while it frees an object.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # Python delivers signals to the main thread alone
        yield received
        return
    former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)
        signal.signal(number, former[signal.Signals(number)])
        if at_once:
            raise InterruptedRun(at_once, number)

    for number in former:
        signal.signal(number, note)
    try:
        yield received
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
