"""The wire format of Server-Sent Events: from events to bytes, and from bytes to messages.

Source: HTML standard, section 9.2 "Server-sent events" (https://html.spec.whatwg.org/multipage/server-sent-events.html);
"9.2.5 Parsing an event stream" has the grammar, "9.2.6 Interpreting an event stream" the meaning of each line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from ..errors import EncodeError, EventTooLarge
from .events import Event, check_line, check_name, short_repr, utf8

HEARTBEAT: Final = b": keep-alive\n\n"
"""The comment that keeps an idle stream open: readers ignore it (section 9.2.6), proxies see traffic."""


def encode(event: Event, *, id: str | int | None = None, timestamp: str | None = None) -> bytes:
    """The frame of `event`: `id:`, `event:`, `data:` and a blank line, LF only.

    `timestamp` (RFC 3339) becomes the first key of a JSON object. The event is checked even where no maker has built
    it: raises `EncodeError` for an id or a name with CR, LF or NUL, text with CR, data that is not a JSON object on
    one line, and a `timestamp` of another form.
    """
    head = b"" if id is None else b"id: %b\n" % _checked_id(id)
    name = check_name(event.name).encode()
    body = _checked_body(event)
    if timestamp is not None and not event.text:
        body = _stamp(body, _checked_timestamp(timestamp))
    return b"%bevent: %b\ndata: %b\n\n" % (head, name, body)


def frame(number: int, event: Event, timestamp: bytes, more: bytes = b"") -> bytes:
    """`encode` without the checks, for the event log of a run, whose events have been checked by their makers.

    `more` is what comes before the last brace of the JSON object: further members, encoded, with a comma before each.
    """
    body = event.body
    if event.text:
        if not event.name:
            return body  # a whole frame, which a relay has encoded
        return b"id: %d\nevent: %b\ndata: %b\n\n" % (number, event.name.encode(), _lines(body))
    if len(body) == 2:
        return b'id: %d\nevent: %b\ndata: {"timestamp":"%b"%b}\n\n' % (number, event.name.encode(), timestamp, more)
    if more:
        line = (number, event.name.encode(), timestamp, body[1:-1], more)
        return b'id: %d\nevent: %b\ndata: {"timestamp":"%b",%b%b}\n\n' % line
    return b'id: %d\nevent: %b\ndata: {"timestamp":"%b",%b\n\n' % (number, event.name.encode(), timestamp, body[1:])


def comment(text: str) -> bytes:
    """A comment, which readers ignore; each line of `text` becomes a line of its own.

    Raises `EncodeError` for CR, a lone surrogate, and a value that is not a string.
    """
    if not isinstance(text, str):
        raise EncodeError(f"a comment is a string, not {short_repr(text)}")
    if "\r" in text:
        raise EncodeError("a comment holds no CR: a reader would take it for a line end")
    lines = utf8("a comment", text).split(b"\n")
    return b"".join(b": %b\n" % line for line in lines) + b"\n"


def retry(milliseconds: int) -> bytes:
    """The `retry` field (section 9.2.6): how long a client waits before it reconnects.

    Raises `EncodeError` unless it is a whole number from 0 to 2**53 - 1, the largest that every browser reads exactly.
    """
    if type(milliseconds) is not int or not 0 <= milliseconds < 2**53:
        raise EncodeError(f"retry is a whole number of milliseconds, zero or more, not {short_repr(milliseconds)}")
    return b"retry: %d\n\n" % milliseconds


_RFC3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})"
)
"""The form of a `date-time` (RFC 3339, section 5.6); whether the day exists is not checked."""


def _checked_id(value: str | int) -> bytes:
    if type(value) is int and -(2**63) <= value < 2**63:
        return b"%d" % value
    if not isinstance(value, str):
        raise EncodeError(f"an event id is a string or an integer of 64 bits, not {short_repr(value)}")
    return check_line("an event id", value)


def _checked_timestamp(value: str) -> bytes:
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise EncodeError(f"a timestamp is a date and a time as in RFC 3339, not {short_repr(value)}")
    return value.encode()


def _checked_body(event: Event) -> bytes:
    if b"\r" in event.body:
        raise EncodeError(f"event {event.name!r}: data holds no CR: a reader would take it for a line end")
    if event.text:
        return _lines(event.body)
    if b"\n" in event.body or not (event.body.startswith(b"{") and event.body.endswith(b"}")):
        raise EncodeError(f"event {event.name!r}: data that is not text is one JSON object on one line")
    return event.body


def _stamp(body: bytes, timestamp: bytes) -> bytes:
    return b'{"timestamp":"%b"%b%b' % (timestamp, b"," if len(body) > 2 else b"", body[1:])


def _lines(text: bytes) -> bytes:
    return text.replace(b"\n", b"\ndata: ")


class Message(NamedTuple):
    """One event as a reader of a stream receives it (section 9.2.6, "dispatch the event").

    `id` is the last event id so far: this event's, or that of the last one with an id; "" before the first. `event` is
    the name, "message" by default; `data` the values of the `data` lines, joined by LF; `retry` the last reconnection
    time of the stream in milliseconds, or `None`.
    """

    id: str
    event: str
    data: str
    retry: int | None


MAX_EVENT: Final = 16 * 1024 * 1024
"""The default of a parser's `max_bytes`."""

MAX_RETRY_DIGITS: Final = 300
"""Longer reconnection times are ignored: as a `float`, which timers take, they would be infinite."""

_BOM: Final = b"\xef\xbb\xbf"


class Parser:
    """Reads an event stream as it arrives: takes bytes in any pieces, and returns the messages that they complete.

    Follows sections 9.2.5 and 9.2.6; an event that the end of the stream leaves unfinished is never returned. Lines are
    split before they are decoded: no UTF-8 sequence, valid or not, contains CR or LF, so each line decodes as it does
    within the whole stream (Encoding standard, "UTF-8 decode"). Time is linear in the bytes, even one byte at a time.

    `max_bytes` limits what an unfinished event holds: its data, its name, and the line that is still arriving. Beyond
    it `feed` raises `EventTooLarge`, at the same byte of the stream in whatever pieces that comes, and on every later
    call. Messages that the first such call had completed are in `completed`. Each connection needs a new parser.

    `on_comment` is called with the text of every comment line, heartbeats among them. With `own_ids` a message has the
    id of its own frame, and "" where that has none, so that a repeated event differs from one without an id.
    """

    def __init__(
        self, *, max_bytes: int = MAX_EVENT, on_comment: Callable[[str], None] | None = None, own_ids: bool = False
    ) -> None:
        if max_bytes < 1:
            raise ValueError(f"max_bytes is one or more, not {max_bytes}")
        self.last_event_id: str = ""
        """The id to reconnect with: the last event id when an event last ended, with data or without."""
        self.retry: int | None = None
        """The last reconnection time of the stream, in milliseconds; `None` where it has set none."""
        self.completed: list[Message] = []
        """The messages that the first `feed` to raise `EventTooLarge` had completed; empty before."""
        self._max_bytes = max_bytes
        self._on_comment = on_comment
        self._own_ids = own_ids
        self._start: bytes | None = b""  # held back while it may be a BOM; None afterwards
        self._after_cr = False
        self._too_large = False
        self._line = bytearray()  # the line that is still arriving
        self._data = bytearray()  # the standard's "data buffer"
        self._event = b""  # its "event type buffer"
        self._id = ""  # its "last event ID buffer"
        self._has_id = False  # whether this event has set it
        self._room = max_bytes  # how much the unfinished event may still grow

    def feed(self, chunk: bytes) -> list[Message]:
        """Returns the messages that `chunk` completes, oldest first. Raises `EventTooLarge`, see above."""
        if self._too_large:
            raise self._fail(self.completed)
        if chunk.startswith(b"data: ") and self._is_one_event(chunk):
            self.last_event_id = self._id
            return [
                Message(
                    "" if self._own_ids else self._id, "message", chunk[6:-2].decode("utf-8", "replace"), self.retry
                )
            ]
        messages: list[Message] = []
        for line in self._split(chunk):
            if len(line) > self._room:
                raise self._fail(messages)
            if line:
                self._read(line)
            else:
                self._dispatch(messages)
        if len(self._line) > self._room:
            raise self._fail(messages)
        return messages

    @property
    def unfinished(self) -> bool:
        """Whether an event is incomplete: if the stream ends here, it was cut."""
        return bool(self._line or self._data or self._event or self._start)

    def _is_one_event(self, chunk: bytes) -> bool:
        """Whether a chunk between two events is one line of data, and its end: a paced stream brings little else."""
        if self._start is not None or self._after_cr or self._line or self._data or self._event or self._has_id:
            return False
        end = len(chunk) - 2
        return chunk.find(b"\n") == end and chunk.endswith(b"\n") and b"\r" not in chunk and end <= self._max_bytes

    def _split(self, chunk: bytes) -> list[bytes]:
        """The lines that `chunk` completes, without their line ends: CR, LF, or both (section 9.2.5, `end-of-line`)."""
        if self._start is not None:
            chunk = self._skip_bom(self._start + chunk)
        if self._after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        if b"\r" in chunk:
            self._after_cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = chunk.split(b"\n")
        rest = lines.pop()
        if lines and self._line:
            lines[0] = bytes(self._line) + lines[0]
            self._line.clear()
        self._line += rest
        return lines

    def _skip_bom(self, start: bytes) -> bytes:
        if len(start) < len(_BOM) and _BOM.startswith(start):
            self._start = start
            return b""
        self._start = None
        return start.removeprefix(_BOM)

    def _read(self, line: bytes) -> None:
        """Section 9.2.6, "process the field"; the field name of a comment is empty."""
        field, _, value = line.partition(b":")
        if value.startswith(b" "):
            value = value[1:]
        if field == b"data":
            self._data += value
            self._data += b"\n"
            self._room -= len(value) + 1
        elif field == b"event":
            self._room += len(self._event) - len(value)
            self._event = value
        elif field == b"id":
            if b"\0" not in value:
                self._id = value.decode("utf-8", "replace")
                self._has_id = True
        elif field == b"retry":
            if value.isdigit() and len(value) <= MAX_RETRY_DIGITS:
                self.retry = int(value)
        elif not field and self._on_comment:
            self._on_comment(value.decode("utf-8", "replace"))

    def _dispatch(self, messages: list[Message]) -> None:
        self.last_event_id = self._id
        if self._data:
            del self._data[-1]
            event = self._event.decode("utf-8", "replace") or "message"
            number = "" if self._own_ids and not self._has_id else self._id
            messages.append(Message(number, event, self._data.decode("utf-8", "replace"), self.retry))
            self._data.clear()
        self._event = b""
        self._has_id = False
        self._room = self._max_bytes

    def _fail(self, completed: list[Message]) -> EventTooLarge:
        self._too_large = True
        self.completed = completed
        self._line.clear()
        self._data.clear()
        return EventTooLarge(f"an event of the stream holds more than {self._max_bytes} bytes")
