"""The events of a run, and the makers that operations build them with.

An event is encoded when it is built: what JSON or the wire format cannot carry is refused on the very line that made
it, a later change of the object it was made of cannot reach it, and whoever passes it on passes bytes. The number and
the `timestamp` come later, from whoever appends it to an event log (`sse.frame`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from math import isfinite
from reprlib import Repr
from typing import Any, Final, Literal

import orjson
from pydantic import BaseModel

from ..errors import EncodeError

LIFECYCLE: Final = frozenset({"start", "question", "answer", "result", "error", "done", "attempt", "reset"})
"""Names that only the library writes: an operation that could would break the grammar of its own run."""

TYPED: Final = frozenset({"progress", "delta", "partial"})
"""Names whose data the library knows."""

PROGRESS_KEYS: Final = frozenset({"message", "done", "total", "unit", "step", "eta"})
"""What `progress` takes."""

SPLITTERS: Final = tuple((c.encode(), b"\\u%04x" % ord(c)) for c in "\x85\u2028\u2029")
"""Allowed raw in JSON and in event streams, but many a client cuts lines with a `splitlines` that breaks on them."""


class Event:
    """One event as an operation yields it.

    `name` is the SSE event name. `body` is its `data`, encoded: one JSON object on one line, or the text of an
    `event(name, text)`, where `text` is true.
    """

    __slots__ = ("body", "name", "text")

    def __init__(self, name: str, body: bytes, text: bool = False) -> None:
        self.name = name
        self.body = body
        self.text = text

    @property
    def data(self) -> Any:
        """What the event carries, decoded: a `dict`, or a `str` where it is plain text."""
        return self.body.decode() if self.text else json.loads(self.body)

    def replace(self, *, name: str | None = None, data: Mapping[str, Any] | str | None = None) -> Event:
        """This event under another name, or with other data. Raises `EncodeError`.

        A `progress` that the library understands stays one whose `done` and `eta` it minds.
        """
        given = self.data if data is None else data
        called = self.name if name is None else name
        if called == "progress" and isinstance(given, Mapping) and set(given) <= PROGRESS_KEYS:
            return progress(**given)
        return make_event(called, given)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Event):
            return NotImplemented
        return (self.name, self.body, self.text) == (other.name, other.body, other.text)

    def __hash__(self) -> int:
        return hash((self.name, self.body))

    def __repr__(self) -> str:
        return f"<Event {self.name} {self.data!r}>"


class Progress(Event):
    """A `progress` event; what the library reckons with (eta, falling `done`, merging) stands beside the bytes."""

    __slots__ = ("done", "eta", "step", "total")

    name = "progress"  # on the class: an event a microsecond is made of these
    text = False

    def __init__(
        self, body: bytes, done: float | None, total: float | None, step: str | int | None, eta: float | None
    ) -> None:
        self.body = body
        self.done = done
        self.total = total
        self.step = step
        self.eta = eta


class Question(Event):
    """A `question` on its way out of an operation; `within` is how many seconds it stays open, `None` for ever."""

    __slots__ = ("schema", "within")

    def __init__(self, body: bytes, schema: Mapping[str, Any], within: float | None) -> None:
        super().__init__("question", body)
        self.schema = schema
        self.within = within


class RawEvent(Event):
    """An event of another service that goes out as it came, whatever it is called and whatever is in it.

    No timestamp is put into it, and where an operation yields it, it may be a lifecycle event (`gateway`). `id` is the
    one that it came with, for a stream without a run.
    """

    __slots__ = ("id",)

    def __init__(self, name: str, body: bytes, id: str = "") -> None:
        super().__init__(name, body, text=True)
        self.id = id

    def replace(self, *, name: str | None = None, data: Mapping[str, Any] | str | None = None) -> RawEvent:
        called = check_name(self.name if name is None else name)
        if data is None:
            return RawEvent(called, self.body, self.id)
        return RawEvent(called, check_text(data) if isinstance(data, str) else encode_json(dict(data)), self.id)

    @property
    def data(self) -> Any:
        """A `dict` where it is a JSON object, else the text."""
        try:
            said = json.loads(self.body)
        except ValueError:
            said = None
        return said if isinstance(said, dict) else self.body.decode()


class Flush:
    """What `flush()` gives: no event, but the word that pending ones are to be written now."""

    __slots__ = ()


FLUSH: Final = Flush()


def progress(
    message: str | None = None,
    *,
    done: float | None = None,
    total: float | None = None,
    unit: str | None = None,
    step: str | int | None = None,
    eta: float | None = None,
) -> Progress:
    """How far the work is. `done` of `total` counts `unit`s within `step`; `eta` is in seconds.

    Raises `EncodeError` for anything but finite numbers of zero or more, and strings.
    """
    data: dict[str, Any] = {}
    if message is not None:
        data["message"] = message if message.__class__ is str else _string("message", message)
    if done is not None:
        data["done"] = done if done.__class__ is int and 0 <= done < 2**53 else _number("done", done)
    if total is not None:
        data["total"] = total if total.__class__ is int and 0 <= total < 2**53 else _number("total", total)
    if unit is not None:
        data["unit"] = unit if unit.__class__ is str else _string("unit", unit)
    if step is not None:
        data["step"] = step if type(step) is int else _string("step", step, "a string or an integer")
    if eta is not None:
        data["eta"] = _number("eta", eta)
    return Progress(encode_json(data), done, total, step, eta)


def delta(text: str, channel: Literal["text", "thinking"] = "text") -> Event:
    """A piece of text as it grows, for the `text` or the `thinking` channel."""
    if channel not in ("text", "thinking"):
        raise EncodeError(f"delta: channel is 'text' or 'thinking', not {shown(channel)}")
    return Event("delta", encode_json({"text": _string("text", text), "channel": channel}))


def partial(key: str, value: Any) -> Event:
    """A finished piece of the result: any JSON under a key."""
    return Event("partial", encode_json({"key": _string("key", key), "value": value}))


def ask(prompt: str, *, schema: Mapping[str, Any] | None = None, within: float | None = None) -> Question:
    """A question to the people who watch; `answer = yield ask(...)`.

    `schema` is the JSON Schema that an answer must satisfy (none: any JSON does), `within` the seconds it stays open.
    A run whose question expires fails with the error `timeout`; its operation is closed where it asked.
    """
    if schema is not None and not isinstance(schema, Mapping):
        raise EncodeError(f"schema is a mapping, not {shown(schema)}")
    body = encode_json({"prompt": _string("prompt", prompt), "schema": dict(schema or {})})
    # Read back, so that the schema which checks the answer stays the one that the viewers were shown.
    return Question(body, json.loads(body)["schema"], None if within is None else _number("within", within))


def event(name: str, data: Mapping[str, Any] | str | None = None) -> Event:
    """An event of the operation's own name: a JSON object, or text that goes out as it is.

    Raises `EncodeError` for the names of `LIFECYCLE`, for a name or text that the wire cannot carry, and for data
    that holds the reserved key `timestamp`.
    """
    made = make_event(name, data)
    if name in LIFECYCLE:
        raise EncodeError(f"event: {name!r} is the library's own; operations use return, raise and ask()")
    if name in TYPED:
        raise EncodeError(f"event: {name!r} has a maker of its own, {name}(), which checks it")
    return made


def make_event(name: str, data: Mapping[str, Any] | str | None = None) -> Event:
    """`event` without the bar on the library's names: for the library itself, and for gateways."""
    check_name(name)
    if isinstance(data, str):
        return Event(name, check_text(data), text=True)
    if data is not None and not isinstance(data, Mapping):
        raise EncodeError(f"event {name!r}: data is a mapping or text, not {shown(data)}")
    members = dict(data or {})
    if "timestamp" in members:
        raise EncodeError(f"event {name!r}: the key 'timestamp' is reserved")
    return Event(name, encode_json(members))


def flush() -> Flush:
    """`yield flush()` writes what is pending to the viewers now, whatever the flush policy says."""
    return FLUSH


def check_name(name: str) -> str:
    """An event name that stays on its line (HTML standard, section 9.2.6), or `EncodeError`."""
    if not isinstance(name, str) or not name:
        raise EncodeError(f"an event name is a non-empty string, not {shown(name)}")
    check_line("an event name", name)
    return name


def check_line(what: str, text: str) -> bytes:
    """The UTF-8 of text that must stay on its line (`what` it is, for the error), or `EncodeError`."""
    if "\n" in text or "\r" in text or "\0" in text:
        raise EncodeError(f"{what} holds no line end and no NUL: {shown(text)}")
    return utf8(what, text)


def check_text(text: str) -> bytes:
    """The UTF-8 of text that `data:` lines can carry, or `EncodeError`.

    LF is carried, as one `data:` line each (section 9.2.6). CR cannot be: a reader is bound to read it as LF.
    """
    if "\r" in text:
        raise EncodeError("text of an event holds no CR: a reader would take it for LF")
    return utf8("text of an event", text)


def encode_json(value: Any) -> bytes:
    """`value` as JSON on one line, or `EncodeError`: NaN, infinities, lone surrogates and unknown types are refused.

    Taken are also pydantic models in pydantic's own JSON, dataclasses (without the fields that begin with an
    underscore), enumerations by their value, dates, UUIDs, and integers of up to 4300 digits (Python's own limit).
    Keys are strings. Lists and objects nest some 250 deep.
    """
    try:
        body = orjson.dumps(value, _default, orjson.OPT_PASSTHROUGH_DATACLASS)
    except orjson.JSONEncodeError:
        body = _encode_with_care(value)
    else:
        if b"null" in body:
            body = _encode_with_care(value)
    return body if body.isascii() else escape_splitters(body)


def _default(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value) if field.name[0] != "_"}
    raise TypeError(f"{type(value).__name__} is no JSON")


def _encode_with_care(value: Any) -> bytes:
    """`encode_json` where orjson alone falls short: it writes NaN as null, and no integer of more than 64 bits."""
    try:
        return orjson.dumps(_plain(value), _plain_default, orjson.OPT_PASSTHROUGH_DATACLASS)
    except (TypeError, ValueError, RecursionError) as error:
        raise EncodeError(f"cannot be encoded as JSON: {error.__cause__ or error}") from error


def _plain_default(value: Any) -> Any:
    if isinstance(value, BaseModel):
        _plain(value.model_dump())  # for its check: in its JSON mode pydantic may have turned NaN into null itself
    return _plain(_default(value))


def _plain(value: Any) -> Any:
    """A copy of `value` with its numbers checked, and with integers spelled out where orjson would not."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, float) and not isfinite(value):
        raise ValueError(f"{value} is no JSON number")
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return orjson.Fragment(str(int(value)))
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    # Exactly these: orjson refuses the subclasses of tuple, whose fields would lose their names.
    if isinstance(value, list) or type(value) is tuple:
        return [_plain(item) for item in value]
    if isinstance(value, set | frozenset):  # refused later, but for those that a model holds
        for item in value:
            _plain(item)
    return value


def escape_splitters(body: bytes) -> bytes:
    """A JSON text without the characters of `SPLITTERS`, which means the same."""
    for character, escape in SPLITTERS:
        body = body.replace(character, escape)
    return body


def _string(field: str, value: Any, kind: str = "a string") -> str:
    if isinstance(value, str):
        return value
    raise EncodeError(f"{field} is {kind}, not {shown(value)}")


def _number(field: str, value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= sys.float_info.max:
        return value
    raise EncodeError(f"{field} is a finite number of zero or more, not {shown(value)}")


def utf8(what: str, text: str) -> bytes:
    """The UTF-8 of `text`, or `EncodeError` where it holds a lone surrogate, which has none."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise EncodeError(f"{what} holds no lone surrogate: {shown(text)}") from error


_REPR = Repr()
_REPR.maxstring = _REPR.maxother = 80


def shown(value: object) -> str:
    """`value` for an error's text: cut short, and never an error of its own."""
    try:
        return _REPR.repr(value)
    except Exception:  # noqa: BLE001  # an integer of over 4300 digits, or whatever the value's own methods raise
        return f"a value of the type {type(value).__name__}"
