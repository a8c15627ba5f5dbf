"""The worker: everything that exists once in a process, made after the fork and closed in reverse order.

All runs of a process live in one thread, that of the worker's hub. Under a gevent server (gunicorn's gevent workers,
gevent.pywsgi) it also serves the requests, and a call into it is a plain call. Elsewhere (`flask run`, gunicorn's sync
and gthread workers) requests run in native threads without a hub, and the worker starts a thread with one. The code of
the upper floors is the same in both cases, and since only one thread ever touches a run, it needs no locks.

What else exists once (the heartbeat timer, the disconnect watch, the fork server, the pool of outgoing connections) is
a **part**: a class that takes the worker and may have a `close`. `worker.part(Heartbeat)` makes it on first use. So the
worker knows none of them, and a test that makes a worker has parts of its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Final, TypeVar

import gevent
from gevent import monkey
from gevent.hub import Hub
from greenlet import getcurrent

from .hub import GreenSignal, Signal, Turn, call_in, native_ident, native_lock, start_hub
from .watchdog import Watchdog

T = TypeVar("T")

SIGNALS: Final = 0.5
"""Seconds after which a waiting main thread looks for signals, at the latest."""


class Worker:
    """The hub of a process and the parts that exist once beside it.

    `native` says that requests run in other threads than the hub's. Without a `hub` it is the caller's own.
    """

    _current: ClassVar[Worker | None] = None
    _guard: ClassVar[Any] = native_lock()

    def __init__(self, hub: Hub | None = None, *, native: bool = False) -> None:
        self.hub: Final[Hub] = hub or gevent.get_hub()
        self.native: Final = native
        self.pid: Final = os.getpid()
        self.ident: Final[int] = self.hub.thread_ident
        self.watchdog: Final = Watchdog(self.soon, self.ident)
        self.turn: Final = Turn()
        self._parts: dict[Any, Any] = {}

    @classmethod
    def current(cls) -> Worker:
        """The worker of this process. The first caller makes it, and with it decides which thread its hub has."""
        if cls._current is None or cls._current.pid != os.getpid():
            with cls._guard:
                if cls._current is None or cls._current.pid != os.getpid():
                    cls._current = cls() if _is_in_a_hub() else cls(start_hub(), native=True)
        return cls._current

    @contextmanager
    def installed(self) -> Iterator[Worker]:
        """Makes this the worker of the process for the duration of a block; for tests."""
        before, Worker._current = Worker._current, self
        try:
            yield self
        finally:
            Worker._current = before

    @property
    def here(self) -> bool:
        """Whether the caller runs in the hub's thread."""
        return bool(native_ident() == self.ident)

    def part(self, kind: Callable[[Worker], T]) -> T:
        """The worker's one instance of the class `kind`, made as `kind(worker)` in the hub on first use."""
        part: T | None = self._parts.get(kind)
        return self.call(self._make, kind) if part is None else part

    def close(self) -> None:
        """Closes the parts, the newest first."""
        self.call(self._close)

    def signal(self) -> Signal:
        """A signal that the calling thread can wait on."""
        if self.here:
            return GreenSignal(self.turn)
        return _MainEvent() if threading.current_thread() is threading.main_thread() else threading.Event()

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """What `function(*args)` returns, or raises, in the hub's thread; it may wait there."""
        return function(*args) if self.here else call_in(self.hub, function, args)

    def soon(self, function: Callable[..., Any], *args: Any) -> None:
        """Calls `function(*args)` in the hub in its next round; from any thread. It must not wait."""
        self.hub.loop.run_callback_threadsafe(function, *args)

    def _make(self, kind: Callable[[Worker], T]) -> T:
        if kind not in self._parts:  # several threads may have asked at once
            self._parts[kind] = kind(self)
        part: T = self._parts[kind]
        return part

    def _close(self) -> None:
        while self._parts:
            _, part = self._parts.popitem()
            close = getattr(part, "close", None)
            if close is not None:
                close()


class _MainEvent(threading.Event):
    """For the main thread, where Python runs its signal handlers.

    gunicorn has system calls go on after a signal (`siginterrupt`): one without an end would put the handler off.
    """

    def wait(self, timeout: float | None = None) -> bool:
        if timeout is not None:
            return super().wait(timeout)
        while not super().wait(SIGNALS):
            pass
        return True


def _is_in_a_hub() -> bool:
    """Whether the caller may wait by switching to a hub: in a patched process, or in a greenlet of a running hub."""
    return monkey.is_module_patched("threading") or getcurrent().parent is not None
