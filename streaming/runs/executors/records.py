"""The codec of what an operation does in another process: a record for each event, and one for how it ended.

It is for every executor outside of the worker. There `encode` takes what the operation yields, `encode_result` what it
returns and `encode_failure` what it raises; in the worker `split` takes the records off what has arrived, in whatever
pieces, and `decode` gives each back, as `Work.send` has to return or raise it. A record is a kind, two lengths, and two
strings of bytes. This module needs neither a hub nor Flask, on either side.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson

from ...errors import OperationError
from ...protocol.events import FLUSH, Checkpoint, Event, Flush, Progress, Question, RawEvent, encode_json
from ..files import FileEvent
from .base import WorkFailed

Record = tuple[bytes, bytes, bytes]

HEAD: Final = struct.Struct("<cII")
EVENT, TEXT, RAW, PROGRESS, QUESTION, FLUSHED = (b"e", b"t", b"w", b"p", b"q", b"f")
FILE, PATH, CHECKPOINT = (b"b", b"d", b"c")
RESULT, FAILED, CRASHED = (b"r", b"o", b"x")
TOO_LARGE: Final = "The work needs more memory than it may have."


def encode(item: Any) -> bytes:
    """What an operation yields, as a record. Raises `TypeError` for what is no event."""
    if isinstance(item, Progress):
        return _pack(PROGRESS, item.body)
    if isinstance(item, Question):
        return _pack(QUESTION, item.body, b"" if item.within is None else repr(item.within).encode())
    if isinstance(item, FileEvent):
        kind, source = (FILE, item.source) if isinstance(item.source, bytes) else (PATH, bytes(item.source))
        return _pack(kind, source, json.dumps([item.filename, item.type]).encode())
    if isinstance(item, Checkpoint):
        return _pack(CHECKPOINT, item.body)
    if isinstance(item, RawEvent):
        return _pack(RAW, item.body, f"{item.name}\n{item.id}".encode())  # neither holds a line end
    if isinstance(item, Event):
        return _pack(TEXT if item.text else EVENT, item.body, item.name.encode())
    if isinstance(item, Flush):
        return _pack(FLUSHED)
    raise TypeError(f"an operation yields events, not {type(item).__name__}")


def encode_result(value: Any) -> bytes:
    """The result of an operation, as a record. Raises `EncodeError` for what is no JSON."""
    return _pack(RESULT, encode_json({"result": value}))


def encode_failure(error: BaseException) -> bytes:
    """What an operation raised, as a record: an `OperationError` as it is, any other as text for the log."""
    if isinstance(error, MemoryError):
        error = OperationError("too_large", TOO_LARGE)
    if isinstance(error, OperationError):
        with contextlib.suppress(Exception):  # of objects in place of texts
            values = [str(error.code), str(error.message), bool(error.retryable)]
            return _pack(FAILED, json.dumps(values).encode())
    return _pack(CRASHED, "".join(traceback.format_exception(error)).encode(errors="replace"))


def _pack(kind: bytes, body: bytes = b"", more: bytes = b"") -> bytes:
    return b"%b%b%b" % (HEAD.pack(kind, len(body), len(more)), body, more)


def split(buffer: bytearray) -> Iterator[Record]:
    """Takes the whole records off the front of `buffer`, and leaves the beginning of the next."""
    start = 0
    while len(buffer) - start >= HEAD.size:
        kind, body, more = HEAD.unpack_from(buffer, start)
        middle = start + HEAD.size + body
        end = middle + more
        if len(buffer) < end:
            break
        yield kind, bytes(buffer[start + HEAD.size : middle]), bytes(buffer[middle:end])
        start = end
    del buffer[:start]


def decode(record: Record) -> Event | Flush:
    """What `encode` took. Raises `StopIteration` with a result; `OperationError` and `WorkFailed` for a failure.

    The result is its JSON, as a fragment for orjson.
    """
    kind, body, more = record
    if kind == PROGRESS:
        data = orjson.loads(body)
        return Progress(body, data.get("done"), data.get("total"), data.get("step"), data.get("eta"))
    if kind in (EVENT, TEXT):
        return Event(more.decode(), body, kind == TEXT)
    if kind == RAW:
        name, _, event_id = more.decode().partition("\n")
        return RawEvent(name, body, event_id)
    if kind == QUESTION:
        return Question(body, orjson.loads(body)["schema"], float(more) if more else None)
    if kind in (FILE, PATH):
        name, media_type = json.loads(more)
        return FileEvent(name, body if kind == FILE else Path(os.fsdecode(body)), media_type)
    if kind == CHECKPOINT:
        return Checkpoint(body)
    if kind == FLUSHED:
        return FLUSH
    if kind == RESULT:
        raise StopIteration(orjson.Fragment(body[len(b'{"result":') : -1]))
    if kind == FAILED:
        code, message, retryable = json.loads(body)  # orjson refuses a lone surrogate
        raise OperationError(code, message, retryable=retryable)
    raise WorkFailed(body.decode(errors="replace"))
