"""The clock of a worker, which tests replace by one that they move instead of sleeping."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Protocol


class Timer(Protocol):
    """A scheduled call."""

    def cancel(self) -> None:
        """Cancels the call; does nothing once it has been made."""


class Clock(Protocol):
    """The source of time. Everything is in seconds."""

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC; it may jump."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; it never jumps."""

    def later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Calls `callback` in the hub after `seconds`, unless the timer is cancelled. `callback` must not wait."""


class SystemClock:
    """The machine's clock, and the timers of the calling thread's gevent hub."""

    now: Final = staticmethod(time.time)
    monotonic: Final = staticmethod(time.monotonic)

    def later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        return _HubTimer(seconds, callback)


class _HubTimer:
    __slots__ = ("_timer",)

    def __init__(self, seconds: float, callback: Callable[[], None]) -> None:
        from gevent import get_hub

        self._timer: Any = get_hub().loop.timer(max(seconds, 0.0))
        # libev counts from the start of the current loop iteration, which may be long past.
        self._timer.start(self._fire, callback, update=True)

    def _fire(self, callback: Callable[[], None]) -> None:
        self.cancel()
        callback()

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None


class ManualClock:
    """A clock that stands still until `advance` moves it; for tests."""

    def __init__(self, now: float = 1_795_426_200.0) -> None:
        self._now = now
        self._elapsed = 0.0
        self._sequence = itertools.count()
        self._timers: list[tuple[float, int, _ManualTimer]] = []

    def now(self) -> float:
        return self._now + self._elapsed

    def monotonic(self) -> float:
        return self._elapsed

    def later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        timer = _ManualTimer(callback)
        heapq.heappush(self._timers, (self._elapsed + seconds, next(self._sequence), timer))
        return timer

    def advance(self, seconds: float) -> None:
        """Moves the time forward and makes the calls that are due on the way, each at its own time."""
        end = self._elapsed + seconds
        while self._timers and self._timers[0][0] <= end:
            self._elapsed, _, timer = heapq.heappop(self._timers)
            timer.fire()
        self._elapsed = end

    def jump(self, seconds: float) -> None:
        """Sets the wall clock forward or back, as an operator or NTP may; timers are not affected."""
        self._now += seconds


class _ManualTimer:
    __slots__ = ("_callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback: Callable[[], None] | None = callback

    def fire(self) -> None:
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()

    def cancel(self) -> None:
        self._callback = None


def rfc3339(seconds: float) -> str:
    """A time (seconds since 1970-01-01 UTC) as RFC 3339 with milliseconds: `2026-11-23T09:30:00.125Z`."""
    whole = int(seconds // 1)
    # Rounded to microseconds first, as Python's dates are: most decimal fractions have no exact binary form.
    return stamp(whole * 1000 + round((seconds - whole) * 1_000_000) // 1000)


def stamp(milliseconds: int) -> str:
    """The same for whole milliseconds since 1970-01-01 UTC."""
    seconds, milliseconds = divmod(milliseconds, 1000)
    return f"{_second(seconds)}.{milliseconds:03d}Z"


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    # Formatting costs microseconds, and most events fall in the same second as the one before.
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"
