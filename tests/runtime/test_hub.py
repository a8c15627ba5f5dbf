"""The hub's signals, where several greenlets use one."""

from __future__ import annotations

import gevent

from streaming.runtime.hub import GreenSignal, Turn


def test_callers_that_hand_over_to_the_same_waiter() -> None:
    """Who hands its turn over goes on afterwards, also where others do so before it has gone on."""
    turn = Turn()
    signal, woken, went_on = GreenSignal(turn), list[int](), list[int]()

    def wait() -> None:
        while len(woken) < 10:
            signal.wait()
            signal.clear()
            woken.append(len(woken))

    def call(number: int) -> None:
        gevent.sleep(0.01)  # all of them are due in the same round
        turn.hand_over(signal.set)
        went_on.append(number)

    gevent.spawn(wait)
    gevent.joinall([gevent.spawn(call, number) for number in range(10)], timeout=5)
    assert sorted(went_on) == list(range(10))
