"""What an application can watch of its runs: every observer gets one frozen record of each thing that happens.

Observers are called in the hub, between two events of other streams, or where a request is served: they count and pass
on, and never wait. One that raises is logged, and the run continues.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from ..protocol.state import Ending, Reason

log: Final = logging.getLogger("headway")


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run has started in this worker; `attempt` is 2 or more where its last producer was lost."""

    run: str
    operation: str
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A run of this worker has ended, `seconds` after it started here, with `events` up to and including its `done`.

    `reason` is why it was cancelled. A run that was lost to another worker has no `status`: it ends there. `usage` is
    what its calls of language models have taken, over all attempts.
    """

    run: str
    operation: str
    status: Ending | None
    reason: Reason | None
    seconds: float
    events: int
    usage: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """A viewer has opened the stream of a run, after the event with the number `after`; 0 for all of it."""

    run: str
    operation: str
    after: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A request was answered with a problem."""

    code: str
    status: int


@dataclass(frozen=True, slots=True)
class Load:
    """How many live runs and open streams this worker has, once a second.

    `store_bytes` is what all runs of the store take (in memory: of this worker), `evicted` how many finished runs this
    worker has deleted since the last record to make room, `cut` how many clients it has cut that took nothing of their
    answers or streams, `store_errors` how often the store did not answer, or answered with an error.
    """

    runs: int
    streams: int
    draining: bool
    store_bytes: int = 0
    evicted: int = 0
    cut: int = 0
    store_errors: int = 0


class Observer:
    """Does nothing; override the methods that are of interest, and pass it to `Headway(observers=[...])`."""

    def run_started(self, record: RunStarted) -> None:
        """A run has started."""

    def run_ended(self, record: RunEnded) -> None:
        """A run has ended."""

    def stream_opened(self, record: StreamOpened) -> None:
        """A viewer has opened the stream of a run."""

    def refused(self, record: Refused) -> None:
        """A request was answered with a problem."""

    def load(self, record: Load) -> None:
        """A second has passed."""


class Observers(Observer):
    """Several observers as one; an error in one of them reaches neither the others nor the run."""

    def __init__(self, observers: Iterable[Observer]) -> None:
        self._observers = list(observers)

    def run_started(self, record: RunStarted) -> None:
        self._call("run_started", record)

    def run_ended(self, record: RunEnded) -> None:
        self._call("run_ended", record)

    def stream_opened(self, record: StreamOpened) -> None:
        self._call("stream_opened", record)

    def refused(self, record: Refused) -> None:
        self._call("refused", record)

    def load(self, record: Load) -> None:
        self._call("load", record)

    def _call(self, method: str, record: object) -> None:
        for observer in self._observers:
            try:
                getattr(observer, method)(record)
            except Exception:
                log.exception("an observer failed")
