"""The end of a worker: no new runs, time for the live ones, and viewers that are sent away in good order."""

from __future__ import annotations

import random
import weakref
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import gevent

from .sse import retry

if TYPE_CHECKING:
    from .response import Pulse
    from .runner import Runner

extensions: Final[weakref.WeakSet[Any]] = weakref.WeakSet()
"""The extensions of this process."""

LAST_WORDS: Final = 2.0
"""Seconds in which streams that have been ended write what they still have to say."""

SPREAD: Final = 3000
"""Milliseconds over which the viewers of a worker that stops are to come back, so that they do not do it at once."""


def drain(runner: Runner, pulse: Pulse, seconds: float) -> None:
    """Ends the runs of a worker, and then its streams; in the hub."""
    runner.draining = True
    _wait(seconds, lambda: bool(runner.live))
    runner.stop()
    stopping = [viewer for viewer in list(pulse.viewers) if viewer.stop()]
    _wait(LAST_WORDS, lambda: any(viewer in pulse.viewers for viewer in stopping))
    for viewer in list(pulse.viewers):
        viewer.end(retry(random.randrange(500, SPREAD)))  # noqa: S311  # spread, not secret
    _wait(LAST_WORDS, lambda: bool(pulse.viewers))
    runner.close()


def _wait(seconds: float, busy: Callable[[], bool]) -> None:
    deadline = monotonic() + seconds
    while busy() and monotonic() < deadline:
        gevent.sleep(0.02)


def drain_with(worker: Any) -> None:
    """For gunicorn's `post_worker_init`: drains as soon as the worker is told to stop.

    gunicorn's gevent worker waits its whole graceful timeout for an open stream, and then cuts it. This ends the
    streams itself, so that the worker finds nothing to wait for.
    """

    def wait() -> None:
        while worker.alive:
            gevent.sleep(0.1)
        for headway in list(extensions):
            headway.drain()

    gevent.spawn(wait)
