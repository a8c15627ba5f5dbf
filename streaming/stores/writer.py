"""What a worker writes to a shared store: one batch in flight; what gathers meanwhile is the next batch.

While the store is away the writer tries its batch again until the store accepts it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol

import gevent
from gevent.event import AsyncResult

from ..errors import StoreAway
from ..logs import Outage
from ..runtime.hub import GreenSignal
from .driver import NotNow, Step, Unfit

log: Final = logging.getLogger("headway")

WRITE_TIMEOUT: Final = 2.0
"""Seconds that a request waits for the writer."""

RETRY: Final = (0.05, 0.1, 0.25, 0.5, 1.0)
"""Seconds between tries while the store is away."""

AWAY: Final = "the store cannot be written"


class Task(Protocol):
    """Something to write."""

    cancelled: bool
    """Whether nobody waits for it any more."""

    @property
    def steps(self) -> Sequence[Step[Any]]:
        """The steps to run; the outcome is that of the last one."""

    def finish(self, outcome: Any) -> bool:
        """Takes the outcome. Returns whether the task is done; if not, its steps are run again."""


class Command:
    """A step for the writer, and its outcome; `undo` is run where nobody waits for that any more."""

    __slots__ = ("cancelled", "outcome", "steps", "undo")

    def __init__(self, step: Step[Any], undo: Step[Any] | None = None) -> None:
        self.steps: tuple[Step[Any]] = (step,)
        self.undo: Step[Any] | None = undo
        self.outcome: AsyncResult[Any] = AsyncResult()
        self.cancelled: bool = False

    def finish(self, outcome: Any) -> bool:
        self.outcome.set(outcome)
        return True


class Writer:
    """Writes batches with `write` (`Driver.write`).

    `gather` returns the tasks to write besides the commands. `on_change` is called on every try that fails, and when
    the store is back. Batches begin `every` seconds apart, unless there is a command, or something to write `at_once`.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Sequence[Step[Any]]]], list[Any]],
        gather: Callable[[], Iterable[Task]],
        on_change: Callable[[], None],
        outage: Outage,
        every: float = 0.0,
    ) -> None:
        self.away: bool = False
        self.closed = False
        self._write_batch = write
        self._gather = gather
        self._on_change = on_change
        self._outage = outage
        self._commands: list[Command] = []
        self._busy = False
        self._every = every
        self._next_batch = 0.0
        self._at_once = GreenSignal()
        self._wake = GreenSignal()

    @property
    def idle(self) -> bool:
        """Whether all commands are written; there may be more to gather."""
        return not self._commands and not self._busy

    def wake(self, *, at_once: bool = True) -> None:
        """Notifies the writer that there is something to gather."""
        self._wake.set()
        if at_once:
            self._at_once.set()

    def submit(self, command: Command) -> Command:
        """Adds `command` to the next batch."""
        self._commands.append(command)
        self.wake()
        return command

    def execute(self, command: Command) -> Any:
        """Writes `command` and returns its outcome. Raises `StoreAway` after `WRITE_TIMEOUT`."""
        if self.away or self.closed:
            raise StoreAway(AWAY)
        return self.wait(self.submit(command))

    def wait(self, command: Command) -> Any:
        """Returns the outcome of a command that was submitted. Raises `StoreAway` after `WRITE_TIMEOUT`."""
        try:
            outcome = command.outcome.get(timeout=WRITE_TIMEOUT)
        except gevent.Timeout:
            command.cancelled = True
            if command.undo is not None:
                self.submit(Command(command.undo))  # it may have been written all the same
            raise StoreAway(AWAY) from None
        if isinstance(outcome, Exception):
            raise StoreAway(f"{AWAY}: {outcome}") from outcome
        return outcome

    def serve(self) -> None:
        """Writes batches until its greenlet is killed."""
        while True:
            self._wake.clear()
            if (wait := self._next_batch - time.monotonic()) > 0:
                self._at_once.wait(wait)
            self._at_once.clear()
            tasks: list[Task] = list(self._gather())  # first: a checkpoint comes after the events before it
            tasks += [command for command in self._commands if not command.cancelled]
            self._commands = []
            if not tasks:
                self._busy = False
                self._wake.wait()
                continue
            self._busy = True
            self._write_until_done(tasks)

    def _write_until_done(self, tasks: list[Task]) -> None:
        tries = 0
        self._next_batch = time.monotonic() + self._every
        while tasks:
            remaining, error = self._write(tasks)
            self._set_away(error)
            if error is not None:
                gevent.sleep(RETRY[min(tries, len(RETRY) - 1)])
                tries += 1
            tasks = [task for task in remaining if not task.cancelled]
        if self.away:  # all that waited was given up: nothing else would notice that the store is back
            self._set_away(None)

    def _write(self, tasks: list[Task]) -> tuple[list[Task], Exception | None]:
        """Writes one batch. Returns the tasks that are not done, and the error of a store that is away."""
        try:
            outcomes = self._write_batch([task.steps for task in tasks])
        except Exception as error:  # noqa: BLE001  # after any error: somebody waits for this batch
            return tasks, error
        remaining: list[Task] = []
        refusal = None
        for task, outcome in zip(tasks, outcomes, strict=True):
            if isinstance(outcome, NotNow):
                refusal = outcome
                remaining.append(task)
            elif not _finish(task, outcome, self._outage):
                remaining.append(task)
        return remaining, refusal

    def _set_away(self, error: Exception | None) -> None:
        before, self.away = self.away, error is not None
        if error is None:
            self._outage.back("writer")
        elif not isinstance(error, Unfit):  # which `SharedStore` logs
            unexpected = None if isinstance(error, StoreAway | NotNow) else error
            self._outage.gone(error, "writer", unexpected=unexpected)
        if self.away or before:
            self._on_change()


def _finish(task: Task, outcome: Any, outage: Outage) -> bool:
    if isinstance(outcome, Exception):
        outage.errors += 1
        log.error("the store answers with an error: %s", outcome)
    try:
        return task.finish(outcome)
    except Exception:
        log.exception("an outcome of the store could not be processed")
        return True
