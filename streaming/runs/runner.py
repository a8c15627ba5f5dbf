"""The runs of one worker: start, find, cancel, limits, and maintenance, for runs whose producer was lost."""

from __future__ import annotations

import contextlib
import logging
import secrets
import weakref
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Final

import gevent
from gevent.lock import Semaphore
from pydantic import BaseModel

from ..clock import Clock, SystemClock, rfc3339
from ..errors import Conflict, InvalidInput, NotFound, RegistrationError, StoreAway, TooLarge, Unavailable
from ..logs import log_run
from ..protocol.events import Event, make_event
from ..protocol.limits import NO_LIMITS, Limits
from ..protocol.recorder import Recorder
from ..protocol.state import Ending, Fold
from ..runtime.worker import Worker
from ..settings import Settings
from ..stores.base import Record, RunInfo, Store, worker_full
from ..stores.files import uploads_of
from .checkpoints import attempt_event, checkpoint_from_kept
from .context import CallContext
from .executors.start import check_operation, warm_executors
from .kept import FILE_TRIES, KeptInput, Reopened, queued_input, retried_input
from .messages import Delivery, Messages
from .observers import Load, Observer
from .operation import UNSET, Operation
from .producer import error_event
from .queue import Queue
from .queued import QueuedRun
from .run import Run
from .shown import shown_input
from .upload import uploads_in

log: Final = logging.getLogger("headway")

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
    """The runs of one worker and one extension. Its methods are called in the hub (`Worker.call`).

    `operations` are all that the application has, and `own` those that this process works on: in a worker of Celery
    (`in_celery`) those that run there, elsewhere the others. `messages` are sent for runs of the former.
    """

    def __init__(
        self,
        operations: Iterable[Operation],
        store: Store,
        settings: Settings,
        worker: Worker,
        clock: Clock | None = None,
        observer: Observer | None = None,
        streams: Callable[[], int] = lambda: 0,
        cut: Callable[[], int] = lambda: 0,
        serving: Callable[[], bool] = lambda: True,
        call: CallContext | None = None,
        messages: Messages | None = None,
        in_celery: bool = False,
    ) -> None:
        self.operations: dict[str, Operation] = self.check(operations)
        self.in_celery = in_celery
        self.delivery: Delivery = Delivery(self.operations, store, messages)
        self.own: dict[str, Operation] = self.delivery.own(in_celery)
        self.limits: dict[str, Limits] = {name: each.limits for name, each in self.own.items()}
        self.observer: Observer = observer or Observer()
        self._streams = streams
        self._cut = cut
        self.serving = serving
        self.call: CallContext = call or CallContext()
        self.store = store
        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        self.worker = worker
        self.draining: bool = False
        self.stopping: bool = False
        self.runs: dict[str, Run] = {}
        self._starting = self._evicted = self._store_errors = 0
        worker.part(Runners).all.add(self)
        if serving() or in_celery:
            warm_executors(self.own.values(), worker, self.call.process_app)
        self._adopting = Semaphore()
        self._greenlets = [gevent.spawn(self._maintain), gevent.spawn(self._take_over)]
        self.queue: Queue = Queue(self)

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
        client: str | None = "",
        key: str | None = None,
        digest: str | None = None,
        linger: float | None = 0.0,
        queued: bool = False,
        cleanup: Callable[[], None] = lambda: None,
        call: CallContext | None = None,
    ) -> tuple[str, bool]:
        """Starts a run, or joins the one that the same owner and key started; gives its id, and whether it is new.

        It lingers for `linger` seconds at least, `None` is for ever; it counts towards the limit of `client`, if there
        is one. It may have to wait, by the limits of its operation. One that is `queued` waits in a shared store for
        another process. `cleanup` is called when the run has ended, or at once where none was started here. `call` is
        what a request hands on; without it, and queued, the run has the runner's. Raises `Unavailable`, `TooMany`,
        `Conflict`, and `InvalidInput` where the input cannot be queued.
        """
        try:
            kept = self._to_keep(operation, checked, call or self.call, queued=queued)
            least = self.linger_of(operation)
            info = RunInfo(
                id=f"r{secrets.token_urlsafe(17)}",  # an id that began with `-` would look like an option
                operation=operation.name,
                created=rfc3339(self.clock.now()),
                owner=owner,
                client=client or "",
                linger=None if least is None or linger is None else max(least, linger),
                key=key,
                digest=digest,
                input=None if kept is None else kept.body,
                shown=shown_input(operation, checked),
            )
            limit = None if client is None else self.settings.max_runs_per_client

            def begin(fold: Fold | None = None) -> Run:
                try:
                    run = self.runs[info.id] = Run(self, operation, info, checked, call or self.call, fold=fold)
                except BaseException:
                    cleanup()
                    raise
                self._take_uploads(run, checked, cleanup)
                run.start()
                return run

            if (queued and self.serving()) or (operation.limits.any and not queued):
                return self._start_or_wait(QueuedRun(self, info, None, begin, cleanup), limit, queued, kept)
            stored = self._create_or_join(info, limit, kept if queued else None)
            if queued or stored.id != info.id:
                cleanup()
                if stored.id == info.id:
                    log_run(logging.INFO, info, "is queued")
                    self.delivery.send(info)
                return stored.id, stored.id == info.id
        except BaseException:
            cleanup()
            raise
        begin()
        self._keep_files_soon(info, kept)
        return info.id, True

    def _start_or_wait(
        self, queued: QueuedRun, limit: int | None, wait: bool, kept: KeptInput | None
    ) -> tuple[str, bool]:
        """Starts a run that may have to wait; gives its id, and whether it is new."""
        info, waiting = queued.info, self.queue.kept
        limits = self.operations[info.operation].limits
        waiting[info.id] = queued  # a claim may come before the store has answered
        try:
            stored = self._create_or_join(info, limit, None, limits, wait)
        except BaseException:
            waiting.pop(info.id, None)
            raise
        if stored.id != info.id:
            self.queue.lose(queued)
        elif info.id in waiting:
            record = self.store.find(info.id)
            if record is not None and record.queued:
                log_run(logging.INFO, info, "is queued")
                self.queue.keep(queued)
                if kept is None or not kept.has_files:
                    self.delivery.send(info)
                self._keep_files_soon(info, kept)
            elif self.store.control(info.id).lost is not None:
                self.queue.lose(queued)
            else:
                del waiting[info.id]
                assert queued.begin is not None
                queued.begin(Fold())
                self._keep_files_soon(info, kept)
        return stored.id, stored.id == info.id

    def _to_keep(
        self, operation: Operation, checked: BaseModel, call: CallContext, *, queued: bool
    ) -> KeptInput | None:
        """What is kept for a run that begins elsewhere, or may start again; `None` where only this worker can."""
        most = self.store.files.most
        if queued:
            return queued_input(operation, checked, call.headers, most)
        if operation.limits.any and self.store.shared:
            own = operation.portable(checked)
            with contextlib.suppress(InvalidInput, TooLarge):
                return None if own is None else queued_input(operation, own, call.headers, most)
        elif operation.retries and (self.store.shared or not operation.file_fields()):
            return retried_input(operation, checked, call.headers, most)
        return None

    def _keep_files_soon(self, info: RunInfo, kept: KeptInput | None) -> None:
        if kept is not None and kept.has_files:
            gevent.spawn(self._keep_files, info, kept)

    def _keep_files(self, info: RunInfo, kept: KeptInput) -> None:
        """Keeps the files of a run: until then only this worker can begin it, or start it again."""
        for seconds in FILE_TRIES:
            try:
                kept.keep_files(self.store, info.id)
                if (queued := self.queue.kept.get(info.id)) is not None:
                    self.store.share(info.id)
                    queued.shared = True
                    self.delivery.send(info)
            except Exception as error:  # noqa: BLE001  # logged
                if info.id not in self.runs and info.id not in self.queue.kept:  # over, and its files deleted
                    return
                if not isinstance(error, StoreAway):
                    log_run(logging.WARNING, info, "could not be kept with its files: %s", type(error).__name__)
                    return
                gevent.sleep(seconds)
            else:
                return
        log_run(logging.WARNING, info, "could not be kept with its files: the store is away")

    def _take_uploads(self, run: Run, checked: BaseModel, discard: Callable[[], None]) -> None:
        """Counts the files of an input among what the run takes, until `discard` deletes them at its end."""
        run.cleanup.append(discard)
        size = sum(upload.size for _, upload in uploads_in(checked))
        if size:
            self.store.count_upload(run.info.id, size)
            run.cleanup.append(partial(self.store.count_upload, run.info.id, 0))

    def _create_or_join(
        self, info: RunInfo, limit: int | None, queued: KeptInput | None, limits: Limits = NO_LIMITS, wait: bool = False
    ) -> RunInfo:
        joined = self.store.find_by_key(info)
        if joined is not None:
            return joined
        if queued is not None:
            return self._queue(info, limit, queued)
        if self.draining:
            raise Unavailable("this worker is stopping; come back in a moment", code="draining", retry_after=1)
        full = self.room <= 0
        if full and not (limits.any or wait):
            raise worker_full()
        self._starting += 1
        try:
            return self.store.create(info, limit=limit, limits=limits, wait=wait, full=full)
        finally:
            self._starting -= 1

    def _queue(self, info: RunInfo, limit: int | None, kept: KeptInput) -> RunInfo:
        """Creates a queued run; one with files is this worker's until they are kept."""
        stored = self.store.create(info, limit=limit, queued=not kept.has_files)
        if not kept.has_files or stored.id != info.id:
            return stored
        record = Record(info, Fold())
        try:
            kept.keep_files(self.store, info.id)
            self.store.requeue(record)
        except BaseException:
            self.end(record, "cancelled", reason="shutdown")
            with contextlib.suppress(StoreAway):
                self.store.flush()
                self.store.erase(info.id)  # nobody knows of it
            raise
        return stored

    def find(self, run: str, owner: str | None) -> Record:
        """The record of a run. Raises `NotFound`, also for those of others than `owner`, if there is one."""
        record = self.store.find(run)
        if record is None or owner not in (None, record.info.owner):
            raise missing()
        return record

    def cancel(self, run: str, owner: str | None) -> tuple[Record, bool]:
        """Cancels a run; gives its record after that, and whether it was live."""
        record = self.find(run, owner)
        if record.fold.over:
            return record, False
        if record.queued and self.queue.end(run, "requested"):
            self.store.flush()
        else:
            self.store.cancel(run, "requested")
        return self.find(run, owner), True

    def erase(self, run: str, owner: str | None) -> None:
        """Deletes a finished run with all that belongs to it. Raises `NotFound`, and `Conflict` for one that lives."""
        if not self.find(run, owner).fold.over:
            raise Conflict("this run lives: cancel it, and erase it once it has ended", code="run_live")
        if not self.store.erase(run):
            raise missing()

    def forget(self, run: Run) -> None:
        self.runs.pop(run.info.id, None)
        self.queue.look()
        self.delivery.run_ended(run.info)

    @property
    def live(self) -> int:
        """How many live runs this worker has."""
        return len(self.runs) + self.queue.claimed

    @property
    def room(self) -> int:
        """How many more runs this worker may have; starts that wait for the store count too."""
        return self.settings.max_runs - self.live - self._starting

    def stop(self) -> None:
        """Leaves queued runs to others, cancels the live ones, and waits for their ends."""
        self.draining = self.stopping = True
        with self._adopting:  # it would take back what is handed over below
            pass
        self.queue.give_away()
        while self.live:
            for run in list(self.runs.values()):
                run.producer.cancel("shutdown")
            gevent.sleep(0.01)

    def close(self) -> None:
        """Stops the live runs, and closes the store."""
        self.stop()
        self.queue.close()
        gevent.killall(self._greenlets, block=False)
        self.store.close()
        self.delivery.close()

    def _maintain(self) -> None:
        """Removes expired runs from the store."""
        while True:
            gevent.sleep(MAINTENANCE)
            self.observer.load(self._load())
            self._try(self.store.sweep, "maintenance")

    def _take_over(self) -> None:
        """Adopts or ends orphans: apart from the maintenance, so that no run waits for the removal of others."""
        while True:
            gevent.sleep(MAINTENANCE)
            if (self.serving() or self.in_celery) and not self.draining:
                self._try(self._adopt_all, "orphans")
                self._try(self.delivery.send_again, "messages")

    def _try(self, work: Callable[[], None], name: str) -> None:
        try:
            work()
            self.store.outage.back(name)
        except StoreAway as away:
            self.store.outage.gone(away, name)
        except Exception:
            log.exception("the maintenance of the runs failed")

    def _adopt_all(self) -> None:
        # A worker of Celery leaves the others to those that serve, which may start them again at once.
        operations = self.own if self.in_celery else self.operations
        with self._adopting:
            while not self.draining and (orphans := self.store.adopt_orphans(operations)):
                for orphan in orphans:
                    if uploads_of(orphan.info.input) and self.own.get(orphan.info.operation):
                        self.queue.begin_apart(self._adopt_or_end, orphan)
                    else:
                        self._adopt_or_end(orphan)

    def _load(self) -> Load:
        evicted, self._evicted = self.store.evicted - self._evicted, self.store.evicted
        errors, self._store_errors = self.store.outage.errors - self._store_errors, self.store.outage.errors
        live = self.worker.part(Runners).live
        return Load(live, self._streams(), self.draining, self.store.bytes_used, evicted, self._cut(), errors)

    def _adopt_or_end(self, orphan: Record) -> None:
        """Adopts an orphan, or ends it: its viewers wait, and no other worker gets it again."""
        try:
            self._adopt(orphan)
        except Exception:  # noqa: BLE001  # logged
            log_run(logging.ERROR, orphan.info, "could not be started again", exc_info=True)
            self._end_lost(orphan)

    def _adopt(self, orphan: Record) -> None:
        """Starts a run again whose producer was lost, if its operation allows that; ends it as failed otherwise.

        One that was claimed, and has not begun, goes back into the queue, and so does one that runs in other processes
        than this one, or in a task of Celery.
        """
        operation = self.operations.get(orphan.info.operation)
        attempt = orphan.attempt + 1
        if orphan.queued:
            self._adopt_queued(orphan)
            return
        if orphan.info.input is not None and not orphan.begun:
            self.requeue(orphan)
            return
        if operation is None or orphan.info.input is None or attempt > operation.retries + 1 or orphan.cancelling:
            self._end_lost(orphan)
            return
        # Without a stored event it starts for the first time.
        again = replace(orphan, attempt=attempt if orphan.fold.last_event_id else 1)
        if self.in_celery or operation.name not in self.own:
            self.requeue(again)
        else:
            first = attempt_event(again) if again.attempt > 1 else None
            self.begin(again, Reopened(operation, self.store, orphan.info), first)

    def begin(self, record: Record, kept: Reopened, first: Event | None = None) -> Run:
        """Begins a run of this worker, or begins it again after a lost producer, with `first`, an `attempt`."""
        operation = self.operations[record.info.operation]
        call = replace(self.call, headers=kept.headers)
        try:
            checkpoint = checkpoint_from_kept(record.checkpoint)
            run = Run(
                *(self, operation, record.info, kept.checked, call),
                fold=record.fold,
                attempt=record.attempt,
                kept=checkpoint,
            )
        except BaseException:
            kept.discard()
            raise
        self.runs[record.info.id] = run
        self._take_uploads(run, kept.checked, kept.discard)
        run.start(first)
        return run

    def requeue(self, record: Record) -> None:
        """Puts a run of this worker back into the queue."""
        log_run(logging.WARNING, record.info, "is queued again, after its worker has died or stopped")
        self.store.requeue(record)
        self.delivery.send(record.info)

    def _adopt_queued(self, orphan: Record) -> None:
        """Keeps a queued run whose worker has died; ends one that only that worker could have begun."""
        if orphan.info.input is not None and self.in_celery:
            self.requeue(orphan)
        elif orphan.info.input is not None:
            self.queue.keep(QueuedRun(self, orphan.info, orphan.fold))
        elif (record := self.store.claim_run(orphan.info.id)) is not None:
            self._end_lost(record)

    def _end_lost(self, orphan: Record) -> None:
        self.end(orphan, "failed", error_event("producer_lost", "The worker that ran this has died.", retryable=True))

    def end_cancelled(self, record: Record) -> None:
        """Ends a run of this worker that was cancelled before it began."""
        self.end(record, "cancelled", reason=self.store.control(record.info.id).cancel or "requested")

    def end(self, record: Record, status: Ending, *events: Event, **more: Any) -> None:
        """Writes the last events of a run of this worker that has no producer; `done` has what is in `more`."""
        recorder = Recorder(self.clock, fold=record.fold)
        elapsed = max(self.clock.now() - datetime.fromisoformat(record.info.created).timestamp(), 0)
        if not recorder.last:
            recorder.add(make_event("start", {"run": record.info.id, "operation": record.info.operation}))
        for event in events:
            recorder.add(event)
        recorder.add(make_event("done", {"status": status, "elapsed": round(elapsed, 3), **more}))
        self.store.append(record.info.id, recorder.take(), recorder.fold)
        code = next((event.data["code"] for event in events if event.name == "error"), None)
        level, why = (logging.INFO, more.get("reason")) if code is None else (logging.WARNING, code)
        log_run(level, record.info, "ended without a producer: %s, %s", status, why, status=status, code=code)

    def linger_of(self, operation: Operation) -> float | None:
        """The linger of an operation in seconds, `None` for ever."""
        return self.settings.linger if operation.linger is UNSET else operation.linger


def missing() -> NotFound:
    """The error for a run that does not exist, or belongs to somebody else."""
    return NotFound("there is no such run", code="run_not_found")
