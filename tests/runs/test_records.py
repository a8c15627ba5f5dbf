"""The records in which an operation in another process passes on its events, and how it ended."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from streaming import EncodeError, OperationError, ask, checkpoint, delta, event, file, flush, partial, progress
from streaming.protocol.events import Awaited, Event, RawEvent, encode_json
from streaming.runs.executors.base import WorkFailed
from streaming.runs.executors.records import Record, decode, encode, encode_failure, encode_result, split

EVENTS = [
    progress("A page", done=1, total=2.5, unit="pages", step=3, eta=0.5),
    progress(),
    delta("naïve \u2028 \0 \n", "thinking"),
    partial("page", {"number": 1, "text": "x" * 1000}),
    event("chart", {"points": [1, 2]}),
    event("größe", "no JSON,\nin two lines"),
    ask("Go on?", schema={"type": "boolean"}, within=0.1),
    ask("And now?"),
    checkpoint({"page": 2}),
    RawEvent("done", b"[DONE]", "größe 7"),
    RawEvent("message", b"two\nlines"),
    file("größe.bin", b"\0\n"),
    file("a.txt", __file__, type="text/plain"),
]


def decoded(data: bytes) -> Any:
    """What one record decodes to."""
    (record,) = split(bytearray(data))
    return decode(record)


@pytest.mark.parametrize("item", EVENTS, ids=repr)
def test_an_event_is_the_same_afterwards(item: Event) -> None:
    """Its class and all that the library computes with are kept, not only its bytes."""
    after = decoded(encode(item))
    assert after.__class__ is item.__class__
    assert after == item
    for name in ("done", "total", "step", "eta", "schema", "within", "id", "filename", "source", "type"):
        assert getattr(after, name, None) == getattr(item, name, None)


def test_every_kind_of_event_is_tried() -> None:
    """The events above are of every class that there is."""
    kinds: set[type[Event]] = {Event}
    while more := {below for kind in kinds for below in kind.__subclasses__()} - kinds:
        kinds |= more
    assert {type(item) for item in EVENTS} == kinds - {Awaited}


def test_a_flush_is_the_same_afterwards() -> None:
    """The request to write at once is passed on as well."""
    assert decoded(encode(flush())) is flush()


def test_what_is_no_event_is_refused() -> None:
    """The error names the type of what the operation yielded."""
    with pytest.raises(TypeError, match="yields events, not dict"):
        encode({"done": 1})


def test_a_result_ends_the_operation() -> None:
    """It comes as `StopIteration`, as that of a generator does, and holds the JSON as it was encoded."""
    with pytest.raises(StopIteration) as end:
        decoded(encode_result({"pages": [1, None]}))
    assert encode_json({"result": end.value.value}) == b'{"result":{"pages":[1,null]}}'
    with pytest.raises(EncodeError):
        encode_result(float("nan"))


def test_a_failure_with_a_code_is_raised_again() -> None:
    """An `OperationError` keeps its code, its message and whether to retry."""
    with pytest.raises(OperationError) as caught:
        decoded(encode_failure(OperationError("no_pages", "None: \ud800", retryable=True)))
    assert (caught.value.code, caught.value.message, caught.value.retryable) == ("no_pages", "None: \ud800", True)


def test_any_other_failure_is_text_for_the_log() -> None:
    """The worker does not have the exception itself, only its traceback."""
    with pytest.raises(WorkFailed, match="ZeroDivisionError: by none"):
        decoded(encode_failure(ZeroDivisionError("by none")))


def test_a_lack_of_memory_has_a_code() -> None:
    """`MemoryError` fails the run as `too_large`."""
    with pytest.raises(OperationError) as caught:
        decoded(encode_failure(MemoryError()))
    assert caught.value.code == "too_large"


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
def test_records_are_split_at_their_ends(size: int) -> None:
    """However a pipe cuts them, records come out whole and in order, and an unfinished one stays in the buffer."""
    sent = b"".join(map(encode, EVENTS))
    buffer, records = bytearray(), list[Record]()
    for start in range(0, len(sent), size):
        buffer += sent[start : start + size]
        records += split(buffer)
    assert [decode(record) for record in records] == EVENTS
    assert not buffer


@pytest.mark.parametrize("module", ["server", "child"])
def test_the_processes_of_operations_are_light(module: str) -> None:
    """The fork server and its children import neither gevent nor Flask."""
    code = f"import sys, streaming.runs.executors.process.{module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "streaming" in loaded
    assert not loaded & {"gevent", "flask", "werkzeug", "gunicorn"}
