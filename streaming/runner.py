"""Runs: start, produce, cancel, linger, limits, and the events of the lifecycle.

`Production` drives one generator into one sink, whatever becomes of it: it writes the first event and the last, and
what comes between in batches. A `Run` is a production whose sink is an event log that outlives its viewers; `stream()`
uses one whose sink is the single viewer it has (`response.Channel`).
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final, Protocol

import gevent
import orjson
from greenlet import GreenletExit
from pydantic import BaseModel

from . import executors, watchdog
from .clock import Clock, SystemClock, Timer, rfc3339
from .errors import EncodeError, NotFound, OperationError, Refused, RegistrationError, StoreAway, TooMany, Unavailable
from .events import FLUSH, LIFECYCLE, Event, Question, encode_json, raw_event
from .executors import Work, WorkFailed
from .hub import GreenSignal, Home, give_way, hand_over, home
from .lifecycle import Ending, Fold, Reason
from .logs.base import Block, EventLog, Record, RunInfo
from .operation import UNSET, CancelHooks, FlushPolicy, Operation
from .recorder import Recorder, question
from .settings import Settings

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

HOUSEKEEPING: Final = 1.0
"""Seconds between two looks at runs that others have left behind."""

IGNORED: Final = "generator ignored GeneratorExit"
"""What Python says of a generator that is closed and yields."""

FAILED: Final = "The operation failed. The reference {} stands beside the details in the server's log."


STORE_LOST: Final = "The store of the runs could not be reached for too long."


class Sink(Protocol):
    """Where a production's frames go."""

    def put(self, block: Block, recorder: Recorder) -> None:
        """Takes the next frames; in the hub, without waiting."""

    def wait_for_room(self) -> None:
        """Waits, in the producing greenlet, while there is too much that nobody has taken."""


class Production:
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

    def begin(self, first: Event | None = None) -> None:
        """Writes `start`, or `first` in its place, and sets the work going."""
        if self._lifecycle:
            about = {} if self.run is None else {"run": self.run}
            self._write_now(first or raw_event("start", {**about, "operation": self.name}))
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
                    elif item.name in LIFECYCLE and self._lifecycle:
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
        self._write_now(raw_event("answer", {"question": numbered.data["question"], "answer": answer}))
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
                return _error(error.code, error.message, retryable=error.retryable)
            except Exception as second:  # noqa: BLE001  # whatever an object does that was given for a text
                error = second
        reference = secrets.token_hex(4)
        self._log_failure(error, f"failed, reference {reference}")
        return _error("operation_failed", FAILED.format(reference))

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
            self._finish("cancelled", _error("timeout", told))
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
        data: dict[str, Any] = {"status": status, "elapsed": round(self._clock.monotonic() - self._started, 3)}
        if status == "cancelled":
            data["reason"] = self.cancelled or "shutdown"
        return raw_event("done", data)

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


def _error(code: str, message: str, *, retryable: bool = False) -> Event:
    return raw_event("error", {"code": str(code), "message": str(message), "retryable": bool(retryable)})


_UNANSWERED: Final = object()


class Run:
    """A live run of this worker: its production, its log, and the policy for when its last viewer has gone."""

    def __init__(
        self, runner: Runner, operation: Operation, info: RunInfo, checked: BaseModel, fold: Fold | None = None
    ) -> None:
        self.info = info
        self._runner = runner
        self._log = runner.log
        self._lingering: Any = None
        hooks = CancelHooks()
        self.production = Production(
            operation.name,
            executors.start(runner.home, operation, checked, hooks),
            hooks,
            self,
            clock=runner.clock,
            flush=operation.flush,
            run=info.id,
            timeout=operation.timeout,
            fold=fold,
            ended=self._ended,
        )
        self.cleanup: list[Callable[[], None]] = []

    def begin(self, first: Event | None = None) -> None:
        """Sets it going; with `first`, where another producer had left off."""
        self._unwatch = self._log.watch(self.info.id, self._heed)
        self.production.begin(first)

    def put(self, block: Block, recorder: Recorder) -> None:
        self._log.append(self.info.id, block, recorder.fold)

    def wait_for_room(self) -> None:
        self._log.wait_for_room(self.info.id)

    def _heed(self) -> None:
        """Does what others ask of this run; called whenever anything about it has changed."""
        if self.production.over:
            return
        control = self._log.control(self.info.id)
        if isinstance(control.lost, StoreAway):
            self.production.fail(OperationError("operation_failed", STORE_LOST, retryable=True))
            return
        if control.lost is not None:
            self.production.lose(control.lost)
            return
        if control.cancel is not None:
            self.production.cancel(control.cancel)
        for asked, body in control.answers.items():
            self.production.answer(asked, orjson.loads(body))
        self._mind_the_viewers(control.viewers, control.watched)

    def _mind_the_viewers(self, viewers: int, watched: bool) -> None:
        if viewers or not watched or self.info.linger is None:
            if self._lingering is not None:
                self._lingering.cancel()
                self._lingering = None
        elif self._lingering is None:
            self._lingering = self._runner.clock.later(self.info.linger, self._left)

    def _left(self) -> None:
        gevent.spawn(self._abandon)

    def _abandon(self) -> None:
        if not self.production.over and not self._log.abandon(self.info.id):
            self._lingering = None
            self._heed()

    def _ended(self) -> None:
        self._unwatch()
        if self._lingering is not None:
            self._lingering.cancel()
        for call in self.cleanup:
            call()
        self._runner.forget(self)


class Runner:
    """The runs of one worker. Its methods are called in the hub (`Home.call`)."""

    def __init__(
        self, operations: Iterable[Operation], event_log: EventLog, settings: Settings, clock: Clock | None = None
    ) -> None:
        self.operations = self.check(operations)
        self.log = event_log
        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        self.home: Home = home()
        self.draining = False
        self._runs: dict[str, Run] = {}
        self._starting = 0
        self._warm()
        self._house: gevent.Greenlet[..., None] = gevent.spawn(self._keep_house)

    @staticmethod
    def check(operations: Iterable[Operation]) -> dict[str, Operation]:
        """The operations by their names; raises `RegistrationError` for what cannot be offered."""
        named: dict[str, Operation] = {}
        for operation in operations:
            if not isinstance(operation, Operation):
                raise RegistrationError(f"{operation!r} is no operation; decorate it with @operation")
            if operation.runs_in == "process" and not operation.is_found_by_name():
                raise RegistrationError(
                    f"{operation.name}: a process finds its operation by the name of its function, "
                    f"and {operation.fn.__module__}.{operation.fn.__qualname__} is another"
                )
            if operation.name in named:
                raise RegistrationError(f"two operations are named {operation.name!r}")
            named[operation.name] = operation
        return named

    def start(  # what a request says
        self,
        operation: Operation,
        checked: BaseModel,
        *,
        owner: str = "",
        client: str = "",
        key: str | None = None,
        digest: str | None = None,
        cleanup: Callable[[], None] = lambda: None,
    ) -> tuple[str, bool]:
        """Starts a run, or joins the one that the same owner and key started; gives its id, and whether it is new.

        `cleanup` is called once the run is over, or at once where none was started. Raises `Unavailable`, `TooMany`
        and `Conflict`.
        """
        try:
            info = self._info(operation, checked, owner, client, key, digest)
            settled = self.log.joined(info)
            if settled is None:
                self._check_room(client)
                settled = self._create(info)
            if settled.id != info.id:
                cleanup()
                return settled.id, False
            run = self._runs[info.id] = Run(self, operation, info, checked)
        except BaseException:
            cleanup()
            raise
        run.cleanup.append(cleanup)
        run.begin()
        return info.id, True

    def _create(self, info: RunInfo) -> RunInfo:
        self._starting += 1
        try:
            return self.log.create(info)
        finally:
            self._starting -= 1

    def find(self, run: str, owner: str) -> Record:
        """The run as it stands; raises `NotFound`, also for the runs of other owners."""
        record = self.log.find(run)
        if record is None or record.info.owner != owner:
            raise NotFound("there is no such run", code="run_not_found")
        return record

    def cancel(self, run: str, owner: str, reason: Reason = "requested") -> tuple[Record, bool]:
        """Asks for a cancel; gives the run as it stands after it, and whether it was still live."""
        record = self.find(run, owner)
        if record.fold.over:
            return record, False
        self.log.cancel(run, reason)
        return self.find(run, owner), True

    def forget(self, run: Run) -> None:
        self._runs.pop(run.info.id, None)

    @property
    def live(self) -> int:
        """How many runs are at work in this worker."""
        return len(self._runs)

    def stop(self, reason: Reason = "shutdown") -> None:
        """Cancels what is left, and waits for it."""
        for run in list(self._runs.values()):
            run.production.cancel(reason)
        while self._runs:
            gevent.sleep(0.01)

    def close(self) -> None:
        """Ends what is left of this runner, and lets go of its log."""
        self.stop()
        self._house.kill(block=False)
        self.log.close()

    def _keep_house(self) -> None:
        """Takes care of runs that others have left behind, and of those that are over."""
        while True:
            gevent.sleep(HOUSEKEEPING)
            try:
                if not self.draining:
                    for orphan in self.log.orphans():
                        self._take_care_of(orphan)
                self.log.sweep()
            except StoreAway as away:
                log.warning("the store of the runs does not answer: %s", away)
            except Exception:
                log.exception("the housekeeping of the runs failed")

    def _take_care_of(self, orphan: Record) -> None:
        """Adopts it, whatever is wrong with it: its viewers wait, and no other worker will look at it again."""
        try:
            self._adopt(orphan)
        except Exception:
            log.exception("run %s could not begin anew", orphan.info.id)
            self._end(orphan)

    def _adopt(self, orphan: Record) -> None:
        """Begins a run anew whose producer was lost, where its operation allows that; else it has failed."""
        operation = self.operations.get(orphan.info.operation)
        attempt = orphan.attempt + 1
        if operation is None or orphan.info.input is None or attempt > operation.retries + 1 or orphan.cancelling:
            self._end(orphan)
            return
        checked = operation.input.model_validate_json(orphan.info.input)
        run = self._runs[orphan.info.id] = Run(self, operation, orphan.info, checked, orphan.fold)
        # One that was lost before its first event was kept has yet to begin.
        begun = orphan.fold.last_event_id > 0
        run.begin(raw_event("attempt", {"attempt": attempt, "reason": "producer_lost"}) if begun else None)

    def _end(self, orphan: Record) -> None:
        recorder = Recorder(self.clock, fold=orphan.fold)
        elapsed = max(self.clock.now() - datetime.fromisoformat(orphan.info.created).timestamp(), 0)
        if not recorder.last:
            recorder.add(raw_event("start", {"run": orphan.info.id, "operation": orphan.info.operation}))
        recorder.add(_error("producer_lost", "The worker that ran this has died.", retryable=True))
        recorder.add(raw_event("done", {"status": "failed", "elapsed": round(elapsed, 3)}))
        self.log.append(orphan.info.id, recorder.take(), recorder.fold)

    def _check_room(self, client: str) -> None:
        if self.draining:
            raise Unavailable("this worker is stopping; come back in a moment", code="draining", retry_after=1)
        # Starts that wait for the store count too, or a burst of them would all find room.
        if len(self._runs) + self._starting >= self.settings.max_runs:
            raise Unavailable("this worker has as many live runs as it may have", code="too_many_runs", retry_after=5)
        if self.log.live(client) >= self.settings.max_runs_per_client:
            raise TooMany("this client has as many live runs as it may have", retry_after=5)

    def _info(
        self, operation: Operation, checked: BaseModel, owner: str, client: str, key: str | None, digest: str | None
    ) -> RunInfo:
        return RunInfo(
            id=secrets.token_urlsafe(18),
            operation=operation.name,
            created=rfc3339(self.clock.now()),
            owner=owner,
            client=client,
            linger=self.linger_of(operation),
            key=key,
            digest=digest,
            input=checked.model_dump_json().encode() if operation.retries and not operation.file_fields() else None,
        )

    def linger_of(self, operation: Operation) -> float | None:
        """Seconds that a run of it goes on without viewers; `None` for ever."""
        return self.settings.linger if operation.linger is UNSET else operation.linger

    def _warm(self) -> None:
        modules = {op.fn.__module__ for op in self.operations.values() if op.runs_in == "process"}
        if modules:
            self.home.call(executors.nursery().warm, sorted(modules))
