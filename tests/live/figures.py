"""What live tests measure on the way: shown by `pytest -m live --log-cli-level=INFO`."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Sequence

from tests.clients import Message

log = logging.getLogger("figures")


def tell(what: str, seconds: Sequence[float]) -> None:
    """Logs the median and the longest of some times, in milliseconds."""
    median, longest = statistics.median(seconds) * 1000, max(seconds) * 1000
    log.info("%s: median %.2f ms, longest %.2f ms, of %d", what, median, longest, len(seconds))


def tell_fault(fault: str, tries: int, seen: Sequence[Sequence[Message]], silence: float) -> None:
    """Logs a line of the table of faults: tries, events lost and repeated of all viewers, the longest silence (s).

    Each viewer has seen its run from event 1 on.
    """
    ids = [[message.id for message in messages if message.id is not None] for messages in seen]
    lost = sum(max(each) - len(set(each)) for each in ids)
    repeated = sum(len(each) - len(set(each)) for each in ids)
    log.info("| %s | %d | %d | %d | %.2f s |", fault, tries, lost, repeated, silence)
