"""Where operations run: the only crossing between a thread or a process and the hub.

An executor makes the generator of an operation look the same wherever it is at work: the hub calls `send(answer)` for
the next event, which waits without blocking; the end is `StopIteration` with the result, a failure is raised; and
`close()` stops the work and returns once its `finally` blocks have run. For a greenlet that is the generator itself.
"""

from __future__ import annotations

import contextlib
import json
import pickle
from collections import deque
from collections.abc import Callable, Iterator
from contextvars import copy_context
from functools import partial
from typing import Any, Final, Protocol

import gevent
import orjson
from gevent import monkey
from greenlet import GreenletExit, getcurrent
from pydantic import BaseModel

from ...errors import OperationError, RegistrationError
from ...protocol.events import FLUSH, Event, Progress, Question
from ...runtime.hub import Home, discard_hub, start_native_thread
from ..operation import CancelHooks, Operation, cancel_hooks, close_work
from .process import child
from .process.fork_server import Child, WorkFailed, nursery

SimpleQueue: Final[Any] = monkey.get_original("queue", "SimpleQueue")

AHEAD: Final = 1024
"""How many events a thread may be ahead of the hub before it waits."""


class Work(Protocol):
    """An operation at work, seen from the hub."""

    def send(self, answer: Any) -> Any:
        """The next thing it yields, after `answer` to its last one (`None` but for questions)."""

    def close(self) -> None:
        """Stops it and waits for its end; harmless once it has ended."""


def start(home: Home, operation: Operation, checked: BaseModel, hooks: CancelHooks) -> Work:
    """Sets an operation up where it says that it runs; its first `send` begins it."""
    try:
        where = operation.where(checked)
        if where not in ("greenlet", "thread", "process"):
            raise RegistrationError(f"{operation.name} runs in a greenlet, a thread or a process, not in {where!r}")
    except Exception as error:  # noqa: BLE001  # the run has begun for those who watch it: it fails before their eyes
        return GreenletWork(partial(_fail, error), hooks)
    if where == "process":
        return ProcessWork(operation, checked, hooks)
    return in_thread_or_here(home, lambda: operation.begin(checked), hooks, thread=where == "thread")


def _fail(error: Exception) -> Iterator[Any]:
    raise error


def in_thread_or_here(home: Home, begin: Callable[[], Iterator[Any]], hooks: CancelHooks, *, thread: bool) -> Work:
    """A thread's work where that was asked for, or where there are no greenlets to speak of."""
    if thread or home.native:
        return ThreadWork(home, begin, hooks)
    return GreenletWork(begin, hooks)


class GreenletWork:
    """A generator that runs in the hub's thread, in the greenlet that asks for its events."""

    __slots__ = ("_begin", "_hooks", "_work", "send")

    def __init__(self, begin: Callable[[], Iterator[Any]], hooks: CancelHooks) -> None:
        self._begin = begin
        self._hooks = hooks
        self._work: Any = None
        self.send: Callable[[Any], Any] = self._first

    def _first(self, answer: Any) -> Any:
        cancel_hooks.set(self._hooks)
        self._work = self._begin()
        self.send = getattr(self._work, "send", None) or self._next
        return self.send(None)

    def _next(self, answer: Any) -> Any:
        return next(self._work)

    def close(self) -> None:
        close_work(self._work)


class _Ended:
    """The last thing that comes over from a thread."""

    def __init__(self, value: Any = None, error: BaseException | None = None) -> None:
        self.value = value
        self.error = error


class ThreadWork:
    """A generator in a native thread of its own.

    The thread takes a credit for each event it hands over and stops when it is out of them, so that it cannot run
    away from a hub that is busy. A cancel reaches it through its `on_cancel` hooks, where it waits in gevent or in a
    call that gevent has patched, and at its next yield.
    """

    def __init__(self, home: Home, begin: Callable[[], Iterator[Any]], hooks: CancelHooks) -> None:
        self._home = home
        self._begin = begin
        self._hooks = hooks
        self._signal = home.signal()
        self._items: deque[Any] = deque()
        self._credits = SimpleQueue()
        self._answers = SimpleQueue()
        self._told = False
        self._started = False
        self._ended = False
        self._closing = False
        self._asked = False
        self._at_work = False
        self._hub: Any = None
        self._greenlet: Any = None
        self._context = copy_context()

    def send(self, answer: Any) -> Any:
        if not self._started:
            self._started = True
            for _ in range(AHEAD):
                self._credits.put(None)
            start_native_thread(self._run, ())
        elif self._asked:
            self._answers.put(answer)
        item = self._next()
        self._asked = isinstance(item, Question)
        if isinstance(item, _Ended):
            if item.error is not None:
                raise item.error
            raise StopIteration(item.value)
        return item

    def close(self) -> None:
        self._closing = True
        if not self._started or self._ended:
            return
        self._credits.put(None)
        self._answers.put(None)
        self._hooks.fire()
        with contextlib.suppress(AttributeError, ValueError):  # it has no hub yet, or none any more
            self._hub.loop.run_callback_threadsafe(self._interrupt)
        item = None
        while not self._ended:
            item = self._next()
        if isinstance(item, _Ended) and item.error is not None and not isinstance(item.error, GreenletExit):
            raise item.error

    def _next(self) -> Any:
        while not self._items:
            self._signal.clear()
            self._told = False
            if not self._items:
                self._signal.wait()
        item = self._items.popleft()
        self._ended = isinstance(item, _Ended)
        self._credits.put(None)
        return item

    def _interrupt(self) -> None:
        """Made in the thread's own hub, which has a turn whenever the operation waits there."""
        if self._at_work:
            self._greenlet.throw(GreenletExit)

    def _run(self) -> None:
        ended = _Ended()
        self._hub, self._greenlet = gevent.get_hub(), getcurrent()
        try:
            ended = _Ended(self._context.run(self._pump))
        except BaseException as error:  # noqa: BLE001  # it is raised again in the hub
            ended = _Ended(error=error)
        finally:
            discard_hub()
            self._hand_over(ended)

    def _pump(self) -> Any:
        cancel_hooks.set(self._hooks)
        self._at_work = True
        try:
            work = self._begin()
        finally:
            self._at_work = False
        send = getattr(work, "send", None)
        answer = None
        try:
            while not self._closing:
                self._at_work = True
                try:
                    item = send(answer) if send else next(work)
                except StopIteration as end:
                    return end.value
                finally:
                    self._at_work = False
                self._hand_over(item)
                self._credits.get()
                answer = self._answers.get() if isinstance(item, Question) else None
            return None
        finally:
            close_work(work)

    def _hand_over(self, item: Any) -> None:
        self._items.append(item)
        if not self._told:
            self._told = True
            self._home.soon(self._signal.set)


class ProcessWork:
    """A generator in a process of its own, forked by this worker's nursery (see `child`)."""

    def __init__(self, operation: Operation, checked: BaseModel, hooks: CancelHooks) -> None:
        self._operation = operation
        self._checked = checked
        self._hooks = hooks
        self._child: Child | None = None
        self._buffer = bytearray()
        self._records: deque[tuple[bytes, bytes, bytes]] = deque()
        self._asked = False

    def send(self, answer: Any) -> Any:
        if self._child is None:
            body = pickle.dumps(self._checked)
            self._child = nursery().fork(self._operation)
            self._child.tell(body)
        elif self._asked:
            self._child.tell(orjson.dumps(answer))
        while not self._records:
            data = self._child.read()
            if not data:
                raise self._child.obituary()
            self._buffer += data
            self._records.extend(child.unpack(self._buffer))
        return self._decoded(*self._records.popleft())

    def close(self) -> None:
        self._hooks.fire()
        last = None if self._child is None else self._child.end(self._buffer)
        if last is not None and last[0] == child.RAISED:
            raise WorkFailed(last[1].decode(errors="replace"))

    def _decoded(self, kind: bytes, first: bytes, second: bytes) -> Any:
        self._asked = kind == child.QUESTION
        if kind == child.PROGRESS:
            data = orjson.loads(first)
            return Progress(first, data.get("done"), data.get("total"), data.get("step"), data.get("eta"))
        if kind in (child.EVENT, child.TEXT):
            return Event(first.decode(), second, kind == child.TEXT)
        if kind == child.QUESTION:
            return Question(second, orjson.loads(second)["schema"], float(first) if first else None)
        if kind == child.FLUSH:
            return FLUSH
        return self._finish(kind, first)

    def _finish(self, kind: bytes, first: bytes) -> Any:
        if kind == child.RESULT:
            raise StopIteration(orjson.Fragment(first[len(b'{"result":') : -1]))
        if kind == child.REFUSED:
            code, message, retryable = json.loads(first)  # orjson would stop at a lone surrogate
            raise OperationError(code, message, retryable=retryable)
        raise WorkFailed(first.decode(errors="replace"))
