"""Streams of other services: their events, the lifecycle of an upstream run, and which ends are good ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streaming.errors import EncodeError, OperationError
from streaming.gateways.formats import StreamFormat, UpstreamFailed
from streaming.protocol.events import LIFECYCLE, Event, Progress, RawEvent, event
from streaming.protocol.sse import Message, Parser
from tests.apps.gateway_upstream import START, frame, stamped

Stream = list[tuple[str, Any]]

CHUNK = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "Hi"}}]}


def translate(stream: Stream, **options: Any) -> tuple[list[Event], StreamFormat]:
    """The events to pass on of a stream with these names and data, and the format after it."""
    stream_format = StreamFormat(**options)
    parser = Parser()
    messages = [message for name, data in stream for message in parser.feed(frame(name, data))]
    return [event for message in messages if (event := stream_format.translate(message)) is not None], stream_format


def names_and_data(events: list[Event]) -> Stream:
    """The names and data of events."""
    return [(event.name, event.data) for event in events]


def end_error(stream_format: StreamFormat) -> str:
    """The code of the error if the response ends here."""
    with pytest.raises(UpstreamFailed) as failure:
        stream_format.check_end()
    return failure.value.code


# Events


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("plain text", "plain text"),
        ("[DONE]", "[DONE]"),
        ("two\nlines", "two\nlines"),
        (" spaced ", " spaced "),
        ("[1,2]", "[1,2]"),
        ("{no json}", "{no json}"),
        ('{"open": ', '{"open": '),
        ('{"n":NaN}', '{"n":NaN}'),
        ('"a string"', '"a string"'),
        ("grüße\u2028\x85", "grüße\u2028\x85"),
        ('{"a": 1}', {"a": 1}),
        ('{\n  "a": "b\\nc"\n}', {"a": "b\nc"}),
        ("{}", {}),
    ],
)
def test_data_is_a_dict_or_the_text(text: str, data: Any) -> None:
    """A JSON object is a `dict`, on one line; anything else is the text, unchanged."""
    (event,), _ = translate([("", text)])
    assert (event.name, event.data) == ("message", data)
    assert event.text == isinstance(data, str)
    assert event.text or b"\n" not in event.body


def test_a_timestamp_of_another_service_stays() -> None:
    """It is data, and none is added."""
    (tick,), _ = translate([("tick", '{"n":1,"timestamp":1790000000}')])
    assert isinstance(tick, RawEvent)
    assert tick.body == b'{"n":1,"timestamp":1790000000}'
    assert tick.data == {"n": 1, "timestamp": 1790000000}


@pytest.mark.parametrize("data", [{}, {"done": 1, "total": 2}, {"message": 'a "quoted" timestamp'}])
def test_a_timestamp_of_headway_is_removed(data: dict[str, Any]) -> None:
    """The run here adds its own."""
    (progress,), _ = translate([("start", START), ("progress", stamped(**data))])
    assert (progress.name, progress.data) == ("progress", data)
    assert progress.__class__ is Event
    assert progress.body == json.dumps(data, separators=(",", ":")).encode()


def test_an_odd_timestamp_of_headway_stays() -> None:
    """One that does not have the form of Headway's is data."""
    (note,), _ = translate([("start", START), ("note", {"timestamp": "soon", "a": 1})])
    assert note.data == {"timestamp": "soon", "a": 1}


def test_a_name_that_cannot_be_sent() -> None:
    """A NUL in a name could not be encoded again: the upstream has failed."""
    with pytest.raises(UpstreamFailed) as failure:
        StreamFormat().translate(Message("", "a\0b", "data", None))
    assert failure.value.code == "upstream_failed"


# Changed events


def test_replace_keeps_what_is_not_given() -> None:
    """A name, or data; of an event with JSON, and of one with text."""
    note = event("note", {"a": 1})
    assert names_and_data([note.replace(name="other"), note.replace(data="text")]) == [
        ("other", {"a": 1}),
        ("note", "text"),
    ]
    assert event("note", "text").replace(data={"b": 2}).data == {"b": 2}


def test_replace_recognises_progress() -> None:
    """An event with the members of `progress` becomes one, so that `eta` is added; any other stays as it is."""
    (progress,), _ = translate([("progress", {"done": 1, "total": 2})])
    changed = progress.replace(data={"done": 2, "total": 2})
    assert isinstance(changed, Progress)
    assert (changed.done, changed.total) == (2, 2)
    assert not isinstance(progress.replace(data={"percent": 50}), Progress)


def test_replace_keeps_a_raw_event_raw() -> None:
    """A timestamp of another service stays when other members change."""
    (tick,), _ = translate([("tick", {"n": 1, "timestamp": 17})])
    changed = tick.replace(name="tock", data={**tick.data, "n": 2})
    assert isinstance(changed, RawEvent)
    assert (changed.name, changed.body) == ("tock", b'{"n":2,"timestamp":17}')
    assert tick.replace(data="text").data == "text"


@pytest.mark.parametrize("wrong", [{"name": "two\nlines"}, {"data": "a\rb"}, {"data": {"a": object()}}, {"name": ""}])
def test_replace_refuses_what_cannot_be_sent(wrong: dict[str, Any]) -> None:
    """On the line that makes it."""
    (tick,), _ = translate([("tick", {"n": 1, "timestamp": 17})])
    for each in (tick, event("note")):
        with pytest.raises(EncodeError):
            each.replace(**wrong)


# The lifecycle of an upstream run


def test_an_upstream_run() -> None:
    """Its `start` and `done` are not passed on, its `result` is, and the stream has ended well."""
    stream = [("start", START), ("delta", stamped(text="a", channel="text")), ("result", stamped(result=[1]))]
    events, stream_format = translate([*stream, ("done", stamped(status="succeeded", elapsed=1))])
    assert names_and_data(events) == [("delta", {"text": "a", "channel": "text"}), ("result", {"result": [1]})]
    assert stream_format.ended


@pytest.mark.parametrize("end", [("message", "[DONE]"), ("message_stop", {"type": "message_stop"})])
def test_a_run_that_passes_on_another_format(end: tuple[str, Any]) -> None:
    """The last event of that format does not end the run: its `done` does."""
    stream = [("start", START), end, ("result", stamped(result=1))]
    events, stream_format = translate(stream)
    assert [event.name for event in events] == [end[0], "result"]
    assert not stream_format.ended
    assert end_error(stream_format) == "upstream_truncated"


def test_separators_in_json_are_escaped() -> None:
    """As in events that are made here: some clients split lines at them. Text stays as it is."""
    events, _ = translate([("a", '{"text":"\u2028\x85"}'), ("b", "\u2028")])
    assert [event.data for event in events] == [{"text": "\u2028\x85"}, "\u2028"]
    assert events[0].body == rb'{"text":"\u2028\u0085"}'


def test_a_run_that_fails() -> None:
    """Its `error` is raised with code, message and `retryable`, once `done` has ended the run."""
    stream = [("start", START), ("error", stamped(code="out_of_paper", message="No paper.", retryable=True))]
    with pytest.raises(OperationError) as failure:
        translate([*stream, ("done", stamped(status="failed", elapsed=1))])
    assert (failure.value.code, failure.value.message, failure.value.retryable) == ("out_of_paper", "No paper.", True)


def test_a_run_that_was_cancelled() -> None:
    """The run here fails with the reason: it was not cancelled here."""
    with pytest.raises(UpstreamFailed, match="timeout"):
        translate([("start", START), ("done", stamped(status="cancelled", elapsed=1, reason="timeout"))])


def test_a_run_that_starts_again() -> None:
    """`attempt` passes unchanged: viewers drop what they have of the attempt before."""
    data = stamped(attempt=2, reason="producer_lost")
    (attempt,), _ = translate([("start", START), ("attempt", data)])
    assert isinstance(attempt, RawEvent)
    assert attempt.data == data


def test_a_gap_is_a_failure() -> None:
    """`reset` means that events are lost, and no resume brings them back."""
    stream_format = StreamFormat()
    stream_format.expect_headway()
    with pytest.raises(UpstreamFailed) as failure:
        stream_format.translate(Message("9", "reset", json.dumps(stamped(snapshot={})), None))
    assert failure.value.code == "upstream_truncated"
    assert not stream_format.resumable


def test_questions_pass_and_answers_do_not() -> None:
    """The run here asks the question itself, and writes its own `answer`."""
    question = stamped(question="q2", prompt="Go on?", schema={}, expires=None)
    events, _ = translate([("start", START), ("question", question), ("answer", stamped(question="q2", answer=True))])
    assert [event.name for event in events] == ["question"]


@pytest.mark.parametrize("name", sorted(LIFECYCLE))
def test_lifecycle_names_of_another_meaning(name: str) -> None:
    """They would break the grammar of a run, and are renamed."""
    (renamed,), stream_format = translate([(name, {"type": "of another format"})])
    assert (renamed.name, renamed.data) == (f"upstream_{name}", {"type": "of another format"})
    assert not stream_format.ended


@pytest.mark.parametrize("name", sorted(LIFECYCLE))
def test_unchanged(name: str) -> None:
    """Without a run every name and every byte passes, a timestamp too."""
    events, stream_format = translate([("start", START), (name, '{"timestamp":"x", "a":1}')], unchanged=True)
    assert [event.name for event in events] == ["start", name]
    assert events[1].body == b'{"timestamp":"x", "a":1}'
    assert stream_format.headway


def test_unchanged_ends_with_the_run() -> None:
    """A run that is passed on unchanged ends well with its `done`, whatever its status."""
    stream: Stream = [("start", START), ("error", stamped(code="a", message="b", retryable=False))]
    events, stream_format = translate([*stream, ("done", stamped(status="failed", elapsed=1))], unchanged=True)
    assert [event.name for event in events] == ["start", "error", "done"]
    assert stream_format.ended


# Ends


@pytest.mark.parametrize(
    "stream",
    [
        [("", CHUNK), ("", "[DONE]")],
        [("message_start", {"type": "message_start"}), ("message_stop", {"type": "message_stop"})],
        [("", "[DONE]")],
    ],
    ids=["OpenAI", "Anthropic", "nothing but the end"],
)
def test_known_ends(stream: Stream) -> None:
    """The last event passes too, and ends the stream."""
    events, stream_format = translate(stream)
    assert len(events) == len(stream)
    assert stream_format.ended


@pytest.mark.parametrize(
    "stream",
    [
        [("", CHUNK)],
        [("", {"object": "", "prompt_filter_results": []}), ("", CHUNK)],
        [("message_start", {"type": "message_start"}), ("content_block_stop", {"type": "content_block_stop"})],
        [("start", START)],
        [("start", START), ("result", stamped(result=1))],
        [],
    ],
    ids=["OpenAI", "OpenAI after something else", "Anthropic", "a run", "a run with its result", "nothing at all"],
)
def test_ends_that_come_too_early(stream: Stream) -> None:
    """A stream of a known format without its last event was cut, however clean the end of the response is."""
    _, stream_format = translate(stream)
    assert not stream_format.ended
    assert end_error(stream_format) == "upstream_truncated"


def test_any_other_format_ends_with_the_response() -> None:
    """After a whole event."""
    _, stream_format = translate([("tick", {"n": 1}), ("", "text")])
    assert not stream_format.ended
    stream_format.check_end()


def test_ends_with() -> None:
    """Only the event of that name ends the stream."""
    events, stream_format = translate([("tick", "1"), ("", "[DONE]"), ("message_stop", "2")], ends_with="finished")
    assert len(events) == 3
    assert not stream_format.ended
    assert end_error(stream_format) == "upstream_truncated"
    stream_format.translate(Message("", "finished", "{}", None))
    assert stream_format.ended


def test_ends_with_a_lifecycle_name() -> None:
    """`done` may be the last event of another format, too."""
    events, stream_format = translate([("tick", "1"), ("done", "bye")], ends_with="done")
    assert names_and_data(events) == [("tick", "1"), ("upstream_done", "bye")]
    assert stream_format.ended


def test_an_end_right_after_an_error_of_another_format() -> None:
    """A stream whose last event is an `error` has failed; one that went on has ended well."""
    error = ("error", {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    _, stream_format = translate([("tick", "1"), error])
    assert end_error(stream_format) == "upstream_failed"
    _, stream_format = translate([error, ("tick", "1")])
    stream_format.check_end()
