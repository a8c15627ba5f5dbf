"""How long a run goes on after its last viewer has left."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import gevent

from ..clock import Clock, Timer


class Linger:
    """Waits `seconds` after the last viewer has left; `None` is for ever.

    It refers to its run only while it waits, so that one that has ended is freed at once.
    """

    def __init__(self, clock: Clock, seconds: float | None) -> None:
        self._clock = clock
        self._seconds = seconds
        self._timer: Timer | None = None

    def update(self, viewers: int, watched: bool, over: Callable[[], None]) -> None:
        """Notes how many viewers there are, and whether there were any; calls `over`, in a greenlet, at the end."""
        if viewers or not watched or self._seconds is None:
            self.stop()
        elif self._timer is None:
            self._timer = self._clock.later(self._seconds, partial(_spawn, over))

    def restart(self) -> None:
        """Forgets that the time was over: there are viewers after all."""
        self._timer = None

    def stop(self) -> None:
        """Ends the wait."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _spawn(over: Callable[[], None]) -> None:
    """Calls it in a greenlet: a timer must not wait."""
    gevent.spawn(over)
