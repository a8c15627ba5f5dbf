"""One viewer's reading of one run, over as many connections as it takes. No socket, no clock.

A `Viewing` is told what happens to the connection and says what to do about it; `Run` and `AsyncRun` do that.

    what happened                                        what the viewing says
    ---------------------------------------------------  ---------------------------------------------------------
    an event whose id is above the last one's            give it; the attempts begin to count anew
    an event without an id that is a number              the same, under the last one's
    an event whose id is not above the last one's        nothing: a proxy or a repeat brought it twice
    a comment (heartbeat)                                nothing; the attempts begin to count anew
    `done`                                               over
    204                                                  over: the snapshot tells how, and is given as a `reset`
    the body ends, breaks off or stays silent            come back after a while, with `Last-Event-ID`
    no answer; 408, 425, 429, 500 and above but 501      come back after a while, `Retry-After` at the least
    a success that is no event stream                    the same, but at the very start that error
    any other refusal                                    that error
    `max_attempts` that brought nothing, in a row        `Interrupted`

A stream that ends without `done` is never a success.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import random
from typing import Any, Final

from ..errors import EventTooLarge
from ..protocol.sse import MAX_EVENT, Message, Parser
from ..protocol.state import Ending
from .errors import ClientError, Interrupted, Left, NotAStream, RequestRefused, RunCancelled, RunFailed
from .events import (
    Answer,
    Attempt,
    Done,
    Error,
    Question,
    Reset,
    Result,
    RunEvent,
    Snapshot,
    Start,
    make_event,
    read_event,
)

PATIENCE: Final = 300.0
"""Seconds: a `Retry-After` beyond this is told to the caller instead of waited for."""


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """How a client comes back: after `retry_delay` seconds, then twice as many each time, up to `max_delay`.

    It gives up after `max_attempts` in a row that brought nothing; with 0 it never comes back. The stream's `retry:`
    replaces `retry_delay`, and `Retry-After` is a lower bound. Each wait is lengthened by up to a quarter at random, so
    that the viewers of a service that restarts do not all come at once.
    """

    max_attempts: int = 10
    retry_delay: float = 1.0
    max_delay: float = 30.0

    def __post_init__(self) -> None:
        if self.max_attempts < 0 or not (self.retry_delay >= 0 and 0 <= self.max_delay < float("inf")):
            raise ValueError(f"numbers of 0 or more, not {self}")

    def wait(self, waits: int, *, retry: float | None, retry_after: float | None, chance: float) -> float:
        """The seconds before the next attempt after so many `waits` in a row; `chance` is from 0 to 1."""
        least = self.retry_delay if retry is None else retry
        grown = max(least, min(least * 2.0 ** min(waits, 30), self.max_delay))
        return max(grown, retry_after or 0.0) * (1 + chance / 4)


class Viewing:
    """What is known of a run so far, and what to do next; see the table above.

    `run` is its id, "" before it is known. `after` is the number of the last event that the caller has had already.
    """

    def __init__(
        self,
        run: str = "",
        *,
        after: int = 0,
        backoff: Backoff | None = None,
        max_event: int = MAX_EVENT,
        chance: Callable[[], float] = random,
    ) -> None:
        self.run = run
        self.last_event_id = after
        self.question: Question | None = None
        """The question that is open."""
        self.status: Ending | None = None
        """How the run ended; `None` as long as it is not over."""
        self._reason = ""
        self._result: list[Any] = []  # empty until there is one
        self._error: Mapping[str, Any] | None = None
        self._backoff = backoff or Backoff()
        self._retry: float | None = None
        self._chance = chance
        self._max_event = max_event
        self._parser = self._new_parser()
        self._was_open = False
        self._has_events = False
        self._brought = False  # whether this connection has brought anything
        self._failures = 0  # attempts in a row that brought nothing
        self._waits = 0  # since the last one that brought something

    @property
    def over(self) -> bool:
        """Whether there is nothing more to read."""
        return self.status is not None

    # -- a connection -------------------------------------------------------------------------------------------

    def headers(self) -> dict[str, str]:
        """What the next request for the stream carries."""
        return {"Last-Event-ID": str(self.last_event_id)} if self.last_event_id else {}

    def opened(self, status: int, headers: Mapping[str, str]) -> None:
        """A connection was answered with a success. Raises `NotAStream`."""
        kind = headers.get("content-type", "")
        if not kind.lower().startswith("text/event-stream"):
            message = f"the answer is {kind or 'of no type'} and no event stream"
            raise NotAStream(message, status=status, transient=self._was_open)
        self._parser = self._new_parser()
        self._was_open = True

    def receive(self, chunk: bytes) -> list[RunEvent]:
        """The events that these bytes complete, and that are new. Raises `NotAStream` for one that is too large."""
        try:
            messages = self._parser.feed(chunk)
        except EventTooLarge as error:
            raise NotAStream(str(error)) from error
        if self._parser.retry is not None:
            self._retry = self._parser.retry / 1000
        return [event for message in messages if not self.over and (event := self._take(message))]

    def lost(self, error: ClientError | None = None) -> float:
        """The connection is gone, or did not come about; gives the seconds to wait before the next one.

        `error` is what happened, `None` where the body just ended. Raises it where coming back is of no use, and
        `Interrupted` once too many attempts have failed.
        """
        after = error.retry_after if isinstance(error, RequestRefused) else None
        if error is not None and (not error.transient or (after or 0) > PATIENCE):
            raise error
        if not self._brought:
            self._failures += 1
        self._brought = False
        if self._failures >= self._backoff.max_attempts or (self._has_events and not self.run):
            raise self._interrupted(error) from error
        wait = self._backoff.wait(self._waits, retry=self._retry, retry_after=after, chance=self._chance())
        self._waits += 1
        return wait

    def open_question(self) -> str:
        """The id of the question that is open. Raises `ValueError` where none is."""
        if self.question is None:
            raise ValueError("no question is open, as far as was read")
        return self.question.question

    # -- the end ------------------------------------------------------------------------------------------------

    @property
    def settled(self) -> bool:
        """Whether `outcome` needs no snapshot: false where a viewer came after the result, or after the error."""
        return bool(self.status == "cancelled" or self._result or self._error is not None)

    def settle(self, snapshot: Snapshot, data: Any) -> Reset:
        """Takes the ending from a snapshot, whose JSON is `data`; gives it as the event that tells of it."""
        if snapshot.status not in ("succeeded", "failed", "cancelled"):
            raise NotAStream(f"there is nothing to read of run {self.run}, which is {snapshot.status}", transient=True)
        self.status = snapshot.status
        self._result = [snapshot.result]
        self._error = snapshot.error
        self.last_event_id = max(self.last_event_id, snapshot.last_event_id)
        body = {"timestamp": snapshot.updated, "snapshot": data}
        return Reset(id=self.last_event_id, type="reset", data=body, snapshot=data)

    def outcome(self) -> Any:
        """The result. Raises `RunFailed`, `RunCancelled`, and `Left` where the run is not over as far as was read."""
        if self.status is None:
            raise Left(f"run {self.run} was left before it was over")
        if self.status == "failed":
            error = self._error or {}
            retryable = error.get("retryable") is True
            raise RunFailed(str(error.get("code", "")), str(error.get("message", "")), retryable=retryable)
        if self.status == "cancelled":
            raise RunCancelled(self._reason)
        return self._result[0] if self._result else None

    # -- helpers ------------------------------------------------------------------------------------------------

    def _new_parser(self) -> Parser:
        return Parser(max_bytes=self._max_event, on_comment=lambda _: self._alive(), own_ids=True)

    def _alive(self) -> None:
        self._brought = True
        self._failures = self._waits = 0

    def _take(self, message: Message) -> RunEvent | None:
        if message.id.isascii() and message.id.isdecimal() and len(message.id) < 16:
            number = int(message.id)
            if number <= self.last_event_id:
                return None
            self.last_event_id = number
        self._alive()
        self._has_events = True
        event = read_event(self.last_event_id, message.event, message.data)
        if event is not None:
            self._learn(event)
        return event

    def _learn(self, event: RunEvent) -> None:
        match event:
            case Start(run=run):
                self.run = self.run or run
            case Question():
                self.question = event
            case Answer() | Attempt():
                self.question = None
            case Reset(snapshot=snapshot):
                self.question = _asked(event.id, snapshot)
            case Result(result=result):
                self._result = [result]
            case Error(data=data):
                self._error = data
            case Done(status=status, reason=reason):
                self.status, self._reason, self.question = status, reason or "", None

    def _interrupted(self, error: ClientError | None) -> ClientError:
        if error is not None and not self._was_open and not self.run:
            return error  # nothing was started, as far as one knows
        why = str(error) if error else "the stream ended without `done`"
        message = f"run {self.run} was interrupted after event {self.last_event_id}: {why}"
        return Interrupted(message, run=self.run, last_event_id=self.last_event_id)


def _asked(id: int, snapshot: Any) -> Question | None:
    """The question that is open in a snapshot: it was asked in events that are gone."""
    asked = snapshot.get("question") if isinstance(snapshot, dict) else None
    question = make_event(id, "question", asked) if isinstance(asked, dict) else None
    return question if isinstance(question, Question) else None
