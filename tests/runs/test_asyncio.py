"""What is particular to `async def` operations: their events and results, their one loop, and what they cannot harm.

How they end is in `test_grammar`, and what works in the loop under gevent's patching in `live/test_asyncio`.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import gevent
import pytest
from flask import Flask

from streaming import (
    Event,
    Operation,
    RegistrationError,
    ask,
    current_run,
    event,
    gateway,
    on_cancel,
    operation,
    progress,
    relay,
    result,
    stream,
)
from streaming.runs.context import RunContext
from streaming.runs.executors.asyncio import AsyncioExecutor, AsyncioWork
from streaming.runs.executors.crossing import AHEAD
from streaming.runtime import watchdog
from streaming.runtime.event_loop import EventLoop
from streaming.runtime.watchdog import native_sleep
from streaming.runtime.worker import Worker
from tests.clients import Message, wait_until
from tests.worlds import Stage, World, ending, entered


@pytest.fixture
def own_hub() -> Iterator[World]:
    """A hub in this thread, in which a test can call a work itself."""
    with entered("own hub") as world:
        yield world


@pytest.fixture
def run(world: World) -> Iterator[Callable[..., list[Message]]]:
    """Runs an operation to its end, and gives its events."""
    stages: list[Stage] = []

    def run(operation: Operation) -> list[Message]:
        stages.append(Stage(world, operation))
        return stages[-1].events(stages[-1].start(operation))

    yield run
    for stage in stages:
        stage.close()


Run = Callable[[Operation], list[Message]]


def of(messages: list[Message]) -> list[str]:
    """The names of events."""
    return [message.event for message in messages]


# Declarations


@operation
async def coroutine() -> dict[str, int]:
    """Returns its result."""
    await asyncio.sleep(0)
    return {"answer": 42}


@operation(runs_in="asyncio")
async def generator() -> AsyncIterator[Event]:
    """Yields its result last."""
    yield progress("at work")
    yield result([1, 2])


def test_async_def_says_where_it_runs() -> None:
    """`runs_in` is "asyncio" by itself, and may be said; no other executor takes such a function."""
    assert (coroutine.runs_in, generator.runs_in) == ("asyncio", "asyncio")
    assert coroutine.describe(0)["result"] == {"type": "object", "additionalProperties": {"type": "integer"}}
    assert "result" not in generator.describe(0)
    with pytest.raises(RegistrationError, match="an `async def` runs in asyncio, not in a thread"):
        operation(runs_in="thread")(coroutine.fn)


def test_other_functions_do_not_run_in_the_loop(world: World) -> None:
    """They would block it, so they are refused when they are registered; a decorated `async def` is none of them."""

    @operation(runs_in="asyncio")
    def plain() -> None: ...

    @operation(runs_in="asyncio")
    @functools.wraps(coroutine.fn)
    def decorated() -> Any:
        return coroutine.fn()

    AsyncioExecutor().check(decorated)
    with pytest.raises(RegistrationError, match='plain: runs_in="asyncio" is for `async def`'):
        Stage(world, plain)


# Events and results


def test_a_coroutine_returns_its_result(run: Run) -> None:
    """What the function returns is the result of the run."""
    messages = run(coroutine)
    assert (of(messages), messages[-2].json["result"]) == (["start", "result", "done"], {"answer": 42})


def test_a_generator_yields_its_result_last(run: Run) -> None:
    """`yield result(value)` is the end; code after it may clean up."""
    messages = run(generator)
    assert (of(messages), messages[-2].json["result"]) == (["start", "progress", "result", "done"], [1, 2])


def test_a_generator_without_a_result(run: Run) -> None:
    """Its result is null."""

    @operation
    async def silent() -> AsyncIterator[Event]:
        yield progress("at work")

    assert run(silent)[-2].json["result"] is None


@pytest.mark.parametrize("last", [result(2), progress("late"), None], ids=["a second result", "an event", "nothing"])
def test_nothing_follows_the_result(run: Run, caplog: pytest.LogCaptureFixture, last: Any) -> None:
    """A second result, or anything else after it, fails the run with one line that says so."""

    @operation
    async def talkative() -> AsyncIterator[Any]:
        yield result(1)
        yield last

    messages = run(talkative)
    assert ending(messages) == ("failed", "operation_failed")
    assert of(messages) == ["start", "error", "done"]
    assert "EncodeError: an async generator yields nothing after its result" in caplog.text


def test_answers_go_to_their_questions(world: World) -> None:
    """A generator that is ahead of the hub gets each answer at its own `yield`, and `None` at every other."""

    @operation
    async def curious() -> AsyncIterator[Any]:
        heard: list[Any] = []
        for number in range(20):
            heard.append((yield progress(done=number)))
            heard.append((yield ask("And now?")))
        yield result(heard)

    stage = Stage(world, curious)
    started = stage.start(curious)
    for number in range(20):
        stage.until(started, "question", number + 1)
        stage.answer(started, number)
    assert stage.events(started)[-2].json["result"] == [value for number in range(20) for value in (None, number)]
    stage.close()


def test_an_async_iterator_that_is_no_generator(run: Run) -> None:
    """It has `__anext__` alone: no `asend`, no `aclose`."""

    class Countdown:
        left = 3

        def __aiter__(self) -> Countdown:
            return self

        async def __anext__(self) -> Event:
            if not self.left:
                raise StopAsyncIteration
            self.left -= 1
            return progress(done=3 - self.left)

    @operation(runs_in="asyncio")
    @functools.wraps(generator.fn)
    def counting() -> Any:
        return Countdown()

    assert of(run(counting)) == ["start", *["progress"] * 3, "result", "done"]


# The task


VARIABLE: ContextVar[int] = ContextVar("variable", default=0)


def test_one_task_and_one_context(run: Run) -> None:
    """All steps of a generator run in one task with the variables of their run, in the loop's own thread."""

    @operation
    async def counting() -> AsyncIterator[Any]:
        first = asyncio.current_task()
        for number in range(3):
            assert VARIABLE.get() == number
            VARIABLE.set(number + 1)
            yield event("seen", {"operation": current_run().operation, "same": asyncio.current_task() is first})
        yield result(threading.get_native_id())

    messages = run(counting)
    assert [(message.json["operation"], message.json["same"]) for message in messages[1:4]] == [("counting", True)] * 3
    assert messages[-2].json["result"] != threading.get_native_id()
    assert VARIABLE.get() == 0


def test_operations_share_the_loop(world: World) -> None:
    """A hundred runs that wait take as long as one, and one thread."""

    @operation
    async def waiting() -> int:
        await asyncio.sleep(0.2)
        return threading.get_native_id()

    stage = Stage(world, waiting, max_runs=200, max_runs_per_client=200)
    begun = time.monotonic()
    runs = [stage.start(waiting) for _ in range(100)]
    threads = {stage.events(run)[-2].json["result"] for run in runs}
    assert time.monotonic() - begun < 10
    assert len(threads) == 1
    stage.close()


def test_a_generator_that_never_awaits(world: World) -> None:
    """It lets other tasks run, and can be cancelled."""

    @operation
    async def pouring() -> AsyncIterator[Event]:
        while True:
            yield progress("on and on")

    stage = Stage(world, pouring, coroutine)
    started = stage.start(pouring)
    stage.until(started, "progress")
    assert ending(stage.events(stage.start(coroutine))) == ("succeeded", None)
    stage.cancel(started)
    assert ending(stage.events(started)) == ("cancelled", "requested")
    stage.close()


def test_a_generator_does_not_run_away(own_hub: World) -> None:
    """One whose events nobody takes waits, and continues when they are taken; all of them arrive, in their order."""
    produced: list[int] = []

    async def pouring() -> AsyncIterator[int]:
        for number in range(3 * AHEAD):
            produced.append(number)
            yield number

    work = AsyncioWork(pouring, RunContext(own_hub.worker))
    taken = [work.send(None)]
    wait_until(lambda: len(produced) > AHEAD, "it gets as far ahead as it may")
    gevent.sleep(0.05)
    assert len(produced) <= AHEAD + 2
    taken += [work.send(None) for _ in range(3 * AHEAD - 1)]
    assert taken == list(range(3 * AHEAD))
    with pytest.raises(StopIteration):
        work.send(None)
    work.close()


def test_a_generator_does_not_run_away_with_large_events(own_hub: World) -> None:
    """It is ahead by 4 MB, and one event."""
    produced: list[int] = []

    async def pouring() -> AsyncIterator[Event]:
        for number in range(20):
            produced.append(number)
            yield Event("page", b"x" * (1 << 20), text=True)

    work = AsyncioWork(pouring, RunContext(own_hub.worker))
    taken = [work.send(None)]
    wait_until(lambda: len(produced) >= 5, "it gets as far ahead as it may")
    gevent.sleep(0.05)
    assert len(produced) <= 6
    taken += [work.send(None) for _ in range(19)]
    assert len(taken) == 20
    work.close()


@pytest.mark.parametrize("started", [False, True])
def test_a_close_before_the_first_event(own_hub: World, started: bool) -> None:
    """The function is not called, even where its task is there already."""
    called: list[bool] = []

    async def begin() -> None:
        called.append(True)

    work = AsyncioWork(begin, RunContext(own_hub.worker))
    if started:
        blocked = threading.Event()
        own_hub.worker.part(EventLoop).soon(blocked.wait)
        gevent.spawn(work.send, None)
        gevent.sleep(0)
        closing = gevent.spawn(work.close)
        gevent.sleep(0)
        blocked.set()
        closing.join(5)
        assert closing.successful()
    work.close()
    assert called == []


def test_hooks_are_called_by_a_cancel(world: World) -> None:
    """`on_cancel` works as elsewhere."""
    called = threading.Event()

    @operation
    async def hooked() -> AsyncIterator[Event]:
        with on_cancel(called.set):
            yield progress("at work")
            await asyncio.sleep(3600)

    stage = Stage(world, hooked)
    started = stage.start(hooked)
    stage.until(started, "progress")
    stage.cancel(started)
    assert ending(stage.events(started)) == ("cancelled", "requested")
    assert called.is_set()
    stage.close()


@pytest.mark.parametrize("ends", ["is cancelled", "returns"])
def test_a_generator_that_is_left(world: World, ends: str) -> None:
    """It is closed when the operation is over, although something still holds it; Python leaves it open."""
    closed = threading.Event()
    held: list[Any] = []

    async def source() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    @operation
    async def leaving() -> AsyncIterator[Event]:
        held.append(source())
        async for number in held[0]:
            yield progress(done=number)
            if ends == "returns":
                break
            await asyncio.sleep(0.001)

    stage = Stage(world, leaving)
    started = stage.start(leaving)
    stage.until(started, "progress")
    if ends == "is cancelled":
        stage.cancel(started)
    stage.events(started)
    assert closed.wait(10)
    stage.close()


# What an operation cannot harm


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, ZeroDivisionError])
def test_a_task_that_fails_alone(run: Run, caplog: pytest.LogCaptureFixture, error: type[BaseException]) -> None:
    """What a task raises that nobody awaits is logged, and the loop runs on, even after a `SystemExit`."""

    async def failing() -> None:
        raise error("alone")

    @operation
    async def careless() -> str:
        task = asyncio.create_task(failing())
        await asyncio.sleep(0.01)
        del task
        return "done"

    with caplog.at_level(logging.ERROR, "headway"):
        assert run(careless)[-2].json["result"] == "done"
        wait_until(lambda: f"{error.__name__}: alone" in caplog.text, "it is logged")
    assert run(coroutine)[-2].json["result"] == {"answer": 42}


def test_a_worker_that_closes(world: World) -> None:
    """Its loop cancels the tasks that are left, whose `finally` blocks run, and its thread ends."""
    worker = Worker(world.worker.hub, native=world.worker.native)
    loop, done = worker.part(EventLoop), threading.Event()
    waiting: list[int] = []
    tasks = set[asyncio.Task[None]]()

    async def wait() -> None:
        try:
            waiting.append(threading.get_native_id())
            await asyncio.sleep(3600)
        finally:
            done.set()

    loop.soon(lambda: tasks.add(loop.loop.create_task(wait())))
    wait_until(lambda: waiting, "it waits")
    begun = time.monotonic()
    worker.close()
    assert time.monotonic() - begun < 1
    assert done.is_set()
    assert loop.loop.is_closed()
    world.until(lambda: not Path(f"/proc/self/task/{waiting[0]}").exists(), "the thread ends")


def test_a_blocker_of_the_loop_is_named(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The warning has the operation and its run, its stack, and what to do; and comes once. No stream is blocked."""
    monkeypatch.setattr(watchdog, "BLOCKED_AFTER", 0.05)

    @operation
    async def blocking() -> None:
        await asyncio.sleep(0)
        native_sleep(1.0)  # a watchdog that watches already, for the test before, may sleep for half a second yet

    stage = Stage(world, blocking)
    started = stage.start(blocking)
    assert ending(stage.events(started)) == ("succeeded", None)
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.startswith(f"operation 'blocking' (run {started}) blocks the event loop of its worker")
    assert "asyncio.to_thread()" in warning
    assert ", in blocking\n" in warning
    stage.close()


# What needs an event loop elsewhere


@pytest.mark.parametrize("make", [generator.fn, coroutine.fn], ids=["generator", "coroutine"])
def test_a_stream_takes_no_async_generator(world: World, make: Callable[[], Any]) -> None:
    """`stream()` refuses it at once, in one line that says what to do."""
    app = Flask(__name__)
    with app.test_request_context(), pytest.raises(TypeError, match=r"needs an event loop: make it an .*`async def`"):
        stream(make())


def test_a_plain_operation_that_gives_an_async_generator(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """It fails with the same line."""

    @operation
    def hiding() -> Any:
        return generator.fn()

    assert ending(run(hiding)) == ("failed", "operation_failed")
    assert "TypeError: async_generator needs an event loop: make it an operation" in caplog.text


async def transform(events: Any) -> AsyncIterator[Any]:
    """A transform that a gateway cannot call."""
    for each in events:
        yield each


def test_a_transform_is_a_plain_generator() -> None:
    """An `async def` in `through` is refused when the gateway is made, and by `relay()` at once."""
    app = Flask(__name__)
    with pytest.raises(RegistrationError, match="transform: a transform is a plain generator function"):
        gateway("http://127.0.0.1:1/x", through=[transform])  # type: ignore[list-item]
    with app.test_request_context(), pytest.raises(RegistrationError, match="a plain generator function"):
        relay("http://127.0.0.1:1/x", through=[transform])  # type: ignore[list-item]


def test_asyncio_run_in_a_greenlet(own_hub: World, caplog: pytest.LogCaptureFixture) -> None:
    """It fails with one line that says what to do; outside of operations nothing changes."""

    @operation
    def running() -> Any:
        with asyncio.Runner() as runner:
            return runner.get_loop()

    stage = Stage(own_hub, running)
    assert ending(stage.events(stage.start(running))) == ("failed", "operation_failed")
    assert "RuntimeError: no event loop runs in a greenlet: write the operation with `async def`" in caplog.text
    asyncio.new_event_loop().close()
    stage.close()
