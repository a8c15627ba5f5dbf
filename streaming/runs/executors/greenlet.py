"""Operations in a greenlet: the generator runs in the hub's thread, in the greenlet that asks for its events."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from pydantic import BaseModel

from ...runtime.worker import Worker
from ..context import RunContext, run_context
from ..operation import Operation, close_work
from .base import Executor, Work
from .thread import ThreadWork


class GreenletExecutor(Executor):
    """Operations in greenlets of the hub; in threads where requests run in native threads."""

    def start(self, operation: Operation, checked: BaseModel, context: RunContext) -> Work:
        return start_local_work(partial(operation.begin, checked), context)


def start_local_work(begin: Callable[[], Iterator[Any]], context: RunContext) -> Work:
    """The same for any generator of this process."""
    if context.worker.native:
        return ThreadWork(begin, context)
    context.worker.part(NoEventLoop)
    return GreenletWork(begin, context)


class NoEventLoop:
    """A part of the worker: refuses a new event loop, as of `asyncio.run`, in the greenlets of operations.

    The loops of two greenlets are in one thread for asyncio: the second to run would fail, as chance has it, and one
    that is not patched would block all streams.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._new_event_loop = asyncio.new_event_loop
        asyncio.new_event_loop = asyncio.events.new_event_loop = self._refuse_or_make

    def close(self) -> None:
        """Allows them again."""
        asyncio.new_event_loop = asyncio.events.new_event_loop = self._new_event_loop

    def _refuse_or_make(self) -> asyncio.AbstractEventLoop:
        if run_context.get() is not None and self._worker.here:
            raise RuntimeError(
                "no event loop runs in a greenlet: write the operation with `async def` instead of calling "
                'asyncio.run(), or run it in a thread (runs_in="thread") or a process (runs_in="process")'
            )
        return self._new_event_loop()


class GreenletWork:
    """A generator in the greenlet of its producer."""

    __slots__ = ("_begin", "_context", "_scope", "_work", "send")

    def __init__(self, begin: Callable[[], Iterator[Any]], context: RunContext) -> None:
        self._begin = begin
        self._context = context
        self._scope: AbstractContextManager[None] | None = None
        self._work: Any = None
        self.send: Callable[[Any], Any] = self._first

    def _first(self, answer: Any) -> Any:
        scope = self._context.scope()
        scope.__enter__()
        self._scope = scope
        self._work = self._begin()
        self.send = getattr(self._work, "send", None) or self._next
        return self.send(None)

    def _next(self, answer: Any) -> Any:
        return next(self._work)

    def close(self) -> None:
        ending = sys.exception()  # what the producer closes this for: a failure, a cancel, or `None` for a success
        try:
            close_work(self._work)
        except BaseException as error:
            ending = error
            raise
        finally:
            # Not around each `send`: here no cancel interrupts a teardown function, and `send` stays the generator's.
            scope, self._scope = self._scope, None
            if scope is not None:
                scope.__exit__(type(ending), ending, None) if ending else scope.__exit__(None, None, None)
