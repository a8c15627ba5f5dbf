"""Thinking that a model writes into its text, between tags, where the text arrives in pieces.

Models write the tags at the very beginning, or only the closing one if the template of their chat contains the opening
one. Later tags are text, so that an answer can contain them. In OpenAI's harmony format, which some servers pass on as
it is, each part of a reply begins with the name of its channel (https://cookbook.openai.com/articles/openai-harmony).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Final, Literal

Channel = Literal["thinking", "text"]

OPENING: Final = ("<think>", "<thinking>", "<thought>", "<reasoning>", "[THINK]")
CLOSING: Final = ("</think>", "</thinking>", "</thought>", "</reasoning>", "[/THINK]")

HARMONY: Final[Mapping[str, Channel]] = {
    f"{start}<|channel|>{name}<|message|>": "text" if name == "final" else "thinking"
    for start in ("", "<|start|>assistant")
    for name in ("analysis", "commentary", "final")
}
HARMONY_CLOSING: Final = ("<|end|>", "<|return|>", "<|call|>")


class ThinkingSplitter:
    """Splits text into pairs of a channel (`"thinking"`, `"text"`) and a non-empty piece.

    The text of each channel does not depend on how the input is cut. With `inside`, text without an opening tag begins
    inside one. White space after a tag is dropped. `closed` is true after a closing tag.
    """

    def __init__(self, *, inside: bool = False) -> None:
        self.closed: bool = False
        self._pending = ""
        self._may_open = True
        self._after_tag = False
        self._channel: Channel = "thinking" if inside else "text"
        self._closing: tuple[str, ...] = CLOSING if inside else ()

    def feed(self, text: str) -> Iterator[tuple[Channel, str]]:
        """The output so far; text that may be the beginning of a tag is kept for the next call."""
        self._pending += text
        while self._pending:
            if self._may_open:
                self._open()
            if self._may_open:
                return
            if not self._closing:
                yield from self._emit(len(self._pending))
            elif not (yield from self._until_closed()):
                return

    def end(self) -> Iterator[tuple[Channel, str]]:
        """The rest of the text, at the end of the input."""
        yield from self._emit(len(self._pending))

    def _open(self) -> None:
        text = self._pending.lstrip()
        openings = (*OPENING, *HARMONY) if not self.closed else tuple(HARMONY)
        tag = next((tag for tag in openings if text.startswith(tag)), None)
        if tag is None:
            self._may_open = any(tag.startswith(text) for tag in openings)
            return
        self._pending = text.removeprefix(tag)
        self._channel = HARMONY.get(tag, "thinking")
        self._closing = HARMONY_CLOSING if tag in HARMONY else CLOSING
        self._may_open, self._after_tag = False, True

    def _until_closed(self) -> Generator[tuple[Channel, str], None, bool]:
        matches = [(at, tag) for tag in self._closing if (at := self._pending.find(tag)) >= 0]
        if not matches:
            yield from self._emit(len(self._pending) - self._partial_tag())
            return False
        at, tag = min(matches)
        yield from self._emit(at)
        self._pending = self._pending.removeprefix(tag)
        self.closed = self._after_tag = True
        self._channel, self._closing = "text", ()
        self._may_open = tag in HARMONY_CLOSING
        return True

    def _emit(self, count: int) -> Iterator[tuple[Channel, str]]:
        """The first `count` pending characters, without white space after a tag."""
        text, self._pending = self._pending[:count], self._pending[count:]
        if self._after_tag:
            text = text.lstrip()
        if text:
            self._after_tag = False
            yield self._channel, text

    def _partial_tag(self) -> int:
        """How many characters at the end of the pending text may be the beginning of a closing tag."""
        longest = max(map(len, self._closing)) - 1
        tails = range(min(longest, len(self._pending)), 0, -1)
        pending = self._pending
        return next((count for count in tails if any(tag.startswith(pending[-count:]) for tag in self._closing)), 0)
