"""OpenAI's and Anthropic's streams become Headway's events, whatever they contain and however they end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, get_args

import pytest
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from streaming import OperationError, Parser, event
from streaming.gateways.dialects import from_anthropic, from_openai
from streaming.gateways.dialects.openai import REPEATED
from streaming.gateways.formats import StreamFormat
from streaming.protocol.events import Event

RECORDED: Final = Path(__file__).parents[1] / "recorded"

Transform = Callable[[Iterable[Event]], Iterator[Any]]


def recorded(name: str) -> Iterator[Event]:
    """The events of a recorded stream, as a gateway passes them to its transforms."""
    stream_format = StreamFormat()
    for message in Parser().feed((RECORDED / f"{name}.sse").read_bytes()):
        event = stream_format.translate(message)
        if event is not None:
            yield event


def transformed(name: str, transform: Transform) -> list[tuple[str, Any]]:
    """The names and data of the events that a transform makes of a recorded stream."""
    return [(each.name, each.data) for each in transform(recorded(name))]


def reply(name: str, transform: Transform) -> dict[str, Any]:
    """The result alone."""
    kind, data = transformed(name, transform)[-1]
    assert kind == "result"
    result: dict[str, Any] = data["result"]
    return result


def text(piece: str, channel: str = "text") -> tuple[str, Any]:
    """A `delta`."""
    return "delta", {"text": piece, "channel": channel}


def test_a_chat() -> None:
    """The text arrives piece by piece, the usage and the result at the end."""
    usage = {"input_tokens": 19, "output_tokens": 10, "cached_tokens": 4, "reasoning_tokens": 6}
    assert transformed("openai_chat", from_openai) == [
        text("Hello"),
        text(", \u2028wörld"),
        text("!"),
        ("usage", usage),
        (
            "result",
            {
                "result": {
                    "model": "gpt-5-mini-2025-08-07",
                    "text": "Hello, \u2028wörld!",
                    "thinking": None,
                    "refusal": None,
                    "tool_calls": [],
                    "citations": [],
                    "finish_reason": "stop",
                    "usage": usage,
                }
            },
        ),
    ]


def test_tool_calls_of_a_chat() -> None:
    """The pieces of several calls may be mixed; each call is one event, once it is complete."""
    calls = [
        {"id": "call_a", "name": "weather", "arguments": {"city": "Bern"}},
        {"id": "call_b", "name": "holidays", "arguments": {"year": 2026}},
    ]
    assert [data for name, data in transformed("openai_chat_tools", from_openai) if name == "tool_call"] == calls
    assert reply("openai_chat_tools", from_openai)["tool_calls"] == calls


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("openai_chat_function_call", {"tool_calls": [{"id": None, "name": "weather", "arguments": {"city": "Bern"}}]}),
        ("openai_chat_refusal", {"refusal": "I can't help with that.", "text": None}),
        ("openai_chat_reasoning_content", {"thinking": "Two and two.", "text": "Four."}),
        ("openai_chat_reasoning", {"thinking": "Two and two.", "text": "Four.", "finish_reason": "length"}),
        ("openai_chat_choices", {"text": "Heads"}),
        ("openai_completion", {"text": "Once upon a time", "finish_reason": "length"}),
        ("openai_responses_incomplete", {"text": "On and on", "finish_reason": "max_output_tokens"}),
    ],
)
def test_other_replies_of_openai(name: str, expected: dict[str, Any]) -> None:
    """The result holds whatever else a reply may consist of."""
    result = reply(name, from_openai)
    assert {key: result[key] for key in expected} == expected


def test_a_chat_with_more_than_text() -> None:
    """Further choices, audio and citations become events of their own."""
    assert ("choice", {"index": 1, "text": "Tails"}) in transformed("openai_chat_choices", from_openai)
    names = [name for name, _ in transformed("openai_chat_audio", from_openai)]
    assert names == ["audio", "audio", "audio", "citation", "result"]


def test_responses() -> None:
    """Thinking, text, tools of the service and of the caller, citations, refusals, and the usage."""
    events = transformed("openai_responses", from_openai)
    pieces = [data for name, data in events if name == "delta"]
    assert [(piece["channel"], piece["text"]) for piece in pieces] == [
        ("thinking", "In short: "),
        ("thinking", "two and two."),
        ("text", "Fo"),
        ("text", "ur."),
    ]
    result = events[-1][1]["result"]
    assert result["tool_calls"] == [
        {"id": "call_a", "name": "weather", "arguments": {"city": "Bern"}},
        {"id": "call_b", "name": "run", "arguments": "ls -l"},
    ]
    assert [data["type"] for name, data in events if name == "tool_result"] == [
        "web_search_call",
        "code_interpreter_call",
    ]
    assert (result["refusal"], result["finish_reason"], result["citations"][0]["url"]) == (
        "No more.",
        "completed",
        "https://example.org/",
    )
    assert result["usage"] == {"input_tokens": 36, "output_tokens": 87, "cached_tokens": 5, "reasoning_tokens": 40}
    assert ("progress", {"message": "web search: searching", "step": "web_search_call"}) in events


def test_every_event_of_the_responses_is_known() -> None:
    """Each type that the service's own package knows is in a recording, or passes unchanged."""
    names = {event.name for path in RECORDED.glob("openai_responses*.sse") for event in recorded(path.stem)}
    names |= {"error"}  # which a run passes on as `upstream_error`
    for kind in response_types() - names:
        original = event(kind, {"type": kind})
        assert next(from_openai([original])) is original, kind


def test_only_known_events_are_dropped() -> None:
    """What is dropped as a repetition is an event of that service, so that a new one never is."""
    assert response_types() >= REPEATED


def response_types() -> set[str]:
    """The types of events of the Responses API, as the service's own package has them."""
    union, *_ = get_args(ResponseStreamEvent)
    return {get_args(kind.model_fields["type"].annotation)[0] for kind in get_args(union)}


@pytest.mark.parametrize("path", sorted(RECORDED.glob("openai_*.sse")), ids=lambda path: path.stem)
def test_the_recordings_are_valid(path: Path) -> None:
    """The service's own package accepts their events."""
    chunks, responses = TypeAdapter(ChatCompletionChunk), TypeAdapter[Any](ResponseStreamEvent)
    for message in Parser().feed(path.read_bytes()):
        if message.data == "[DONE]" or '"error":{"message"' in message.data or "completion" in path.stem:
            continue
        kind = chunks if message.event == "message" else responses
        kind.validate_json(message.data)


def test_anthropic() -> None:
    """Thinking, text, tools, citations and usage; pings are dropped, results of the service's tools pass."""
    events = transformed("anthropic", from_anthropic)
    assert [name for name, _ in events] == [
        *("delta", "delta"),
        *("delta", "delta", "citation"),
        *("tool_call", "tool_result", "tool_call", "tool_call"),
        *("usage", "result"),
    ]
    result = events[-1][1]["result"]
    assert (result["thinking"], result["text"], result["finish_reason"]) == ("Two and two.", "Four.", "tool_use")
    assert result["usage"] == {"input_tokens": 25, "output_tokens": 15, "cached_tokens": 7}
    assert [(call["name"], call["arguments"]) for call in result["tool_calls"]] == [
        ("web_search", {"query": "sum"}),
        ("weather", {"city": "Bern"}),
        ("now", {}),
    ]


def test_the_content_of_anthropic() -> None:
    """The blocks are complete, so that a conversation can go on with them."""
    content = reply("anthropic", from_anthropic)["content"]
    assert [block["type"] for block in content] == [
        "thinking",
        "redacted_thinking",
        "text",
        "server_tool_use",
        "web_search_tool_result",
        "tool_use",
        "tool_use",
        "container_upload",
    ]
    assert content[0] == {"type": "thinking", "thinking": "Two and two.", "signature": "EqQBCg=="}
    assert content[5] == {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Bern"}}


def test_unknown_events_pass() -> None:
    """Events and pieces that the service adds later are passed on unchanged."""
    events = transformed("anthropic_unknown", from_anthropic)
    assert [name for name, _ in events] == ["delta", "content_block_delta", "fresh_news", "usage", "result"]
    assert transformed("anthropic_refusal", from_anthropic)[-1][1]["result"]["finish_reason"] == "refusal"


@pytest.mark.parametrize(
    ("name", "transform", "code", "message", "retryable"),
    [
        ("openai_chat_error", from_openai, "upstream_failed", "The server had an error", True),
        ("openai_responses_failed", from_openai, "upstream_failed", "The model failed", True),
        ("openai_responses_error", from_openai, "upstream_failed", "Slow down.", True),
        ("anthropic_error", from_anthropic, "upstream_failed", "Overloaded", True),
        ("openai_chat_cut", from_openai, "upstream_truncated", "ended before", True),
        ("openai_responses_cut", from_openai, "upstream_truncated", "ended before", True),
        ("anthropic_cut", from_anthropic, "upstream_truncated", "ended before", True),
    ],
)
def test_failures(name: str, transform: Transform, code: str, message: str, retryable: bool) -> None:
    """An error, or an end without the last event, fails the run after the events before it."""
    events = transform(recorded(name))
    seen: list[Any] = []
    with pytest.raises(OperationError) as raised:
        seen.extend(events)
    assert (raised.value.code, raised.value.retryable) == (code, retryable)
    assert message in raised.value.message


def test_an_error_of_the_request_is_not_retryable() -> None:
    """A wrong request stays wrong."""
    bad = event("message", {"error": {"message": "Unknown model.", "type": "invalid_request_error", "code": None}})
    with pytest.raises(OperationError) as raised:
        next(from_openai([bad]))
    assert not raised.value.retryable


@pytest.mark.parametrize("transform", [from_openai, from_anthropic])
def test_rubbish_passes(transform: Transform) -> None:
    """Events of neither dialect are no error."""
    rubbish = [event("message", "no JSON"), event("message", "[1]"), event("message", {"what": "ever"})]
    events = transform(iter(rubbish))
    assert [next(events) for _ in rubbish] == rubbish


def test_arguments_that_are_no_json() -> None:
    """They stay the text that they are."""
    choice = {"index": 0, "finish_reason": "length"}
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": '{"city": "Be'}}
    chunk = event("message", {"choices": [{**choice, "delta": {"tool_calls": [call]}}]})
    made, *_ = from_openai([chunk, event("message", "[DONE]")])
    assert made.data["arguments"] == '{"city": "Be'
