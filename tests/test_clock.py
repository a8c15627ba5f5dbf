"""The machine's clock, the one that tests move, and the form of a timestamp."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import gevent
import pytest
from gevent.event import Event
from hypothesis import given
from hypothesis import strategies as st

from streaming import ManualClock
from streaming.clock import SystemClock, rfc3339
from tests.clients import PATIENCE


def test_the_machines_clock() -> None:
    """`SystemClock` has the times of `time.time` and `time.monotonic`."""
    clock = SystemClock()
    before, after = time.time(), time.time() + PATIENCE
    assert before <= clock.now() <= after
    assert time.monotonic() <= clock.monotonic() <= time.monotonic() + PATIENCE


def test_a_timer_of_the_machines_clock() -> None:
    """`later` calls back once, in the hub, after its seconds."""
    called = Event()
    calls: list[float] = []

    def callback() -> None:
        calls.append(time.monotonic())
        called.set()

    start = time.monotonic()
    timer = SystemClock().later(0.02, callback)
    assert called.wait(PATIENCE)
    gevent.sleep(0.03)
    timer.cancel()  # does nothing by now
    assert len(calls) == 1
    assert calls[0] - start >= 0.015


def test_a_timer_that_is_cancelled() -> None:
    """It makes no call, and may be cancelled again."""
    calls: list[str] = []
    clock = SystemClock()
    timer = clock.later(0.0, lambda: calls.append("never"))
    timer.cancel()
    timer.cancel()
    done = Event()
    clock.later(0.0, done.set)
    assert done.wait(PATIENCE)
    assert calls == []


def test_a_negative_delay() -> None:
    """It counts as none."""
    called = Event()
    SystemClock().later(-5.0, called.set)
    assert called.wait(PATIENCE)


def test_a_manual_clock_stands_still() -> None:
    """Its time changes only with `advance`."""
    clock = ManualClock(now=1000.0)
    assert (clock.now(), clock.monotonic()) == (1000.0, 0.0)
    clock.advance(2.5)
    assert (clock.now(), clock.monotonic()) == (1002.5, 2.5)


def test_a_manual_clock_makes_the_calls_that_are_due() -> None:
    """Calls come in the order of their times, then of `later`, each at its own time, nested ones too."""
    clock = ManualClock(now=0.0)
    calls: list[tuple[str, float]] = []

    def note(name: str) -> None:
        calls.append((name, clock.now()))

    def first() -> None:
        note("first")
        clock.later(1.0, lambda: note("third"))
        clock.later(9.0, lambda: note("never"))

    clock.later(2.0, first)
    clock.later(2.0, lambda: note("second"))
    clock.later(4.0, lambda: note("never")).cancel()
    clock.later(5.0, lambda: note("last"))
    clock.advance(5.0)
    assert calls == [("first", 2.0), ("second", 2.0), ("third", 3.0), ("last", 5.0)]
    assert clock.now() == 5.0


def test_a_jump_of_the_wall_clock_moves_no_timer() -> None:
    """It changes neither the monotonic time nor the time of a call."""
    clock = ManualClock(now=1000.0)
    calls: list[float] = []
    clock.later(1.0, lambda: calls.append(clock.monotonic()))
    clock.jump(-500.0)
    assert (clock.now(), clock.monotonic(), calls) == (500.0, 0.0, [])
    clock.advance(1.0)
    assert (clock.now(), calls) == (501.0, [1.0])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_795_426_200.125, "2026-11-23T09:30:00.125Z"),
        (1_795_426_200.9999, "2026-11-23T09:30:00.999Z"),
        (951_782_400.5, "2000-02-29T00:00:00.500Z"),
    ],
)
def test_a_timestamp(seconds: float, text: str) -> None:
    """A time is written in UTC with milliseconds, which are cut off and not rounded."""
    assert rfc3339(seconds) == text


@given(st.integers(0, 4_102_444_800_000))
def test_a_timestamp_keeps_its_millisecond(millisecond: int) -> None:
    """A timestamp is read back as the same millisecond."""
    read = datetime.fromisoformat(rfc3339(millisecond / 1000)) - datetime(1970, 1, 1, tzinfo=UTC)
    assert read == timedelta(milliseconds=millisecond)
