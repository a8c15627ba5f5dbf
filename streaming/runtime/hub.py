"""gevent's hub as Headway uses it: native primitives, a small signal, how to give way, and calls from other threads.

`GreenSignal` and `give_way` are for greenlets of a hub; the native functions are the ones that gevent replaces when it
patches the standard library.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import gevent
from gevent import monkey
from gevent._hub_local import get_hub_if_exists
from gevent.hub import Hub
from gevent.threadpool import ThreadPool
from greenlet import GreenletExit, getcurrent

T = TypeVar("T")

start_native_thread: Final = monkey.get_original("_thread", "start_new_thread")
native_lock: Final = monkey.get_original("_thread", "allocate_lock")
native_ident: Final = monkey.get_original("_thread", "get_ident")


class Turn:
    """Collects the signals that one call sets, so that a waiter can be handed the caller's turn."""

    __slots__ = ("signals",)

    def __init__(self) -> None:
        self.signals: list[GreenSignal] | None = None

    def hand_over(self, call: Callable[[], None]) -> None:
        """Makes `call`, which must not wait; if it sets exactly one signal of this turn, its waiter runs at once.

        Callbacks run after all timers and sockets that are due: with many streams that takes a while. Not to be called
        from the hub itself.
        """
        signals: list[GreenSignal] = []
        self.signals = signals
        try:
            call()
        finally:
            self.signals = None
        if len(signals) == 1:
            signals[0].pass_turn()
        else:
            for signal in signals:
                signal.resume()


class GreenSignal:
    """A flag that one greenlet of the hub waits for: a third of the size and time of `gevent.event.Event`.

    Clear it before you read the state that it stands for, never after. It is set in the hub's thread only.
    """

    __slots__ = ("_flag", "_hub", "_turn", "_waiter")

    def __init__(self, turn: Turn | None = None) -> None:
        self._hub: Hub = gevent.get_hub()
        self._turn = turn
        self._flag = False
        self._waiter: Any = None

    def set(self) -> None:
        if not self._flag:
            self._flag = True
            if self._waiter is None:
                return
            if self._turn is None or self._turn.signals is None:
                self.resume()
            else:
                self._turn.signals.append(self)

    def resume(self) -> None:
        """Resumes the waiter in the next round of callbacks."""
        self._hub.loop.run_callback(self._wake, self._waiter)

    def clear(self) -> None:
        self._flag = False

    def wait(self, timeout: float | None = None) -> None:
        if self._flag:
            return
        timer = None if timeout is None else self._hub.loop.timer(timeout)
        self._waiter = getcurrent()
        try:
            if timer is not None:
                timer.start(self._wake, self._waiter, update=True)
            self._hub.switch()
        finally:
            self._waiter = None
            if timer is not None:
                timer.stop()
                timer.close()

    def pass_turn(self) -> None:
        """Switches to the waiter; the caller continues in the next round of callbacks."""
        # Several callers may be here at once: the waiter can wait and be woken again within the same round.
        callback = self._hub.loop.run_callback(getcurrent().switch)
        try:
            self._waiter.switch()
        finally:
            callback.stop()  # the caller may have been killed meanwhile

    def _wake(self, waiter: Any) -> None:
        # The callback may come late: the waiter may have been killed, or wait for something else by now.
        if self._waiter is waiter:
            waiter.switch()


Signal = GreenSignal | threading.Event
"""A flag that one greenlet or native thread waits for; they are used alike."""


def give_way() -> None:
    """Lets every other greenlet run, including those that wait for a socket or a timer.

    After `gevent.sleep(0)` the hub may resume ready greenlets fifty times before it next looks at sockets and timers.
    """
    loop: Any = gevent.get_hub().loop
    gevent.idle(loop.MAXPRI)


def in_thread(function: Callable[..., T], *args: Any) -> T:
    """What `function(*args)` returns, or raises, in a thread of the hub's pool: what would block the hub may run there.

    In a thread without a hub, and in the hub itself, which cannot wait, it is called at once.
    """
    hub = get_hub_if_exists()
    if hub is None or getcurrent() is hub:
        return function(*args)
    return in_pool(hub.threadpool, function, *args)


def in_pool(pool: ThreadPool, function: Callable[..., T], *args: Any) -> T:
    """What `function(*args)` returns, or raises, in a thread of a pool."""
    # Errors are returned: gevent prints the traceback of each that is raised in a thread of its pool.
    value, error = pool.apply(_outcome, (function, args))
    if error is not None:
        raise error
    return cast(T, value)


def _outcome(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, Exception | None]:
    try:
        return function(*args), None
    except Exception as error:  # noqa: BLE001  # raised again by the caller
        return None, error


def discard_hub() -> None:
    """Destroys the hub that patched calls (`time.sleep`) have created in the calling native thread, if any."""
    hub = get_hub_if_exists()
    if hub is not None:
        hub.destroy(destroy_loop=True)
        if hub and not hub.dead:
            # gevent leaves it suspended in its last line, where it would keep this thread's frames for ever.
            hub.throw(GreenletExit)


def start_hub() -> Hub:
    """A hub that runs in a native thread of its own, until the process ends."""
    started = native_lock()
    started.acquire()
    hubs: list[Hub] = []

    def serve() -> None:
        hubs.append(gevent.get_hub())
        started.release()
        # A hub without a watcher ends: this one never fires.
        keep = hubs[0].loop.async_()
        keep.start(lambda: None)
        hubs[0].switch()

    start_native_thread(serve, ())
    started.acquire()
    return hubs[0]


def call_in(hub: Hub, function: Callable[..., T], args: tuple[Any, ...]) -> T:
    """What `function(*args)` returns, or raises, in a greenlet of `hub`; blocks the calling native thread."""
    ended = native_lock()
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.extend((function(*args), None))
        except BaseException as error:  # noqa: BLE001  # raised again in the calling thread
            outcome.extend((None, error))
        finally:
            ended.release()

    ended.acquire()
    hub.loop.run_callback_threadsafe(gevent.spawn, run)
    ended.acquire()
    value, error = outcome
    if error is not None:
        raise error
    return cast(T, value)
