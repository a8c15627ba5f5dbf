"""Names operations that block their worker: while processor or C code runs in a greenlet, nothing else moves.

A native thread asks the hub to raise its hand twice a second, as long as anything runs in a greenlet there. A hub that
does not is blocked, and the frames of its thread say by whom. (gevent's own monitor tells the greenlet, not the
operation, and has to be set up before the hub is.)
"""

from __future__ import annotations

import logging
import sys
import traceback
from types import FrameType
from typing import Any, Final, Protocol

from gevent import monkey

from .hub import home, start_native_thread

log = logging.getLogger("headway")

BLOCKED_AFTER: Final = 0.5
"""Seconds without a turn of the hub after which the operation that runs is named."""

STACK_LINES: Final = 12

native_sleep: Final[Any] = monkey.get_original("time", "sleep")


class Watched(Protocol):
    """What the warning names."""

    name: str
    run: str | None


class _Watchdog:
    def __init__(self) -> None:
        self._home = home()
        self._watched = 0
        self._running = False
        self._turns = 0
        self._named: set[int] = set()

    def belongs_here(self) -> bool:
        return self._home is home()

    def enter(self) -> None:
        self._watched += 1
        if not self._running:
            self._running = True
            start_native_thread(self._watch, ())

    def leave(self, production: Watched) -> None:
        self._watched -= 1
        self._named.discard(id(production))

    def _watch(self) -> None:
        while self._watched:
            turns = self._turns
            self._home.soon(self._raise_hand)
            native_sleep(BLOCKED_AFTER)
            if self._turns == turns:
                self._name_the_blocker()
        self._running = False
        if self._watched:  # one entered between the two lines above
            self._running = True
            start_native_thread(self._watch, ())

    def _raise_hand(self) -> None:
        self._turns += 1

    def _name_the_blocker(self) -> None:
        frame = sys._current_frames().get(self._home.ident)  # the one way to another thread's stack
        production = _production_in(frame)
        if production is None or id(production) in self._named:
            return
        self._named.add(id(production))
        stack = "".join(traceback.format_stack(frame)[-STACK_LINES:])
        log.warning(
            "operation %r%s blocks its worker: for %.1f seconds no other stream has moved. Run it in a thread "
            '(runs_in="thread") or a process (runs_in="process"). It stands at\n%s',
            production.name,
            "" if production.run is None else f" (run {production.run})",
            BLOCKED_AFTER,
            stack,
        )


def _production_in(frame: FrameType | None) -> Watched | None:
    """The production inside whose `_drive` the frame is."""
    while frame is not None:
        if frame.f_code.co_name == "_drive" and "self" in frame.f_locals:
            production: Watched = frame.f_locals["self"]
            return production
        frame = frame.f_back
    return None


_watchdog: _Watchdog | None = None


def enter() -> None:
    """Says that a production begins to run in the hub."""
    global _watchdog  # noqa: PLW0603  # one a process, and made anew after a fork
    if _watchdog is None or not _watchdog.belongs_here():
        _watchdog = _Watchdog()
    _watchdog.enter()


def leave(production: Watched) -> None:
    """Says that it has ended."""
    if _watchdog is not None:
        _watchdog.leave(production)


def stack_of(greenlet: Any) -> str:
    """Where a greenlet stands, as the tail of a warning; empty where that cannot be told."""
    frame = getattr(greenlet, "gr_frame", None)
    return "" if frame is None else ", at\n" + "".join(traceback.format_stack(frame)[-STACK_LINES:])
