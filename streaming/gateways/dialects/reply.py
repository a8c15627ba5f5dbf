"""What a model replies, gathered from a stream while its events are passed on."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from typing import Any, Final, Literal

import orjson

from ...errors import OperationError
from ...protocol.events import Event, delta, event, make_event
from ..endings import kind_of

Data = Mapping[str, Any]
Part = Literal["text", "thinking", "refusal"]

TRANSIENT: Final = ("overloaded", "rate_limit", "server_error", "api_error", "timeout", "unavailable")
"""Parts of the types of errors after which another attempt may succeed."""

RETRYABLE: Final = frozenset({408, 409, 425, 429, *range(500, 600)})
"""The statuses after which the same request may succeed later."""

ERRORS: Final = ("error", "upstream_error")


class Reply(ABC, Iterable[Event], AsyncIterable[Event]):
    """A model's reply: iterating over it gives events to yield, and its attributes are what has come so far.

    `stream` is what a client of the service gives, an iterable or an asynchronous one: objects with `model_dump`, as
    those of pydantic, or JSON objects; or it is the events of a gateway. It is closed with the iteration. Iterating
    raises what the client raises, and `OperationError` for an error in the stream (`upstream_failed`) and for a stream
    that ends before the reply does (`upstream_truncated`).

        reply = OpenAIReply(stream)
        yield from reply                        # in `async def`: async for each in reply: yield each
        return reply.text
    """

    def __init__(self, stream: Iterable[Any] | AsyncIterable[Any]) -> None:
        self.model: str | None = None
        self.tool_calls: list[dict[str, Any]] = []
        self.citations: list[Any] = []
        self.finish_reason: str | None = None
        self.usage: dict[str, int] = {}
        self._stream = stream
        self._pieces: Mapping[Part, list[str]] = {"text": [], "thinking": [], "refusal": []}
        self._ended = False

    @property
    def text(self) -> str | None:
        """What the model has said; None where that is nothing."""
        return "".join(self._pieces["text"]) or None

    @property
    def thinking(self) -> str | None:
        """What it has thought before."""
        return "".join(self._pieces["thinking"]) or None

    @property
    def refusal(self) -> str | None:
        """Why it does not answer."""
        return "".join(self._pieces["refusal"]) or None

    @property
    def result(self) -> dict[str, Any]:
        """All of these as one JSON object."""
        return {
            "model": self.model,
            "text": self.text,
            "thinking": self.thinking,
            "refusal": self.refusal,
            "tool_calls": self.tool_calls,
            "citations": self.citations,
            "finish_reason": self.finish_reason,
            "usage": self.usage or None,
        }

    def __iter__(self) -> Iterator[Event]:
        stream = self._stream
        if not isinstance(stream, Iterable):
            raise TypeError(f"{type(stream).__name__} is asynchronous: `async for` reads it")
        try:
            for chunk in stream:
                yield from self._read(chunk)
            yield from self._end()
        except Exception:
            yield from self._used()
            raise
        finally:
            if close := getattr(stream, "close", None):
                close()

    async def __aiter__(self) -> AsyncIterator[Event]:
        stream = self._stream
        if not isinstance(stream, AsyncIterable):
            raise TypeError(f"{type(stream).__name__} is not asynchronous: `for` reads it")
        try:
            async for chunk in stream:
                for each in self._read(chunk):
                    yield each
            for each in self._end():
                yield each
        except Exception:
            for each in self._used():
                yield each
            raise
        finally:
            if close := getattr(stream, "aclose", None) or getattr(stream, "close", None):
                closing = close()
                if inspect.isawaitable(closing):
                    await closing

    @abstractmethod
    def _read(self, chunk: Any) -> Iterator[Event]:
        """The events for the next object of the stream."""

    def _end(self) -> Iterator[Event]:
        """The last events. Raises `OperationError` for a reply that has not ended."""
        if not self._ended:
            message = "The model's stream ended before its reply did."
            raise OperationError("upstream_truncated", message, retryable=True)
        yield from self._used()

    def _used(self) -> Iterator[Event]:
        """The usage, if the service has reported any; a reply that fails has used tokens too."""
        if self.usage:
            yield event("usage", self.usage)

    def _add(self, part: Part, text: Any) -> Iterator[Event]:
        """The next piece of the text, the thinking or a refusal."""
        if text:
            self._pieces[part].append(text)
            yield event("refusal", {"text": text}) if part == "refusal" else delta(text, part)

    def _add_call(self, id: str | None, name: str, arguments: Any) -> Iterator[Event]:
        """A tool call with all of its arguments."""
        call = {"id": id, "name": name, "arguments": decoded(arguments)}
        self.tool_calls.append(call)
        yield event("tool_call", call)

    def _add_citation(self, source: Any) -> Iterator[Event]:
        """A source of the text."""
        self.citations.append(source)
        yield event("citation", source if isinstance(source, dict) else {"citation": source})


def as_event(chunk: Any) -> Event:
    """An event of a gateway as it is, and an object of a client as an event."""
    if isinstance(chunk, Event):
        return chunk
    data = chunk if isinstance(chunk, Mapping) else chunk.model_dump(mode="json", exclude_unset=True, warnings=False)
    return make_event(kind_of("message", data), {key: value for key, value in data.items() if key != "timestamp"})


def tokens_in(usage: Any) -> dict[str, int]:
    """The figures in the usage that a service states, by our names for them."""
    values = {name: [_value_at(usage, path) for path in paths] for name, paths in _USAGE.items()}
    return {name: value for name, found in values.items() for value in found if isinstance(value, int)}


_USAGE: Final[Mapping[str, tuple[str, ...]]] = {
    "input_tokens": ("prompt_tokens", "input_tokens"),
    "output_tokens": ("completion_tokens", "output_tokens"),
    "cached_tokens": (
        "prompt_tokens_details.cached_tokens",
        "input_tokens_details.cached_tokens",
        "cache_read_input_tokens",
        "input_token_details.cache_read",  # LangChain's names
    ),
    "reasoning_tokens": (
        "completion_tokens_details.reasoning_tokens",
        "output_tokens_details.reasoning_tokens",
        "output_token_details.reasoning",
    ),
}
"""The paths of each figure in the usage of the services."""


def _value_at(usage: Any, path: str) -> Any:
    for part in path.split("."):
        usage = usage.get(part) if isinstance(usage, Mapping) else None
    return usage


def decoded(arguments: Any) -> Any:
    """Arguments as JSON, or as they are: a model may have been cut short in them, or have written something else."""
    if not isinstance(arguments, str):
        return arguments
    try:
        return orjson.loads(arguments)
    except ValueError:
        return arguments


def failure(value: Any) -> OperationError:
    """The error that a service reports in its stream."""
    error = value if isinstance(value, Mapping) else {"message": str(value)}
    words = [str(error.get(key) or "") for key in ("type", "code", "status")]
    statuses = {int(word) for word in words if word.isdecimal()}
    retryable = not statuses.isdisjoint(RETRYABLE) or any(kind in " ".join(words).lower() for kind in TRANSIENT)
    message = str(error.get("message") or "The model's service reported an error.")
    return OperationError("upstream_failed", message, retryable=retryable)
