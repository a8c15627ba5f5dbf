"""What a worker writes to Redis: one connection with one batch in flight; what gathers meanwhile is the next batch.

A batch is one round trip, in which each task has a script of its own: all of it is done, or nothing. While Redis is
away the writer sends its batch again until Redis accepts it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol

import gevent
from gevent.event import AsyncResult
from redis.exceptions import ResponseError

from ...errors import StoreAway
from ...runtime.hub import GreenSignal
from .connection import Connection, is_refusal
from .scripts import Call

log = logging.getLogger("headway")

WRITE_TIMEOUT: Final = 2.0
"""Seconds that a request waits for the writer."""

RETRY: Final = (0.05, 0.1, 0.25, 0.5, 1.0)
"""Seconds between tries while Redis is away."""

AWAY: Final = "the store cannot be written"


class Task(Protocol):
    """Something to write."""

    cancelled: bool
    """Whether nobody waits for it any more."""

    @property
    def calls(self) -> Sequence[Call]:
        """The calls to send; the reply to the last one is the outcome."""

    def finish(self, reply: Any) -> bool:
        """Takes the outcome. Returns whether the task is done; if not, its calls are sent again."""


class Command:
    """Calls for the writer, and their outcome; `undo` is sent where nobody waits for that any more."""

    def __init__(self, *calls: Call, undo: Call | None = None) -> None:
        self.calls = calls
        self.undo = undo
        self.outcome: AsyncResult[Any] = AsyncResult()
        self.cancelled = False

    def finish(self, reply: Any) -> bool:
        self.outcome.set(reply)
        return True


class Writer:
    """The connection that writes.

    `gather` returns the tasks to write besides the commands. `on_change` is called on every try that fails, and when
    Redis is back.
    """

    def __init__(self, url: str, gather: Callable[[], Iterable[Task]], on_change: Callable[[], None]) -> None:
        self.away = False
        self.closed = False
        self._connection = Connection(url)
        self._gather = gather
        self._on_change = on_change
        self._commands: list[Command] = []
        self._busy = False
        self._wake = GreenSignal()

    @property
    def idle(self) -> bool:
        """Whether all commands are written; there may be more to gather."""
        return not self._commands and not self._busy

    def wake(self) -> None:
        """Notifies the writer that there is something to gather."""
        self._wake.set()

    def submit(self, command: Command) -> None:
        """Adds `command` to the next batch."""
        self._commands.append(command)
        self._wake.set()

    def execute(self, command: Command) -> Any:
        """Writes `command` and returns its outcome. Raises `StoreAway` after `WRITE_TIMEOUT`."""
        if self.away or self.closed:
            raise StoreAway(AWAY)
        self.submit(command)
        return self.wait(command)

    def wait(self, command: Command) -> Any:
        """Returns the outcome of a command that was submitted. Raises `StoreAway` after `WRITE_TIMEOUT`."""
        try:
            reply = command.outcome.get(timeout=WRITE_TIMEOUT)
        except gevent.Timeout:
            command.cancelled = True
            if command.undo is not None:
                self.submit(Command(command.undo))  # it may have been written all the same
            raise StoreAway(AWAY) from None
        if isinstance(reply, ResponseError):
            raise StoreAway(f"{AWAY}: {reply}") from reply
        return reply

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def serve(self) -> None:
        """Writes batches until its greenlet is killed."""
        while True:
            self._wake.clear()
            tasks: list[Task] = [*self._commands, *self._gather()]
            self._commands = []
            if not tasks:
                self._busy = False
                self._wake.wait()
                continue
            self._busy = True
            try:
                self._write_batch(tasks)
            except Exception:
                log.exception("the writer of the store failed")
                gevent.sleep(1.0)

    def _write_batch(self, tasks: list[Task]) -> None:
        """Writes one batch; tries again for as long as Redis is away."""
        tries = 0
        while tasks:
            remaining, error = self._write(tasks)
            self._set_away(error)
            if error is not None:
                gevent.sleep(RETRY[min(tries, len(RETRY) - 1)])
                tries += 1
            tasks = [task for task in remaining if not task.cancelled]

    def _write(self, tasks: list[Task]) -> tuple[list[Task], Exception | None]:
        """One round trip. Returns the tasks that are not done, and the error of a Redis that is away."""
        batches = [task.calls for task in tasks]
        try:
            replies = iter(self._connection.execute([call for batch in batches for call in batch]))
        except StoreAway as away:
            return tasks, away
        remaining: list[Task] = []
        error = None
        for task, batch in zip(tasks, batches, strict=True):
            reply = [next(replies) for _ in batch][-1]
            if is_refusal(reply):
                error = reply
                remaining.append(task)
            elif not _finish(task, reply):
                remaining.append(task)
        return remaining, error

    def _set_away(self, error: Exception | None) -> None:
        before, self.away = self.away, error is not None
        if self.away and not before:
            log.error("%s: %s", AWAY, error)
        elif before and not self.away:
            log.warning("the store can be written again")
        if self.away or before:
            self._on_change()


def _finish(task: Task, reply: Any) -> bool:
    if isinstance(reply, ResponseError):
        log.error("the store answers with an error: %s", reply)
    try:
        return task.finish(reply)
    except Exception:
        log.exception("a reply of the store could not be processed")
        return True
