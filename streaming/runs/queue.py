"""Queued runs: what is over its operation's concurrency waits, and what a process starts that does not serve.

The store decides which run is next (`stores.queues`), and gives it to one worker. A run that a worker has started here
is kept by it (`queued.QueuedRun`): it writes the run's events, until a worker claims it. A run that a process has
started that does not serve is nobody's, until a worker claims it, or keeps it for viewers. The worker that claims a run
writes an event, and begins the work once the store has kept that: so a run without an event since its claim has not
begun, and goes back into the queue if its worker dies.
"""

from __future__ import annotations

import contextlib
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import gevent
from pydantic import ValidationError

from ..errors import OperationError, Refused, StoreAway
from ..logs import log_run
from ..protocol.events import make_event
from ..protocol.recorder import Recorder
from ..protocol.state import Fold, Reason
from ..stores.base import Record
from ..stores.files import uploads_of
from .checkpoints import attempt_event, checkpoint_from_kept
from .kept import Reopened
from .producer import error_event
from .queued import AGAIN, QueuedRun, place_event
from .run import Run

if TYPE_CHECKING:
    from .run import Run
    from .runner import Runner

log: Final = logging.getLogger("headway")

T = TypeVar("T")

LOOK: Final = 1.0
"""Seconds between two looks into the queue where the store notifies of nothing."""

AT_ONCE: Final = 4
"""How many runs a worker claims at once: it leaves some to the others, which have been notified too."""

GAP: Final = 0.05
"""Seconds between two looks for the places of queued runs: many that are started at once have them from one query."""

MOST: Final = 1000
"""How many places one query looks for."""


class Claimed(NamedTuple):
    """A run that this worker has claimed. `begin` begins it, `discard` deletes its input instead."""

    record: Record
    recorder: Recorder
    begin: Callable[[Fold], Run]
    discard: Callable[[], None]


class Queue:
    """The queued runs of one worker: those that it keeps, and its claims.

    `claimed` is for how many runs it has claimed room, and not begun them.
    """

    def __init__(self, runner: Runner) -> None:
        self.claimed: int = 0
        self.kept: dict[str, QueuedRun] = {}
        self._runner = runner
        self._signal = runner.worker.signal()
        self._new = runner.worker.signal()
        self._watching = False
        self._greenlets = [gevent.spawn(self._tell_places)]
        if not runner.in_celery:  # there each run has a task, which asks for it
            self._greenlets.append(gevent.spawn(self._serve))

    def look(self) -> None:
        """Looks for queued runs, in the next round of the hub."""
        self._signal.set()

    def close(self) -> None:
        """Claims no more."""
        for greenlet in self._greenlets:
            greenlet.kill(block=False)

    # -- the runs that this worker keeps --------------------------------------------------------------------------

    def keep(self, queued: QueuedRun) -> None:
        """Writes the events of a queued run from now on."""
        self.kept[queued.info.id] = queued
        queued.open()
        self._new.set()

    def lose(self, queued: QueuedRun) -> None:
        """Leaves a run to another worker, which has claimed it."""
        self.kept.pop(queued.info.id, None)
        queued.close()
        queued.discard()

    def end(self, run: str, reason: Reason) -> bool:
        """Ends a queued run as cancelled, whoever keeps it; false where it is queued no more. Raises `StoreAway`."""
        record = self._runner.store.claim_run(run)
        if record is None:
            return False
        queued = self.kept.get(run)
        if queued is not None:
            self.lose(queued)
            record = replace(record, fold=queued.recorder.fold)
        self._runner.end(record, "cancelled", reason=reason)
        return True

    def give_away(self) -> None:
        """Leaves the runs that this worker keeps to others; ends those that only this one can begin."""
        store = self._runner.store
        for queued in list(self.kept.values()):
            with contextlib.suppress(StoreAway):
                if store.shared and _is_for_any(queued):
                    store.requeue(Record(queued.info, queued.recorder.fold))
                    self.lose(queued)
                else:
                    self.end(queued.info.id, "shutdown")

    def _tell_places(self) -> None:
        while True:
            self._new.wait(AGAIN if self.kept else None)
            self._new.clear()
            try:
                self._update_places()
            except StoreAway:
                pass  # the maintenance of the runs says so
            except Exception:
                log.exception("the places of the queued runs could not be read")
            gevent.sleep(GAP)

    def _update_places(self) -> None:
        runner, now = self._runner, self._runner.clock.monotonic()
        due = defaultdict[str, list[str]](list)
        for run, queued in self.kept.items():
            if queued.is_due(now) and len(due[queued.info.operation]) < MOST:
                due[queued.info.operation].append(run)
        for operation, runs in due.items():
            waiting = runner.store.waiting(operation, runs)
            known = runner.operations.get(operation)
            at_a_time = (known and known.limits.concurrency) or max(waiting.at_work, 1)
            for run, place in waiting.places().items():
                eta = None if waiting.seconds is None else waiting.seconds * place / at_a_time
                if run in self.kept:
                    self.kept[run].tell_place(place, eta, now)

    # -- claims ---------------------------------------------------------------------------------------------------

    def take(self) -> Run | None:
        """Claims and begins the next run; `None` where there is none. Raises `StoreAway`."""
        runner = self._runner
        if runner.draining or not runner.own:
            return None
        self.claimed += 1
        try:
            return next(iter(self._begin_all(runner.store.claim(1, runner.limits))), None)
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
        if not runner.store.queued(runner.limits, 1):
            return False
        self.claimed += room
        try:
            records = runner.store.claim(room, runner.limits)
            apart = [record for record in records if self._has_to_fetch(record)]
            self._begin_all([record for record in records if record not in apart])
            for record in apart:
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

    def _has_to_fetch(self, record: Record) -> bool:
        return bool(uploads_of(record.info.input)) and record.info.id not in self.kept

    def _begin_all(self, records: Sequence[Record]) -> list[Run]:
        """Begins the runs of these records, whose next events are kept together."""
        if self._runner.draining:
            for record in records:
                self._hand_back(record)
            return []
        claimed = [(record, each) for record in records if (each := self._try(self._check, record)) is not None]
        waiting = [(record, each) for record, each in claimed if self._try(self._write_event, record, each)]
        begun = [self._try(self._begin, record, each) for record, each in waiting]
        return [run for run in begun if run is not None]

    def _hand_back(self, record: Record) -> None:
        """Puts a run back that was claimed while this worker stops; ends one that only this one can begin."""
        queued = self.kept.get(record.info.id)
        if queued is not None:
            self.lose(queued)
        if queued is None or _is_for_any(queued):
            self._runner.requeue(record)
        else:
            self._runner.end(replace(record, fold=queued.recorder.fold), "cancelled", reason="shutdown")

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

    def _check(self, record: Record) -> Claimed | None:
        """What a run needs to begin; `None` where it has ended instead."""
        runner, queued = self._runner, self.kept.pop(record.info.id, None)
        recorder = Recorder(runner.clock, fold=record.fold) if queued is None else queued.recorder
        record = replace(record, fold=recorder.fold)
        if queued is not None:
            queued.close()
        if record.cancelling:
            runner.end_cancelled(record)
        elif queued is not None and queued.begin is not None:
            return Claimed(record, recorder, queued.begin, queued.discard)
        else:
            return self._reopen(record, recorder)
        if queued is not None:
            queued.discard()
        return None

    def _reopen(self, record: Record, recorder: Recorder) -> Claimed | None:
        """The run with its input as another worker has kept it; `None` where it has ended instead."""
        runner = self._runner
        try:
            kept = Reopened(runner.operations[record.info.operation], runner.store, record.info)
        except ValidationError:
            log_run(logging.ERROR, record.info, "was queued, with an input that it no longer takes", exc_info=True)
            message = "The operation no longer takes the input of this run."
            runner.end(record, "failed", error_event("operation_failed", message))
        except OperationError as lost:
            runner.end(record, "failed", error_event("operation_failed", lost.message, retryable=True))
        else:
            if record.attempt > 1:
                progress = checkpoint_from_kept(record.checkpoint).progress
                recorder = Recorder(runner.clock, fold=recorder.fold, kept_progress=progress)
            begin = lambda fold: runner.begin(replace(record, fold=fold), kept)  # noqa: E731
            return Claimed(record, recorder, begin, kept.discard)
        return None

    def _write_event(self, record: Record, claimed: Claimed) -> bool:
        """Writes the first event of the work: once it is kept, no other worker begins the same attempt."""
        recorder = claimed.recorder
        if record.attempt > 1:  # its producer was lost
            recorder.add(attempt_event(record))
        elif recorder.last:
            recorder.add(place_event(0))
        else:
            recorder.add(make_event("start", {"run": record.info.id, "operation": record.info.operation}))
        self._runner.store.append(record.info.id, recorder.take(), recorder.fold)
        return True

    def _wait_until_kept(self, run: str, last: int) -> bool:
        """Waits until the store has kept an event; false where another worker has the run, or this one stops."""
        store, changed = self._runner.store, self._runner.worker.signal()
        unwatch = store.watch(run, changed.set)
        try:
            while store.control(run).lost is None:
                changed.clear()
                record = store.find(run)
                if record is not None and record.fold.last_event_id >= last:
                    return True
                if self._runner.stopping:
                    return False
                changed.wait(LOOK)
            return False
        finally:
            unwatch()

    def _begin(self, record: Record, claimed: Claimed) -> Run | None:
        runner = self._runner
        if not self._wait_until_kept(record.info.id, claimed.recorder.last):
            claimed.discard()
            return None
        if runner.store.control(record.info.id).cancel is not None:
            claimed.discard()
            runner.end_cancelled(claimed.record)
            return None
        return claimed.begin(claimed.recorder.fold)


def _is_for_any(queued: QueuedRun) -> bool:
    """Whether any worker can begin a run; one with files has them here until they are kept."""
    return queued.shared or (queued.info.input is not None and not uploads_of(queued.info.input))
