"""The events of a run, and the makers that operations build them with.

An event is encoded when it is built: what JSON or the wire format cannot carry raises on the line that builds it, the
event does not change with the object it was built from, and all later code passes bytes on. Its number and `timestamp`
are added when it is appended to an event log (`sse.frame`).
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

from ..errors import EncodeError, OperationError

LIFECYCLE: Final = frozenset({"start", "question", "answer", "result", "error", "done", "attempt", "reset"})
"""Names that only the library writes: from an operation they would break the grammar of its run."""

TYPED: Final = frozenset({"progress", "delta", "partial", "file"})
"""Names whose data the library checks."""

PROGRESS_KEYS: Final = frozenset({"message", "done", "total", "unit", "step", "eta"})
"""The arguments of `progress`."""

LINE_SEPARATORS: Final = tuple((c.encode(), b"\\u%04x" % ord(c)) for c in "\x85\u2028\u2029")
"""Allowed raw in JSON and in event streams, but many clients split lines with a `splitlines` that breaks on them."""


CHECKPOINT_BYTES: Final = 1024 * 1024
"""Bytes of a checkpoint: it is written anew each time, and a store serves nobody else meanwhile. More is for a file."""

MAX_NAMES: Final = 1024
"""How many names of `event` are remembered as valid: an application has a few, and checks each again that is new."""

_names: Final[set[str]] = set()


class Event:
    """One event as an operation yields it.

    `name` is the SSE event name, `body` the encoded `data`: one JSON object on one line, or, where `text` is true, the
    text of an `event(name, text)`.
    """

    __slots__ = ("body", "name", "text")

    def __init__(self, name: str, body: bytes, text: bool = False) -> None:
        self.name: str = name
        self.body: bytes = body
        self.text: bool = text

    @property
    def data(self) -> Any:
        """The decoded data: a `dict`, or a `str` where it is plain text."""
        return self.body.decode() if self.text else json.loads(self.body)

    def replace(self, *, name: str | None = None, data: Mapping[str, Any] | str | None = None) -> Event:
        """This event with another name or other data. Raises `EncodeError`.

        A `progress` with no other keys than `PROGRESS_KEYS` stays a `Progress`.
        """
        name = self.name if name is None else name
        data = self.data if data is None else data
        if name == "progress" and isinstance(data, Mapping) and set(data) <= PROGRESS_KEYS:
            return progress(**data)
        return make_event(name, data)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Event):
            return NotImplemented
        return (self.name, self.body, self.text) == (other.name, other.body, other.text)

    def __hash__(self) -> int:
        return hash((self.name, self.body))

    def __repr__(self) -> str:
        return f"<Event {self.name} {self.data!r}>"


class Progress(Event):
    """A `progress` event, with the fields that the library computes with (eta, `done`, merging) beside the bytes."""

    __slots__ = ("done", "eta", "step", "total")

    name = "progress"  # on the class, which saves an assignment for each event
    text = False

    def __init__(
        self, body: bytes, done: float | None, total: float | None, step: str | int | None, eta: float | None
    ) -> None:
        self.body = body
        self.done: float | None = done
        self.total: float | None = total
        self.step: str | int | None = step
        self.eta: float | None = eta


class Awaited(Event):
    """An event whose yield returns once it is answered, or kept: nothing that the work does later comes before."""

    __slots__ = ()


class Question(Awaited):
    """A `question` that an operation asks. It stays open for `within` seconds, for ever where that is `None`."""

    __slots__ = ("schema", "within")

    def __init__(self, body: bytes, schema: Mapping[str, Any], within: float | None) -> None:
        super().__init__("question", body)
        self.schema: Mapping[str, Any] = schema
        self.within: float | None = within


class Checkpoint(Awaited):
    """A value for the next attempt, as JSON: its yield returns once the store has kept it. Viewers get no event."""

    __slots__ = ()

    def __init__(self, body: bytes) -> None:
        super().__init__("checkpoint", body)


class RawEvent(Event):
    """An event of another service, passed on as it came: with any name and any data, and without a timestamp.

    From a gateway it may even bear a name of `LIFECYCLE`. `id` is the one it came with, for a stream without a run.
    """

    __slots__ = ("id",)

    def __init__(self, name: str, body: bytes, id: str = "") -> None:
        super().__init__(name, body, text=True)
        self.id: str = id

    def replace(self, *, name: str | None = None, data: Mapping[str, Any] | str | None = None) -> RawEvent:
        name = check_name(self.name if name is None else name)
        if data is None:
            return RawEvent(name, self.body, self.id)
        return RawEvent(name, check_text(data) if isinstance(data, str) else encode_json(dict(data)), self.id)

    @property
    def data(self) -> Any:
        """A `dict` where it is a JSON object, else the text."""
        try:
            value = json.loads(self.body)
        except ValueError:
            value = None
        return value if isinstance(value, dict) else self.body.decode()


class Flush:
    """What `flush()` returns: not an event, but a request to write the pending ones now."""

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
    """How far the work has got: `done` of `total` `unit`s of a `step`. `eta` is in seconds.

    Raises `EncodeError` for a number that is negative or not finite, and for values of other types.
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
    """The next piece of a text that grows, on the `text` or the `thinking` channel."""
    if channel not in ("text", "thinking"):
        raise EncodeError(f"delta: channel is 'text' or 'thinking', not {short_repr(channel)}")
    return Event("delta", encode_json({"text": _string("text", text), "channel": channel}))


def partial(key: str, value: Any) -> Event:
    """A finished piece of the result: any JSON value under a key."""
    return Event("partial", encode_json({"key": _string("key", key), "value": value}))


def ask(prompt: str, *, schema: Mapping[str, Any] | None = None, within: float | None = None) -> Question:
    """A question to the viewers: `answer = yield ask(...)`.

    `schema` is the JSON Schema of a valid answer (any JSON without one), `within` the seconds the question stays open.
    When it expires, the run fails with the error `timeout`, and its operation is closed at the `yield`.
    """
    if schema is not None and not isinstance(schema, Mapping):
        raise EncodeError(f"schema is a mapping, not {short_repr(schema)}")
    body = encode_json({"prompt": _string("prompt", prompt), "schema": dict(schema or {})})
    # Decoded from the body, so that answers are checked by exactly the schema that the viewers see.
    return Question(body, json.loads(body)["schema"], None if within is None else _number("within", within))


def checkpoint(value: Any) -> Checkpoint:
    """`yield checkpoint(value)` keeps any JSON value for the next attempt, in place of the last one.

    It finds it in `current_run().checkpoint`. The yield returns once the store has the value, and all events before it.
    Raises `EncodeError` for what is no JSON, and `OperationError` for more than `CHECKPOINT_BYTES` of it.
    """
    body = encode_json(value)
    if len(body) > CHECKPOINT_BYTES:
        raise OperationError("too_large", f"A checkpoint has more than {CHECKPOINT_BYTES:,} bytes.")
    return Checkpoint(body)


def event(name: str, data: Mapping[str, Any] | str | None = None) -> Event:
    """An event with a name of the operation's choice. Its data is a JSON object, or text that is sent as it is.

    Raises `EncodeError` for the names of `LIFECYCLE` and `TYPED`, for a name or text that an event stream cannot
    carry, and for data with the reserved key `timestamp`.
    """
    if name.__class__ is not str or name not in _names:
        _check_own_name(name)
    return _make(name, data)


def make_event(name: str, data: Mapping[str, Any] | str | None = None) -> Event:
    """`event` with any name: for the library itself, and for gateways."""
    return _make(check_name(name), data)


def _make(name: str, data: Mapping[str, Any] | str | None) -> Event:
    if data.__class__ is dict:
        members: Any = data
    elif isinstance(data, str):
        return Event(name, check_text(data), text=True)
    elif data is None or isinstance(data, Mapping):
        members = dict(data or {})
    else:
        raise EncodeError(f"event {name!r}: data is a mapping or text, not {short_repr(data)}")
    if "timestamp" in members:
        raise EncodeError(f"event {name!r}: the key 'timestamp' is reserved")
    return Event(name, encode_json(members))


def _check_own_name(name: str) -> None:
    """Raises `EncodeError` unless an operation may name an event like this; remembers one that it may."""
    check_name(name)
    if name in LIFECYCLE:
        raise EncodeError(f"event: {name!r} is the library's own; operations use return, raise and ask()")
    if name in TYPED:
        raise EncodeError(f"event: {name!r} has a maker of its own, {name}(), which checks it")
    if len(_names) < MAX_NAMES:
        _names.add(name)


def result(value: Any) -> Event:
    """The event that makes `value` the result: the last one of an async generator, or a gateway's transform yields it.

    Raises `EncodeError`.
    """
    return make_event("result", {"result": value})


def value_of_result(event: Event) -> Any:
    """The value in an event named `result`: as a fragment for orjson where it is JSON that this library has written."""
    head = b'{"result":'
    if event.body.startswith(head) and not event.text:
        return orjson.Fragment(event.body[len(head) : -1])
    data = event.data
    return data.get("result") if isinstance(data, dict) else data


def flush() -> Flush:
    """`yield flush()` writes the pending events to the viewers now, whatever the flush policy is."""
    return FLUSH


def check_name(name: str) -> str:
    """Returns `name`; raises `EncodeError` where it does not fit on one line (HTML standard, section 9.2.6)."""
    if not isinstance(name, str) or not name:
        raise EncodeError(f"an event name is a non-empty string, not {short_repr(name)}")
    check_line("an event name", name)
    return name


def check_line(what: str, text: str) -> bytes:
    """`text` in UTF-8; raises `EncodeError` where it does not fit on one line. `what` names it in the error."""
    if "\n" in text or "\r" in text or "\0" in text:
        raise EncodeError(f"{what} holds no line end and no NUL: {short_repr(text)}")
    return utf8(what, text)


def check_text(text: str) -> bytes:
    """`text` in UTF-8; raises `EncodeError` where `data:` lines cannot carry it.

    Text with LF becomes several `data:` lines (section 9.2.6). CR is refused: readers must take it for LF.
    """
    if "\r" in text:
        raise EncodeError("text of an event holds no CR: a reader would take it for LF")
    return utf8("text of an event", text)


def encode_json(value: Any) -> bytes:
    """`value` as JSON on one line. Raises `EncodeError` for NaN, infinities, lone surrogates and unknown types.

    Accepts also pydantic models (in pydantic's JSON), dataclasses (without the fields that begin with an underscore),
    enumerations (as their value), dates, UUIDs, and integers of up to 4300 digits (Python's limit). Keys are strings.
    Lists and objects nest some 250 deep.
    """
    try:
        body = orjson.dumps(value, _default, orjson.OPT_PASSTHROUGH_DATACLASS)
    except orjson.JSONEncodeError:
        body = _encode_checked(value)
    else:
        if b"null" in body:
            body = _encode_checked(value)
    return body if body.isascii() else escape_line_separators(body)


def _default(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value) if field.name[0] != "_"}
    raise TypeError(f"{type(value).__name__} is no JSON")


def _encode_checked(value: Any) -> bytes:
    """`encode_json` for what orjson gets wrong: it writes NaN as null, and refuses integers of more than 64 bits."""
    try:
        return orjson.dumps(_checked(value), _checked_default, orjson.OPT_PASSTHROUGH_DATACLASS)
    except (TypeError, ValueError, RecursionError) as error:
        raise EncodeError(f"cannot be encoded as JSON: {error.__cause__ or error}") from error


def _checked_default(value: Any) -> Any:
    if isinstance(value, BaseModel):
        _checked(value.model_dump())  # only to check it: in JSON mode pydantic may write NaN as null
    return _checked(_default(value))


def _checked(value: Any) -> Any:
    """A copy of `value` with its numbers checked, and with the integers encoded that orjson refuses."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, float) and not isfinite(value):
        raise ValueError(f"{value} is no JSON number")
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return orjson.Fragment(str(int(value)))
    if isinstance(value, dict):
        return {key: _checked(item) for key, item in value.items()}
    # Exactly `tuple`: orjson refuses its subclasses, whose fields would lose their names.
    if isinstance(value, list) or type(value) is tuple:
        return [_checked(item) for item in value]
    if isinstance(value, set | frozenset):  # orjson refuses those that no model has turned into lists
        for item in value:
            _checked(item)
    return value


def escape_line_separators(body: bytes) -> bytes:
    """The same JSON with the characters of `LINE_SEPARATORS` escaped."""
    for character, escape in LINE_SEPARATORS:
        body = body.replace(character, escape)
    return body


def _string(field: str, value: Any, kind: str = "a string") -> str:
    if isinstance(value, str):
        return value
    raise EncodeError(f"{field} is {kind}, not {short_repr(value)}")


def _number(field: str, value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= sys.float_info.max:
        return value
    raise EncodeError(f"{field} is a finite number of zero or more, not {short_repr(value)}")


def utf8(what: str, text: str) -> bytes:
    """`text` in UTF-8; raises `EncodeError` where it holds a lone surrogate."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise EncodeError(f"{what} holds no lone surrogate: {short_repr(text)}") from error


_REPR = Repr()
_REPR.maxstring = _REPR.maxother = 80


def short_repr(value: object) -> str:
    """`value` for an error message: cut short, and never raises."""
    try:
        return _REPR.repr(value)
    except Exception:  # noqa: BLE001  # an integer of over 4300 digits, or any error of the value's own methods
        return f"a value of the type {type(value).__name__}"
