"""The connections of a gunicorn worker that wait for a request, which a worker that stops ends."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any, Final

import gevent

from ..runtime.hub import give_way
from .transport import stop_reading

FIRST_REQUEST: Final = 1.0
"""Seconds that a new connection has for its first request: to close it earlier would look like a refusal."""


class IdleConnections:
    """Connections that wait for a request, each with the time at which it may be ended."""

    def __init__(self) -> None:
        self._clients: dict[Any, float] = {}
        self._serving = 0
        self._ending = False

    def watch(self, gunicorn_worker: Any) -> None:
        """Tracks the connections of gunicorn's gevent workers. Others end theirs by themselves.

        The workers look these methods up for each connection, so they can be wrapped.
        """
        if getattr(gunicorn_worker, "wsgi_handler", None) is not None:  # gevent_pywsgi
            gunicorn_worker.wsgi_handler = self.handler(gunicorn_worker.wsgi_handler)
        elif hasattr(gunicorn_worker, "timeout_ctx"):  # gevent
            gunicorn_worker.handle = self.during(gunicorn_worker.handle, client=1)
            # HTTP/2 closes its own connections: none counts as idle.
            gunicorn_worker.handle_http2 = self.except_during(gunicorn_worker.handle_http2, client=1)
            gunicorn_worker.handle_request = self.except_during(gunicorn_worker.handle_request, client=2)

    def busy(self, streams: int) -> bool:
        """Whether a request may still come, or one besides the open streams is not answered yet."""
        return bool(self._clients) or self._serving > streams

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
        return _around(handle, client, self._begin, self._end_request)

    def _begin(self, client: Any) -> None:
        self._serving += 1
        self.discard(client)

    def _end_request(self, client: Any) -> None:
        self._serving -= 1
        self.add(client)
        give_way()  # a connection whose requests have all arrived at once waits for others between two of them

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
