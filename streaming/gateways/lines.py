"""Reads a stream of JSON lines (https://github.com/ndjson/ndjson-spec) as `Parser` reads an event stream."""

from __future__ import annotations

from typing import Final

from ..errors import EventTooLarge
from ..protocol.sse import Message

MEDIA_TYPES: Final = frozenset(("application/x-ndjson", "application/ndjson", "application/jsonl"))


class LineParser:
    """Takes bytes in any pieces, and returns a message without a name for each line that they complete.

    `completed` has the messages before a line of more than `max_bytes`, for which `feed` raises `EventTooLarge`.
    """

    def __init__(self, *, max_bytes: int) -> None:
        self.completed: list[Message] = []
        self._max_bytes = max_bytes
        self._line = bytearray()

    def feed(self, chunk: bytes) -> list[Message]:
        """The messages that `chunk` completes. Raises `EventTooLarge`."""
        first, *lines = chunk.split(b"\n")
        self._line += first
        messages: list[Message] = []
        for line in lines:
            self._take(messages)
            self._line += line
        if len(self._line) > self._max_bytes:
            self._fail(messages)
        return messages

    @property
    def unfinished(self) -> bool:
        """Whether the stream would end within a line: the last one needs its line end, too."""
        return bool(self._line.strip())

    def _take(self, messages: list[Message]) -> None:
        if len(self._line) > self._max_bytes:
            self._fail(messages)
        if line := self._line.strip():
            messages.append(Message("", "message", line.decode("utf-8", "replace"), None))
        self._line.clear()

    def _fail(self, messages: list[Message]) -> None:
        self.completed = messages
        raise EventTooLarge(f"a line is larger than {self._max_bytes} bytes")
