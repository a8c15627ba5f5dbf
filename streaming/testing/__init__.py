"""For tests of one's own operations: their runs without a server, and a clock that a test moves.

    events = collect(count, {"pages": 2}, answers={"Keep the count?": True})
    assert [event.type for event in events] == ["start", "progress", "progress", "question", "answer", "result", "done"]
    assert events[-2].result == {"pages": 2, "ok": True}

A run here is a real one: in the executor of its operation, with the grammar, the numbers and the timestamps of every
run, and kept in memory until it has been read. Events are those of `streaming.client`. What has to happen while a run
is live is done between its events:

    with Runs(clock=ManualClock()) as runs:
        for event in runs.start(count):
            if isinstance(event, Question):
                runs.clock.advance(601)

`pytest_plugins = ["streaming.testing.plugin"]` in a `conftest.py` gives tests such `Runs` as the fixture
`headway_runs`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from time import monotonic
from typing import Any, Protocol, Self

import orjson
from gevent.event import Event as Changed
from pydantic import BaseModel

from ..clock import Clock, SystemClock
from ..clock import ManualClock as _ManualClock
from ..protocol.sse import Parser
from ..protocol.state import Reason
from ..protocol.typed import Question, RunEvent, read_event
from ..runs.context import CallContext, Headers
from ..runs.operation import Operation
from ..runs.questions import check_answer
from ..runs.runner import Runner
from ..runtime.worker import Worker
from ..settings import Settings
from ..stores.memory import MemoryStore

Answers = Mapping[str, Any] | Callable[[Question], Any]

__all__ = ["ManualClock", "Run", "Runs", "collect"]


class Application(Protocol):
    """A Flask application, of which a run needs no more."""

    def app_context(self) -> AbstractContextManager[Any]:
        """A new application context."""


class ManualClock(_ManualClock):
    """A clock that stands still until `advance` moves it, from whatever thread."""

    def advance(self, seconds: float) -> None:
        Worker.current().call(super().advance, seconds)


def collect(
    operation: Operation,
    input: BaseModel | Mapping[str, Any] | None = None,
    *,
    app: Application | None = None,
    answers: Answers | None = None,
    timeout: float | None = 10.0,
    owner: str = "",
    headers: Mapping[str, str] | None = None,
    clock: Clock | None = None,
    process_app: str | None = None,
) -> list[RunEvent]:
    """Runs an operation to its end, and gives its events.

    `input` is a model, or a mapping that becomes one. `answers` are those to its questions, by their prompts, or a
    function of each `Question`. `timeout` is in seconds of real time. The other keywords are those of `Runs` and
    `Runs.start`.

    Raises `TimeoutError`, `LookupError` for a question without an answer, `InvalidInput` for an answer that its schema
    does not allow, pydantic's `ValidationError` and `RegistrationError`. An operation that fails raises nothing: its
    events end with `error` and `done`.
    """
    events = []
    with Runs(app, clock=clock, timeout=timeout, process_app=process_app) as runs:
        run = runs.start(operation, input, owner=owner, headers=headers)
        for event in run:
            events.append(event)
            if isinstance(event, Question):
                run.answer(_answer_to(event, answers))
    return events


def _answer_to(question: Question, answers: Answers | None) -> Any:
    if callable(answers):
        return answers(question)
    if answers is None or question.prompt not in answers:
        raise LookupError(f"the operation asks {question.prompt!r}, and `answers` has nothing for that")
    return answers[question.prompt]


class Runs:
    """Starts runs in this process, and ends those that are left at the end of its block.

    Operations work in the context of `app`, those in a process in that of `process_app` (`"module:factory"`). `timeout`
    is the longest that a run may take, in seconds of real time, or `None`.
    """

    def __init__(
        self,
        app: Application | None = None,
        *,
        clock: Clock | None = None,
        timeout: float | None = 10.0,
        process_app: str | None = None,
    ) -> None:
        self.clock: Any = clock or SystemClock()
        self.timeout = timeout
        self._scope: Any = nullcontext if app is None else app.app_context
        self._process_app = process_app
        self._worker = Worker.current()
        self.store: MemoryStore = MemoryStore(clock=self.clock)
        self._runner: Runner = self._worker.call(self._make_runner)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stops the runs that are live, with their `finally` blocks."""
        self._worker.call(self._runner.close)

    def start(
        self,
        operation: Operation,
        input: BaseModel | Mapping[str, Any] | None = None,
        *,
        owner: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Run:
        """Starts a run. `headers` are what `current_run()` gives, those that the operation names."""
        Runner.check([operation])
        checked = input if isinstance(input, BaseModel) else operation.input.model_validate(input or {})
        named = {name: (headers or {})[name] for name in operation.headers if name in (headers or {})}
        call = CallContext(self._scope, headers=Headers(named), process_app=self._process_app)
        run, _ = self._worker.call(lambda: self._runner.start(operation, checked, owner=owner, call=call))
        return Run(self, run)

    def _make_runner(self) -> Runner:
        settings = Settings(max_runs=10_000, max_runs_per_client=10_000)
        return Runner([], self.store, settings, self._worker, self.clock)


class Run:
    """A run: an iterator of its events, which waits for the next one until the last."""

    def __init__(self, runs: Runs, id: str) -> None:
        self.id = id
        self._runs = runs
        self._worker = Worker.current()
        self._begun = monotonic()
        self._names: list[str] = []
        self._events = self._read()

    def __iter__(self) -> Iterator[RunEvent]:
        return self._events

    def answer(self, value: Any) -> None:
        """Answers the open question. Raises `InvalidInput` where its schema does not allow that, and `Conflict`."""
        self._worker.call(self._answer, value)

    def cancel(self, reason: Reason = "requested") -> None:
        """Cancels the run; its last events follow."""
        self._worker.call(self._runs.store.cancel, self.id, reason)

    def _answer(self, value: Any) -> None:
        record = self._runs.store.find(self.id)
        assert record is not None
        question = record.fold.question
        body = {"question": question and orjson.loads(question)["question"], "answer": value}
        self._runs.store.answer(self.id, *check_answer(orjson.dumps(body), question))

    def _read(self) -> Iterator[RunEvent]:
        parser, last = Parser(), 0
        while not self._names or self._names[-1] != "done":
            batch = self._worker.call(self._wait, last)
            for message in parser.feed(batch):
                last = int(message.id)
                event = read_event(last, message.event, message.data)
                assert event is not None
                self._names.append(event.type)
                yield event

    def _wait(self, last: int) -> bytes:
        """The next events, once there are any; in the hub."""
        changed = Changed()
        unwatch = self._runs.store.watch(self.id, changed.set)
        try:
            while not (block := self._runs.store.read(self.id, last).block):
                if not changed.wait(self._time_left()):
                    raise TimeoutError(f"the run has not ended in {self._runs.timeout:g} s, after {self._names}")
                changed.clear()
            return block
        finally:
            unwatch()

    def _time_left(self) -> float | None:
        return None if self._runs.timeout is None else max(self._begun + self._runs.timeout - monotonic(), 0)
