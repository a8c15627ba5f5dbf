"""OpenAI's chat completions, and Responses."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, Iterable, Iterator, Mapping
from typing import Any, Final, Literal

from ...protocol.events import Event, event, progress
from ..endings import chat_choices, choices_of, kind_of
from ..thinking import ThinkingSplitter
from .reply import ERRORS, Data, Part, Reply, as_event, failure, tokens_in

DONE: Final = "[DONE]"


class OpenAIReply(Reply):
    """A reply in one of OpenAI's dialects, of its service or another, its client or LiteLLM's, LlamaIndex's or Agents'.

    A reply of several Responses, as of an agent, has the last one's `finish_reason` and the sum of their `usage`.
    """

    def __init__(self, stream: Iterable[Any] | AsyncIterable[Any]) -> None:
        super().__init__(stream)
        self._choices = chat_choices()
        self._splitter = ThinkingSplitter()
        self._calls: list[dict[str, Any]] = []
        self._has_deltas = False

    def _read(self, chunk: Any) -> Iterator[Event]:
        original = as_event(getattr(chunk, "chunk", chunk))  # `completions.stream()` has it beside what it has gathered
        data = original.data
        if isinstance(data, str) and data.strip() == DONE:
            self._ended = True
        elif not isinstance(data, dict):
            yield original
        elif _is_error(original, data):
            raise failure(data.get("error") or data)
        elif "choices" in data:
            yield from self._chunk(data)
        else:
            yield from self._response_event(kind_of(original.name, data), data, original)

    def _chunk(self, data: Data) -> Iterator[Event]:
        """The events to yield for the next chunk."""
        self.model = data.get("model") or self.model
        self.usage |= tokens_in(data.get("usage"))
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

    def _end(self) -> Iterator[Event]:
        yield from self._finish()
        self._ended = self._ended or self._choices.complete
        yield from super()._end()

    def _first_choice(self, choice: Data, piece: Data) -> Iterator[Event]:
        thinking = piece.get("reasoning_content") or piece.get("reasoning") or piece.get("reasoning_details")
        yield from self._add("thinking", "".join(text for _, text in _parts(thinking)))
        for part, text in _parts(piece.get("content")):
            for channel, split in [(part, text)] if part == "thinking" else self._splitter.feed(text):
                yield from self._add(channel, split)
        yield from self._add("text", choice.get("text"))
        yield from self._add("refusal", piece.get("refusal"))
        for source in piece.get("annotations") or ():
            yield from self._add_citation(source)
        if piece.get("audio"):
            yield event("audio", piece["audio"])
        self._extend_calls(piece)
        if choice.get("finish_reason"):
            self.finish_reason = choice["finish_reason"]
            yield from self._finish()

    def _finish(self) -> Iterator[Event]:
        for channel, text in self._splitter.end():
            yield from self._add(channel, text)
        for call in self._calls:
            yield from self._add_call(call["id"], call["name"], call["arguments"])
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

    def _response_event(self, kind: str, data: Data, original: Event) -> Iterator[Event]:
        if kind in _PIECES:
            yield from self._add(_PIECES[kind], data.get("delta"))
        elif kind == "response.output_item.done":
            yield from self._item(data.get("item") or {})
        elif kind == "response.output_text.annotation.added":
            yield from self._add_citation(data.get("annotation"))
        elif kind in ("response.completed", "response.incomplete", "response.failed"):
            self._end_response(data.get("response") or {})
        elif kind == "response.queued":
            yield progress("Queued at the model's service.")
        elif _TOOL_PROGRESS.fullmatch(kind):
            yield _tool_progress(kind)
        elif kind not in REPEATED and not kind.startswith(_GATHERED):
            yield original

    def _item(self, item: Data) -> Iterator[Event]:
        """A complete item of the output; messages and reasoning have been streamed piece by piece before it."""
        kind = item.get("type")
        if kind in ("function_call", "custom_tool_call"):
            arguments = item.get("arguments") if kind == "function_call" else item.get("input")
            yield from self._add_call(item.get("call_id"), item.get("name", ""), arguments)
        elif kind not in ("message", "reasoning"):
            yield event("tool_result", {key: value for key, value in item.items() if key != "timestamp"})

    def _end_response(self, response: Data) -> None:
        if response.get("status") == "failed" or response.get("error"):
            raise failure(response.get("error") or {})
        self._ended = True
        self.model = response.get("model")
        self.finish_reason = (response.get("incomplete_details") or {}).get("reason") or response.get("status")
        for name, tokens in tokens_in(response.get("usage")).items():
            self.usage[name] = self.usage.get(name, 0) + tokens


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


def _is_error(original: Event, data: Data) -> bool:
    kinds = (original.name, data.get("type"), data.get("object"))
    return bool(data.get("error")) or any(kind in ERRORS for kind in kinds)


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

REPEATED: Final = frozenset(
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

_GATHERED: Final = ("content.", "refusal.", "tool_calls.", "logprobs.")
"""Events in which OpenAI's client repeats what it has gathered of a chat."""
