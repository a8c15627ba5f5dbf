"""What LangChain, LangGraph and pydantic-ai stream, in objects of their own, whatever service they ask.

Nothing is imported from them: their objects are known by their fields.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Iterator
from typing import Any, Final

from ...protocol.events import Event, event
from .reply import Reply, tokens_in

REASONS: Final = ("finish_reason", "stop_reason", "done_reason", "status")
"""Where LangChain keeps the service's word for the end of a message."""

STATE_REASONS: Final = ("openai", "anthropic")
"""Services that always give one: without it, their stream was cut, which the frameworks do not tell from an end."""


class LangChainReply(Reply):
    """What a chat model's `stream` and `astream` give, and a LangGraph's with `stream_mode="messages"`.

    A graph's reply is that of all of its models: the texts one after another, and the sum of their `usage`.
    """

    def __init__(self, stream: Iterable[Any] | AsyncIterable[Any]) -> None:
        super().__init__(stream)
        self._message: str | None = None
        self._calls: Any = None  # the sum of the chunks with pieces of tool calls
        self._provider: str | None = None

    def _read(self, chunk: Any) -> Iterator[Event]:
        message = chunk[0] if isinstance(chunk, tuple) else chunk  # a graph gives its metadata beside it
        if message.type == "tool":
            yield event("tool_result", {"id": message.tool_call_id, "name": message.name, "content": message.text})
        elif message.type in ("AIMessageChunk", "ai"):
            if message.id != self._message:
                yield from self._finish()
                self._message = message.id
            yield from self._blocks(message)
            self._follow(message)

    def _blocks(self, message: Any) -> Iterator[Event]:
        for block in message.content_blocks:
            if block["type"] == "text":
                yield from self._add("text", block.get("text"))
                for source in block.get("annotations") or ():
                    yield from self._add_citation(source)
            elif block["type"] == "reasoning":
                yield from self._add("thinking", block.get("reasoning"))
            elif block["type"] == "server_tool_result":
                yield event("tool_result", block)
        if getattr(message, "tool_call_chunks", None):
            self._calls = message if self._calls is None else self._calls + message

    def _follow(self, message: Any) -> None:
        facts = message.response_metadata
        self._provider = facts.get("model_provider") or self._provider
        self.model = facts.get("model_name") or facts.get("model") or self.model
        self.finish_reason = next((facts[name] for name in REASONS if facts.get(name)), self.finish_reason)
        for name, tokens in tokens_in(message.usage_metadata).items():
            self.usage[name] = self.usage.get(name, 0) + tokens

    def _finish(self) -> Iterator[Event]:
        """The tool calls of a message, at its end."""
        for call in self._calls.tool_calls if self._calls is not None else ():
            yield from self._add_call(call["id"], call["name"], call["args"])
        self._calls = None

    def _end(self) -> Iterator[Event]:
        yield from self._finish()
        self._ended = self.finish_reason is not None or self._provider not in STATE_REASONS
        yield from super()._end()


class PydanticAIReply(Reply):
    """The events of pydantic-ai's `run_stream_events`; `output` is what its agent answers."""

    output: Any = None

    def _read(self, chunk: Any) -> Iterator[Event]:
        kind = chunk.event_kind
        if kind == "part_start":
            yield from self._piece(chunk.part.part_kind, getattr(chunk.part, "content", None))
        elif kind == "part_delta":
            yield from self._piece(chunk.delta.part_delta_kind, getattr(chunk.delta, "content_delta", None))
        elif kind == "function_tool_call":
            yield from self._add_call(chunk.part.tool_call_id, chunk.part.tool_name, chunk.part.args)
        elif kind == "function_tool_result":
            part = chunk.part
            yield event("tool_result", {"id": part.tool_call_id, "name": part.tool_name, "content": str(part.content)})
        elif kind == "agent_run_result":
            self._conclude(chunk.result)

    def _piece(self, kind: str, content: Any) -> Iterator[Event]:
        if kind in ("text", "thinking"):
            yield from self._add("text" if kind == "text" else "thinking", content)

    def _conclude(self, result: Any) -> None:
        self.output, response = result.output, result.response
        self.model, self.finish_reason = response.model_name, response.finish_reason
        # `response.finish_reason` is "stop" where the service has said nothing.
        stated = "finish_reason" in (response.provider_details or {})
        self._ended = stated or response.provider_name not in STATE_REASONS
        usage = result.usage
        figures = {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cached_tokens": usage.cache_read_tokens,
            "reasoning_tokens": usage.output_reasoning_tokens,
        }
        self.usage = {name: tokens for name, tokens in figures.items() if tokens}
