"""Operations in a native thread of their own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import gevent
from gevent import monkey
from greenlet import GreenletExit, getcurrent
from pydantic import BaseModel

from ...protocol.events import Awaited
from ...runtime.hub import discard_hub, start_native_thread
from ..context import RunContext
from ..operation import Operation
from .base import Executor, Interruptible, Work, run_work
from .crossing import AHEAD, END, Crossing, cost_of

SimpleQueue: Final[Any] = monkey.get_original("queue", "SimpleQueue")


class ThreadExecutor(Executor):
    """Operations in native threads of this process."""

    def start(self, operation: Operation, checked: BaseModel, context: RunContext) -> Work:
        return ThreadWork(partial(operation.begin, checked), context)


class ThreadWork:
    """A generator in a native thread of its own.

    The thread takes a credit for each event it hands over, or several for a large one, and stops when it is out of
    them, so that it cannot run away from a hub that is busy. A cancel reaches it through its `on_cancel` hooks, where
    it waits in gevent or in a call that gevent has patched, and at its next yield.
    """

    def __init__(self, begin: Callable[[], Iterator[Any]], context: RunContext) -> None:
        self._begin = begin
        self._context = context
        self._crossing = Crossing(context.worker)
        self._credits = SimpleQueue()
        self._answers = SimpleQueue()
        self._started = False
        self._awaits = False
        self._ending: BaseException = GreenletExit()
        self._ended = False
        self._block = Interruptible()
        self._hub: Any = None
        self._greenlet: Any = None

    def send(self, answer: Any) -> Any:
        if not self._started:
            self._started = True
            for _ in range(AHEAD):
                self._credits.put(None)
            start_native_thread(self._run, ())
        elif self._awaits:
            self._answers.put(answer)
        item = self._next()
        if item is END:
            raise self._ending
        self._awaits = isinstance(item, Awaited)
        return item

    def close(self) -> None:
        self._block.stopped = True
        if not self._started or self._ended:
            return
        self._credits.put(None)
        self._answers.put(None)
        self._context.cancel()
        with contextlib.suppress(AttributeError, ValueError):  # it has no hub yet, or none any more
            self._hub.loop.run_callback_threadsafe(self._interrupt)
        while self._next() is not END:
            pass
        if not isinstance(self._ending, GreenletExit | StopIteration):
            raise self._ending

    def _next(self) -> Any:
        item = self._crossing.take()
        self._ended = item is END
        for _ in range(cost_of(item)):
            self._credits.put(None)
        return item

    def _interrupt(self) -> None:
        """Called in the thread's own hub, which runs whenever the operation waits there."""
        if self._block.entered:
            self._greenlet.throw(GreenletExit)

    # -- the thread ---------------------------------------------------------------------------------------------

    def _run(self) -> None:
        self._hub, self._greenlet = gevent.get_hub(), getcurrent()
        try:
            self._ending = StopIteration(self._context.variables().run(self._work))
        except BaseException as error:  # noqa: BLE001  # raised again in the hub
            self._ending = error
        finally:
            discard_hub()
            self._crossing.put(END)

    def _work(self) -> Any:
        with self._context.scope():
            return run_work(self._begin, self._block, self._pass_on)

    def _pass_on(self, item: Any) -> Any:
        self._crossing.put(item)
        for _ in range(cost_of(item)):
            self._credits.get()
        return self._answers.get() if isinstance(item, Awaited) else None
