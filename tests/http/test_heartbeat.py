"""The heartbeats of a worker, on a clock that stands still: who gets one and when, and who is cut."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from streaming import ManualClock
from streaming.http.heartbeat import Heartbeat
from streaming.runtime.worker import Worker


class Transport:
    """A connection whose delivery the test decides."""

    def __init__(self) -> None:
        self.pending = False
        self.stuck = False
        self.lost = False
        self.checks = 0

    def is_stuck(self, now: float, writes: int, writing: bool, send_timeout: float) -> bool:
        """What the test has set."""
        self.checks += 1
        return self.stuck


class Viewer:
    """A viewer that counts its heartbeats."""

    def __init__(self, heartbeat: float = 16.0, send_timeout: float = 32.0, target: str = "run") -> None:
        self.heartbeat = heartbeat
        self.send_timeout = send_timeout
        self.target = target
        self.transport = Transport()
        self.checked = (-1, 0.0)
        self.writes = 1
        self.writing = False
        self.source = SimpleNamespace(producing=False)
        self.heartbeats = 0
        self.was_cut = self.was_abandoned = False

    def watches(self, target: str) -> bool:
        """Whether it watches that run."""
        return target == self.target

    def send_heartbeat(self) -> None:
        """Writes at once, as a viewer does that waits."""
        self.heartbeats += 1
        self.writes += 1

    def cut(self) -> None:
        """Remembers it."""
        self.was_cut = True

    def abandon(self) -> None:
        """Remembers it."""
        self.was_abandoned = True


@pytest.fixture
def clock() -> ManualClock:
    """The clock of the heartbeat."""
    return ManualClock()


@pytest.fixture
def heartbeat(clock: ManualClock) -> Any:
    """A heartbeat without streams; it accepts the viewers of this module."""
    return Heartbeat(Worker(), clock)


def test_a_silent_stream_gets_heartbeats(heartbeat: Any, clock: ManualClock) -> None:
    """One in each interval, as long as the stream is open."""
    viewer = Viewer(heartbeat=16)
    heartbeat.add(viewer)
    clock.advance(13.9)
    assert viewer.heartbeats == 0
    clock.advance(2.1)
    assert viewer.heartbeats == 1
    clock.advance(160)
    assert viewer.heartbeats == 11
    heartbeat.remove(viewer)
    clock.advance(160)
    assert viewer.heartbeats == 11


def test_a_stream_with_events_gets_none(heartbeat: Any, clock: ManualClock) -> None:
    """Each write is a sign of life."""
    viewer = Viewer(heartbeat=16)
    heartbeat.add(viewer)
    for _ in range(20):
        clock.advance(8)
        viewer.writes += 1
    assert viewer.heartbeats == 0
    clock.advance(18)
    assert viewer.heartbeats == 1


def test_a_write_that_has_not_ended_is_left_alone(heartbeat: Any, clock: ManualClock) -> None:
    """A comment could not be sent before it."""
    viewer = Viewer(heartbeat=16)
    viewer.writing = True
    heartbeat.add(viewer)
    clock.advance(100)
    assert viewer.heartbeats == 0


def test_each_stream_has_an_interval_of_its_own(heartbeat: Any, clock: ManualClock) -> None:
    """One with a short interval that opens later gets its first heartbeat in time."""
    slow, quick = Viewer(heartbeat=16), Viewer(heartbeat=0.8)
    heartbeat.add(slow)
    clock.advance(1)
    heartbeat.add(quick)
    clock.advance(0.8)
    assert (slow.heartbeats, quick.heartbeats) == (0, 1)
    clock.advance(8)
    assert slow.heartbeats == 0
    assert quick.heartbeats in (10, 11)
    clock.advance(8)
    assert slow.heartbeats == 1


def test_streams_that_open_after_all_others_have_closed(heartbeat: Any, clock: ManualClock) -> None:
    """The rounds end with the last stream, and begin again with the next."""
    for _ in range(2):
        viewer = Viewer(heartbeat=16)
        heartbeat.add(viewer)
        clock.advance(16)
        assert viewer.heartbeats == 1
        heartbeat.remove(viewer)
        clock.advance(100)


def test_a_stuck_viewer_is_cut(heartbeat: Any, clock: ManualClock) -> None:
    """And nobody else."""
    stuck, other = Viewer(), Viewer()
    stuck.transport.stuck = True
    stuck.writing = other.writing = True
    heartbeat.add(stuck)
    heartbeat.add(other)
    clock.advance(2)
    assert (stuck.was_cut, other.was_cut) == (True, False)


def test_a_viewer_without_its_connection_is_abandoned(heartbeat: Any, clock: ManualClock) -> None:
    """And not cut: its number may be another connection's by now."""
    lost, other = Viewer(), Viewer()
    lost.transport.lost = lost.transport.stuck = lost.writing = True
    heartbeat.add(lost)
    heartbeat.add(other)
    clock.advance(2)
    assert (lost.was_abandoned, lost.was_cut, lost.heartbeats) == (True, False, 0)
    assert not other.was_abandoned


def test_an_idle_connection_is_not_checked(heartbeat: Any, clock: ManualClock) -> None:
    """Only after a write, during one, and while data is pending; a heartbeat is no reason."""
    viewer = Viewer(heartbeat=16)
    heartbeat.add(viewer)
    clock.advance(100)
    assert (viewer.heartbeats, viewer.transport.checks) == (6, 0)
    viewer.writes += 1
    clock.advance(2)
    assert viewer.transport.checks == 1
    viewer.transport.pending = True
    clock.advance(10)
    assert viewer.transport.checks == 6


def test_a_heartbeat_for_some(heartbeat: Any) -> None:
    """That of an upstream goes to the viewers of its run."""
    mine, other = Viewer(target="mine"), Viewer(target="other")
    heartbeat.add(mine)
    heartbeat.add(other)
    heartbeat.send_to_viewers_of("mine")
    assert (mine.heartbeats, other.heartbeats) == (1, 0)


def test_producers_of_streams(heartbeat: Any) -> None:
    """A drain waits for as long as one is at work."""
    idle, busy = Viewer(), Viewer()
    busy.source.producing = True
    heartbeat.add(idle)
    assert not heartbeat.producing
    heartbeat.add(busy)
    assert heartbeat.producing
    heartbeat.remove(busy)
    assert not heartbeat.producing
