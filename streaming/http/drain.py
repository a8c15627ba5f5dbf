"""The end of a worker: no new runs, time for the live ones, and viewers that are sent away in good order."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import socket
import weakref
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import gevent
import gevent.event
from gevent import monkey

from ..errors import HeadwayError
from ..protocol.sse import retry
from ..runtime.hub import home, start_native_thread
from ..settings import Settings
from .transport import native_socket

if TYPE_CHECKING:
    from ..runs.runner import Runner
    from .viewer import Pulse

log = logging.getLogger("headway")

extensions: Final[weakref.WeakSet[Any]] = weakref.WeakSet()
"""The extensions of this process."""

LAST_WORDS: Final = 2.0
"""Seconds in which streams that have been ended write what they still have to say."""

FIRST_WORDS: Final = 1.0
"""Seconds that a new connection has for its first request: one that is closed before it is a refusal to its client."""

SPREAD: Final = 3000
"""Milliseconds over which the viewers of a worker that stops are to come back, so that they do not do it at once."""


def drain(runner: Runner, pulse: Pulse, seconds: float) -> None:
    """Ends the runs of a worker, and then its streams; in the hub. The log stays open, for requests that come late."""
    runner.draining = True
    _wait(seconds, lambda: bool(runner.live) or pulse.producing)
    runner.stop()
    runner.store.flush()  # what has just ended is to be told to its viewers before they are sent away
    end_streams(pulse, 0)


def end_streams(pulse: Pulse, seconds: float) -> None:
    """Ends the streams of a worker: those of `stream()` after `seconds` at the most, and with their last events."""
    _wait(seconds, lambda: pulse.producing)
    stopping = [viewer for viewer in list(pulse.viewers) if viewer.stop()]
    _wait(LAST_WORDS, lambda: any(viewer in pulse.viewers for viewer in stopping))
    for viewer in list(pulse.viewers):
        viewer.end(retry(random.randrange(500, SPREAD)))  # noqa: S311  # spread, not secret
    _wait(LAST_WORDS, lambda: bool(pulse.viewers))


def _wait(seconds: float, busy: Callable[[], bool]) -> None:
    deadline = monotonic() + seconds
    while busy() and monotonic() < deadline:
        gevent.sleep(0.02)


def drain_with(worker: Any) -> None:
    """For gunicorn's `post_worker_init`: opens the stores, and drains as soon as the worker is told to stop.

    gunicorn's gevent worker waits its whole graceful timeout for an open stream, and then cuts it; idle connections it
    waits for as long as `keepalive` says; and runs without a stream it does not wait for at all. This ends the streams
    and the idle connections itself, so that the worker finds nothing to wait for, and keeps it until all is done.
    """
    end_idle_connections = _watch_connections(worker)
    drained = gevent.event.Event()
    left = False

    def attend() -> None:
        _open_all()
        while worker.alive:
            gevent.sleep(0.1)
        try:
            gevent.joinall([gevent.spawn(headway.drain) for headway in list(extensions)])
            if not extensions:
                _end_streams_alone(Settings.read(os.environ).drain)
        finally:
            drained.set()
        end_idle_connections()
        # gunicorn goes on to accept for up to a second: whoever comes then is sent away in as good an order.
        while not left:
            gevent.sleep(0.1)
            _end_streams_alone(0)

    serve = worker.run

    def run() -> None:
        serve()
        while not drained.wait(1.0):
            worker.notify()
        nonlocal left
        left = True
        for headway in list(extensions):
            headway.close()

    worker.run = run
    if monkey.is_module_patched("threading"):
        gevent.spawn(attend)
    else:  # gunicorn's sync and gthread workers run no hub
        start_native_thread(attend, ())


def _end_streams_alone(seconds: float) -> None:
    """Without runs: an application that only calls `stream()` has none, and a worker that is drained none any more."""
    from .viewer import pulse

    home().call(lambda: end_streams(pulse(home()), seconds))


def _open_all() -> None:
    """Opens the stores before the first request: runs that were interrupted wait for somebody to take care of them."""
    for headway in list(extensions):
        try:
            headway.runner  # noqa: B018  # made by being asked for
        except HeadwayError as error:
            log.warning("the store of the runs is not open yet: %s", error)


def _watch_connections(worker: Any) -> Callable[[], None]:
    """Keeps the idle connections of gunicorn's gevent workers in view; gives what ends them, then and from then on.

    The workers look these names up as they serve, so they can be wrapped. Other workers are left as they are.
    """
    idle = _Idle()
    if getattr(worker, "wsgi_handler", None) is not None:  # gevent_pywsgi
        worker.wsgi_handler = idle.handler(worker.wsgi_handler)
    elif hasattr(worker, "timeout_ctx"):  # gevent
        worker.handle = idle.between(worker.handle, client=1)
        # HTTP/2 closes its connections in its own way: to it, none is idle.
        worker.handle_http2 = idle.within(worker.handle_http2, client=1)
        worker.handle_request = idle.within(worker.handle_request, client=2)
    return idle.end


class _Idle:
    """Connections that wait for a request, each with the moment from which on it may be ended."""

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
        """Has their servers find the end of the input."""
        self._ending = True
        for client in list(self._clients):
            self._end(client)

    def _end(self, client: Any) -> None:
        moment = self._clients.get(client)
        if moment is None:
            return
        left = moment - monotonic()
        if left > 0:
            gevent.spawn_later(left, self._end, client)
        else:
            _stop_reading(client)

    def between(self, handle: Callable[..., Any], client: int) -> Callable[..., Any]:
        """`handle`, during which its argument number `client` is idle."""

        def handled(*args: Any, **kwargs: Any) -> Any:
            self.add(args[client], FIRST_WORDS)
            try:
                return handle(*args, **kwargs)
            finally:
                self.discard(args[client])

        return handled

    def within(self, handle: Callable[..., Any], client: int) -> Callable[..., Any]:
        """`handle`, during which its argument number `client` is not idle."""

        def handled(*args: Any, **kwargs: Any) -> Any:
            self.discard(args[client])
            try:
                return handle(*args, **kwargs)
            finally:
                self.add(args[client])

        return handled

    def handler(self, base: type[Any]) -> type[Any]:
        """gevent.pywsgi's handler, whose connections are idle while they wait for the first line of a request."""
        idle = self

        class Handler(base):  # type: ignore[misc]  # any class
            served = False

            def read_requestline(self) -> Any:
                idle.add(self.socket, 0.0 if self.served else FIRST_WORDS)
                try:
                    return super().read_requestline()
                finally:
                    self.served = True
                    idle.discard(self.socket)

        return Handler


def _stop_reading(client: Any) -> None:
    """Ends the input of a connection after what has come already: a request that is in there is still answered."""
    with contextlib.suppress(OSError):
        # Through a copy of the descriptor: gevent's own `shutdown` would raise in the greenlet that reads.
        twin = native_socket(fileno=os.dup(client.fileno()))
        try:
            twin.shutdown(socket.SHUT_RD)
        finally:
            twin.close()
