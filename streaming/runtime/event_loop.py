"""The worker's asyncio event loop, which runs in a native thread of its own.

In a process that gevent has patched, asyncio would stand on greenlets: its selector, its threads, its child processes
and its look-ups of names are gevent's. The loop here has the unpatched ones. Sockets and TLS stay gevent's: without a
timeout they behave as the native ones do.

What starts a thread itself (`ThreadPoolExecutor`, `anyio.to_thread`) starts a greenlet, as anywhere in such a process:
it runs in the loop's thread while the loop waits. The functions of `asyncio.to_thread` and of `run_in_executor` without
an executor run in native threads.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from asyncio import base_subprocess
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from importlib.util import find_spec, module_from_spec
from itertools import count
from time import monotonic
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

import gevent
from gevent import monkey
from greenlet import getcurrent

from .hub import discard_hub, give_way, native_ident, native_lock, start_native_thread
from .watchdog import Watchdog

if TYPE_CHECKING:
    from .worker import Worker

log: Final = logging.getLogger("headway")

END_WITHIN: Final = 2.0
"""Seconds that the tasks of a worker that closes have for their `finally` blocks."""

TURN: Final = 0.005
"""Seconds after which the greenlets of the loop's thread run, where the loop does not wait."""

MOST_THREADS: Final = min(32, (os.cpu_count() or 1) + 4)
"""How many functions of `to_thread` run at a time, as with asyncio's own executor; others wait for their turn."""

BLOCKS_THE_LOOP: Final = (
    "blocks the event loop of its worker: for %.1f seconds no other `async def` operation has moved. Give such calls "
    "to asyncio.to_thread()"
)

EpollSelector: Final[Any] = monkey.get_original("selectors", "EpollSelector")
SimpleQueue: Final[Any] = monkey.get_original("queue", "SimpleQueue")
getaddrinfo: Final[Any] = monkey.get_original("socket", "getaddrinfo")
getnameinfo: Final[Any] = monkey.get_original("socket", "getnameinfo")


def _unpatched_popen() -> Any:
    """The `Popen` of a copy of `subprocess` and of `os`: gevent changes what it calls in the modules themselves."""
    spec = find_spec("subprocess")
    assert spec is not None
    assert spec.loader is not None
    copy = module_from_spec(spec)
    spec.loader.exec_module(copy)
    copy.os = ModuleType("os")  # type: ignore[attr-defined]
    copy.os.__dict__.update(vars(os), **{name: monkey.get_original("os", name) for name in ("close", "waitpid")})
    return copy.Popen


Popen: Any = _unpatched_popen()


class EventLoop:
    """A part of the worker: one event loop, and the thread that runs it until the worker closes."""

    def __init__(self, worker: Worker) -> None:
        self.loop: asyncio.AbstractEventLoop
        self.watchdog: Watchdog
        self._worker = worker
        self._ended = worker.signal()
        self._closing = False
        started = native_lock()
        started.acquire()
        start_native_thread(self._serve, (started,))
        started.acquire()

    def soon(self, function: Callable[..., Any], *args: Any) -> None:
        """Calls `function(*args)` in the loop; from any thread. Does nothing once the loop is closed."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(function, *args)

    def close(self) -> None:
        """Cancels the tasks that are left, and ends the loop and its thread."""
        self._closing = True
        self.soon(lambda: self.loop.create_task(self._end_tasks()))
        self._ended.wait(2 * END_WITHIN)  # a task that computes, or waits in C code, cannot be ended

    async def _end_tasks(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=END_WITHIN)
        self.loop.stop()

    def _serve(self, started: Any) -> None:
        patched = monkey.is_module_patched("socket")
        self.loop = _PatchedLoop(self._worker) if patched else asyncio.SelectorEventLoop()
        self.loop.set_exception_handler(_log_error)
        self.watchdog = Watchdog(self.soon, native_ident(), BLOCKS_THE_LOOP)
        started.release()
        while not self._closing:
            self.loop.call_soon(_gather_generators)
            try:
                self.loop.run_forever()
            except BaseException:  # asyncio raises the SystemExit of a task here
                log.exception("a task of an async operation stopped the event loop, which runs on")
        try:
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()
        finally:
            discard_hub()
            self._worker.soon(self._ended.set)


class Generators:
    """The async generators that begin in one context, for whoever closes them at the end of it.

    A loop over a generator that is left does not close it. Until the garbage collector does, what it holds stays open,
    such as the connection to a model.
    """

    current: Final[ContextVar[Generators]] = ContextVar("generators")

    def __init__(self) -> None:
        self._begun: WeakValueDictionary[int, Any] = WeakValueDictionary()
        self._numbers = count()
        self.current.set(self)

    def add(self, generator: Any) -> None:
        """One that begins now."""
        self._begun[next(self._numbers)] = generator

    async def close(self) -> None:
        """Closes them, those that began first at first: these close the ones that they read."""
        for generator in list(self._begun.values()):
            with suppress(Exception):  # another task may be in it; what its `finally` raises is nobody's
                await generator.aclose()


def _gather_generators() -> None:
    """Has every generator that begins in this thread added to those of its context."""
    begin, finalizer = sys.get_asyncgen_hooks()

    def begun(generator: Any) -> None:
        if begin is not None:
            begin(generator)
        if (generators := Generators.current.get(None)) is not None:
            generators.add(generator)

    sys.set_asyncgen_hooks(begun, finalizer)


def _log_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Logs what asyncio finds wrong: mostly a task that failed, and that nobody has awaited."""
    task = context.get("task") or context.get("future") or context.get("handle") or ""
    log.error("asyncio: %s %s", context["message"], task, exc_info=context.get("exception"))


class _PatchedLoop(asyncio.SelectorEventLoop):
    """The loop for a process that gevent has patched."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(_Selector())
        self._worker = worker
        self._threads = _Threads()

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        if executor is not None:
            return super().run_in_executor(executor, func, *args)
        future = self.create_future()
        self._threads.run(self, future, func, args)
        return future

    async def getaddrinfo(self, host: Any, port: Any, **hints: Any) -> Any:
        return await self.run_in_executor(None, lambda: getaddrinfo(host, port, **hints))

    async def getnameinfo(self, sockaddr: Any, flags: int = 0) -> Any:
        return await self.run_in_executor(None, getnameinfo, sockaddr, flags)

    async def _make_subprocess_transport(self, protocol: Any, *args: Any, **options: Any) -> Any:
        ready = self.create_future()
        transport = _Subprocess(self, protocol, *args, waiter=ready, **options)  # type: ignore[misc]
        try:
            await ready
        except BaseException:
            transport.close()
            await transport._wait()
            raise
        return transport

    def start_process(self, transport: _Subprocess, *args: Any, **options: Any) -> Any:
        """Starts a process whose exit the worker's hub reports; blocks the loop for the time of a fork.

        In the hub's thread, because the hub reaps any child that it is not told of before it looks at signals.
        """
        return self._worker.call(self._start_process, transport, args, options)

    def _start_process(self, transport: _Subprocess, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        process = _Process(*args, **options)
        loop: Any = self._worker.hub.loop
        watcher = loop.child(process.pid)

        def exited() -> None:
            code = os.waitstatus_to_exitcode(watcher.rstatus)
            watcher.stop()
            watcher.close()
            with suppress(RuntimeError):  # the loop is closed
                self.call_soon_threadsafe(self.call_soon, transport._process_exited, code)

        watcher.start(exited)
        return process

    def close(self) -> None:
        self._threads.close()
        super().close()


class _Selector(EpollSelector):  # type: ignore[misc]
    """Waits for descriptors in the hub of the loop's thread, where greenlets run meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self._hub: Any = gevent.get_hub()
        self._watcher = self._hub.loop.io(self.fileno(), 1)
        self._turn_ends = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            if monotonic() >= self._turn_ends:  # or a loop that always has work would keep the greenlets from theirs
                give_way()
                self._turn_ends = monotonic() + TURN
            return ready
        switch = getcurrent().switch
        timer = None if timeout is None else self._hub.loop.timer(timeout)
        self._watcher.start(switch)
        try:
            if timer is not None:
                timer.start(switch, update=True)
            self._hub.switch()
        finally:
            self._watcher.stop()
            if timer is not None:
                timer.stop()
                timer.close()
        return super().select(0)

    def close(self) -> None:
        self._watcher.close()
        super().close()


class _Threads:
    """Native threads for the functions of `to_thread`, started as they are needed and kept."""

    def __init__(self) -> None:
        self._calls = SimpleQueue()
        self._idle = SimpleQueue()
        self._started = 0

    def run(self, loop: _PatchedLoop, future: asyncio.Future[Any], func: Any, args: tuple[Any, ...]) -> None:
        """Calls a function in a thread, and settles `future` with what it returns or raises."""
        self._calls.put((loop, future, func, args))
        try:
            self._idle.get_nowait()
        except Exception:  # noqa: BLE001  # `_queue.Empty`, which gevent's `queue` does not have
            if self._started < MOST_THREADS:
                self._started += 1
                start_native_thread(self._work, ())

    def close(self) -> None:
        for _ in range(self._started):
            self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            _call(*call)
            del call  # its function and result, while the thread waits for the next
            self._idle.put(None)


def _call(loop: _PatchedLoop, future: asyncio.Future[Any], func: Any, args: tuple[Any, ...]) -> None:
    if future.cancelled():
        return
    value, error = None, None
    try:
        value = func(*args)
    except BaseException as raised:  # noqa: BLE001  # raised again where it is awaited
        error = raised
    finally:
        discard_hub()  # of a patched call, such as `time.sleep`
    with suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(_settle, future, value, error)


def _settle(future: asyncio.Future[Any], value: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is None:
        future.set_result(value)
    elif isinstance(error, StopIteration):  # which a future does not take
        future.set_exception(RuntimeError(f"a function of to_thread raised {error!r}"))
    else:
        future.set_exception(error)


class _Process(Popen):  # type: ignore[misc]
    """A child that the hub reaps, and not this class."""

    def poll(self) -> int | None:
        code: int | None = self.returncode
        return code


class _Subprocess(base_subprocess.BaseSubprocessTransport):
    """The transport of a child process: asyncio's own with the native `Popen`."""

    def _start(
        self, args: Any, shell: bool, stdin: Any, stdout: Any, stderr: Any, bufsize: int, **options: Any
    ) -> None:
        files = {"stdin": stdin, "stdout": stdout, "stderr": stderr}
        self._proc = self._loop.start_process(  # type: ignore[attr-defined]
            self, args, shell=shell, bufsize=bufsize, **files, **options
        )
