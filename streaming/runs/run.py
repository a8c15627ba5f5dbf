"""One live run of this worker: a producer whose sink is an event log that outlives its viewers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, Protocol

import gevent
import orjson
from pydantic import BaseModel

from ..clock import Clock
from ..errors import OperationError, Refused, StoreAway, StoreFull
from ..logs import log_run
from ..protocol.events import Event, make_event
from ..protocol.frames import Block
from ..protocol.recorder import Recorder
from ..protocol.state import Fold
from ..runtime.worker import Worker
from ..stores.base import RunInfo, Store
from ..stores.partials import lost_partials
from .checkpoints import BEGINNING, KeptCheckpoint, checkpoint_to_keep
from .context import CallContext, CurrentRun, RunContext
from .executors.base import FailedWork
from .executors.start import start_work
from .files import FileEvent
from .kept import FILE_TRIES
from .linger import Linger
from .observers import Observer, RunEnded, RunStarted
from .operation import Operation
from .producer import Producer

STORE_LOST: Final = "The store of the runs could not be reached for too long."
KEPT_WAIT: Final = 0.01
KEPT_TRIES: Final = 1_000
"""How often, and for how many seconds each, a result that refers to partials waits until the store has them."""
STORE_FULL: Final = "The live runs fill the store, and this one is the largest."


class Host(Protocol):
    """What a run needs of its runner."""

    worker: Worker
    store: Store
    clock: Clock
    observer: Observer
    stopping: bool

    def forget(self, run: Run) -> None:
        """Removes a run that has ended."""


class Run:
    """A live run: its producer, its event log, and the policy for when its last viewer has left."""

    send = None

    def __init__(  # of a new run, and of one that starts again
        self,
        host: Host,
        operation: Operation,
        info: RunInfo,
        checked: BaseModel,
        call: CallContext,
        *,
        fold: Fold | None = None,
        attempt: int = 1,
        kept: KeptCheckpoint = BEGINNING,
    ) -> None:
        self.info = info
        retries = 0 if info.input is None else operation.retries
        self._may_start_again = retries > 0
        self._is_last = attempt > retries
        self._attempt = attempt
        self.cleanup: list[Callable[[], None]] = []
        self._host = host
        self._store = host.store
        self._unwatch: Callable[[], None] = lambda: None
        self._linger = Linger(host.clock, info.linger)
        self._measured = operation.limits.any or operation.runs_in == "celery"
        current = CurrentRun(
            *(info.id, operation.name, info.owner, attempt, operation.checked_input(checked), call.headers, kept.value)
        )
        context = RunContext(host.worker, current, call, host.store.files)
        timeout: float | None = None
        try:
            timeout = operation.time_limit(checked)
            work = start_work(operation, checked, context)
        except Exception as error:  # noqa: BLE001  # the run exists already, and its viewers see it fail
            work = FailedWork(error)
        self.producer: Producer = Producer(
            operation.name,
            work,
            context,
            self,
            clock=host.clock,
            flush=operation.flush,
            timeout=timeout,
            fold=fold,
            kept_progress=kept.progress,
            ended=self._ended,
        )

    def start(self, first: Event | None = None) -> None:
        """Starts the work; with `first`, an `attempt`, after a lost producer."""
        try:
            self._unwatch = self._store.watch(self.info.id, self._apply_control, events=False)
        except Exception as error:  # noqa: BLE001  # the run exists already, and its viewers see it fail
            self.producer.fail(error)  # no cancel would reach its work
        try:
            self.producer.start(first)
        except Refused as refused:
            self.producer.lose(refused)
            raise
        if self._attempt == 1:
            log_run(logging.INFO, self.info, "started")
        else:
            log_run(
                logging.WARNING, self.info, "starts again, after its worker has died or stopped", attempt=self._attempt
            )
        self._host.observer.run_started(RunStarted(self.info.id, self.info.operation, self._attempt))

    def put(self, block: Block, recorder: Recorder) -> None:
        self._store.append(self.info.id, block, recorder.fold)

    def wait_for_room(self) -> None:
        if self._may_start_again:
            self._store.confirm(self.info.id)
        self._store.wait_for_room(self.info.id)

    def wait_for_viewers(self) -> None:
        self._store.wait_for_viewers(self.info.id)

    def keep_checkpoint(self, body: bytes, recorder: Recorder) -> None:
        if self._may_start_again:
            kept = checkpoint_to_keep(body, recorder.fold.progress)
            self._store.keep(self.info.id, recorder.last, kept)
            self._store.confirm(self.info.id)

    def hand_over(self) -> bool:
        if not (self._host.stopping and not self._is_last) or self._store.control(self.info.id).cancel is not None:
            return False
        return self._store.release(self.info.id)

    def keep_file(self, file: FileEvent) -> Event:
        """Keeps a file for as long as this run, also where the store is away for a while.

        Raises `OperationError` where it is too large, or the store stays away.
        """
        for seconds in (*FILE_TRIES, None):
            try:
                info = self._store.put_file(self.info.id, file.filename, file.type, file.source)
                return make_event("file", info._asdict())
            except OperationError:
                if file.otherwise is None:
                    raise
                return file.otherwise
            except StoreAway:
                if seconds is None:
                    raise OperationError("operation_failed", STORE_LOST, retryable=True) from None
                gevent.sleep(seconds)
        raise AssertionError("the last try returns or raises")

    def check_references(self, body: bytes, last: int) -> None:
        """Raises `OperationError` where the store has trimmed a partial that a result refers to."""
        for _ in range(KEPT_TRIES):  # what is yet to be written may still trim some
            if self._store.last_event_id(self.info.id) >= last:
                break
            gevent.sleep(KEPT_WAIT)
        if lost := lost_partials(self._store, self.info.id, body):
            log_run(logging.ERROR, self.info, "has a result that refers to lost partials, such as %s", min(lost))
            raise OperationError("too_large", "The result refers to partials that are no longer kept.")

    def _apply_control(self) -> None:
        """Applies what others ask of this run; called whenever anything about it has changed."""
        if self.producer.over:
            return
        control = self._store.control(self.info.id)
        if isinstance(control.lost, StoreAway):
            self.producer.fail(OperationError("operation_failed", STORE_LOST, retryable=True))
            return
        if isinstance(control.lost, StoreFull):
            self.producer.fail(OperationError("too_large", STORE_FULL))
            return
        if control.lost is not None:
            self.producer.lose(control.lost)
            return
        if control.cancel is not None:
            self.producer.cancel(control.cancel)
        for question, body in control.answers.items():
            self.producer.answer(question, orjson.loads(body))
        self._linger.update(control.viewers, control.watched, self._abandon)

    def _abandon(self) -> None:
        if not self.producer.over and not self._store.abandon(self.info.id):
            self._linger.restart()
            self._apply_control()

    def _ended(self) -> None:
        unwatch, self._unwatch = self._unwatch, lambda: None  # which refers to this run
        unwatch()
        self._linger.stop()
        while self.cleanup:
            self.cleanup.pop(0)()
        self._host.forget(self)
        producer, fold = self.producer, self.producer.recorder.fold
        status = fold.ending
        reason = producer.cancelled if status == "cancelled" else None
        usage = orjson.loads(fold.usage) if fold.usage and status else {}
        name, seconds, events = self.info.operation, producer.elapsed, producer.recorder.last
        if self._measured and status != "cancelled" and status is not None:
            self._store.measure(name, seconds)
        record = RunEnded(self.info.id, name, status, reason, seconds, events, usage)
        self._host.observer.run_ended(record)
