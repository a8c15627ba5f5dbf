"""The runs of one worker: start, find, cancel, limits, and maintenance, for runs whose producer was lost."""

from __future__ import annotations

import logging
import secrets
import weakref
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

import gevent
from pydantic import BaseModel

from ..clock import Clock, SystemClock, rfc3339
from ..errors import NotFound, RegistrationError, StoreAway, Unavailable
from ..protocol.events import make_event
from ..protocol.recorder import Recorder
from ..runtime.worker import Worker
from ..settings import Settings
from ..stores.base import Record, RunInfo, Store
from .context import CallContext
from .executors.start import check_operation, warm_executors
from .observers import Load, Observer
from .operation import UNSET, Operation
from .producer import error_event
from .run import Run

log = logging.getLogger("headway")

MAINTENANCE: Final = 1.0
"""Seconds between two rounds of maintenance."""


class Runners:
    """The runners of a worker, one for each extension in use: a part of the worker."""

    def __init__(self, worker: Worker) -> None:
        self.all: weakref.WeakSet[Runner] = weakref.WeakSet()

    @property
    def live(self) -> int:
        """How many live runs this worker has."""
        return sum(runner.live for runner in self.all)


class Runner:
    """The runs of one worker and one extension. Its methods are called in the hub (`Worker.call`)."""

    def __init__(
        self,
        operations: Iterable[Operation],
        store: Store,
        settings: Settings,
        worker: Worker,
        clock: Clock | None = None,
        observer: Observer | None = None,
        streams: Callable[[], int] = lambda: 0,
        adopts: bool = True,
        call: CallContext | None = None,
    ) -> None:
        self.operations = self.check(operations)
        self.observer = observer or Observer()
        self._streams = streams
        self._adopts = adopts
        self._call = call or CallContext()
        self.store = store
        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        self.worker = worker
        self.draining = False
        self.runs: dict[str, Run] = {}
        self._starting = self._evicted = 0
        worker.part(Runners).all.add(self)
        warm_executors(self.operations.values(), worker, self._call.process_app)
        self._maintenance: gevent.Greenlet[..., None] = gevent.spawn(self._maintain)

    @staticmethod
    def check(operations: Iterable[Operation]) -> dict[str, Operation]:
        """The operations by their names. Raises `RegistrationError`."""
        checked: dict[str, Operation] = {}
        for operation in operations:
            if not isinstance(operation, Operation):
                raise RegistrationError(f"{operation!r} is not an operation; decorate it with @operation")
            if operation.name in checked:
                raise RegistrationError(f"two operations are named {operation.name!r}")
            check_operation(operation)
            checked[operation.name] = operation
        return checked

    def start(  # what a request has
        self,
        operation: Operation,
        checked: BaseModel,
        *,
        owner: str = "",
        client: str = "",
        key: str | None = None,
        digest: str | None = None,
        linger: float = 0.0,
        cleanup: Callable[[], None] = lambda: None,
        call: CallContext | None = None,
    ) -> tuple[str, bool]:
        """Starts a run, or joins the one that the same owner and key started; gives its id, and whether it is new.

        It lingers for `linger` seconds at least. `cleanup` is called when the run has ended, or at once where none was
        started. `call` is what a request hands on; without it the run has the runner's. Raises `Unavailable`, `TooMany`
        and `Conflict`.
        """
        try:
            least = self.linger_of(operation)
            info = RunInfo(
                id=f"r{secrets.token_urlsafe(17)}",  # an id that began with `-` would look like an option
                operation=operation.name,
                created=rfc3339(self.clock.now()),
                owner=owner,
                client=client,
                linger=None if least is None else max(least, linger),
                key=key,
                digest=digest,
                input=checked.model_dump_json().encode() if operation.retries and not operation.file_fields() else None,
            )
            stored = self._create_or_join(info)
            if stored.id != info.id:
                cleanup()
                return stored.id, False
            run = self.runs[info.id] = Run(self, operation, info, checked, call or self._call)
        except BaseException:
            cleanup()
            raise
        run.cleanup.append(cleanup)
        run.start()
        return info.id, True

    def _create_or_join(self, info: RunInfo) -> RunInfo:
        joined = self.store.find_by_key(info)
        if joined is not None:
            return joined
        self._check_room()
        self._starting += 1
        try:
            return self.store.create(info, limit=self.settings.max_runs_per_client)
        finally:
            self._starting -= 1

    def find(self, run: str, owner: str) -> Record:
        """The record of a run. Raises `NotFound`, also for the runs of other owners."""
        record = self.store.find(run)
        if record is None or record.info.owner != owner:
            raise NotFound("there is no such run", code="run_not_found")
        return record

    def cancel(self, run: str, owner: str) -> tuple[Record, bool]:
        """Cancels a run; gives its record after that, and whether it was live."""
        record = self.find(run, owner)
        if record.fold.over:
            return record, False
        self.store.cancel(run, "requested")
        return self.find(run, owner), True

    def forget(self, run: Run) -> None:
        self.runs.pop(run.info.id, None)

    @property
    def live(self) -> int:
        """How many live runs this worker has."""
        return len(self.runs)

    def stop(self) -> None:
        """Cancels the live runs, and waits for their ends."""
        for run in list(self.runs.values()):
            run.producer.cancel("shutdown")
        while self.runs:
            gevent.sleep(0.01)

    def close(self) -> None:
        """Stops the live runs, and closes the store."""
        self.stop()
        self._maintenance.kill(block=False)
        self.store.close()

    def _maintain(self) -> None:
        """Adopts or ends orphans, and removes expired runs from the store."""
        while True:
            gevent.sleep(MAINTENANCE)
            self.observer.load(self._load())
            try:
                if self._adopts and not self.draining:
                    for orphan in self.store.adopt_orphans():
                        self._adopt_or_end(orphan)
                self.store.sweep()
            except StoreAway as away:
                log.warning("the store of the runs does not answer: %s", away)
            except Exception:
                log.exception("the maintenance of the runs failed")

    def _load(self) -> Load:
        evicted, self._evicted = self.store.evicted - self._evicted, self.store.evicted
        live = self.worker.part(Runners).live
        return Load(live, self._streams(), self.draining, self.store.bytes_used, evicted)

    def _adopt_or_end(self, orphan: Record) -> None:
        """Adopts an orphan, or ends it: its viewers wait, and no other worker gets it again."""
        try:
            self._adopt(orphan)
        except Exception:
            log.exception("run %s could not be started again", orphan.info.id)
            self._end(orphan)

    def _adopt(self, orphan: Record) -> None:
        """Starts a run again whose producer was lost, if its operation allows that; ends it as failed otherwise."""
        operation = self.operations.get(orphan.info.operation)
        attempt = orphan.attempt + 1
        if operation is None or orphan.info.input is None or attempt > operation.retries + 1 or orphan.cancelling:
            self._end(orphan)
            return
        checked = operation.input.model_validate_json(orphan.info.input)
        # Without a stored event it starts for the first time.
        is_new = orphan.fold.last_event_id == 0
        run = self.runs[orphan.info.id] = Run(
            self, operation, orphan.info, checked, self._call, fold=orphan.fold, attempt=1 if is_new else attempt
        )
        run.start(None if is_new else make_event("attempt", {"attempt": attempt, "reason": "producer_lost"}))

    def _end(self, orphan: Record) -> None:
        recorder = Recorder(self.clock, fold=orphan.fold)
        elapsed = max(self.clock.now() - datetime.fromisoformat(orphan.info.created).timestamp(), 0)
        if not recorder.last:
            recorder.add(make_event("start", {"run": orphan.info.id, "operation": orphan.info.operation}))
        recorder.add(error_event("producer_lost", "The worker that ran this has died.", retryable=True))
        recorder.add(make_event("done", {"status": "failed", "elapsed": round(elapsed, 3)}))
        self.store.append(orphan.info.id, recorder.take(), recorder.fold)

    def _check_room(self) -> None:
        if self.draining:
            raise Unavailable("this worker is stopping; come back in a moment", code="draining", retry_after=1)
        # Starts that wait for the store count too, or all of a burst would be let in.
        if len(self.runs) + self._starting >= self.settings.max_runs:
            raise Unavailable("this worker has as many live runs as it may have", code="too_many_runs", retry_after=5)

    def linger_of(self, operation: Operation) -> float | None:
        """The linger of an operation in seconds, `None` for ever."""
        return self.settings.linger if operation.linger is UNSET else operation.linger
