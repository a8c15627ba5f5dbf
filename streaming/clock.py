"""The time of a worker, in one place so that tests can move it instead of sleeping."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Protocol


class Timer(Protocol):
    """A call that is yet to come."""

    def cancel(self) -> None:
        """Calls it off; harmless once it has come."""


class Clock(Protocol):
    """Where times come from. Everything below is in seconds."""

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC; it may jump."""

    def monotonic(self) -> float:
        """Seconds since some moment; it never jumps."""

    def later(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Makes `call` after `seconds`, in the hub, unless it is cancelled; `call` must not wait."""


class SystemClock:
    """The machine's clock, and the timers of the gevent hub of the thread that asks."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)

    def later(self, seconds: float, call: Callable[[], None]) -> Timer:
        return _HubTimer(seconds, call)


class _HubTimer:
    __slots__ = ("_timer",)

    def __init__(self, seconds: float, call: Callable[[], None]) -> None:
        from gevent import get_hub

        self._timer: Any = get_hub().loop.timer(max(seconds, 0.0))
        # libev counts from the start of the present round of the loop, which may be long past.
        self._timer.start(self._fire, call, update=True)

    def _fire(self, call: Callable[[], None]) -> None:
        self.cancel()
        call()

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None


class ManualClock:
    """A clock that stands still until it is told to advance; for tests."""

    def __init__(self, now: float = 1_795_426_200.0) -> None:
        self._now = now
        self._elapsed = 0.0
        self._order = itertools.count()
        self._timers: list[tuple[float, int, _ManualTimer]] = []

    def now(self) -> float:
        return self._now + self._elapsed

    def monotonic(self) -> float:
        return self._elapsed

    def later(self, seconds: float, call: Callable[[], None]) -> Timer:
        timer = _ManualTimer(call)
        heapq.heappush(self._timers, (self._elapsed + seconds, next(self._order), timer))
        return timer

    def advance(self, seconds: float) -> None:
        """Moves time on, and makes the calls that fall due on the way, each at its own moment."""
        end = self._elapsed + seconds
        while self._timers and self._timers[0][0] <= end:
            self._elapsed, _, timer = heapq.heappop(self._timers)
            timer.fire()
        self._elapsed = end

    def jump(self, seconds: float) -> None:
        """Sets the wall clock forward or back, as an operator or NTP may; no timer takes notice."""
        self._now += seconds


class _ManualTimer:
    __slots__ = ("_call",)

    def __init__(self, call: Callable[[], None]) -> None:
        self._call: Callable[[], None] | None = call

    def fire(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call()

    def cancel(self) -> None:
        self._call = None


def rfc3339(seconds: float) -> str:
    """A moment as RFC 3339 in UTC with milliseconds, such as `2026-11-23T09:30:00.125Z`."""
    whole = int(seconds // 1)
    # Through microseconds, as Python's own dates: 0.125 and its like have no exact binary form.
    return stamp(whole * 1000 + round((seconds - whole) * 1_000_000) // 1000)


def stamp(milliseconds: int) -> str:
    """The same for milliseconds since 1970-01-01 UTC."""
    seconds, milliseconds = divmod(milliseconds, 1000)
    return f"{_second(seconds)}.{milliseconds:03d}Z"


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    # Writing a moment out costs microseconds, and most events are of the same second as the one before.
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"
