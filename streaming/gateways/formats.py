"""Follows the event stream of another service: the events to pass on, and whether the stream ended well.

A stream that breaks off must not look finished. What ends a stream well depends on its format:

    format                         ends with
    -----------------------------  ----------------------------------------------
    one declared with `ends_with`  an event of these names, or that a function knows
    Headway                        `done`
    one that `endings` knows       `message_stop`, `[DONE]`, or the end of the response once the reply is complete
    any other                      the end of the response, after a whole event

Headway is recognised by its `start`, the others by their first events.

A run has one `start` and one `done`, and numbers and timestamps of its own. So the lifecycle of an upstream run is not
passed on: its `result` and `error` become those of the run here. Events of another format that bear a lifecycle name
(Anthropic's `error`) would break the grammar of a run: they are renamed to `upstream_error` and the like.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any, Final

from ..errors import EncodeError, OperationError
from ..protocol.events import LIFECYCLE, Event, RawEvent, check_name, encode_json, escape_line_separators
from ..protocol.sse import Message
from .endings import Choices, Ending, is_error, json_object, recognised

EndsWith = str | Collection[str] | Callable[[Event], object]

OPENAI_END: Final = "[DONE]"
ANTHROPIC_END: Final = "message_stop"
HEADWAY_END: Final = "`done`"
STATUSES: Final = ("succeeded", "failed", "cancelled")
RECOGNISED_WITHIN: Final = 5
"""Events in which a format is recognised: some services send one of another kind first."""
STAMP: Final = re.compile(r"[0-9-]{10}T[0-9:]{8}\.[0-9]{3}Z")
TIMESTAMP: Final = re.compile(rb'\{"timestamp":"[^"\\]{24}"')
TIMESTAMP_BYTES: Final = len('{"timestamp":"2026-11-23T09:30:00.125Z"')
"""How the data of a Headway event begins."""


class UpstreamFailed(OperationError):
    """An upstream that failed; the run ends with this error unless the stream can be resumed."""


def truncated(message: str) -> UpstreamFailed:
    """The error of a stream that ended too early."""
    return UpstreamFailed("upstream_truncated", message, retryable=True)


class StreamFormat:
    """Follows one upstream stream, over as many connections as it takes.

    `ends_with` names the events that end it, or tells by an event whether it does. With `unchanged` every event is
    passed on as it came, the lifecycle too: for a stream without a run.
    """

    def __init__(self, *, ends_with: EndsWith | None = None, unchanged: bool = False) -> None:
        self.headway: bool = False
        self.ended: bool = False
        self.resumable: bool = True
        self._unchanged = unchanged
        self._ends_with = ends_with
        self._last_names = {ends_with} if isinstance(ends_with, str) else () if callable(ends_with) else ends_with or ()
        self._required_end = _required(ends_with)
        self._ending: Ending | Choices | None = None
        self._count = 0
        self._id = ""
        self._last_is_error = False
        self._failure: OperationError | None = None

    def translate(self, message: Message) -> Event | None:
        """The event to pass on for `message`, or `None`.

        Raises the `OperationError` with which an upstream run failed, and `UpstreamFailed`.
        """
        name, data = message.event, message.data
        self._count += 1
        self._last_is_error = self._last_is_error and data.strip() == OPENAI_END
        self.ended = name in self._last_names
        self._id = message.id
        if name in LIFECYCLE:
            event = self._lifecycle_event(name, data)
        else:
            if self._ends_with is None and not self.headway:  # a run of Headway may itself pass on another format
                self._follow(name, data)
            event = self._event(name, data)
        if callable(self._ends_with) and event is not None and self._ends_with(event):
            self.ended = True
        return event

    def check_end(self) -> None:
        """Called when a response ends, not within an event. Raises `OperationError` where the stream has not ended."""
        if self._unchanged and (self.ended or self._last_is_error):
            return  # whoever reads the stream has read the error, if there was one
        if self._failure is not None:
            raise self._failure
        if self._last_is_error:
            raise UpstreamFailed("upstream_failed", "The upstream reported an error.", retryable=True)
        if self.ended or (self._ending is not None and self._ending.complete):
            return
        end = self._required_end or (self._ending and self._ending.end)
        if end:
            raise truncated(f"The upstream's stream ended without {end}.")
        if not self._count:
            raise truncated("The upstream's stream ended without an event.")

    def failure(self, error: OperationError) -> Event | None:
        """The event by which the service of this stream would report an error; `None` where it is not known."""
        if self._ending is None:
            return None
        name, data = self._ending.error(error.code, error.message)
        return RawEvent(name, encode_json(data))

    def expect_headway(self) -> None:
        """Called when the upstream turns out to be Headway."""
        self.headway = True
        self._required_end = _required(self._ends_with) or HEADWAY_END
        self._ending = None

    def _follow(self, name: str, data: str) -> None:
        """Follows an event of another format."""
        if self._ending is not None:
            self._ending.follow(name, data)
        elif self._count <= RECOGNISED_WITHIN:
            self._ending = recognised(name, data)
        self.ended = name == ANTHROPIC_END or data.strip() == OPENAI_END
        self._last_is_error = self._last_is_error or is_error(name, data)

    def _event(self, name: str, data: str) -> Event:
        try:
            name = name if name.__class__ is str and "\0" not in name else check_name(name)
        except EncodeError as error:
            raise UpstreamFailed("upstream_failed", "The upstream sent an event whose name cannot be sent.") from error
        if self._unchanged:
            return RawEvent(name, data.encode(), self._id)
        trimmed = data.strip()
        if trimmed[:1] != "{" or (members := json_object(trimmed)) is None:
            return Event(name, data.encode(), text=True)
        body = trimmed.replace("\n", " ").encode()  # in JSON, a bare line end stands between tokens only
        if b'"timestamp"' in body and "timestamp" in members:
            if not self.headway or not (name in LIFECYCLE or STAMP.fullmatch(str(members["timestamp"]))):
                return RawEvent(name, body)
            if TIMESTAMP.match(body):
                body = b"{" + body[TIMESTAMP_BYTES:].removeprefix(b",")
            else:  # of a service that spells its JSON in another way
                body = encode_json({key: value for key, value in members.items() if key != "timestamp"})
        return Event(name, body if body.isascii() else escape_line_separators(body))

    # -- the lifecycle of an upstream run -------------------------------------------------------------------------

    def _lifecycle_event(self, name: str, data: str) -> Event | None:
        from_run = self._follow_run(name, json_object(data) or {})
        if self._unchanged:
            return self._event(name, data)
        if not from_run:
            return self._event(f"upstream_{name}", data)
        if self.ended and self._failure is not None:
            raise self._failure
        if name == "attempt":
            return RawEvent(name, data.encode())
        # In place of the others, the run here writes its own.
        return self._event(name, data) if name in ("result", "question") else None

    def _follow_run(self, name: str, data: dict[str, Any]) -> bool:
        """Notes what a lifecycle event means for an upstream run; false where it is an event of another format."""
        match name:
            case "start":
                if self._count == 1 and isinstance(data.get("operation"), str) and "timestamp" in data:
                    self.expect_headway()
            case "error":
                return self._note_error(data)
            case "done":
                return self._note_done(data)
            case "result":
                return "result" in data
            case "reset" if self.headway and not self._unchanged:
                self.resumable = False
                raise truncated("The upstream no longer keeps events that were missed.")
        return self.headway

    def _note_error(self, data: dict[str, Any]) -> bool:
        code, message = data.get("code"), data.get("message")
        if not (isinstance(code, str) and isinstance(message, str)) or data.get("type") == "error":
            # Of another format (OpenAI's has all three): it is passed on, but a stream that ends with it has failed.
            self._last_is_error = True
            return False
        self._failure = OperationError(code, message, retryable=data.get("retryable") is True)
        return True

    def _note_done(self, data: dict[str, Any]) -> bool:
        status = data.get("status")
        if status not in STATUSES:
            return False
        self.ended = True
        if status != "succeeded" and self._failure is None:
            reason = f" ({data['reason']})" if isinstance(data.get("reason"), str) else ""
            cancelled = status == "cancelled"
            message = f"The upstream run was cancelled{reason}." if cancelled else "The upstream run failed."
            self._failure = UpstreamFailed("upstream_failed", message, retryable=cancelled)
        return True


def _required(ends_with: EndsWith | None) -> str | None:
    """What a stream that was cut lacks, for the message of the error."""
    if ends_with is None:
        return None
    if callable(ends_with):
        return "its last event"
    return " or ".join(f"`{name}`" for name in ([ends_with] if isinstance(ends_with, str) else ends_with))
