"""`<think>` tags in a text that arrives in pieces: the text between them is thinking, the rest is the answer.

Models write the tags at the very beginning, or only the closing one if the template of their chat contains the opening
one. Later tags are text, so that an answer can contain them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

Channel = Literal["thinking", "text"]

OPENING: Final = ("<think>", "<thinking>")
CLOSING: Final = ("</think>", "</thinking>")


class Splitter:
    """Splits text into pairs of a channel and a non-empty piece.

    The text of each channel does not depend on how the input is cut. With `inside`, text without an opening tag begins
    inside one. White space at the beginning of a channel is dropped. `closed` is true after a closing tag.
    """

    def __init__(self, *, inside: bool = False) -> None:
        self.closed = False
        self._pending = ""
        self._may_open = True
        self._channel: Channel = "thinking" if inside else "text"
        self._started: set[Channel] = set()

    def feed(self, text: str) -> Iterator[tuple[Channel, str]]:
        """The output so far; text that may be the beginning of a tag is kept for the next call."""
        self._pending += text
        if self._may_open:
            self._open()
        if not self._may_open and self._channel == "thinking":
            yield from self._until_closed()
        if not self._may_open and self._channel == "text":
            yield from self._emit(len(self._pending))

    def end(self) -> Iterator[tuple[Channel, str]]:
        """The rest of the text, at the end of the input."""
        yield from self._emit(len(self._pending))

    def _open(self) -> None:
        text = self._pending.lstrip()
        tag = next((tag for tag in OPENING if text.startswith(tag)), None)
        if tag is not None:
            self._pending, self._channel = text.removeprefix(tag), "thinking"
        self._may_open = tag is None and any(tag.startswith(text) for tag in OPENING)

    def _until_closed(self) -> Iterator[tuple[Channel, str]]:
        matches = [(at, tag) for tag in CLOSING if (at := self._pending.find(tag)) >= 0]
        if not matches:
            yield from self._emit(len(self._pending) - _partial_tag(self._pending))
            return
        at, tag = min(matches)
        yield from self._emit(at)
        self._pending = self._pending.removeprefix(tag)
        self.closed, self._channel = True, "text"

    def _emit(self, count: int) -> Iterator[tuple[Channel, str]]:
        """The first `count` pending characters, without white space at the beginning of a channel."""
        text, self._pending = self._pending[:count], self._pending[count:]
        if self._channel not in self._started:
            text = text.lstrip()
        if text:
            self._started.add(self._channel)
            yield self._channel, text


def _partial_tag(text: str) -> int:
    """How many characters at the end of `text` may be the beginning of a closing tag."""
    longest = max(map(len, CLOSING)) - 1
    tails = range(min(longest, len(text)), 0, -1)
    return next((count for count in tails if any(tag.startswith(text[-count:]) for tag in CLOSING)), 0)
