"""The hub's signals, and who runs when a turn is handed over."""

from __future__ import annotations

import gevent
import pytest
from greenlet import GreenletExit

from streaming.runtime.hub import GreenSignal, Turn


class Waiter:
    """A greenlet that waits for a signal again and again, and notes each time in a list that several share."""

    def __init__(self, name: str, notes: list[str], turn: Turn | None = None) -> None:
        self.signal = GreenSignal(turn)
        self.greenlet = gevent.spawn(self._wait, name, notes)
        gevent.sleep(0)

    def _wait(self, name: str, notes: list[str]) -> None:
        while True:
            self.signal.wait()
            self.signal.clear()
            notes.append(name)


def test_the_waiter_of_one_signal_runs_at_once() -> None:
    """It runs before greenlets that were ready earlier, and before the caller continues."""
    turn, notes = Turn(), list[str]()
    waiter = Waiter("waiter", notes, turn)
    gevent.spawn(notes.append, "ready before")
    turn.hand_over(waiter.signal.set)
    assert notes == ["waiter", "ready before"]
    waiter.greenlet.kill()


def test_the_waiters_of_several_signals_run_in_the_next_round() -> None:
    """Where a call sets more than one signal, or one of another turn, the caller keeps its turn."""
    turn, notes = Turn(), list[str]()
    waiters = [Waiter("first", notes, turn), Waiter("second", notes, turn), Waiter("other", notes)]

    def call() -> None:
        for waiter in waiters:
            waiter.signal.set()

    turn.hand_over(call)
    assert notes == []
    gevent.sleep(0)
    assert sorted(notes) == ["first", "other", "second"]
    gevent.killall([waiter.greenlet for waiter in waiters])


def test_a_call_that_fails_hands_nothing_over() -> None:
    """Its error is raised, and later signals are set in the usual way."""
    turn, notes = Turn(), list[str]()
    waiter = Waiter("waiter", notes, turn)
    with pytest.raises(ZeroDivisionError):
        turn.hand_over(lambda: 1 // 0)  # type: ignore[arg-type]
    waiter.signal.set()
    assert notes == []
    gevent.sleep(0)
    assert notes == ["waiter"]
    waiter.greenlet.kill()


def test_callers_that_hand_over_to_the_same_waiter() -> None:
    """Each caller continues afterwards, even if others hand over to the waiter before that."""
    turn, notes, continued = Turn(), list[str](), list[int]()
    waiter = Waiter("waiter", notes, turn)

    def call(number: int) -> None:
        gevent.sleep(0.01)  # all of them are due in the same round
        turn.hand_over(waiter.signal.set)
        continued.append(number)

    gevent.joinall([gevent.spawn(call, number) for number in range(10)], timeout=5)
    assert sorted(continued) == list(range(10))
    assert notes == ["waiter"] * 10
    waiter.greenlet.kill()


def test_a_caller_that_is_killed_in_between() -> None:
    """A caller that is killed while the waiter runs in its place is not resumed where it waits after that."""
    turn, notes = Turn(), list[str]()
    waiter = Waiter("waiter", notes, turn)

    def call() -> None:
        gevent.get_hub().loop.run_callback(caller.throw, GreenletExit)
        try:
            turn.hand_over(waiter.signal.set)
            notes.append("continued")
        finally:
            gevent.sleep(0.001)
            notes.append("ended")

    caller = gevent.spawn(call)
    caller.join()
    assert notes == ["waiter", "ended"]
    assert isinstance(caller.value, GreenletExit)
    waiter.greenlet.kill()


def test_a_signal_that_is_set_needs_no_wait() -> None:
    """A wait returns at once where the flag is up, and after its timeout where nobody raises it."""
    signal = GreenSignal()
    signal.set()
    signal.wait()
    signal.clear()
    with gevent.Timeout(1):
        signal.wait(0.001)
