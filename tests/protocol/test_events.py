"""The makers: every event is whole and checked on the line that builds it, and what is wrong is refused there."""

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

from streaming.errors import EncodeError, HeadwayError
from streaming.protocol.events import (
    LIFECYCLE,
    Event,
    Progress,
    Question,
    ask,
    delta,
    event,
    flush,
    make_event,
    partial,
    progress,
)

HUGE = pytest.param(10**5000, id="huge")
"""An integer that Python itself will not write as decimal digits."""

NO_STRINGS = [5, 1.5, True, b"text", ["text"], {}, object(), HUGE]
NO_AMOUNTS = [-1, -0.5, -(10**400), 10**400, nan, inf, -inf, True, False, "5", b"5", [5], Decimal(5), 5j, HUGE]


class Loud:
    """A value that cannot even be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("not for show")


class Batch(IntEnum):
    """Numbers by name."""

    FIRST = 1


# What the makers make


def test_progress_carries_what_it_was_given() -> None:
    """`progress` holds the given fields and no others, as JSON and beside it."""
    made = progress("Page 3", done=3, total=50, unit="pages", step="read", eta=12.5)
    assert made.name == "progress"
    assert made.data == {"message": "Page 3", "done": 3, "total": 50, "unit": "pages", "step": "read", "eta": 12.5}
    assert (made.done, made.total, made.step, made.eta) == (3, 50, "read", 12.5)
    assert progress().data == {}
    assert progress(step=2).data == {"step": 2}


@pytest.mark.parametrize("amount", [0, 0.0, 1, 0.5, 2**53, 2**70, 1.7976931348623157e308, Batch.FIRST])
def test_progress_takes_every_finite_amount(amount: float) -> None:
    """Any finite number of zero or more is an amount, and is written exactly."""
    made = progress(done=amount, total=amount, eta=amount)
    assert made.data == {"done": amount, "total": amount, "eta": amount}


def test_delta_is_text_unless_it_says_otherwise() -> None:
    """`delta` holds its text and its channel."""
    assert delta("a").data == {"text": "a", "channel": "text"}
    assert delta("", "thinking").data == {"text": "", "channel": "thinking"}


def test_partial_holds_any_json_under_its_key() -> None:
    """`partial` holds a key and a value, which may be null."""
    assert partial("page", {"number": 1}).data == {"key": "page", "value": {"number": 1}}
    assert partial("", None).data == {"key": "", "value": None}


def test_ask_keeps_what_its_answer_is_checked_by() -> None:
    """`ask` shows its prompt and schema, and keeps the schema and the time to answer for the library."""
    made = ask("Go on?", schema={"type": "boolean"}, within=600)
    assert made.name == "question"
    assert made.data == {"prompt": "Go on?", "schema": {"type": "boolean"}}
    assert (made.schema, made.within) == ({"type": "boolean"}, 600)
    assert (ask("").schema, ask("").within) == ({}, None)


def test_event_carries_an_object_or_text() -> None:
    """`event` holds a JSON object, an empty one where nothing was given, or text that stays text."""
    assert event("row", {"a": 1}).data == {"a": 1}
    assert event("row", MappingProxyType({"a": 1})).data == {"a": 1}
    assert event("row").data == {}
    assert event("note", '{"a": 1}').data == '{"a": 1}'
    assert event("note", "").data == ""


def test_flush_is_no_event() -> None:
    """`flush()` is one word for the stream, and nothing that could be logged."""
    assert flush() is flush()
    assert not isinstance(flush(), Event)


def test_events_are_equal_by_what_they_say() -> None:
    """Events compare by name, data and kind, whichever maker built them."""
    assert progress(done=1) == make_event("progress", {"done": 1})
    assert len({progress(done=1), make_event("progress", {"done": 1}), progress(done=2)}) == 2
    assert event("note", "{}") != event("note", {})
    assert event("a") != event("b")
    assert event("a") != "a"


def test_an_event_shows_its_name_and_data() -> None:
    """The `repr` of an event tells what it says."""
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
    """A string is a string: nothing else is turned into one, and the refusal says which field it is about."""
    with pytest.raises(EncodeError, match=f"^{field} is a (non-empty )?string, not "):
        build(wrong)


@pytest.mark.parametrize("wrong", NO_AMOUNTS)
@pytest.mark.parametrize("field", ["done", "total", "eta", "within"])
def test_what_must_be_an_amount(field: str, wrong: Any) -> None:
    """An amount is a finite number of zero or more, which `True` is not."""
    with pytest.raises(EncodeError, match=f"^{field} is a finite number of zero or more, not "):
        ask("?", within=wrong) if field == "within" else progress(**{field: wrong})


@pytest.mark.parametrize("wrong", [1.5, True, b"read", ["read"], nan])
def test_a_step_is_a_string_or_an_integer(wrong: Any) -> None:
    """A step has a name or a number."""
    with pytest.raises(EncodeError, match=r"^step is a string or an integer, not "):
        progress(step=wrong)


@pytest.mark.parametrize("wrong", ["", "Text", "texts", None, 5, ["text"], Loud(), HUGE])
def test_a_delta_has_one_of_two_channels(wrong: Any) -> None:
    """A channel is `text` or `thinking`."""
    with pytest.raises(EncodeError, match="channel is 'text' or 'thinking'"):
        delta("a", wrong)


def test_a_channel_that_equals_everything_is_none() -> None:
    """A value that only claims to be a channel does not get through."""
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
    """`event` refuses the names that the library's own promises hang on; `make_event` is the library's way to them."""
    with pytest.raises(EncodeError, match="the library's own"):
        event(name, {})
    assert make_event(name, {}).name == name


def test_the_reserved_names_are_the_contracts() -> None:
    """The names an operation may not use are those that the library writes around and between its events."""
    assert {"start", "question", "answer", "result", "error", "done", "attempt", "reset"} == LIFECYCLE


@pytest.mark.parametrize(
    "name", ["", "a\nb", "a\rb", "a\0b", pytest.param("\ud800", id="surrogate"), "\n", "tick\r\ndata: x"]
)
def test_names_that_no_line_carries(name: str) -> None:
    """An event name stays on its line."""
    with pytest.raises(EncodeError, match="an event name"):
        event(name, {})


@pytest.mark.parametrize("name", ["tick", "Done", "done ", " done", "a b", "a:b", ":", "é", "\u2028", "message"])
def test_names_that_a_line_carries(name: str) -> None:
    """Any other name is the operation's to choose."""
    assert event(name, {"a": 1}).name == name


@pytest.mark.parametrize("data", [{"timestamp": 1}, {"a": 1, "timestamp": None}, MappingProxyType({"timestamp": ""})])
def test_the_timestamp_is_reserved(data: Any) -> None:
    """No event brings its own `timestamp`; deeper down the word is free."""
    with pytest.raises(EncodeError, match="'timestamp' is reserved"):
        event("row", data)
    with pytest.raises(EncodeError, match="'timestamp' is reserved"):
        make_event("row", data)
    assert event("row", {"a": {"timestamp": 1}}).data == {"a": {"timestamp": 1}}


@pytest.mark.parametrize(
    "data", [5, 0, False, [], [("a", 1)], (), b"{}", b"", {1: 1}, {"a": {1}}, {"a": nan}, {"a": Loud()}]
)
def test_data_that_is_neither_an_object_nor_text(data: Any) -> None:
    """The data of an event is an object that JSON can carry, or text, and what is empty is no exception."""
    with pytest.raises(EncodeError):
        event("row", data)


@pytest.mark.parametrize("text", ["a\rb", "\r\n", pytest.param("a\ud800", id="surrogate")])
def test_text_that_would_not_come_back(text: str) -> None:
    """Text that a reader would get changed is refused."""
    with pytest.raises(EncodeError, match="text of an event holds no"):
        event("note", text)


@pytest.mark.parametrize(
    "build",
    [progress, delta, lambda text: partial(text, 1), ask],
)
def test_strings_that_utf_8_cannot_write(build: Callable[[str], Event]) -> None:
    """A lone surrogate is refused in every string, and everything else is taken."""
    with pytest.raises(EncodeError):
        build("a\ud800")
    assert "a\r\n\0\u2028\U0001f600" in build("a\r\n\0\u2028\U0001f600").data.values()


def test_a_refusal_is_short() -> None:
    """The text of an error shows the value, but never all of a large one."""
    with pytest.raises(EncodeError, match=r"^key is a string, not 5$"):
        partial(5, 1)  # type: ignore[arg-type]
    for large in ("x\n" * 1_000_000, ["x" * 1000] * 1000, b"x" * 1_000_000):
        with pytest.raises(EncodeError) as caught:
            event(large)  # type: ignore[arg-type]
        assert len(str(caught.value)) < 1000


def test_a_refusal_can_be_caught_by_its_families() -> None:
    """An `EncodeError` is one of the library's errors, and a `ValueError` to those who do not know the library."""
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
    """Whatever a maker is handed, no other error than `EncodeError` leaves it, and no event that says no JSON."""
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


# Nothing reaches an event once it is built


def test_what_an_event_was_made_of_may_change() -> None:
    """An event says what it said when it was built, whatever becomes of the objects that it was built of."""
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


def test_what_an_event_gives_may_be_changed() -> None:
    """`data` is a fresh copy each time: who changes it changes nothing for the next."""
    made = event("row", {"a": [1]})
    made.data["a"].append(2)
    assert made.data == {"a": [1]}


def test_an_event_has_no_room_for_more() -> None:
    """Events are small: a run holds many, so none has a dictionary of its own."""
    for made in (progress(), ask("?"), event("row")):
        assert not hasattr(made, "__dict__")
    assert isinstance(progress(), Progress)
