"""The one thread of a worker in which runs live: its gevent hub, and the ways into it from everywhere else.

Under a gevent server (gunicorn's gevent workers, gevent.pywsgi) that is the thread that serves requests, and calls into
it are plain calls. Elsewhere (`flask run`, gunicorn's sync and gthread workers) requests run in native threads that
know no hub; then Headway starts a thread of its own with one. What follows is the same code in both worlds, and since
only one thread ever touches a run, none of it needs a lock.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

import gevent
from gevent import monkey
from gevent._hub_local import get_hub_if_exists
from gevent.hub import Hub
from greenlet import GreenletExit, getcurrent

T = TypeVar("T")

start_native_thread: Final = monkey.get_original("_thread", "start_new_thread")
native_lock: Final = monkey.get_original("_thread", "allocate_lock")
native_ident: Final = monkey.get_original("_thread", "get_ident")


class Signal(Protocol):
    """A flag that one waiter waits for. It is cleared before the state it speaks of is read, never after."""

    def set(self) -> None:
        """Raises the flag; in the hub's thread only."""

    def clear(self) -> None:
        """Lowers the flag."""

    def wait(self, timeout: float | None = None) -> object:
        """Returns once the flag is up, or after `timeout` seconds."""


class GreenSignal:
    """A signal for a greenlet of the hub: a third of the size and time of `gevent.event.Event`."""

    __slots__ = ("_flag", "_hub", "_waiter")

    def __init__(self) -> None:
        self._hub: Hub = gevent.get_hub()
        self._flag = False
        self._waiter: Any = None

    def set(self) -> None:
        if not self._flag:
            self._flag = True
            if self._waiter is None:
                return
            if _woken is None:
                self.resume()
            else:
                _woken.append(self)

    def resume(self) -> None:
        """Has the waiter go on in the next round of callbacks."""
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
        """Gives the caller's turn to the waiter; the caller goes on in the next round of callbacks."""
        # Several may stand here at once: the waiter can wait again, and be woken again, within the same round.
        caller = [getcurrent()]
        self._hub.loop.run_callback(self._go_on, caller)
        try:
            self._waiter.switch()
        finally:
            caller.clear()

    def _go_on(self, caller: list[Any]) -> None:
        if caller:  # it may have been killed meanwhile
            caller[0].switch()

    def _wake(self, waiter: Any) -> None:
        # The callback may come late: its waiter may have been killed, or wait for something else by now.
        if self._waiter is waiter:
            waiter.switch()


_woken: list[GreenSignal] | None = None


def hand_over(call: Callable[[], None]) -> None:
    """Makes `call`, which must not wait; where it sets one signal, who waits for that has the caller's turn at once.

    Callbacks run when all timers and sockets that are due have had theirs: with many streams that is a while. Not to be
    called from the hub itself.
    """
    global _woken  # noqa: PLW0603  # what `call` sets is deep below it
    woken: list[GreenSignal] = []
    _woken = woken
    try:
        call()
    finally:
        _woken = None
    if len(woken) == 1:
        woken[0].pass_turn()
    else:
        for signal in woken:
            signal.resume()


class Home:
    """The hub of this process, where runs live."""

    def __init__(self, hub: Hub, native: bool) -> None:
        self.hub = hub
        self.native = native
        self.pid = os.getpid()
        self.ident: int = hub.thread_ident

    @property
    def here(self) -> bool:
        """Whether the caller is in the hub's own thread."""
        return bool(native_ident() == self.ident)

    def signal(self) -> Signal:
        """A signal for whoever calls to wait on."""
        return GreenSignal() if self.here else threading.Event()

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """What `function(*args)` gives, or raises, in the hub's thread; it may wait there."""
        if self.here:
            return function(*args)
        crossed: T = _Crossing(function, args).made_in(self)
        return crossed

    def soon(self, function: Callable[..., Any], *args: Any) -> None:
        """Has `function(*args)` called in the hub, from any thread; it must not wait."""
        self.hub.loop.run_callback_threadsafe(function, *args)


class _Crossing:
    """One call from a native thread into the hub, and its outcome on the way back."""

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._function = function
        self._args = args
        self._value: Any = None
        self._error: BaseException | None = None
        self._done = native_lock()

    def made_in(self, home: Home) -> Any:
        self._done.acquire()
        home.soon(gevent.spawn, self._make)
        self._done.acquire()
        if self._error is not None:
            raise self._error
        return self._value

    def _make(self) -> None:
        try:
            self._value = self._function(*self._args)
        except BaseException as error:  # noqa: BLE001  # it is raised again in the thread that asked
            self._error = error
        finally:
            self._done.release()


def give_way() -> None:
    """Lets everybody else have a turn, in the hub: those too whom the kernel has news for.

    After `gevent.sleep(0)` the hub may resume producers fifty times, for a slice each, before it next looks at its
    sockets and timers.
    """
    loop: Any = gevent.get_hub().loop
    gevent.idle(loop.MAXPRI)


_home: Home | None = None
_guard = native_lock()


def home() -> Home:
    """The home of this process; the first caller settles which world it is in."""
    global _home  # noqa: PLW0603  # one a process, and made anew after a fork
    if _home is None or _home.pid != os.getpid():
        with _guard:
            if _home is None or _home.pid != os.getpid():
                _home = Home(gevent.get_hub(), native=False) if _in_a_hub() else _start_thread()
    return _home


def discard_hub() -> None:
    """Ends the hub that patched calls (`time.sleep`) have given the calling native thread, if any."""
    hub = get_hub_if_exists()
    if hub is not None:
        hub.destroy(destroy_loop=True)
        if hub and not hub.dead:
            # gevent leaves it suspended in its last line, from where it would keep this thread's frames for ever.
            hub.throw(GreenletExit)


def _in_a_hub() -> bool:
    """Whether the caller may wait by switching to a hub: a patched process, or a greenlet of a running hub."""
    return monkey.is_module_patched("threading") or getcurrent().parent is not None


def _start_thread() -> Home:
    started = native_lock()
    started.acquire()
    hubs: list[Hub] = []

    def serve() -> None:
        hubs.append(gevent.get_hub())
        started.release()
        # The hub runs as long as something may come in: a watcher that nothing ends stands for that.
        keep = hubs[0].loop.async_()
        keep.start(lambda: None)
        hubs[0].switch()

    start_native_thread(serve, ())
    started.acquire()
    return Home(hubs[0], native=True)
