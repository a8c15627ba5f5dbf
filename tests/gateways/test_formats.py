"""What another service says, in Headway's words: events, lifecycles, and which ends are good ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streaming.errors import EncodeError, OperationError
from streaming.gateways.formats import StreamFormat, UpstreamFailed
from streaming.protocol.events import LIFECYCLE, Event, Progress, RawEvent, event
from streaming.protocol.sse import Message, Parser
from tests.apps.gateway_upstream import START, frame, stamped

Said = list[tuple[str, Any]]

CHUNK = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "Hi"}}]}


def heard(said: Said, **how: Any) -> tuple[list[Event], StreamFormat]:
    """The events that a stream of these names and data makes, and the vocabulary after it."""
    vocabulary = StreamFormat(**how)
    parser = Parser()
    messages = [message for name, data in said for message in parser.feed(frame(name, data))]
    return [event for message in messages if (event := vocabulary.translate(message)) is not None], vocabulary


def shown(events: list[Event]) -> Said:
    """Their names and data."""
    return [(event.name, event.data) for event in events]


def fails(vocabulary: StreamFormat) -> str:
    """The code with which an end here is refused."""
    with pytest.raises(UpstreamFailed) as failure:
        vocabulary.check_end()
    return failure.value.code


# Events


@pytest.mark.parametrize(
    ("sent", "got"),
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
def test_data_is_a_dict_or_the_text_that_came(sent: str, got: Any) -> None:
    """A JSON object is a `dict`, on one line; anything else is the text, as it came."""
    (found,), _ = heard([("", sent)])
    assert (found.name, found.data) == ("message", got)
    assert found.text == isinstance(got, str)
    assert found.text or b"\n" not in found.body


def test_a_timestamp_of_another_service_stays() -> None:
    """It is data, and none is put beside it."""
    (found,), _ = heard([("tick", '{"n":1,"timestamp":1790000000}')])
    assert isinstance(found, RawEvent)
    assert found.body == b'{"n":1,"timestamp":1790000000}'
    assert found.data == {"n": 1, "timestamp": 1790000000}


@pytest.mark.parametrize("data", [{}, {"done": 1, "total": 2}, {"message": 'a "quoted" timestamp'}])
def test_a_timestamp_of_headway_is_taken_off(data: dict[str, Any]) -> None:
    """The log of the run here puts its own into it."""
    (found,), _ = heard([("start", START), ("progress", stamped(**data))])
    assert (found.name, found.data) == ("progress", data)
    assert found.__class__ is Event
    assert found.body == json.dumps(data, separators=(",", ":")).encode()


def test_an_odd_timestamp_of_headway_is_left_alone() -> None:
    """What looks like Headway's but is not cut to its measure passes whole."""
    (found,), _ = heard([("start", START), ("note", {"timestamp": "soon", "a": 1})])
    assert found.data == {"timestamp": "soon", "a": 1}


def test_a_name_that_cannot_be_sent() -> None:
    """A NUL in a name would be refused by every reader after this one: the upstream has failed."""
    with pytest.raises(UpstreamFailed) as failure:
        StreamFormat().translate(Message("", "a\0b", "data", None))
    assert failure.value.code == "upstream_failed"


# Changed events


def test_replace_keeps_what_is_not_given() -> None:
    """A name, or data; of either kind."""
    note = event("note", {"a": 1})
    assert shown([note.replace(name="other"), note.replace(data="text")]) == [("other", {"a": 1}), ("note", "text")]
    assert event("note", "text").replace(data={"b": 2}).data == {"b": 2}


def test_replace_knows_progress() -> None:
    """One that the library understands has its `done` and `eta` minded; one of another vocabulary is as it is."""
    (passed,), _ = heard([("progress", {"done": 1, "total": 2})])
    replaced = passed.replace(data={"done": 2, "total": 2})
    assert isinstance(replaced, Progress)
    assert (replaced.done, replaced.total) == (2, 2)
    assert not isinstance(passed.replace(data={"percent": 50}), Progress)


def test_replace_keeps_what_came_as_it_came() -> None:
    """A timestamp of another service stays where the event is changed otherwise."""
    (passed,), _ = heard([("tick", {"n": 1, "timestamp": 17})])
    changed = passed.replace(name="tock", data={**passed.data, "n": 2})
    assert isinstance(changed, RawEvent)
    assert (changed.name, changed.body) == ("tock", b'{"n":2,"timestamp":17}')
    assert passed.replace(data="text").data == "text"


@pytest.mark.parametrize("wrong", [{"name": "two\nlines"}, {"data": "a\rb"}, {"data": {"a": object()}}, {"name": ""}])
def test_replace_refuses_what_cannot_be_sent(wrong: dict[str, Any]) -> None:
    """On the line that made it."""
    (passed,), _ = heard([("tick", {"n": 1, "timestamp": 17})])
    for each in (passed, event("note")):
        with pytest.raises(EncodeError):
            each.replace(**wrong)


# The lifecycle of an upstream run


def test_a_run_is_taken_in() -> None:
    """Its `start` and `done` are not passed on, its `result` is, and its end is a good one."""
    said = [("start", START), ("delta", stamped(text="a", channel="text")), ("result", stamped(result=[1]))]
    events, vocabulary = heard([*said, ("done", stamped(status="succeeded", elapsed=1))])
    assert shown(events) == [("delta", {"text": "a", "channel": "text"}), ("result", {"result": [1]})]
    assert vocabulary.ended


@pytest.mark.parametrize("end", [("message", "[DONE]"), ("message_stop", {"type": "message_stop"})])
def test_a_run_that_passes_another_vocabulary_on(end: tuple[str, Any]) -> None:
    """What would end that vocabulary's stream does not end the run: its `done` does."""
    said = [("start", START), end, ("result", stamped(result=1))]
    events, vocabulary = heard(said)
    assert [event.name for event in events] == [end[0], "result"]
    assert not vocabulary.ended
    assert fails(vocabulary) == "upstream_truncated"


def test_separators_in_json_are_escaped() -> None:
    """As in events that are made here: many a client cuts lines at them. Text stays as it is."""
    events, _ = heard([("a", '{"text":"\u2028\x85"}'), ("b", "\u2028")])
    assert [event.data for event in events] == [{"text": "\u2028\x85"}, "\u2028"]
    assert events[0].body == rb'{"text":"\u2028\u0085"}'


def test_a_run_that_fails() -> None:
    """Its `error` is raised, with code, message and whether to come again, once `done` has said that it is over."""
    said = [("start", START), ("error", stamped(code="out_of_paper", message="No paper.", retryable=True))]
    with pytest.raises(OperationError) as failure:
        heard([*said, ("done", stamped(status="failed", elapsed=1))])
    assert (failure.value.code, failure.value.message, failure.value.retryable) == ("out_of_paper", "No paper.", True)


def test_a_run_that_was_cancelled() -> None:
    """Somebody else has cancelled it: to the run here that is a failure, which names the reason."""
    with pytest.raises(UpstreamFailed, match="timeout"):
        heard([("start", START), ("done", stamped(status="cancelled", elapsed=1, reason="timeout"))])


def test_a_run_that_begins_anew() -> None:
    """`attempt` passes whole: viewers drop what they have of the attempt before."""
    attempt = stamped(attempt=2, reason="producer_lost")
    (found,), _ = heard([("start", START), ("attempt", attempt)])
    assert isinstance(found, RawEvent)
    assert found.data == attempt


def test_a_gap_is_a_failure() -> None:
    """`reset` tells that events are lost, which no trying again brings back."""
    vocabulary = StreamFormat()
    vocabulary.expect_headway()
    with pytest.raises(UpstreamFailed) as failure:
        vocabulary.translate(Message("9", "reset", json.dumps(stamped(snapshot={})), None))
    assert failure.value.code == "upstream_truncated"
    assert not vocabulary.resumable


def test_questions_pass_and_answers_do_not() -> None:
    """The run here asks by itself, and writes its own `answer`."""
    question = stamped(question="q2", prompt="Go on?", schema={}, expires=None)
    events, _ = heard([("start", START), ("question", question), ("answer", stamped(question="q2", answer=True))])
    assert [event.name for event in events] == ["question"]


@pytest.mark.parametrize("name", sorted(LIFECYCLE))
def test_lifecycle_names_of_another_meaning(name: str) -> None:
    """They cannot stand in a run, whose grammar they would break, and go by another name."""
    (found,), vocabulary = heard([(name, {"type": "of another vocabulary"})])
    assert (found.name, found.data) == (f"upstream_{name}", {"type": "of another vocabulary"})
    assert not vocabulary.ended


@pytest.mark.parametrize("name", sorted(LIFECYCLE))
def test_unchanged(name: str) -> None:
    """Where there is no run, every name and every byte passes, a timestamp too."""
    events, vocabulary = heard([("start", START), (name, '{"timestamp":"x", "a":1}')], unchanged=True)
    assert [event.name for event in events] == ["start", name]
    assert events[1].body == b'{"timestamp":"x", "a":1}'
    assert vocabulary.headway


def test_unchanged_ends_with_the_run() -> None:
    """A run that is passed on unchanged ends well with its `done`, whatever that says."""
    said: Said = [("start", START), ("error", stamped(code="a", message="b", retryable=False))]
    events, vocabulary = heard([*said, ("done", stamped(status="failed", elapsed=1))], unchanged=True)
    assert [event.name for event in events] == ["start", "error", "done"]
    assert vocabulary.ended


# Ends


@pytest.mark.parametrize(
    "said",
    [
        [("", CHUNK), ("", "[DONE]")],
        [("message_start", {"type": "message_start"}), ("message_stop", {"type": "message_stop"})],
        [("", "[DONE]")],
    ],
    ids=["OpenAI", "Anthropic", "nothing but the end"],
)
def test_known_ends(said: Said) -> None:
    """What ends the stream passes as well, and then nothing more is awaited."""
    events, vocabulary = heard(said)
    assert len(events) == len(said)
    assert vocabulary.ended


@pytest.mark.parametrize(
    "said",
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
def test_ends_that_come_too_early(said: Said) -> None:
    """A known vocabulary without its last word was cut, however clean the end of the response looks."""
    _, vocabulary = heard(said)
    assert not vocabulary.ended
    assert fails(vocabulary) == "upstream_truncated"


def test_any_other_vocabulary_ends_where_it_ends() -> None:
    """After a whole event."""
    _, vocabulary = heard([("tick", {"n": 1}), ("", "text")])
    assert not vocabulary.ended
    vocabulary.check_end()


def test_ends_with() -> None:
    """Who names the event that ends the stream is believed, and nothing else ends it."""
    events, vocabulary = heard([("tick", "1"), ("", "[DONE]"), ("message_stop", "2")], ends_with="finished")
    assert len(events) == 3
    assert not vocabulary.ended
    assert fails(vocabulary) == "upstream_truncated"
    vocabulary.translate(Message("", "finished", "{}", None))
    assert vocabulary.ended


def test_ends_with_a_lifecycle_name() -> None:
    """`done` may be the last word of another vocabulary, too."""
    events, vocabulary = heard([("tick", "1"), ("done", "bye")], ends_with="done")
    assert shown(events) == [("tick", "1"), ("upstream_done", "bye")]
    assert vocabulary.ended


def test_an_end_right_after_an_error_of_another_vocabulary() -> None:
    """An upstream whose last word is `error` has not ended well; one that went on has."""
    complaint = ("error", {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    _, vocabulary = heard([("tick", "1"), complaint])
    assert fails(vocabulary) == "upstream_failed"
    _, vocabulary = heard([complaint, ("tick", "1")])
    vocabulary.check_end()
