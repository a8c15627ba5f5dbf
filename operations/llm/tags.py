"""`<think>` tags in a text that comes in pieces: what stands in them is what the model thinks, the rest its answer.

Models write them at the very beginning, or, where the template of their chat has written the first one already, only
the closing one. Anywhere later a tag is text, so that an answer may speak of tags.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

Channel = Literal["thinking", "text"]

OPENING: Final = ("<think>", "<thinking>")
CLOSING: Final = ("</think>", "</thinking>")


class Splitter:
    """Takes text as it comes, and gives it as pairs of a channel and a piece that is not empty.

    However the text is cut into pieces, what comes out on each channel is the same. With `within`, text that does not
    begin with a tag begins inside one. Blanks at the beginning of a channel are left out. `closed` tells whether a
    closing tag has come.
    """

    def __init__(self, *, within: bool = False) -> None:
        self.closed = False
        self._held = ""
        self._may_open = True
        self._channel: Channel = "thinking" if within else "text"
        self._begun: set[Channel] = set()

    def feed(self, text: str) -> Iterator[tuple[Channel, str]]:
        """What is settled by this piece; what may yet become a tag is held back."""
        self._held += text
        if self._may_open:
            self._open()
        if not self._may_open and self._channel == "thinking":
            yield from self._until_closed()
        if not self._may_open and self._channel == "text":
            yield from self._give(len(self._held))

    def end(self) -> Iterator[tuple[Channel, str]]:
        """What was held back: it has become no tag."""
        yield from self._give(len(self._held))

    def _open(self) -> None:
        begun = self._held.lstrip()
        tag = next((tag for tag in OPENING if begun.startswith(tag)), None)
        if tag is not None:
            self._held, self._channel = begun.removeprefix(tag), "thinking"
        self._may_open = tag is None and any(tag.startswith(begun) for tag in OPENING)

    def _until_closed(self) -> Iterator[tuple[Channel, str]]:
        found = [(at, tag) for tag in CLOSING if (at := self._held.find(tag)) >= 0]
        if not found:
            yield from self._give(len(self._held) - _unfinished(self._held))
            return
        at, tag = min(found)
        yield from self._give(at)
        self._held = self._held.removeprefix(tag)
        self.closed, self._channel = True, "text"

    def _give(self, count: int) -> Iterator[tuple[Channel, str]]:
        """So many of the characters that are held, without the blanks that a channel would begin with."""
        text, self._held = self._held[:count], self._held[count:]
        if self._channel not in self._begun:
            text = text.lstrip()
        if text:
            self._begun.add(self._channel)
            yield self._channel, text


def _unfinished(text: str) -> int:
    """How many characters at the end of `text` may be the beginning of a closing tag."""
    longest = max(map(len, CLOSING)) - 1
    tails = range(min(longest, len(text)), 0, -1)
    return next((count for count in tails if any(tag.startswith(text[-count:]) for tag in CLOSING)), 0)
