"""The encoder: a reader gets back exactly what was encoded, or encoding raises `EncodeError`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, IntEnum
from functools import reduce
from math import inf, isfinite, nan
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, RootModel

from streaming.errors import EncodeError
from streaming.protocol.events import Event, delta, encode_json, event, make_event, partial, progress
from streaming.protocol.sse import HEARTBEAT, Message, Parser, comment, encode, frame, retry

TIMESTAMP = "2026-11-23T09:30:00.125Z"

HUGE = pytest.param(10**5000, id="huge")
"""An integer that Python refuses to write as decimal digits."""


def read(stream: bytes) -> Message:
    """The only message of `stream`."""
    (message,) = Parser().feed(stream)
    return message


ODD = '\r\n\0\t :{"\\\x0b\x0c\x1c\x1e\x7f\x85\u2028\u2029\ud800\udfff\ufeffa0é😀'


def odd_text() -> st.SearchStrategy[str]:
    """Text with many characters that can break lines, fields and encodings."""
    return st.lists(st.sampled_from(ODD) | st.characters(), max_size=10).map("".join)


def has_surrogate(text: str) -> bool:
    """Whether UTF-8 cannot encode it."""
    return any("\ud800" <= character <= "\udfff" for character in text)


def breaks_a_line(text: str) -> bool:
    """Whether it does not fit on one line, as a name or an id does."""
    return bool(set(text) & {"\r", "\n", "\0"}) or has_surrogate(text)


# Frames


def test_a_frame_is_what_the_contract_shows() -> None:
    """A frame is `id:`, `event:`, `data:` and a blank line, with `timestamp` as the first key."""
    encoded = encode(progress("Page 3", done=3), id=12, timestamp=TIMESTAMP)
    assert encoded == (
        b'id: 12\nevent: progress\ndata: {"timestamp":"2026-11-23T09:30:00.125Z","message":"Page 3","done":3}\n\n'
    )


def test_a_frame_without_an_id_or_a_timestamp() -> None:
    """Without an id and a timestamp a frame has neither."""
    assert encode(delta("x")) == b'event: delta\ndata: {"text":"x","channel":"text"}\n\n'


def test_an_event_without_data() -> None:
    """An empty object takes a timestamp, and is written as `{}` without one: empty data lines break stock clients."""
    assert encode(event("tick")) == b"event: tick\ndata: {}\n\n"
    assert (
        encode(event("tick"), timestamp=TIMESTAMP) == b'event: tick\ndata: {"timestamp":"%b"}\n\n' % TIMESTAMP.encode()
    )


@pytest.mark.parametrize(
    "text", ["", "x", " x", "\n", "a\n\n b\n", ": x", "id: 5\nevent: done\n\ndata: {}", "\ufeff", "\0"]
)
def test_text_comes_back_as_it_was(text: str) -> None:
    """Text is written as one `data:` line for each of its lines, without a timestamp, and comes back unchanged."""
    assert read(encode(event("note", text), id=1, timestamp=TIMESTAMP)) == Message("1", "note", text, None)


@given(odd_text(), odd_text() | st.integers(-(2**63), 2**63 - 1), odd_text())
def test_any_name_id_and_text_come_back_or_are_refused(name: str, id: str | int, text: str) -> None:
    """A name, an id and text are read as they were written, or refused because a stream cannot carry them."""
    refused = not name or breaks_a_line(name) or breaks_a_line(str(id)) or "\r" in text or has_surrogate(text)
    try:
        encoded = encode(make_event(name, text), id=id)
    except EncodeError:
        assert refused
    else:
        assert not refused
        assert read(encoded) == Message(str(id), name, text, None)


@pytest.mark.parametrize(
    "id",
    [True, 1.5, b"5", ["5"], 2**63, -(2**63) - 1, HUGE, "a\nb", "a\rb", "a\0b", pytest.param("\ud800", id="surrogate")],
)
def test_an_id_that_no_line_carries_is_refused(id: Any) -> None:
    """An id is a string on one line or an integer of 64 bits; no other value is turned into one."""
    with pytest.raises(EncodeError, match="an event id"):
        encode(event("tick"), id=id)


@pytest.mark.parametrize(
    "timestamp",
    [
        "",
        "now",
        '2026-11-23T09:30:00Z","x":"',
        "2026-11-23T09:30:00Z\n\ndata: x",
        "2026-11-23T09:30:00Z\n",
        "2026-11-23",
        "2026-11-23 09:30:00Z",
        "2026-11-23T09:30:00",
        "２０２６-11-23T09:30:00Z",
        pytest.param("\ud800", id="surrogate"),
        5,
        b"2026-11-23T09:30:00Z",
    ],
)
def test_a_timestamp_of_another_form_is_refused(timestamp: Any) -> None:
    """A value that is not a date and time of RFC 3339 can break neither the frame nor its JSON."""
    with pytest.raises(EncodeError, match="a timestamp"):
        encode(event("tick"), timestamp=timestamp)


@pytest.mark.parametrize("timestamp", ["2026-11-23T09:30:00Z", TIMESTAMP, "2026-11-23T09:30:00.5+01:00"])
def test_timestamps_of_rfc_3339(timestamp: str) -> None:
    """A date and time of RFC 3339 is written as it is."""
    assert json.loads(read(encode(event("tick", {"a": 1}), timestamp=timestamp)).data) == {
        "timestamp": timestamp,
        "a": 1,
    }


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(Event("a\nb", b"{}"), id="name of two lines"),
        pytest.param(Event("", b"{}"), id="no name"),
        pytest.param(Event("x", b"{}\n\ndata: {}"), id="object on several lines"),
        pytest.param(Event("x", b"{\r}"), id="object with CR"),
        pytest.param(Event("x", b"[1]"), id="no object"),
        pytest.param(Event("x", b""), id="no data"),
        pytest.param(Event("x", b"a\rb", text=True), id="text with CR"),
    ],
)
def test_an_event_that_no_maker_has_checked_breaks_no_frame(made: Event) -> None:
    """`encode` checks events that were built by hand or changed since."""
    with pytest.raises(EncodeError):
        encode(made, timestamp=TIMESTAMP)


@given(
    st.integers(1, 2**63 - 1),
    st.sampled_from(
        [progress("é", done=1.5), event("tick"), event("note", "a\n\nb"), event("note", ""), partial("k", None)]
    ),
)
def test_a_frame_of_an_event_log_is_that_of_encode(number: int, made: Event) -> None:
    """`frame` gives the same bytes as `encode`, without its checks."""
    assert frame(number, made, TIMESTAMP.encode()) == encode(made, id=number, timestamp=TIMESTAMP)


# JSON


class Colour(Enum):
    RED = "red"
    NOTHING = nan


class Size(IntEnum):
    HUGE = 2**70


class Row(BaseModel):
    """A model with a field of any type."""

    value: Any
    secret: float = Field(default=nan, exclude=True)


class Reading(BaseModel):
    """A model with a number."""

    value: float


class Rows(RootModel[list[Any]]):
    """A model that iterates over other things than its fields."""

    def __iter__(self) -> Any:
        return iter(self.root)


@dataclass
class Point:
    """A dataclass with every kind of declaration."""

    value: Any
    limit: ClassVar[float] = nan
    _hidden: float = nan


class Pair(NamedTuple):
    """A tuple whose fields have names."""

    value: Any


class Ordinal(int):
    """An integer whose `str` is another text."""

    def __str__(self) -> str:
        return f"{int(self)}th"


@dataclass
class Defaults:
    """A dataclass whose class has the attributes of its instances."""

    value: int = 1


@dataclass
class Unfinished:
    """A dataclass whose field was never set."""

    value: int = field(init=False)


def nested(depth: int) -> list[Any]:
    """Lists in lists."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def cycle() -> list[Any]:
    """A list that holds itself."""
    value: list[Any] = [1]
    value.append(value)
    return value


ENCODED: dict[str, tuple[Any, Any]] = {
    "integers of 64 bits": ([2**64 - 1, -(2**63)], [2**64 - 1, -(2**63)]),
    "integers beyond 64 bits": ([2**64, -(2**63) - 1, 10**400], [2**64, -(2**63) - 1, 10**400]),
    "integers whose str is another text": ([Ordinal(1), Ordinal(2**70)], [1, 2**70]),
    "the longest integer": (10**4299, 10**4299),
    "floats at their ends": (
        [1.7976931348623157e308, 5e-324, -0.0, 1e22],
        [1.7976931348623157e308, 5e-324, -0.0, 1e22],
    ),
    "tuples": ((1, (2,)), [1, [2]]),
    "line ends within strings": ("a\r\nb\0", "a\r\nb\0"),
    "the word null": (["null", None], ["null", None]),
    "dates": ([datetime(2026, 1, 2, tzinfo=UTC), date(2026, 1, 2)], ["2026-01-02T00:00:00+00:00", "2026-01-02"]),
    "a UUID": (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    "an enumeration": ([Colour.RED, Size.HUGE], ["red", 2**70]),
    "a model": (Row(value=[1, None]), {"value": [1, None]}),
    "a model whose iteration is its own, beside null": ([Rows([1.5]), None], [[1.5], None]),
    "a model with a huge integer": (Row(value={"a": 2**70}), {"value": {"a": 2**70}}),
    "a dataclass beside null": ([Point(1.5), None], [{"value": 1.5}, None]),
    "a dataclass with a huge integer": (Point(Point(2**70)), {"value": {"value": 2**70}}),
    "a huge integer beside a date": ([2**70, date(2026, 1, 2)], [2**70, "2026-01-02"]),
    "a model in a dataclass": (Point(Row(value=1)), {"value": {"value": 1}}),
    "a set in a model": (Row(value={1}), {"value": [1]}),
    "lists 200 deep": (nested(200), nested(200)),
}


@pytest.mark.parametrize(("value", "expected"), ENCODED.values(), ids=ENCODED.keys())
def test_values_that_json_can_carry(value: Any, expected: Any) -> None:
    """A value with a form in JSON is written in it, exactly."""
    assert json.loads(read(encode(partial("k", value))).data) == {"key": "k", "value": expected}


REFUSED: dict[str, Any] = {
    "NaN": nan,
    "infinity": [inf],
    "minus infinity": {"a": -inf},
    "NaN beside a huge integer": [2**70, nan],
    "NaN in an enumeration": Colour.NOTHING,
    "NaN in a model": Row(value=nan),
    "NaN in a model in a model": Row(value=[Row(value=nan)]),
    "NaN in a dataclass in a model": Row(value=Point(nan)),
    "NaN in a set in a model": Row(value={nan}),
    "NaN in a field of numbers": Reading(value=nan),
    "NaN in a model with another iteration": Rows([nan]),
    "NaN in a dataclass": Point([nan]),
    "an integer of more than 4300 digits": 10**4300,
    "a lone surrogate": "a\ud800",
    "a lone surrogate beside a huge integer": [2**70, "\udfff"],
    "a lone surrogate as a key": {"\ud800": 1},
    "an integer for a key": {1: 1},
    "an integer for a key beside a huge integer": [2**70, {1: 1}],
    "None for a key": {None: 1},
    "bytes": b"x",
    "bytes for a key": {b"x": 1},
    "a set": {1},
    "a decimal": Decimal(1),
    "a complex number": 1j,
    "an object": object(),
    "a class": Defaults,
    "a tuple with names": Pair(1),
    "a tuple with names beside a huge integer": [2**70, Pair(1)],
    "a function": nested,
    "a view of a mapping": MappingProxyType({}),
    "a dataclass whose field was never set": Unfinished(),
    "the same beside a huge integer": [2**70, Unfinished()],
    "a list that holds itself": cycle(),
    "lists 1,000 deep": nested(1_000),
    "lists 100,000 deep": nested(100_000),
    "models 1,000 deep": reduce(lambda inner, _: Row(value=inner), range(1_000), Row(value=1)),
}


@pytest.mark.parametrize("value", REFUSED.values(), ids=REFUSED.keys())
def test_values_that_json_cannot_carry(value: Any) -> None:
    """A value without a form in JSON is refused; it never becomes null or a string."""
    with pytest.raises(EncodeError, match="cannot be encoded as JSON"):
        partial("k", value)


def has_no_json(value: Any) -> bool:
    """Whether a value made by `values` must be refused."""
    match value:
        case float():
            return not isfinite(value)
        case str():
            return has_surrogate(value)
        case list():
            return any(map(has_no_json, value))
        case dict():
            return any(not isinstance(key, str) or has_no_json(key) or has_no_json(item) for key, item in value.items())
        case int() | None:
            return False
        case Row() | Point():
            return has_no_json(value.value)
        case _:
            return True


def as_json(value: Any) -> Any:
    """The value that a reader gets for `value`."""
    match value:
        case list():
            return [as_json(item) for item in value]
        case dict():
            return {key: as_json(item) for key, item in value.items()}
        case Row() | Point():
            return {"value": as_json(value.value)}
        case _:
            return value


def values() -> st.SearchStrategy[Any]:
    """Values that operations put into events, and some that they should not."""
    numbers = st.integers() | st.integers(2**62, 2**80) | st.floats()
    scalars = st.none() | st.booleans() | numbers | odd_text()
    return st.recursive(
        scalars | st.builds(Row, value=scalars) | st.sampled_from([b"x", {1}, 1j, object()]),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(odd_text() | st.sampled_from([1, None, b"k"]), inner, max_size=3)
            | st.builds(Point, value=inner)
        ),
        max_leaves=8,
    )


@given(values())
def test_any_value_comes_back_or_is_refused(value: Any) -> None:
    """A value is read as it was written, or refused because JSON cannot carry it."""
    try:
        encoded = encode(partial("k", value), id=1, timestamp=TIMESTAMP)
    except EncodeError:
        assert has_no_json(value)
    else:
        assert not has_no_json(value)
        # By their `repr`, in which 1, 1.0 and true are three things, and 0.0 and -0.0 two.
        assert repr(json.loads(read(encoded).data)["value"]) == repr(as_json(value))


@given(odd_text().filter(lambda text: not has_surrogate(text)))
def test_clients_that_split_lines_in_another_way(text: str) -> None:
    """JSON holds no character that `splitlines`, or another rule, takes for a line end."""
    encoded = encode(event("note", {text: [text]}), id=1).decode()
    assert encoded.splitlines() == encoded.split("\n")[:-1]
    assert len(encoded.splitlines()) == 4


def test_a_backslash_before_a_line_separator() -> None:
    """A backslash before an escaped separator stays a backslash."""
    assert json.loads(encode_json("\\\u2028\\\\\x85")) == "\\\u2028\\\\\x85"


# Comments and retry


@given(odd_text())
def test_no_comment_breaks_a_stream(text: str) -> None:
    """A comment is read as a comment, and does not change the events around it."""
    around = encode(event("tick"), id=1)
    texts: list[str] = []
    try:
        encoded = comment(text)
    except EncodeError:
        assert "\r" in text or has_surrogate(text)
    else:
        assert Parser(on_comment=texts.append).feed(around + encoded + around) == 2 * [Message("1", "tick", "{}", None)]
        assert texts == text.split("\n")


@pytest.mark.parametrize("text", ["a\rb", pytest.param("\ud800", id="surrogate"), None, 5, b"x"])
def test_comments_that_cannot_be_carried(text: Any) -> None:
    """A comment that would change on the way is refused."""
    with pytest.raises(EncodeError, match="a comment"):
        comment(text)


def test_the_heartbeat_is_the_contracts() -> None:
    """A heartbeat is the comment `keep-alive` and a blank line."""
    assert comment("keep-alive") == HEARTBEAT == b": keep-alive\n\n"


@given(st.integers(0, 2**53 - 1))
def test_retry_is_read_as_it_was_written(milliseconds: int) -> None:
    """A reconnection time is read without an event."""
    parser = Parser()
    assert parser.feed(retry(milliseconds)) == []
    assert parser.retry == milliseconds


def test_retry_is_what_the_contract_shows() -> None:
    """`retry: 2000` and a blank line."""
    assert retry(2000) == b"retry: 2000\n\n"


@pytest.mark.parametrize("milliseconds", [-1, 1.5, nan, inf, True, None, "5", 2**53, HUGE])
def test_times_that_retry_cannot_carry(milliseconds: Any) -> None:
    """Every value but a whole number of milliseconds is refused."""
    with pytest.raises(EncodeError, match="retry is a whole number"):
        retry(milliseconds)
