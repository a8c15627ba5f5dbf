"""The watchdog: which producer it names when a hub is blocked, and when it watches."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gevent
import pytest

from streaming.runtime import watchdog as module
from streaming.runtime.watchdog import Watchdog, is_running, native_sleep, stack_of
from tests.clients import wait_until
from tests.worlds import World, entered

INTERVAL = 0.05


@dataclass(eq=False)
class Producer:
    """What the watchdog needs of a producer."""

    name: str
    run: str | None
    greenlet: Any = None

    @property
    def is_running(self) -> bool:
        """Whether its greenlet runs."""
        return is_running(self.greenlet)


@pytest.fixture
def world() -> World:
    """A hub in this thread."""
    with entered("own hub") as world:
        return world


@pytest.fixture
def watchdog(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watchdog]:
    """A watchdog that waits for less time than usual; its thread ends with the test."""
    monkeypatch.setattr(module, "BLOCKED_AFTER", INTERVAL)
    watchdog = Watchdog(world.worker.soon, world.worker.ident)
    yield watchdog
    wait_until(lambda: threads(watchdog) == 0, "its thread ends")


def threads(watchdog: Watchdog) -> int:
    """How many threads watch for it: threads of other tests may end or begin meanwhile."""
    frames = [frame for top in sys._current_frames().values() for frame, _ in traceback.walk_stack(top)]
    watching = [frame for frame in frames if frame.f_code is Watchdog._watch.__code__]
    return sum(frame.f_locals["self"] is watchdog for frame in watching)


def block(seconds: float) -> None:
    """Holds the hub in C code."""
    native_sleep(seconds)


def run(watchdog: Watchdog, producer: Producer, work: Any, *args: Any) -> None:
    """Starts the greenlet of a producer, which is watched while it works."""

    def watched() -> None:
        watchdog.enter(producer)
        try:
            work(*args)
        finally:
            watchdog.leave(producer)

    producer.greenlet = gevent.spawn(watched)


def test_the_blocker_is_found_by_its_greenlet(watchdog: Watchdog, caplog: pytest.LogCaptureFixture) -> None:
    """Of all producers it is the one whose greenlet runs, whoever started first; it is named once, with its stack."""
    before, blocker, after = Producer("before", "r1"), Producer("blocker", "r2"), Producer("after", None)
    run(watchdog, before, gevent.sleep, 10 * INTERVAL)
    run(watchdog, blocker, block, 8 * INTERVAL)
    run(watchdog, after, gevent.sleep, 10 * INTERVAL)
    gevent.joinall([each.greenlet for each in (before, blocker, after)])
    (warning,) = caplog.records
    assert warning.levelno == logging.WARNING
    assert "operation 'blocker' (run r2) blocks its worker" in warning.getMessage()
    assert ", in block\n" in warning.getMessage()


def test_a_producer_without_a_run_is_named_alone(watchdog: Watchdog, caplog: pytest.LogCaptureFixture) -> None:
    """The generator of a stream has a name only."""
    producer = Producer("report", None)
    run(watchdog, producer, block, 4 * INTERVAL)
    producer.greenlet.join()
    assert "operation 'report' blocks its worker" in caplog.text


def test_a_blocker_that_is_no_producer(watchdog: Watchdog, caplog: pytest.LogCaptureFixture) -> None:
    """Other code of the application that blocks the hub is not blamed on a producer that waits."""
    producer = Producer("waiting", "r1")
    run(watchdog, producer, gevent.sleep, 6 * INTERVAL)
    gevent.sleep(0)
    block(4 * INTERVAL)
    producer.greenlet.join()
    assert caplog.records == []


def test_it_watches_only_while_producers_run(watchdog: Watchdog) -> None:
    """Its thread ends after the last producer, and starts again with the next one."""
    for _ in range(2):
        producer = Producer("brief", "r1")
        run(watchdog, producer, gevent.sleep, 0.01)
        producer.greenlet.join(0.005)
        wait_until(lambda: threads(watchdog) == 1, "its thread begins")
        producer.greenlet.join()
        wait_until(lambda: threads(watchdog) == 0, "its thread ends")


def test_the_stack_of_a_greenlet() -> None:
    """It is shown where the greenlet waits; there is none of one that has ended, or runs."""

    def wait_here() -> None:
        gevent.sleep(3600)

    greenlet = gevent.spawn(wait_here)
    gevent.sleep(0)
    assert ", in wait_here\n" in stack_of(greenlet)
    greenlet.kill()
    assert stack_of(greenlet) == ""
    assert stack_of(gevent.getcurrent()) == ""
