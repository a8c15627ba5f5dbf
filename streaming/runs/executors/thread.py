"""Operations in a native thread of their own, and the crossing between it and the hub."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import Any, Final

import gevent
from gevent import monkey
from greenlet import GreenletExit, getcurrent

from ...protocol.events import Question
from ...runtime.hub import discard_hub, start_native_thread
from ..context import RunContext, run_context
from ..operation import close_work

SimpleQueue: Final[Any] = monkey.get_original("queue", "SimpleQueue")

AHEAD: Final = 1024
"""How many events a thread may be ahead of the hub before it waits."""


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

    def __init__(self, begin: Callable[[], Iterator[Any]], context: RunContext) -> None:
        self._begin = begin
        self._context = context
        self._signal = context.worker.signal()
        self._items: deque[Any] = deque()
        self._credits = SimpleQueue()
        self._answers = SimpleQueue()
        self._notified = False
        self._started = False
        self._ended = False
        self._closing = False
        self._asked = False
        self._at_work = False
        self._hub: Any = None
        self._greenlet: Any = None
        self._variables = copy_context()

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
        self._context.cancel()
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
            self._notified = False
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
            ended = _Ended(self._variables.run(self._pump))
        except BaseException as error:  # noqa: BLE001  # it is raised again in the hub
            ended = _Ended(error=error)
        finally:
            discard_hub()
            self._pass_on(ended)

    def _pump(self) -> Any:
        run_context.set(self._context)
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
                self._pass_on(item)
                self._credits.get()
                answer = self._answers.get() if isinstance(item, Question) else None
            return None
        finally:
            close_work(work)

    def _pass_on(self, item: Any) -> None:
        self._items.append(item)
        if not self._notified:
            self._notified = True
            self._context.worker.soon(self._signal.set)
