"""Operations written with `async def`, as tasks of the worker's event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from time import monotonic
from typing import Any, Final

from greenlet import GreenletExit
from pydantic import BaseModel

from ...errors import EncodeError, RegistrationError
from ...protocol.events import Awaited, Event, value_of_result
from ...runtime.event_loop import EventLoop, Generators
from ...runtime.worker import Worker
from ..context import RunContext
from ..operation import Operation
from .base import Executor, Work
from .crossing import AHEAD, END, Crossing

TURN: Final = 0.005
"""Seconds after which other tasks run, at an event of a generator."""


class AsyncioExecutor(Executor):
    """Operations in the event loop of this worker."""

    def check(self, operation: Operation) -> None:
        """Raises `RegistrationError` for a function without `async def`, which would block the loop."""
        if not operation.is_async:
            raise RegistrationError(f'{operation.name}: runs_in="asyncio" is for `async def`')

    def warm(self, operations: Sequence[Operation], worker: Worker) -> None:
        worker.part(EventLoop)

    def start(self, operation: Operation, checked: BaseModel, context: RunContext) -> Work:
        return AsyncioWork(partial(operation.call, checked), context)


class AsyncioWork:
    """A coroutine or an async generator in a task of its own, whose cancellation is its cancel.

    A generator that is `AHEAD` events ahead of the hub waits until half of them are taken.
    """

    def __init__(self, begin: Callable[[], Any], context: RunContext) -> None:
        self.name: str = "async" if context.current is None else context.current.operation
        self.run: str | None = context.run
        self._begin = begin
        self._context = context
        self._loop = context.worker.part(EventLoop)
        self._crossing = Crossing(context.worker)
        self._task: asyncio.Task[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._answer: asyncio.Future[Any] | None = None
        self._awaits = False
        self._started = False
        self._stopped = False
        self._turn_ends = 0.0
        self._ending: BaseException = GreenletExit()
        self._ended = False

    @property
    def is_running(self) -> bool:
        """Whether its task is the one that runs; asked by the watchdog."""
        return self._task is not None and asyncio.current_task(self._loop.loop) is self._task

    def send(self, answer: Any) -> Any:
        if not self._started:
            self._loop.soon(self._start)
            self._started = True
        elif self._awaits:  # the last thing taken, where the loop may be at a later one
            self._loop.soon(_settle, self._answer, answer)
        item = self._next()
        if item is END:
            raise self._ending
        self._awaits = isinstance(item, Awaited)
        return item

    def close(self) -> None:
        if not self._started or self._ended:
            return
        self._context.cancel()
        self._loop.soon(self._stop)
        while self._next() is not END:
            pass
        if not isinstance(self._ending, GreenletExit | StopIteration | asyncio.CancelledError):
            raise self._ending

    def _next(self) -> Any:
        item = self._crossing.take()
        self._ended = item is END
        if self._room is not None and self._crossing.ahead <= AHEAD // 2:
            room, self._room = self._room, None
            self._loop.soon(_settle, room, None)
        return item

    # -- the thread of the loop ---------------------------------------------------------------------------------

    def _start(self) -> None:
        self._task = asyncio.create_task(self._work(), context=self._context.variables())
        self._task.add_done_callback(self._finish)  # `_work` does not even start where a cancel comes first
        self._loop.watchdog.enter(self)

    def _finish(self, _: asyncio.Task[None]) -> None:
        self._loop.watchdog.leave(self)
        self._crossing.put(END)

    def _stop(self) -> None:
        self._stopped = True
        assert self._task is not None
        self._task.cancel()

    async def _work(self) -> None:
        """Never raises: an exception such as `SystemExit` would leave the loop."""
        generators = Generators()
        try:
            with self._context.scope():
                work = self._begin()
                try:
                    value = await (self._iterate(work) if hasattr(work, "__aiter__") else _awaitable(work))
                finally:
                    await generators.close()
            self._ending = StopIteration(value)
        except BaseException as error:  # noqa: BLE001  # raised again in the hub
            self._ending = error

    async def _iterate(self, work: Any) -> Any:
        """Hands over what a generator yields, and gives the value of its last event, a `result`."""
        iterator = aiter(work)
        send = getattr(iterator, "asend", None)
        answer, ending = None, None
        try:
            while True:
                try:
                    item = await (send(answer) if send else anext(iterator))
                except StopAsyncIteration:
                    return None if ending is None else value_of_result(ending)
                if self._stopped:
                    raise RuntimeError("the async generator ignored CancelledError")
                if ending is not None:
                    raise EncodeError("an async generator yields nothing after its result")
                if isinstance(item, Event) and item.name == "result":
                    ending, answer = item, None
                else:
                    answer = await self._pass_on(item)
        finally:
            if hasattr(iterator, "aclose"):
                await iterator.aclose()

    async def _pass_on(self, item: Any) -> Any:
        if isinstance(item, Awaited):
            return await self._wait_for_answer(item)
        if self._crossing.ahead >= AHEAD:
            self._room = room = asyncio.get_running_loop().create_future()
            self._crossing.put(item)
            await room
        else:
            self._crossing.put(item)
            if monotonic() >= self._turn_ends:  # a generator that awaits nothing would keep the loop to itself
                await asyncio.sleep(0)
                self._turn_ends = monotonic() + TURN
        return None

    async def _wait_for_answer(self, item: Awaited) -> Any:
        self._answer = answer = asyncio.get_running_loop().create_future()
        self._crossing.put(item)
        return await answer


def _settle(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _awaitable(work: Any) -> Awaitable[Any]:
    if isinstance(work, Awaitable):
        return work
    raise TypeError(f'runs_in="asyncio" is for `async def`: the function gave {type(work).__name__}')
