"""The heartbeats of a worker's streams: one timer, which also finds viewers that nobody reads."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING, Final

from ..clock import Clock, SystemClock, Timer
from ..runtime.worker import Worker

if TYPE_CHECKING:
    from .sources import Source
    from .viewer import Viewer

TICK: Final = 2.0
"""Seconds between two rounds over the open streams; fewer if an eighth of a heartbeat or send timeout is less."""


FILES: Final = 256
"""Files that a process keeps for other things than streams: stores, uploads, upstreams, health checks, cancels."""


def most_streams(limit: int) -> int:
    """How many streams this process may have open: `limit`, or what the files that it may open leave room for."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return limit if files == resource.RLIM_INFINITY else max(min(limit, files - FILES), 1)


class Heartbeat:
    """The open streams of a worker: a part of the worker, used in its hub."""

    def __init__(self, worker: Worker, clock: Clock | None = None) -> None:
        self.viewers: set[Viewer] = set()
        self.cut: int = 0
        self._clock = clock or SystemClock()
        self._tick = TICK
        self._timer: Timer | None = None

    def add(self, viewer: Viewer) -> None:
        """Adds a stream that opens."""
        viewer.checked = (viewer.writes, self._clock.monotonic())
        self.viewers.add(viewer)
        tick = max(min(viewer.heartbeat, viewer.send_timeout) / 8, 0.01)
        if self._timer is None or tick < self._tick:
            self._tick = min(tick, self._tick)
            self._schedule()

    def remove(self, viewer: Viewer) -> None:
        """Removes a stream that has closed."""
        self.viewers.discard(viewer)

    def send_to_viewers_of(self, target: str | Source) -> None:
        """Sends a heartbeat to the viewers here of a run, or of a source."""
        for viewer in self.viewers:
            if viewer.watches(target):
                viewer.send_heartbeat()

    def take_cut(self) -> int:
        """How many clients were cut since the last call, those of ordinary answers too."""
        cut, self.cut = self.cut, 0
        return cut

    @property
    def producing(self) -> bool:
        """Whether a generator of `stream()` is at work for one of the viewers."""
        return any(viewer.source.producing for viewer in self.viewers)

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._clock.later(self._tick, self._check_all)

    def _check_all(self) -> None:
        if not self.viewers:
            self._tick, self._timer = TICK, None
            return
        self._schedule()
        now = self._clock.monotonic()
        for viewer in list(self.viewers):
            self._check(viewer, now)

    def _check(self, viewer: Viewer, now: float) -> None:
        transport, (writes, since) = viewer.transport, viewer.checked
        if transport.lost:
            viewer.abandon()
            return
        written = viewer.writes != writes
        if written:
            viewer.checked = (viewer.writes, now)
        elif not viewer.writing and now - since >= viewer.heartbeat - self._tick:
            viewer.checked = (writes + 1, now + self._tick)  # the delivery of a heartbeat is not checked
            viewer.send_heartbeat()
        check = written or viewer.writing or transport.pending
        if check and transport.is_stuck(now, viewer.writes, viewer.writing, viewer.send_timeout):
            self.cut += 1
            viewer.cut()
