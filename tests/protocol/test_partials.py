"""References to partials in a result, and their values in the frames of a run."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streaming import ManualClock, delta, event, partial
from streaming.protocol.events import RawEvent, make_event
from streaming.protocol.partials import PartialValues, fill, keys_in
from streaming.protocol.recorder import Recorder

VALUES = {"a": [1, {"$partial": "b"}], "b": "text"}


@pytest.mark.parametrize(
    ("value", "filled"),
    [
        ({"$partial": "a"}, [1, {"$partial": "b"}]),  # a value is not searched for others
        ({"pages": [{"$partial": "b"}, {"$partial": "b"}], "n": 1}, {"pages": ["text", "text"], "n": 1}),
        ({"$partial": "none"}, {"$partial": "none"}),
        ({"$partial": "a", "more": 1}, {"$partial": "a", "more": 1}),
        ({"$partial": 5}, {"$partial": 5}),
        ([{"$partial": {"$partial": "b"}}], [{"$partial": "text"}]),
        ("$partial", "$partial"),
        (None, None),
    ],
)
def test_references(value: Any, filled: Any) -> None:
    """An object with this one member refers to the partial of its key, if there is one; all else is data."""
    assert fill(value, VALUES.get) == filled


def test_the_keys_of_a_value() -> None:
    """Each once, from any depth."""
    assert keys_in([{"x": {"$partial": "a"}}, {"$partial": "b"}, {"$partial": "a"}]) == {"a", "b"}


def recorded(*events: Any) -> bytes:
    """The frames of these events, after a start."""
    recorder = Recorder(ManualClock())
    recorder.add(make_event("start", {"run": "r"}))
    for each in events:
        recorder.add(each)
    return b"".join(recorder.take().frames)


def test_the_values_in_frames() -> None:
    """The newest of each key, whatever is in keys and values, and what an upstream has written in its own way."""
    odd = 'a","key":"b","value":\n\u2028"'
    frames = recorded(
        partial("a", 1),
        partial("other", "x"),
        delta('event: partial\ndata: {"key":"a","value":5}'),
        partial(odd, {"value": '","key":"c","value":'}),
        RawEvent("partial", b'{ "key": "upstream",\n"value": [1, 2] }'),
        RawEvent("partial", b'{"timestamp":"2026-11-23T09:30:00.125Z","key":"headway","value":{"n":1}}'),
        RawEvent("partial", b'{"timestamp":"x","more":"","key":"more","value":3}'),
        RawEvent("partial", b"no JSON"),
        RawEvent("partial", b'{"key":5,"value":1}'),
        event("note", {"key": "a", "value": 7}),
        partial("a", [2]),
    )
    values = PartialValues({"a", odd, "upstream", "headway", "more", "c"})
    values.read(frames)
    assert {key: json.loads(value) for key, value in values.items()} == {
        "a": [2],
        odd: {"value": '","key":"c","value":'},
        "upstream": [1, 2],
        "headway": {"n": 1},
        "more": 3,
    }


def test_an_attempt_drops_partials() -> None:
    """Those after its checkpoint no longer count."""
    values = PartialValues({"a", "b"})
    values.read(recorded(partial("a", 1), partial("b", 2), make_event("attempt", {"attempt": 2, "after": 2})))
    assert values == {"a": b"1"}
    values.read(recorded(make_event("attempt", {"attempt": 3, "reason": "producer_lost"})))
    assert values == {}


def test_an_attempt_goes_back_to_the_partials_of_its_checkpoint() -> None:
    """A key that was sent again after it has the value from before it."""
    values = PartialValues({"a", "b"})
    values.read(recorded(partial("a", 1), partial("a", 2), partial("b", 3)))
    values.read(recorded(make_event("attempt", {"attempt": 2, "after": 2})))
    assert values == {"a": b"1"}
