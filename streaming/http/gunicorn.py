"""gunicorn's workers: stores open before the first request, a worker that stops is drained, and what is weaker is said.

gunicorn's gevent worker waits its whole graceful timeout for an open stream, and then cuts it; it waits for idle
connections as long as `keepalive` says, and for runs without a stream not at all. So the library ends the streams and
the idle connections itself, and keeps the worker until all is done. It needs no hook in gunicorn's configuration: an
extension that is mounted, or a `stream()`, looks for the worker in whose process it is.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from time import monotonic
from typing import Any, Final

import gevent
from gevent import monkey

from ..runtime.hub import start_native_thread
from ..runtime.worker import Worker
from ..settings import Settings
from .advice import advise
from .direct import direct
from .drain import end_streams
from .extension import Headway
from .heartbeat import Heartbeat
from .idle import FIRST_REQUEST, IdleConnections
from .serving import open_store_of
from .viewer import Body

log: Final = logging.getLogger("headway")

ACCEPTS_ON: Final = 1.5
"""Seconds in which a worker that is to stop has stopped to accept connections: gunicorn looks once a second."""

BOOTING: Final = "[booting]"
"""What gunicorn gives as the process id of a worker that it is about to fork."""

_looked_in: set[int] = set()
"""The process that has looked for its worker."""


def notice_gunicorn() -> None:
    """Drains the worker of this process, if it is one of gunicorn's and nobody has done so.

    Looks once in a process. In gunicorn's master (`--preload`) it arranges for each worker to look as it is forked.
    """
    pid = os.getpid()
    if pid in _looked_in:
        return
    _looked_in.clear()
    _looked_in.add(pid)
    if "gunicorn.workers.base" in sys.modules:
        worker = _own_worker(pid)
        if worker is not None:
            drain_with(worker)
        elif "gunicorn.arbiter" in sys.modules:
            os.register_at_fork(after_in_child=partial(_notice_fork, pid))


def is_further_worker() -> bool:
    """Whether this process is a worker of gunicorn, and not the first of its master, which speaks for all."""
    worker = _own_worker(os.getpid()) if "gunicorn.workers.base" in sys.modules else None
    return worker is not None and worker.age > 1


def drain_with(gunicorn_worker: Any) -> None:
    """Opens the stores as a worker begins to serve, and drains it as soon as gunicorn stops it; once for each worker.

    This is what `post_worker_init` calls in `gunicorn.conf.py`, where nothing of the library is imported earlier.
    """
    if not hasattr(gunicorn_worker, "headway_drain"):
        gunicorn_worker.headway_drain = _Drain(gunicorn_worker)


def _let_streams_write(gunicorn_worker: Any) -> None:
    """Has the streams over which gunicorn itself iterates write on their connections (`http.direct`).

    Whatever wraps the application, or what it returns, is past this: then gunicorn calls something else, or gets
    something else.
    """
    module = sys.modules.get("gunicorn.workers.ggevent")
    if module is None or type(gunicorn_worker).handle_request is not module.GeventWorker.handle_request:
        return
    application = gunicorn_worker.wsgi

    def call(environ: dict[str, Any], start_response: Any) -> Any:
        body = application(environ, start_response)
        if body.__class__ is Body and gunicorn_worker.wsgi is call:
            body.viewer.transport.direct = direct(getattr(start_response, "__self__", None))
        return body

    gunicorn_worker.wsgi = call


def _own_worker(pid: int | str) -> Any:
    """gunicorn's object for the worker with this process id, or `None`."""
    worker_class = sys.modules["gunicorn.workers.base"].Worker

    def is_it(candidate: Any) -> bool:
        return issubclass(type(candidate), worker_class) and candidate.pid == pid

    owner = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    # An application may have set a signal handler of its own.
    return owner if is_it(owner) else next(filter(is_it, gc.get_objects()), None)


def _notice_fork(master: int) -> None:
    """Called in each child of gunicorn's master, before gunicorn goes on there, and in each child of that."""
    if os.getppid() == master:
        worker = _own_worker(BOOTING)
        if worker is not None:
            drain_with(worker)


class _Drain:
    """The drain of one gunicorn worker, beside the loop in which it serves: in a greenlet, or in a native thread."""

    def __init__(self, gunicorn_worker: Any) -> None:
        self._gunicorn_worker = gunicorn_worker
        self._idle = IdleConnections()
        self._drained = self._closed = self._over = False
        self._serve = gunicorn_worker.run
        self._notify = gunicorn_worker.notify
        gunicorn_worker.notify = self._notify_arbiter
        if gunicorn_worker.booted:  # it serves already: this is the first `stream()` of an application without runs
            self._start()  # gunicorn waits for its streams
        else:
            self._idle.watch(gunicorn_worker)
            gunicorn_worker.run = self._serve_and_close

    def _start(self) -> None:
        _let_streams_write(self._gunicorn_worker)
        advise(self._gunicorn_worker, list(Headway.mounted))
        if monkey.is_module_patched("threading"):
            gevent.spawn(self._run)
        else:  # gunicorn's sync and gthread workers: nothing here waits in a hub of this thread
            start_native_thread(self._run, ())

    def _run(self) -> None:
        try:
            self._wait_and_drain()
        finally:
            self._drained = self._over = True

    def _wait_and_drain(self) -> None:
        for headway in list(Headway.mounted):  # before the first request: interrupted runs wait for a worker
            open_store_of(headway)
        if self._gunicorn_worker.age == 1:  # the first worker of the server, for all of them
            _check_addresses(self._gunicorn_worker.sockets)
        while self._is_to_serve():
            time.sleep(0.1)
        self._let_in()
        _in_hub(_drain_all)
        self._drained = True
        self._idle.end()
        # gunicorn accepts connections for up to another second: their streams end in the same way.
        while not self._closed:
            time.sleep(0.1)
            _in_hub(end_streams, Worker.current(), 0)

    def _serve_and_close(self) -> None:
        self._start()
        self._serve()
        self._wait(lambda: self._drained)
        self._closed = True
        self._wait(lambda: self._over)
        for headway in list(Headway.mounted):
            headway.close()
        Worker.current().close()

    def _wait(self, done: Callable[[], bool]) -> None:
        while not done():
            time.sleep(0.02)
            self._gunicorn_worker.notify()

    def _is_to_serve(self) -> bool:
        """Whether the worker goes on. Where its arbiter was killed, it stops as on SIGTERM."""
        worker = self._gunicorn_worker
        if worker.alive and worker.ppid != os.getppid():
            log.warning("gunicorn's arbiter has died: this worker drains, and exits")
            worker.alive = False
        return bool(worker.alive)

    def _notify_arbiter(self) -> None:
        """The `notify` of gunicorn's worker, which exits at once where the arbiter has died."""
        self._is_to_serve()
        if self._gunicorn_worker.ppid == os.getppid():
            self._notify()

    def _let_in(self) -> None:
        """Serves whoever comes while a worker that recycles still accepts connections, as if it went on.

        One that gunicorn stops refuses starts at once: another worker is there, or nobody will be.
        """
        gunicorn_worker = self._gunicorn_worker
        if gunicorn_worker.nr >= gunicorn_worker.max_requests:
            deadline = monotonic() + ACCEPTS_ON
            while _accepts(gunicorn_worker) and monotonic() < deadline:
                time.sleep(0.02)
            self._idle.end()  # a client that has kept its connection comes back on a new one, to another worker
            viewers = Worker.current().part(Heartbeat).viewers
            deadline = monotonic() + FIRST_REQUEST
            while self._idle.busy(len(viewers)) and monotonic() < deadline:
                time.sleep(0.02)


def _accepts(gunicorn_worker: Any) -> bool:
    """Whether a worker accepts connections: a gevent worker closes its sockets, one with threads has a flag."""
    if hasattr(gunicorn_worker, "timeout_ctx"):
        return any(sock.fileno() >= 0 for sock in gunicorn_worker.sockets)
    return bool(getattr(gunicorn_worker, "_accepting", False))


def _in_hub(function: Callable[..., None], *args: Any) -> None:
    Worker.current().call(function, *args)


def _drain_all() -> None:
    """Drains every extension at the same time, or the streams of an application that only calls `stream()`."""
    mounted = list(Headway.mounted)
    gevent.joinall([gevent.spawn(headway.drain) for headway in mounted])
    if not mounted:
        end_streams(Worker.current(), Settings.read(os.environ).drain)


def _check_addresses(sockets: Iterable[Any]) -> None:
    """Warns of what the settings leave open at these addresses."""
    names = [listener.getsockname() for listener in sockets]
    addresses = [str(name[0]) if isinstance(name, tuple) else os.fsdecode(name) or "@" for name in names]
    for headway in list(Headway.mounted):
        headway.gate.listens(addresses)
