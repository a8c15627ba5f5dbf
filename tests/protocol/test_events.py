"""The makers: every event is complete and checked on the line that builds it, and wrong arguments are refused there."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from enum import IntEnum
from math import inf, nan
from types import MappingProxyType
from typing import Any
from unittest.mock import ANY

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.errors import EncodeError, HeadwayError, OperationError
from streaming.protocol.events import (
    CHECKPOINT_BYTES,
    LIFECYCLE,
    Event,
    Progress,
    Question,
    ask,
    checkpoint,
    delta,
    event,
    flush,
    make_event,
    partial,
    progress,
)

HUGE = pytest.param(10**5000, id="huge")
"""An integer that Python refuses to write as decimal digits."""

NO_STRINGS = [5, 1.5, True, b"text", ["text"], {}, object(), HUGE]
NO_AMOUNTS = [-1, -0.5, -(10**400), 10**400, nan, inf, -inf, True, False, "5", b"5", [5], Decimal(5), 5j, HUGE]


class Loud:
    """A value whose `repr` raises."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class Batch(IntEnum):
    """Numbers by name."""

    FIRST = 1


# What the makers make


def test_progress_has_the_fields_of_its_arguments() -> None:
    """`progress` holds the fields that are given and no others, as JSON and as attributes."""
    made = progress("Page 3", done=3, total=50, unit="pages", step="read", eta=12.5)
    assert made.name == "progress"
    assert made.data == {"message": "Page 3", "done": 3, "total": 50, "unit": "pages", "step": "read", "eta": 12.5}
    assert (made.done, made.total, made.step, made.eta) == (3, 50, "read", 12.5)
    assert progress().data == {}
    assert progress(step=2).data == {"step": 2}


@pytest.mark.parametrize("amount", [0, 0.0, 1, 0.5, 2**53, 2**70, 1.7976931348623157e308, Batch.FIRST])
def test_progress_takes_every_finite_amount(amount: float) -> None:
    """Any finite number of zero or more is allowed, and is written exactly."""
    made = progress(done=amount, total=amount, eta=amount)
    assert made.data == {"done": amount, "total": amount, "eta": amount}


def test_delta_is_on_the_text_channel_by_default() -> None:
    """`delta` holds its text and its channel."""
    assert delta("a").data == {"text": "a", "channel": "text"}
    assert delta("", "thinking").data == {"text": "", "channel": "thinking"}


def test_partial_holds_any_json_under_its_key() -> None:
    """`partial` holds a key and a value, which may be null."""
    assert partial("page", {"number": 1}).data == {"key": "page", "value": {"number": 1}}
    assert partial("", None).data == {"key": "", "value": None}


def test_ask_keeps_its_schema() -> None:
    """`ask` sends its prompt and schema, and keeps the schema and the time to answer for the library."""
    made = ask("Go on?", schema={"type": "boolean"}, within=600)
    assert made.name == "question"
    assert made.data == {"prompt": "Go on?", "schema": {"type": "boolean"}}
    assert (made.schema, made.within) == ({"type": "boolean"}, 600)
    assert (ask("").schema, ask("").within) == ({}, None)


def test_a_checkpoint_is_json_of_bounded_size() -> None:
    """Of any kind, but no more than a store keeps in one go."""
    assert checkpoint(None).body == b"null"
    assert checkpoint("x" * (CHECKPOINT_BYTES - 2)).data
    with pytest.raises(OperationError, match="too_large"):
        checkpoint("x" * (CHECKPOINT_BYTES - 1))
    with pytest.raises(EncodeError):
        checkpoint(object())


def test_event_carries_an_object_or_text() -> None:
    """`event` holds a JSON object, an empty one by default, or text that stays text."""
    assert event("row", {"a": 1}).data == {"a": 1}
    assert event("row", MappingProxyType({"a": 1})).data == {"a": 1}
    assert event("row").data == {}
    assert event("note", '{"a": 1}').data == '{"a": 1}'
    assert event("note", "").data == ""


def test_flush_is_no_event() -> None:
    """`flush()` always returns the same object, which is not an event."""
    assert flush() is flush()
    assert not isinstance(flush(), Event)


def test_events_are_equal_by_value() -> None:
    """Events are equal by name, data and kind, whichever maker built them."""
    assert progress(done=1) == make_event("progress", {"done": 1})
    assert len({progress(done=1), make_event("progress", {"done": 1}), progress(done=2)}) == 2
    assert event("note", "{}") != event("note", {})
    assert event("a") != event("b")
    assert event("a") != "a"


def test_an_event_shows_its_name_and_data() -> None:
    """The `repr` of an event has its name and its data."""
    assert repr(event("row", {"a": 1})) == "<Event row {'a': 1}>"


# Refusals


@pytest.mark.parametrize("wrong", NO_STRINGS)
@pytest.mark.parametrize(
    ("field", "build"),
    [
        ("message", progress),
        ("unit", lambda wrong: progress(unit=wrong)),
        ("text", delta),
        ("key", lambda wrong: partial(wrong, 1)),
        ("prompt", ask),
        ("an event name", event),
        ("an event name", make_event),
    ],
)
def test_what_must_be_a_string(field: str, build: Callable[[Any], Event], wrong: Any) -> None:
    """No other value is turned into a string, and the error names the field."""
    with pytest.raises(EncodeError, match=f"^{field} is a (non-empty )?string, not "):
        build(wrong)


@pytest.mark.parametrize("wrong", NO_AMOUNTS)
@pytest.mark.parametrize("field", ["done", "total", "eta", "within"])
def test_what_must_be_an_amount(field: str, wrong: Any) -> None:
    """An amount is a finite number of zero or more; `True` is none."""
    with pytest.raises(EncodeError, match=f"^{field} is a finite number of zero or more, not "):
        ask("?", within=wrong) if field == "within" else progress(**{field: wrong})


@pytest.mark.parametrize("wrong", [1.5, True, b"read", ["read"], nan])
def test_a_step_is_a_string_or_an_integer(wrong: Any) -> None:
    """A step is a name or a number."""
    with pytest.raises(EncodeError, match=r"^step is a string or an integer, not "):
        progress(step=wrong)


@pytest.mark.parametrize("wrong", ["", "Text", "texts", None, 5, ["text"], Loud(), HUGE])
def test_a_delta_has_one_of_two_channels(wrong: Any) -> None:
    """A channel is `text` or `thinking`."""
    with pytest.raises(EncodeError, match="channel is 'text' or 'thinking'"):
        delta("a", wrong)


def test_a_channel_that_equals_everything_is_none() -> None:
    """A value that is equal to a channel, but not a string, is refused."""
    with pytest.raises(EncodeError):
        delta("a", ANY)


@pytest.mark.parametrize(
    "wrong", [5, True, False, 0, "", "{}", [], ["ab"], b"", {1: 2}, {"minimum": nan}, {"enum": {1}}]
)
def test_a_schema_is_a_json_object(wrong: Any) -> None:
    """The schema of an answer is a mapping that JSON can carry."""
    with pytest.raises(EncodeError):
        ask("?", schema=wrong)


@pytest.mark.parametrize("name", sorted(LIFECYCLE))
def test_operations_cannot_forge_the_lifecycle(name: str) -> None:
    """`event` refuses the names that the grammar of a run depends on; the library itself uses `make_event`."""
    with pytest.raises(EncodeError, match="the library's own"):
        event(name, {})
    assert make_event(name, {}).name == name


def test_the_reserved_names_are_the_contracts() -> None:
    """The names that an operation may not use are those that the library writes around and between its events."""
    assert {"start", "question", "answer", "result", "error", "done", "attempt", "reset"} == LIFECYCLE


@pytest.mark.parametrize(
    "name", ["", "a\nb", "a\rb", "a\0b", pytest.param("\ud800", id="surrogate"), "\n", "tick\r\ndata: x"]
)
def test_names_that_no_line_carries(name: str) -> None:
    """An event name that does not fit on one line is refused."""
    with pytest.raises(EncodeError, match="an event name"):
        event(name, {})


@pytest.mark.parametrize("name", ["tick", "Done", "done ", " done", "a b", "a:b", ":", "é", "\u2028", "message"])
def test_names_that_a_line_carries(name: str) -> None:
    """An operation may use any other name."""
    assert event(name, {"a": 1}).name == name


def test_a_name_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A valid name is remembered, a reserved one never, and however many names there are, memory is bounded."""
    names: set[str] = set()
    monkeypatch.setattr("streaming.protocol.events._names", names)
    monkeypatch.setattr("streaming.protocol.events.MAX_NAMES", 2)
    for name in ("page", "page", "line", "word", "done", "progress", "a\nb"):
        for _ in range(2):
            with suppress(EncodeError):
                assert event(name, {"n": 1}) == make_event(name, {"n": 1})
    assert names == {"page", "line"}
    with pytest.raises(EncodeError):
        event("done", {})


@pytest.mark.parametrize("data", [{"timestamp": 1}, {"a": 1, "timestamp": None}, MappingProxyType({"timestamp": ""})])
def test_the_timestamp_is_reserved(data: Any) -> None:
    """No event has a `timestamp` of its own; within its values the key is allowed."""
    with pytest.raises(EncodeError, match="'timestamp' is reserved"):
        event("row", data)
    with pytest.raises(EncodeError, match="'timestamp' is reserved"):
        make_event("row", data)
    assert event("row", {"a": {"timestamp": 1}}).data == {"a": {"timestamp": 1}}


@pytest.mark.parametrize(
    "data", [5, 0, False, [], [("a", 1)], (), b"{}", b"", {1: 1}, {"a": {1}}, {"a": nan}, {"a": Loud()}]
)
def test_data_that_is_neither_an_object_nor_text(data: Any) -> None:
    """The data of an event is an object that JSON can carry, or text; empty values of other types are refused too."""
    with pytest.raises(EncodeError):
        event("row", data)


@pytest.mark.parametrize("text", ["a\rb", "\r\n", pytest.param("a\ud800", id="surrogate")])
def test_text_that_would_change_on_the_way(text: str) -> None:
    """Text that a reader would receive changed is refused."""
    with pytest.raises(EncodeError, match="text of an event holds no"):
        event("note", text)


@pytest.mark.parametrize(
    "build",
    [progress, delta, lambda text: partial(text, 1), ask],
)
def test_strings_that_utf_8_cannot_write(build: Callable[[str], Event]) -> None:
    """A lone surrogate is refused in every string, and every other character is allowed."""
    with pytest.raises(EncodeError):
        build("a\ud800")
    assert "a\r\n\0\u2028\U0001f600" in build("a\r\n\0\u2028\U0001f600").data.values()


def test_an_error_message_is_short() -> None:
    """The message shows the value, but never all of a large one."""
    with pytest.raises(EncodeError, match=r"^key is a string, not 5$"):
        partial(5, 1)  # type: ignore[arg-type]
    for large in ("x\n" * 1_000_000, ["x" * 1000] * 1000, b"x" * 1_000_000):
        with pytest.raises(EncodeError) as caught:
            event(large)  # type: ignore[arg-type]
        assert len(str(caught.value)) < 1000


def test_an_encode_error_can_be_caught_as_its_bases() -> None:
    """An `EncodeError` is a `HeadwayError`, and a `ValueError` for code that does not know the library."""
    assert issubclass(EncodeError, HeadwayError)
    assert issubclass(EncodeError, ValueError)


JUNK = st.sampled_from(
    [
        *(None, True, 0, -1, 10**400, -(10**400), 10**5000, 1.5, nan, inf, -inf, 5j, Decimal("NaN")),
        *("", "a", "a\nb", "\r", "\0", "\ud800", "start", "timestamp", b"", b"a", Loud(), object(), ANY),
        *([], [[]], {}, {"a": 1}, {1: 2}, {"timestamp": 1}, {"a": nan}, {"a": Loud()}, {"\ud800": 1}, set(), len, int),
    ]
)


@given(JUNK, JUNK, JUNK, JUNK, JUNK, JUNK)
def test_a_maker_makes_an_event_or_raises_encode_error(a: Any, b: Any, c: Any, d: Any, e: Any, f: Any) -> None:
    """For any arguments a maker raises nothing but `EncodeError`, and returns no event that is not JSON or text."""
    calls: list[Callable[[], Event]] = [
        lambda: progress(a, done=b, total=c, unit=d, step=e, eta=f),
        lambda: delta(a, b),
        lambda: partial(a, b),
        lambda: ask(a, schema=b, within=c),
        lambda: event(a, b),
        lambda: make_event(a, b),
    ]
    for call in calls:
        with suppress(EncodeError):
            made = call()
            assert made.text or isinstance(json.loads(made.body, parse_constant=pytest.fail), dict)


# An event does not change once it is built


def test_an_event_is_independent_of_its_arguments() -> None:
    """An event stays as it was built, even if the objects that it was built from change."""
    inner: list[Any] = [1]
    data: dict[str, Any] = {"a": inner}
    schema: dict[str, Any] = {"properties": {"a": inner}}
    made = [event("row", data), event("row", MappingProxyType(data)), partial("k", data), ask("?", schema=schema)]
    before = [(one.body, one.data) for one in made]
    inner.append(2)
    data["b"] = data["timestamp"] = 3
    schema["properties"]["b"] = 4
    schema["type"] = "object"
    assert [(one.body, one.data) for one in made] == before
    question = made[-1]
    assert isinstance(question, Question)
    assert question.schema == {"properties": {"a": [1]}}


def test_the_data_of_an_event_may_be_changed() -> None:
    """`data` is a new copy each time: changes to one do not show in the next."""
    made = event("row", {"a": [1]})
    made.data["a"].append(2)
    assert made.data == {"a": [1]}


def test_an_event_has_no_dictionary() -> None:
    """Events are small, for a run has many."""
    for made in (progress(), ask("?"), event("row")):
        assert not hasattr(made, "__dict__")
    assert isinstance(progress(), Progress)
