"""`?view=messages`: unnamed messages whose data has the name, for components that know `onmessage` only."""

from __future__ import annotations

import orjson

from ...protocol.events import encode_json
from .base import Frame, View, write_frame

DONE = b"data: [DONE]\n\n"
"""The last message, by which such components know the end, as OpenAI's streams have it."""


class Messages(View):
    """Each event as a message without a name, whose data has it as `event`; text that is no object is its `data`."""

    kind = "messages"

    def frame(self, frame: Frame) -> bytes:
        message = write_frame(frame.head, _named(frame.name, frame.data))
        return message + DONE if frame.name == "done" else message


def _named(name: str, data: bytes) -> bytes:
    if data.startswith(b'{"timestamp":') and b'"event":' not in data:
        return b'{"event":%b,%b' % (encode_json(name), data[1:])
    try:
        decoded = orjson.loads(data)
    except ValueError:
        decoded = None
    if isinstance(decoded, dict):
        return encode_json({**decoded, "event": name})
    return encode_json({"event": name, "data": data.decode("utf-8", "replace")})
