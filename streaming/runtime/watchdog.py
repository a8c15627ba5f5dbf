"""Names operations that block their worker: while a greenlet computes or waits in C code, no other one runs.

While producers run, a native thread asks the hub twice a second to count a round. A hub that does not is blocked, by
the producer whose greenlet runs. (gevent's own monitor names the greenlet, not the operation, and must be set up before
the hub is.)
"""

from __future__ import annotations

import logging
import sys
import traceback
from typing import Any, Final, Protocol

from gevent import monkey
from gevent.hub import Hub

from .hub import start_native_thread

log = logging.getLogger("headway")

BLOCKED_AFTER: Final = 0.5
"""Seconds without a round of the hub after which the operation that runs is named."""

STACK_LINES: Final = 12

native_sleep: Final[Any] = monkey.get_original("time", "sleep")


class Watched(Protocol):
    """A producer: the warning names its operation and its run."""

    name: str
    run: str | None
    greenlet: Any


class Watchdog:
    """Watches the producers of one hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub: Any = hub
        self._watched: dict[Watched, bool] = {}
        self._running = False
        self._rounds = 0

    def enter(self, producer: Watched) -> None:
        self._watched[producer] = False
        if not self._running:
            self._running = True
            start_native_thread(self._watch, ())

    def leave(self, producer: Watched) -> None:
        self._watched.pop(producer, None)

    def _watch(self) -> None:
        while self._watched:
            rounds = self._rounds
            self._hub.loop.run_callback_threadsafe(self._count_round)
            native_sleep(BLOCKED_AFTER)
            if self._rounds == rounds:
                self._name_blocker()
        self._running = False
        if self._watched:  # a producer entered between the two lines above
            self._running = True
            start_native_thread(self._watch, ())

    def _count_round(self) -> None:
        self._rounds += 1

    def _name_blocker(self) -> None:
        frame = sys._current_frames().get(self._hub.thread_ident)  # the only way to another thread's stack
        producer = next((each for each in list(self._watched) if _is_running(each.greenlet)), None)
        if producer is None or frame is None or self._watched.get(producer, True):
            return
        self._watched[producer] = True
        log.warning(
            "operation %r%s blocks its worker: for %.1f seconds no other stream has moved. Run it in a thread "
            '(runs_in="thread") or a process (runs_in="process"). It is at\n%s',
            producer.name,
            "" if producer.run is None else f" (run {producer.run})",
            BLOCKED_AFTER,
            "".join(traceback.format_stack(frame)[-STACK_LINES:]),
        )


def _is_running(greenlet: Any) -> bool:
    """Whether a greenlet is the one that its thread runs: it has started, has not ended, and has no saved frame."""
    return bool(greenlet) and greenlet.gr_frame is None


def stack_of(greenlet: Any) -> str:
    """Where a greenlet waits, as the end of a warning; empty where that cannot be seen."""
    frame = getattr(greenlet, "gr_frame", None)
    return "" if frame is None else ", at\n" + "".join(traceback.format_stack(frame)[-STACK_LINES:])
