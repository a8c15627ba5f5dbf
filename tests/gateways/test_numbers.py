"""The checkpoints of an upstream run, by the numbers of the events that a gateway's run has in their place."""

from __future__ import annotations

from streaming.gateways.numbers import Numbers
from streaming.protocol.events import RawEvent, make_event


def test_after_is_the_number_of_an_event_of_this_run() -> None:
    """Whatever a transform has left out or added, and although a question counts with its answer."""
    numbers = Numbers()
    numbers.count("2")  # 2
    numbers.count("2")  # 3, which a transform has added
    numbers.count("5", 2)  # 4 and 5: 3 and 4 were left out
    numbers.count("")  # 6, of an upstream without ids
    numbers.count("6")  # 7
    for after, own in ((1, 1), (2, 3), (3, 3), (5, 5), (6, 7), (9, 7)):
        attempt = make_event("attempt", {"attempt": 2, "reason": "producer_lost", "after": after})
        assert numbers.attempt(attempt).data == {"attempt": 2, "reason": "producer_lost", "after": own}


def test_an_attempt_that_begins_again_stays_as_it_is() -> None:
    """And one of another form."""
    numbers = Numbers()
    numbers.count("2")
    for data in ({"attempt": 2, "after": 0}, {"attempt": 2}, {"after": "x"}, "no JSON"):
        attempt = make_event("attempt", data)
        assert numbers.attempt(attempt) is attempt


def test_the_timestamp_of_the_upstream_stays() -> None:
    """As for every event that passes."""
    raw = RawEvent("attempt", b'{"timestamp":"2026-11-23T09:30:00.125Z","attempt":2,"after":5}')
    numbers = Numbers()
    numbers.count("4")
    assert numbers.attempt(raw) == RawEvent("attempt", raw.body.replace(b'"after":5', b'"after":2'))
