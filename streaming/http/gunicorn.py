"""Hooks for gunicorn's workers: stores open before the first request, and a worker that stops is drained.

gunicorn's gevent worker waits its whole graceful timeout for an open stream, and then cuts it; it waits for idle
connections as long as `keepalive` says, and for runs without a stream not at all. So the library ends the streams and
the idle connections itself, and keeps the worker until all is done.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from functools import partial
from time import monotonic
from typing import Any, Final

import gevent
import gevent.event
from gevent import monkey

from ..runtime.hub import give_way, start_native_thread
from ..runtime.worker import Worker
from ..settings import Settings
from .drain import end_streams
from .extension import Headway
from .serving import open_store_of
from .transport import stop_reading

log = logging.getLogger("headway")

FIRST_REQUEST: Final = 1.0
"""Seconds that a new connection has for its first request: to close it earlier would look like a refusal."""


def drain_with(gunicorn_worker: Any) -> None:
    """For gunicorn's `post_worker_init`: opens the stores, and drains the worker as soon as gunicorn stops it."""
    drain = _Drain(gunicorn_worker)
    if monkey.is_module_patched("threading"):
        gevent.spawn(drain.run)
    else:  # gunicorn's sync and gthread workers have no hub
        start_native_thread(drain.run, ())


class _Drain:
    """The drain of one gunicorn worker, beside the loop in which it serves."""

    def __init__(self, gunicorn_worker: Any) -> None:
        self._gunicorn_worker = gunicorn_worker
        self._end_idle_connections = _watch_connections(gunicorn_worker)
        self._serve = gunicorn_worker.run
        self._notify = gunicorn_worker.notify
        self._drained = gevent.event.Event()
        self._closed = False
        gunicorn_worker.run = self._serve_and_close
        gunicorn_worker.notify = self._notify_arbiter

    def run(self) -> None:
        """Waits for the stop, and drains."""
        _open_stores()
        if getattr(self._gunicorn_worker, "age", 1) == 1:  # the first worker of the server, for all of them
            _check_addresses(self._gunicorn_worker.sockets)
        while self._is_to_serve():
            gevent.sleep(0.1)
        try:
            mounted = list(Headway.mounted)
            gevent.joinall([gevent.spawn(headway.drain) for headway in mounted])
            if not mounted:
                _end_streams(Settings.read(os.environ).drain)
        finally:
            self._drained.set()
        self._end_idle_connections()
        # gunicorn accepts connections for up to another second: their streams end in the same way.
        while not self._closed:
            gevent.sleep(0.1)
            _end_streams(0)

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

    def _serve_and_close(self) -> None:
        self._serve()
        while not self._drained.wait(1.0):
            self._gunicorn_worker.notify()
        self._closed = True
        for headway in list(Headway.mounted):
            headway.close()
        Worker.current().close()


def _end_streams(seconds: float) -> None:
    """Ends streams without runs: those of an application that only calls `stream()`, and late ones."""
    worker = Worker.current()
    worker.call(end_streams, worker, seconds)


def _open_stores() -> None:
    """Opens the stores before the first request: interrupted runs wait for a worker to adopt them."""
    for headway in list(Headway.mounted):
        open_store_of(headway)


def _check_addresses(sockets: Iterable[Any]) -> None:
    """Warns of what the settings leave open at these addresses."""
    names = [listener.getsockname() for listener in sockets]
    addresses = [str(name[0]) if isinstance(name, tuple) else os.fsdecode(name) or "@" for name in names]
    for headway in list(Headway.mounted):
        headway.gate.listens(addresses)


def _watch_connections(gunicorn_worker: Any) -> Callable[[], None]:
    """Tracks the idle connections of gunicorn's gevent workers; returns a function that ends them, and later ones.

    The workers look these methods up for each connection, so they can be wrapped. Other workers stay as they are.
    """
    idle = _IdleConnections()
    if getattr(gunicorn_worker, "wsgi_handler", None) is not None:  # gevent_pywsgi
        gunicorn_worker.wsgi_handler = idle.handler(gunicorn_worker.wsgi_handler)
    elif hasattr(gunicorn_worker, "timeout_ctx"):  # gevent
        gunicorn_worker.handle = idle.during(gunicorn_worker.handle, client=1)
        # HTTP/2 closes its own connections: none counts as idle.
        gunicorn_worker.handle_http2 = idle.except_during(gunicorn_worker.handle_http2, client=1)
        gunicorn_worker.handle_request = idle.except_during(gunicorn_worker.handle_request, client=2)
    return idle.end


class _IdleConnections:
    """Connections that wait for a request, each with the time at which it may be ended."""

    def __init__(self) -> None:
        self._clients: dict[Any, float] = {}
        self._ending = False

    def add(self, client: Any, patience: float = 0.0) -> None:
        self._clients[client] = monotonic() + patience
        if self._ending:
            self._end(client)

    def discard(self, client: Any) -> None:
        self._clients.pop(client, None)

    def end(self) -> None:
        """Ends the input of these connections, and of later ones."""
        self._ending = True
        for client in list(self._clients):
            self._end(client)

    def _end(self, client: Any) -> None:
        at = self._clients.get(client)
        if at is None:
            return
        seconds = at - monotonic()
        if seconds > 0:
            gevent.spawn_later(seconds, self._end, client)
        else:
            stop_reading(client)

    def during(self, handle: Callable[..., Any], client: int) -> Callable[..., Any]:
        """`handle`, during which its argument number `client` is idle."""
        return _around(handle, client, partial(self.add, patience=FIRST_REQUEST), self.discard)

    def except_during(self, handle: Callable[..., Any], client: int) -> Callable[..., Any]:
        """`handle`, during which its argument number `client` is not idle."""
        return _around(handle, client, self.discard, self._serve_others)

    def _serve_others(self, client: Any) -> None:
        """Has a connection whose requests have all arrived at once wait for others between two of them."""
        self.add(client)
        give_way()

    def handler(self, base: type[Any]) -> type[Any]:
        """gevent.pywsgi's handler, whose connections are idle while they wait for the first line of a request."""
        idle = self

        class Handler(base):  # type: ignore[misc]  # any class
            served = False

            def read_requestline(self) -> Any:
                idle.add(self.socket, 0.0 if self.served else FIRST_REQUEST)
                try:
                    if self.served:
                        give_way()
                    return super().read_requestline()
                finally:
                    self.served = True
                    idle.discard(self.socket)

        return Handler


def _around(
    handle: Callable[..., Any], client: int, before: Callable[[Any], None], after: Callable[[Any], None]
) -> Callable[..., Any]:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        before(args[client])
        try:
            return handle(*args, **kwargs)
        finally:
            after(args[client])

    return wrapped
