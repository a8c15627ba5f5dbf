"""The producer: runs one generator, and writes its events to one sink.

It writes the first event and the last itself, asks questions, and stops the generator on a cancel; all other events go
through its `Batcher`. The sink of a run is an event log that outlives its viewers (`run.Run`); that of `stream()` is
its one viewer (`http.stream.Channel`).
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from typing import Any, Final

import gevent
from greenlet import GreenletExit, getcurrent

from ..clock import Clock, Timer, rfc3339
from ..errors import EncodeError, OperationError, Refused
from ..logs import Lines, of_run
from ..protocol.events import FLUSH, LIFECYCLE, Awaited, Checkpoint, Event, Question, RawEvent, encode_json, make_event
from ..protocol.partials import MARK
from ..protocol.recorder import Recorder, question
from ..protocol.state import Ending, Fold, Reason
from ..runtime.hub import GreenSignal
from ..runtime.watchdog import is_running, stack_of
from .batcher import CLOSED, Batcher, Sink
from .context import RunContext
from .executors.base import Work, WorkFailed
from .files import FileEvent
from .operation import FlushPolicy
from .questions import check_schema

log: Final = logging.getLogger("headway")

IGNORES_AFTER: Final = 1.0
"""Seconds after its cancel when an operation that still runs is named in a warning."""

GIVE_UP_AFTER: Final = 8.0
"""Seconds after its cancel when the run ends without its operation; a child has had its SIGKILL by then."""

IGNORED: Final = "generator ignored "
"""In Python's message about a generator that yields when it is closed, and in that of the asyncio executor."""

FAILED: Final = "The operation failed. The reference {} stands beside the details in the server's log."


def _nothing() -> None:
    """Does nothing."""


class Producer:
    """Runs one generator, and writes its events to one sink. `ended` is called after the last one."""

    __slots__ = (
        "_answer",
        "_answered",
        "_batcher",
        "_clock",
        "_closing",
        "_context",
        "_ended",
        "_failure",
        "_killed",
        "_lent",
        "_lifecycle",
        "_question",
        "_sink",
        "_started",
        "_timeout",
        "_timers",
        "_work",
        "cancelled",
        "greenlet",
        "name",
        "over",
        "recorder",
        "run",
    )

    def __init__(  # what differs between a run and a stream
        self,
        name: str,
        work: Work,
        context: RunContext,
        sink: Sink,
        *,
        clock: Clock,
        flush: FlushPolicy = "ready",
        lifecycle: bool = True,
        timeout: float | None = None,
        fold: Fold | None = None,
        kept_progress: bytes | None = None,
        ended: Callable[[], None] = _nothing,
    ) -> None:
        self.name: str = name
        self.run: str | None = context.run
        self.recorder: Recorder = Recorder(clock, lifecycle=lifecycle, fold=fold, kept_progress=kept_progress)
        self.over: bool = False
        self.cancelled: Reason | None = None
        self.greenlet: Any = None
        self._sink: Sink = sink
        self._batcher = Batcher(self.recorder, sink, context.worker, clock, flush)
        self._failure: Exception | None = None
        self._work = work
        self._context = context
        self._clock = clock
        self._lifecycle = lifecycle
        self._started = clock.monotonic()
        self._timeout = timeout
        self._ended = ended
        self._timers: list[Timer] = []
        self._closing = self._killed = self._lent = False
        self._answer: Any = None
        self._answered = GreenSignal()
        self._question: str | None = None

    @property
    def is_running(self) -> bool:
        """Whether its greenlet is the one that the hub's thread runs."""
        return is_running(self.greenlet)

    @property
    def elapsed(self) -> float:
        """Seconds since it was started."""
        return self._clock.monotonic() - self._started

    def start(self, first: Event | None = None) -> None:
        """Writes `start`, or `first` in its place, and starts the work; a claimed run has its `start` already."""
        self.begin(first)
        self._spawn()

    def begin(self, first: Event | None = None) -> None:
        """Does the same without the work, which `work` does."""
        if self._lifecycle and (first is not None or not self.recorder.last):
            run = {} if self.run is None else {"run": self.run}
            self._batcher.write(first or make_event("start", {**run, "operation": self.name}))
        if self._timeout is not None:
            self._timers.append(self._clock.later(self._timeout, lambda: self.cancel("timeout")))

    def work(self) -> None:
        """Does the work in the calling greenlet, from which it may be interrupted; returns once it has ended.

        Raises `GreenletExit` where somebody else has killed the greenlet.
        """
        greenlet = self.greenlet = getcurrent()
        self._lent = True
        # Not `Context.run`: while the work waits, its C frame would be kept with the greenlet's stack.
        before, greenlet.gr_context = greenlet.gr_context, self._context.variables()
        try:
            self._drive()
        finally:
            greenlet.gr_context = before
        if self._killed:
            raise GreenletExit

    def _spawn(self) -> None:
        self.greenlet = gevent.Greenlet(self._drive)
        self.greenlet.gr_context = self._context.variables()
        self.greenlet.start()

    def cancel(self, reason: Reason) -> None:
        """Stops the work; the first reason counts. The last event follows once its `finally` blocks have run."""
        if self.over or self.cancelled is not None:
            return
        self.cancelled = reason
        self._timers += [
            self._clock.later(IGNORES_AFTER, self._warn_of_ignored_cancel),
            self._clock.later(GIVE_UP_AFTER, self._give_up),
        ]
        gevent.spawn(self._kill)

    def fail(self, failure: Exception) -> None:
        """Stops the work as a cancel does, and ends the run with this failure."""
        if self.cancelled is None:
            self._failure = failure
            self.cancel("shutdown")

    def lose(self, why: Refused) -> None:
        """Stops the work without a last event, which the store would refuse."""
        if not self.over:
            log.warning("%s stops: %s", self._named(), why, extra=self._fields())
            self.cancelled = self.cancelled or "shutdown"
            self._settle()
            gevent.spawn(self._kill)

    def answer(self, question_id: str, value: Any) -> None:
        """Hands over the answer to the open question; any other is ignored."""
        if question_id == self._question:
            self._answer = value
            self._answered.set()

    # -- the producer's greenlet --------------------------------------------------------------------------------

    def _drive(self) -> None:
        watchdog = self._context.worker.watchdog
        watchdog.enter(self)
        try:
            result = self._pump()
            if self.cancelled is None:
                event = Event("result", encode_json({"result": result}))
                if MARK in event.body:
                    self._batcher.write()
                    self._sink.check_references(event.body, self.recorder.last)
                self._finish("succeeded", event)
            else:
                self._finish_cancelled()
        except BaseException as error:  # noqa: BLE001  # SystemExit of an operation ends its run, not the worker
            self._finish_with_error(error)
        finally:
            watchdog.leave(self)

    def _pump(self) -> Any:
        """Writes what the work yields until it returns; gives its result."""
        answer = None
        try:
            if self.cancelled is not None:
                raise GreenletExit  # before it has begun
            while True:
                # Lets go of the last event while the work waits for the next.
                item = None
                try:
                    item = self._work.send(answer)
                except StopIteration as end:
                    return end.value
                answer = None
                if self.cancelled is not None:
                    raise GreenletExit
                if isinstance(item, Awaited):
                    answer = self._handle(item)
                elif isinstance(item, Event):
                    if item.name in LIFECYCLE and self._lifecycle and item.__class__ is not RawEvent:
                        raise EncodeError(f"an operation yields no {item.name!r}: it returns, raises, or asks")
                    self._batcher.add(item)
                elif item is FLUSH:
                    self._batcher.flush()
                else:
                    raise TypeError(f"an operation yields events, not {type(item).__name__}")
        finally:
            self._closing = True
            self._close_work()

    def _handle(self, item: Awaited) -> Any:
        """Does what the work waits for; gives the answer to a question."""
        if isinstance(item, Question):
            return self._ask(item)
        if isinstance(item, FileEvent):
            self._batcher.add(self._sink.keep_file(item))
        elif isinstance(item, Checkpoint):
            self._batcher.write()
            self._sink.keep_checkpoint(item.body, self.recorder)
            self.recorder.mark()
        return None

    def _ask(self, unnumbered: Question) -> Any:
        """Writes a question, waits for its answer, and writes that too. Raises `OperationError` when it expires."""
        check_schema(unnumbered.schema)
        within = unnumbered.within
        expires = None if within is None else rfc3339(self._clock.now() + within)
        numbered = question(unnumbered, self.recorder.last + 1, expires)
        question_id = self._question = numbered.data["question"]
        self._answered.clear()
        timer = None if within is None else self._clock.later(within, self._answered.set)
        self._answer = _UNANSWERED
        try:
            self._batcher.write(numbered)
            self._answered.wait()
        finally:
            self._question, answer = None, self._answer
            if timer is not None:
                timer.cancel()
        if answer is _UNANSWERED:
            raise OperationError("timeout", "Nobody answered the question in time.", retryable=True)
        self._batcher.write(make_event("answer", {"question": question_id, "answer": answer}))
        return answer

    def _close_work(self) -> None:
        try:
            self._work.close()
        except (RuntimeError, WorkFailed) as error:
            if self.cancelled is None or IGNORED not in str(error):
                raise
            log.warning("%s ignored its cancel: %s", self._named(), error, extra=self._fields())

    # -- endings ------------------------------------------------------------------------------------------------

    def _finish_with_error(self, error: BaseException) -> None:
        if self.cancelled is None and isinstance(error, GreenletExit) and self._lent:
            self._killed, self.cancelled = True, "disconnected"
        if self.cancelled is None:
            self._finish("failed", self._error_event(error))
            return
        if not isinstance(error, GreenletExit | OperationError | Refused):
            self._log_failure(error, "failed while it was being stopped")
        self._finish_cancelled()

    def _error_event(self, error: BaseException) -> Event:
        """The `error` that viewers see: an operation's own code and message, or a reference into the server's log."""
        if isinstance(error, OperationError):
            try:
                event = error_event(error.code, error.message, retryable=error.retryable)
            except Exception as second:  # noqa: BLE001  # of objects in place of texts
                error = second
            else:
                extra = self._fields(status="failed", code=str(error.code), seconds=round(self.elapsed, 3))
                log.warning("%s failed: %.1000s", self._named(), error, extra=extra)
                return event
        reference = secrets.token_hex(4)
        self._log_failure(error, f"failed, reference {reference}")
        return error_event("operation_failed", FAILED.format(reference))

    def _log_failure(self, error: BaseException, how: str) -> None:
        extra = self._fields(code="operation_failed", seconds=round(self.elapsed, 3))
        if isinstance(error, WorkFailed):
            log.error("%s %s%s", self._named(), how, Lines(f"\n{error}"), extra=extra)
        else:
            log.error("%s %s", self._named(), how, exc_info=error, extra=extra)

    def _finish_cancelled(self) -> None:
        if self.over:
            return
        reason = self.cancelled or "shutdown"
        if self._failure is not None:
            self._finish("failed", self._error_event(self._failure))
        elif reason == "shutdown" and self._hand_over():
            self._settle()
        elif reason == "timeout":
            message = f"The work took longer than the {self._timeout:g} seconds it may take."
            self._finish("cancelled", error_event("timeout", message))
        else:
            self._finish("cancelled")

    def _hand_over(self) -> bool:
        """Writes what is pending, and leaves the run to another worker; false where it ends here."""
        self._batcher.write()
        if not self._sink.hand_over():
            return False
        log.info("%s is left to another worker", self._named(), extra=self._fields())
        return True

    def _finish(self, status: Ending, *events: Event) -> None:
        """Writes the last events, `done` after them; the first call counts."""
        if self.over:
            return
        done: dict[str, Any] = {"status": status, "elapsed": round(self.elapsed, 3)}
        if status == "cancelled":
            done["reason"] = self.cancelled or "shutdown"
        try:
            self._batcher.write(*([*events, make_event("done", done)] if self._lifecycle else []))
            self._log_end(done)
        except Refused as refused:
            why = "%s: the store did not take its last event: %s"
            log.warning(why, self._named(), refused, extra=self._fields())
        finally:
            self._settle()

    def _log_end(self, done: dict[str, Any]) -> None:
        """The line of a run that has ended; one that has failed has had its line, with the reason."""
        if self.run is not None and done["status"] != "failed":
            reason = f" ({done['reason']})" if "reason" in done else ""
            fields = self._fields(**done, seconds=done["elapsed"], events=self.recorder.last)
            log.info("%s %s%s after %s s", self._named(), done["status"], reason, done["elapsed"], extra=fields)

    def _settle(self) -> None:
        self.over = True
        self._batcher.close()
        self._sink = CLOSED
        for timer in self._timers:
            timer.cancel()
        ended, self._ended = self._ended, _nothing
        ended()

    # -- cancel -------------------------------------------------------------------------------------------------

    def _kill(self) -> None:
        self._context.cancel()  # before the greenlet, which removes the hooks of its `with` blocks as it ends
        if self.greenlet is None:
            self._spawn()  # it ends before it has begun
        gevent.get_hub().loop.run_callback(self._interrupt)
        if not self._lent:
            self.greenlet.join()
            # A greenlet that had not started ends without an event.
            self._finish_cancelled()

    def _interrupt(self) -> None:
        """Called in the hub. Does not interrupt a close: the `finally` blocks run before the last event."""
        if not self._closing:
            self.greenlet.throw(GreenletExit)

    def _warn_of_ignored_cancel(self) -> None:
        log.warning(
            "%s ignores its cancel: %.1f seconds after it, it is still at work%s. Nothing that it yields is taken any "
            'more; a process (runs_in="process") can always be stopped, a thread by an on_cancel hook.',
            self._named(),
            IGNORES_AFTER,
            Lines(stack_of(self.greenlet)),
            extra=self._fields(),
        )

    def _give_up(self) -> None:
        if not self.over:
            seconds = GIVE_UP_AFTER
            log.warning("%s is given up %g s after its cancel", self._named(), seconds, extra=self._fields())
            self._finish_cancelled()

    def _fields(self, **more: Any) -> dict[str, Any]:
        current = self._context.current
        return of_run(self.run, self.name, "" if current is None else current.owner, **more)

    def _named(self) -> str:
        return f"operation {self.name!r}" + ("" if self.run is None else f" (run {self.run})")


def error_event(code: str, message: str, *, retryable: bool = False) -> Event:
    """The `error` of a run."""
    return make_event("error", {"code": str(code), "message": str(message), "retryable": bool(retryable)})


_UNANSWERED: Final = object()
