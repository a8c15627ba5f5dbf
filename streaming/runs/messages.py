"""The messages that say that a queued run wants a worker, for operations that run in Celery.

The store decides which run is next and who has it; a message is a hint, and may be lost, late or doubled. So a run that
nobody claims is sent again.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Final, Protocol

import gevent

from ..errors import StoreAway
from ..protocol.limits import Limits
from ..stores.base import RunInfo, Store
from .operation import Operation

log: Final = logging.getLogger("headway")

AGAIN: Final = (5.0, 10.0, 20.0, 40.0, 60.0)
"""Seconds for which a run stays unclaimed before it is sent again; the last ones repeat."""

AT_ONCE: Final = 100
"""How many queued runs are looked at: a message is for whichever run is next, so the next ones are enough."""


KEPT: Final = 0.02
"""Seconds between two looks whether the store has kept the end of a run."""


class Messages(Protocol):
    """Where messages are sent."""

    def send(self, run: str) -> None:
        """Sends one message, soon; called in the hub, never waits and never fails."""

    def close(self) -> None:
        """Sends what is yet to be sent, where that takes no time, and nothing afterwards."""


class Delivery:
    """The messages for the runs of those operations that run in Celery. Without `messages`, all run everywhere."""

    def __init__(self, operations: Mapping[str, Operation], store: Store, messages: Messages | None) -> None:
        self._operations = operations
        self._store = store
        self._messages = messages
        self._names = [name for name, operation in operations.items() if messages and operation.runs_in == "celery"]
        self._unclaimed = Unclaimed()

    def own(self, in_celery: bool) -> dict[str, Operation]:
        """The operations that a process works on: a worker of Celery, or any other."""
        own = {name: each for name, each in self._operations.items() if (name in self._names) == in_celery}
        return own if self._messages else dict(self._operations)

    def send(self, info: RunInfo) -> None:
        """Sends a message for a queued run, if its operation runs in Celery."""
        if self._messages and info.operation in self._names:
            self._messages.send(info.id)

    def pass_on(self, run: str) -> None:
        """Sends the message for a run again, if that is still queued: its own has been used for another one."""
        with contextlib.suppress(StoreAway):  # then it is sent again later
            record = self._store.find(run)
            if self._messages and record is not None and record.queued:
                self._messages.send(run)

    def run_ended(self, info: RunInfo) -> None:
        """Sends a message for a run that has waited for this one: its own came too early, and is used up."""
        limits = self._operations[info.operation].limits
        if self._messages and info.operation in self._names and limits.any:
            gevent.spawn(self._send_for_next, info, limits, self._messages)

    def _send_for_next(self, info: RunInfo, limits: Limits, messages: Messages) -> None:
        with contextlib.suppress(StoreAway):
            while (record := self._store.find(info.id)) is not None and not record.fold.over:
                gevent.sleep(KEPT)
            for run in self._store.queued({info.operation: limits}, 1):
                messages.send(run)

    def send_again(self) -> None:
        """Sends messages for the runs whose turn has come, and which nobody claims. Raises `StoreAway`."""
        limits = {name: self._operations[name].limits for name in self._names}
        due = self._unclaimed.due(self._store.queued(limits, AT_ONCE)) if limits else []
        if self._messages and due:
            log.warning("%d queued runs wait for a worker of Celery: their messages are sent again", len(due))
            for run in due:
                self._messages.send(run)

    def close(self) -> None:
        """Ends the sending."""
        if self._messages:
            self._messages.close()


class Unclaimed:
    """The queued runs that nobody has claimed yet, as one process sees them.

    Each process that works on runs sends for itself, so that nothing depends on one of them. They look at different
    times, and a message that was not needed ends at once.
    """

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._waits: dict[str, tuple[float, int]] = {}

    def due(self, queued: Sequence[str]) -> list[str]:
        """Those of the queued runs for which a message is due; called about once a second."""
        now, waits = self._now(), {}
        due = []
        for run in queued:
            since, sent = self._waits.get(run, (now, 0))
            if now - since >= AGAIN[min(sent, len(AGAIN) - 1)]:
                since, sent = now, sent + 1
                due.append(run)
            waits[run] = since, sent
        self._waits = waits
        return due
