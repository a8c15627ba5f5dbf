"""What an application may watch of its runs: each occasion is one frozen record, handed to every observer.

Observers are called between two events of other streams (in the hub, or where a request is served): they count and
pass on, and never wait. One that raises is named in the log, and the run goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from ..protocol.state import Ending, Reason

log = logging.getLogger("headway")


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run began in this worker; `attempt` is 2 or more where it began anew after its producer was lost."""

    run: str
    operation: str
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A run of this worker is over. `seconds` since it began here, `events` up to and with its `done`.

    `reason` is why it was cancelled. A run that was lost to another worker has no `status`: it ends there.
    """

    run: str
    operation: str
    status: Ending | None
    reason: Reason | None
    seconds: float
    events: int


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """A viewer's stream of a run begins, for the first time or again (`after` is the last event it has seen)."""

    run: str
    operation: str
    after: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A request was answered with a problem instead."""

    code: str
    status: int


@dataclass(frozen=True, slots=True)
class Load:
    """What this worker is at, once a second."""

    runs: int
    streams: int
    draining: bool


class Observer:
    """Does nothing on any occasion; override what is of interest, and give it to `Headway(observers=[...])`."""

    def run_started(self, seen: RunStarted) -> None:
        """A run begins."""

    def run_ended(self, seen: RunEnded) -> None:
        """A run is over."""

    def stream_opened(self, seen: StreamOpened) -> None:
        """A viewer watches a run."""

    def refused(self, seen: Refused) -> None:
        """A request gets a problem for an answer."""

    def load(self, seen: Load) -> None:
        """A second has passed."""


class Observers(Observer):
    """Several, as one; an error of one of them reaches neither the others nor the run."""

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        self._observers = list(observers)

    def run_started(self, seen: RunStarted) -> None:
        self._tell("run_started", seen)

    def run_ended(self, seen: RunEnded) -> None:
        self._tell("run_ended", seen)

    def stream_opened(self, seen: StreamOpened) -> None:
        self._tell("stream_opened", seen)

    def refused(self, seen: Refused) -> None:
        self._tell("refused", seen)

    def load(self, seen: Load) -> None:
        self._tell("load", seen)

    def _tell(self, occasion: str, seen: object) -> None:
        for observer in self._observers:
            try:
                getattr(observer, occasion)(seen)
            except Exception:
                log.exception("an observer failed")
