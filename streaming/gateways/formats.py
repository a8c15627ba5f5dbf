"""What another service says in its event stream, in Headway's words, and whether its stream has ended well.

A stream that breaks off must not pass for one that ended. Which is which, its vocabulary says:

    vocabulary                     ends with
    -----------------------------  ----------------------------------------------
    the one who asks knows         the event that `ends_with` names
    Headway                        `done`
    Anthropic's messages           `message_stop`
    OpenAI's chat completions      the data `[DONE]`
    any other                      the end of the response, after a whole event

Headway is known by its `start`, Anthropic by `message_start`, OpenAI by the objects that its events hold. Sources:
https://docs.anthropic.com/en/docs/build-with-claude/streaming ("Event types") and
https://platform.openai.com/docs/api-reference/chat-streaming.

A run has one `start` and one `done`, and its numbers and timestamps are its own. So what an upstream run says of its
life is not passed on but taken: its `result` and `error` become those of the run here. Lifecycle names of another
meaning (Anthropic's `error`) cannot stand in a run: they pass as `upstream_error` and the like.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from ..errors import EncodeError, OperationError
from ..protocol.events import LIFECYCLE, Event, RawEvent, check_name, escape_line_separators
from ..protocol.sse import Message

OPENAI_END: Final = "[DONE]"
OPENAI_CHUNK: Final = re.compile(r'"object": ?"(chat\.completion\.chunk|text_completion)"')
ANTHROPIC_END: Final = "message_stop"
HEADWAY_END: Final = "done"
ENDINGS: Final = ("succeeded", "failed", "cancelled")
HEARD_AT_MOST: Final = 5
"""How many events a vocabulary has for showing itself: some services put one of another kind first."""
STAMPED: Final = re.compile(rb'\{"timestamp":"[^"\\]{24}"')
STAMP_BYTES: Final = len('{"timestamp":"2026-11-23T09:30:00.125Z"')
"""How a Headway event begins."""


class UpstreamFailed(OperationError):
    """An upstream that fails its viewers; the run ends with this unless the stream can be taken up again."""


def truncated(message: str) -> UpstreamFailed:
    """The failure of a stream that ended too early."""
    return UpstreamFailed("upstream_truncated", message, retryable=True)


class StreamFormat:
    """Follows one upstream stream, over as many connections as it takes.

    `ends_with` names the event that ends it well. With `unchanged` every event is given as it came, lifecycle and all:
    for a stream that is passed on without a run.
    """

    def __init__(self, *, ends_with: str | None = None, unchanged: bool = False) -> None:
        self.headway = False
        self.ended = False
        self.resumable = True
        self._unchanged = unchanged
        self._ends_with = ends_with
        self._needs = ends_with
        self._heard = 0
        self._id = ""
        self._complained = False
        self._failure: OperationError | None = None

    def take(self, message: Message) -> Event | None:
        """The event that `message` is here, `None` where it is none.

        Raises the `OperationError` with which an upstream run says that it failed, and `UpstreamFailed`.
        """
        name, data = message.event, message.data
        self._heard += 1
        self._complained = False
        self.ended = name == self._ends_with
        self._id = message.id
        if name in LIFECYCLE:
            return self._lifecycle(name, data)
        if self._ends_with is None and not self.headway:  # a run of Headway may itself pass another vocabulary on
            self.ended = name == ANTHROPIC_END or data == OPENAI_END
            if self._needs is None and self._heard <= HEARD_AT_MOST:
                self._recognise(name, data)
        return self._passed(name, data)

    def check_end(self) -> None:
        """The response is over, on a whole event or before any: raises `UpstreamFailed` where the stream is not."""
        if self._failure is not None:
            raise self._failure
        if self._complained:
            raise UpstreamFailed("upstream_failed", "The upstream reported an error.", retryable=True)
        if self._needs is not None:
            raise truncated(f"The upstream's stream ended without {self._needs!r}.")
        if not self._heard:
            raise truncated("The upstream's stream ended without an event.")

    def expect_headway(self) -> None:
        """The upstream has said that it is Headway."""
        self.headway = True
        self._needs = self._ends_with or HEADWAY_END

    def _recognise(self, name: str, data: str) -> None:
        if name == "message_start":
            self._needs = ANTHROPIC_END
        elif name == "message" and OPENAI_CHUNK.search(data):
            self._needs = OPENAI_END

    def _lifecycle(self, name: str, data: str) -> Event | None:
        taken = _TAKEN[name](self, _object(data) or {})
        if self._unchanged:
            return self._passed(name, data)
        if not taken:
            return self._passed(f"upstream_{name}", data)
        if self.ended and self._failure is not None:
            raise self._failure
        if name == "attempt":
            return RawEvent(name, data.encode())
        # The others are answered for by the run that passes them on.
        return self._passed(name, data) if name in ("result", "question") else None

    def _passed(self, name: str, data: str) -> Event:
        try:
            name = name if name.__class__ is str and "\0" not in name else check_name(name)
        except EncodeError as error:
            raise UpstreamFailed("upstream_failed", "The upstream sent an event whose name cannot be sent.") from error
        if self._unchanged:
            return RawEvent(name, data.encode(), self._id)
        trimmed = data.strip()
        if trimmed[:1] != "{" or (said := _object(trimmed)) is None:
            return Event(name, data.encode(), text=True)
        body = trimmed.replace("\n", " ").encode()  # in JSON, a bare line end stands between tokens only
        if b'"timestamp"' in body and "timestamp" in said:
            if not (self.headway and STAMPED.match(body)):
                return RawEvent(name, body)
            body = b"{" + body[STAMP_BYTES:].removeprefix(b",")
        return Event(name, body if body.isascii() else escape_line_separators(body))

    # -- what an upstream run says of its life: whether it was that -----------------------------------------------

    def _take_start(self, said: dict[str, Any]) -> bool:
        if self._heard == 1 and isinstance(said.get("operation"), str) and "timestamp" in said:
            self.expect_headway()
        return self.headway

    def _take_error(self, said: dict[str, Any]) -> bool:
        code, message = said.get("code"), said.get("message")
        if not (isinstance(code, str) and isinstance(message, str)) or said.get("type") == "error":
            # In another vocabulary (OpenAI's has all three): it is passed on, and an end right after it is no good one.
            self._complained = True
            return False
        self._failure = OperationError(code, message, retryable=said.get("retryable") is True)
        return True

    def _take_done(self, said: dict[str, Any]) -> bool:
        status = said.get("status")
        if status not in ENDINGS:
            return False
        self.ended = True
        if status != "succeeded" and self._failure is None:
            why = f" ({said['reason']})" if isinstance(said.get("reason"), str) else ""
            told = f"The upstream run was cancelled{why}." if status == "cancelled" else "The upstream run failed."
            self._failure = UpstreamFailed("upstream_failed", told, retryable=status == "cancelled")
        return True

    def _take_result(self, said: dict[str, Any]) -> bool:
        return "result" in said

    def _take_of_headway(self, said: dict[str, Any]) -> bool:
        return self.headway

    def _take_reset(self, said: dict[str, Any]) -> bool:
        if self.headway and not self._unchanged:
            self.resumable = False
            raise truncated("The upstream no longer keeps events that were missed.")
        return False


_TAKEN: Final = {
    "start": StreamFormat._take_start,
    "error": StreamFormat._take_error,
    "done": StreamFormat._take_done,
    "result": StreamFormat._take_result,
    "question": StreamFormat._take_of_headway,
    "answer": StreamFormat._take_of_headway,
    "attempt": StreamFormat._take_of_headway,
    "reset": StreamFormat._take_reset,
}


def _object(data: str) -> dict[str, Any] | None:
    """The JSON object that `data` is, or `None`."""
    try:
        said = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return said if isinstance(said, dict) else None
