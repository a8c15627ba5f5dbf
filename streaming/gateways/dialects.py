"""What language models stream, in Headway's words: transforms for gateways to OpenAI's and Anthropic's services.

    chat = gateway("https://api.openai.com/v1/chat/completions", through=[from_openai], auth=bearer_key)

Both dialects come out as the same events, so that one page shows either:

    delta        `text`, on the channel `text` or `thinking`
    refusal      `text` in which the model says why it will not answer
    tool_call    `id`, `name`, `arguments` (decoded; the text where it is no JSON), once they are whole
    tool_result  what a tool that runs at the service gave, as it came
    citation     a source of the text, as it came
    usage        `input_tokens`, `output_tokens`; where told, `cached_tokens` and `reasoning_tokens`

and at the end the run's result: `{model, text, thinking, refusal, tool_calls, citations, finish_reason, usage}`, where
`finish_reason` is the service's own word. An error in the middle ends the run in `upstream_failed`, a stream without
its ending in `upstream_truncated`. What a service sends beyond this passes as it came, but for what says nothing to a
viewer: pings, log probabilities, and the repetitions of what has been streamed already.

Sources: https://platform.openai.com/docs/api-reference/chat-streaming, .../responses-streaming, and
https://docs.anthropic.com/en/docs/build-with-claude/streaming.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from ..errors import OperationError
from ..protocol.events import Event, delta, event, progress
from .gateway import result

Data = Mapping[str, Any]

TRANSIENT: Final = ("overloaded", "rate_limit", "server_error", "api_error", "timeout", "unavailable")
"""Parts of an error's type that say that another attempt may do better."""

DONE: Final = "[DONE]"


@dataclass
class Reply:
    """A model's reply as far as it has come."""

    model: str | None = None
    text: list[str] = field(default_factory=list)
    thinking: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    citations: list[Any] = field(default_factory=list)
    finish_reason: str | None = None
    usage: dict[str, int] = field(default_factory=dict)
    ended: bool = False

    def say(self, text: Any) -> Iterator[Event]:
        """The next piece of the text."""
        if text:
            self.text.append(text)
            yield delta(text)

    def think(self, text: Any) -> Iterator[Event]:
        """The next piece of the thinking."""
        if text:
            self.thinking.append(text)
            yield delta(text, "thinking")

    def refuse(self, text: Any) -> Iterator[Event]:
        """The next piece of a refusal."""
        if text:
            self.refusal.append(text)
            yield event("refusal", {"text": text})

    def call(self, id: str | None, name: str, arguments: Any) -> Iterator[Event]:
        """A tool call whose arguments are whole."""
        made = {"id": id, "name": name, "arguments": _decoded(arguments)}
        self.tool_calls.append(made)
        yield event("tool_call", made)

    def cite(self, source: Any) -> Iterator[Event]:
        """A source of the text."""
        self.citations.append(source)
        yield event("citation", source if isinstance(source, dict) else {"citation": source})

    def spend(self, usage: Data) -> None:
        """What it has cost so far; later figures take the place of earlier ones."""
        for name, places in _USAGE.items():
            for place in places:
                found = _at(usage, place)
                if isinstance(found, int):
                    self.usage[name] = found

    def end(self) -> Iterator[Event]:
        """The last events, or the failure of a reply that has no ending."""
        if not self.ended:
            message = "The model's stream ended before its reply did."
            raise OperationError("upstream_truncated", message, retryable=True)
        if self.usage:
            yield event("usage", self.usage)
        joined = {name: "".join(getattr(self, name)) for name in ("text", "thinking", "refusal")}
        yield result(
            {
                "model": self.model,
                **{name: text or None for name, text in joined.items()},
                "tool_calls": self.tool_calls,
                "citations": self.citations,
                "finish_reason": self.finish_reason,
                "usage": self.usage or None,
            }
        )


def from_openai(events: Iterable[Event]) -> Iterator[Any]:
    """Chat completions and Responses, of OpenAI and of those who speak as it does; a transform for `gateway`.

    Of several choices (`n`) the first is the text; the others come as `choice` events, `{index, text}`. Thinking is
    what `reasoning_content` or `reasoning` holds, as DeepSeek's, vLLM's and llama.cpp's servers send it.
    """
    reply = Reply()
    calls: dict[int, dict[str, Any]] = {}
    for came in events:
        data = came.data
        if data == DONE:
            reply.ended = True
        elif not isinstance(data, dict):
            yield came
        elif came.name in ("error", "upstream_error") or data.get("type") == "error" or data.get("error"):
            raise _failure(data.get("error") or data)
        elif "choices" in data:
            yield from _chunk(reply, calls, data)
        else:
            yield from _responses_event(reply, str(data.get("type", came.name)), data, came)
    yield from _whole_calls(reply, calls)
    yield from reply.end()


def from_anthropic(events: Iterable[Event]) -> Iterator[Any]:
    """Anthropic's messages; a transform for `gateway`.

    Beside what the module tells, the result holds `content`: the reply's blocks as a message to send back takes them,
    with the signatures of the thinking.
    """
    reply = Reply()
    blocks: dict[int, dict[str, Any]] = {}
    for came in events:
        data = came.data
        if came.name in ("error", "upstream_error"):
            raise _failure(data.get("error") if isinstance(data, dict) else {"message": str(data)})
        take = _ANTHROPIC.get(came.name)
        if take is not None and isinstance(data, dict):
            yield from take(reply, blocks, data, came)
        elif came.name != "ping":
            yield came
    for last in reply.end():
        yield last if last.name != "result" else _with_content(last, blocks)


# -- OpenAI: chat completions ---------------------------------------------------------------------------------------


def _chunk(reply: Reply, calls: dict[int, dict[str, Any]], data: Data) -> Iterator[Event]:
    reply.model = data.get("model") or reply.model
    reply.spend(data.get("usage") or {})
    for choice in data["choices"]:
        said = choice.get("delta") or {}
        if choice.get("index"):
            if said.get("content"):
                yield event("choice", {"index": choice["index"], "text": said["content"]})
            continue
        yield from reply.think(said.get("reasoning_content") or said.get("reasoning"))
        yield from reply.say(said.get("content") or choice.get("text"))
        yield from reply.refuse(said.get("refusal"))
        for source in said.get("annotations") or ():
            yield from reply.cite(source)
        if said.get("audio"):
            yield event("audio", said["audio"])
        _gather_calls(calls, said)
        if choice.get("finish_reason"):
            reply.finish_reason = choice["finish_reason"]
            yield from _whole_calls(reply, calls)


def _gather_calls(calls: dict[int, dict[str, Any]], said: Data) -> None:
    pieces = list(said.get("tool_calls") or ())
    if said.get("function_call"):  # the form before there were tools
        pieces.append({"index": 0, "function": said["function_call"]})
    for piece in pieces:
        call = calls.setdefault(piece.get("index", len(calls)), {"id": None, "name": "", "arguments": ""})
        # Custom tools have an `input` where functions have `arguments`.
        told = piece.get("function") or piece.get("custom") or {}
        call["id"] = piece.get("id") or call["id"]
        call["name"] = told.get("name") or call["name"]
        call["arguments"] += told.get("arguments") or told.get("input") or ""


def _whole_calls(reply: Reply, calls: dict[int, dict[str, Any]]) -> Iterator[Event]:
    for index in sorted(calls):
        call = calls.pop(index)
        yield from reply.call(call["id"], call["name"], call["arguments"])


# -- OpenAI: responses ----------------------------------------------------------------------------------------------


def _responses_event(reply: Reply, kind: str, data: Data, came: Event) -> Iterator[Event]:
    if kind in _PIECES:
        yield from _PIECES[kind](reply, data.get("delta"))
    elif kind == "response.output_item.done":
        yield from _item(reply, data.get("item") or {})
    elif kind == "response.output_text.annotation.added":
        yield from reply.cite(data.get("annotation"))
    elif kind in ("response.completed", "response.incomplete", "response.failed"):
        _settle(reply, data.get("response") or {})
    elif kind == "response.queued":
        yield progress("Queued at the model's service.")
    elif _STAGE.fullmatch(kind):
        yield _stage(kind)
    elif kind not in _REPEATED:
        yield came


def _item(reply: Reply, item: Data) -> Iterator[Event]:
    """A whole item of the output: of messages and reasoning every piece has been streamed."""
    kind = item.get("type")
    if kind in ("function_call", "custom_tool_call"):
        arguments = item.get("arguments") if kind == "function_call" else item.get("input")
        yield from reply.call(item.get("call_id"), item.get("name", ""), arguments)
    elif kind not in ("message", "reasoning"):
        yield event("tool_result", {key: value for key, value in item.items() if key != "timestamp"})


def _settle(reply: Reply, response: Data) -> None:
    if response.get("status") == "failed" or response.get("error"):
        raise _failure(response.get("error") or {})
    reply.ended = True
    reply.model = response.get("model")
    reply.finish_reason = (response.get("incomplete_details") or {}).get("reason") or response.get("status")
    reply.spend(response.get("usage") or {})


def _stage(kind: str) -> Event:
    """How far a tool at the service is: `response.web_search_call.searching`."""
    _, tool, stage = kind.split(".", 2)
    return progress(f"{tool.removesuffix('_call').replace('_', ' ')}: {stage.replace('_', ' ')}", step=tool)


_STAGE: Final = re.compile(
    r"response\.(\w+_call|mcp_list_tools)\.(in_progress|searching|interpreting|generating|completed|failed)"
)

_PIECES: Final[Mapping[str, Callable[[Reply, Any], Iterator[Event]]]] = {
    "response.output_text.delta": Reply.say,
    "response.reasoning_text.delta": Reply.think,
    "response.reasoning_summary_text.delta": Reply.think,
    "response.refusal.delta": Reply.refuse,
}

_REPEATED: Final = frozenset(
    {
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.content_part.done",
        "response.output_text.done",
        "response.refusal.done",
        "response.reasoning_text.done",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_part.done",
        "response.reasoning_summary_text.done",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.custom_tool_call_input.delta",
        "response.custom_tool_call_input.done",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.code_interpreter_call_code.delta",
        "response.code_interpreter_call_code.done",
    }
)
"""What frames, or repeats, what other events carry."""


# -- Anthropic ------------------------------------------------------------------------------------------------------

Blocks = dict[int, dict[str, Any]]


def _message_start(reply: Reply, blocks: Blocks, data: Data, came: Event) -> Iterator[Event]:
    message = data.get("message") or {}
    reply.model = message.get("model")
    reply.spend(message.get("usage") or {})
    yield from ()


def _block_start(reply: Reply, blocks: Blocks, data: Data, came: Event) -> Iterator[Event]:
    block = blocks[data["index"]] = dict(data.get("content_block") or {})
    if block.get("type") == "text":
        yield from reply.say(block.get("text"))
    elif block.get("type") == "thinking":
        yield from reply.think(block.get("thinking"))
    elif str(block.get("type")).endswith("_tool_result"):
        yield event("tool_result", block)


def _block_delta(reply: Reply, blocks: Blocks, data: Data, came: Event) -> Iterator[Event]:
    block, piece = blocks.setdefault(data["index"], {}), data.get("delta") or {}
    kind = piece.get("type")
    if kind == "text_delta":
        _grow(block, "text", piece["text"])
        yield from reply.say(piece["text"])
    elif kind == "thinking_delta":
        _grow(block, "thinking", piece["thinking"])
        yield from reply.think(piece["thinking"])
    elif kind == "signature_delta":
        _grow(block, "signature", piece["signature"])
    elif kind == "input_json_delta":
        _grow(block, "partial_json", piece["partial_json"])
    elif kind == "citations_delta":
        block.setdefault("citations", []).append(piece["citation"])
        yield from reply.cite(piece["citation"])
    else:
        yield came


def _block_stop(reply: Reply, blocks: Blocks, data: Data, came: Event) -> Iterator[Event]:
    block = blocks.get(data["index"], {})
    if str(block.get("type")).endswith("tool_use"):
        written = block.pop("partial_json", "")
        block["input"] = _decoded(written) if written else block.get("input", {})
        yield from reply.call(block.get("id"), block.get("name", ""), block["input"])


def _message_delta(reply: Reply, blocks: Blocks, data: Data, came: Event) -> Iterator[Event]:
    reply.finish_reason = (data.get("delta") or {}).get("stop_reason") or reply.finish_reason
    reply.spend(data.get("usage") or {})
    yield from ()


def _message_stop(reply: Reply, blocks: Blocks, data: Data, came: Event) -> Iterator[Event]:
    reply.ended = True
    yield from ()


_ANTHROPIC: Final[Mapping[str, Callable[[Reply, Blocks, Data, Event], Iterator[Event]]]] = {
    "message_start": _message_start,
    "content_block_start": _block_start,
    "content_block_delta": _block_delta,
    "content_block_stop": _block_stop,
    "message_delta": _message_delta,
    "message_stop": _message_stop,
}


def _grow(block: dict[str, Any], part: str, piece: str) -> None:
    block[part] = (block.get(part) or "") + piece


def _with_content(last: Event, blocks: Blocks) -> Event:
    return result({**last.data["result"], "content": [blocks[index] for index in sorted(blocks)]})


# -- both -----------------------------------------------------------------------------------------------------------

_USAGE: Final[Mapping[str, tuple[str, ...]]] = {
    "input_tokens": ("prompt_tokens", "input_tokens"),
    "output_tokens": ("completion_tokens", "output_tokens"),
    "cached_tokens": (
        "prompt_tokens_details.cached_tokens",
        "input_tokens_details.cached_tokens",
        "cache_read_input_tokens",
    ),
    "reasoning_tokens": (
        "completion_tokens_details.reasoning_tokens",
        "output_tokens_details.reasoning_tokens",
    ),
}
"""Where each service keeps a figure."""


def _at(usage: Any, place: str) -> Any:
    for part in place.split("."):
        usage = usage.get(part) if isinstance(usage, Mapping) else None
    return usage


def _decoded(arguments: Any) -> Any:
    """Arguments as JSON, or as they are: a model may have been cut short in them, or have written something else."""
    if not isinstance(arguments, str):
        return arguments
    try:
        return orjson.loads(arguments)
    except ValueError:
        return arguments


def _failure(said: Any) -> OperationError:
    error = said if isinstance(said, Mapping) else {"message": str(said)}
    kinds = " ".join(str(error.get(key) or "") for key in ("type", "code"))
    message = str(error.get("message") or "The model's service reported an error.")
    return OperationError("upstream_failed", message, retryable=any(word in kinds for word in TRANSIENT))
