"""What works on runs in the processes of a Celery worker, made after their fork.

A message starts a task, which claims the next run of the store, and ends with the run: so it takes one slot of the
pool, and the pool's size bounds the runs at work. In the gevent pool the runs share its hub; in the others a native
thread has one, and the task's own thread waits. Nothing is read from a message but that there may be a run.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import gevent

from ...errors import StoreAway
from ...runs.runner import Runner
from ...runtime.hub import start_native_thread
from ...runtime.worker import Worker
from ..serving import open_store_of
from .publisher import TASK

if TYPE_CHECKING:
    from ..extension import Headway

log: Final = logging.getLogger("headway")

NEVER: Final = 10 * 365 * 86_400
"""Seconds of the time limits of the task, over any that Celery is configured with: `timeout` limits an operation."""

WARM: Final = b"w"
COLD: Final = b"c"
"""What the main process says at its shutdown, after Celery's words for the two kinds."""


class Host:
    """The runs of a Celery application in this process, of all the extensions that it serves."""

    def __init__(self, celery: Any) -> None:
        from celery import signals

        self.is_worker: bool = False
        self._celery = celery
        self._headways: weakref.WeakSet[Headway] = weakref.WeakSet()
        self._ends: tuple[socket.socket, socket.socket] | None = None
        self._main = self._watched_by = 0
        self._cold = False
        self._waiting: set[Callable[[], None]] = set()
        self._passed_on: set[str] = set()

        def work(run: str) -> None:
            self._work(run)

        celery.task(
            work,
            name=TASK,
            shared=False,
            ignore_result=True,
            acks_late=False,
            track_started=False,
            max_retries=0,
            rate_limit=None,
            time_limit=NEVER,
            soft_time_limit=NEVER,
        )
        signals.worker_init.connect(self._begin)  # each holds this weakly
        signals.worker_ready.connect(self._ready)
        signals.worker_process_init.connect(self._begin_process)
        signals.worker_shutting_down.connect(self._shut_down)
        signals.worker_process_shutdown.connect(self._close)
        signals.worker_shutdown.connect(self._close)

    @classmethod
    def of(cls, celery: Any) -> Host:
        """The host of a Celery application."""
        if not hasattr(celery, "headway_host"):
            celery.headway_host = cls(celery)
        host: Host = celery.headway_host
        return host

    def add(self, headway: Headway) -> None:
        """Has the tasks work on the runs of an extension too."""
        self._headways.add(headway)

    # -- the life of a worker -------------------------------------------------------------------------------------

    def _begin(self, sender: Any = None, **_: Any) -> None:
        """In the main process, before its pool exists."""
        self.is_worker = sender is not None and sender.app is self._celery
        if self.is_worker:
            # All processes of the pool watch one end, and none reads it empty. A signal handler can write into the
            # other, which ends with the main process.
            self._ends = socket.socketpair()
            self._main = os.getpid()

    def _ready(self, sender: Any = None, **_: Any) -> None:
        """In the main process, once it consumes."""
        from celery.concurrency.prefork import TaskPool

        if self.is_worker:
            self._shut_down_cold_first()
            if not isinstance(sender.pool, TaskPool):
                self._open()

    def _shut_down_cold_first(self) -> None:
        """Has the tasks return before Celery's own handler waits for them, or, in the thread pool, fails on them."""
        handle = signal.getsignal(signal.SIGQUIT)

        def shut_down(number: int, frame: Any) -> None:
            self._shut_down("Cold")
            if callable(handle):
                handle(number, frame)

        signal.signal(signal.SIGQUIT, shut_down)

    def _begin_process(self, **_: Any) -> None:
        """In a process that the main one has forked, which kills it where this takes more than four seconds.

        The solo pool sends the signal too, in the main process.
        """
        if self._ends is not None and os.getpid() != self._main:
            self._ends[1].close()
            start_native_thread(self._open, ())

    def _open(self) -> None:
        """Opens the stores before the first task: interrupted runs wait for a worker."""
        operations = [operation for headway in list(self._headways) for operation in headway.operations]
        if not any(operation.runs_in == "celery" for operation in operations):
            log.warning('no operation here says runs_in="celery": this worker will have no runs')
        for headway in list(self._headways):
            open_store_of(headway)
        worker = Worker.current()
        worker.call(self._watch, worker)

    def _watch(self, worker: Worker) -> None:
        """Watches for the shutdown; in the hub."""
        if self._ends is not None and self._watched_by != os.getpid():
            self._watched_by = os.getpid()
            gevent.spawn(self._drain_at_end, self._ends[0], worker.hub.loop.io(self._ends[0].fileno(), 1))

    def _shut_down(self, how: str = "Warm", **_: Any) -> None:
        """In a signal handler of the main process."""
        if self._ends is not None:
            os.write(self._ends[1].fileno(), COLD if how == "Cold" else WARM)

    def _drain_at_end(self, end: socket.socket, watcher: Any) -> None:
        """Drains as a web worker does. A cold shutdown leaves the runs to other workers, which take them over."""
        gevent.get_hub().wait(watcher)
        watcher.close()
        self._cold = COLD in end.recv(8, socket.MSG_PEEK)
        if self._cold:
            for release in list(self._waiting):
                release()
            return
        gevent.joinall([gevent.spawn(headway.drain) for headway in list(self._headways)])

    def _close(self, **_: Any) -> None:
        if self.is_worker and self._watched_by == os.getpid() and not self._cold:
            for headway in list(self._headways):
                headway.close()
            Worker.current().close()

    # -- the task -------------------------------------------------------------------------------------------------

    def _work(self, run: str) -> None:
        """Works on the next run until its end; in whatever thread or greenlet the pool has for a task."""
        for headway in list(self._headways):
            try:
                if self._work_for(headway, run):
                    return
            except StoreAway as away:
                log.warning("no run is begun while the store is away: %s", away)
            except Exception:
                log.exception("a message for run %s could not be worked on", run)

    def _work_for(self, headway: Headway, run: str) -> bool:
        """Whether there was a run to work on."""
        worker, runner = headway.worker, headway.runner
        worker.call(self._watch, worker)
        ended = worker.signal()
        if not worker.call(self._take, runner, ended.set, run):
            return False
        self._waiting.add(ended.set)
        try:
            ended.wait()
        finally:
            self._waiting.discard(ended.set)
        return True

    def _take(self, runner: Runner, ended: Callable[[], None], run: str) -> bool:
        """Begins the next run, which calls `ended`; in the hub."""
        if runner.draining:  # this message is for another worker; if it comes back here, there is none
            if run not in self._passed_on:
                self._passed_on.add(run)
                runner.delivery.pass_on(run)
            return False
        taken = runner.queue.take()
        if taken is None:
            return False
        if taken.info.id != run:
            runner.delivery.pass_on(run)
        taken.cleanup.append(ended)
        if taken.producer.over:
            ended()
        return True
