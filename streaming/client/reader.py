"""Reads one run over as many connections as it takes. No socket, no clock.

`Run` and `AsyncRun` own the connection. They report to the `RunReader` what happens to it, and do what it answers:

    what happens                                         what follows
    ---------------------------------------------------  ---------------------------------------------------------
    an event whose id is above the last event's          it is returned; failed attempts are counted from 0 again
    an event without a number as its id                  the same, with the last event's id
    an event whose id is not above the last event's      it is dropped: a proxy or a repeat sent it twice
    a comment (heartbeat)                                failed attempts are counted from 0 again
    `done`                                               the run is over
    204                                                  the run is over; its snapshot is returned as a `reset`
    the body ends, breaks off or is silent for too long  wait, then connect again with `Last-Event-ID`
    no answer; 408, 425, 429; 500 and above, but 501     the same; `Retry-After` is the least that is waited
    a success that is no event stream                    the same, but on the first connection that error
    any other refusal                                    that error
    `max_attempts` failed attempts in a row              `Interrupted`

A stream that ends without `done` is never a success.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from random import random
from typing import Any, Final

from ..errors import EventTooLarge
from ..protocol.sse import MAX_EVENT, Message, Parser
from ..protocol.state import Ending
from ..protocol.typed import (
    Answer,
    Attempt,
    Delta,
    Done,
    Error,
    Partial,
    Progress,
    Question,
    Reset,
    Result,
    RunEvent,
    Snapshot,
    Start,
    make_event,
    read_event,
)
from .errors import ClientError, Interrupted, Left, NotAStream, RequestRefused, RunCancelled, RunFailed
from .held import HeldPartials

MAX_RETRY_AFTER: Final = 300.0
"""Seconds: a refusal with a longer `Retry-After` is raised instead of waited for."""


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """When a client connects again: after `retry_delay` seconds, then twice as long each time, up to `max_delay`.

    It gives up after `max_attempts` failed attempts in a row; with 0 it never connects again. The stream's `retry:`
    replaces `retry_delay`, and `Retry-After` is a lower bound. Each wait is lengthened at random by up to a quarter, so
    that the viewers of a service that restarts do not all return at once.
    """

    max_attempts: int = 10
    retry_delay: float = 1.0
    max_delay: float = 30.0

    def __post_init__(self) -> None:
        if self.max_attempts < 0 or not (self.retry_delay >= 0 and 0 <= self.max_delay < float("inf")):
            raise ValueError(f"attempts and delays must be 0 or more, and max_delay finite, not {self}")

    def wait(self, waits: int, *, retry: float | None, retry_after: float | None, chance: float) -> float:
        """The seconds before the next attempt after `waits` of them in a row; `chance` is from 0 to 1."""
        least = self.retry_delay if retry is None else retry
        grown = max(least, min(least * 2.0 ** min(waits, 30), self.max_delay))
        return max(grown, retry_after or 0.0) * (1 + chance / 4)


class RunReader:
    """The state of a run as far as it was read; see the table above.

    `run` is its id, "" until it is known. `after` is the number of the last event that the caller already has.
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
        self.run: str = run
        self.last_event_id: int = after
        self.question: Question | None = None
        """The open question."""
        self.status: Ending | None = None
        """How the run ended; `None` while it is not over."""
        self._reason = ""
        self._result: list[Any] = []  # empty until there is one
        self._error: Mapping[str, Any] | None = None
        self._backoff = backoff or Backoff()
        self._retry: float | None = None
        self._chance = chance
        self._max_event = max_event
        self._partials = HeldPartials(whole=not after)
        self._parser = self._new_parser()
        self._was_open = False
        self._has_events = False
        self._is_alive = False  # whether this connection has carried an event or a heartbeat
        self._failures = 0  # attempts in a row that carried nothing
        self._waits = 0  # since the last connection that carried something

    @property
    def over(self) -> bool:
        """Whether there is nothing more to read."""
        return self.status is not None

    # -- a connection -------------------------------------------------------------------------------------------

    def headers(self) -> dict[str, str]:
        """The headers that continue the stream after the last event."""
        return {"Last-Event-ID": str(self.last_event_id)} if self.last_event_id else {}

    def connection_opened(self, status: int, headers: Mapping[str, str]) -> None:
        """To be called when a request for the stream is answered with a success. Raises `NotAStream`."""
        media_type = headers.get("content-type", "")
        if not media_type.lower().startswith("text/event-stream"):
            message = f"the answer is {media_type or 'without a type'}, not an event stream"
            raise NotAStream(message, status=status, transient=self._was_open)
        self._parser = self._new_parser()
        self._was_open = True

    def receive(self, chunk: bytes) -> list[RunEvent]:
        """The new events that these bytes complete. Raises `NotAStream` for one that is too large."""
        try:
            messages = self._parser.feed(chunk)
        except EventTooLarge as error:
            raise NotAStream(str(error)) from error
        if self._parser.retry is not None:
            self._retry = self._parser.retry / 1000
        return [event for message in messages if not self.over and (event := self._read(message))]

    def connection_lost(self, error: ClientError | None = None) -> float:
        """To be called when a connection ends or cannot be opened; returns the seconds until the next attempt.

        `error` is the reason, `None` where the body ended. It is raised where another attempt would not help, and
        `Interrupted` after too many failed attempts.
        """
        retry_after = error.retry_after if isinstance(error, RequestRefused) else None
        if error is not None and (not error.transient or (retry_after or 0) > MAX_RETRY_AFTER):
            raise error
        if not self._is_alive:
            self._failures += 1
        self._is_alive = False
        if self._failures >= self._backoff.max_attempts or (self._has_events and not self.run):
            raise self._interruption(error) from error
        wait = self._backoff.wait(self._waits, retry=self._retry, retry_after=retry_after, chance=self._chance())
        self._waits += 1
        return wait

    def open_question(self) -> str:
        """The id of the open question. Raises `ValueError` where there is none."""
        if self.question is None:
            raise ValueError("no question is open, as far as the stream was read")
        return self.question.question

    # -- the end ------------------------------------------------------------------------------------------------

    @property
    def missing(self) -> set[str]:
        """The keys that the result refers to, of partials that were not read, or not held: `add_partials` adds them."""
        return self._partials.missing(self._result[0]) if self._result else set()

    def hold(self, keys: Collection[str]) -> None:
        """Holds the partials of these keys, however much they are."""
        self._partials = HeldPartials(keys=keys)

    def add_partials(self, other: RunReader) -> None:
        """Adds the partials that another reader of the run has held."""
        self._partials.add_all(other._partials)

    def filled(self, result: Any) -> Any:
        """A result with the values of partials in place of references, as far as they are held."""
        return self._partials.fill(result)

    @property
    def needs_snapshot(self) -> bool:
        """Whether `outcome` needs `end_with`: `done` was read, but the result or error before it was not."""
        return self.over and self.status != "cancelled" and not self._result and self._error is None

    def end_with(self, snapshot: Snapshot, data: Any) -> Reset:
        """Takes the end of the run from its snapshot, whose JSON is `data`; returns the `reset` that stands for it."""
        if snapshot.status not in ("succeeded", "failed", "cancelled"):
            message = f"the stream of run {self.run} has ended, but the run is {snapshot.status}"
            raise NotAStream(message, transient=True)
        self.status = snapshot.status
        self._result = [snapshot.result]
        self._error = snapshot.error
        self.last_event_id = max(self.last_event_id, snapshot.last_event_id)
        body = {"timestamp": snapshot.updated, "snapshot": data}
        return Reset(id=self.last_event_id, type="reset", data=body, snapshot=data)

    def outcome(self) -> Any:
        """The result. Raises `RunFailed`, `RunCancelled`, and `Left` where the run was not read to its end."""
        if self.status is None:
            raise Left(f"run {self.run} was left before it was over")
        if self.status == "failed":
            error = self._error or {}
            retryable = error.get("retryable") is True
            raise RunFailed(str(error.get("code", "")), str(error.get("message", "")), retryable=retryable)
        if self.status == "cancelled":
            raise RunCancelled(self._reason)
        return self.filled(self._result[0]) if self._result else None

    # -- helpers ------------------------------------------------------------------------------------------------

    def _new_parser(self) -> Parser:
        return Parser(max_bytes=self._max_event, on_comment=lambda _: self._reset_failures(), own_ids=True)

    def _reset_failures(self) -> None:
        self._is_alive = True
        self._failures = self._waits = 0

    def _read(self, message: Message) -> RunEvent | None:
        if message.id.isascii() and message.id.isdecimal() and len(message.id) < 16:
            number = int(message.id)
            if number <= self.last_event_id:
                return None
            self.last_event_id = number
        self._reset_failures()
        self._has_events = True
        event = read_event(self.last_event_id, message.event, message.data)
        if event is not None:
            self._update(event)
            if isinstance(event, Partial):
                self._partials.add(event, len(message.data))
        return event

    def _update(self, event: RunEvent) -> None:
        match event:
            case Delta() | Partial() | Progress():
                pass  # first, as most events are one of these
            case Start(run=run):
                self.run = self.run or run
            case Question():
                self.question = event
            case Answer():
                self.question = None
            case Attempt(after=after):
                self.question = None
                self._partials.drop_after(after)
            case Reset(snapshot=snapshot):
                self.question = _question_in(snapshot, event.id)
                self._partials.whole = False
            case Result(result=result):
                self._result = [result]
            case Error(data=data):
                self._error = data
            case Done(status=status, reason=reason):
                self.status, self._reason, self.question = status, reason or "", None

    def _interruption(self, error: ClientError | None) -> ClientError:
        if error is not None and not self._was_open and not self.run:
            return error  # as far as the client knows, nothing was started
        reason = str(error) if error else "the stream ended without `done`"
        message = f"run {self.run} was interrupted after event {self.last_event_id}: {reason}"
        return Interrupted(message, run=self.run, last_event_id=self.last_event_id)


def _question_in(snapshot: Any, id: int) -> Question | None:
    """The open question of a snapshot, whose own event is no longer kept."""
    data = snapshot.get("question") if isinstance(snapshot, dict) else None
    question = make_event(id, "question", data) if isinstance(data, dict) else None
    return question if isinstance(question, Question) else None
