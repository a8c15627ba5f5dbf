"""`?view=text`: the text of the deltas alone, for a component that appends what it gets."""

from __future__ import annotations

import orjson

from .base import Frame, View, write_frame


class Text(View):
    """The text of each `delta` on the channel `text` as an unnamed message, and `[DONE]` at the end."""

    kind = "text"

    def frame(self, frame: Frame) -> bytes:
        if frame.name == "done":
            return write_frame(frame.head, b"[DONE]")
        text = _text_of(frame.data) if frame.name == "delta" else ""
        return write_frame(frame.head, text.encode()) if text else b""


def _text_of(data: bytes) -> str:
    """The text of a delta; empty for one of the thinking, and for one of a gateway's upstream in another form."""
    try:
        delta = orjson.loads(data)
        return str(delta["text"]) if delta["channel"] == "text" else ""
    except (ValueError, KeyError, TypeError):
        return ""
