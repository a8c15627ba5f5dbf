"""Queued runs: a process that does not work on them starts them, and a worker takes them and works on them.

A run is in the queue as its input, as JSON. The worker that claims it writes its first event, and begins the work once
the store has kept that: so a run without events has not begun, and goes back into the queue if its worker dies.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import gevent
from pydantic import ValidationError

from ..errors import OperationError, Refused, StoreAway
from ..logs import log_run
from ..protocol.events import make_event
from ..protocol.recorder import Recorder
from ..stores.base import Record
from ..stores.files import uploads_of
from .kept import Reopened
from .producer import error_event
from .run import Run

if TYPE_CHECKING:
    from .runner import Runner

log: Final = logging.getLogger("headway")

T = TypeVar("T")

LOOK: Final = 1.0
"""Seconds between two looks into the queue where the store notifies of nothing."""

AT_ONCE: Final = 4
"""How many runs a worker claims at once: it leaves some to the others, which have been notified too."""


class Queue:
    """The claims of one worker. `claimed` is for how many runs it has claimed room, and not begun them."""

    def __init__(self, runner: Runner) -> None:
        self.claimed: int = 0
        self._runner = runner
        self._signal = runner.worker.signal()
        self._watching = False
        # In a worker of Celery each run has a task, which asks for it.
        self._greenlet = None if runner.in_celery else gevent.spawn(self._serve)

    def look(self) -> None:
        """Looks for queued runs, in the next round of the hub."""
        self._signal.set()

    def close(self) -> None:
        """Claims no more."""
        if self._greenlet is not None:
            self._greenlet.kill(block=False)

    def take(self) -> Run | None:
        """Claims and begins the next run; `None` where there is none. Raises `StoreAway`."""
        runner = self._runner
        if runner.draining or not runner.own:
            return None
        self.claimed += 1
        try:
            return next(iter(self._begin_all(runner.store.claim(1, runner.own))), None)
        finally:
            self.claimed -= 1

    def _serve(self) -> None:
        while True:
            self._signal.clear()
            try:
                while self._claim():
                    pass
            except StoreAway:
                pass  # the maintenance of the runs says so
            except Exception:
                log.exception("the queue of the runs could not be read")
            self._signal.wait(LOOK)

    def _claim(self) -> bool:
        """Claims some runs; gives whether there may be more."""
        runner = self._runner
        room = min(runner.room, AT_ONCE)
        if runner.draining or not runner.serving() or room <= 0:
            return False
        if not self._watching:
            self._watching = True
            runner.store.watch_queue(self.look)
        # Asked first: each claim is a write, of which other workers take note.
        if not runner.store.queued(runner.own, 1):
            return False
        self.claimed += room
        try:
            records = runner.store.claim(room, runner.own)
            self._begin_all([record for record in records if not uploads_of(record.info.input)])
            for record in records:
                if uploads_of(record.info.input):
                    self.begin_apart(self._begin_all, [record])
        finally:
            self.claimed -= room
        return len(records) == room

    def begin_apart(self, step: Callable[..., Any], *args: Any) -> None:
        """Begins a run whose files have yet to come, in a greenlet: the others do not wait for it, and it counts."""

        def begin() -> None:
            try:
                step(*args)
            finally:
                self.claimed -= 1

        self.claimed += 1
        gevent.spawn(begin)

    def _begin_all(self, records: Sequence[Record]) -> list[Run]:
        """Begins the runs of these records, whose first events are kept together."""
        if self._runner.draining:
            for record in records:
                self._runner.requeue(record)
            return []
        checked = [(record, kept) for record in records if (kept := self._try(self._check, record)) is not None]
        waiting = [(record, kept) for record, kept in checked if self._try(self._write_start, record)]
        begun = [self._try(self._begin, record, kept) for record, kept in waiting]
        return [run for run in begun if run is not None]

    def _try(self, step: Callable[..., T], record: Record, *args: Any) -> T | None:
        """Takes a step with one run, without which the others are to go on; a run that cannot begin ends."""
        try:
            return step(record, *args)
        except Refused as refused:
            log_run(logging.WARNING, record.info, "was queued, and does not begin here: %s", refused)
        except Exception:  # noqa: BLE001  # logged
            log_run(logging.ERROR, record.info, "was queued, and could not begin", exc_info=True)
            message = "The worker could not begin this run."
            self._runner.end(record, "failed", error_event("operation_failed", message, retryable=True))
        return None

    def _check(self, record: Record) -> Reopened | None:
        """The input of a run, with its files and the headers of its start; `None` where the run has ended instead."""
        runner = self._runner
        if record.cancelling:
            runner.end_cancelled(record)
            return None
        try:
            return Reopened(runner.operations[record.info.operation], runner.store, record.info)
        except ValidationError:
            log_run(logging.ERROR, record.info, "was queued, with an input that it no longer takes", exc_info=True)
            message = "The operation no longer takes the input of this run."
            runner.end(record, "failed", error_event("operation_failed", message))
        except OperationError as lost:
            runner.end(record, "failed", error_event("operation_failed", lost.message, retryable=True))
        return None

    def _write_start(self, record: Record) -> bool:
        if record.fold.last_event_id:  # its producer was lost
            return True
        recorder = Recorder(self._runner.clock, fold=record.fold)
        recorder.add(make_event("start", {"run": record.info.id, "operation": record.info.operation}))
        self._runner.store.append(record.info.id, recorder.take(), recorder.fold)
        return True

    def _wait_until_kept(self, run: str) -> bool:
        """Waits until the store has kept the first event; false where another worker has the run, or this one stops."""
        store, changed = self._runner.store, self._runner.worker.signal()
        unwatch = store.watch(run, changed.set)
        try:
            while store.control(run).lost is None:
                changed.clear()
                record = store.find(run)
                if record is not None and record.fold.last_event_id:
                    return True
                if self._runner.stopping:
                    return False
                changed.wait(LOOK)
            return False
        finally:
            unwatch()

    def _begin(self, record: Record, kept: Reopened) -> Run | None:
        runner = self._runner
        if not self._wait_until_kept(record.info.id):
            kept.discard()
            return None
        if runner.store.control(record.info.id).cancel is not None:
            kept.discard()
            runner.end_cancelled(record)
            return None
        return runner.begin(record, kept)
