"""The time in which the body of a request has to arrive (HEADWAY_BODY_TIMEOUT).

It runs from before the functions of the application, which may read the body too, until the route has it. Then the
input of the connection ends: whoever waits in it, a greenlet or a thread, sees the end of the data, and the server
closes the connection after the answer, since the next request cannot be found. The answer, 408, still goes out.
"""

from __future__ import annotations

from typing import Any, Final

from flask import Request, g

from ..clock import SystemClock, Timer
from ..errors import BodyTimeout
from ..runtime.worker import Worker
from .transport import socket_of, stop_reading

KEY: Final = "_headway_body_deadline"


class BodyDeadline:
    """The deadline of one request. `passed` is true once it was missed."""

    __slots__ = ("_over", "_seconds", "_socket", "_timer", "_worker", "passed")

    def __init__(self, environ: dict[str, Any], worker: Worker, seconds: float) -> None:
        self.passed: bool = False
        self._over = False
        self._seconds = seconds
        self._socket = socket_of(environ)
        self._worker = worker
        self._timer: Timer | None = None
        self._in_hub(self._start)

    def end(self) -> None:
        """The body is there, or nobody wants it any more."""
        if not self._over:
            self._over = True
            self._in_hub(self._cancel)

    def error(self) -> BodyTimeout:
        """The refusal."""
        return BodyTimeout(f"the body of a request has to arrive within {self._seconds:g} seconds")

    def _in_hub(self, function: Any) -> None:
        if self._worker.here:
            function()
        else:
            self._worker.soon(function)

    def _start(self) -> None:
        if not self._over:
            self._timer = SystemClock().later(self._seconds, self._miss)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _miss(self) -> None:
        self._timer = None
        if not self._over:
            self._over = self.passed = True
            stop_reading(self._socket)


def begin_body(request: Request, seconds: float) -> None:
    """Starts the deadline of the current request, if it has a body."""
    if request.content_length or "Transfer-Encoding" in request.headers:
        setattr(g, KEY, BodyDeadline(request.environ, Worker.current(), seconds))


def end_body() -> None:
    """Ends the deadline of the current request, whose body has been read. Raises `BodyTimeout` if it was missed."""
    drop_body()
    missed = missed_deadline()
    if missed is not None:
        raise missed


def drop_body() -> None:
    """Ends the deadline of the current request: nobody reads its body any more."""
    deadline = g.get(KEY)
    if deadline is not None:
        deadline.end()


def missed_deadline() -> BodyTimeout | None:
    """The refusal of the current request, if its body has missed the deadline."""
    deadline = g.get(KEY)
    return deadline.error() if deadline is not None and deadline.passed else None
