"""A run, for the code of the application: what `Headway.start` and `Headway.run` return."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import gevent
import orjson

from ..errors import Conflict, NotFound, RunCancelled, RunFailed
from ..protocol.events import encode_json
from ..protocol.frames import BLOCK_FRAMES, Batch
from ..protocol.sse import Parser
from ..runs import questions
from ..runs.runner import Runner
from ..stores.base import Record
from ..stores.partials import resolved
from .inputs import refusals
from .sources import RunSource
from .tokens import Verb, Wish

if TYPE_CHECKING:
    from ..protocol.typed import RunEvent
    from .extension import Headway


_UNBOUNDED: Final = 1 << 40
"""Bytes: what the store has kept is not too large."""


class RunHandle:
    """A run of this application, in any process that has it; its methods may be called in any thread and greenlet.

    `id` is the run's. All methods raise `NotFound` once the run is no longer kept, and `StoreAway`.
    """

    def __init__(self, headway: Headway, run: str) -> None:
        self.id = run
        self._headway = headway

    def __repr__(self) -> str:
        return f"<RunHandle {self.id}>"

    def snapshot(self) -> dict[str, Any]:
        """The state of the run, as `GET /runs/ID` answers."""
        return _as_dict(self._record())

    def events(self, after: int = 0, *, watch: bool = False) -> Iterator[RunEvent]:
        """The events after number `after`, as they come, to the last one, `done`.

        With `watch` the loop is a viewer: the run lingers once it is left, and no other viewer is there. Otherwise it
        counts for nothing. Where events are no longer kept, a `reset` with the snapshot stands for them.
        """
        from ..protocol.typed import read_event  # thirty classes, which take 25 ms, and most servers need none

        cursor = _Cursor(self._runner, self.id, after, counts=watch)
        parser = Parser(max_bytes=_UNBOUNDED, own_ids=True)
        try:
            over = False
            while not over:
                block, over = cursor.read(None)
                for message in parser.feed(block):
                    event = read_event(int(message.id or 0), message.event, message.data)
                    if event is not None:
                        yield event
        finally:
            cursor.leave()

    def result(self, timeout: float | None = None) -> Any:
        """Waits for the end of the run, `timeout` seconds at the most, and returns its result.

        Raises `RunFailed`, `RunCancelled`, and `TimeoutError` while the run goes on, which it does after that too.
        """
        record = self._record()
        if not record.fold.over:
            self._wait(record.fold.last_event_id, timeout)
            record = self._record()
        fold = record.fold
        if fold.ending == "succeeded":
            return None if fold.result is None else orjson.loads(fold.result)
        if fold.ending == "cancelled":
            raise RunCancelled(self._reason(fold.last_event_id))
        if fold.error is None:  # its store has lost it
            raise RunFailed("producer_lost", "The store no longer has the end of this run.", retryable=True)
        error = orjson.loads(fold.error)
        raise RunFailed(error["code"], error["message"], retryable=error["retryable"])

    def cancel(self) -> dict[str, Any]:
        """Cancels the run, and returns its snapshot; does nothing to one that is over."""
        runner = self._runner
        record, _ = runner.worker.call(runner.cancel, self.id, None)
        return _as_dict(record)

    def answer(self, question: str, value: Any) -> dict[str, Any]:
        """Answers the open question, whose id is `question`, and returns the snapshot.

        Raises `Conflict` where that question is not open, and `InvalidInput` for a value that its schema refuses.
        """
        body = encode_json({"question": question, "answer": value})
        question_id, answer = questions.check_answer(body, self._record().fold.question)
        runner = self._runner
        if not runner.worker.call(runner.store.answer, self.id, question_id, answer):
            raise Conflict("this question has already been answered", code="already_answered")
        return self.snapshot()

    def token(self, seconds: int = 900, may: Iterable[Verb] = ("watch",)) -> str:
        """A token that opens this run for `seconds`, 86400 at the most, to those who have no key and no login.

        They may `watch`, `answer` or `cancel`. Raises `InvalidInput`.
        """
        self._record()
        with refusals():
            wish = Wish(seconds=seconds, may=list(may))
        return self._headway.tokens.make(self.id, wish)[0]

    def erase(self) -> None:
        """Deletes the run, which has to be over, with all that belongs to it. Raises `Conflict` while it lives."""
        runner = self._runner
        runner.worker.call(runner.erase, self.id, None)

    @property
    def _runner(self) -> Runner:
        return self._headway.runner

    def _record(self) -> Record:
        runner = self._runner
        return runner.worker.call(lambda: resolved(runner.store, runner.find(self.id, None)))

    def _wait(self, after: int, timeout: float | None) -> None:
        """Waits for the event log to be closed."""
        deadline = None if timeout is None else monotonic() + timeout
        cursor = _Cursor(self._runner, self.id, after, counts=False)
        try:
            while not cursor.read(deadline)[1]:
                if deadline is not None and monotonic() >= deadline:
                    raise TimeoutError(f"run {self.id} is not over after {timeout:g} seconds")
        finally:
            cursor.leave()

    def _reason(self, last: int) -> str:
        """The reason of the last event, which no snapshot has."""
        from ..protocol.typed import Done

        (*_, done) = self.events(last - 1)
        return (done.reason if isinstance(done, Done) else None) or ""


class _Cursor:
    """A cursor into an event log, for any thread."""

    def __init__(self, runner: Runner, run: str, after: int, *, counts: bool) -> None:
        self._runner = runner
        self._run = run
        self._after = after
        self._signal = runner.worker.signal()
        self._source, self._unwatch = runner.worker.call(self._open, counts)

    def _open(self, counts: bool) -> tuple[RunSource, Callable[[], None]]:
        try:
            source = RunSource(self._runner.store, self._run, counts=counts)
            try:
                return source, source.watch(self._signal.set)
            except BaseException:
                source.leave()
                raise
        except KeyError:
            raise self._missing() from None

    def read(self, deadline: float | None) -> tuple[bytes, bool]:
        """The next frames, and whether they are the last; none where `deadline` is over."""
        while True:
            self._signal.clear()
            batch = self._runner.worker.call(self._read)
            if batch.block or batch.over:
                return batch.block, batch.over
            remaining = None if deadline is None else deadline - monotonic()
            if remaining is not None and remaining <= 0:
                return b"", False
            self._signal.wait(remaining)

    def _read(self) -> Batch:
        before = self._after
        try:
            batch = self._source.read(before, frames=BLOCK_FRAMES, merge=False)
        except KeyError:
            raise self._missing() from None
        self._after = batch.last
        if batch.oldest > before + 1 and batch.block:
            return batch._replace(block=self._source.gap(batch) + batch.block)
        return batch

    def leave(self) -> None:
        """Ends the cursor. Does not wait: a generator that is forgotten may call this in the hub."""
        self._runner.worker.soon(gevent.spawn, self._leave)

    def _leave(self) -> None:
        self._unwatch()
        self._source.leave()

    def _missing(self) -> NotFound:
        return NotFound(f"run {self._run} is not kept any more", code="run_not_found")


def _as_dict(record: Record) -> dict[str, Any]:
    snapshot: dict[str, Any] = orjson.loads(record.snapshot())
    return snapshot
