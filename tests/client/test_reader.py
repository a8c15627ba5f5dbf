"""The reader of a run and its backoff; `test_contract.py` plays whole streams to both clients."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming import Parser
from streaming.client import Backoff, NotAStream, Overloaded, Question, Reset
from streaming.client.errors import refusal
from streaming.client.reader import RunReader
from tests.client.service import STREAM, frame

amounts = st.floats(min_value=0, max_value=1000)


@given(amounts, amounts, st.integers(0, 10_000), st.none() | amounts, st.none() | amounts, st.floats(0, 1))
def test_a_wait_is_never_shorter_than_the_service_asks(
    delay: float, longest: float, waits: int, retry: float | None, after: float | None, chance: float
) -> None:
    """`retry:` and `Retry-After` are lower bounds; jitter adds at most a quarter to the larger bound."""
    backoff = Backoff(retry_delay=delay, max_delay=longest)
    least = delay if retry is None else retry
    wait = backoff.wait(waits, retry=retry, retry_after=after, chance=chance)
    assert wait >= max(least, after or 0)
    assert wait <= max(least, longest, after or 0) * 1.25


def test_waits_double() -> None:
    """Each wait in a row is twice as long as the one before, up to `max_delay`."""
    backoff = Backoff(retry_delay=1, max_delay=5)
    waits = [backoff.wait(number, retry=None, retry_after=None, chance=0) for number in range(5)]
    assert waits == [1, 2, 4, 5, 5]


@pytest.mark.parametrize("options", [{"max_attempts": -1}, {"retry_delay": -1.0}, {"max_delay": float("nan")}])
def test_an_invalid_backoff_is_refused(options: dict[str, Any]) -> None:
    """It would never wait, or wait for ever."""
    with pytest.raises(ValueError, match="0 or more"):
        Backoff(**options)


def test_a_long_retry_after_is_raised_instead_of_waited_for() -> None:
    """A program that hangs for an hour would look broken."""
    error = refusal(503, "Unavailable", {"retry-after": "3600"}, b"")
    with pytest.raises(Overloaded):
        RunReader("r1").connection_lost(error)


def test_there_is_no_second_attempt_after_an_event_that_is_too_large() -> None:
    """It would be as large in the second."""
    reader = RunReader("r1", max_event=50)
    reader.connection_opened(200, STREAM)
    with pytest.raises(NotAStream) as caught:
        reader.receive(b"id: 1\ndata: " + b"x" * 100)
    with pytest.raises(NotAStream):
        reader.connection_lost(caught.value)


def test_the_open_question() -> None:
    """It comes from its event, or from a snapshot, and is open until it is answered."""
    reader = RunReader("r1")
    reader.connection_opened(200, STREAM)
    data = {"question": "q1", "prompt": "Go on?", "schema": {"type": "boolean"}}
    (reset,) = reader.receive(frame(4, "reset", {"snapshot": {"id": "r1", "question": data}}))
    assert isinstance(reset, Reset)
    assert reader.open_question() == "q1"
    reader.receive(frame(5, "answer", {"question": "q1", "answer": True}))
    with pytest.raises(ValueError, match="no question"):
        reader.open_question()
    (again,) = reader.receive(frame(6, "question", {**data, "question": "q2"}))
    assert isinstance(again, Question)
    assert (reader.open_question(), again.schema) == ("q2", {"type": "boolean"})


def test_a_parser_with_own_ids() -> None:
    """An event without an id has none; without `own_ids` it has the last event id, as the standard says."""
    stream = frame(4, "a", {}) + b"data: b\n\n: c\n\nid\ndata: d\n\n" + frame(5, "e", {})
    for cut in (1, len(stream)):
        parser = Parser(own_ids=True)
        pieces = [stream[at : at + cut] for at in range(0, len(stream), cut)]
        assert [message.id for piece in pieces for message in parser.feed(piece)] == ["4", "", "", "5"]
    assert [message.id for message in Parser().feed(stream)] == ["4", "4", "", "5"]
