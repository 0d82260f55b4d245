"""Whether a run may go on: only with the images, the sizes and the recipe that it began with."""

import logging
from pathlib import Path

from ganaug.errors import ModelError
from ganaug.run.folder import FACTS, read_facts
from ganaug.run.job import Job

log = logging.getLogger("ganaug")


def is_complete(job: Job, out: Path) -> bool:
    """Whether the run in `out`, which must be the one that was planned, is complete.

    Raises:
        ModelError: There is no run, it was altered, or it began with something else; what differs is named.
    """
    facts = read_facts(out)
    try:
        for difference in job.differences(facts):
            raise ModelError(f"{out} must be resumed with {difference}")
        return facts["status"] == "complete"
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{out / FACTS} must describe the run, got {error!r}; start another run") from error


def warn_of_other_machine(job: Job, out: Path) -> None:
    """Say where a resumed run can no longer equal an unbroken one bit for bit."""
    began, now = read_facts(out), job.facts()
    for what in ("device", "torch"):
        if began.get(what) != now[what]:
            log.warning(
                "%s began with %s %s and goes on with %s: from here on it need not equal an unbroken run bit for bit",
                *(out, what, began.get(what), now[what]),
            )
