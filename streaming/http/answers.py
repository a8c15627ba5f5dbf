"""Ordinary answers, which are no streams: a client that does not read one is cut, and what waits is bounded.

A server writes an answer in one piece and waits until its client has room for it. While it does, a large body stands in
memory, and a greenlet or thread waits, for as long as the client likes. So answers are written in slices, a timer looks
for clients that have taken nothing for HEADWAY_SEND_TIMEOUT seconds, as that of streams does (`heartbeat.py`), and a
large answer is refused while too many others wait.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

from flask import Response, current_app

from ..clock import Clock, SystemClock, Timer
from ..errors import Unavailable
from ..runtime.worker import Worker
from ..settings import Settings
from .heartbeat import Heartbeat
from .transport import Transport

SLICE: Final = 262_144
"""Bytes of an answer that the server gets at once, and may copy. An answer that fits is always served."""

WAITING: Final = 134_217_728
"""Bytes of larger answers that may wait in a worker for their clients, one answer more at the most."""

SHARE: Final = 4
"""A client may have this fraction of them, `1 / SHARE`, so that others get theirs."""

TICK: Final = 2.0
"""Seconds between two rounds over the answers that are being written; fewer for a short send timeout."""


class Answer(Response):
    """A response whose body is bounded in how long it waits."""

    client = ""
    """Whom a large one counts for."""

    send_timeout: float | None = None

    def get_app_iter(self, environ: dict[str, Any]) -> Any:
        body = super().get_app_iter(environ)
        if isinstance(body, tuple):  # the answer has no body
            return body
        timeout = self.send_timeout
        if timeout is None:  # an answer of the application itself
            headway = current_app.extensions.get("headway")
            timeout = Settings().send_timeout if headway is None else headway.settings.send_timeout
        answers = Worker.current().part(Answers)
        size = self.content_length or 0 if self.is_sequence else 0  # a file is read as it is sent
        return Sending(body, environ, answers, timeout, self.client, size)


class Sending:
    """The body of an answer as the server reads and closes it."""

    __slots__ = ("_answers", "_body", "_environ", "_transport", "client", "send_timeout", "size", "writes", "writing")

    def __init__(
        self, body: Iterable[bytes], environ: dict[str, Any], answers: Answers, timeout: float, client: str, size: int
    ) -> None:
        self._body = body
        self._environ = environ
        self._answers = answers
        self._transport: Transport | None = None
        self.client: str = client
        self.send_timeout: float = timeout
        self.size: int = size if size > SLICE else 0
        self.writes: int = 0
        self.writing: bool = False

    def __iter__(self) -> Iterator[bytes]:
        self._answers.add(self)
        try:
            for piece in self._body:
                for start in range(0, len(piece), SLICE):
                    self.writing = True
                    yield piece if len(piece) <= SLICE else piece[start : start + SLICE]
                    self.writing = False
                    self.writes += 1
        finally:
            self._answers.remove(self)

    def close(self) -> None:
        """Called by the server, however the answer ended."""
        self._answers.remove(self)
        if self._transport is not None:
            self._transport.close(self._answers.worker)
        close = getattr(self._body, "close", None)
        if close is not None:
            close()

    def check(self, now: float) -> bool:
        """Cuts the client if it has received nothing for too long; gives whether it was cut."""
        if self._transport is None:
            self._transport = Transport(self._environ)
        stuck = self._transport.is_stuck(now, self.writes, self.writing, self.send_timeout)
        if stuck:
            self._transport.cut()
        if stuck or self._transport.lost:  # nobody reads it any more, and some middleware closes nothing
            self._answers.remove(self)
        return stuck


class Answers:
    """The answers of a worker that are being written: a part of the worker, used in any of its threads."""

    def __init__(self, worker: Worker, clock: Clock | None = None) -> None:
        self.worker = worker
        self._clock = clock or SystemClock()
        self._sending: set[Sending] = set()
        self._waiting: Counter[str] = Counter()
        self._timer: Timer | None = None
        self._scheduled = False

    def check_room(self, client: str, size: int) -> None:
        """Raises `Unavailable` for an answer to `client` of `size` bytes while too much waits."""
        if size > SLICE and not self.worker.call(self._has_room, client):
            message = "too many answers wait for their clients to read them"
            raise Unavailable(message, code="too_many_answers", retry_after=2)

    def add(self, sending: Sending) -> None:
        """The server begins to write an answer."""
        self._sending.add(sending)
        if sending.size:
            self.worker.call(self._count, sending.client, sending.size)
        if not self._scheduled:
            self._scheduled = True
            self.worker.soon(self._schedule, min(sending.send_timeout / 8, TICK))

    def remove(self, sending: Sending) -> None:
        """An answer is written, or given up; nothing happens for one that was never begun."""
        if sending in self._sending:
            self._sending.discard(sending)
            if sending.size:
                self.worker.call(self._count, sending.client, -sending.size)

    def _has_room(self, client: str) -> bool:
        return self._waiting.total() < WAITING and self._waiting[client] < WAITING // SHARE

    def _count(self, client: str, change: int) -> None:
        self._waiting[client] += change
        if not self._waiting[client]:
            del self._waiting[client]

    def close(self) -> None:
        """Ends the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _schedule(self, tick: float) -> None:
        self._timer = self._clock.later(tick, lambda: self._check(tick))

    def _check(self, tick: float) -> None:
        if not self._sending:
            self._scheduled, self._timer = False, None
            return
        now = self._clock.monotonic()
        for sending in list(self._sending):
            self.worker.part(Heartbeat).cut += sending.check(now)
        self._schedule(tick)
