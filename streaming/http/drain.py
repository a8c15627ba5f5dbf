"""The drain of a worker that stops: no new runs, time for the live ones, and viewers sent to another worker."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from time import monotonic
from typing import Final

import gevent

from ..protocol.sse import retry
from ..runs.runner import Runner
from ..runtime.worker import Worker
from .heartbeat import Heartbeat

log: Final = logging.getLogger("headway")

LAST_EVENTS: Final = 2.0
"""Seconds in which streams write their last events."""

SPREAD: Final = 3000
"""Milliseconds over which the viewers of a stopped worker reconnect, so that they do not come all at once."""


def drain(runner: Runner, seconds: float) -> None:
    """Ends the runs of a worker, and then its streams; called in the hub. The store stays open for late requests."""
    heartbeat, began = runner.worker.part(Heartbeat), monotonic()
    if not runner.draining:
        streams = len(heartbeat.viewers)
        log.info("this worker drains: %d runs have %g s to end, %d streams are open", runner.live, seconds, streams)
    runner.draining = True
    _wait(seconds, lambda: bool(runner.live) or heartbeat.producing)
    runner.stop()
    runner.store.flush()  # viewers get the last events of their runs before they are sent away
    end_streams(runner.worker, 0)
    log.info("this worker has drained, in %.1f s", monotonic() - began)


def end_streams(worker: Worker, seconds: float) -> None:
    """Ends the streams of a worker. Those of `stream()` have `seconds` to finish, and then write their last events."""
    heartbeat = worker.part(Heartbeat)
    _wait(seconds, lambda: heartbeat.producing)
    stopping = [viewer for viewer in list(heartbeat.viewers) if viewer.source.stop()]
    _wait(LAST_EVENTS, lambda: any(viewer in heartbeat.viewers for viewer in stopping))
    for viewer in list(heartbeat.viewers):
        viewer.end(retry(random.randrange(500, SPREAD)))  # noqa: S311  # spread, not secret
    _wait(LAST_EVENTS, lambda: bool(heartbeat.viewers))


def _wait(seconds: float, busy: Callable[[], bool]) -> None:
    deadline = monotonic() + seconds
    while busy() and monotonic() < deadline:
        gevent.sleep(0.02)
