"""A production: one generator on its way into one sink, whatever becomes of it.

It writes the first event and the last, and what comes between in batches; it asks questions, and it stops the work
when it is told to. The sink of a run is an event log that outlives its viewers (`runner.Run`), that of `stream()` the
single viewer it has (`viewer.Channel`).
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import gevent
from greenlet import GreenletExit

from ..clock import Clock, Timer, rfc3339
from ..errors import EncodeError, OperationError, Refused
from ..protocol.events import FLUSH, LIFECYCLE, Event, Question, RawEvent, encode_json, make_event
from ..protocol.frames import Block
from ..protocol.recorder import Recorder, question
from ..protocol.state import Ending, Fold, Reason
from ..runtime import watchdog
from ..runtime.hub import GreenSignal, give_way, hand_over
from .executors.base import Work
from .executors.process.fork_server import WorkFailed
from .operation import CancelHooks, FlushPolicy
from .questions import check_schema

log = logging.getLogger("headway")

SLICE_MILLISECONDS: Final = 1
"""How long a producer that never waits may hold the worker before the others have their turn."""

LAG_MILLISECONDS: Final = 5
"""The same, counted from the hub's last turn: it may have spent some of that on others, or on this operation's work."""

SLICE_BYTES: Final = 128 * 1024
"""How much one batch holds before it is written without waiting for the end of the slice."""

IGNORES_AFTER: Final = 1.0
"""Seconds after its cancel when an operation that goes on is named in a warning."""

GIVE_UP_AFTER: Final = 8.0
"""Seconds after its cancel when the run is ended without its operation; more than a child's SIGKILL takes."""

IGNORED: Final = "generator ignored GeneratorExit"
"""What Python says of a generator that is closed and yields."""

FAILED: Final = "The operation failed. The reference {} stands beside the details in the server's log."


class Sink(Protocol):
    """Where a production's frames go."""

    def put(self, block: Block, recorder: Recorder) -> None:
        """Takes the next frames; in the hub, without waiting."""

    def wait_for_room(self) -> None:
        """Waits, in the producing greenlet, while there is too much that nobody has taken."""


class Producer:
    """One generator on its way into one sink."""

    __slots__ = (
        "_answer",
        "_answered",
        "_asked",
        "_clock",
        "_closing",
        "_ended",
        "_failure",
        "_gather",
        "_gathering",
        "_greenlet",
        "_handed_over",
        "_hooks",
        "_lifecycle",
        "_loop",
        "_sink",
        "_slice_ends",
        "_started",
        "_timeout",
        "_timers",
        "_work",
        "_writing",
        "cancelled",
        "name",
        "over",
        "recorder",
        "run",
    )

    def __init__(  # what differs between a run and a stream
        self,
        name: str,
        work: Work,
        hooks: CancelHooks,
        sink: Sink,
        *,
        clock: Clock,
        flush: FlushPolicy = "ready",
        lifecycle: bool = True,
        run: str | None = None,
        timeout: float | None = None,
        fold: Fold | None = None,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.run = run
        self.recorder = Recorder(clock, lifecycle=lifecycle, fold=fold)
        self.over = False
        self.cancelled: Reason | None = None
        self._failure: OperationError | None = None
        self._work = work
        self._hooks = hooks
        self._sink = sink
        self._clock = clock
        self._gather = flush if isinstance(flush, int | float) else 0.0
        self._lifecycle = lifecycle
        self._started = clock.monotonic()
        self._timeout = timeout
        self._ended = ended
        self._timers: list[Timer] = []
        self._gathering: Timer | None = None
        self._loop = gevent.get_hub().loop
        self._closing = False
        self._writing = False
        self._slice_ends = 0
        self._handed_over = 0
        self._answer: Any = None
        self._answered = GreenSignal()
        self._asked: str | None = None
        self._greenlet: gevent.Greenlet[..., None] = gevent.Greenlet(self._drive)

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return self._clock.monotonic() - self._started

    def begin(self, first: Event | None = None) -> None:
        """Writes `start`, or `first` in its place, and sets the work going."""
        if self._lifecycle:
            about = {} if self.run is None else {"run": self.run}
            self._write_now(first or make_event("start", {**about, "operation": self.name}))
        if self._timeout is not None:
            self._timers.append(self._clock.later(self._timeout, lambda: self.cancel("timeout")))
        self._greenlet.start()

    def cancel(self, reason: Reason) -> None:
        """Stops the work; the first reason stands. The last event follows once its `finally` blocks have run."""
        if self.over or self.cancelled is not None:
            return
        self.cancelled = reason
        self._timers += [
            self._clock.later(IGNORES_AFTER, self._warn_of_ignored_cancel),
            self._clock.later(GIVE_UP_AFTER, self._finish_cancelled),
        ]
        gevent.spawn(self._kill)

    def fail(self, failure: OperationError) -> None:
        """Stops the work as a cancel would, and ends it in this failure."""
        if self.cancelled is None:
            self._failure = failure
            self.cancel("shutdown")

    def lose(self, why: Refused) -> None:
        """The log takes nothing more of this: the work is stopped, and no event of it follows."""
        if not self.over:
            log.warning("%s goes no further: %s", self._named(), why)
            self.cancelled = self.cancelled or "shutdown"
            self._settle()
            gevent.spawn(self._kill)

    def answer(self, question_id: str, value: Any) -> None:
        """Hands over the answer to the open question; anything else is ignored."""
        if question_id == self._asked:
            self._answer = value
            self._answered.set()

    # -- the producing greenlet ---------------------------------------------------------------------------------

    def _drive(self) -> None:
        watchdog.enter()
        try:
            self._finish_with_result(self._pump())
        except BaseException as error:  # noqa: BLE001  # SystemExit of an operation ends its run, not the worker
            self._finish_with_error(error)
        finally:
            watchdog.leave(self)

    def _pump(self) -> Any:
        """Takes what the work yields until it returns; gives its result."""
        answer = None
        try:
            while True:
                # Nothing of the last event is held while the work waits for the next.
                item = None
                try:
                    item = self._work.send(answer)
                except StopIteration as end:
                    return end.value
                answer = None
                if self.cancelled is not None:
                    raise GreenletExit
                if isinstance(item, Event):
                    if item.__class__ is Question:
                        answer = self._put_question(item)
                    elif item.name in LIFECYCLE and self._lifecycle and item.__class__ is not RawEvent:
                        raise EncodeError(f"an operation yields no {item.name!r}: it returns, raises, or asks")
                    else:
                        self._put(item)
                elif item is FLUSH:
                    self._write()
                    self._give_way()
                else:
                    raise TypeError(f"an operation yields events, not {type(item).__name__}")
        finally:
            self._closing = True
            self._close_work()

    def _put(self, event: Event) -> None:
        recorder = self.recorder
        recorder.add(event)
        if not self._writing:
            self._writing = True
            self._slice_ends = max(self._slice_ends, int(self._loop.now() * 1000) + LAG_MILLISECONDS)
            if self._gather:
                self._gathering = self._clock.later(self._gather, self._write)
            elif recorder.millisecond > self._handed_over:
                # The first event for a while goes out at once, whatever the producer does next. That was no turn for
                # anybody but its viewer, so the slice goes on.
                hand_over(self._write)
                self._handed_over = int(time.time() * 1000)
            else:
                # Called when the producer next waits: what it yields until then makes one batch.
                self._loop.run_callback(self._write)
            # Here too, for a producer that waits often enough never to be asked to give way.
            self._sink.wait_for_room()
        if recorder.millisecond > self._slice_ends or recorder.size > SLICE_BYTES:
            self._give_way()

    def _give_way(self) -> None:
        """Writes what is pending, and lets everybody else have a turn."""
        if not self._gather or self.recorder.size > SLICE_BYTES:
            self._write()
        give_way()
        self._sink.wait_for_room()
        self._handed_over = int(time.time() * 1000)
        self._slice_ends = self._handed_over + SLICE_MILLISECONDS

    def _write(self) -> None:
        """Writes what is pending; also called late, when there is nothing any more."""
        self._writing = False
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
        if len(self.recorder) and not self.over:
            self._sink.put(self.recorder.take(), self.recorder)

    def _write_now(self, *events: Event) -> None:
        for event in events:
            self.recorder.add(event)
        self._write()

    def _put_question(self, asked: Question) -> Any:
        check_schema(asked.schema)
        expires = None if asked.within is None else rfc3339(self._clock.now() + asked.within)
        numbered = question(asked, self.recorder.last + 1, expires)
        self._asked = numbered.data["question"]
        self._answered.clear()
        timer = None if asked.within is None else self._clock.later(asked.within, self._answered.set)
        self._answer = _UNANSWERED
        try:
            self._write_now(numbered)
            self._answered.wait()
        finally:
            self._asked, answer = None, self._answer
            if timer is not None:
                timer.cancel()
        if answer is _UNANSWERED:
            raise OperationError("timeout", "Nobody answered the question in time.", retryable=True)
        self._write_now(make_event("answer", {"question": numbered.data["question"], "answer": answer}))
        return answer

    def _close_work(self) -> None:
        try:
            self._work.close()
        except (RuntimeError, WorkFailed) as error:
            if self.cancelled is None or IGNORED not in str(error):
                raise
            log.warning("%s ignored its cancel: %s", self._named(), error)

    # -- endings ------------------------------------------------------------------------------------------------

    def _finish_with_result(self, value: Any) -> None:
        if self.cancelled is not None:
            self._finish_cancelled()
            return
        try:
            ending = Event("result", encode_json({"result": value}))
        except EncodeError as error:
            self._finish_with_error(error)
            return
        self._finish("succeeded", ending)

    def _finish_with_error(self, error: BaseException) -> None:
        if self.cancelled is None:
            self._finish("failed", self._told(error))
            return
        if not isinstance(error, GreenletExit | OperationError):
            self._log_failure(error, "failed while it was being stopped")
        self._finish_cancelled()

    def _told(self, error: BaseException) -> Event:
        """What viewers are told of a failure: an operation's own words, or a reference into the log."""
        if isinstance(error, OperationError):
            try:
                return error_event(error.code, error.message, retryable=error.retryable)
            except Exception as second:  # noqa: BLE001  # whatever an object does that was given for a text
                error = second
        reference = secrets.token_hex(4)
        self._log_failure(error, f"failed, reference {reference}")
        return error_event("operation_failed", FAILED.format(reference))

    def _log_failure(self, error: BaseException, how: str) -> None:
        if isinstance(error, WorkFailed):
            log.error("%s %s\n%s", self._named(), how, error)
        else:
            log.error("%s %s", self._named(), how, exc_info=error)

    def _finish_cancelled(self) -> None:
        reason = self.cancelled or "shutdown"
        if self._failure is not None:
            self._finish("failed", self._told(self._failure))
        elif reason == "timeout":
            told = f"The work took longer than the {self._timeout:g} seconds it may take."
            self._finish("cancelled", error_event("timeout", told))
        else:
            self._finish("cancelled")

    def _finish(self, status: Ending, ending: Event | None = None) -> None:
        """Writes the last events, once, whoever comes first."""
        if self.over:
            return
        try:
            if self._lifecycle:
                self._write_now(*([ending] if ending is not None else []), self._done(status))
            else:
                self._write()
        except Refused as refused:
            log.warning("%s: its log did not take its last event: %s", self._named(), refused)
        finally:
            self._settle()

    def _settle(self) -> None:
        self.over = True
        for timer in self._timers:
            timer.cancel()
        self._ended()

    def _done(self, status: Ending) -> Event:
        data: dict[str, Any] = {"status": status, "elapsed": round(self.elapsed, 3)}
        if status == "cancelled":
            data["reason"] = self.cancelled or "shutdown"
        return make_event("done", data)

    # -- cancel -------------------------------------------------------------------------------------------------

    def _kill(self) -> None:
        self._hooks.fire()  # before the greenlet, which takes its hooks along where they are those of a `with` block
        self._loop.run_callback(self._interrupt)
        self._greenlet.join()
        # A greenlet that had not begun ends without a word.
        self._finish_cancelled()

    def _interrupt(self) -> None:
        """Made in the hub. Work that is being closed is let be: its `finally` blocks run before the last event."""
        if not self._closing:
            self._greenlet.throw(GreenletExit)

    def _warn_of_ignored_cancel(self) -> None:
        log.warning(
            "%s ignores its cancel: %.1f seconds after it, it is still at work%s. Nothing that it yields is taken any "
            'more; a process (runs_in="process") can always be stopped, a thread by an on_cancel hook.',
            self._named(),
            IGNORES_AFTER,
            watchdog.stack_of(self._greenlet),
        )

    def _named(self) -> str:
        return f"operation {self.name!r}" + ("" if self.run is None else f" (run {self.run})")


def error_event(code: str, message: str, *, retryable: bool = False) -> Event:
    """The `error` of a run."""
    return make_event("error", {"code": str(code), "message": str(message), "retryable": bool(retryable)})


_UNANSWERED: Final = object()
