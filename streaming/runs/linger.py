"""How long a run goes on after its last viewer has left."""

from __future__ import annotations

from collections.abc import Callable

import gevent

from ..clock import Clock, Timer


class Linger:
    """Calls `over`, in a greenlet, `seconds` after the last viewer has left; `None` is never."""

    def __init__(self, clock: Clock, seconds: float | None, over: Callable[[], None]) -> None:
        self._clock = clock
        self._seconds = seconds
        self._over = over
        self._timer: Timer | None = None

    def _end(self) -> None:
        gevent.spawn(self._over)  # a timer must not wait

    def update(self, viewers: int, watched: bool) -> None:
        """Notes how many viewers there are, and whether there were any."""
        if viewers or not watched or self._seconds is None:
            self.stop()
        elif self._timer is None:
            self._timer = self._clock.later(self._seconds, self._end)

    def restart(self) -> None:
        """Forgets that the time was over: there are viewers after all."""
        self._timer = None

    def stop(self) -> None:
        """Ends the wait."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
