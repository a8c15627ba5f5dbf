"""The ends of known services' streams: each is recognised, ends well, and is a cut without its last word."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from streaming.errors import OperationError
from streaming.gateways.formats import StreamFormat, UpstreamFailed
from streaming.protocol.events import Event
from streaming.protocol.sse import Parser
from tests.apps.gateway_upstream import frame

Stream = list[tuple[str, Any]]
"""Names of events, which are empty where the service sends none, and their data."""


def named(*kinds: str, **more: Any) -> Stream:
    """Events whose names are the `type` in their data, too."""
    return [(kind, {"type": kind, **more}) for kind in kinds]


def unnamed(*kinds: str, key: str = "type", **more: Any) -> Stream:
    """Events that only their data names."""
    return [("", {key: kind, **more}) for kind in kinds]


def chunk(index: int = 0, finish: str | None = None, **more: Any) -> tuple[str, Any]:
    """A chunk of a chat."""
    return "", {"choices": [{"index": index, "delta": {"content": "a"}, "finish_reason": finish}], **more}


def candidate(**more: Any) -> tuple[str, Any]:
    """A chunk of Gemini."""
    return "", {"candidates": [{"content": {"parts": [{"text": "a"}]}, "index": 0, **more}], "modelVersion": "g"}


USAGE: Final = ("", {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}})

BEGINNINGS: Final[dict[str, tuple[Stream, list[Stream]]]] = {
    "chat": ([chunk(), chunk()], [[chunk(finish="stop")], [chunk(finish="length"), USAGE], [("", "[DONE]")]]),
    "chat without an object": ([("", {"choices": [{"message": {"content": "a"}}]})], [[chunk(finish="stop")]]),
    "chat, two choices": ([chunk(), chunk(1), chunk(0, "stop")], [[chunk(1, "stop")]]),
    "chat after a prompt filter": ([("", {"object": "", "choices": [], "id": ""}), chunk()], [[chunk(finish="stop")]]),
    "[DONE] with blanks": ([chunk()], [[("", "[DONE] ")]]),
    "Responses": (
        named("response.created", "response.output_text.delta"),
        [named(f"response.{word}") for word in ("completed", "incomplete")],
    ),
    "Responses without names": (
        unnamed("response.created", "response.output_text.delta"),
        [unnamed("response.completed")],
    ),
    "Anthropic": (named("message_start", "content_block_delta"), [named("message_stop")]),
    "Anthropic without names": (unnamed("message_start", "content_block_delta"), [unnamed("message_stop")]),
    "Gemini": (
        [candidate()],
        [[candidate(finishReason="STOP")], [("", {"promptFeedback": {"blockReason": "SAFETY"}})]],
    ),
    "Cohere v2": (named("message-start", "content-delta"), [named("message-end")]),
    "Cohere v1": (
        unnamed("stream-start", "text-generation", key="event_type"),
        [unnamed("stream-end", key="event_type")],
    ),
    "AI SDK": (
        unnamed("start", "text-start", "text-delta"),
        [unnamed("finish"), unnamed("abort"), [*unnamed("finish"), ("", "[DONE]")]],
    ),
    "AG-UI": (unnamed("RUN_STARTED", "TEXT_MESSAGE_CONTENT"), [unnamed("RUN_FINISHED")]),
    "LangGraph": ([("metadata", {"run_id": "r"}), ("values", {"messages": []})], [[("end", "null")]]),
    "Dify's chat": (
        unnamed("message", "workflow_finished", key="event", task_id="t", conversation_id="c"),
        [unnamed("message_end", key="event", task_id="t", conversation_id="c")],
    ),
    "Dify's workflow": (
        unnamed("workflow_started", "node_finished", key="event", task_id="t"),
        [unnamed("workflow_finished", key="event", task_id="t"), unnamed("workflow_paused", key="event", task_id="t")],
    ),
    "Ollama": (
        [("", {"model": "m", "message": {"content": "a"}, "done": False})],
        [[("", {"model": "m", "done": True, "done_reason": "stop"})]],
    ),
    "TGI": (
        [("", {"token": {"text": "a"}, "generated_text": None})],
        [[("", {"token": {"text": "b"}, "generated_text": "ab"})]],
    ),
    "llama.cpp": ([("", {"content": "a", "stop": False})], [[("", {"content": "", "stop": True})]]),
}
"""The beginning of a stream that is a cut if nothing follows, and ways in which it may end well."""

ENDS: Final = [(name, number) for name, (_, ends) in BEGINNINGS.items() for number in range(len(ends))]


def followed(stream: Stream, *, spaced: bool = False, **options: Any) -> StreamFormat:
    """The format after a stream; `spaced` writes JSON with blanks."""
    stream_format = StreamFormat(**options)
    parser = Parser()
    for name, data in stream:
        text = json.dumps(data, indent=1 if spaced else None) if isinstance(data, dict) else data
        for message in parser.feed(frame(name, text)):
            stream_format.translate(message)
    return stream_format


@pytest.mark.parametrize("spaced", [False, True])
@pytest.mark.parametrize(("name", "number"), ENDS)
def test_a_good_end(name: str, number: int, spaced: bool) -> None:
    """The response may end then."""
    beginning, ends = BEGINNINGS[name]
    followed([*beginning, *ends[number]], spaced=spaced).check_end()


@pytest.mark.parametrize("unchanged", [False, True])
@pytest.mark.parametrize("name", BEGINNINGS)
def test_an_end_that_comes_too_early(name: str, unchanged: bool) -> None:
    """However cleanly the response ends, the stream was cut."""
    with pytest.raises(UpstreamFailed, match="ended without") as raised:
        followed(BEGINNINGS[name][0], unchanged=unchanged).check_end()
    assert (raised.value.code, raised.value.retryable) == ("upstream_truncated", True)


def test_a_whole_reply_in_one_event() -> None:
    """The event by which a service is recognised may be its last one."""
    followed([("", {"content": "all", "stop": True})]).check_end()
    followed([chunk(finish="stop")]).check_end()


@pytest.mark.parametrize("index", [None, "0", [0], {}])
def test_a_choice_without_a_number(index: Any) -> None:
    """It is the first one, and passes."""
    chunks = [("", {"choices": [{"index": index, "delta": {}, "finish_reason": end}]}) for end in (None, "stop")]
    followed(chunks).check_end()
    with pytest.raises(UpstreamFailed, match="finish_reason"):
        followed(chunks[:1]).check_end()


def test_words_of_the_text_are_no_end() -> None:
    """Only the members of an event say that it is the last one."""
    quoted = '{"type": "message_stop"} "finish_reason": "stop" response.completed'
    text = [chunk(), ("", {"choices": [{"index": 0, "delta": {"content": quoted}}]})]
    with pytest.raises(UpstreamFailed):
        followed(text).check_end()
    with pytest.raises(UpstreamFailed):
        followed([*named("message_start"), ("content_block_delta", {"type": "d", "text": quoted})]).check_end()


ERRORS: Final[dict[str, Stream]] = {
    "a chat": [chunk(), ("", {"error": {"message": "no", "code": 500}})],
    "a chat that says so": [chunk(), ("", {"object": "error", "message": "no", "code": 500})],
    "a chat that ends all the same": [chunk(), ("", {"error": {"message": "no"}}), ("", "[DONE]")],
    "Responses": named("response.created", "response.failed"),
    "AG-UI": unnamed("RUN_STARTED", "RUN_ERROR"),
    "the AI SDK": unnamed("start", "error"),
    "Dify": unnamed("message", "error", key="event", task_id="t"),
    "Ollama": [("", {"model": "m", "done": False}), ("", {"error": "no"})],
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_at_the_end(name: str) -> None:
    """A stream that ends with the report of an error has failed; a relay has passed the report on already."""
    with pytest.raises(OperationError) as raised:
        followed(ERRORS[name]).check_end()
    assert raised.value.code == "upstream_failed"
    followed(ERRORS[name], unchanged=True).check_end()


def test_several_last_events() -> None:
    """`ends_with` takes several names."""
    for last in ("finished", "failed"):
        assert followed([("tick", {}), (last, {})], ends_with=("finished", "failed")).ended
    with pytest.raises(UpstreamFailed, match="`finished` or `failed`"):
        followed([("tick", {})], ends_with=("finished", "failed")).check_end()


def test_a_function_that_knows_the_last_event() -> None:
    """It sees each event as a transform does."""

    def last(event: Event) -> bool:
        return event.name == "state" and event.data["state"] == "complete"

    assert followed([("state", {"state": "busy"}), ("state", {"state": "complete"})], ends_with=last).ended
    cut = followed([("state", {"state": "busy"})], ends_with=last)
    with pytest.raises(UpstreamFailed, match="its last event"):
        cut.check_end()
