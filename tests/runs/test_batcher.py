"""When a producer gives way to the other greenlets of its worker."""

import time
from collections.abc import Callable

import gevent
import pytest
from gevent import monkey
from gevent.event import Event

from streaming import event
from streaming.clock import SystemClock
from streaming.protocol.frames import Block
from streaming.protocol.recorder import Recorder
from streaming.runs import batcher
from streaming.runs.batcher import Batcher
from streaming.runtime.worker import Worker

busy = monkey.get_original("time", "sleep")


class Frames:
    """A sink that has room for all."""

    send = None

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def put(self, block: Block, recorder: Recorder) -> None:
        self.frames.extend(block.frames)

    def wait_for_room(self) -> None:
        """Nothing."""

    wait_for_viewers = wait_for_room


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When the producer has given way."""
    times: list[float] = []
    monkeypatch.setattr(batcher, "give_way", lambda: times.append(time.monotonic()))
    return times


def make() -> tuple[Batcher, Frames]:
    """A batcher, and what it has written."""
    sink = Frames()
    recorder = Recorder(SystemClock(), lifecycle=False)
    return Batcher(recorder, sink, Worker.current(), SystemClock(), "ready"), sink  # type: ignore[arg-type]


def test_a_producer_that_has_waited_goes_on_after_its_event_however_late_its_turn_was(turns: list[float]) -> None:
    """A round of the hub is long with many streams: that one of them comes late in it is not its own doing."""
    written, sink = make()
    rounds = [Event() for _ in range(3)]

    def wait_for_each(then: Callable[[], None]) -> None:
        for each in rounds:
            each.wait()
            then()

    others = gevent.spawn(wait_for_each, lambda: busy(0.02))
    producer = gevent.spawn(wait_for_each, lambda: written.add(event("tick")))
    for each in rounds:
        gevent.sleep(0.005)
        each.set()
    gevent.joinall([others, producer], raise_error=True)
    assert len(sink.frames) == 3
    assert not turns


def test_a_producer_that_never_waits_gives_way(turns: list[float]) -> None:
    """It does so after each slice, which its first event begins: the others had their turn before that."""
    written, sink = make()
    for _ in range(4):
        busy(0.02)
        written.add(event("tick"))
    assert len(sink.frames) == 4
    assert len(turns) == 3
