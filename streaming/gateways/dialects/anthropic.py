"""Anthropic's messages."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Iterator
from typing import Any, Final

from ...protocol.events import Event, event
from ..endings import kind_of
from .reply import ERRORS, Data, Reply, as_event, decoded, failure, tokens_in

MESSAGE_EVENTS: Final = ("message_start", "message_delta", "message_stop")
BLOCK_EVENTS: Final = ("content_block_start", "content_block_delta", "content_block_stop")

REPEATED: Final = ("ping", "text", "thinking", "signature", "input_json", "citation")
"""Events that tell a viewer nothing: `messages.stream()` of Anthropic's client repeats what it has gathered."""


class AnthropicReply(Reply):
    """A reply in Anthropic's dialect, of its service, of another, or of its client."""

    def __init__(self, stream: Iterable[Any] | AsyncIterable[Any]) -> None:
        super().__init__(stream)
        self._blocks: dict[int, dict[str, Any]] = {}

    @property
    def content(self) -> list[dict[str, Any]]:
        """The blocks in the form in which a later request sends them back, with the signatures of the thinking."""
        return [self._blocks[index] for index in sorted(self._blocks)]

    @property
    def result(self) -> dict[str, Any]:
        return super().result | {"content": self.content}

    def _read(self, chunk: Any) -> Iterator[Event]:
        original = as_event(chunk)
        data = original.data
        name = kind_of(original.name, data) if isinstance(data, dict) else original.name
        if name in ERRORS:
            raise failure(data.get("error") if isinstance(data, dict) else data)
        if name in MESSAGE_EVENTS and isinstance(data, dict):
            self._update(name, data)
        elif name in BLOCK_EVENTS and isinstance(data, dict):
            yield from self._block(name, data, original)
        elif name not in REPEATED:
            yield original

    def _update(self, name: str, data: Data) -> None:
        message = data.get("message") or {}
        self.model = message.get("model") or self.model
        self.finish_reason = (data.get("delta") or {}).get("stop_reason") or self.finish_reason
        self.usage |= tokens_in(message.get("usage") or data.get("usage"))
        self._ended = self._ended or name == "message_stop"

    def _block(self, name: str, data: Data, original: Event) -> Iterator[Event]:
        if name == "content_block_start":
            block = self._blocks[data["index"]] = dict(data.get("content_block") or {})
            if block.get("type") in ("text", "thinking"):
                yield from self._add(block["type"], block.get(block["type"]))
            elif str(block.get("type")).endswith("_tool_result"):
                yield event("tool_result", block)
        elif name == "content_block_delta":
            yield from self._piece(self._blocks.setdefault(data["index"], {}), data.get("delta") or {}, original)
        else:
            block = self._blocks.get(data["index"], {})
            if str(block.get("type")).endswith("tool_use"):
                partial_json = block.pop("partial_json", "")
                block["input"] = decoded(partial_json) if partial_json else block.get("input", {})
                yield from self._add_call(block.get("id"), block.get("name", ""), block["input"])

    def _piece(self, block: dict[str, Any], piece: Data, original: Event) -> Iterator[Event]:
        kind = piece.get("type")
        if kind == "text_delta":
            _append(block, "text", piece["text"])
            yield from self._add("text", piece["text"])
        elif kind == "thinking_delta":
            _append(block, "thinking", piece["thinking"])
            yield from self._add("thinking", piece["thinking"])
        elif kind == "signature_delta":
            _append(block, "signature", piece["signature"])
        elif kind == "input_json_delta":
            _append(block, "partial_json", piece["partial_json"])
        elif kind == "citations_delta":
            block.setdefault("citations", []).append(piece["citation"])
            yield from self._add_citation(piece["citation"])
        else:
            yield original


def _append(block: dict[str, Any], part: str, piece: str) -> None:
    block[part] = (block.get(part) or "") + piece
