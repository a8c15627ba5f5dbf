"""The shapes that services send in OpenAI's and Anthropic's dialects, beyond what those two document."""

from __future__ import annotations

from typing import Any, Final

import pytest

from streaming import OperationError, event, from_anthropic, from_openai
from streaming.protocol.events import Event

END: Final = event("message", "[DONE]")


def chat(*pieces: dict[str, Any], finish: str | None = "stop") -> list[Event]:
    """The chunks of a chat with these deltas."""
    chunks = [event("message", {"choices": [{"index": 0, "delta": piece}]}) for piece in pieces]
    return [*chunks, event("message", {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})]


def calls(*pieces: dict[str, Any]) -> list[Event]:
    """The same, of pieces of tool calls."""
    return chat(*({"tool_calls": [piece]} for piece in pieces), finish="tool_calls")


def call(arguments: Any = None, name: str | None = None, **more: Any) -> dict[str, Any]:
    """A piece of a tool call."""
    return {"type": "function", "function": {"name": name, "arguments": arguments}, **more}


def result_of(events: list[Event]) -> dict[str, Any]:
    """The result that `from_openai` makes of a stream."""
    *_, last = from_openai(events)
    result: dict[str, Any] = last.data["result"]
    return result


def made(events: list[Event]) -> list[tuple[str | None, str, Any]]:
    """The calls in the result."""
    return [(each["id"], each["name"], each["arguments"]) for each in result_of(events)["tool_calls"]]


TWO: Final = [("a", "weather", {"city": "Bern"}), ("b", "time", {"zone": 1})]

CALLS: Final[dict[str, list[dict[str, Any]]]] = {
    "one index for two calls (Gemini, SGLang)": [
        call('{"city":"Bern"}', "weather", index=0, id="a"),
        call('{"zone":1}', "time", index=0, id="b"),
    ],
    "one index, in pieces": [
        call("", "weather", index=0, id="a"),
        call('{"city":"Bern"}', index=0),
        call("", "time", index=0, id="b"),
        call('{"zone":', index=0, id="b"),
        call("1}", index=0, id=""),
    ],
    "no index": [call('{"city":', "weather", id="a"), call('"Bern"}'), call('{"zone":1}', "time", id="b")],
    "index null": [
        call('{"city":"Bern"}', "weather", index=None, id="a"),
        call('{"zone":', "time", index=None, id="b"),
        call("1}", index=None, id="b"),
    ],
    "arguments as an object": [
        call({"city": "Bern"}, "weather", index=0, id="a"),
        call({"zone": 1}, "time", index=1, id="b"),
    ],
    "names in pieces": [
        call(None, "wea", index=0, id="a"),
        call(None, "ther", index=0),
        call('{"city":"Bern"}', index=0),
        call('{"zone":1}', "time", index=1, id="b"),
    ],
    "names that are repeated": [
        call("", "weather", index=0, id="a"),
        call('{"city":', "weather", index=0, id="a"),
        call('"Bern"}', "weather", index=0, id="a"),
        call('{"zone":1}', "time", index=1, id="b"),
    ],
    "pieces of two calls, mixed": [
        call('{"city":', "weather", index=0, id="a"),
        call('{"zone"', "time", index=1, id="b"),
        call('"Bern"}', index=0),
        call(":1}", index=1),
    ],
    "an id that comes late": [
        call('{"city":', "weather", index=0),
        call('"Bern"}', index=0, id="a"),
        call('{"zone":1}', "time", index=1, id="b"),
    ],
}


@pytest.mark.parametrize("shape", CALLS)
def test_tool_calls(shape: str) -> None:
    """Two calls, however a service spells them; each is an event once it is complete."""
    stream = calls(*CALLS[shape])
    assert made(stream) == TWO
    assert [each.data["id"] for each in from_openai(stream) if each.name == "tool_call"] == ["a", "b"]


REPLIES: Final[dict[str, list[dict[str, Any]]]] = {
    "`reasoning_content`": [{"reasoning_content": "Two."}, {"content": "Four."}],
    "`reasoning` as text": [{"reasoning": "Two."}, {"content": "Four."}],
    "`reasoning` as an object": [{"reasoning": {"content": "Two."}}, {"content": "Four."}],
    "`reasoning` as a list": [{"reasoning": [{"type": "text", "text": "Tw"}, "o."]}, {"content": "Four."}],
    "`reasoning_details`": [
        {"reasoning_details": [{"type": "reasoning.text", "text": "Two."}]},
        {"content": "Four."},
    ],
    "parts of the content (Mistral)": [
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Two."}]}]},
        {"content": [{"type": "text", "text": "Four."}]},
    ],
    "`<think>`": [{"content": "<thi"}, {"content": "nk>\nTwo."}, {"content": "</think>\n\nFo"}, {"content": "ur."}],
    "`[THINK]`": [{"content": "[THINK]Two.[/THI"}, {"content": "NK]Four."}],
    "`<thought>`": [{"content": "<thought>Two.</thought>Four."}],
    "`<reasoning>`": [{"content": "<reasoning>Two.</reasoning>Four."}],
    "harmony": [
        {"content": "<|channel|>analysis<|message|>Two.<|end|>"},
        {"content": "<|start|>assistant<|channel|>final<|mess"},
        {"content": "age|>Four.<|return|>"},
    ],
}


@pytest.mark.parametrize("shape", REPLIES)
def test_thinking(shape: str) -> None:
    """Thoughts and the answer, wherever a service puts them; in the deltas as in the result."""
    result = result_of(chat(*REPLIES[shape]))
    assert (result["thinking"], result["text"]) == ("Two.", "Four.")
    texts = {"thinking": "", "text": ""}
    for each in from_openai(chat(*REPLIES[shape])):
        if each.name == "delta":
            texts[each.data["channel"]] += each.data["text"]
    assert texts == {"thinking": "Two.", "text": "Four."}


def test_a_tag_that_is_text() -> None:
    """Later tags, and what only looks like the beginning of one at the end, belong to the text."""
    assert result_of(chat({"content": "Write <think> first."}))["text"] == "Write <think> first."
    assert result_of(chat({"content": "<thi"}))["text"] == "<thi"


def test_a_message_instead_of_deltas() -> None:
    """A server that does not stream sends one; beside deltas it repeats them."""
    whole = {"index": 0, "message": {"role": "assistant", "content": "Four."}, "finish_reason": "stop"}
    assert result_of([event("message", {"choices": [whole]})])["text"] == "Four."
    repeated = [*chat({"content": "Four."}, finish=None), event("message", {"choices": [whole]})]
    assert result_of(repeated)["text"] == "Four."


def test_choices_that_are_null() -> None:
    """As some servers send with the usage."""
    usage = event("message", {"choices": None, "usage": {"prompt_tokens": 3, "completion_tokens": 4}})
    assert result_of([*chat({"content": "a"}), usage])["usage"] == {"input_tokens": 3, "output_tokens": 4}


def test_several_choices() -> None:
    """The first one is the text, the others are events of their own; the reply ends when all have finished."""
    stream = chat({"content": "Heads"})
    other = event("message", {"choices": [{"index": 1, "delta": {"content": [{"type": "text", "text": "Tails"}]}}]})
    last = event("message", {"choices": [{"index": 1, "delta": {}, "finish_reason": "stop"}]})
    events = list(from_openai([*stream, other, last]))
    assert [each.data for each in events if each.name == "choice"] == [{"index": 1, "text": "Tails"}]
    assert events[-1].data["result"]["text"] == "Heads"
    with pytest.raises(OperationError) as raised:
        list(from_openai([*stream, other]))
    assert raised.value.code == "upstream_truncated"


@pytest.mark.parametrize("end", [[], [END], [event("message", "[DONE] ")], [event("message", " [DONE]\n")]])
def test_ends(end: list[Event]) -> None:
    """`[DONE]`, with or without blanks, or a `finish_reason` alone."""
    assert result_of([*chat({"content": "a"}), *end])["text"] == "a"
    if end:
        assert result_of([*chat({"content": "a"}, finish=None), *end])["text"] == "a"


@pytest.mark.parametrize(
    ("data", "retryable"),
    [
        ({"error": {"message": "no", "code": 429}}, True),
        ({"error": {"message": "no", "code": "503"}}, True),
        ({"error": {"message": "no", "code": 400}}, False),
        ({"error": {"message": "no", "status": "UNAVAILABLE", "code": 14}}, True),
        ({"object": "error", "message": "no", "code": 500}, True),
        ({"object": "error", "message": "no", "type": "BadRequestError", "code": 400}, False),
        ({"type": "error", "message": "no", "code": "rate_limit_exceeded"}, True),
        ({"error": "no"}, False),
    ],
)
def test_errors_in_the_middle(data: dict[str, Any], retryable: bool) -> None:
    """Its number, or its word, says whether another attempt may succeed."""
    stream = from_openai([*chat({"content": "a"}, finish=None), event("message", data), END])
    with pytest.raises(OperationError) as raised:
        list(stream)
    assert (raised.value.code, raised.value.message, raised.value.retryable) == ("upstream_failed", "no", retryable)


def test_anthropic_without_names() -> None:
    """Events that only their data names."""
    stream: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"model": "claude", "usage": {"input_tokens": 3, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Four."}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}},
        {"type": "message_stop"},
    ]
    events = list(from_anthropic([event("message", data) for data in stream]))
    assert [each.name for each in events] == ["delta", "usage", "result"]
    assert (events[-1].data["result"]["text"], events[-1].data["result"]["finish_reason"]) == ("Four.", "end_turn")
    failing = [*stream[:4], {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}]
    with pytest.raises(OperationError, match="Overloaded"):
        list(from_anthropic([event("message", data) for data in failing]))
