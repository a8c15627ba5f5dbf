"""Names operations that block their worker: while a greenlet computes or waits in C code, no other one runs.

The same holds for the tasks of its event loop.

While producers run, a native thread asks the hub twice a second to count a round. A hub that does not is blocked, by
the producer whose greenlet runs. (gevent's own monitor names the greenlet, not the operation, and must be set up before
the hub is.)
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable
from typing import Any, Final, Protocol

from gevent import monkey

from ..logs import Lines, of_run
from .hub import start_native_thread

log: Final = logging.getLogger("headway")

BLOCKED_AFTER: Final = 0.5
"""Seconds without a round of the hub after which the operation that runs is named."""

STACK_LINES: Final = 12

native_sleep: Final[Any] = monkey.get_original("time", "sleep")

BLOCKS_ITS_WORKER: Final = (
    'blocks its worker: for %.1f seconds no other stream has moved. Run it in a thread (runs_in="thread") or a process '
    '(runs_in="process")'
)


class Watched(Protocol):
    """A producer: the warning names its operation and its run."""

    name: str
    run: str | None

    @property
    def is_running(self) -> bool:
        """Whether it is the one that the thread runs; asked from another thread."""


class Watchdog:
    """Watches the producers of one thread: that of a hub, or of an event loop.

    `soon` calls a function in that thread, `ident` is its id, and `warning` says what is blocked, and the way out.
    """

    def __init__(self, soon: Callable[..., Any], ident: int, warning: str = BLOCKS_ITS_WORKER) -> None:
        self._soon = soon
        self._ident = ident
        self._warning = warning
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
            self._soon(self._count_round)
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
        frame = sys._current_frames().get(self._ident)  # the only way to another thread's stack
        producer = next((each for each in list(self._watched) if each.is_running), None)
        if producer is None or frame is None or self._watched.get(producer, True):
            return
        self._watched[producer] = True
        log.warning(
            f"operation %r%s {self._warning}. It is at\n%s",  # noqa: G004  # one of two constants
            producer.name,
            "" if producer.run is None else f" (run {producer.run})",
            BLOCKED_AFTER,
            Lines("".join(traceback.format_stack(frame)[-STACK_LINES:])),
            extra=of_run(producer.run, producer.name),
        )


def is_running(greenlet: Any) -> bool:
    """Whether a greenlet is the one that its thread runs: it has started, has not ended, and has no saved frame."""
    return bool(greenlet) and greenlet.gr_frame is None


def stack_of(greenlet: Any) -> str:
    """Where a greenlet waits, as the end of a warning; empty where that cannot be seen."""
    frame = getattr(greenlet, "gr_frame", None)
    return "" if frame is None else ", at\n" + "".join(traceback.format_stack(frame)[-STACK_LINES:])
