"""Joining the processes that torchrun started, and parting them, however they end."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import count

from ganaug.errors import GanaugError, LostProcessError
from ganaug.ranks.place import started
from ganaug.ranks.ties import Ties, is_first, naming_loss, tie, tied
from ganaug.ranks.words import wait

WORDS = timedelta(days=7)  # one may work for days before it speaks; that it died is noticed without a limit
JOINED = count()  # numbers what is joined: addresses and words of the last time are not those of the next
LAST_WORD, PATIENCE = "ganaug/last word", timedelta(seconds=5)  # of the first process; how long others listen for it


@contextmanager
def together() -> Iterator[None]:
    """Join the processes that torchrun started, until all are done; does nothing for one alone, or within itself.

    A process that raises ends at once, and its ties with it: the others find them cut.

    Raises:
        LostProcessError: Another process has ended.
        GanaugError: They are joined already, by something else.
    """
    if tied() or started()[1] == 1:
        yield
        return
    ties = _join()
    tie(ties)
    try:
        yield
        wait()
        _part()
    except BaseException as error:
        _break_off(ties, error)
        raise
    finally:
        tie(None)


def _join() -> Ties:
    import torch.distributed as dist
    from torch.distributed.rendezvous import rendezvous

    if dist.is_initialized():
        raise GanaugError(
            "processes must be free to join, got a process group of torch.distributed; "
            "call torch.distributed.destroy_process_group() before, and join them again after"
        )
    with naming_loss():
        store, number, several = next(rendezvous("env://", timeout=WORDS))
        store = dist.PrefixStore(f"ganaug {next(JOINED)}", store)  # type: ignore[attr-defined]
        dist.init_process_group("gloo", store=store, rank=number, world_size=several, timeout=WORDS)
    return Ties(store)


def _part() -> None:
    import torch.distributed as dist

    dist.destroy_process_group()


def _break_off(ties: Ties, error: BaseException) -> None:
    """Leave a word, or learn that the first process left the same.

    The group is not destroyed: that would wait for what the others still owe it, for as long as they work.
    """
    if ties.sums is not None:
        ties.sums.abort()
    if is_first() and isinstance(error, Exception):
        with suppress(RuntimeError):  # torchrun, which keeps the word, may have ended, too
            ties.store.set(LAST_WORD, str(error))
    elif isinstance(error, GanaugError):
        said = _last_word(ties)
        error.told = said == str(error) or (said is not None and isinstance(error, LostProcessError))


def _last_word(ties: Ties) -> str | None:
    """Why the first process ended; None where it goes on, or was killed."""
    import torch.distributed as dist

    try:
        ties.store.wait([LAST_WORD], PATIENCE)
        return ties.store.get(LAST_WORD).decode()
    except dist.DistError:
        return None
