"""The streams of language models as Headway's events: transforms for gateways to OpenAI's and Anthropic's services.

    chat = gateway("https://api.openai.com/v1/chat/completions", through=[from_openai], auth=bearer_key)

Both dialects become the same events, so that one page shows either:

    delta        `text`, on the channel `text` or `thinking`
    refusal      `text`: why the model does not answer
    tool_call    `id`, `name` and `arguments` (decoded; the text where it is no JSON), once they are complete
    tool_result  the result of a tool that runs at the service, unchanged
    citation     a source of the text, unchanged
    usage        `input_tokens` and `output_tokens`; `cached_tokens` and `reasoning_tokens` where they are counted

and at the end the run's result: `{model, text, thinking, refusal, tool_calls, citations, finish_reason, usage}`, where
`finish_reason` is the service's own word. An error ends the run with `upstream_failed`, a stream without its last event
with `upstream_truncated`. Other events pass unchanged, except those that tell a viewer nothing: pings, log
probabilities, and repetitions of what has been streamed already.

Many services speak these dialects in ways of their own, which are understood alike: thinking in tags, in parts of the
content or beside it; calls without an index, with one index for several, or with their arguments as an object; a whole
`message` instead of deltas; no names of events; no `[DONE]`. `tests/gateways/test_shapes.py` has each of them.

Sources: https://platform.openai.com/docs/api-reference/chat-streaming, .../responses-streaming, and
https://docs.anthropic.com/en/docs/build-with-claude/streaming.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import orjson

from ..errors import OperationError
from ..protocol.events import Event, delta, event, progress, result
from .endings import chat_choices, choices_of, kind_of
from .thinking import ThinkingSplitter

Data = Mapping[str, Any]
Blocks = dict[int, dict[str, Any]]
Part = Literal["text", "thinking", "refusal"]

TRANSIENT: Final = ("overloaded", "rate_limit", "server_error", "api_error", "timeout", "unavailable")
"""Parts of the types of errors after which another attempt may succeed."""

RETRYABLE: Final = frozenset({408, 409, 425, 429, *range(500, 600)})
"""The statuses after which the same request may succeed later."""

DONE: Final = "[DONE]"
ERRORS: Final = ("error", "upstream_error")
MESSAGE_EVENTS: Final = ("message_start", "message_delta", "message_stop")


@dataclass
class Reply:
    """A model's reply so far; each method adds to it, and gives the events to yield."""

    model: str | None = None
    pieces: Mapping[Part, list[str]] = field(default_factory=lambda: {"text": [], "thinking": [], "refusal": []})
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    citations: list[Any] = field(default_factory=list)
    finish_reason: str | None = None
    usage: dict[str, int] = field(default_factory=dict)
    ended: bool = False

    def add(self, part: Part, text: Any) -> Iterator[Event]:
        """The next piece of the text, the thinking or a refusal."""
        if text:
            self.pieces[part].append(text)
            yield event("refusal", {"text": text}) if part == "refusal" else delta(text, part)

    def add_call(self, id: str | None, name: str, arguments: Any) -> Iterator[Event]:
        """A tool call with all of its arguments."""
        call = {"id": id, "name": name, "arguments": _decode(arguments)}
        self.tool_calls.append(call)
        yield event("tool_call", call)

    def add_citation(self, source: Any) -> Iterator[Event]:
        """A source of the text."""
        self.citations.append(source)
        yield event("citation", source if isinstance(source, dict) else {"citation": source})

    def set_usage(self, usage: Any) -> None:
        """The tokens so far; later figures replace earlier ones."""
        for name, paths in _USAGE.items():
            for path in paths:
                tokens = _value_at(usage, path)
                if isinstance(tokens, int):
                    self.usage[name] = tokens

    def used(self) -> Iterator[Event]:
        """The usage, if the service has reported any."""
        if self.usage:
            yield event("usage", self.usage)

    def end(self) -> Iterator[Event]:
        """The last events. Raises `OperationError` for a reply that has not ended."""
        if not self.ended:
            message = "The model's stream ended before its reply did."
            raise OperationError("upstream_truncated", message, retryable=True)
        yield from self.used()
        yield result(
            {
                "model": self.model,
                **{part: "".join(pieces) or None for part, pieces in self.pieces.items()},
                "tool_calls": self.tool_calls,
                "citations": self.citations,
                "finish_reason": self.finish_reason,
                "usage": self.usage or None,
            }
        )


def from_openai(events: Iterable[Event]) -> Iterator[Any]:
    """Chat completions and Responses, of OpenAI and of services with the same API; a transform for `gateway`.

    Of several choices (`n`) the first is the text; the others become `choice` events, `{index, text}`. Thinking is read
    from `reasoning_content`, `reasoning` and `thinking` parts, and from the tags that `ThinkingSplitter` knows. A reply
    has ended with `[DONE]`, or once each of its choices has a `finish_reason`.
    """
    reply = Reply()
    yield from _with_usage(_read_openai(events, reply), reply)


def _read_openai(events: Iterable[Event], reply: Reply) -> Iterator[Any]:
    chat = Chat(reply)
    for original in events:
        data = original.data
        if isinstance(data, str) and data.strip() == DONE:
            reply.ended = True
        elif not isinstance(data, dict):
            yield original
        elif _is_error(original, data):
            raise _failure(data.get("error") or data)
        elif "choices" in data:
            yield from chat.chunk(data)
        else:
            yield from _responses_event(reply, kind_of(original.name, data), data, original)
    yield from chat.end()
    yield from reply.end()


def from_anthropic(events: Iterable[Event]) -> Iterator[Any]:
    """Anthropic's messages; a transform for `gateway`.

    The result has one more member, `content`: the blocks of the reply in the form in which a later request sends them
    back, with the signatures of the thinking.
    """
    reply = Reply()
    yield from _with_usage(_read_anthropic(events, reply), reply)


def _read_anthropic(events: Iterable[Event], reply: Reply) -> Iterator[Any]:
    blocks: Blocks = {}
    for original in events:
        data = original.data
        name = kind_of(original.name, data) if isinstance(data, dict) else original.name
        if name in ERRORS:
            raise _failure(data.get("error") if isinstance(data, dict) else data)
        if name in MESSAGE_EVENTS and isinstance(data, dict):
            _update(reply, name, data)
        elif name in _BLOCK_EVENTS and isinstance(data, dict):
            yield from _BLOCK_EVENTS[name](reply, blocks, data, original)
        elif name != "ping":
            yield original
    for last in reply.end():
        yield last if last.name != "result" else _with_content(last, blocks)


def _with_usage(read: Iterator[Any], reply: Reply) -> Iterator[Any]:
    """What was read of a reply; one that has failed has used tokens too."""
    try:
        yield from read
    except OperationError:
        yield from reply.used()
        raise


# -- OpenAI: chat completions ---------------------------------------------------------------------------------------


class Chat:
    """The chunks of a chat, added to a reply."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self._choices = chat_choices()
        self._splitter = ThinkingSplitter()
        self._calls: list[dict[str, Any]] = []
        self._has_deltas = False

    def chunk(self, data: Data) -> Iterator[Event]:
        """The events to yield for the next chunk."""
        self.reply.model = data.get("model") or self.reply.model
        self.reply.set_usage(data.get("usage"))
        self._choices.follow_data(data)
        for choice in choices_of(data):
            piece = choice.get("delta") or {}
            self._has_deltas = self._has_deltas or bool(piece)
            if not self._has_deltas:
                piece = choice.get("message") or {}
            if choice.get("index"):
                if text := "".join(text for _, text in _parts(piece.get("content") or choice.get("text"))):
                    yield event("choice", {"index": choice["index"], "text": text})
            else:
                yield from self._first_choice(choice, piece)

    def end(self) -> Iterator[Event]:
        """The events to yield at the end of the stream."""
        yield from self._finish()
        self.reply.ended = self.reply.ended or self._choices.complete

    def _first_choice(self, choice: Data, piece: Data) -> Iterator[Event]:
        reply = self.reply
        thinking = piece.get("reasoning_content") or piece.get("reasoning") or piece.get("reasoning_details")
        yield from reply.add("thinking", "".join(text for _, text in _parts(thinking)))
        for part, text in _parts(piece.get("content")):
            for channel, split in [(part, text)] if part == "thinking" else self._splitter.feed(text):
                yield from reply.add(channel, split)
        yield from reply.add("text", choice.get("text"))
        yield from reply.add("refusal", piece.get("refusal"))
        for source in piece.get("annotations") or ():
            yield from reply.add_citation(source)
        if piece.get("audio"):
            yield event("audio", piece["audio"])
        self._extend_calls(piece)
        if choice.get("finish_reason"):
            reply.finish_reason = choice["finish_reason"]
            yield from self._finish()

    def _finish(self) -> Iterator[Event]:
        for channel, text in self._splitter.end():
            yield from self.reply.add(channel, text)
        for call in self._calls:
            yield from self.reply.add_call(call["id"], call["name"], call["arguments"])
        self._calls.clear()

    def _extend_calls(self, piece: Data) -> None:
        pieces = [each for each in piece.get("tool_calls") or () if isinstance(each, Mapping)]
        if piece.get("function_call"):  # the older form, before there were tools
            pieces.append({"index": 0, "function": piece["function_call"]})
        for call_piece in pieces:
            call = self._call_of(call_piece)
            # Custom tools have an `input` where functions have `arguments`.
            tool = call_piece.get("function") or call_piece.get("custom") or {}
            call["id"] = call["id"] or call_piece.get("id")
            name, arguments = tool.get("name") or "", tool.get("arguments") or tool.get("input") or ""
            if name != call["name"] and not call["arguments"]:  # some repeat it, some send it in pieces
                call["name"] += name
            if not isinstance(arguments, str):
                call["arguments"] = arguments
            elif isinstance(call["arguments"], str):
                call["arguments"] += arguments

    def _call_of(self, piece: Data) -> dict[str, Any]:
        """The call that a piece goes on with, or a new one: where another id comes, whatever the index."""
        index, call_id = piece.get("index"), piece.get("id")
        same = [call for call in self._calls if index is None or call["index"] == index]
        if same and (not call_id or same[-1]["id"] in {None, call_id}):
            return same[-1]
        self._calls.append({"index": index, "id": None, "name": "", "arguments": ""})
        return self._calls[-1]


def _parts(value: Any, part: Literal["text", "thinking"] = "text") -> Iterator[tuple[Literal["text", "thinking"], str]]:
    """The texts in a content or a reasoning, which some services send as an object, or as a list of parts."""
    if isinstance(value, str):
        if value:
            yield part, value
    elif isinstance(value, Mapping):
        inner: Literal["text", "thinking"] = "thinking" if value.get("type") in ("thinking", "reasoning") else part
        for key in ("thinking", "text", "content", "summary"):
            yield from _parts(value.get(key), inner)
    elif isinstance(value, list):
        for entry in value:
            yield from _parts(entry, part)


# -- OpenAI: responses ----------------------------------------------------------------------------------------------


def _responses_event(reply: Reply, kind: str, data: Data, original: Event) -> Iterator[Event]:
    if kind in _PIECES:
        yield from reply.add(_PIECES[kind], data.get("delta"))
    elif kind == "response.output_item.done":
        yield from _item(reply, data.get("item") or {})
    elif kind == "response.output_text.annotation.added":
        yield from reply.add_citation(data.get("annotation"))
    elif kind in ("response.completed", "response.incomplete", "response.failed"):
        _end_response(reply, data.get("response") or {})
    elif kind == "response.queued":
        yield progress("Queued at the model's service.")
    elif _TOOL_PROGRESS.fullmatch(kind):
        yield _tool_progress(kind)
    elif kind not in _REPEATED:
        yield original


def _item(reply: Reply, item: Data) -> Iterator[Event]:
    """A complete item of the output; messages and reasoning have been streamed piece by piece before it."""
    kind = item.get("type")
    if kind in ("function_call", "custom_tool_call"):
        arguments = item.get("arguments") if kind == "function_call" else item.get("input")
        yield from reply.add_call(item.get("call_id"), item.get("name", ""), arguments)
    elif kind not in ("message", "reasoning"):
        yield event("tool_result", {key: value for key, value in item.items() if key != "timestamp"})


def _end_response(reply: Reply, response: Data) -> None:
    if response.get("status") == "failed" or response.get("error"):
        raise _failure(response.get("error") or {})
    reply.ended = True
    reply.model = response.get("model")
    reply.finish_reason = (response.get("incomplete_details") or {}).get("reason") or response.get("status")
    reply.set_usage(response.get("usage"))


def _tool_progress(kind: str) -> Event:
    """The progress of a tool at the service, such as `response.web_search_call.searching`."""
    _, tool, stage = kind.split(".", 2)
    return progress(f"{tool.removesuffix('_call').replace('_', ' ')}: {stage.replace('_', ' ')}", step=tool)


_TOOL_PROGRESS: Final = re.compile(
    r"response\.(\w+_call|mcp_list_tools)\.(in_progress|searching|interpreting|generating|completed|failed)"
)

_PIECES: Final[Mapping[str, Part]] = {
    "response.output_text.delta": "text",
    "response.reasoning_text.delta": "thinking",
    "response.reasoning_summary_text.delta": "thinking",
    "response.refusal.delta": "refusal",
}

_REPEATED: Final = frozenset(
    f"response.{name}"
    for name in (
        *("created", "in_progress", "output_item.added", "content_part.added", "content_part.done"),
        *("output_text.done", "refusal.done", "reasoning_text.done", "reasoning_summary_text.done"),
        *("reasoning_summary_part.added", "reasoning_summary_part.done"),
        *("function_call_arguments.delta", "function_call_arguments.done"),
        *("custom_tool_call_input.delta", "custom_tool_call_input.done"),
        *("mcp_call_arguments.delta", "mcp_call_arguments.done"),
        *("code_interpreter_call_code.delta", "code_interpreter_call_code.done"),
    )
)
"""Events that announce, or repeat, the content of others."""


# -- Anthropic ------------------------------------------------------------------------------------------------------


def _update(reply: Reply, name: str, data: Data) -> None:
    message = data.get("message") or {}
    reply.model = message.get("model") or reply.model
    reply.finish_reason = (data.get("delta") or {}).get("stop_reason") or reply.finish_reason
    reply.set_usage(message.get("usage") or data.get("usage"))
    reply.ended = reply.ended or name == "message_stop"


def _block_start(reply: Reply, blocks: Blocks, data: Data, original: Event) -> Iterator[Event]:
    block = blocks[data["index"]] = dict(data.get("content_block") or {})
    if block.get("type") in ("text", "thinking"):
        yield from reply.add(block["type"], block.get(block["type"]))
    elif str(block.get("type")).endswith("_tool_result"):
        yield event("tool_result", block)


def _block_delta(reply: Reply, blocks: Blocks, data: Data, original: Event) -> Iterator[Event]:
    block, piece = blocks.setdefault(data["index"], {}), data.get("delta") or {}
    kind = piece.get("type")
    if kind == "text_delta":
        _append(block, "text", piece["text"])
        yield from reply.add("text", piece["text"])
    elif kind == "thinking_delta":
        _append(block, "thinking", piece["thinking"])
        yield from reply.add("thinking", piece["thinking"])
    elif kind == "signature_delta":
        _append(block, "signature", piece["signature"])
    elif kind == "input_json_delta":
        _append(block, "partial_json", piece["partial_json"])
    elif kind == "citations_delta":
        block.setdefault("citations", []).append(piece["citation"])
        yield from reply.add_citation(piece["citation"])
    else:
        yield original


def _block_stop(reply: Reply, blocks: Blocks, data: Data, original: Event) -> Iterator[Event]:
    block = blocks.get(data["index"], {})
    if str(block.get("type")).endswith("tool_use"):
        partial_json = block.pop("partial_json", "")
        block["input"] = _decode(partial_json) if partial_json else block.get("input", {})
        yield from reply.add_call(block.get("id"), block.get("name", ""), block["input"])


_BLOCK_EVENTS: Final[Mapping[str, Callable[[Reply, Blocks, Data, Event], Iterator[Event]]]] = {
    "content_block_start": _block_start,
    "content_block_delta": _block_delta,
    "content_block_stop": _block_stop,
}


def _append(block: dict[str, Any], part: str, piece: str) -> None:
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
"""The paths of each figure in the usage of the services."""


def _value_at(usage: Any, path: str) -> Any:
    for part in path.split("."):
        usage = usage.get(part) if isinstance(usage, Mapping) else None
    return usage


def _decode(arguments: Any) -> Any:
    """Arguments as JSON, or as they are: a model may have been cut short in them, or have written something else."""
    if not isinstance(arguments, str):
        return arguments
    try:
        return orjson.loads(arguments)
    except ValueError:
        return arguments


def _is_error(original: Event, data: Data) -> bool:
    kinds = (original.name, data.get("type"), data.get("object"))
    return bool(data.get("error")) or any(kind in ERRORS for kind in kinds)


def _failure(value: Any) -> OperationError:
    error = value if isinstance(value, Mapping) else {"message": str(value)}
    words = [str(error.get(key) or "") for key in ("type", "code", "status")]
    statuses = {int(word) for word in words if word.isdecimal()}
    retryable = not statuses.isdisjoint(RETRYABLE) or any(kind in " ".join(words).lower() for kind in TRANSIENT)
    message = str(error.get("message") or "The model's service reported an error.")
    return OperationError("upstream_failed", message, retryable=retryable)
