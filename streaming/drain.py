"""The end of a worker: no new runs, time for the live ones, and viewers that are sent away in good order."""

from __future__ import annotations

import random
import weakref
from typing import TYPE_CHECKING, Any, Final

import gevent

from .sse import retry

if TYPE_CHECKING:
    from .response import Pulse
    from .runner import Runner

extensions: Final[weakref.WeakSet[Any]] = weakref.WeakSet()
"""The extensions of this process."""

SPREAD: Final = 3000
"""Milliseconds over which the viewers of a worker that stops are to come back, so that they do not do it at once."""


def drain(runner: Runner, pulse: Pulse, seconds: float) -> None:
    """Ends the runs of a worker, and then its streams; in the hub."""
    runner.draining = True
    deadline = runner.clock.monotonic() + seconds
    while runner.live and runner.clock.monotonic() < deadline:
        gevent.sleep(0.02)
    runner.stop()
    gevent.sleep(0)  # the viewers of those runs write the last events
    for viewer in list(pulse.viewers):
        viewer.end(retry(random.randrange(500, SPREAD)))  # noqa: S311  # spread, not secret


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
